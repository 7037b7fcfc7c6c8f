//! Aggregates as the resources of the contract.

use chassis::timestamp;
use chrono::{DateTime, Utc};
use proto::screening::v1::{self, case_event::Assessed};

use crate::domain::{case::Case, method::Method};

/// Without the reasons of its verdict: replies are stored, and nothing personal may be.
pub(super) fn case(id: &str, case: &Case, version: u64, assessed_at: Option<DateTime<Utc>>) -> v1::Case {
    let resident = case.opened().map_or("", |opened| &opened.resident_id);
    let residence = case.residence().cloned().unwrap_or_default();
    v1::Case {
        name: format!("cases/{id}"),
        resident: format!("residents/{resident}"),
        household: format!("households/{}", residence.household_id),
        compound: format!("compounds/{}", residence.compound_id),
        neighbourhood: format!("neighbourhoods/{}", residence.neighbourhood_id),
        state: case.standing().into(),
        phones: case.phones(),
        scanned: case.scanned(),
        verdict: case.verdict().map(|verdict| self::verdict(verdict, assessed_at)),
        dispute_due: case.dispute().and_then(|dispute| dispute.due),
        etag: version.to_string(),
    }
}

fn verdict(verdict: &Assessed, time: Option<DateTime<Utc>>) -> v1::Verdict {
    v1::Verdict {
        outcome: verdict.outcome,
        risk: verdict.risk,
        honesty: verdict.honesty,
        measure: verdict.measure,
        method: format!("methods/{}", verdict.method_version),
        evidence_ids: verdict.evidence_ids.clone(),
        reasons: None,
        time: time.map(timestamp),
        last_exposure: verdict.last_exposure.clone(),
    }
}

pub(super) fn method(id: &str, method: &Method, version: u64, published_at: Option<DateTime<Utc>>) -> v1::Method {
    v1::Method {
        name: format!("methods/{id}"),
        content: method.content().cloned(),
        state: method.standing().into(),
        publish_time: published_at.map(timestamp),
        etag: version.to_string(),
    }
}
