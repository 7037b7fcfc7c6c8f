//! `mifeng up --demo` as users start it, in a process that can be killed.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use chassis::client::Connection;
use tests::binary;
use tokio::process::{Child, Command};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

pub(crate) struct Process {
    child: Child,
}

/// Where the server's own words go: shown when a test fails.
pub(crate) const WORDS: &str = "mifeng.err";

impl Process {
    pub(crate) fn start(folder: &Path, port: u16) -> Self {
        let words = File::options().create(true).append(true).open(folder.join(WORDS)).unwrap();
        let child = Command::new(binary())
            .args(["up", "--demo", "--listen", &format!("127.0.0.1:{port}"), "--data"])
            .arg(data(folder))
            .env("MIFENG_LOG", "warn")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(words)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Self { child }
    }

    /// Waits until it serves.
    pub(crate) async fn ready(&mut self, address: &str) {
        let begun = Instant::now();
        let mut health = HealthClient::new(Connection::open(address, None).unwrap());
        while let Err(status) = health.check(HealthCheckRequest::default()).await {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "mifeng ended by itself: {ended:?}");
            assert!(begun.elapsed() < Duration::from_mins(1), "mifeng does not serve: {status:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// As a power cut for the process. It must not have ended by itself before.
    pub(crate) async fn kill(mut self) {
        let ended = self.child.try_wait().unwrap();
        assert!(ended.is_none(), "mifeng ended by itself: {ended:?}");
        self.child.kill().await.unwrap();
    }

    /// As a service manager asks it to end.
    pub(crate) async fn terminate(mut self) -> (ExitStatus, Duration) {
        let begun = Instant::now();
        let id = self.child.id().expect("it runs").to_string();
        let told = Command::new("kill").args(["-TERM", &id]).status().await.unwrap();
        assert!(told.success(), "SIGTERM could not be sent");
        let ended = tokio::time::timeout(Duration::from_mins(1), self.child.wait()).await;
        (ended.expect("it ends within a minute").unwrap(), begun.elapsed())
    }
}

/// Shows what the server said, when the test that holds it fails.
pub(crate) struct Words(pub(crate) PathBuf);

impl Drop for Words {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let words = std::fs::read_to_string(self.0.join(WORDS)).unwrap_or_default();
            let lines: Vec<&str> = words.lines().collect();
            println!("what mifeng said last:\n{}", lines[lines.len().saturating_sub(60)..].join("\n"));
        }
    }
}

pub(crate) fn data(folder: &Path) -> PathBuf {
    folder.join("data")
}
