//! What an installation of separate services keeps secret, made once and never replaced: the root secret that lets processes
//! trust each other's tokens, a password per service for the database and for NATS, and certificates of an authority of the
//! installation's own. Each service gets a folder to itself, so that nobody has to be shown another's.

use std::{
    collections::BTreeSet,
    fs,
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, ensure};
use chassis::{Clock, nats};
use clap::{Args, Subcommand};
use mifeng::wiring::Service;

use authority::Authority;

mod authority;

/// An installation whose services are processes of their own
#[derive(Subcommand)]
pub(crate) enum Installation {
    /// Makes the secrets and certificates that are not there yet; said twice it changes nothing
    #[command(after_help = "Example: mifeng installation prepare /srv/mifeng/secrets --name mifeng.example.cn")]
    Prepare(Prepare),
}

#[derive(Args)]
pub(crate) struct Prepare {
    /// Gets a folder per service, and nats, postgres, proxy and authority
    folder: PathBuf,
    /// Another name or address under which clients reach the proxy
    #[arg(long = "name", env = "MIFENG_NAMES", value_delimiter = ',', value_name = "HOST")]
    names: Vec<String>,
    /// Who owns what is made, less the authority's own folder: a user of the containers
    #[arg(long, env = "MIFENG_OWNER", value_name = "UID")]
    owner: Option<u32>,
}

/// Tells a service's processes when the installation was made: a demonstration's time goes on from there in all of them.
pub(crate) const PREPARED: &str = "prepared";

/// The servers that show a certificate: each is reached under its own name inside, and from the machine itself.
const SERVERS: [&str; 2] = ["nats", "proxy"];
const LOCAL: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

impl Installation {
    pub(crate) fn run(self) -> anyhow::Result<()> {
        let Self::Prepare(prepare) = self;
        let made = prepare.prepare(&Clock::system())?;
        let mut out = std::io::stdout();
        for path in &made {
            writeln!(out, "made {}", path.display())?;
        }
        if made.is_empty() {
            writeln!(out, "everything was there")?;
        }
        writeln!(out, "clients trust {}", prepare.folder.join("proxy").join(authority::CERTIFICATE).display())?;
        writeln!(
            out,
            "keep copies of {} and of a service's {}: nothing personal can be read without the latter",
            prepare.folder.join("authority").display(),
            chassis::secrets::FILE
        )?;
        let root = prepare.folder.join(Service::Pass.name()).join(pass::ROOT_SECRET);
        if root.exists() {
            writeln!(
                out,
                "keep a copy of {} apart from both: no gate believes keys that another one has signed",
                root.display()
            )?;
        } else {
            writeln!(
                out,
                "the root of all passes derives from {}, as in installations from before it had a secret of its own",
                chassis::secrets::FILE
            )?;
        }
        Ok(())
    }
}

impl Prepare {
    /// The files that were not there.
    fn prepare(&self, clock: &Clock) -> anyhow::Result<Vec<PathBuf>> {
        let mut work = Work { owner: self.owner, made: Vec::new() };
        let private = self.folder.join("authority");
        Work { owner: None, made: Vec::new() }.folder(&private)?;
        // Two at once take turns. The lock lies in a folder that is shared even where each folder is a volume of its own.
        let lock = private.join("lock");
        let turn = fs::File::options().create(true).truncate(false).write(true).mode(0o600).open(&lock);
        let turn = turn.with_context(|| format!("opening {}", lock.display()))?;
        turn.lock().with_context(|| format!("waiting for {}", lock.display()))?;

        let names: BTreeSet<String> = self.names.iter().filter(|name| !name.is_empty()).cloned().collect();
        let authority = Authority::open_or_create(&private, clock.now(), &mut work)?;
        let known = self.known_root_secret()?;
        if known.is_none() {
            // The root of all passes is for their service alone, and comes first: what stops here begins anew. An installation that
            // has gone on without one goes on without it, since its gates have pinned the one that they know.
            let folder = self.folder.join(Service::Pass.name());
            work.folder(&folder)?;
            work.once(&folder.join(pass::ROOT_SECRET), || random::<32>().map(Vec::from))?;
        }
        let root = known.map_or_else(|| random::<32>().map(Vec::from), Ok)?;
        let prepared = self.prepared(clock)?;
        let mut users = Vec::new();
        for service in Service::ALL {
            let folder = self.folder.join(service.name());
            work.folder(&folder)?;
            work.once(&folder.join(chassis::secrets::FILE), || Ok(root.clone()))?;
            work.once(&folder.join(PREPARED), || Ok(prepared.clone()))?;
            work.once(&folder.join("postgres.password"), password)?;
            work.once(&folder.join("nats.password"), password)?;
            users.push((service.name(), read(&folder.join("nats.password"))?));
            work.always(&folder.join(authority::CERTIFICATE), authority.certificate().as_bytes())?;
        }
        let postgres = self.folder.join("postgres");
        work.folder(&postgres)?;
        work.once(&postgres.join("admin.password"), password)?;
        for server in SERVERS {
            let folder = self.folder.join(server);
            work.folder(&folder)?;
            work.always(&folder.join(authority::CERTIFICATE), authority.certificate().as_bytes())?;
        }
        work.always(&self.folder.join("nats/users.conf"), nats::users_conf(&users).as_bytes())?;
        authority.certify(&self.folder, &names, clock.now(), &mut work)?;
        Ok(work.made)
    }

