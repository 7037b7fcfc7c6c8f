//! Once a name means something else, or is a question again, those whose record holds it are judged anew without a scan. How
//! far that is stands in the log as it does for a version of the method, under the sequence of the vocabulary.

use std::sync::{Arc, atomic::Ordering};

use chassis::{Call, Failure, instant};
use proto::{Fact as _, screening::v1::vocabulary_event};

use super::{PATIENCE, Rescreener, TOGETHER};
use crate::{
    domain::{
        rescreening::{Count, Rescreening},
        vocabulary::{Change, STREAM, Vocabulary},
    },
    rejudging::Rejudging,
};

/// The stream of a rescreening by a sequence: no version of the method has such a name.
pub(crate) fn run_of(sequence: i64) -> String {
    format!("vocabulary:{sequence}")
}

impl Rescreener {
    /// Every change that not everybody was judged by.
    pub(super) async fn follow_vocabulary(&self) -> Result<(), Failure> {
        let (vocabulary, _) = self.ledger.load::<Vocabulary>(STREAM).await?;
        let followed = self.followed.load(Ordering::Relaxed);
        for change in vocabulary.changes().iter().filter(|change| change.sequence > followed) {
            let (run, _) = self.ledger.load::<Rescreening>(&run_of(change.sequence)).await?;
            if run.completed().is_none() {
                self.follow(change).await?;
            }
            self.followed.store(change.sequence, Ordering::Relaxed);
        }
        Ok(())
    }

    async fn follow(&self, change: &Change) -> Result<(), Failure> {
        let stream = run_of(change.sequence);
        let call = self.call_of_words(change.sequence).await?;
        let now = self.clock.now();
        let mut count = Count::default();
        let position = self.records.caught_up(PATIENCE).await?;
        self.footprints.catch_up(&self.records).await?;
        let touched = self.footprints.asking_about(change.words, &change.spelling);
        let cases = i64::try_from(touched.len()).unwrap_or(i64::MAX);
        let begin = |run: &Rescreening, _| run.begin(cases, position, now);
        self.ledger.transact(&call.derive("begun"), &stream, begin, |_: &Rescreening, _| ()).await?;
        // Before any version of the method nobody has a verdict.
        if let Some(method) = self.in_force().await? {
            let rules = self.records.assessor.rules(&method.version).await?;
            let rejudging = Arc::new(Rejudging::new(self.records.clone(), rules));
            // A second time for who was judged by the words of before while these came into force.
            for turn in ["first", "late"] {
                let call = call.derive(turn);
                let touched = self.footprints.asking_about(change.words, &change.spelling);
                for chunk in touched.chunks(TOGETHER) {
                    count.changed += self.judge_some(&stream, &call, &rejudging, chunk.to_vec()).await?.1.changed;
                }
                count.done = i64::try_from(touched.len()).unwrap_or(i64::MAX);
                self.records.caught_up(PATIENCE).await?;
                self.footprints.catch_up(&self.records).await?;
            }
        }
        let complete = |run: &Rescreening, _| run.complete(count, now);
        self.ledger.transact(&call.derive("completed"), &stream, complete, |_: &Rescreening, _| ()).await?;
        let Count { done, changed } = count;
        tracing::info!(sequence = change.sequence, done, changed, "everybody with that name was judged anew");
        Ok(())
    }

    /// By the change, at its time.
    async fn call_of_words(&self, sequence: i64) -> Result<Call, Failure> {
        let before = u64::try_from(sequence).unwrap_or_default().saturating_sub(1);
        let records = self.ledger.log().read_stream(vocabulary_event::Event::CATEGORY, STREAM, before).await?;
        let change = records.first();
        let happened = change.and_then(|record| record.occurred_at.as_ref()).and_then(instant);
        let mut call = Call::by_itself("screening", happened.unwrap_or_default(), &run_of(sequence));
        if let Some(change) = change {
            call.correlation_id.clone_from(&change.correlation_id);
            call.causation_id.clone_from(&change.event_id);
            call.traceparent.clone_from(&change.traceparent);
        }
        Ok(call)
    }
}
