//! Verdicts set by hand: proposed, approved by another unit or declined, shown and counted (R23).

use std::sync::Arc;

use chassis::{Call, Failure, Fields, page, timestamp};
use chrono::{DateTime, TimeDelta, Utc};
use proto::{
    Fact as _,
    screening::v1::{
        self, Measure, Outcome, Override, OverrideInForce, OverrideReason, Reasons, Statement,
        case_event::{Assessed, Event, OverrideApproved, OverrideDeclined, OverrideProposed},
        r#override::State,
        override_service_server::OverrideService,
    },
};
use tonic::{Request, Response, Status};

use super::{
    Api,
    cases::{Prepared, resident, sees_words},
    fields,
    methods::fault,
};
use crate::{
    assessor::refused,
    domain::{
        case::{Case, Refused, not_found},
        method::Method,
    },
    overriding::explain,
    projections::overrides,
};

/// Evidence ids of one proposal, and characters of one.
const IDS: usize = 20;
const ID: usize = 100;

#[tonic::async_trait]
impl OverrideService for Api {
    async fn propose_override(
        &self,
        request: Request<v1::ProposeOverrideRequest>,
    ) -> Result<Response<Override>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        self.propose(&call, &request.into_inner()).await
    }

    async fn approve_override(
        &self,
        request: Request<v1::ApproveOverrideRequest>,
    ) -> Result<Response<Override>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        self.approve_by_hand(&call, &request.into_inner().name).await
    }

    async fn decline_override(
        &self,
        request: Request<v1::DeclineOverrideRequest>,
    ) -> Result<Response<Override>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        self.decline(&call, &request.into_inner()).await
    }

    async fn get_override(&self, request: Request<v1::GetOverrideRequest>) -> Result<Response<Override>, Status> {
        let call = Call::query(&request)?;
        let (case_id, id) = name(&request.into_inner().name)?;
        let mut db = self.views.read(&call).await?;
        let found = overrides::find(&mut db, &call.principal.scope, &id).await.map_err(fault)?;
        drop(db);
        let mut shown =
            found.filter(|shown| shown.case == format!("cases/{case_id}")).ok_or_else(|| Status::from(not_found()))?;
        if sees_words(&call) {
            self.add_documents(&case_id, &id, &mut shown).await?;
        }
        Ok(Response::new(shown))
    }

    async fn list_overrides(
        &self,
        request: Request<v1::ListOverridesRequest>,
    ) -> Result<Response<v1::ListOverridesResponse>, Status> {
        let call = Call::query(&request)?;
        let request = request.into_inner();
        let mut fields = Fields::new();
        let resident = fields.name_if_given("parent", "residents", &request.parent).unwrap_or_default();
        fields.at_most("unit", &request.unit, fields::PLACE);
        fields.done()?;
        let filter = overrides::Filter { resident, open: request.open, unit: request.unit };
        let before = page::after(&request.page_token)?.parse().unwrap_or(i64::MAX);
        let size = page::size(request.page_size);
        let mut db = self.views.read(&call).await?;
        let found = overrides::list(&mut db, &call.principal.scope, &filter, before, size + 1).await;
        let mut found = found.map_err(fault)?;
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let more = found.len() > size;
        found.truncate(size);
        let last = found.last().map(|(position, _)| position).filter(|_| more);
        let next_page_token = last.map(|position| page::token_after(&position.to_string())).unwrap_or_default();
        let overrides = found.into_iter().map(|(_, shown)| shown).collect();
        Ok(Response::new(v1::ListOverridesResponse { overrides, next_page_token }))
    }

    async fn list_manual_verdicts(
        &self,
        request: Request<v1::ListManualVerdictsRequest>,
    ) -> Result<Response<v1::ListManualVerdictsResponse>, Status> {
        let call = Call::query(&request)?;
        let mut db = self.views.read(&call).await?;
        let units = overrides::units(&mut db, &call.principal.scope, &request.get_ref().unit).await.map_err(fault)?;
        Ok(Response::new(v1::ListManualVerdictsResponse { units }))
    }
}

impl Api {
    async fn propose(&self, call: &Call, request: &v1::ProposeOverrideRequest) -> Result<Response<Override>, Status> {
        let (case_id, proposed, document) = proposal(call, request)?;
        if let Some(done) = self.ledger.done_before::<Override>(call).await? {
            return Ok(done.into_response());
        }
        let (proposed, document) = (&proposed, &document);
        let prepare = |case: Arc<Case>| async move {
            case.accepts_override().map_err(refused)?;
            let (method, _) = self.ledger.load::<Method>(&self.method_in_force(call).await?).await?;
            let days = method.content().map_or(0, |content| content.isolation_days);
            let end = proposed.expire_time.as_ref().and_then(chassis::instant).unwrap_or(call.now);
            if end > call.now + TimeDelta::days(days.into()) {
                return Err(Failure::Refused(too_long(days)));
            }
            let mut proposed = proposed.clone();
            if let Some(document) = document {
                proposed.document = Some(self.vault.seal(resident(&case), document).await?);
            }
            Ok(Box::new(move |case: &Case| case.propose_override(&proposed)) as Prepared)
        };
        let reply = |case: &Case, _, _| {
            let known = case.overriding().proposed().cloned().unwrap_or_default();
            shown(&case_id, case, &known, State::Proposed)
        };
        Ok(self.decided(call, &case_id, prepare, reply).await?.into_response())
    }

