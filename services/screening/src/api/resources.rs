//! Aggregates as the resources of the contract.

use std::fmt::Write as _;

use chassis::timestamp;
use chrono::{DateTime, Utc};
use proto::screening::v1::{
    self, MethodContent,
    case_event::{Assessed, PhonesChanged},
};
use sha2::{Digest as _, Sha256};

use crate::domain::{
    case::{Case, replaced},
    method::{Method, Signatory},
};

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
        verdict: case.verdict().map(|verdict| self::verdict(id, verdict, assessed_at)),
        dispute_due: case.dispute().and_then(|dispute| dispute.due),
        etag: version.to_string(),
        dispute_instance: case.dispute_instance().into(),
        phones_change: case.phones_changed().map(phones_change),
    }
}

fn phones_change(changed: &PhonesChanged) -> v1::PhonesChange {
    let PhonesChanged { before, after, .. } = changed;
    let replaced = replaced(changed);
    let mut explanation = v1::Explanation {
        zh: format!("登记的手机号由{before}个改为{after}个：现有的每个号码都要查询，本次排查按{after}个号码办理"),
        en: format!(
            "The numbers on record were {before} and are {after}: each of them is looked up, and this screening goes by {after}"
        ),
    };
    if !replaced.is_empty() {
        let places = |and: &str| replaced.iter().map(ToString::to_string).collect::<Vec<_>>().join(and);
        explanation = v1::Explanation {
            zh: format!(
                "登记的手机号由{before}个改为{after}个，第{}个已更换：更换后的号码要另行查询，旧号码查到的行程仍作为以往的证据",
                places("、")
            ),
            en: format!(
                "The numbers on record were {before} and are {after}, and another one stands as number {}: it is looked up by itself, and what was seen of the old one stays as evidence of its days",
                places(" and ")
            ),
        };
    }
    v1::PhonesChange { before: *before, after: *after, explanation: Some(explanation), replaced }
}

fn verdict(case_id: &str, verdict: &Assessed, time: Option<DateTime<Utc>>) -> v1::Verdict {
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
        vocabulary: verdict.vocabulary,
        r#override: verdict.r#override.as_ref().map(|hand| v1::VerdictOverride {
            name: format!("cases/{case_id}/overrides/{}", hand.override_id),
            reason: hand.reason,
            proposed: Some(v1::Signature { by: hand.proposed_by.clone(), unit: hand.proposed_unit.clone() }),
            approved: Some(v1::Signature { by: hand.approved_by.clone(), unit: hand.approved_unit.clone() }),
            expire_time: hand.expire_time,
        }),
    }
}

/// Whether it is in force, or replaced, is for the views to say.
pub(super) fn method(id: &str, method: &Method, version: u64) -> v1::Method {
    let signature =
        |signatory: Signatory| v1::Signature { by: signatory.by.to_owned(), unit: signatory.unit.to_owned() };
    v1::Method {
        name: format!("methods/{id}"),
        content: method.content().cloned(),
        state: method.standing().into(),
        etag: version.to_string(),
        digest: method.content().map(digest).unwrap_or_default(),
        drafted: method.draft_signature().map(signature),
        approved: method.approval_signature().map(signature),
        published: method.publication_signature().map(signature),
        ..v1::Method::default()
    }
}

/// By which everybody can prove which numbers and lists they run.
pub(super) fn digest(content: &MethodContent) -> String {
    let hash = Sha256::digest(proto::canonical::method(content).as_bytes());
    hash.iter().fold(String::with_capacity(64), |mut digits, byte| {
        write!(digits, "{byte:02x}").expect("a string takes everything");
        digits
    })
}
