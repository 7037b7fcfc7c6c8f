//! NATS servers of our own, old and new, on a free port and a data folder that tests may cut, copy and delete.

use std::{
    fmt::Write as _,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio::{
    io::AsyncReadExt as _,
    net::TcpStream,
    process::{Child, Command},
};

/// The servers that the code must run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// 2.9, as Debian has it.
    Oldest,
    /// The newest that is found.
    Newest,
}

/// A program of that version; `None` where this machine has none. Searched are MIFENG_NATS_SERVER (paths, with `:`
/// between them), or else the PATH, the usual folders and the user's cache.
pub fn find(version: Version) -> Option<PathBuf> {
    let mut found: Vec<((u32, u32, u32), PathBuf)> =
        candidates().into_iter().filter_map(|path| Some((version_of(&path)?, path))).collect();
    found.sort();
    match version {
        Version::Oldest => found.into_iter().find(|((major, minor, _), _)| (*major, *minor) == (2, 9)),
        Version::Newest => found.into_iter().rfind(|((major, minor, _), _)| (*major, *minor) > (2, 9)),
    }
    .map(|(_, path)| path)
}

fn candidates() -> Vec<PathBuf> {
    if let Some(named) = std::env::var_os("MIFENG_NATS_SERVER") {
        return std::env::split_paths(&named).collect();
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.extend(["/usr/sbin", "/usr/local/bin"].map(PathBuf::from));
    if let Some(home) = std::env::home_dir()
        && let Ok(cached) = fs::read_dir(home.join(".cache/mifeng/nats"))
    {
        folders.extend(cached.filter_map(|entry| Some(entry.ok()?.path())));
    }
    folders.into_iter().map(|folder| folder.join("nats-server")).filter(|path| path.is_file()).collect()
}

/// `nats-server: v2.9.10`
fn version_of(path: &Path) -> Option<(u32, u32, u32)> {
    let output = std::process::Command::new(path).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let mut numbers = text.trim().rsplit_once('v')?.1.split('.').map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??, numbers.next()??))
}

/// A server that keeps its port and its data over every end.
pub struct Server {
    program: PathBuf,
    folder: TempDir,
    port: u16,
    child: Option<Child>,
}

impl Server {
    /// With JetStream, and with more configuration.
    pub async fn start(program: PathBuf, more: &str) -> Self {
        let folder = TempDir::new().expect("a folder for the test");
        let port = crate::free_port();
        let mut server = Self { program, folder, port, child: None };
        server.configure(more);
        server.run().await;
        server
    }

    /// What it reads at its next start.
    pub fn configure(&self, more: &str) {
        let mut conf = format!("listen: 127.0.0.1:{}\nmax_payload: 8MB\n", self.port);
        write!(conf, "jetstream {{ store_dir: \"{}\" }}\n{more}\n", self.data().display())
            .expect("a string takes everything");
        fs::write(self.folder.path().join("nats.conf"), conf).expect("the configuration is written");
    }

    /// A deployment's configuration, with its port, its data and its secrets where this test has them.
    pub fn deploy(&self, conf: &str, secrets: &Path) {
        copy_folder(secrets, &self.folder.path().join("secrets"));
        let folder = self.folder.path().display().to_string();
        let places = [
            ("listen: 0.0.0.0:4222", format!("listen: 127.0.0.1:{}", self.port)),
            ("http: 127.0.0.1:8222", format!("http: 127.0.0.1:{}", crate::free_port())),
            ("store_dir: /data", format!("store_dir: \"{}\"", self.data().display())),
            ("max_file_store: 20GB", "max_file_store: 1GB".to_owned()),
            ("/etc/nats/", format!("{folder}/")),
        ];
        let conf = places.iter().fold(conf.to_owned(), |conf, (there, here)| {
            assert!(conf.contains(there), "the configuration has no line {there}");
            conf.replace(there, here)
        });
        fs::write(self.folder.path().join("nats.conf"), conf).expect("the configuration is written");
    }

    /// `nats://127.0.0.1:<port>`
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Starts it, again on the same port and data, and waits until it speaks.
    pub async fn run(&mut self) {
        let words = self.folder.path().join("nats.err");
        let file = File::options().create(true).append(true).open(&words).expect("the server's words are kept");
        let child = Command::new(&self.program)
            .arg("-c")
            .arg(self.folder.path().join("nats.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .kill_on_drop(true)
            .spawn();
        let child = self.child.insert(child.expect("the server starts"));
        let begun = Instant::now();
        while !speaks(self.port).await {
            let ended = child.try_wait().expect("the server can be asked");
            let said = || fs::read_to_string(&words).unwrap_or_default();
            assert!(ended.is_none(), "nats-server ended by itself: {}", said());
            assert!(begun.elapsed() < Duration::from_mins(1), "nats-server does not listen: {}", said());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// As a power cut for the process.
    pub async fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().await.expect("the server runs");
        }
    }

    /// It stands still and closes nothing, until it is continued.
    pub async fn freeze(&self) {
        self.signal("-STOP").await;
    }

    pub async fn thaw(&self) {
        self.signal("-CONT").await;
    }

    async fn signal(&self, signal: &str) {
        let id = self.child.as_ref().and_then(Child::id).expect("the server runs").to_string();
        let sent = Command::new("kill").args([signal, &id]).status().await.expect("kill is there");
        assert!(sent.success(), "{signal} could not be sent");
    }

    /// A copy of its data as they lie there. Only while it does not run.
    pub fn copy_data(&self) -> TempDir {
        assert!(self.child.is_none(), "a running server changes its data");
        let copy = TempDir::new().expect("a folder for the copy");
        copy_folder(&self.data(), copy.path());
        copy
    }

    pub fn replace_data(&self, copy: &Path) {
        self.delete_data();
        copy_folder(copy, &self.data());
    }

    pub fn delete_data(&self) {
        assert!(self.child.is_none(), "a running server keeps its data");
        fs::remove_dir_all(self.data()).expect("the data are there");
    }

    /// Cuts the files that hold messages to a share of their length, and takes their indices away.
    pub fn truncate_data(&self, numerator: u64, denominator: u64) {
        assert!(self.child.is_none(), "a running server keeps its data");
        let mut cut = 0;
        each_file(&self.data(), &mut |path| match path.extension().and_then(|extension| extension.to_str()) {
            Some("blk") => {
                let file = File::options().write(true).open(path).expect("a file of messages opens");
                let length = file.metadata().expect("a file has a length").len();
                file.set_len(length * numerator / denominator).expect("a file is cut");
                cut += 1;
            }
            Some("idx" | "fss" | "db") => fs::remove_file(path).expect("an index is removed"),
            _ => {}
        });
        assert!(cut > 0, "no file of messages lies in {}", self.data().display());
    }
}

fn each_file(folder: &Path, act: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(folder).expect("a folder is read").map(|entry| entry.expect("an entry is read")) {
        if entry.path().is_dir() { each_file(&entry.path(), act) } else { act(&entry.path()) }
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder is made");
    for entry in fs::read_dir(from).expect("a folder is read").map(|entry| entry.expect("an entry is read")) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).expect("a file is copied");
        }
    }
}

/// The server greets with INFO.
async fn speaks(port: u16) -> bool {
    let Ok(mut socket) = TcpStream::connect(("127.0.0.1", port)).await else { return false };
    let mut greeting = [0; 4];
    socket.read_exact(&mut greeting).await.is_ok() && &greeting == b"INFO"
}