    async fn approve_by_hand(&self, call: &Call, asked: &str) -> Result<Response<Override>, Status> {
        let (case_id, id) = name(asked)?;
        if let Some(done) = self.ledger.done_before::<Override>(call).await? {
            return Ok(done.into_response());
        }
        let id = id.as_str();
        let approved = OverrideApproved {
            override_id: id.to_owned(),
            by: call.principal.subject.clone(),
            unit: call.principal.unit.clone(),
        };
        let approved = &approved;
        let prepare = |case: Arc<Case>| async move {
            let proposed = case.can_be_approved(id, (&approved.by, &approved.unit), call.now).map_err(refused)?;
            let verdict = self.by_hand(call, &case, &case_id_of(asked), proposed, approved).await?;
            let (approved, now) = (approved.clone(), call.now);
            Ok(Box::new(move |case: &Case| case.approve_override(&approved, &verdict, now)) as Prepared)
        };
        let reply = |case: &Case, _, _| {
            let known = case.overriding().in_force().cloned().unwrap_or_default();
            let decided = v1::Signature { by: approved.by.clone(), unit: approved.unit.clone() };
            Override {
                decided: Some(decided),
                decide_time: Some(timestamp(call.now)),
                ..shown(&case_id, case, &known, State::InForce)
            }
        };
        Ok(self.decided(call, &case_id, prepare, reply).await?.into_response())
    }

    async fn decline(&self, call: &Call, request: &v1::DeclineOverrideRequest) -> Result<Response<Override>, Status> {
        let mut fields = Fields::new();
        let path = fields.path("name", ["cases", "overrides"], &request.name);
        let text = fields.required("reason", &request.reason, fields::WORDS).to_owned();
        let [case_id, id] = fields.read(path)?;
        if let Some(done) = self.ledger.done_before::<Override>(call).await? {
            return Ok(done.into_response());
        }
        let (id, words) = (id.as_str(), &Statement { text, ..Statement::default() });
        let prepare = |case: Arc<Case>| async move {
            let declined = OverrideDeclined {
                override_id: id.to_owned(),
                reason: Some(self.vault.seal(resident(&case), words).await?),
                by: call.principal.subject.clone(),
                unit: call.principal.unit.clone(),
            };
            Ok(Box::new(move |case: &Case| case.decline_override(&declined)) as Prepared)
        };
        let reply = |case: &Case, _, _| {
            let decided = v1::Signature { by: call.principal.subject.clone(), unit: call.principal.unit.clone() };
            let known = OverrideProposed { override_id: id.to_owned(), ..OverrideProposed::default() };
            Override {
                decided: Some(decided),
                decide_time: Some(timestamp(call.now)),
                ..shown(&case_id, case, &known, State::Declined)
            }
        };
        Ok(self.decided(call, &case_id, prepare, reply).await?.into_response())
    }

    /// The verdict that two people have set: what was seen stays as it was judged, and the measure is theirs.
    async fn by_hand(
        &self,
        call: &Call,
        case: &Case,
        case_id: &str,
        proposed: &OverrideProposed,
        approved: &OverrideApproved,
    ) -> Result<Assessed, Failure> {
        let known = case.verdict().ok_or_else(|| refused(Refused::NotAssessed))?;
        let version = self.method_in_force(call).await?;
        let (method, _) = self.ledger.load::<Method>(&version).await?;
        let hours = method.content().map_or(0, |content| content.dispute_hours);
        let hand = OverrideInForce {
            override_id: proposed.override_id.clone(),
            reason: proposed.reason,
            proposed_by: proposed.by.clone(),
            proposed_unit: proposed.unit.clone(),
            approved_by: approved.by.clone(),
            approved_unit: approved.unit.clone(),
            expire_time: proposed.expire_time,
        };
        let before = self.assessor.reasons(known).await?.ok_or_else(|| refused(Refused::Erased))?;
        let explanation = explain(&hand, case.neighbourhood(), proposed.measure(), &version, hours);
        let reasons = Reasons { explanation: Some(explanation), ..before };
        // An order needs something to rest on (R23): the proposal, where it names a document alone.
        let evidence_ids = match &proposed.evidence_ids[..] {
            [] => vec![format!("cases/{case_id}/overrides/{}", proposed.override_id)],
            named => named.to_vec(),
        };
        Ok(Assessed {
            outcome: Outcome::Overridden.into(),
            measure: proposed.measure,
            method_version: version,
            evidence_ids,
            reasons: Some(self.vault.seal(resident(case), &reasons).await?),
            again: true,
            r#override: Some(hand),
            by: String::new(),
            unit: String::new(),
            ..known.clone()
        })
    }

