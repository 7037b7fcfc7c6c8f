use std::{collections::BTreeSet, path::PathBuf};

use proptest::prelude::*;
use proto::{registry::v1::Person, screening::v1::Statement};

use super::*;

struct Bench {
    dir: tempfile::TempDir,
    secrets: Secrets,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let secrets = Secrets::open_or_create(dir.path()).unwrap();
        Self { dir, secrets }
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("registry").join("keys.db")
    }

    async fn vault(&self) -> Vault {
        Vault::open(&self.file(), &self.secrets, Clock::system()).await.unwrap()
    }

    /// Every byte of the key store, its journal too.
    fn bytes(&self) -> Vec<u8> {
        let folder = std::fs::read_dir(self.file().parent().unwrap()).unwrap();
        folder.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
    }
}

fn person(name: &str) -> Person {
    Person { full_name: name.to_owned(), ..Person::default() }
}

fn is_fault<T>(outcome: &Result<T, Failure>) -> bool {
    matches!(outcome, Err(Failure::Fault(_)))
}

#[tokio::test]
async fn what_was_sealed_is_revealed_also_after_a_restart() {
    let bench = Bench::new();
    let vault = bench.vault().await;
    let sealed = vault.seal("r1", &person("王小明")).await.unwrap();
    assert!(!sealed.ciphertext.windows(3).any(|part| part == "王".as_bytes()));
    assert_eq!(vault.reveal(&sealed).await.unwrap(), Some(person("王小明")));
    drop(vault);
    assert_eq!(bench.vault().await.reveal(&sealed).await.unwrap(), Some(person("王小明")));
}

#[tokio::test]
async fn another_subject_another_message_or_an_edited_ciphertext_is_a_fault() {
    let bench = Bench::new();
    let vault = bench.vault().await;
    let sealed = vault.seal("r1", &person("王小明")).await.unwrap();
    vault.seal("r2", &person("李红")).await.unwrap();
    assert!(is_fault(&vault.reveal::<Person>(&Sealed { subject_id: "r2".into(), ..sealed.clone() }).await));
    assert!(is_fault(&vault.reveal::<Person>(&Sealed { subject_id: "unknown".into(), ..sealed.clone() }).await));
    assert!(is_fault(&vault.reveal::<Statement>(&sealed).await));
    for position in 0..sealed.ciphertext.len() {
        let mut edited = sealed.clone();
        edited.ciphertext[position] ^= 1;
        assert!(is_fault(&vault.reveal::<Person>(&edited).await));
    }
    let mut edited = sealed.clone();
    edited.nonce[0] ^= 1;
    assert!(is_fault(&vault.reveal::<Person>(&edited).await));
    for (nonce, ciphertext) in [(vec![], sealed.ciphertext.clone()), (sealed.nonce.clone(), vec![1, 2, 3])] {
        assert!(is_fault(&vault.reveal::<Person>(&Sealed { subject_id: "r1".into(), nonce, ciphertext }).await));
    }
    assert!(is_fault(&vault.seal("", &person("王小明")).await));
}

#[tokio::test]
async fn a_fault_says_nothing_of_the_subject_or_the_data() {
    let bench = Bench::new();
    let vault = bench.vault().await;
    let sealed = vault.seal("resident-canary", &person("王小明")).await.unwrap();
    let Err(Failure::Fault(fault)) = vault.reveal::<Statement>(&sealed).await else { panic!("a fault") };
    let text = format!("{fault:?}");
    assert!(!text.contains("canary") && !text.contains("王小明"), "{text}");
}

#[tokio::test]
async fn erasure_reaches_every_copy_and_stays() {
    let bench = Bench::new();
    let vault = bench.vault().await;
    let log = [vault.seal("r1", &person("王小明")).await.unwrap(), vault.seal("r1", &person("王晓明")).await.unwrap()];
    let other = vault.seal("r2", &person("李红")).await.unwrap();
    let restored = log.clone();
    vault.destroy("r1").await.unwrap();
    vault.destroy("r1").await.unwrap();
    for vault in [vault, bench.vault().await] {
        for sealed in &restored {
            assert_eq!(vault.reveal::<Person>(sealed).await.unwrap(), None);
        }
        assert_eq!(vault.reveal(&other).await.unwrap(), Some(person("李红")));
        let refused = vault.seal("r1", &person("王小明")).await;
        assert!(matches!(refused, Err(Failure::Refused(Refusal { reason: "SUBJECT_ERASED", .. }))));
    }
}

#[tokio::test]
async fn a_subject_without_a_key_can_be_erased_beforehand() {
    let bench = Bench::new();
    let vault = bench.vault().await;
    vault.destroy("r1").await.unwrap();
    assert!(matches!(vault.seal("r1", &person("王小明")).await, Err(Failure::Refused(_))));
    assert!(matches!(bench.vault().await.seal("r1", &person("王小明")).await, Err(Failure::Refused(_))));
}

#[tokio::test]
async fn a_destroyed_key_is_not_left_behind_in_the_files() {
    let bench = Bench::new();
    let vault = bench.vault().await;
    vault.seal("r1", &person("王小明")).await.unwrap();
    let Some(Stored::Wrapped(wrapped)) = vault.inner.store.find("r1").await.unwrap() else { panic!("a key") };
    let left = |bytes: Vec<u8>| bytes.windows(wrapped.len()).any(|part| part == wrapped);
    assert!(left(bench.bytes()));
    vault.destroy("r1").await.unwrap();
    assert!(!left(bench.bytes()));
}

