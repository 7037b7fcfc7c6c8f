use std::{
    env, fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};

use crate::{
    background::{Background, GLANCE},
    distributed::administrator_code,
    process::{self, Counts, succeeds},
    report::Ending,
    tools,
};

/// The images that docker-compose.yml asks for, each with the variable that names another one and the Dockerfile of its
/// stand-in.
const IMAGES: [(&str, &str, &str); 3] = [
    ("MIFENG_POSTGRES_IMAGE", "mifeng-standin/postgres", "postgres.Dockerfile"),
    ("MIFENG_NATS_IMAGE", "mifeng-standin/nats", "nats.Dockerfile"),
    ("MIFENG_CADDY_IMAGE", "mifeng-standin/caddy", "caddy.Dockerfile"),
];

/// What all of them are built upon.
const BASE: &str = "debian:bookworm-slim";

const MIFENG: &str = "mifeng:tested";
const PROJECT: &str = "mifeng-test";
/// How often the story may break off and be told again.
const TELLINGS: u32 = 10;
const STORY: [&str; 5] = ["demo", "story", "--json", "--seed", "7"];

/// From containers that were created to all of them healthy, on a slow machine.
const PATIENCE: Duration = Duration::from_mins(4);

/// Brings docker-compose.yml up for real, plays the story through its proxy from outside, and compares the numbers with those
/// of everything in one process.
pub(crate) fn check(root: &Path) -> anyhow::Result<Ending> {
    if let Err(line) = tools::engine() {
        return Ok(Ending::Skipped(format!("no Docker engine can be had: {line}")));
    }
    let engine = match Engine::reach()? {
        Ok(engine) => engine,
        Err(why) => return Ok(Ending::Skipped(why)),
    };
    let binary = crate::build_mifeng(root)?;
    let scratch = Scratch::new("compose")?;
    let images = match engine.images(root, &binary, &scratch.0)? {
        Ok(images) => images,
        Err(why) => return Ok(Ending::Skipped(why)),
    };
    let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let port = port.context("looking for a free port")?.port().to_string();
    let mut project = Project { engine: &engine, root, images, port };
    // What an interrupted run left: old data would tell another story.
    project.down()?;
    let played = project.play(&binary, &scratch.0);
    if played.is_err() {
        project.show();
    }
    project.down()?;
    let (apart, together) = (played?, together(&binary, &scratch.0)?);
    if apart != together {
        let why = format!("the numbers differ\n  through compose: {apart}\n  in one process:  {together}");
        return Ok(Ending::Failed(why, Some(Counts { passed: 0, failed: 1, skipped: 0 })));
    }
    println!("the story gave the same numbers through the proxy as in one process: {apart}");
    Ok(Ending::Passed(Some(Counts { passed: 1, failed: 0, skipped: 0 })))
}

/// A Docker engine: the machine's, or one that was started for the while.
struct Engine {
    /// Where it listens, where that is not the usual place.
    host: Option<String>,
    own: Option<Background>,
    _turn: Option<fs::File>,
    _scratch: Option<Scratch>,
}

impl Engine {
    fn reach() -> anyhow::Result<Result<Self, String>> {
        let usual = Self { host: None, own: None, _turn: None, _scratch: None };
        if usual.answers() {
            return Ok(Ok(usual));
        }
        let installed = env::var_os("PATH")
            .iter()
            .flat_map(env::split_paths)
            .chain(["/usr/sbin".into()])
            .any(|folder| folder.join("dockerd").is_file());
        if !installed || !tools::is_root() {
            return Ok(Err("no Docker engine answers: start one, for example with systemctl start docker".to_owned()));
        }
        Self::start()
    }

