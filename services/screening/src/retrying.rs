//! A carrier that has not answered is asked again by the replica that leads, as long as the code's permission holds. What it
//! knows stands in the log: a start, another leader, a second answer change nothing.

use std::{sync::Arc, time::Duration};

use chassis::{Call, Failure, Lease, Principal, Scope, instant};
use futures::{StreamExt as _, stream};
use proto::{
    Fact as _,
    access::v1::Role,
    screening::v1::{Permission, inquiry_event::Event},
};
use tonic::Status;

use crate::{
    domain::{
        case::{Case, is_paper},
        inquiry::{Inquiry, Number},
    },
    projections::waiting,
    rejudging::unreadable,
    scanning::{Question, Scanner, about},
};

pub(crate) struct Retrier {
    pub(crate) scanner: Arc<Scanner>,
    pub(crate) lease: Lease,
}

/// With which the ids of its commands begin.
pub(crate) const ASKED_AGAIN: &str = "inquiry:";

/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);

/// Numbers of a look, and how many of them are asked about at once: a carrier that comes back is not to be knocked over.
const TOGETHER: i64 = 64;
const SIDE_BY_SIDE: usize = 8;

impl Retrier {
    /// Until the process ends.
    pub(crate) async fn run(self: Arc<Self>) {
        let mut failures: u32 = 0;
        loop {
            let step = if self.lease.leads() { self.step().await } else { Ok(()) };
            let pause = match step {
                Ok(()) => {
                    failures = 0;
                    LOOK
                }
                // Another replica leads by now.
                Err(_) if !self.lease.leads() => LOOK,
                Err(failure) => {
                    failures += 1;
                    let error = format!("{:#}", anyhow::Error::new(failure));
                    tracing::warn!(error, failures, "carriers that owe an answer cannot be looked for");
                    LOOK * (1 << failures.min(6))
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    async fn step(&self) -> Result<(), Failure> {
        let now = self.scanner.clock.now();
        let mut db = self.scanner.api.views().connection().await.map_err(unreadable)?;
        let due = waiting::due(&mut db, now, TOGETHER).await?;
        drop(db);
        let mut asked = stream::iter(due)
            .map(|(case_id, phone)| async move {
                // One number's failure is not another one's.
                if let Err(status) = self.again(&case_id, phone).await {
                    tracing::warn!(case_id, phone, reason = status.message(), "a carrier's answer could not be taken");
                }
            })
            .buffer_unordered(SIDE_BY_SIDE);
        while asked.next().await.is_some() {}
        Ok(())
    }

    async fn again(&self, case_id: &str, phone: i32) -> Result<(), Status> {
        let ledger = self.scanner.ledger();
        let (inquiry, _) = ledger.load::<Inquiry>(case_id).await?;
        let now = self.scanner.clock.now();
        // The view may be behind.
        let Some(number) = inquiry.number(phone).filter(|number| number.is_due(now)) else { return Ok(()) };
        let (case, _) = ledger.load::<Case>(case_id).await?;
        let call = self.call(case_id, number).await?;
        let over = number.end().is_none_or(|end| end <= now)
            || case.accepts(phone).is_err()
            || self.scanner.carriers.of(number.source()).is_none();
        // What somebody has entered by hand meanwhile is an answer, too.
        let seen =
            case.evidence().iter().any(|scan| scan.phone == phone && !is_paper(scan) && scan.itinerary.is_some());
        if over || seen {
            return Ok(self.scanner.lapse(&call, case_id, about(&case), phone, number).await?);
        }
        let permission = match number.permission() {
            Some(sealed) => self.scanner.vault().reveal::<Permission>(sealed).await?,
            None => None,
        };
        // Of somebody who was erased nobody asks any more.
        let Some(permission) = permission else {
            return Ok(self.scanner.lapse(&call, case_id, about(&case), phone, number).await?);
        };
        let question = Question { case_id, case: &case, phone, number, permission: &permission, fresh: false };
        self.scanner.ask(&call, &question).await
    }

    /// At the time of this try, which on a demonstration server is not before what it follows from.
    async fn call(&self, case_id: &str, number: &Number) -> Result<Call, Failure> {
        let principal = Principal {
            subject: "reaction/screening".to_owned(),
            role: Role::Service,
            unit: String::new(),
            scope: Scope::Everywhere,
        };
        let records = self.scanner.ledger().log().read_stream(Event::CATEGORY, case_id, 0).await?;
        let last = records.last();
        let happened = last.and_then(|record| record.occurred_at.as_ref().and_then(instant)).unwrap_or_default();
        let now = self.scanner.clock.now().max(happened);
        let mut call = Call::by(principal, now, &format!("{ASKED_AGAIN}{}:{}", number.permission_id(), number.tries()));
        if let Some(last) = last {
            call.correlation_id.clone_from(&last.correlation_id);
            call.causation_id.clone_from(&last.event_id);
            call.traceparent.clone_from(&last.traceparent);
        }
        Ok(call)
    }
}
