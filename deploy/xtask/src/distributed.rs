use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::{fs::DirBuilderExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    thread,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use clap::Parser;

use crate::{
    background::{Background, GLANCE},
    process, tools,
};

/// Builds mifeng and starts every service in a process of its own on this machine, over PostgreSQL and NATS
#[derive(Parser, Clone)]
#[command(name = "cargo xtask up --distributed", bin_name = "cargo xtask up --distributed")]
pub(crate) struct Distributed {
    /// Lets requests say when they happen, in a data folder of its own: for demonstrations
    #[arg(long)]
    demo: bool,
    /// Erases the demonstration's data folder first
    #[arg(long, requires = "demo")]
    fresh: bool,
    /// Where the router listens, in front of all services
    #[arg(long, env = "MIFENG_LISTEN", default_value = "127.0.0.1:7420", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// The data folder
    #[arg(long, env = "MIFENG_DATA", value_name = "FOLDER")]
    data: Option<PathBuf>,
}

const SERVICES: [&str; 6] = ["registry", "screening", "pass", "isolation", "command", "office"];

/// Since nothing but `std` is used here, a shell receives the signals: at Ctrl-C or SIGTERM it writes a file that the
/// supervisor looks for, and waits for its orderly end. The supervisor itself outlives a terminal that is closed.
const FRONT: &str = r#"
trap ': > "$0"' INT TERM HUP
(trap '' INT HUP; exec "$@") & supervisor=$!
while :; do
  wait $supervisor; status=$?
  kill -0 $supervisor 2> /dev/null || { rm -f "$0"; exit $status; }
done
"#;

/// Says to this very program that the shell stands in front already.
const BEHIND_FRONT: &str = "MIFENG_XTASK_STOP_FILE";

const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) fn up(root: &Path, arguments: &[String]) -> anyhow::Result<ExitCode> {
    let config = Distributed::parse_from(std::iter::once("xtask").chain(arguments.iter().map(String::as_str)));
    match std::env::var_os(BEHIND_FRONT) {
        Some(stop) => supervise(root, &config, Path::new(&stop)),
        None => stand_behind_a_shell(),
    }
}

fn stand_behind_a_shell() -> anyhow::Result<ExitCode> {
    let stop = std::env::temp_dir().join(format!("mifeng-stop-{}", std::process::id()));
    if stop.exists() {
        fs::remove_file(&stop).with_context(|| format!("removing {}", stop.display()))?;
    }
    let program = std::env::current_exe().context("finding this program")?;
    let mut shell = Command::new("sh");
    shell.args(["-c", FRONT]).arg(&stop).arg(program).args(std::env::args_os().skip(1)).env(BEHIND_FRONT, &stop);
    process::become_command(&mut shell)
}

fn supervise(root: &Path, config: &Distributed, stop: &Path) -> anyhow::Result<ExitCode> {
    let parent = std::os::unix::process::parent_id();
    // The shell may have been killed outright: then nobody would ever write the file.
    let told = || stop.exists() || std::os::unix::process::parent_id() != parent;
    let mifeng = crate::build_mifeng(root)?;
    let postgres = tools::postgres().map_err(anyhow::Error::msg)?;
    let nats = tools::nats_servers().newest().map_err(anyhow::Error::msg)?;
    let house = House::open(root, config, mifeng)?;
    let mut running = Running::default();
    let ended = house.start(&mut running, &postgres, &nats, config, &told).and_then(|()| {
        if told() {
            return Ok(ExitCode::SUCCESS);
        }
        house.announce(&mut running, config)?;
        loop {
            if told() {
                return Ok(ExitCode::SUCCESS);
            }
            if let Some(why) = running.first_dead() {
                drop(writeln!(std::io::stderr(), "{why}"));
                return Ok(ExitCode::FAILURE);
            }
            thread::sleep(GLANCE);
        }
    });
    // Nobody is left to tell where the terminal is gone.
    drop(writeln!(std::io::stdout(), "stopping: what runs may finish within 20 s"));
    drop(running);
    drop(fs::remove_file(stop));
    ended
}