    /// With its images in the cache folder, so that the next run finds them.
    fn start() -> anyhow::Result<Result<Self, String>> {
        let folder = tools::cache()?.join("docker");
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        let turn = fs::File::create(folder.join("lock")).context("opening the engine's lock")?;
        turn.lock().context("waiting for another engine on the same folder")?;
        let mut why = String::new();
        // The second way is slow and works where layers cannot be laid over each other.
        for driver in [None, Some("vfs")] {
            let scratch = Scratch::new("docker")?;
            let host = format!("unix://{}", scratch.0.join("sock").display());
            let mut dockerd = Command::new("dockerd");
            dockerd.args(["--host", &host, "--data-root"]).arg(folder.join(driver.unwrap_or("data")));
            dockerd.arg("--exec-root").arg(scratch.0.join("run")).arg("--pidfile").arg(scratch.0.join("pid"));
            dockerd.args(driver.iter().flat_map(|driver| ["--storage-driver", driver]));
            let own = Background::on_a_leash("dockerd", &dockerd, &folder.join("dockerd.log"))?;
            let mut engine =
                Self { host: Some(host), own: Some(own), _turn: Some(turn.try_clone()?), _scratch: Some(scratch) };
            let mut ask = engine.docker(&["version"]);
            let started = engine.own.as_mut().map(|own| own.until(Duration::from_mins(1), || succeeds(&mut ask)));
            match started {
                Some(Err(error)) => why = format!("{error:#}"),
                _ => return Ok(Ok(engine)),
            }
        }
        Ok(Err(format!("dockerd does not start here: {why}")))
    }

    fn answers(&self) -> bool {
        succeeds(&mut self.docker(&["version"]))
    }

    fn docker(&self, arguments: &[&str]) -> Command {
        let mut docker = Command::new("docker");
        docker.args(arguments).env("DOCKER_BUILDKIT", "0");
        if let Some(host) = &self.host {
            docker.env("DOCKER_HOST", host);
        }
        docker
    }

    /// The variables under which docker-compose.yml finds its images: stand-ins where this machine makes its base itself,
    /// the originals where a registry answers.
    fn images(
        &self,
        root: &Path,
        binary: &Path,
        scratch: &Path,
    ) -> anyhow::Result<Result<Vec<(&'static str, String)>, String>> {
        let mut images = vec![("MIFENG_IMAGE", MIFENG.to_owned())];
        // An engine of somebody's gets no home-made image under a name that others use, if the original can be had.
        let original = self.own.is_none() && (self.has(BASE) || succeeds(&mut self.docker(&["pull", "--quiet", BASE])));
        if !original
            && !self.has(BASE)
            && let Err(why) = self.make_base(scratch)?
        {
            return Ok(Err(why));
        }
        if !original {
            let folder = root.join("deploy/standins");
            for (variable, image, dockerfile) in IMAGES {
                self.build(&[], image, &folder.join(dockerfile), &folder)?;
                images.push((variable, image.to_owned()));
            }
        }
        let context = scratch.join("image");
        fs::create_dir_all(&context).with_context(|| format!("making {}", context.display()))?;
        let inside = context.join("mifeng");
        // A test's binary is mostly line tables.
        if !succeeds(Command::new("strip").arg("-o").arg(&inside).arg(binary)) {
            fs::copy(binary, &inside).with_context(|| format!("copying {}", binary.display()))?;
        }
        self.build(&["--target", "prebuilt"], MIFENG, &root.join("deploy/Dockerfile"), &context)?;
        if !succeeds(&mut self.docker(&["run", "--rm", "--network=none", MIFENG, "--version"])) {
            return Ok(Err("a binary of this machine does not run on Debian 12: its C library is newer".to_owned()));
        }
        Ok(Ok(images))
    }

    fn has(&self, image: &str) -> bool {
        succeeds(&mut self.docker(&["image", "inspect", image]))
    }

    /// A base image without a registry: Debian's own way to make a system in a folder.
    fn make_base(&self, scratch: &Path) -> anyhow::Result<Result<(), String>> {
        let line = "docker pull debian:bookworm-slim, or as root apt-get install debootstrap";
        if !tools::is_root() || !succeeds(Command::new("debootstrap").arg("--version")) {
            return Ok(Err(format!("{BASE} cannot be had: {line}")));
        }
        let system = scratch.join("system");
        let mut debootstrap = Command::new("debootstrap");
        debootstrap.args(["--variant=minbase", "--include=ca-certificates", "bookworm"]).arg(&system);
        if !process::watch(&mut debootstrap)?.success {
            return Ok(Err(format!("debootstrap could not make {BASE} (see above): {line}")));
        }
        let mut tar = Command::new("tar");
        let tar = tar.arg("-C").arg(&system).args(["-c", "."]).stdout(Stdio::piped()).spawn();
        let mut tar = tar.context("starting tar")?;
        let system = tar.stdout.take().context("taking what tar writes")?;
        let imported = self.docker(&["import", "-", BASE]).stdin(system).status().context("starting docker import")?;
        ensure!(tar.wait().context("waiting for tar")?.success() && imported.success(), "{BASE} could not be imported");
        Ok(Ok(()))
    }

