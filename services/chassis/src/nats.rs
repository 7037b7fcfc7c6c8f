//! The way to NATS: one connection per process, which begins by itself, comes back by itself and never keeps a service
//! from starting. JetStream is a transport that may lose everything: what it carries can always be published again from
//! the log, and fetched from the log's own service.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, ensure};
use async_nats::{
    ConnectOptions, Event,
    connection::State,
    jetstream::{self, context::ContextBuilder},
    rustls::crypto::ring,
};
use secrecy::{ExposeSecret as _, SecretString};

/// Records as messages, and back.
pub(crate) mod headers;
/// What a service may do at the NATS server.
mod permissions;

pub use permissions::{Permissions, permissions, users_conf};

/// Where NATS is, and as whom to speak to it.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// `nats://` or `tls://user@host:port`; several of one cluster with commas between them.
    pub url: String,
    pub password: Option<SecretString>,
    /// The certificate authority that vouches for the server, as a PEM file; without it the system's own are asked.
    pub authority: Option<PathBuf>,
}

/// A connection that is there or coming. Clones share it.
#[derive(Clone, Debug)]
pub struct Nats {
    pub(crate) jetstream: jetstream::Context,
}

/// How long a server has to take the connection, and to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// A server that stands still without closing anything is given up after two of these.
const PING: Duration = Duration::from_secs(5);
/// The longest pause between two tries to connect.
const PAUSE: Duration = Duration::from_secs(1);

impl Nats {
    /// Begins to connect for the process called `name`, and does not wait for it. Only an address that cannot be one is an
    /// error.
    pub async fn open(config: &Config, name: &str) -> anyhow::Result<Self> {
        // The client takes the process's provider. One that is installed already is the same: there is no other one.
        drop(ring::default_provider().install_default());
        let (addresses, user) = addresses(&config.url)?;
        let mut options = ConnectOptions::new()
            .name(format!("mifeng {name}"))
            .retry_on_initial_connect()
            .max_reconnects(None)
            .reconnect_delay_callback(pause)
            .connection_timeout(CONNECT_TIMEOUT)
            .request_timeout(Some(ANSWER_TIMEOUT))
            .ping_interval(PING)
            .event_callback(told());
        if let Some(authority) = &config.authority {
            options = options.add_root_certificates(authority.clone()).require_tls(true);
        }
        if let Some(user) = user {
            let password = config.password.as_ref().map(|password| password.expose_secret().to_owned());
            options = options
                .custom_inbox_prefix(permissions::inbox(&user))
                .user_and_password(user, password.unwrap_or_default());
        }
        let client = options.connect(addresses).await.with_context(|| format!("opening NATS at {}", config.url))?;
        Ok(Self { jetstream: ContextBuilder::new().timeout(ANSWER_TIMEOUT).build(client) })
    }

    /// Whether a server is there, as far as is known.
    pub fn connected(&self) -> bool {
        self.jetstream.client().connection_state() == State::Connected
    }

    /// What is sent while no server is there would lie in the client and arrive at an odd time.
    pub(crate) fn ensure_connected(&self) -> anyhow::Result<()> {
        ensure!(self.connected(), "NATS cannot be reached");
        Ok(())
    }
}

/// At once, then later and later, so that a server that comes back is not run over.
fn pause(attempts: usize) -> Duration {
    match attempts {
        0 | 1 => Duration::ZERO,
        more => PAUSE.min(Duration::from_millis(20 << more.min(6))),
    }
}

/// The addresses without their user, and the user.
fn addresses(url: &str) -> anyhow::Result<(Vec<String>, Option<String>)> {
    let (mut addresses, mut user) = (Vec::new(), None);
    for address in url.split(',').map(str::trim) {
        let (scheme, rest) = address.split_once("://").unwrap_or(("nats", address));
        ensure!(matches!(scheme, "nats" | "tls"), "{address}: NATS is reached at nats:// or tls://");
        let (before, host) = rest.rsplit_once('@').map_or((None, rest), |(user, host)| (Some(user), host));
        ensure!(!host.is_empty(), "{address}: name the host of NATS behind {scheme}://");
        if let Some(before) = before {
            ensure!(!before.contains(':'), "a password of NATS stands in a file of its own, not in its address");
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
            ensure!(before.bytes().all(plain), "{before}: a user of NATS is called like its service");
            user.get_or_insert_with(|| before.to_owned());
        }
        addresses.push(format!("{scheme}://{host}"));
    }
    Ok((addresses, user))
}

/// Says once what is wrong with the connection, not at every try.
fn told() -> impl Fn(Event) -> std::future::Ready<()> + Send + Sync + 'static {
    let last = std::sync::Mutex::new(String::new());
    move |event| {
        let text = event.to_string();
        let mut last = last.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if *last != text {
            match event {
                Event::Connected => tracing::info!("NATS is there"),
                _ => tracing::warn!(event = text, "NATS"),
            }
            *last = text;
        }
        std::future::ready(())
    }
}

/// A log's stream.
pub(crate) fn stream_name(log: &str) -> String {
    format!("mifeng-{log}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_the_user_and_several_servers() {
        let (addresses, user) = addresses("tls://pass@one:4222, tls://pass@two:4222").unwrap();
        assert_eq!(addresses, ["tls://one:4222", "tls://two:4222"]);
        assert_eq!(user.as_deref(), Some("pass"));
        assert_eq!(super::addresses("nats://127.0.0.1:4222").unwrap().1, None);
    }

    #[test]
    fn an_address_that_is_none_is_refused_with_what_to_write() {
        for (address, expected) in [
            ("http://nats:8222", "nats:// or tls://"),
            ("tls://", "name the host"),
            ("nats://user:secret@host", "a file of its own"),
        ] {
            let error = addresses(address).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_service_starts_while_nats_is_away() {
        let config = Config { url: "nats://127.0.0.1:1".to_owned(), ..Config::default() };
        let nats = Nats::open(&config, "registry").await.unwrap();
        assert!(!nats.connected());
        assert_eq!(nats.ensure_connected().unwrap_err().to_string(), "NATS cannot be reached");
    }

    #[test]
    fn the_pause_between_tries_grows_to_a_second() {
        assert_eq!(pause(1), Duration::ZERO);
        assert!(pause(3) > pause(2));
        assert_eq!(pause(1_000_000), PAUSE);
    }
}
