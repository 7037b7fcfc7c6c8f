//! What a service's databases are made of, and who may do what there. An administrator of the server makes them; the
//! service's own role reads and adds, and can neither change nor delete what has happened.

use std::{str::FromStr as _, time::Duration};

use anyhow::{Context as _, bail, ensure};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, postgres::PgConnectOptions};
use tokio::time::timeout;

use crate::{
    Clock,
    event_log::{
        chain,
        postgres::{SCHEMA, SCHEMA_VERSION},
    },
    postgres::leave,
};

const KEYS: &str = include_str!("database/keys.sql");
const KEYS_VERSION: i64 = 1;

/// "mfdb": two runs at once wait for each other.
const LOCK: i64 = 0x6d66_6462;

/// A server, and who administers it.
pub type Administrator = PgConnectOptions;

/// To get through to the server.
const CONNECT: Duration = Duration::from_secs(10);

/// Reads where the server is and who administers it, `postgres://postgres@host:5432/postgres`, the password apart.
pub fn administrator(url: &str, password: Option<&str>) -> anyhow::Result<Administrator> {
    let mistaken = "an administrator is named like postgres://postgres@host:5432/postgres";
    ensure!(url.starts_with("postgres://") || url.starts_with("postgresql://"), "{mistaken}");
    // The text may hold a password: it is not quoted.
    let options = PgConnectOptions::from_str(url).ok().context(mistaken)?;
    let options = if options.get_database().is_none() { options.database("postgres") } else { options };
    Ok(match password {
        Some(password) => options.password(password),
        None => options,
    }
    .disable_statement_logging())
}

/// Makes a service's role and databases where they are missing, and puts rights and password in order where they are
/// there. Whatever the databases hold stays.
pub async fn create(admin: &Administrator, service: &str, password: &str) -> anyhow::Result<()> {
    let names = Names::of(service)?;
    let mut server = connect(admin).await?;
    let made = async {
        sqlx::query("SELECT pg_advisory_lock($1)").bind(LOCK).execute(&mut server).await?;
        make_role(&mut server, &names, password).await?;
        make_database(&mut server, &names.database, &names.role, "CONNECT, TEMPORARY, CREATE").await?;
        make_database(&mut server, &names.keys, &names.role, "CONNECT").await?;
        let mut log = connect(&admin.clone().database(&names.database)).await?;
        let prepared = prepare_log(&mut log, &names, service).await;
        leave(log).await;
        prepared?;
        let mut keys = connect(&admin.clone().database(&names.keys)).await?;
        let prepared = prepare_keys(&mut keys, &names).await;
        leave(keys).await;
        prepared
    };
    let made = made.await;
    // The lock goes with the connection.
    leave(server).await;
    made.with_context(|| format!("preparing the databases of {service}"))
}

/// Gives a log that was restored from an older backup a new id, and hands it out. Whoever has followed it beyond the
/// backup is told, instead of taking other events for those it has seen.
pub async fn renew(admin: &Administrator, service: &str) -> anyhow::Result<String> {
    let names = Names::of(service)?;
    let mut log = connect(&admin.clone().database(&names.database)).await?;
    let log_id = Clock::system().id().to_string();
    let renewed = sqlx::query("UPDATE log.log_head SET renewed_from = log_id, log_id = $1 WHERE id = 1")
        .bind(&log_id)
        .execute(&mut log)
        .await;
    leave(log).await;
    let renewed = renewed.with_context(|| format!("giving the log {service} a new id"))?;
    ensure!(renewed.rows_affected() == 1, "the log {service} has no head: run `mifeng database create {service}`");
    Ok(log_id)
}

/// What belongs to a service on a server.
struct Names {
    role: String,
    database: String,
    keys: String,
}

impl Names {
    fn of(service: &str) -> anyhow::Result<Self> {
        let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        // Such names need no quotes in SQL, and are not cut at 63 letters.
        ensure!(
            service.starts_with(|c: char| c.is_ascii_lowercase())
                && service.chars().all(letters)
                && service.len() <= 40,
            "{service:?} is no service's name: small letters, digits and _, 40 at most"
        );
        let database = format!("mifeng_{service}");
        Ok(Self { role: database.clone(), keys: format!("{database}_keys"), database })
    }
}

async fn connect(options: &PgConnectOptions) -> anyhow::Result<PgConnection> {
    let place = || format!("connecting to {}:{} as {}", options.get_host(), options.get_port(), options.get_username());
    timeout(CONNECT, options.connect()).await.with_context(place)?.with_context(place)
}

async fn run(db: &mut PgConnection, sql: String) -> anyhow::Result<()> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(db).await?;
    Ok(())
}

async fn make_role(server: &mut PgConnection, Names { role, .. }: &Names, password: &str) -> anyhow::Result<()> {
    let exists: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)")
        .bind(role)
        .fetch_one(&mut *server)
        .await?;
    let verb = if exists { "ALTER" } else { "CREATE" };
    // The server's log is no place for a password; who may not switch it off is no superuser and goes on.
    drop(
        sqlx::raw_sql("SET log_statement = 'none'; SET log_min_error_statement = 'panic'").execute(&mut *server).await,
    );
    let sql: String = sqlx::query_scalar(
        "SELECT format($1 || ' ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD %L', $2, $3)",
    )
    .bind(verb)
    .bind(role)
    .bind(password)
    .fetch_one(&mut *server)
    .await?;
    run(server, sql).await.with_context(|| format!("making the role {role}"))
}

