//! Holders as they stood at an earlier time, read from their streams: for crossings that arrive late.

use std::{collections::HashMap, sync::Arc};

use anyhow::Context as _;
use chassis::{Aggregate as _, Failure, Ledger, Record, instant};
use chrono::{DateTime, Utc};
use proto::{Fact as _, pass::v1::holder_event::Event};

use crate::domain::holder::Holder;

/// Remembers the streams that it has read: who crosses comes back.
pub(crate) struct Past<'a> {
    ledger: &'a Ledger,
    read: HashMap<String, Vec<Arc<Record>>>,
}

impl<'a> Past<'a> {
    pub(crate) fn new(ledger: &'a Ledger) -> Self {
        Self { ledger, read: HashMap::new() }
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
            let occurred = record.occurred_at.as_ref().and_then(instant).unwrap_or_default();
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
}
