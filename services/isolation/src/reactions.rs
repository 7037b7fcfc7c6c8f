//! When a verdict calls for isolation, then an order; when it no longer does, then its end. When a gate refuses the isolated,
//! then a breach; when it measures a fever, then a health watch. When a person is erased, then their key.
//!
//! Nothing is read from a lagging view to find a person's order: ids derive from what caused the order, and keys in the
//! ledger name those in force.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, anyhow};
use async_trait::async_trait;
use chassis::{Call, Decision, Failure, Ledger, Reaction, Record, Vault, Views};
use chrono::{DateTime, NaiveDate, Utc};
use proto::{
    Fact,
    isolation::v1::{Kind, Order as Resource, Reason, Terms, order_event},
    pass::v1::{Finding, gate_day_event, gate_day_event::Crossed},
    registry::v1::resident_event,
    screening::v1::{Measure, Outcome, case_event, case_event::Assessed},
};
use uuid::Uuid;

use crate::{
    care::standing,
    domain::{
        order::{Order, Standing},
        period::{Period, Slot},
    },
    filing,
    projections::methods::{self, Method},
};

pub(crate) struct Reactions {
    pub(crate) ledger: Ledger,
    pub(crate) views: Views,
    pub(crate) vault: Vault,
    /// Those that verdicts have named.
    pub(crate) methods: Mutex<HashMap<String, Method>>,
}