/// Everything that was started, in the order of its start.
#[derive(Default)]
struct Running {
    layers: Vec<Vec<Background>>,
}

impl Running {
    fn push(&mut self, layer: Vec<Background>) {
        self.layers.push(layer);
    }

    fn first_dead(&mut self) -> Option<String> {
        let mut all = self.layers.iter_mut().flatten();
        all.find_map(|process| {
            let how = process.dead()?;
            Some(format!("{} ended ({how}), and so all end; its last lines:\n{}", process.name(), process.last_lines()))
        })
    }
}

impl Drop for Running {
    /// The newest layer first; those of one layer all at once.
    fn drop(&mut self) {
        while let Some(mut layer) = self.layers.pop() {
            layer.iter_mut().for_each(Background::ask_to_end);
        }
    }
}

/// The data folder, with the ports that were taken when it was made: addresses stay the same over restarts.
struct House {
    root: PathBuf,
    mifeng: PathBuf,
    data: PathBuf,
    ports: BTreeMap<String, u16>,
    listen: SocketAddr,
    _lock: fs::File,
}

impl House {
    fn open(root: &Path, config: &Distributed, mifeng: PathBuf) -> anyhow::Result<Self> {
        let data = match &config.data {
            Some(data) => std::path::absolute(data).context("finding the data folder")?,
            None => usual_folder(config.demo)?,
        };
        let marker = data.join(if config.demo { "demonstration" } else { "real" });
        let other = data.join(if config.demo { "real" } else { "demonstration" });
        ensure!(!other.exists(), "{} holds {}: take another folder", data.display(), other.display());
        make_folder(&data, 0o755)?;
        let lock = data.join("lock");
        let lock = fs::File::create(&lock).with_context(|| format!("opening {}", lock.display()))?;
        ensure!(lock.try_lock().is_ok(), "another one runs in {}: stop it first", data.display());
        if config.fresh && marker.exists() {
            for entry in fs::read_dir(&data)?.map_while(Result::ok).filter(|entry| entry.path().is_dir()) {
                fs::remove_dir_all(entry.path()).with_context(|| format!("erasing {}", entry.path().display()))?;
            }
        }
        fs::write(&marker, "").with_context(|| format!("writing {}", marker.display()))?;
        make_folder(&data.join("logs"), 0o700)?;
        let mut house =
            Self { root: root.to_owned(), mifeng, data, ports: BTreeMap::new(), listen: config.listen, _lock: lock };
        house.take_ports()?;
        Ok(house)
    }

    fn take_ports(&mut self) -> anyhow::Result<()> {
        let file = self.data.join("ports");
        let text = fs::read_to_string(&file).unwrap_or_default();
        let remembered: BTreeMap<&str, u16> = text
            .lines()
            .filter_map(|line| line.split_once(' '))
            .filter_map(|(name, port)| Some((name, port.parse().ok()?)))
            .collect();
        let mut held = Vec::new();
        for name in ["postgres", "nats"].into_iter().chain(SERVICES) {
            let free = |port: u16| TcpListener::bind(("127.0.0.1", port));
            let remembered = remembered.get(name).and_then(|port| free(*port).ok());
            let listener = match remembered {
                Some(listener) => listener,
                None => free(0).context("looking for a free port")?,
            };
            self.ports.insert(name.to_owned(), listener.local_addr().context("reading the port")?.port());
            // All at once, so that no two get the same.
            held.push(listener);
        }
        let lines: Vec<String> = self.ports.iter().map(|(name, port)| format!("{name} {port}")).collect();
        fs::write(&file, lines.join("\n")).with_context(|| format!("writing {}", file.display()))
    }