#[tokio::test]
async fn two_processes_share_one_key_and_obey_each_others_erasures() {
    let bench = Bench::new();
    let (one, other) = (bench.vault().await, bench.vault().await);
    let seals = (0..50).map(async |n| {
        let subject = format!("r{n}");
        let (mine, theirs) = (person("甲"), person("乙"));
        let (mine, theirs) = tokio::join!(one.seal(&subject, &mine), other.seal(&subject, &theirs));
        (mine.unwrap(), theirs.unwrap())
    });
    for (mine, theirs) in futures::future::join_all(seals).await {
        assert_eq!(other.reveal(&mine).await.unwrap(), Some(person("甲")));
        assert_eq!(one.reveal(&theirs).await.unwrap(), Some(person("乙")));
    }
    let sealed = other.seal("r0", &person("甲")).await.unwrap();
    one.destroy("r0").await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(2_100)).await;
    assert_eq!(other.reveal::<Person>(&sealed).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_new_subjects_are_sealed_at_once() {
    let bench = Bench::new();
    let vault = bench.vault().await;
    let seals = (0..1_000).map(|n| {
        let vault = vault.clone();
        // Every subject twice: both must end up under one key.
        tokio::spawn(async move { vault.seal(&format!("r{}", n / 2), &person("某人")).await.unwrap() })
    });
    let sealed = futures::future::try_join_all(seals).await.unwrap();
    let nonces: BTreeSet<&[u8]> = sealed.iter().map(|sealed| sealed.nonce.as_slice()).collect();
    assert_eq!(nonces.len(), 1_000);
    let reopened = bench.vault().await;
    for sealed in &sealed {
        assert_eq!(reopened.reveal(sealed).await.unwrap(), Some(person("某人")));
    }
}

#[tokio::test]
async fn keys_that_were_foreseen_open_what_is_theirs_and_nothing_of_the_erased() {
    let bench = Bench::new();
    let vault = bench.vault().await;
    let mut sealed = Vec::new();
    for n in 0..300 {
        sealed.push(vault.seal(&format!("r{n}"), &person(&format!("第{n}人"))).await.unwrap());
    }
    vault.destroy("r7").await.unwrap();
    let reopened = bench.vault().await;
    reopened.foresee(&sealed).await.unwrap();
    for (n, sealed) in sealed.iter().enumerate() {
        let expected = (n != 7).then(|| person(&format!("第{n}人")));
        assert_eq!(reopened.reveal(sealed).await.unwrap(), expected);
    }
}

#[tokio::test]
async fn a_caller_that_goes_away_harms_nobody() {
    let bench = Bench::new();
    let vault = bench.vault().await;
    for n in 0..50 {
        let subject = format!("r{n}");
        let message = person("某人");
        drop(tokio::time::timeout(std::time::Duration::from_micros(n * 20), vault.seal(&subject, &message)).await);
    }
    for n in 0..50 {
        let sealed = vault.seal(&format!("r{n}"), &person("某人")).await.unwrap();
        assert_eq!(bench.vault().await.reveal(&sealed).await.unwrap(), Some(person("某人")));
    }
}

#[tokio::test]
async fn a_store_wrapped_under_another_secret_is_not_opened() {
    let bench = Bench::new();
    bench.vault().await.seal("r1", &person("王小明")).await.unwrap();
    let other = Secrets::open_or_create(&bench.dir.path().join("other")).unwrap();
    let error = Vault::open(&bench.file(), &other, Clock::system()).await.unwrap_err();
    assert!(format!("{error:#}").contains("put the file root.secret of this installation back"), "{error:#}");
}

#[tokio::test]
async fn equal_values_are_found_again_within_their_scope_only() {
    let bench = Bench::new();
    let vault = bench.vault().await;
    assert_eq!(vault.blind("phone", "13800000000"), bench.vault().await.blind("phone", "13800000000"));
    assert_ne!(vault.blind("phone", "13800000000"), vault.blind("identity", "13800000000"));
    assert_ne!(vault.blind("phone", "13800000000"), vault.blind("phone", "13800000001"));
    assert_ne!(vault.blind("a", "bc"), vault.blind("ab", "c"));
    let other = Bench::new();
    assert_ne!(vault.blind("phone", "13800000000"), other.vault().await.blind("phone", "13800000000"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn anything_comes_back_as_it_went_in(subject in ".{1,40}", name in ".*", phones in proptest::collection::vec(".*", 0..3)) {
        let key: Key = SecretBox::new(Box::new([3; 32]));
        let message = Person { full_name: name, phones, ..Person::default() };
        let full_name = Person::full_name();
        let (nonce, ciphertext) = encrypt(&key, &message.encode_to_vec(), &bound_to(&subject, &full_name)).unwrap();
        let sealed = Sealed { subject_id: subject, nonce: nonce.to_vec(), ciphertext };
        prop_assert_eq!(open::<Person>(&key, &sealed, &full_name).unwrap(), message);
    }
}