    fn build(&self, options: &[&str], tag: &str, dockerfile: &Path, context: &Path) -> anyhow::Result<()> {
        let mut build = self.docker(&["build", "--quiet", "--tag", tag]);
        build.args(options).arg("--file").arg(dockerfile).arg(context);
        ensure!(process::watch(&mut build)?.success, "the image {tag} could not be built: see above");
        Ok(())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if self.own.is_some() {
            // The images of runs before this one.
            succeeds(&mut self.docker(&["image", "prune", "--force"]));
        }
    }
}

/// docker-compose.yml as a project of its own, for a demonstration.
struct Project<'a> {
    engine: &'a Engine,
    root: &'a Path,
    images: Vec<(&'static str, String)>,
    port: String,
}

impl Project<'_> {
    fn play(&mut self, binary: &Path, scratch: &Path) -> anyhow::Result<String> {
        let up = process::watch(&mut self.compose(&["up", "--detach", "--no-build"])?)?;
        ensure!(up.success, "docker-compose up failed: see above");
        self.until_healthy()?;
        let authority = scratch.join("authority.pem");
        fs::write(&authority, self.inside("proxy", &["cat", "/secrets/authority.pem"])?)
            .context("keeping the authority's certificate")?;
        let said = captured(&mut self.compose(&["logs", "--no-color", "office"])?)?;
        let code = administrator_code(&said).context("the office's log shows no first administrator's link")?;
        let address = format!("https://localhost:{}", self.port);
        let through_the_proxy = |arguments: &[&str]| {
            let mut command = mifeng(binary, scratch);
            command.args(arguments).args(["--address", &address]).arg("--authority").arg(&authority);
            command
        };
        captured(&mut through_the_proxy(&["token", "claim", &code]))?;
        let token = fs::read_to_string(scratch.join("nobody/mifeng/token")).context("reading the claimed token")?;
        let story = [&STORY[..], &["--token", token.trim()]].concat();
        // On a slow machine a call may be given up at its deadline. Told again, the story goes on from there: its commands
        // keep their ids, and the numbers are the services' own.
        let mut told = numbers(&mut through_the_proxy(&story));
        for _ in 1..TELLINGS {
            let Err(error) = &told else { break };
            println!("the story broke off and is told again: {error:#}");
            told = numbers(&mut through_the_proxy(&story));
        }
        told
    }

    fn until_healthy(&self) -> anyhow::Result<()> {
        let start = Instant::now();
        loop {
            let ids = captured(&mut self.compose(&["ps", "--quiet"])?)?;
            let mut inspect = self.engine.docker(&["inspect", "--format"]);
            inspect.arg("{{.Name}} {{.State.Status}} {{if .State.Health}}{{.State.Health.Status}}{{end}}");
            let states = captured(inspect.args(ids.split_whitespace()))?;
            let waiting: Vec<&str> = states.lines().filter(|line| !settled(line)).collect();
            if waiting.is_empty() && !states.is_empty() {
                return Ok(());
            }
            if start.elapsed() > PATIENCE {
                bail!("not healthy after {} s: {}", PATIENCE.as_secs(), waiting.join(", "));
            }
            thread::sleep(10 * GLANCE);
        }
    }

    fn inside(&self, service: &str, command: &[&str]) -> anyhow::Result<String> {
        let mut exec = self.compose(&["exec", "-T", service])?;
        captured(exec.args(command))
    }

    fn show(&self) {
        for arguments in [&["ps", "--all"][..], &["logs", "--no-color", "--tail=40"]] {
            if let Ok(mut command) = self.compose(arguments) {
                drop(process::watch(&mut command));
            }
        }
    }

    fn down(&self) -> anyhow::Result<()> {
        let mut down = self.compose(&["down", "--volumes", "--remove-orphans", "--timeout=30"])?;
        let output = down.output().context("starting docker-compose")?;
        ensure!(output.status.success(), "docker-compose down failed:\n{}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    fn compose(&self, arguments: &[&str]) -> anyhow::Result<Command> {
        let way = tools::compose().context("docker-compose was there a moment ago")?;
        let mut compose = Command::new(way[0]);
        compose.args(&way[1..]).args(["--project-name", PROJECT]);
        compose.arg("--file").arg(self.root.join("docker-compose.yml")).args(arguments).current_dir(self.root);
        compose.envs([("MIFENG_PORT", self.port.as_str()), ("MIFENG_NAMES", ""), ("MIFENG_DEMO", "1")]);
        compose.envs(self.images.iter().map(|(variable, image)| (*variable, image)));
        if let Some(host) = &self.engine.host {
            compose.env("DOCKER_HOST", host);
        }
        Ok(compose)
    }
}

