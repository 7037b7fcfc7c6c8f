//! What other services' facts mean for a holder. Verdicts and orders come from different logs and in any order; the
//! holder's decisions are made for that, and never refuse.

use std::convert::Infallible;

use async_trait::async_trait;
use chassis::{Call, Decision, Failure, Ledger, Reaction, Record, Views};
use proto::{
    Fact as _,
    isolation::v1::{Kind, ReleaseReason, order_event},
    pass::v1::{Reason, holder_event},
    registry::v1::{Residence, compound_event, resident_event},
    screening::v1::{Measure, Outcome, case_event},
};

use crate::{codes::Codes, domain::holder::Holder, facts::foreign, projections::gates};

pub(crate) struct Reactions {
    pub(crate) ledger: Ledger,
    pub(crate) codes: Codes,
    pub(crate) views: Views,
}

/// Of one person, each merged into the next.
const MOST_RECORDS: usize = 8;

#[async_trait]
impl Reaction for Reactions {
    fn sources(&self) -> &'static [&'static str] {
        &["isolation", "registry", "screening"]
    }

    fn wants(&self, record: &Record) -> bool {
        let wanted = [
            case_event::Event::CATEGORY,
            order_event::Event::CATEGORY,
            resident_event::Event::CATEGORY,
            compound_event::Event::CATEGORY,
        ];
        wanted.contains(&record.category.as_str())
    }

    async fn foresee(&self, records: &[&Record]) -> Result<(), Failure> {
        let residents = records.iter().map(|record| record.subject_id.clone());
        self.ledger.foresee::<Holder>(residents.filter(|resident| !resident.is_empty())).await
    }

    async fn react(&self, record: &Record, call: &Call) -> Result<(), Failure> {
        if let Some(event) = foreign::<case_event::Event>(record)? {
            self.of_case(record, call, event).await
        } else if let Some(event) = foreign::<order_event::Event>(record)? {
            self.of_order(record, call, event).await
        } else if let Some(event) = foreign::<resident_event::Event>(record)? {
            self.of_resident(record, call, &event).await
        } else if let Some(compound_event::Event::Opened(opened)) = foreign::<compound_event::Event>(record)? {
            self.of_compound(&record.stream_id, &opened.neighbourhood_id, call).await
        } else {
            Ok(())
        }
    }
}

impl Reactions {
    /// Clear: eligible. No measure, or a health watch: free, though not by a clear screening. A question: barred until it is
    /// answered. Everything else bars, also a measure that is newer than this version.
    async fn of_case(&self, record: &Record, call: &Call, event: case_event::Event) -> Result<(), Failure> {
        let case_event::Event::Assessed(assessed) = event else { return Ok(()) };
        let case = format!("cases/{}", record.stream_id);
        let (outcome, measure) = (assessed.outcome(), assessed.measure());
        let home = assessed.residence.unwrap_or_default();
        self.decide(call, &assessed.resident_id, &home, |holder| match (outcome, measure) {
            // Two people of different units have said that there is nothing against them (R23).
            (Outcome::Clear, _) | (Outcome::Overridden, Measure::None) => holder.clear(&case, &home),
            (_, Measure::None | Measure::Watch) => holder.tolerate(&case),
            (_, Measure::Ask) => holder.doubt(&case, &home),
            _ => holder.bar(&case, Reason::Verdict, "", &home),
        })
        .await
    }

    /// A health watch leaves the person free to move.
    async fn of_order(&self, record: &Record, call: &Call, event: order_event::Event) -> Result<(), Failure> {
        let order = format!("orders/{}", record.stream_id);
        match event {
            order_event::Event::Ordered(ordered) => {
                let terms = ordered.terms.unwrap_or_default();
                if terms.kind() == Kind::Watch {
                    return Ok(());
                }
                let home = terms.residence.unwrap_or_default();
                let case = terms.case_id.trim_start_matches("cases/");
                let cause = if case.is_empty() { String::new() } else { format!("cases/{case}") };
                self.decide(call, &terms.resident_id, &home, |holder| {
                    holder.bar(&order, Reason::IsolationOrder, &cause, &home)
                })
                .await
            }
            order_event::Event::Released(released) => {
                let (kind, reason) = (released.kind(), released.reason());
                let home = released.residence.unwrap_or_default();
                // Who was only watched was never barred, and a watch proves nothing that a screening would have to.
                if kind == Kind::Watch {
                    return Ok(());
                }
                self.decide(call, &released.resident_id, &home, |holder| match reason {
                    // Two units have signed that it need not last any longer.
                    ReleaseReason::PeriodComplete | ReleaseReason::Early => holder.release(&order, &home),
                    ReleaseReason::VerdictChanged | ReleaseReason::Unspecified => holder.withdraw(&order),
                })
                .await
            }
            order_event::Event::Proposed(_)
            | order_event::Event::Observed(_)
            | order_event::Event::HandedOver(_)
            | order_event::Event::Breached(_)
            | order_event::Event::Missed(_)
            | order_event::Event::Acknowledged(_)
            | order_event::Event::CodeOpened(_)
            | order_event::Event::Assigned(_)
            | order_event::Event::HomeChecked(_)
            | order_event::Event::DayZeroProved(_)
            | order_event::Event::ChangeProposed(_)
            | order_event::Event::ChangeDecided(_)
            | order_event::Event::Moved(_)
            | order_event::Event::TransferProposed(_)
            | order_event::Event::TransferDecided(_)
            | order_event::Event::Sighted(_) => Ok(()),
        }
    }

