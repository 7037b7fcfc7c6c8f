//! PostgreSQL servers to test against: one that all tests of a run share, and others that a test has to itself, to kill
//! and to put old data back into. Their data are in the folder for temporary files. A supervising shell stops a server
//! that no test has used for a minute and removes its folder, so that nothing is left running however a test ends.

use std::{
    fs::{self, File},
    io::Write as _,
    net::TcpStream,
    os::unix::{
        fs::{chown, symlink},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use chassis::{
    database::{self, Administrator},
    postgres::Database,
};
use sqlx::{ConnectOptions as _, PgConnection};

/// A PostgreSQL server on 127.0.0.1.
pub struct Cluster {
    folder: PathBuf,
    port: u16,
    /// Whom the server runs as, where that is somebody else.
    user: Option<User>,
    shared: bool,
    /// Ends the thread that keeps the server alive.
    over: Arc<AtomicBool>,
}

#[derive(Clone, Debug)]
struct User {
    uid: u32,
    gid: u32,
}

/// A service's databases on a server.
#[derive(Clone, Debug)]
pub struct Service {
    pub name: String,
    pub database: Database,
}

/// How long a server may take to answer after its start.
const PATIENCE: Duration = Duration::from_mins(1);

/// Of every service.
pub const PASSWORD: &str = "a 'password' of a service";

/// Stops a server that nobody uses, and removes what is left of one whose test was killed.
const SUPERVISOR: &str = r#"
while sleep 5; do
    if [ -z "$(find "$1/heartbeat" -mmin -1 2>/dev/null)" ]; then
        pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null) && kill -CONT "$pid" && kill -QUIT "$pid" && sleep 2
        rm -rf "$1" "$1.lock"
        exit
    fi
done"#;

impl Cluster {
    /// The server that all tests of this run share, started by the first of them.
    pub fn shared() -> anyhow::Result<Self> {
        // nextest runs each test in a process of its own and says which run it belongs to.
        let run = std::env::var("NEXTEST_RUN_ID").unwrap_or_else(|_| format!("process-{}", std::process::id()));
        let folder = std::env::temp_dir().join(format!("mifeng-postgres-{run}"));
        let lock = File::create(folder.with_extension("lock")).context("making the lock file")?;
        if let Some(user) = user()? {
            // The supervisor removes it in the end.
            chown(folder.with_extension("lock"), Some(user.uid), Some(user.gid))?;
        }
        lock.lock().context("locking out the other tests")?;
        if let Ok(port) = fs::read_to_string(folder.join("port"))
            && let Ok(port) = port.parse()
            && TcpStream::connect(("127.0.0.1", port)).is_ok()
        {
            let cluster = Self { folder, port, user: user()?, shared: true, over: Arc::default() };
            cluster.stay_alive()?;
            return Ok(cluster);
        }
        drop(fs::remove_dir_all(&folder));
        let cluster = Self::make(folder, true, None)?;
        fs::write(cluster.folder.join("port"), cluster.port.to_string())?;
        Ok(cluster)
    }

    /// A server for one test, stopped when it is dropped.
    pub fn own() -> anyhow::Result<Self> {
        Self::owned(None)
    }

    /// Such a one with its data on a disk of the test's choice.
    pub fn on_disk(disk: &Path) -> anyhow::Result<Self> {
        Self::owned(Some(disk))
    }

    fn owned(disk: Option<&Path>) -> anyhow::Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("mifeng-postgres-own-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        drop(fs::remove_dir_all(&folder));
        Self::make(folder, false, disk)
    }

    fn make(folder: PathBuf, shared: bool, disk: Option<&Path>) -> anyhow::Result<Self> {
        let user = user()?;
        fs::create_dir(&folder).with_context(|| format!("making {}", folder.display()))?;
        if let Some(user) = &user {
            chown(&folder, Some(user.uid), Some(user.gid))?;
        }
        let port = crate::free_port();
        let cluster = Self { folder, port, user, shared, over: Arc::default() };
        if let Some(disk) = disk {
            let data = disk.join("data");
            fs::create_dir(&data).with_context(|| format!("making {}", data.display()))?;
            if let Some(user) = &cluster.user {
                chown(&data, Some(user.uid), Some(user.gid))?;
            }
            symlink(&data, cluster.data())?;
        }
        cluster.stay_alive()?;
        let mut supervisor = cluster.command("sh");
        supervisor.args(["-c", SUPERVISOR, "supervisor"]).arg(&cluster.folder).process_group(0);
        supervisor.stdout(Stdio::null()).stderr(Stdio::null()).spawn().context("starting the supervising shell")?;
        let made = cluster
            .command(binaries()?.join("initdb"))
            .args(["--no-sync", "--encoding=UTF8", "--locale=C", "--username=postgres", "--auth=trust", "-D"])
            .arg(cluster.data())
            .output()
            .context("running initdb")?;
        ensure!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        // Services need their passwords, the administrator does not.
        let entering =
            "local all all trust\nhost all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n";
        fs::write(cluster.data().join("pg_hba.conf"), entering)?;
        cluster.start()?;
        Ok(cluster)
    }

    /// Starts the server on its port, after it was stopped or killed.
    pub fn start(&self) -> anyhow::Result<()> {
        let log = File::options().create(true).append(true).open(self.folder.join("log"))?;
        let mut server = self.command(binaries()?.join("postgres"));
        server.arg("-D").arg(self.data()).arg("-k").arg(&self.folder).args(["-h", "127.0.0.1", "-p"]);
        server.arg(self.port.to_string()).args(["-c", "max_connections=300", "-c", "shared_buffers=128MB"]);
        server.args(["-c", "checkpoint_timeout=30min", "-c", "max_wal_size=4GB"]);
        server.stdout(log.try_clone()?).stderr(log).process_group(0);
        let mut server = server.spawn().context("starting postgres")?;
        // Buried at once when it ends: a dead one that still has its number would keep its successor from starting.
        thread::spawn(move || drop(server.wait()));
        let deadline = Instant::now() + PATIENCE;
        while !self.answers() {
            ensure!(Instant::now() < deadline, "postgres does not start: {}", self.log());
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Starts it again where it has ended by itself, as whoever runs it does.
    pub fn revive(&self) -> anyhow::Result<()> {
        if self.answers() { Ok(()) } else { self.start() }
    }

    /// What it has logged, for failures.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    fn answers(&self) -> bool {
        let ready = binaries().ok().map(|folder| folder.join("pg_isready"));
        ready.is_some_and(|ready| {
            let port = self.port.to_string();
            let asked = self.command(ready).args(["-q", "-h", "127.0.0.1", "-p", &port]).status();
            asked.is_ok_and(|status| status.success())
        })
    }

    /// Ends it in order.
    pub fn stop(&self) {
        self.signal("INT", &self.postmaster());
        self.wait_until_gone();
    }

    /// kill -9, for the server and everything it has started.
    pub fn kill(&self) {
        let mut all = self.postmaster();
        all.extend(all.iter().copied().flat_map(children).collect::<Vec<_>>());
        self.signal("KILL", &all);
        for process in &all {
            while running(*process) {
                thread::sleep(Duration::from_millis(5));
            }
        }
        drop(fs::remove_file(self.data().join("postmaster.pid")));
        drop(fs::remove_file(self.folder.join(format!(".s.PGSQL.{}.lock", self.port))));
    }

    /// SIGSTOP: connections stay and nothing answers.
    pub fn freeze(&self) {
        let mut all = self.postmaster();
        self.signal("STOP", &all);
        all = all.into_iter().flat_map(children).collect();
        self.signal("STOP", &all);
    }

    pub fn thaw(&self) {
        let mut all = self.postmaster();
        all.extend(all.iter().copied().flat_map(children).collect::<Vec<_>>());
        self.signal("CONT", &all);
    }

    /// Copies the data of a stopped server, to be put back later.
    pub fn copy_data(&self) -> anyhow::Result<PathBuf> {
        let copy = self.folder.join("copy");
        drop(fs::remove_dir_all(&copy));
        let copied = self.command("cp").arg("-a").arg(self.data()).arg(&copy).status()?;
        ensure!(copied.success(), "the data folder could not be copied");
        Ok(copy)
    }

    /// Puts a copy back in place of the data of a stopped server.
    pub fn put_back(&self, copy: &Path) -> anyhow::Result<()> {
        fs::remove_dir_all(self.data())?;
        let copied = self.command("cp").arg("-a").arg(copy).arg(self.data()).status()?;
        ensure!(copied.success(), "the data folder could not be put back");
        Ok(())
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Who may do everything.
    pub fn administrator(&self) -> Administrator {
        let url = format!("postgres://postgres@127.0.0.1:{}/postgres", self.port);
        database::administrator(&url, None).expect("the URL is one")
    }

    /// The databases of a service that no other test has.
    pub async fn service(&self) -> anyhow::Result<Service> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("t{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        self.service_named(&name).await
    }

    pub async fn service_named(&self, name: &str) -> anyhow::Result<Service> {
        database::create(&self.administrator(), name, PASSWORD).await?;
        Ok(Service { name: name.to_owned(), database: self.database(name)? })
    }

    /// A service's database, as its role enters it.
    pub fn database(&self, service: &str) -> anyhow::Result<Database> {
        let url = format!("postgres://mifeng_{service}@127.0.0.1:{}/mifeng_{service}", self.port);
        Database::parse(&url, Some(PASSWORD))
    }

    /// The administrator's connection to a service's database, where names without a schema mean the log's tables.
    pub async fn administer(&self, service: &Service) -> anyhow::Result<PgConnection> {
        let options = self.administrator().database(service.database.name());
        Ok(options.options([("search_path", "log,public")]).connect().await?)
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// A program, run as the user whom the server belongs to.
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = match &self.user {
            None => Command::new(program),
            Some(user) => {
                let mut command = Command::new("setpriv");
                command.arg(format!("--reuid={}", user.uid)).arg(format!("--regid={}", user.gid));
                command.arg("--clear-groups").arg(program).env("HOME", &self.folder);
                command
            }
        };
        command.stdin(Stdio::null()).current_dir(std::env::temp_dir()).env("LC_ALL", "C");
        command
    }

    fn postmaster(&self) -> Vec<u32> {
        let file = fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        file.lines().next().and_then(|pid| pid.trim().parse().ok()).into_iter().collect()
    }

    fn signal(&self, signal: &str, processes: &[u32]) {
        if !processes.is_empty() {
            let processes = processes.iter().map(u32::to_string);
            // Some may be gone already.
            drop(self.command("kill").arg(format!("-{signal}")).args(processes).stderr(Stdio::null()).status());
        }
    }

    fn wait_until_gone(&self) {
        let deadline = Instant::now() + PATIENCE;
        while self.data().join("postmaster.pid").exists() && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Shows the supervisor that somebody is there.
    fn stay_alive(&self) -> anyhow::Result<()> {
        let (file, over) = (self.folder.join("heartbeat"), Arc::clone(&self.over));
        let beat = move |file: &Path| File::create(file).and_then(|mut file| file.write_all(b"here"));
        beat(&file).context("telling the supervisor")?;
        thread::spawn(move || {
            while !over.load(Ordering::Relaxed) && beat(&file).is_ok() {
                thread::sleep(Duration::from_secs(5));
            }
        });
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if !self.shared {
            self.thaw();
            self.signal("QUIT", &self.postmaster());
            self.wait_until_gone();
            drop(fs::remove_dir_all(&self.folder));
        }
    }
}

/// Where the server's programs are: `MIFENG_POSTGRES_BIN`, the newest of Debian's, or those in the PATH.
fn binaries() -> anyhow::Result<PathBuf> {
    static FOUND: Mutex<Option<PathBuf>> = Mutex::new(None);
    let mut found = FOUND.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(folder) = &*found {
        return Ok(folder.clone());
    }
    let named = std::env::var_os("MIFENG_POSTGRES_BIN").map(PathBuf::from);
    let packaged = || {
        let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        versions
            .map(|version| version.path())
            .max_by_key(|path| path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok()))
            .map(|path| path.join("bin"))
    };
    let searched = || {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).find(|folder| folder.join("initdb").exists())
    };
    let folder = named.or_else(packaged).or_else(searched).filter(|folder| folder.join("initdb").exists());
    let folder =
        folder.context("PostgreSQL is not there: install it, or name its programs' folder in MIFENG_POSTGRES_BIN")?;
    Ok(found.insert(folder).clone())
}

/// Whom to run the server as: it refuses to be root.
fn user() -> anyhow::Result<Option<User>> {
    let id = |args: &[&str]| -> anyhow::Result<u32> {
        let output = Command::new("id").args(args).output().context("running id")?;
        Ok(String::from_utf8(output.stdout)?.trim().parse()?)
    };
    if id(&["-u"])? != 0 {
        return Ok(None);
    }
    for name in ["postgres", "nobody"] {
        if let (Ok(uid), Ok(gid)) = (id(&["-u", name]), id(&["-g", name])) {
            return Ok(Some(User { uid, gid }));
        }
    }
    anyhow::bail!("PostgreSQL does not run as root, and there is neither a user postgres nor a user nobody")
}

fn children(parent: u32) -> Vec<u32> {
    let mut found = Vec::new();
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // "pid (name) state parent …", and a name may hold anything but is followed by the last parenthesis.
        let stat = fs::read_to_string(process.path().join("stat")).unwrap_or_default();
        let rest = stat.rsplit_once(") ").map(|(_, rest)| rest).unwrap_or_default();
        if rest.split(' ').nth(1).and_then(|field| field.parse().ok()) == Some(parent) {
            found.push(pid);
        }
    }
    found
}

/// Neither gone nor waiting to be buried.
fn running(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}
