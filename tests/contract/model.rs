//! Random appends against the simplest log that could be right: a list and three maps in memory.

use std::collections::BTreeMap;

use chassis::event_log::{Append, AppendError, Expected};
use proptest::{collection::vec, prelude::*, test_runner::TestRunner};

use crate::event_log::{Store, claim, command, write};

/// Small worlds collide often.
#[derive(Clone, Debug)]
struct Step {
    command: u8,
    fingerprint: u8,
    writes: Vec<(u8, Option<u8>, u8)>,
    reserve: Vec<(u8, u8)>,
    release: Vec<(u8, u8)>,
    /// Sent together with the next one.
    together: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let writes = vec((0..4_u8, proptest::option::of(0..6_u8), 0..4_u8), 0..3);
    (0..60_u8, 0..10_u8, writes, vec((0..3_u8, 0..4_u8), 0..2), vec((0..3_u8, 0..4_u8), 0..2), any::<bool>()).prop_map(
        |(command, fingerprint, writes, reserve, release, together)| Step {
            command,
            fingerprint: u8::from(fingerprint == 0),
            writes,
            reserve,
            release,
            together,
        },
    )
}

fn append_of(step: &Step) -> Append {
    let stream = |stream: u8| format!("h{stream}");
    let writes = step.writes.iter().map(|(name, version, events)| {
        let expected = version.map_or(Expected::Any, |version| Expected::Version(version.into()));
        write(&stream(*name), expected, usize::from(*events))
    });
    let claims =
        |claims: &[(u8, u8)]| claims.iter().map(|(key, holder)| claim(&format!("k{key}"), &stream(*holder))).collect();
    Append {
        fingerprint: [step.fingerprint; 32],
        reserve: claims(&step.reserve),
        release: claims(&step.release),
        ..command(&format!("c{}", step.command), writes.collect())
    }
}

/// The log that could be right.
#[derive(Clone, Default)]
struct Model {
    /// Stream and version of each event.
    events: Vec<(String, u64)>,
    versions: BTreeMap<String, u64>,
    holders: BTreeMap<Vec<u8>, String>,
    /// Fingerprint, first and last position.
    commands: BTreeMap<String, ([u8; 32], u64, u64)>,
}

/// What an append comes to, as far as the model tells: positions and whether it was known, or the refusal's name.
type Outcome = Result<(u64, u64, bool), &'static str>;

impl Model {
    fn append(&mut self, append: &Append) -> Outcome {
        if let Some((fingerprint, first, last)) = self.commands.get(&append.command_id) {
            return if *fingerprint == append.fingerprint { Ok((*first, *last, true)) } else { Err("reused") };
        }
        let mut next = self.clone();
        for write in &append.writes {
            let version = next.versions.entry(write.stream_id.clone()).or_default();
            if let Expected::Version(expected) = write.expected
                && expected != *version
            {
                return Err("conflict");
            }
            for _ in &write.events {
                *version += 1;
                next.events.push((write.stream_id.clone(), *version));
            }
        }
        for claim in &append.release {
            if next.holders.get(&claim.key) == Some(&claim.stream_id) {
                next.holders.remove(&claim.key);
            }
        }
        for claim in &append.reserve {
            let holder = next.holders.entry(claim.key.clone()).or_insert_with(|| claim.stream_id.clone());
            if *holder != claim.stream_id {
                return Err("reserved");
            }
        }
        let (before, last) = (self.events.len() as u64, next.events.len() as u64);
        let first = if last > before { before + 1 } else { before };
        next.commands.insert(append.command_id.clone(), (append.fingerprint, first, last));
        *self = next;
        Ok((first, last, false))
    }
}

pub(crate) fn random_appends_agree_with_the_model<S: Store>() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut runner =
        TestRunner::new(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() });
    runner.run(&vec(step(), 1..60), |steps| runtime.block_on(agree::<S>(steps))).unwrap();
}

async fn agree<S: Store>(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let store = S::empty().await;
    let log = store.open().await;
    let mut model = Model::default();
    for together in steps.chunk_by(|step, _| step.together) {
        let appends: Vec<Append> = together.iter().map(append_of).collect();
        // Joined futures send in their order, so that the model can follow.
        let answers = futures::future::join_all(appends.iter().cloned().map(|append| log.append(append))).await;
        for (append, answer) in appends.iter().zip(answers) {
            let outcome = match answer {
                Ok(done) => Ok((done.first_position, done.last_position, done.earlier_reply.is_some())),
                Err(AppendError::Conflict) => Err("conflict"),
                Err(AppendError::CommandReused) => Err("reused"),
                Err(AppendError::Reserved { .. }) => Err("reserved"),
                Err(error) => return Err(TestCaseError::fail(format!("{error:?}"))),
            };
            prop_assert_eq!(outcome, model.append(append));
        }
    }
    log.close().await;
    let log = store.open().await;
    let records = log.read(0, 5_000).await.unwrap();
    let events: Vec<_> = records.iter().map(|record| (record.stream_id.clone(), record.version)).collect();
    prop_assert_eq!(events, model.events);
    for key in ["k0", "k1", "k2"] {
        let holder = log.find_reservation("document", key.as_bytes()).await.unwrap();
        prop_assert_eq!(holder.as_ref(), model.holders.get(key.as_bytes()));
    }
    prop_assert_eq!(log.verify().await.unwrap().broken_at, None);
    log.close().await;
    Ok(())
}