    fn start(
        &self,
        running: &mut Running,
        postgres: &Path,
        nats: &Path,
        config: &Distributed,
        told: &dyn Fn() -> bool,
    ) -> anyhow::Result<()> {
        let secrets = self.data.join("secrets");
        self.carry_out("installation", &["installation", "prepare"], |command| command.arg(&secrets))?;
        running.push(vec![self.start_postgres(postgres)?]);
        running.push(vec![self.start_nats(nats)?]);
        let administrator = format!("postgres://postgres@127.0.0.1:{}/postgres", self.ports["postgres"]);
        self.carry_out("database", &["database", "create", "all", "--as", &administrator], |command| {
            command.arg("--secrets").arg(&secrets)
        })?;
        if told() {
            return Ok(());
        }
        let services: anyhow::Result<Vec<Background>> =
            SERVICES.iter().map(|service| self.start_service(service, config.demo)).collect();
        running.push(services?);
        for (process, service) in running.layers.last_mut().into_iter().flatten().zip(SERVICES) {
            let port = self.ports[service];
            process.until(PATIENCE, || told() || healthy(SocketAddr::from(([127, 0, 0, 1], port))))?;
        }
        let mut route = Command::new(&self.mifeng);
        route.arg("route").arg("--listen").arg(self.listen.to_string()).args(self.peers(None));
        let mut route = self.background("route", &mut route)?;
        route.until(PATIENCE, || told() || healthy(self.listen))?;
        running.push(vec![route]);
        Ok(())
    }

    /// A command of mifeng's that comes to an end by itself.
    fn carry_out(
        &self,
        name: &str,
        arguments: &[&str],
        rest: impl FnOnce(&mut Command) -> &mut Command,
    ) -> anyhow::Result<()> {
        let mut command = Command::new(&self.mifeng);
        let output = rest(command.args(arguments)).output().context("starting mifeng")?;
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let log = self.data.join("logs").join(format!("{name}.log"));
        fs::write(&log, &said).with_context(|| format!("writing {}", log.display()))?;
        ensure!(output.status.success(), "mifeng {} failed:\n{said}", arguments.join(" "));
        Ok(())
    }

    fn background(&self, name: &str, command: &mut Command) -> anyhow::Result<Background> {
        Background::start(name, command, &self.data.join("logs").join(format!("{name}.log")))
    }

