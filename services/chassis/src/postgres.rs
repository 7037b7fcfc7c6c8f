//! A service's PostgreSQL database: where it is, as whom it is entered, and the two habits that keep a pool sound: a
//! connection goes back clean or not at all, and nothing waits for ever on a server that has gone silent.

use std::{fmt, str::FromStr as _, sync::Arc, time::Duration};

use anyhow::{Context as _, ensure};
use sqlx::{
    ConnectOptions as _, Connection as _, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

/// Where a service's database is, and as whom. Cheap to clone.
#[derive(Clone)]
pub struct Database(Arc<Entrance>);

struct Entrance {
    options: PgConnectOptions,
    /// Told to the server with each connection.
    session: Vec<(&'static str, &'static str)>,
    name: String,
}

/// What a server does by itself about a peer that has gone silent, and about statements that nobody waits for any more.
const SESSION: [(&str, &str); 6] = [
    ("statement_timeout", "30s"),
    ("lock_timeout", "10s"),
    ("idle_in_transaction_session_timeout", "30s"),
    ("tcp_keepalives_idle", "5"),
    ("tcp_keepalives_interval", "2"),
    ("tcp_user_timeout", "10000"),
];

/// For those who find rows by their keys: each statement is planned once, by the keys, whatever the statistics of a table that
/// was empty a minute ago say. Otherwise whoever was first goes on reading whole tables until the server counts them anew.
const BY_KEYS: [(&str, &str); 6] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("jit", "off"),
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("enable_bitmapscan", "off"),
];

/// How long it may take to get through to the server.
const CONNECT: Duration = Duration::from_secs(5);

/// How long a caller waits for a connection: under a burst turns are long, and each caller has a deadline of its own.
pub(crate) const TURN: Duration = Duration::from_secs(30);

/// How long a connection that goes back to its pool may take to show that it is clean.
const CLEANING: Duration = Duration::from_secs(2);

impl Database {
    /// `postgres://role@host:port/name?sslmode=verify-full`; the password apart, so that it stays out of process lists.
    pub fn parse(url: &str, password: Option<&str>) -> anyhow::Result<Self> {
        let mistaken = "a database is named like postgres://role@host:5432/name";
        ensure!(url.starts_with("postgres://") || url.starts_with("postgresql://"), "{mistaken}");
        // The text may hold a password: it is not quoted.
        let options = PgConnectOptions::from_str(url).ok().context(mistaken)?;
        let name = options.get_database().context("the database's URL does not name a database")?.to_owned();
        let options = match password {
            Some(password) => options.password(password),
            None => options,
        };
        let options = options.options(SESSION).disable_statement_logging();
        Ok(Self(Arc::new(Entrance { options, session: SESSION.to_vec(), name })))
    }

    /// "mifeng_registry"
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The database of the subjects' keys: beside the service's own, backed up apart.
    #[must_use]
    pub fn keys(&self) -> Self {
        let name = format!("{}_keys", self.0.name);
        let options = self.0.options.clone().database(&name);
        Self(Arc::new(Entrance { options, session: self.0.session.clone(), name }))
    }

    /// The same, for statements that find their rows by keys.
    #[must_use]
    pub(crate) fn by_keys(&self) -> Self {
        let Entrance { options, session, name } = &*self.0;
        let session = [session.as_slice(), &BY_KEYS].concat();
        Self(Arc::new(Entrance { options: options.clone().options(BY_KEYS), session, name: name.clone() }))
    }

    /// "host:port/name", to tell people which one is meant.
    pub fn place(&self) -> String {
        format!("{}:{}/{}", self.0.options.get_host(), self.0.options.get_port(), self.0.name)
    }

    pub fn options(&self) -> &PgConnectOptions {
        &self.0.options
    }