#[async_trait]
impl Reaction for Reactions {
    fn sources(&self) -> &'static [&'static str] {
        &["screening", "pass", "registry", "isolation"]
    }

    fn wants(&self, record: &Record) -> bool {
        match (record.log.as_str(), record.category.as_str()) {
            (gate_day_event::Event::LOG, gate_day_event::Event::CATEGORY) => match read(record) {
                Ok(gate_day_event::Event::Crossed(crossed)) => breaches(&crossed) || is_feverish(&crossed),
                // What is wrong with it is said where it is reacted to.
                Err(_) => true,
            },
            (case_event::Event::LOG, case_event::Event::CATEGORY)
            | (order_event::Event::LOG, order_event::Event::CATEGORY)
            | (resident_event::Event::LOG, resident_event::Event::CATEGORY) => true,
            _ => false,
        }
    }

    async fn foresee(&self, records: &[&Record]) -> Result<(), Failure> {
        let cases = records.iter().filter(|record| record.category == case_event::Event::CATEGORY);
        let orders = cases.flat_map(|case| [order_of(&case.stream_id, 0), watch_of(&case.stream_id)]);
        self.ledger.foresee::<Order>(orders).await
    }

    async fn react(&self, record: &Record, call: &Call) -> Result<(), Failure> {
        match (record.log.as_str(), record.category.as_str()) {
            (case_event::Event::LOG, case_event::Event::CATEGORY) => match read(record)? {
                case_event::Event::Assessed(assessed) => self.assessed(record, assessed, call).await,
                _ => Ok(()),
            },
            (gate_day_event::Event::LOG, gate_day_event::Event::CATEGORY) => {
                let gate_day_event::Event::Crossed(crossed) = read(record)?;
                self.crossed(crossed, call).await
            }
            (order_event::Event::LOG, order_event::Event::CATEGORY) => {
                standing::follow(&self.ledger, record, call).await
            }
            (resident_event::Event::LOG, resident_event::Event::CATEGORY) => match read(record)? {
                resident_event::Event::Erased(_) => self.vault.destroy(&record.stream_id).await,
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }
}

fn read<E: Fact>(record: &Record) -> Result<E, Failure> {
    Ok(E::from_payload(&record.payload).context("reading an event")?)
}

// ---- Verdicts ----

impl Reactions {
    async fn assessed(&self, record: &Record, assessed: Assessed, call: &Call) -> Result<(), Failure> {
        match assessed.measure() {
            Measure::Central => self.isolate(record, &assessed, Kind::Central, call).await?,
            Measure::Home => self.isolate(record, &assessed, Kind::Home, call).await?,
            Measure::Watch => {
                self.withdraw_isolation(record, &assessed, call).await?;
                return self.watch(record, &assessed, call).await;
            }
            // A question is a lead, never a reason to isolate by itself (R6, R23): the pass waits for its answer, not an order.
            Measure::None | Measure::Ask => self.withdraw_isolation(record, &assessed, call).await?,
            Measure::Unspecified => return Ok(()),
        }
        if assessed.again { self.withdraw(&watch_of(&record.stream_id), &call.derive("watch")).await } else { Ok(()) }
    }

    /// An order by verdict. Where an order of the same case asks for something else, the new one is in force before the
    /// old one ends, so that there is no moment without.
    async fn isolate(&self, record: &Record, assessed: &Assessed, kind: Kind, call: &Call) -> Result<(), Failure> {
        let method = self.method(record, &assessed.method_version).await?;
        let last_exposure: Option<NaiveDate> = assessed.last_exposure.parse().ok();
        let (orders, next) = self.orders_of(&record.stream_id).await?;
        match orders.last() {
            Some((id, newest)) if newest.answers(kind, last_exposure, method.isolation_days) => {
                self.on_record(id, &call.derive("order")).await?;
            }
            _ => {
                let terms = verdict_terms(record, assessed, kind, last_exposure, &method, call.now);
                self.order(&next, terms, &call.derive("order")).await?;
                // The first order of a case replaces none.
                if orders.is_empty() {
                    return Ok(());
                }
            }
        }
        self.withdraw_replaced(&record.stream_id, call).await
    }

    async fn withdraw_isolation(&self, record: &Record, assessed: &Assessed, call: &Call) -> Result<(), Failure> {
        if !assessed.again {
            return Ok(());
        }
        let (orders, next) = self.orders_of(&record.stream_id).await?;
        let newest = orders.last().map_or(&next, |(id, _)| id);
        self.withdraw(newest, &call.derive("withdraw")).await?;
        self.withdraw_replaced(&record.stream_id, call).await
    }

    /// Of the orders of one case only the newest may stand. Looked at afresh, so that it holds after a crash in between,
    /// and when an old record is read again.
    async fn withdraw_replaced(&self, case_id: &str, call: &Call) -> Result<(), Failure> {
        let (mut orders, _) = self.orders_of(case_id).await?;
        orders.pop();
        for (number, (id, order)) in orders.iter().enumerate() {
            if order.in_force() {
                self.withdraw(id, &call.derive(format!("replaced-{number}"))).await?;
            }
        }
        Ok(())
    }

    /// The orders that this case caused, and the id of the next one.
    async fn orders_of(&self, case_id: &str) -> Result<(Vec<(String, Arc<Order>)>, String), Failure> {
        let mut orders = Vec::new();
        for number in 0.. {
            let id = order_of(case_id, number);
            let (order, _) = self.ledger.load::<Order>(&id).await?;
            if order.standing == Standing::Unwritten {
                return Ok((orders, id));
            }
            orders.push((id, order));
        }
        Err(Failure::Fault(anyhow!("a case has more orders than can be counted")))
    }

    async fn watch(&self, record: &Record, assessed: &Assessed, call: &Call) -> Result<(), Failure> {
        let method = self.method(record, &assessed.method_version).await?;
        let last_exposure = assessed.last_exposure.parse().ok();
        let terms = verdict_terms(record, assessed, Kind::Watch, last_exposure, &method, call.now);
        self.watch_unless_observed(&watch_of(&record.stream_id), terms, &call.derive("watch")).await
    }

    /// The version that the verdict was made under. It was published before, in the same log; the view may lag behind.
    async fn method(&self, record: &Record, version: &str) -> Result<Method, Failure> {
        if let Some(method) = self.find_method(version).await? {
            return Ok(method);
        }
        for progress in self.views.progress().iter().filter(|progress| progress.source == record.log) {
            progress.wait_for(record.position, tokio::time::Instant::now() + PATIENCE).await;
        }
        let method = self.find_method(version).await?;
        method.ok_or_else(|| Failure::Unavailable(anyhow!("the method {version} of a verdict is not known here yet")))
    }

    /// What was published once stays as it is.
    async fn find_method(&self, version: &str) -> Result<Option<Method>, Failure> {
        let known = self.methods.lock().unwrap_or_else(PoisonError::into_inner).get(version).cloned();
        if known.is_some() {
            return Ok(known);
        }
        let mut db = self.views.connection().await.map_err(unreadable)?;
        let found = methods::find(&mut db, version).await?;
        if let Some(method) = &found {
            let mut methods = self.methods.lock().unwrap_or_else(PoisonError::into_inner);
            methods.insert(version.to_owned(), method.clone());
        }
        Ok(found)
    }
}

/// How long a reaction waits for the views before it is tried again.
const PATIENCE: Duration = Duration::from_secs(2);

fn unreadable(status: tonic::Status) -> Failure {
    Failure::Unavailable(anyhow::Error::new(status).context("reading the views"))
}

fn verdict_terms(
    record: &Record,
    assessed: &Assessed,
    kind: Kind,
    last_exposure: Option<NaiveDate>,
    method: &Method,
    now: DateTime<Utc>,
) -> Terms {
    let today = chassis::day_of(now);
    let period = Period::new(last_exposure.unwrap_or(today), Slot::first_on(today, now), method.isolation_days);
    let reason = match assessed.outcome() {
        Outcome::ConcealedKeyArea => Reason::ConcealedKeyArea,
        Outcome::Overridden => Reason::Override,
        _ => Reason::KeyArea,
    };
    let mut evidence_ids = assessed.evidence_ids.clone();
    if evidence_ids.is_empty() {
        // The person's own declaration is the evidence (R23).
        evidence_ids.push(format!("cases/{}", record.stream_id));
    }
    period.into_terms(Terms {
        resident_id: assessed.resident_id.clone(),
        residence: assessed.residence.clone(),
        kind: kind.into(),
        reason: reason.into(),
        case_id: record.stream_id.clone(),
        method_version: method.version.clone(),
        evidence_ids,
        ..Terms::default()
    })
}

// ---- Gates ----

/// A gate that was off line may not have known: what the centre makes of the crossing counts as much.
fn found(crossed: &Crossed, finding: Finding) -> bool {
    !crossed.resident_id.is_empty() && crossed.findings().chain(crossed.judged_findings()).any(|found| found == finding)
}

fn breaches(crossed: &Crossed) -> bool {
    found(crossed, Finding::Isolated)
}

fn is_feverish(crossed: &Crossed) -> bool {
    found(crossed, Finding::Fever)
}

impl Reactions {
    async fn crossed(&self, crossed: Crossed, call: &Call) -> Result<(), Failure> {
        if breaches(&crossed) {
            self.breached(&crossed, &call.derive("breach")).await?;
        }
        if is_feverish(&crossed) {
            self.feverish(&crossed, &call.derive("watch")).await?;
        }
        Ok(())
    }

    async fn breached(&self, crossed: &Crossed, call: &Call) -> Result<(), Failure> {
        let Some(id) = filing::isolating(&self.ledger, &crossed.resident_id).await? else {
            return self.on_record(&watch_after(&crossed.crossing_id), call).await;
        };
        self.decide(&id, call, "", |order| order.breach(&crossed.crossing_id, &crossed.gate_id)).await
    }

    async fn feverish(&self, crossed: &Crossed, call: &Call) -> Result<(), Failure> {
        let crossed_at = crossed.crossed_at.as_ref().and_then(chassis::instant).unwrap_or(call.now);
        let mut db = self.views.connection().await.map_err(unreadable)?;
        let method = methods::in_force(&mut db, crossed_at).await?;
        drop(db);
        // A gate takes its limit of fever from a published method: the view has only not seen it yet.
        let method = method.ok_or_else(|| Failure::Unavailable(anyhow!("no method is known here yet")))?;
        let day = chassis::day_of(crossed_at);
        let period = Period::new(day, Slot::first_on(day, crossed_at), method.isolation_days);
        let terms = period.into_terms(Terms {
            resident_id: crossed.resident_id.clone(),
            residence: crossed.residence.clone(),
            kind: Kind::Watch.into(),
            reason: Reason::Fever.into(),
            method_version: method.version,
            evidence_ids: vec![format!("crossings/{}", crossed.crossing_id)],
            ..Terms::default()
        });
        self.watch_unless_observed(&watch_after(&crossed.crossing_id), terms, call).await
    }
}

// ---- Orders ----

impl Reactions {
    async fn order(&self, id: &str, terms: Terms, call: &Call) -> Result<(), Failure> {
        let order = |order: &Order| order.order(terms.clone(), call.now);
        match self.decide(id, call, filing::only_key(terms.kind()), order).await {
            // Isolated already, which hardly anybody is.
            Err(Failure::Reserved { .. }) => {
                let key = filing::free_key(&self.ledger, &terms, id).await?;
                self.decide(id, call, key, order).await
            }
            ordered => ordered,
        }
    }

    /// Whoever is under an order is observed already.
    async fn watch_unless_observed(&self, id: &str, terms: Terms, call: &Call) -> Result<(), Failure> {
        if filing::any(&self.ledger, &terms.resident_id).await?.is_some() {
            return self.on_record(id, call).await;
        }
        self.order(id, terms, call).await
    }

    async fn withdraw(&self, id: &str, call: &Call) -> Result<(), Failure> {
        let by = &call.principal.subject;
        self.decide(id, call, "", |order| order.withdraw(by, call.now)).await
    }

    /// Nothing was to be done, and that is on record too: when the record is read again after newer ones, it must not do
    /// to their outcome what it did not do then.
    async fn on_record(&self, id: &str, call: &Call) -> Result<(), Failure> {
        self.decide(id, call, "", |_| Vec::new()).await
    }

    async fn decide<D>(&self, id: &str, call: &Call, key: &'static str, decide: D) -> Result<(), Failure>
    where
        D: Fn(&Order) -> Vec<order_event::Event> + Send + Sync,
    {
        let decide = |order: &Order, _| Ok::<Decision<_>, Infallible>(filing::file(order, decide(order), key));
        self.ledger.transact(call, id, decide, |_: &Order, _| Resource::default()).await?;
        Ok(())
    }
}

// ---- Ids that derive from what caused the order ----

/// A random UUID of our own, under which the ids are named.
const NAMESPACE: Uuid = Uuid::from_u128(0x5c1d_7f0a_3b64_4e0e_9a55_0d2c_71f4_b863);

/// The order that the case caused, and those that replaced it.
pub(crate) fn order_of(case_id: &str, number: u32) -> String {
    let name = if number == 0 { format!("case/{case_id}") } else { format!("case/{case_id}/{number}") };
    Uuid::new_v5(&NAMESPACE, name.as_bytes()).to_string()
}

fn watch_of(case_id: &str) -> String {
    Uuid::new_v5(&NAMESPACE, format!("watch/{case_id}").as_bytes()).to_string()
}

fn watch_after(crossing_id: &str) -> String {
    Uuid::new_v5(&NAMESPACE, format!("crossing/{crossing_id}").as_bytes()).to_string()
}
