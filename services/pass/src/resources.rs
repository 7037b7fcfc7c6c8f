//! Holders and passes as the API shows them.

use chassis::{Failure, timestamp};
use proto::pass::v1;
use tonic::Status;

use crate::{
    domain::{
        gate::Judgement,
        holder::{Holder, Standing},
    },
    projections::residents::Home,
};

/// The pass that counts; without its code, which only the answers to those who give one carry.
pub(crate) fn pass(resident: &str, holder: &Holder) -> Option<v1::Pass> {
    let pass = holder.pass()?;
    Some(v1::Pass {
        name: format!("residents/{resident}/pass"),
        number: pass.number.clone(),
        code: String::new(),
        issue_time: Some(timestamp(pass.issued)),
        expire_time: Some(timestamp(pass.expires)),
        suspended: matches!(pass.standing, Standing::Suspended(_)),
        revoked: matches!(pass.standing, Standing::Revoked(_)),
        // The keyring and the compound's stream say that.
        recalled: false,
        phone: None,
        renew_time: Some(timestamp(pass.renewable_from())),
        access: pass.access.kind().into(),
    })
}

pub(crate) fn holder(resident: &str, home: &Home, holder: &Holder, version: u64) -> v1::Holder {
    v1::Holder {
        name: format!("residents/{resident}"),
        household: format!("households/{}", home.residence.household_id),
        compound: format!("compounds/{}", home.residence.compound_id),
        eligible: holder.eligible(),
        bars: holder.bars.keys().cloned().collect(),
        pass: pass(resident, holder),
        etag: version.to_string(),
    }
}

/// `resident`: empty where the caller may not know who it is.
pub(crate) fn verdict(judgement: &Judgement, resident: &str) -> v1::Verdict {
    v1::Verdict {
        decision: judgement.decision.into(),
        findings: judgement.findings.iter().map(|finding| i32::from(*finding)).collect(),
        say_zh: judgement.zh.clone(),
        say_en: judgement.en.clone(),
        resident: if resident.is_empty() { String::new() } else { format!("residents/{resident}") },
    }
}

/// A read model that cannot be read.
pub(crate) fn fault(error: sqlx::Error) -> Status {
    Failure::Fault(anyhow::Error::new(error).context("reading the views")).into()
}
