//! When an order comes into force, then its standing needs are open; when it ends, or the person is handed over, then they
//! end; when the person is home again, or another neighbourhood takes the order over, then they begin anew there. Their ids
//! derive from the order's, so that an order that is told of twice opens each once.

use std::{collections::HashSet, convert::Infallible};

use chassis::{Call, Failure, Ledger, Record, instant, timestamp};
use chrono::TimeDelta;
use proto::{
    Fact as _,
    isolation::v1::{
        Kind, Need as Resource, NeedAsker, NeedPriority, StandingNeed, Terms,
        need_event::{Event, Opened},
        order_event::{self, Moved, TransferDecided},
    },
};
use uuid::Uuid;

use super::needs::{answer, file};
use crate::domain::{need::Need, need_plan::Plan, order::Order, quantity::Amount};

/// A random UUID of our own, under which the ids are named.
const NAMESPACE: Uuid = Uuid::from_u128(0x0b6e_47d1_92ac_4f3f_8d1b_6a05_c7e9_3d58);

/// What a record of an order calls for.
pub(crate) async fn follow(ledger: &Ledger, record: &Record, call: &Call) -> Result<(), Failure> {
    match order_event::Event::from_payload(&record.payload).map_err(|error| Failure::Fault(error.into()))? {
        order_event::Event::Ordered(ordered) => {
            open(ledger, record, &ordered.terms.unwrap_or_default(), call).await.map(drop)
        }
        order_event::Event::Moved(Moved { home_from: Some(_), .. })
        | order_event::Event::TransferDecided(TransferDecided { accepted: true, .. }) => {
            let (order, _) = ledger.load::<Order>(&record.stream_id).await?;
            // What has happened since is told of behind this.
            if !order.in_force() || order.hand_over.is_some() {
                return Ok(());
            }
            let opened = open(ledger, record, &order.terms, call).await?;
            end(ledger, record, call, &opened).await
        }
        order_event::Event::Released(_) | order_event::Event::HandedOver(_) => {
            end(ledger, record, call, &HashSet::new()).await
        }
        _ => Ok(()),
    }
}

/// Returns the ids of what is open from here on.
async fn open(ledger: &Ledger, record: &Record, terms: &Terms, call: &Call) -> Result<HashSet<String>, Failure> {
    let residence = terms.residence.clone().unwrap_or_default();
    // Who is watched goes out and shops.
    if matches!(terms.kind(), Kind::Watch | Kind::Unspecified) {
        return Ok(HashSet::new());
    }
    let (plan, _) = ledger.load::<Plan>(&residence.neighbourhood_id).await?;
    let plan = plan.content();
    let begins = record.occurred_at.as_ref().and_then(instant).unwrap_or(call.now);
    let opening = |standing: &StandingNeed| {
        let takes = standing.quantity.as_ref().and_then(Amount::read);
        Opened {
            resident_id: terms.resident_id.clone(),
            residence: Some(residence.clone()),
            kind: standing.kind,
            priority: NeedPriority::Normal.into(),
            asker: NeedAsker::Order.into(),
            note: None,
            order_id: record.stream_id.clone(),
            every_days: standing.every_days,
            begin_time: Some(timestamp(begins)),
            due_time: Some(timestamp(begins + TimeDelta::hours(standing.within_hours.into()))),
            claim_hours: plan.claim_hours,
            confirm_hours: plan.confirm_hours,
            escalation_hours: plan.escalation_hours,
            item: standing.item.clone(),
            measure: takes.map(|amount| amount.measure.into()).unwrap_or_default(),
            amount: takes.map(|amount| amount.number).unwrap_or_default(),
        }
    };
    let needs: Vec<(String, Opened)> =
        plan.standing.iter().map(|standing| (need_of(&record.stream_id, standing), opening(standing))).collect();
    // Of a new order none is there yet; where one is, each is looked at by itself.
    let new = matches!(order_event::Event::from_payload(&record.payload), Ok(order_event::Event::Ordered(_)));
    if !new || !begin_together(ledger, &needs, call).await? {
        for (id, opened) in &needs {
            decide(ledger, id, &call.derive(id), |need| need.open(opened)).await?;
        }
    }
    Ok(needs.into_iter().map(|(id, _)| id).collect())
}

/// Opens needs in one commit; `false` where one of them was there before.
async fn begin_together(ledger: &Ledger, needs: &[(String, Opened)], call: &Call) -> Result<bool, Failure> {
    let Some(((first, opened), others)) = needs.split_first() else { return Ok(true) };
    let decide = |need: &Need, _| {
        let events = need.open(opened);
        let mut decision = file(opened, events);
        for (id, opened) in others {
            decision = decision.beginning(id, &file(opened, vec![Event::Opened(opened.clone())]));
        }
        Ok::<_, Infallible>(decision)
    };
    match ledger.begin::<_, Resource, _, _, _>(&call.derive("needs"), first, decide, answer(first, call.now)).await {
        Ok(_) => Ok(true),
        Err(Failure::Contended) => Ok(false),
        Err(failure) => Err(failure),
    }
}

/// Those that this order opened, wherever it was and whatever the plans there say by now; except these.
async fn end(ledger: &Ledger, record: &Record, call: &Call, except: &HashSet<String>) -> Result<(), Failure> {
    let (order, _) = ledger.load::<Order>(&record.stream_id).await?;
    let mut ended = except.clone();
    for neighbourhood in order.neighbourhoods() {
        let (plan, _) = ledger.load::<Plan>(neighbourhood).await?;
        for standing in plan.ever() {
            let id = need_of(&record.stream_id, &standing);
            if ended.insert(id.clone()) {
                decide(ledger, &id, &call.derive(&id), Need::end).await?;
            }
        }
    }
    Ok(())
}

async fn decide<D>(ledger: &Ledger, id: &str, call: &Call, decide: D) -> Result<(), Failure>
where
    D: Fn(&Need) -> Vec<Event> + Send + Sync,
{
    let decide = |need: &Need, _| {
        let events = decide(need);
        let opened = match events.first() {
            Some(Event::Opened(opened)) => opened.clone(),
            _ => need.opened.clone().unwrap_or_default(),
        };
        Ok::<_, Infallible>(file(&opened, events))
    };
    ledger.transact::<_, Resource, _, _, _>(call, id, decide, answer(id, call.now)).await?;
    Ok(())
}

/// The same for the same order, kind and item.
pub(crate) fn need_of(order_id: &str, standing: &StandingNeed) -> String {
    let name = format!("{order_id}/{}/{}", standing.kind, standing.item);
    Uuid::new_v5(&NAMESPACE, name.as_bytes()).to_string()
}
