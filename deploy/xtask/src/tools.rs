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

/// Package managers that bring Node.js and npm: the program, and the line to install.
const MANAGERS: &[(&str, &[&str])] = &[
    ("apt-get", &["install", "--yes", "--no-install-recommends", "nodejs", "npm"]),
    ("dnf", &["install", "--assumeyes", "nodejs", "npm"]),
    ("apk", &["add", "nodejs", "npm"]),
    ("brew", &["install", "node"]),
];

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
    if let Err(line) = node() {
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

/// Adds a component of the toolchain where rustup looks after it. Where it does not, cargo's own message says what is missing.
pub(crate) fn component(name: &str, subcommand: &str) {
    if !succeeds(cargo().args([subcommand, "--version"])) {
        println!("{name} is not there: rustup component add {name}");
        succeeds(Command::new("rustup").args(["component", "add", name]));
    }
}

/// The folder of the user's that may be deleted at any time.
fn cache() -> anyhow::Result<PathBuf> {
    let base = match env::var_os("XDG_CACHE_HOME").filter(|path| Path::new(path).is_absolute()) {
        Some(path) => PathBuf::from(path),
        None => env::home_dir().context("finding the home folder")?.join(".cache"),
    };
    Ok(base.join("mifeng"))
}

/// Node.js and npm, installed where this user may; otherwise the line that would do it.
fn node() -> Result<(), String> {
    let there =
        || succeeds(Command::new("node").args(["--version"])) && succeeds(Command::new("npm").args(["--version"]));
    if there() {
        return Ok(());
    }
    let Some((manager, arguments)) =
        MANAGERS.iter().find(|(manager, _)| succeeds(Command::new(manager).arg("--version")))
    else {
        return Err("install Node.js 20 or later with npm".to_owned());
    };
    let sudo = *manager != "brew" && !is_root();
    let line = format!("{}{manager} {}", if sudo { "sudo " } else { "" }, arguments.join(" "));
    println!("Node.js is not there: {line}");
    let run = |arguments: &[&str]| {
        let mut command = Command::new(if sudo { "sudo" } else { manager });
        if sudo {
            // Never asks for a password: where one is needed, the person runs the line.
            command.args(["--non-interactive", manager]);
        }
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").status().is_ok_and(|status| status.success())
    };
    if *manager == "apt-get" {
        // A new machine may have no list of packages yet.
        run(&["update"]);
    }
    if run(arguments) && there() { Ok(()) } else { Err(line) }
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