    /// A connection of one's own.
    pub async fn connect(&self) -> anyhow::Result<PgConnection> {
        let connecting = || format!("connecting to the database {}", self.place());
        let connected = tokio::time::timeout(CONNECT, self.0.options.connect()).await.with_context(connecting)?;
        connected.with_context(connecting)
    }

    /// Connections for many, made when they are needed.
    pub fn pool(&self, most: u32) -> PgPool {
        let pool = Self::pooling(most).after_release(|connection, _| {
            Box::pin(async move {
                // A caller who hung up while a transaction began leaves it open, and a silent server never answers:
                // the next caller gets neither.
                let clean = sqlx::Executor::execute(connection, sqlx::raw_sql("BEGIN; ROLLBACK"));
                Ok(tokio::time::timeout(CLEANING, clean).await.is_ok_and(|clean| clean.is_ok()))
            })
        });
        pool.connect_lazy_with(self.0.options.clone())
    }

    /// For callers who begin no transaction, and themselves close a connection that did not answer: looking after each would
    /// be a second message for every question.
    pub(crate) fn pool_for_questions(&self, most: u32) -> PgPool {
        Self::pooling(most).connect_lazy_with(self.0.options.clone())
    }

    fn pooling(most: u32) -> PgPoolOptions {
        PgPoolOptions::new()
            .min_connections(0)
            .max_connections(most)
            .acquire_timeout(TURN)
            .idle_timeout(None)
            .max_lifetime(None)
    }

    /// For the driver that speaks to both kinds of database, which knows URLs alone. Tables are looked for in `schema`.
    pub(crate) fn any_url(&self, schema: &str) -> String {
        let mut url = self.0.options.to_url_lossy();
        let session = self.0.session.iter().map(|(name, value)| format!("-c {name}={value}"));
        let session = session.chain([format!("-c search_path={schema}")]).collect::<Vec<_>>().join(" ");
        url.query_pairs_mut().append_pair("options", &session);
        url.into()
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Database({})", self.place())
    }
}

/// Ends a connection without waiting for a server that may never answer.
pub(crate) async fn leave(connection: PgConnection) {
    if tokio::time::timeout(CLEANING, connection.close()).await.is_err() {
        tracing::debug!("a connection was left without a farewell: the server did not answer");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_of_a_service_lie_in_a_database_of_their_own() {
        let database = Database::parse("postgres://mifeng_registry@db:5433/mifeng_registry", Some("s&c ret")).unwrap();
        assert_eq!(database.keys().place(), "db:5433/mifeng_registry_keys");
        assert_eq!(format!("{database:?}"), "Database(db:5433/mifeng_registry)");
    }

    #[test]
    fn a_url_for_the_driver_of_both_kinds_keeps_the_password_and_names_the_schema() {
        let database = Database::parse("postgres://r@db/d?sslmode=disable", Some("s&c ret")).unwrap();
        let again = PgConnectOptions::from_str(&database.any_url("views_3")).unwrap();
        assert!(again.get_options().unwrap().ends_with("-c search_path=views_3"), "{:?}", again.get_options());
        assert!(database.any_url("views_3").contains("s%26c%20ret"));
    }

    #[test]
    fn who_goes_by_keys_says_so_however_they_connect() {
        let by_keys = Database::parse("postgres://r@db/d", None).unwrap().by_keys();
        let url = PgConnectOptions::from_str(&by_keys.any_url("views_3")).unwrap();
        for options in [by_keys.options(), by_keys.keys().options(), &url] {
            let told = options.get_options().unwrap();
            assert!(told.contains("-c enable_seqscan=off") && told.contains("-c statement_timeout=30s"), "{told}");
        }
    }

    #[test]
    fn what_is_no_database_is_refused_without_being_quoted() {
        for url in ["mysql://u:secret@h/d", "postgres://u:secret@h:port/d", "postgres://u:secret@h"] {
            let error = format!("{:#}", Database::parse(url, None).unwrap_err());
            assert!(!error.contains("secret") && error.contains("database"), "{error}");
        }
    }
}
