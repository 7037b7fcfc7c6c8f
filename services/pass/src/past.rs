//! Holders as they stood at an earlier time, read from their streams: for crossings that arrive late.

use std::{collections::HashMap, sync::Arc};

use anyhow::Context as _;
use chassis::{Aggregate as _, Failure, Ledger, Record, instant};
use chrono::{DateTime, Utc};
use credential::time::Hour;
use proto::{
    Fact as _,
    pass::v1::{holder_event::Event, keyring_event, recall_event},
};

use crate::domain::{
    holder::{Holder, Pass},
    keyring::{self, Keyring},
    recall::Recall,
};

/// Remembers the streams that it has read: who crosses comes back.
pub(crate) struct Past<'a> {
    ledger: &'a Ledger,
    read: HashMap<String, Vec<Arc<Record>>>,
    /// Of compounds, and of the keys.
    recalls: HashMap<String, Vec<Arc<Record>>>,
    keys: Option<Vec<Arc<Record>>>,
}

impl<'a> Past<'a> {
    pub(crate) fn new(ledger: &'a Ledger) -> Self {
        Self { ledger, read: HashMap::new(), recalls: HashMap::new(), keys: None }
    }

    /// A holder as of this time, and when the last thing was said about them that opens or closes a gate. The pass with this
    /// number is known whenever it was issued: it was there to be shown, and the gate's time may be a little off.
    pub(crate) async fn of(
        &mut self,
        resident: &str,
        at: DateTime<Utc>,
        number: &str,
    ) -> Result<(Holder, Option<DateTime<Utc>>), Failure> {
        if !self.read.contains_key(resident) {
            let records = self.ledger.log().read_stream(Event::CATEGORY, resident, 0).await?;
            self.read.insert(resident.to_owned(), records);
        }
        let (mut holder, mut since) = (Holder::default(), None);
        for record in self.read.get(resident).into_iter().flatten() {
            let event = Event::from_payload(&record.payload).context("reading a holder's past")?;
            let occurred = occurred(record);
            let shown = matches!(&event, Event::Issued(issued) if issued.number == number);
            if occurred > at && !shown {
                continue;
            }
            holder.evolve(&event);
            match event {
                Event::Barred(_)
                | Event::BarLifted(_)
                | Event::Suspended(_)
                | Event::Reinstated(_)
                | Event::Revoked(_)
                | Event::Issued(_) => since = Some(occurred.min(at)),
                Event::Qualified(_) | Event::Joined(_) | Event::Parted(_) => {}
            }
        }
        Ok((holder, since))
    }

    /// Since when this pass had been recalled by then: with what its compound was issued so early, or with what its key had signed.
    pub(crate) async fn recalled(&mut self, pass: &Pass, at: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, Failure> {
        let compound = &pass.residence.compound_id;
        if !self.recalls.contains_key(compound) {
            let records = self.ledger.log().read_stream(recall_event::Event::CATEGORY, compound, 0).await?;
            self.recalls.insert(compound.clone(), records);
        }
        let (mut recall, mut since) = (Recall::default(), None);
        for record in self.recalls.get(compound).into_iter().flatten().filter(|record| occurred(record) <= at) {
            let event = recall_event::Event::from_payload(&record.payload).context("reading a compound's recalls")?;
            recall.evolve(&event);
            since = Some(occurred(record));
        }
        if recall.before().is_some_and(|before| pass.issued < before) {
            return Ok(since);
        }
        if self.keys.is_none() {
            let stream = keyring::STREAM;
            self.keys = Some(self.ledger.log().read_stream(keyring_event::Event::CATEGORY, stream, 0).await?);
        }
        let (mut ring, mut since) = (Keyring::default(), None);
        for record in self.keys.iter().flatten().filter(|record| occurred(record) <= at) {
            let event = keyring_event::Event::from_payload(&record.payload).context("reading the keys' past")?;
            ring.evolve(&event);
            if matches!(&event, keyring_event::Event::RecallConfirmed(confirmed) if confirmed.key_id == u32::from(pass.key_id))
            {
                since = Some(occurred(record));
            }
        }
        let signed = Hour::of_unix(pass.issued.timestamp());
        Ok(since.filter(|_| signed.is_some_and(|hour| ring.recalled(pass.key_id, hour))))
    }
}

fn occurred(record: &Record) -> DateTime<Utc> {
    record.occurred_at.as_ref().and_then(instant).unwrap_or_default()
}