/// Sorted by bytes, as SQLite sorts, so that an upgrade of the server's language library leaves the indices sound.
async fn make_database(server: &mut PgConnection, name: &str, role: &str, rights: &str) -> anyhow::Result<()> {
    let exists: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(name)
        .fetch_one(&mut *server)
        .await?;
    if !exists {
        let sql = format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'");
        run(server, sql).await.with_context(|| format!("making the database {name}"))?;
    }
    run(server, format!("REVOKE ALL ON DATABASE {name} FROM PUBLIC; GRANT {rights} ON DATABASE {name} TO {role}"))
        .await
        .with_context(|| format!("saying who may enter the database {name}"))
}

async fn prepare_log(db: &mut PgConnection, Names { role, .. }: &Names, service: &str) -> anyhow::Result<()> {
    let mut transaction = db.begin().await?;
    match version(&mut transaction, "log.schema").await? {
        None => {
            sqlx::raw_sql(SCHEMA).execute(&mut *transaction).await.context("making the tables of the log")?;
            sqlx::query("INSERT INTO log.schema (version) VALUES ($1)")
                .bind(SCHEMA_VERSION)
                .execute(&mut *transaction)
                .await?;
            sqlx::query("INSERT INTO log.log_head (id, log, log_id, position, chain) VALUES (1, $1, $2, 0, $3)")
                .bind(service)
                .bind(Clock::system().id().to_string())
                .bind(&chain::START[..])
                .execute(&mut *transaction)
                .await?;
        }
        Some(SCHEMA_VERSION) => {}
        Some(version) => bail!("the tables are of another version ({version}): update the program"),
    }
    let rights = format!(
        "REVOKE ALL ON ALL TABLES IN SCHEMA log, replica, reactions FROM PUBLIC, {role};
         REVOKE CREATE ON SCHEMA public FROM PUBLIC;
         GRANT USAGE ON SCHEMA log, replica, reactions TO {role};
         GRANT SELECT ON log.schema TO {role};
         GRANT SELECT, UPDATE ON log.log_head, replica.lease TO {role};
         GRANT SELECT, INSERT ON log.event TO {role};
         GRANT SELECT, INSERT, UPDATE ON log.stream TO {role};
         GRANT SELECT, INSERT, DELETE ON log.command TO {role};
         GRANT SELECT, INSERT, UPDATE, DELETE ON log.reservation, reactions.checkpoint TO {role}"
    );
    run(&mut transaction, rights).await.context("saying who may do what with the log")?;
    transaction.commit().await.context("making the tables of the log")
}

async fn prepare_keys(db: &mut PgConnection, Names { role, .. }: &Names) -> anyhow::Result<()> {
    let mut transaction = db.begin().await?;
    match version(&mut transaction, "public.schema").await? {
        None => {
            sqlx::raw_sql(KEYS).execute(&mut *transaction).await.context("making the table of the keys")?;
            sqlx::query("INSERT INTO public.schema (version) VALUES ($1)")
                .bind(KEYS_VERSION)
                .execute(&mut *transaction)
                .await?;
        }
        Some(KEYS_VERSION) => {}
        Some(version) => bail!("the keys' table is of another version ({version}): update the program"),
    }
    let rights = format!(
        "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC, {role};
         REVOKE CREATE ON SCHEMA public FROM PUBLIC;
         GRANT USAGE ON SCHEMA public TO {role};
         GRANT SELECT ON public.schema TO {role};
         GRANT SELECT, INSERT, UPDATE ON public.subject_key TO {role}"
    );
    run(&mut transaction, rights).await.context("saying who may do what with the keys")?;
    transaction.commit().await.context("making the table of the keys")
}

/// Of the tables, if there are any.
async fn version(db: &mut PgConnection, table: &str) -> anyhow::Result<Option<i64>> {
    let made: bool = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL").bind(table).fetch_one(&mut *db).await?;
    if !made {
        return Ok(None);
    }
    let sql = format!("SELECT version FROM {table}");
    Ok(Some(sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(db).await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_need_quotes_are_refused() {
        for name in ["", "Registry", "re-gistry", "x; DROP DATABASE y", "1st", &"a".repeat(41)] {
            assert!(Names::of(name).is_err(), "{name}");
        }
        assert_eq!(Names::of("registry").unwrap().keys, "mifeng_registry_keys");
    }

    #[test]
    fn who_is_no_administrator_is_refused_without_being_quoted() {
        let error = format!("{:#}", administrator("postgres://u:secret@h:port/d", None).unwrap_err());
        assert!(!error.contains("secret") && error.contains("postgres://postgres@host"), "{error}");
        assert_eq!(administrator("postgres://postgres@db", None).unwrap().get_database(), Some("postgres"));
    }
}
