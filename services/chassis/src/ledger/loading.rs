//! Streams, folded: from memory where this process writes alone and remembers them, else from the log.

use std::{any::Any, collections::HashMap, sync::Arc};

use anyhow::Context as _;
use proto::Fact;

use super::{Aggregate, Failure, Ledger, states::Reading};
use crate::event_log::Record;

impl Ledger {
    /// A stream's state and version; the default and 0 for a stream without events.
    pub async fn load<A: Aggregate>(&self, stream_id: &str) -> Result<(Arc<A>, u64), Failure> {
        let category = A::Event::CATEGORY;
        // Whoever does not write alone remembers nothing: what another replica has written would be missing.
        let fence = self.log.sole_writer();
        if let Some((version, state)) = self.states.get(fence, category, stream_id)
            && let Ok(state) = state.downcast::<A>()
        {
            return Ok((state, version));
        }
        let before = self.states.before_reading(fence, category, stream_id);
        let mut state = A::default();
        let mut version = 0;
        for record in self.log.read_stream(category, stream_id, 0).await? {
            state.evolve(&event_of(&record)?);
            version = record.version;
        }
        let state = Arc::new(state);
        self.states.put_read(before, category, stream_id, version, Arc::clone(&state) as Arc<dyn Any + Send + Sync>);
        Ok((state, version))
    }

    /// Reads streams at once that decisions will be made on, as far as they are not remembered. An economy: where it fails, or
    /// this process does not write alone, each is read when its turn comes.
    pub async fn foresee<A: Aggregate>(
        &self,
        stream_ids: impl IntoIterator<Item = String> + Send,
    ) -> Result<(), Failure> {
        let category = A::Event::CATEGORY;
        let fence = self.log.sole_writer();
        let mut unread: HashMap<String, (Reading, u64, A)> = HashMap::new();
        for stream_id in stream_ids {
            if fence.is_some() && self.states.get(fence, category, &stream_id).is_none() {
                let before = self.states.before_reading(fence, category, &stream_id);
                unread.insert(stream_id, (before, 0, A::default()));
            }
        }
        if unread.is_empty() {
            return Ok(());
        }
        let stream_ids: Vec<String> = unread.keys().cloned().collect();
        for record in self.log.read_streams(category, &stream_ids).await? {
            if let Some((_, version, state)) = unread.get_mut(&record.stream_id) {
                state.evolve(&event_of(&record)?);
                *version = record.version;
            }
        }
        for (stream_id, (before, version, state)) in unread {
            self.states.put_read(before, category, &stream_id, version, Arc::new(state));
        }
        Ok(())
    }
}

fn event_of<E: Fact>(record: &Record) -> anyhow::Result<E> {
    E::from_payload(&record.payload)
        .with_context(|| format!("reading {} at position {} of the log {}", record.r#type, record.position, record.log))
}
