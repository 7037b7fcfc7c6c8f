//! Where the server is and who asks: from the command line, the environment, or what `mifeng up` left in its data folder.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use chassis::client::Connection;
use chrono::{DateTime, Utc};
use clap::Args;

#[derive(Args, Clone)]
pub struct Connect {
    /// The server, for example http://127.0.0.1:7420; by default the one that `mifeng up` started on this machine
    #[arg(long, env = "MIFENG_ADDRESS", value_name = "URL")]
    address: Option<String>,
    /// The token; by default the one kept by `mifeng token save`
    #[arg(long, env = "MIFENG_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// The server's data folder, where it is on this machine
    #[arg(long, env = "MIFENG_DATA", value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// A PEM file with the authority that signed the server's certificate
    #[arg(long, env = "MIFENG_AUTHORITY", value_name = "FILE")]
    authority: Option<PathBuf>,
    /// On a demonstration server: when this happens, for example 2020-02-11T14:00:00+08:00
    #[arg(long, env = "MIFENG_DEMO_TIME", value_name = "TIME")]
    at: Option<DateTime<Utc>>,
}

impl Connect {
    pub fn connection(&self) -> anyhow::Result<Connection> {
        let authority = self.authority()?;
        let connection = Connection::open_trusting(&self.address()?, self.token()?, authority.as_deref())?;
        Ok(match self.at {
            Some(time) => connection.at(time),
            None => connection,
        })
    }

    /// Without a token, for what a one-time code proves.
    pub fn anonymous(&self) -> anyhow::Result<Connection> {
        let connection = Connection::open_trusting(&self.address()?, None, self.authority()?.as_deref())?;
        Ok(self.at.map_or_else(|| connection.clone(), |time| connection.at(time)))
    }

    /// What time it is for whoever asks: on a demonstration server the time that requests say.
    pub fn time(&self) -> DateTime<Utc> {
        self.at.unwrap_or_else(|| chassis::Clock::system().now())
    }

    /// Where that certificate lies.
    pub fn authority_file(&self) -> Option<PathBuf> {
        self.authority.clone()
    }

    /// When this happens, on a demonstration server.
    pub fn at(&self) -> Option<DateTime<Utc>> {
        self.at
    }

    /// The certificate of the authority that was named, as PEM.
    pub fn authority(&self) -> anyhow::Result<Option<Vec<u8>>> {
        let Some(file) = &self.authority else { return Ok(None) };
        Ok(Some(fs::read(file).with_context(|| format!("reading {}", file.display()))?))
    }

    /// The address and the administrator's token of a demonstration.
    pub fn demonstration(&self) -> anyhow::Result<(String, String)> {
        let data = self.folder(true)?;
        let token = match &self.token {
            Some(token) => token.clone(),
            None => read(&demonstration_token_file(&data)).with_context(|| {
                format!(
                    "no demonstration runs in {}: start one with `mifeng up --demo`, or give --address and an administrator's --token",
                    data.display()
                )
            })?,
        };
        let address = match &self.address {
            Some(address) => address.clone(),
            None => read(&data.join("address")).context("no demonstration was started: `mifeng up --demo`")?,
        };
        Ok((address, token))
    }

    pub fn address(&self) -> anyhow::Result<String> {
        if let Some(address) = &self.address {
            return Ok(address.clone());
        }
        for demo in [false, true] {
            if let Ok(address) = read(&self.folder(demo)?.join("address")) {
                return Ok(address);
            }
        }
        anyhow::bail!("no server was started on this machine: run `mifeng up`, or name one with --address")
    }

    /// None where nothing was given or kept: public calls need none.
    fn token(&self) -> anyhow::Result<Option<String>> {
        if let Some(token) = &self.token {
            return Ok(Some(token.clone()));
        }
        if let Ok(token) = read(&kept_token_file()?) {
            return Ok(Some(token));
        }
        Ok(read(&demonstration_token_file(&self.folder(true)?)).ok())
    }

    /// The data folder that was named, or the usual one.
    pub fn folder(&self, demo: bool) -> anyhow::Result<PathBuf> {
        match &self.data {
            Some(data) => Ok(data.clone()),
            None => data_folder(demo),
        }
    }
}

/// The data folder where none is named: `$XDG_DATA_HOME/mifeng`, the demonstration's beside it.
pub fn data_folder(demo: bool) -> anyhow::Result<PathBuf> {
    Ok(home("XDG_DATA_HOME", ".local/share")?.join(if demo { "mifeng-demo" } else { "mifeng" }))
}

/// Where a demonstration keeps its administrator's token.
pub fn demonstration_token_file(data: &Path) -> PathBuf {
    data.join("demonstration.token")
}

/// Where `mifeng token save` keeps one.
pub fn kept_token_file() -> anyhow::Result<PathBuf> {
    Ok(home("XDG_CONFIG_HOME", ".config")?.join("mifeng/token"))
}

/// Writes a token that only its owner can read.
pub fn keep_token(path: &Path, token: &str) -> anyhow::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let writing = || format!("writing {}", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(writing)?;
    }
    // A file that is there keeps its mode: make a new one.
    if path.exists() {
        fs::remove_file(path).with_context(writing)?;
    }
    let mut file = fs::File::options().create_new(true).write(true).mode(0o600).open(path).with_context(writing)?;
    file.write_all(token.as_bytes()).with_context(writing)
}

fn home(variable: &str, otherwise: &str) -> anyhow::Result<PathBuf> {
    let (named, home) = (std::env::var_os(variable), std::env::var_os("HOME"));
    match (named, home) {
        (Some(named), _) if !named.is_empty() => Ok(PathBuf::from(named)),
        (_, Some(home)) => Ok(Path::new(&home).join(otherwise)),
        _ => anyhow::bail!("neither {variable} nor HOME is set: name the data folder with --data"),
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    Ok(text.trim().to_owned())
}
