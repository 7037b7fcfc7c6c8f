use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail};

use crate::process::succeeds;

/// A process that runs beside this one, with its output in a file. It is ended when this value goes.
pub(crate) struct Background {
    name: String,
    child: Child,
    log: PathBuf,
    signal: &'static str,
}

/// What a process gets to finish in before it is killed; services take 20 s at most.
const PATIENCE: Duration = Duration::from_secs(25);

/// A process that must not outlive this one, however this one ends: a shell looks after both.
const LEASH: &str = r#"
trap 'kill $process' TERM
"$@" & process=$!
while kill -0 $process 2> /dev/null; do
  kill -0 $0 2> /dev/null || kill $process
  sleep 0.2
done
"#;

/// How often somebody looks.
pub(crate) const GLANCE: Duration = Duration::from_millis(50);

/// As many lines of a log as a person wants to read about a failure.
const LAST_LINES: usize = 25;

impl Background {
    /// The process gets a group of its own, so that Ctrl-C in the terminal does not reach it: it is ended in its turn.
    pub(crate) fn start(name: impl Into<String>, command: &mut Command, log: &Path) -> anyhow::Result<Self> {
        let name = name.into();
        let out = fs::File::create(log).with_context(|| format!("writing {}", log.display()))?;
        let err = out.try_clone().with_context(|| format!("writing {}", log.display()))?;
        std::os::unix::process::CommandExt::process_group(command, 0);
        let child = command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .with_context(|| format!("starting {name}: {}", command.get_program().display()))?;
        Ok(Self { name, child, log: log.to_owned(), signal: "TERM" })
    }

    /// As `start`, for what would be in the way if this program were killed before it could end it.
    pub(crate) fn on_a_leash(name: impl Into<String>, command: &Command, log: &Path) -> anyhow::Result<Self> {
        let mut shell = Command::new("sh");
        shell.args(["-c", LEASH, &std::process::id().to_string()]).arg(command.get_program()).args(command.get_args());
        for (variable, value) in command.get_envs() {
            match value {
                Some(value) => shell.env(variable, value),
                None => shell.env_remove(variable),
            };
        }
        Self::start(name, &mut shell, log)
    }

    /// Another signal than SIGTERM means the orderly end to this one.
    pub(crate) fn ended_by(mut self, signal: &'static str) -> Self {
        self.signal = signal;
        self
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Waits for a condition, and fails where the process dies first or takes too long.
    pub(crate) fn until(&mut self, patience: Duration, mut ready: impl FnMut() -> bool) -> anyhow::Result<()> {
        let start = Instant::now();
        loop {
            if let Some(how) = self.dead() {
                bail!("{} ended ({how}); its last lines:\n{}", self.name, self.last_lines());
            }
            if ready() {
                return Ok(());
            }
            if start.elapsed() > patience {
                bail!(
                    "{} was not ready after {} s; its last lines:\n{}",
                    self.name,
                    patience.as_secs(),
                    self.last_lines()
                );
            }
            thread::sleep(GLANCE);
        }
    }

    /// How it ended, where it did.
    pub(crate) fn dead(&mut self) -> Option<String> {
        match self.child.try_wait() {
            Ok(None) => None,
            Ok(Some(status)) => Some(status.to_string()),
            Err(error) => Some(error.to_string()),
        }
    }

    pub(crate) fn output(&self) -> String {
        fs::read(&self.log).map(|text| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default()
    }

    pub(crate) fn last_lines(&self) -> String {
        let text = self.output();
        let lines: Vec<&str> = text.lines().collect();
        let last = lines[lines.len().saturating_sub(LAST_LINES)..].iter().map(|line| format!("  {line}\n"));
        format!("{}  (all of them: {})", last.collect::<String>(), self.log.display())
    }

    /// Asks it to end; `drop` waits for that. Of several, all are asked first and then waited for.
    pub(crate) fn ask_to_end(&mut self) {
        if self.dead().is_none() {
            // Not yet waited for, so the id is nobody else's.
            succeeds(Command::new("kill").args(["-s", self.signal, &self.child.id().to_string()]));
        }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.ask_to_end();
        let start = Instant::now();
        while self.dead().is_none() {
            if start.elapsed() > PATIENCE {
                drop(writeln!(io::stderr(), "{} does not end: it is killed", self.name));
                drop(self.child.kill());
                drop(self.child.wait());
                return;
            }
            thread::sleep(GLANCE);
        }
    }
}