    /// A cluster of its own, made at the first start, that only this machine reaches and only by password.
    fn start_postgres(&self, programs: &Path) -> anyhow::Result<Background> {
        let folder = self.data.join("postgres");
        let user = tools::unprivileged()?;
        if !folder.join("PG_VERSION").exists() {
            make_folder(&folder, 0o700)?;
            let password = self.data.join("postgres.draft");
            let secret = self.data.join("secrets/postgres/admin.password");
            fs::copy(&secret, &password).with_context(|| format!("copying {}", secret.display()))?;
            if let Some((uid, gid)) = user {
                for path in [&folder, &password] {
                    std::os::unix::fs::chown(path, Some(uid), Some(gid))
                        .with_context(|| format!("giving {} to PostgreSQL's user", path.display()))?;
                }
            }
            let mut initdb = Command::new(programs.join("initdb"));
            initdb.args(["--username=postgres", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"]);
            initdb.arg("--pwfile").arg(&password).arg("--pgdata").arg(&folder).current_dir("/");
            let output = as_user(&mut initdb, user).output().context("starting initdb");
            drop(fs::remove_file(&password));
            let output = output?;
            ensure!(
                output.status.success(),
                "PostgreSQL's folder {} could not be made (may its user reach it?):\n{}",
                folder.display(),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        let port = self.ports["postgres"];
        let mut server = Command::new(programs.join("postgres"));
        server.arg("-D").arg(&folder).arg("-p").arg(port.to_string()).current_dir("/");
        server.args([
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "unix_socket_directories=",
            "-c",
            "max_connections=200",
        ]);
        // SIGINT is its "fast": end the sessions, write everything down.
        let mut server = self.background("postgres", as_user(&mut server, user))?.ended_by("INT");
        server.until(PATIENCE, || {
            let mut ask = Command::new(programs.join("pg_isready"));
            process::succeeds(ask.args(["--quiet", "--host=127.0.0.1", "--port"]).arg(port.to_string()))
        })?;
        Ok(server)
    }

    /// With the configuration of deploy/, less the paths of a container.
    fn start_nats(&self, program: &Path) -> anyhow::Result<Background> {
        let folder = self.data.join("nats");
        make_folder(&folder, 0o700)?;
        let original = self.root.join("deploy/nats/nats.conf");
        let text = fs::read_to_string(&original).with_context(|| format!("reading {}", original.display()))?;
        let conf = folder.join("nats.conf");
        // The configuration looks for secrets/ beside itself.
        let secrets = folder.join("secrets");
        if !secrets.exists() {
            std::os::unix::fs::symlink("../secrets/nats", &secrets)
                .with_context(|| format!("making {}", secrets.display()))?;
        }
        fs::write(&conf, here(&text, &folder)).with_context(|| format!("writing {}", conf.display()))?;
        let port = self.ports["nats"];
        let mut server = Command::new(program);
        server.arg("--config").arg(&conf).args(["--addr", "127.0.0.1", "--port", &port.to_string()]);
        let mut server = self.background("nats", &mut server)?;
        server.until(PATIENCE, || greets(port))?;
        Ok(server)
    }

    fn start_service(&self, service: &str, demo: bool) -> anyhow::Result<Background> {
        let (port, postgres, nats) = (self.ports[service], self.ports["postgres"], self.ports["nats"]);
        let mut command = Command::new(&self.mifeng);
        command.args(["serve", service, "--listen", &format!("127.0.0.1:{port}")]);
        command.arg("--secrets").arg(self.data.join("secrets").join(service));
        command.args([
            "--database",
            &format!("postgres://mifeng_{service}@127.0.0.1:{postgres}/mifeng_{service}"),
            "--nats",
            &format!("tls://{service}@localhost:{nats}"),
            "--advertise",
            &format!("http://127.0.0.1:{port}"),
        ]);
        command.arg("--data").arg(self.data.join("services").join(service)).args(self.peers(Some(service)));
        if demo {
            command.arg("--demo");
        }
        self.background(service, &mut command)
    }

    fn peers(&self, of: Option<&str>) -> Vec<String> {
        let others = SERVICES.iter().filter(|service| Some(**service) != of);
        others
            .flat_map(|service| ["--peer".to_owned(), format!("{service}=http://127.0.0.1:{}", self.ports[*service])])
            .collect()
    }

    /// A demonstration's administrator is whoever started it, so that the story needs no further step.
    fn claim(&self, code: &str, address: &str) -> anyhow::Result<()> {
        let config = self.data.join("config");
        let kept = config.join("mifeng/token");
        self.carry_out("claim", &["token", "claim", code, "--address", address], |command| {
            command.env("XDG_CONFIG_HOME", &config)
        })?;
        let token = self.data.join("demonstration.token");
        fs::rename(&kept, &token).with_context(|| format!("keeping {}", token.display()))
    }

    fn announce(&self, running: &mut Running, config: &Distributed) -> anyhow::Result<()> {
        let address = format!("http://{}", self.listen);
        fs::write(self.data.join("address"), &address).context("keeping the address")?;
        let mut out = std::io::stdout();
        writeln!(out, "mifeng 密缝 is up, every service apart")?;
        writeln!(out, "  gRPC, gRPC-Web   {address}")?;
        writeln!(out, "  health           {address}/healthz")?;
        for service in SERVICES {
            writeln!(out, "  {service:<16} http://127.0.0.1:{}", self.ports[service])?;
        }
        writeln!(out, "  PostgreSQL       postgres://postgres@127.0.0.1:{}/postgres", self.ports["postgres"])?;
        writeln!(out, "  NATS             tls://localhost:{}", self.ports["nats"])?;
        writeln!(out, "  data folder      {}", self.data.display())?;
        writeln!(out, "  logs             {}", self.data.join("logs").display())?;
        let office = running.layers.iter().flatten().find(|process| process.name() == "office");
        match office.and_then(|office| administrator_code(&office.output())) {
            Some(code) if config.demo => self.claim(&code, &address)?,
            Some(code) => {
                writeln!(out, "  first administrator (once)\n                   {address}/first-administrator#{code}")?;
            }
            None => writeln!(out, "  first administrator: claimed already")?,
        }
        if config.demo {
            let (mifeng, data) = (self.mifeng.display(), self.data.display());
            writeln!(out, "\nIn another terminal:\n  {mifeng} demo story --data {data}")?;
        }
        writeln!(out, "\nCtrl-C ends it.")?;
        out.flush()?;
        Ok(())
    }
}

/// As root, a place that PostgreSQL's user can reach: root's own home is closed to it.
fn usual_folder(demo: bool) -> anyhow::Result<PathBuf> {
    let name = if demo { "mifeng-distributed-demo" } else { "mifeng-distributed" };
    if tools::is_root() {
        return Ok(Path::new("/var/lib").join(name));
    }
    let base = match std::env::var_os("XDG_DATA_HOME").filter(|path| Path::new(path).is_absolute()) {
        Some(path) => PathBuf::from(path),
        None => std::env::home_dir().context("finding the home folder")?.join(".local/share"),
    };
    Ok(base.join(name))
}

fn make_folder(path: &Path, mode: u32) -> anyhow::Result<()> {
    let made = fs::DirBuilder::new().recursive(true).mode(mode).create(path);
    made.with_context(|| format!("making {}", path.display()))
}

fn as_user(command: &mut Command, user: Option<(u32, u32)>) -> &mut Command {
    match user {
        Some((uid, gid)) => command.uid(uid).gid(gid),
        None => command,
    }
}

/// The configuration of a container with the paths of this machine, and without the port for the container's health check.
fn here(text: &str, folder: &Path) -> String {
    let mut conf = String::new();
    for line in text.lines().filter(|line| !line.starts_with("http:")) {
        let line = line.replace("store_dir: /data", &format!("store_dir: \"{}/store\"", folder.display()));
        conf.push_str(&line.replace("/etc/nats/", &format!("{}/", folder.display())));
        conf.push('\n');
    }
    conf
}

/// NATS speaks first.
fn greets(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let mut word = [0; 4];
    stream.set_read_timeout(Some(Duration::from_secs(2))).is_ok()
        && stream.read_exact(&mut word).is_ok()
        && word == *b"INFO"
}

/// Whether `/healthz` answers that all is well.
pub(crate) fn healthy(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut line = [0; 12];
        stream.read_exact(&mut line)?;
        Ok(String::from_utf8_lossy(&line).into_owned())
    };
    ask().is_ok_and(|line| line.ends_with(" 200"))
}

/// The first administrator's code in what the office said, as it stands behind its page's address.
pub(crate) fn administrator_code(said: &str) -> Option<String> {
    let (_, rest) = said.rsplit_once("/first-administrator#")?;
    let code: String = rest.chars().take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '-').collect();
    (!code.is_empty()).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_containers_paths_become_this_machines() {
        let text = "http: 127.0.0.1:8222\ncert_file: \"/etc/nats/secrets/server.pem\"\n  store_dir: /data\n";
        assert_eq!(
            here(text, Path::new("/d/nats")),
            "cert_file: \"/d/nats/secrets/server.pem\"\n  store_dir: \"/d/nats/store\"\n"
        );
    }

    #[test]
    fn the_first_administrators_code_is_found_in_what_the_office_said() {
        assert_eq!(
            administrator_code("a\n {\"link\":\"http://127.0.0.1:1/first-administrator#AB12-cd\"}\n").as_deref(),
            Some("AB12-cd")
        );
        assert_eq!(administrator_code("claimed already"), None);
    }
}
