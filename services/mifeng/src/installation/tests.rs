use std::collections::BTreeMap;

use chassis::client::Connection;
use proto::event::v1::{GetHeadRequest, event_log_service_client::EventLogServiceClient};
use tokio::net::TcpListener;
use tonic::transport::{Identity, Server, ServerTlsConfig, server::TcpIncoming};

use super::*;

fn clock(day: &str) -> Clock {
    Clock::starting_at(format!("{day}T08:00:00+08:00").parse().unwrap())
}

fn prepare(folder: &Path, names: &[&str], day: &str) -> anyhow::Result<Vec<PathBuf>> {
    let names = names.iter().map(|name| (*name).to_owned()).collect();
    Prepare { folder: folder.to_owned(), names, owner: None }.prepare(&clock(day))
}

/// Every file with its content.
fn all(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(all(&entry.path()));
        } else {
            found.insert(entry.path(), fs::read(entry.path()).unwrap());
        }
    }
    found
}

#[test]
fn what_is_made_once_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(prepare(dir.path(), &[], "2026-11-25").unwrap().len(), 6 * 5 + 1 + 1 + 2 * 3 + 1 + 2);
    let first = all(dir.path());
    assert!(prepare(dir.path(), &[], "2026-11-26").unwrap().is_empty());
    assert_eq!(all(dir.path()), first);
}

#[test]
fn services_share_the_root_secret_and_no_password() {
    let dir = tempfile::tempdir().unwrap();
    prepare(dir.path(), &[], "2026-11-25").unwrap();
    let of = |file: &str| -> BTreeSet<Vec<u8>> {
        Service::ALL.iter().map(|service| fs::read(dir.path().join(service.name()).join(file)).unwrap()).collect()
    };
    assert_eq!(of("root.secret").len(), 1);
    assert_eq!(of("root.secret").first().unwrap().len(), 32);
    assert_eq!(of("prepared").len(), 1, "the time at which a demonstration begins is the same for all");
    assert_eq!(of("postgres.password").union(&of("nats.password")).count(), 12);
    let users = fs::read_to_string(dir.path().join("nats/users.conf")).unwrap();
    for password in of("nats.password") {
        assert!(users.contains(std::str::from_utf8(&password).unwrap()), "{users}");
    }
}

#[test]
fn the_root_of_passes_is_the_pass_services_alone_and_an_older_installation_goes_on_without() {
    let dir = tempfile::tempdir().unwrap();
    prepare(dir.path(), &[], "2026-11-25").unwrap();
    let holders: Vec<PathBuf> = all(dir.path()).into_keys().filter(|file| file.ends_with(pass::ROOT_SECRET)).collect();
    assert_eq!(holders, [dir.path().join("pass").join(pass::ROOT_SECRET)]);
    assert_ne!(fs::read(&holders[0]).unwrap(), fs::read(dir.path().join("pass/root.secret")).unwrap());
    fs::remove_file(&holders[0]).unwrap();
    assert!(prepare(dir.path(), &[], "2026-11-25").unwrap().is_empty());
}

#[test]
fn nobody_but_the_owner_can_read_any_of_it() {
    let dir = tempfile::tempdir().unwrap();
    prepare(&dir.path().join("secrets"), &[], "2026-11-25").unwrap();
    for file in all(dir.path()).keys() {
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(file), 0o600, "{}", file.display());
        assert_eq!(mode(file.parent().unwrap()), 0o700, "{}", file.display());
    }
}

#[test]
fn a_half_made_folder_is_completed_around_what_is_there() {
    let dir = tempfile::tempdir().unwrap();
    prepare(dir.path(), &[], "2026-11-25").unwrap();
    let whole = all(dir.path());
    for lost in whole.keys().filter(|file| !file.ends_with("lock")) {
        // Without the key a new authority would be needed, which is for people to decide.
        // The root of passes is made with the installation: gates would believe no other.
        if lost.ends_with("authority/authority.key") || lost.ends_with(pass::ROOT_SECRET) {
            continue;
        }
        fs::remove_file(lost).unwrap();
        let made = prepare(dir.path(), &[], "2026-11-25").unwrap();
        assert!(made.contains(lost) || lost.ends_with("issued"), "{} was not made again", lost.display());
    }
    let secret = Path::new("registry/root.secret");
    assert_eq!(all(dir.path())[&dir.path().join(secret)], whole[&dir.path().join(secret)]);
}