    /// What was shown for it and why it was declined, from the log.
    async fn add_documents(&self, case_id: &str, id: &str, shown: &mut Override) -> Result<(), Failure> {
        for record in self.ledger.log().read_stream(Event::CATEGORY, case_id, 0).await? {
            let (sealed, into) = match Event::from_payload(&record.payload).map_err(anyhow::Error::from)? {
                Event::OverrideProposed(proposed) if proposed.override_id == id => {
                    (proposed.document, &mut shown.document)
                }
                Event::OverrideDeclined(declined) if declined.override_id == id => {
                    (declined.reason, &mut shown.decline_reason)
                }
                _ => continue,
            };
            if let Some(sealed) = sealed {
                let words: Option<Statement> = self.vault.reveal(&sealed).await?;
                *into = words.map(|words| words.text).unwrap_or_default();
            }
        }
        Ok(())
    }
}

/// Nobody sets a bare status: a reason from the list, a measure, something to rest on, an end.
fn proposal(
    call: &Call,
    request: &v1::ProposeOverrideRequest,
) -> Result<(String, OverrideProposed, Option<Statement>), Status> {
    let mut fields = Fields::new();
    let case = fields.name("case", "cases", &request.case);
    fields.check(
        "reason",
        !matches!(OverrideReason::try_from(request.reason), Err(_) | Ok(OverrideReason::Unspecified)),
        "人工认定必须有原因：请从列出的原因中选一个，没有合适的就不能人工认定",
        "is not of the list: a verdict is set by hand for one of its reasons, or not at all",
    );
    fields.check(
        "measure",
        matches!(request.measure(), Measure::None | Measure::Watch | Measure::Home | Measure::Central),
        "请选择认定后的措施：不采取措施、健康监测、居家隔离或集中隔离",
        "must be none, watch, home or central: what follows for the person",
    );
    let document = fields.at_most("document", &request.document, fields::WORDS).to_owned();
    fields.check(
        "evidence_ids",
        !request.evidence_ids.is_empty() || !document.is_empty(),
        "没有证据不能人工认定：请填写证据编号，或说明看过的材料及其存放处",
        "are missing: nothing is set by hand without evidence; name its ids, or describe the document and where it is kept",
    );
    fields.check(
        "evidence_ids",
        request.evidence_ids.len() <= IDS,
        format!("最多 {IDS} 项"),
        format!("has more than {IDS} entries"),
    );
    for (at, id) in request.evidence_ids.iter().enumerate().take(IDS) {
        fields.required(format!("evidence_ids[{at}]"), id, ID);
    }
    let end: Option<DateTime<Utc>> = match &request.expire_time {
        None => {
            fields.refuse(
                "expire_time",
                "人工认定必须有期限：请填写到什么时候为止",
                "is missing: what is set by hand has an end; say until when",
            );
            None
        }
        given => fields.time("expire_time", given.as_ref()),
    };
    fields.check(
        "expire_time",
        end.is_none_or(|end| end > call.now),
        "期限已经过去：请填写以后的时间",
        "has passed: name a later time",
    );
    let proposed = OverrideProposed {
        override_id: call.id("override"),
        reason: request.reason,
        measure: request.measure,
        evidence_ids: request.evidence_ids.iter().map(|id| id.trim().to_owned()).collect(),
        document: None,
        expire_time: end.map(timestamp),
        by: call.principal.subject.clone(),
        unit: call.principal.unit.clone(),
    };
    let words = (!document.is_empty()).then(|| Statement { text: document, ..Statement::default() });
    fields.read(case.map(|case| (case, proposed, words)))
}

fn too_long(days: i32) -> chassis::Refusal {
    let mut fields = Fields::new();
    fields.refuse(
        "expire_time",
        format!("期限太长：按排查标准最多 {days} 天，到期仍有需要请重新提出"),
        format!("is too far away: at most {days} days by the method; propose it anew where it is still needed then"),
    );
    fields.refusal().unwrap_or_else(not_found)
}

fn name(value: &str) -> Result<(String, String), Status> {
    let mut fields = Fields::new();
    let path = fields.path("name", ["cases", "overrides"], value);
    fields.read(path.map(|[case, id]| (case, id)))
}

/// Of a name that was read before.
fn case_id_of(name: &str) -> String {
    name.split('/').nth(1).unwrap_or_default().to_owned()
}

/// Without its document: replies are stored, and nothing personal may be.
fn shown(case_id: &str, case: &Case, known: &OverrideProposed, state: State) -> Override {
    Override {
        name: format!("cases/{case_id}/overrides/{}", known.override_id),
        case: format!("cases/{case_id}"),
        resident: format!("residents/{}", resident(case)),
        neighbourhood: format!("neighbourhoods/{}", case.neighbourhood()),
        state: state.into(),
        reason: known.reason,
        measure: known.measure,
        evidence_ids: known.evidence_ids.clone(),
        expire_time: known.expire_time,
        proposed: (!known.by.is_empty()).then(|| v1::Signature { by: known.by.clone(), unit: known.unit.clone() }),
        ..Override::default()
    }
}