    /// Nothing personal is kept here, so an erasure leaves nothing to do.
    async fn of_resident(&self, record: &Record, call: &Call, event: &resident_event::Event) -> Result<(), Failure> {
        let home = Residence { neighbourhood_id: record.office.clone(), ..Residence::default() };
        let resident = &record.stream_id;
        match event {
            resident_event::Event::MovedOut(_) => self.decide(call, resident, &home, Holder::move_out).await,
            resident_event::Event::Merged(merged) => {
                let there = merged.into_residence.clone().unwrap_or_default();
                self.decide(call, resident, &home, |holder| holder.join(&merged.into_resident_id, &there)).await
            }
            resident_event::Event::Unmerged(unmerged) => {
                self.decide(call, resident, &home, Holder::part).await?;
                self.hand_on(call, resident, &unmerged.from_resident_id, &home).await
            }
            resident_event::Event::Registered(_)
            | resident_event::Event::Revealed(_)
            | resident_event::Event::Erased(_)
            | resident_event::Event::Corrected(_) => Ok(()),
        }
    }

    /// A compound that joins gets its number before it has passes: not that of another one, nor what stands in passes of one that
    /// was there before compounds were numbered.
    async fn of_compound(&self, compound: &str, office: &str, call: &Call) -> Result<(), Failure> {
        let mut db = self.views.connection().await.map_err(unreadable)?;
        let known = gates::all_compounds(&mut db).await.map_err(|error| Failure::Unavailable(error.into()))?;
        drop(db);
        let others: Vec<u16> =
            known.iter().filter(|other| *other != compound).map(|other| self.codes.desk.compound(other)).collect();
        self.codes.number(call, (compound, office), &others, false).await.map(drop)
    }

    async fn decide(
        &self,
        call: &Call,
        resident: &str,
        home: &Residence,
        decide: impl Fn(&Holder) -> Vec<holder_event::Event> + Send + Sync,
    ) -> Result<(), Failure> {
        let decision = |holder: &Holder, _| -> Result<_, Infallible> {
            Ok(Decision::new(decide(holder)).office(home.neighbourhood_id.as_str()).subject(resident))
        };
        self.ledger.transact::<Holder, (), _, _, _>(call, resident, decision, |_, _| ()).await?;
        let (holder, _) = self.ledger.load::<Holder>(resident).await?;
        match &holder.joined {
            Some((into, there)) => self.hand_on(call, resident, into, there).await,
            None => Ok(()),
        }
    }

    /// What bars one record of a person bars the record that goes on in its place, and those that go on in the place of
    /// that one. Nobody has so many records that the end of the chain is not reached.
    async fn hand_on(&self, call: &Call, from: &str, into: &str, home: &Residence) -> Result<(), Failure> {
        let (mut from, mut into, mut home) = (from.to_owned(), into.to_owned(), home.clone());
        for link in 0..MOST_RECORDS {
            let (other, _) = self.ledger.load::<Holder>(&from).await?;
            let decision = |holder: &Holder, _| -> Result<_, Infallible> {
                let events = holder.inherit(&from, &into, &other);
                Ok(Decision::new(events).office(home.neighbourhood_id.as_str()).subject(&into))
            };
            let call = call.derive(format!("joined/{link}"));
            self.ledger.transact::<Holder, (), _, _, _>(&call, &into, decision, |_, _| ()).await?;
            let (next, _) = self.ledger.load::<Holder>(&into).await?;
            let Some((further, there)) = next.joined.clone() else { return Ok(()) };
            (from, into, home) = (into, further, there);
        }
        Ok(())
    }
}

fn unreadable(status: tonic::Status) -> Failure {
    Failure::Unavailable(anyhow::Error::new(status).context("reading the views"))
}
