//! `mifeng database`: what an administrator of the PostgreSQL server does for the services.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use chassis::database;
use clap::{Args, Subcommand};
use mifeng::wiring::Service;

#[derive(Args)]
pub(crate) struct Database {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Makes the role and the databases of a service, or of all; what is there already stays
    Create {
        #[command(flatten)]
        server: Server,
        /// A service's name, or "all"
        service: String,
    },
    /// Gives a log a new id after its database was restored from an older backup
    Renew {
        #[command(flatten)]
        server: Server,
        service: String,
    },
}

#[derive(Args)]
struct Server {
    /// The server and who administers it, postgres://postgres@host:5432/postgres
    #[arg(long = "as", env = "MIFENG_DATABASE_ADMIN", value_name = "URL", hide_env_values = true)]
    administrator: String,
    /// The folder with <service>/postgres.password of each service, and postgres/admin.password
    #[arg(long, env = "MIFENG_SECRETS", value_name = "FOLDER")]
    secrets: PathBuf,
}

impl Server {
    fn administrator(&self) -> anyhow::Result<database::Administrator> {
        let path = self.secrets.join("postgres/admin.password");
        let password = if path.exists() { Some(password(&path)?) } else { None };
        database::administrator(&self.administrator, password.as_deref())
    }
}

impl Database {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let mut out = std::io::stdout();
        match self.what {
            What::Create { server, service } => {
                let administrator = server.administrator()?;
                for service in services(&service)? {
                    let password = password(&server.secrets.join(service).join("postgres.password"))?;
                    database::create(&administrator, service, &password).await?;
                    writeln!(out, "the databases of {service} are ready")?;
                }
            }
            What::Renew { server, service } => {
                let administrator = server.administrator()?;
                for service in services(&service)? {
                    let log_id = database::renew(&administrator, service).await?;
                    writeln!(out, "the log {service} is {log_id} from now on")?;
                }
            }
        }
        Ok(())
    }
}

fn services(name: &str) -> anyhow::Result<Vec<&'static str>> {
    let all = Service::ALL.map(Service::name);
    if name == "all" {
        return Ok(all.to_vec());
    }
    let found = all.into_iter().find(|service| *service == name);
    found.map(|service| vec![service]).with_context(|| format!("{name} is no service: {} or all", all.join(", ")))
}

fn password(path: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading the password {}", path.display()))?;
    let password = text.trim();
    anyhow::ensure!(!password.is_empty(), "{} is empty: a password belongs there", path.display());
    Ok(password.to_owned())
}