/// The same story, everything in one process.
fn together(binary: &Path, scratch: &Path) -> anyhow::Result<String> {
    let data = scratch.join("together");
    let mut up = mifeng(binary, scratch);
    up.args(["up", "--demo", "--listen", "127.0.0.1:0", "--data"]).arg(&data);
    let mut up = Background::on_a_leash("mifeng up", &up, &scratch.join("together.log"))?;
    up.until(Duration::from_mins(1), || data.join("address").exists() && data.join("demonstration.token").exists())?;
    numbers(mifeng(binary, scratch).args(STORY).arg("--data").arg(&data))
}

/// Without what this user keeps for other servers.
fn mifeng(binary: &Path, scratch: &Path) -> Command {
    let mut mifeng = Command::new(binary);
    for variable in ["XDG_DATA_HOME", "XDG_CONFIG_HOME"] {
        mifeng.env(variable, scratch.join("nobody"));
    }
    for variable in ["MIFENG_ADDRESS", "MIFENG_TOKEN", "MIFENG_DATA", "MIFENG_AUTHORITY", "MIFENG_DEMO_TIME"] {
        mifeng.env_remove(variable);
    }
    mifeng
}

fn numbers(story: &mut Command) -> anyhow::Result<String> {
    let numbers = captured(story)?;
    ensure!(numbers.contains("\"recount_equal\":true"), "the recount gives other numbers: {numbers}");
    Ok(numbers.trim().to_owned())
}

fn captured(command: &mut Command) -> anyhow::Result<String> {
    let program = command.get_program().display().to_string();
    let Output { status, stdout, stderr } = command.output().with_context(|| format!("starting {program}"))?;
    let arguments: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
    // Long words are tokens, and nobody's to read.
    let shown: Vec<&str> = arguments.iter().map(AsRef::as_ref).filter(|word: &&str| word.len() < 100).collect();
    ensure!(status.success(), "{program} {} failed:\n{}", shown.join(" "), String::from_utf8_lossy(&stderr));
    Ok(String::from_utf8_lossy(&stdout).into_owned())
}

/// `/name running healthy`; one that runs once is done when it has ended well, which `up` has waited for.
fn settled(state: &str) -> bool {
    let words: Vec<&str> = state.split_whitespace().skip(1).collect();
    matches!(words[..], ["running", "healthy"] | ["exited", ..])
}

/// A folder that goes with this value.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> anyhow::Result<Self> {
        let path = env::temp_dir().join(format!("mifeng-{name}-{}", std::process::id()));
        drop(fs::remove_dir_all(&path));
        let mut builder = fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&path).with_context(|| format!("making {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("{} could not be removed: {error}", self.0.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_runs_in_health_or_ended_is_settled() {
        assert!(settled("/mifeng-test_office_1 running healthy"));
        assert!(settled("/mifeng-test_prepare_1 exited "));
        assert!(!settled("/mifeng-test_office_1 running starting"));
        assert!(!settled("/mifeng-test_office_1 running unhealthy"));
        assert!(!settled("/mifeng-test_office_1 restarting unhealthy"));
        assert!(!settled("/mifeng-test_office_1 created "));
    }
}