#[test]
fn an_authority_whose_key_is_gone_is_not_replaced_in_silence() {
    let dir = tempfile::tempdir().unwrap();
    prepare(dir.path(), &[], "2026-11-25").unwrap();
    fs::remove_file(dir.path().join("authority/authority.key")).unwrap();
    let error = format!("{:#}", prepare(dir.path(), &[], "2026-11-25").unwrap_err());
    assert!(error.contains("authority.key is gone"), "{error}");
}

#[test]
fn two_root_secrets_in_one_installation_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    prepare(dir.path(), &[], "2026-11-25").unwrap();
    fs::write(dir.path().join("pass/root.secret"), [7; 32]).unwrap();
    let error = format!("{:#}", prepare(dir.path(), &[], "2026-11-25").unwrap_err());
    assert!(error.contains("differ"), "{error}");
}

#[test]
fn ten_that_prepare_at_once_make_one_installation() {
    let dir = tempfile::tempdir().unwrap();
    let made: usize = std::thread::scope(|scope| {
        let runs: Vec<_> =
            (0..10).map(|_| scope.spawn(|| prepare(dir.path(), &[], "2026-11-25").unwrap().len())).collect();
        runs.into_iter().map(|run| run.join().unwrap()).sum()
    });
    assert_eq!(made, all(dir.path()).len() - 2, "each file was made once; the lock and the list of names are not told");
    assert!(prepare(dir.path(), &[], "2026-11-25").unwrap().is_empty());
}

#[test]
fn a_certificate_is_renewed_before_it_ends_and_when_a_name_is_new() {
    let dir = tempfile::tempdir().unwrap();
    let renewed = |names: &[&str], day: &str| prepare(dir.path(), names, day).unwrap().len();
    prepare(dir.path(), &[], "2026-11-25").unwrap();
    assert_eq!(renewed(&["mifeng.example.cn"], "2026-11-26"), 4, "two certificates with their keys");
    assert_eq!(renewed(&[], "2026-11-26"), 0, "a name that was asked for once is kept");
    assert_eq!(renewed(&[], "2028-08-20"), 0);
    assert_eq!(renewed(&[], "2028-08-28"), 4);
    assert_eq!(renewed(&["mifeng.example.cn"], "2028-08-28"), 0);
}

#[test]
fn what_is_no_host_name_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let error = format!("{:#}", prepare(dir.path(), &["密缝"], "2026-11-25").unwrap_err());
    assert!(error.contains("密缝"), "{error}");
}

#[tokio::test]
async fn a_client_that_trusts_the_authority_reaches_a_server_with_its_certificate_and_no_other_client_does() {
    let (ours, others) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for dir in [&ours, &others] {
        Prepare { folder: dir.path().to_owned(), names: Vec::new(), owner: None }.prepare(&Clock::system()).unwrap();
    }
    let file = |name: &str| fs::read(ours.path().join("proxy").join(name)).unwrap();
    let identity = Identity::from_pem(file("server.pem"), file("server.key"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let server = Server::builder()
        .tls_config(ServerTlsConfig::new().identity(identity))
        .unwrap()
        .add_routes(tonic::service::Routes::default())
        .serve_with_incoming(TcpIncoming::from(listener));
    let server = tokio::spawn(server);

    let ask = async |trusting: &Path| {
        let authority = fs::read(trusting.join("registry/authority.pem")).unwrap();
        let connection = Connection::open_trusting(&address, None, Some(&authority)).unwrap();
        EventLogServiceClient::new(connection).get_head(GetHeadRequest::default()).await.unwrap_err().code()
    };
    // The server knows no such method, and to say so it was reached.
    assert_eq!(ask(ours.path()).await, tonic::Code::Unimplemented);
    assert_eq!(ask(others.path()).await, tonic::Code::Unavailable);
    server.abort();
}
