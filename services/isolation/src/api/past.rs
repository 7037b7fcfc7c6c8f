//! What happened to an order, read from its stream: readings with those that were corrected, edits with who made them.

use std::collections::HashMap;

use chassis::{Failure, Refuse as _};
use proto::{
    Fact as _,
    isolation::v1::{
        HistoryEntry, Observation, Reporter, Vitals,
        order_event::{Event, Observed},
    },
};
use tonic::Status;

use super::Api;
use crate::domain::order::{Refused, history};

impl Api {
    /// Every reading, in the order in which they were recorded.
    pub(super) async fn observations(&self, order_id: &str) -> Result<Vec<Observation>, Status> {
        let mut observations = Vec::new();
        let mut newest: HashMap<(String, i32), usize> = HashMap::new();
        for record in self.records(order_id).await? {
            let Event::Observed(observed) = record.event else { continue };
            let vitals = self.vitals(&observed).await?.unwrap_or_default();
            let slot = (observed.date.clone(), observed.day_part);
            let reporter = match observed.reporter() {
                Reporter::Unspecified => Reporter::Worker,
                told => told,
            };
            if let Some(before) = newest.insert(slot, observations.len()) {
                let before: &mut Observation = &mut observations[before];
                before.corrected = true;
            }
            observations.push(Observation {
                date: observed.date,
                day_part: observed.day_part,
                temperature_decicelsius: vitals.temperature_decicelsius,
                symptoms: vitals.symptoms,
                fever_or_symptoms: observed.fever_or_symptoms,
                reporter: reporter.into(),
                recorded_by: record.by,
                record_time: record.time,
                corrected: false,
                doubt: observed.doubt,
            });
        }
        Ok(observations)
    }

    async fn vitals(&self, observed: &Observed) -> Result<Option<Vitals>, Status> {
        match &observed.vitals {
            Some(sealed) => Ok(self.vault.reveal(sealed).await?),
            None => Ok(None),
        }
    }

    /// What was done with it behind this version; readings are not among it.
    pub(super) async fn history(&self, order_id: &str, behind: u64) -> Result<Vec<HistoryEntry>, Status> {
        let records = self.records(order_id).await?.into_iter().filter(|record| record.version > behind);
        let entries = records.filter_map(|record| {
            let (zh, en) = history::said(&record.event)?;
            Some(HistoryEntry { time: record.time, by: record.by, zh, en, etag: record.version.to_string() })
        });
        Ok(entries.collect())
    }

    /// A refusal that tells whoever came second what the first one did.
    pub(super) async fn stale(&self, order_id: &str, since: u64) -> Result<Status, Status> {
        let told = self.history(order_id, since).await?.into_iter();
        let changed = told.map(|entry| {
            let HistoryEntry { by, zh, en, .. } = entry;
            (format!("{by}：{zh}"), format!("{by}: {en}"))
        });
        Ok(Refused::Stale { since, changed: changed.collect() }.refusal().into())
    }

    async fn records(&self, order_id: &str) -> Result<Vec<Told>, Status> {
        let read = self.ledger.log().read_stream(Event::CATEGORY, order_id, 0).await.map_err(Failure::from)?;
        let mut records = Vec::with_capacity(read.len());
        for record in read {
            let event =
                Event::from_payload(&record.payload).map_err(|error| Failure::from(anyhow::Error::new(error)))?;
            let (time, by, version) = (record.occurred_at, record.actor.clone(), record.version);
            records.push(Told { event, time, by, version });
        }
        Ok(records)
    }
}

struct Told {
    event: Event,
    time: Option<prost_types::Timestamp>,
    by: String,
    version: u64,
}
