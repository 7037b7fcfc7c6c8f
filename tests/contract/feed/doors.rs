use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::Duration,
};

use chassis::{
    Feed,
    inbox::Inbox,
    nats::{Config, Nats, users_conf},
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use tempfile::TempDir;

use super::{
    OverNats, add, assert_arrives,
    over_nats::{Sending, Tasks},
};

/// Not kept anywhere.
const USERS: [(&str, &str); 2] = [("registry", "secret of \"registry\""), ("pass", "secret\\of pass")];

pub(crate) async fn a_services_rights_suffice_and_end_at_its_own_events<const OLDEST: bool>(mut way: OverNats<OLDEST>) {
    way.relay.end().await;
    way.server.kill().await;
    way.server.configure(&users_conf(&USERS));
    way.server.run().await;
    let config = |user: usize| config("nats", USERS[user], way.server.port());

    // Everything that a relay and an inbox do, on a stream that is there, deleted, and made anew.
    let nats = Nats::open(&config(0), "registry").await.unwrap();
    way.relay = Sending::over(nats, &way.log, true, None);
    let tasks = Tasks::new();
    let nats = Nats::open(&config(1), "pass").await.unwrap();
    let feed: Arc<dyn Feed> = Inbox::follow("registry", Arc::clone(&way.source) as Arc<dyn Feed>, nats, tasks.both());
    add(&way.log, 9_000).await;
    way.settle().await;
    way.source.away(true);
    assert_arrives(&way, &feed, 0).await;
    assert_eq!(way.source.reads(), 0);

    let forger = as_user(&way, 1).await;
    forger.publish("mifeng.registry.household.1", "forged".into()).await.unwrap();
    forger.publish("mifeng.pass.holder.1", "nobody keeps this".into()).await.unwrap();
    let asked = |subject: &'static str| {
        let forger = forger.clone();
        async move { forger.request(subject, "".into()).await.map(|answer| answer.payload) }
    };
    for refused in ["$JS.API.STREAM.DELETE.mifeng-registry", "$JS.API.STREAM.PURGE.mifeng-registry"] {
        asked(refused).await.expect_err(refused);
    }
    asked("$JS.API.STREAM.INFO.mifeng-registry").await.unwrap();
    // What else one says of oneself is heard by oneself alone.
    let mut overheard = as_user(&way, 1).await.subscribe("_INBOX.registry.>").await.unwrap();
    add(&way.log, 10).await;
    way.settle().await;
    assert_arrives(&way, &feed, 9_000).await;
    let heard = tokio::time::timeout(Duration::from_millis(500), futures::StreamExt::next(&mut overheard)).await;
    assert!(!matches!(heard, Ok(Some(_))), "{heard:?}");
    tasks.end().await;
}

pub(crate) async fn the_deployments_configuration_serves_over_tls<const OLDEST: bool>(mut way: OverNats<OLDEST>) {
    way.relay.end().await;
    way.server.kill().await;
    let secrets = secrets();
    let read = |name: &str| std::fs::read_to_string(name).unwrap();
    let conf = read(concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/nats/nats.conf"));
    way.server.deploy(&conf, secrets.path());
    way.server.run().await;
    let (url, authority) =
        (format!("tls://registry@127.0.0.1:{}", way.server.port()), secrets.path().join("authority.pem"));
    let config = |user: usize, authority| Config {
        url: url.replace("registry", USERS[user].0),
        password: Some(USERS[user].1.to_owned().into()),
        authority: Some(authority),
    };
    let nats = Nats::open(&config(0, authority.clone()), "registry").await.unwrap();
    way.relay = Sending::over(nats, &way.log, true, None);
    add(&way.log, 500).await;
    way.settle().await;
    way.source.away(true);
    let tasks = Tasks::new();
    let nats = Nats::open(&config(1, authority), "pass").await.unwrap();
    let feed: Arc<dyn Feed> = Inbox::follow("registry", Arc::clone(&way.source) as Arc<dyn Feed>, nats, tasks.both());
    assert_arrives(&way, &feed, 0).await;
    tasks.end().await;

    // Another installation's authority vouches for nothing here.
    let strange = self::secrets();
    let nats = Nats::open(&config(0, strange.path().join("authority.pem")), "registry").await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!nats.connected());
}

fn config(scheme: &str, (user, password): (&str, &str), port: u16) -> Config {
    Config {
        url: format!("{scheme}://{user}@127.0.0.1:{port}"),
        password: Some(password.to_owned().into()),
        authority: None,
    }
}

async fn as_user<const OLDEST: bool>(way: &OverNats<OLDEST>, user: usize) -> async_nats::Client {
    let (user, password) = USERS[user];
    async_nats::ConnectOptions::with_user_and_password(user.to_owned(), password.to_owned())
        .custom_inbox_prefix(format!("_INBOX.{user}"))
        .request_timeout(Some(Duration::from_millis(500)))
        .connect(way.server.url())
        .await
        .unwrap()
}

/// What an installation keeps for its NATS server.
fn secrets() -> TempDir {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut server = CertificateParams::new(vec!["nats".to_owned()]).unwrap();
    server.subject_alt_names.push(SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    let server = server.signed_by(&key, &authority).unwrap();
    let folder = TempDir::new().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("authority.pem", &authority.pem());
    write("server.pem", &server.pem());
    write("server.key", &key.serialize_pem());
    write("users.conf", &users_conf(&USERS));
    folder
}