    /// As a service has it already, or now.
    fn prepared(&self, clock: &Clock) -> anyhow::Result<Vec<u8>> {
        for service in Service::ALL {
            if let Some(prepared) = there(&self.folder.join(service.name()).join(PREPARED))? {
                return Ok(prepared);
            }
        }
        Ok(clock.now().to_rfc3339().into_bytes())
    }

    /// The one that a service has already.
    fn known_root_secret(&self) -> anyhow::Result<Option<Vec<u8>>> {
        let mut known: Option<(PathBuf, Vec<u8>)> = None;
        for service in Service::ALL {
            let file = self.folder.join(service.name()).join(chassis::secrets::FILE);
            let Some(secret) = there(&file)? else { continue };
            match &known {
                None => known = Some((file, secret)),
                Some((first, same)) => ensure!(
                    *same == secret,
                    "{} and {} differ: put the installation's one secret back into both",
                    first.display(),
                    file.display()
                ),
            }
        }
        Ok(known.map(|(_, secret)| secret))
    }
}

/// Writes files whole, with the right owner and for that owner's eyes alone, and remembers which were new.
struct Work {
    owner: Option<u32>,
    made: Vec<PathBuf>,
}

impl Work {
    fn folder(&self, path: &Path) -> anyhow::Result<()> {
        let making = || format!("making the folder {}", path.display());
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path).with_context(making)?;
        // A volume that was mounted here came with its own mode.
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).with_context(making)?;
        self.hand_over(path)
    }

    /// What exists stays, with the owner that is asked for now.
    fn once(&mut self, path: &Path, content: impl FnOnce() -> anyhow::Result<Vec<u8>>) -> anyhow::Result<()> {
        match there(path)? {
            Some(_) => self.hand_over(path),
            None => self.write(path, &content()?),
        }
    }

    /// What follows from something else, and so is put right where it differs.
    fn always(&mut self, path: &Path, content: &[u8]) -> anyhow::Result<()> {
        match there(path)? {
            Some(same) if same == content => self.hand_over(path),
            _ => self.write(path, content),
        }
    }

    fn write(&mut self, path: &Path, content: &[u8]) -> anyhow::Result<()> {
        let writing = || format!("writing {}", path.display());
        // Nobody else writes here while we have our turn: a draft that lies there is one of a run that was killed.
        let draft = path.with_added_extension("draft");
        if draft.exists() {
            fs::remove_file(&draft).with_context(writing)?;
        }
        let mut file =
            fs::File::options().create_new(true).write(true).mode(0o600).open(&draft).with_context(writing)?;
        file.write_all(content).and_then(|()| file.sync_all()).with_context(writing)?;
        self.hand_over(&draft)?;
        fs::rename(&draft, path).with_context(writing)?;
        self.made.push(path.to_owned());
        Ok(())
    }

    fn hand_over(&self, path: &Path) -> anyhow::Result<()> {
        if self.owner.is_none() {
            return Ok(());
        }
        std::os::unix::fs::chown(path, self.owner, None)
            .with_context(|| format!("giving {} to another user: only root may", path.display()))
    }
}

fn password() -> anyhow::Result<Vec<u8>> {
    use std::fmt::Write as _;
    let mut digits = String::new();
    for byte in random::<24>()? {
        write!(digits, "{byte:02x}")?;
    }
    Ok(digits.into_bytes())
}

fn random<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).context("asking the operating system for random bytes")?;
    Ok(bytes)
}

/// An empty file is none: somebody touched it, or the disk was full.
fn there(path: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(content) if content.is_empty() => Ok(None),
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("reading {}: may this user?", path.display())),
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    Ok(fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?.trim().to_owned())
}

#[cfg(test)]
mod tests;
