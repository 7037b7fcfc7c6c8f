//! The RPCs of confirmed cases: fields are read here, places are checked here, and the rest is the domain's.

use chassis::{Call, Decision, Failure, Fields, Ledger, Refuse as _, Scope, Views, page};
use chrono::{DateTime, NaiveDate, Utc};
use proto::{
    isolation::v1::{
        CaseTerms, ConfirmCaseRequest, ConfirmedCase as Resource, ListConfirmedCasesRequest,
        ListConfirmedCasesResponse, ReportCaseRequest, WithdrawCaseRequest, confirmed_case::State,
        confirmed_case_event::Event, confirmed_case_service_server::ConfirmedCaseService,
    },
    registry::v1::Residence,
};
use tonic::{Request, Response, Status};

use crate::{
    domain::{
        confirmed_case::{ConfirmedCase, Refused},
        order::Signature,
    },
    projections::{confirmed_cases, residents},
};

pub(crate) struct ConfirmedCaseApi {
    pub(crate) ledger: Ledger,
    pub(crate) views: Views,
}

/// Of the collection in names.
const CASES: &str = "confirmed-cases";
/// Days in which one case can be infectious: twice the period of isolation, and two days. More is a slip of the pen.
const LONGEST: i64 = 30;

#[tonic::async_trait]
impl ConfirmedCaseService for ConfirmedCaseApi {
    async fn report_case(&self, request: Request<ReportCaseRequest>) -> Result<Response<Resource>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let (resident_id, terms) = terms(request.get_ref(), call.now)?;
        if let Some(done) = self.ledger.done_before::<Resource>(&call).await? {
            return Ok(done.into_response());
        }
        let mut db = self.views.read(&call).await?;
        let home = residents::find(&mut db, &call.principal.scope, &resident_id).await.map_err(Failure::from)?;
        drop(db);
        let residence = home.ok_or_else(|| Refused::NotFound.refusal())?;
        let terms = CaseTerms { resident_id, residence: Some(residence), ..terms };
        let (id, signature) = (call.id("confirmed case"), signature(&call));
        let decide = |case: &ConfirmedCase, _| {
            let events = case.report(terms.clone(), &signature)?;
            Ok::<_, Refused>(filed(events, &terms))
        };
        let done = self.ledger.begin(&call, &id, decide, shown(&id)).await?;
        Ok(done.into_response())
    }

    async fn confirm_case(&self, request: Request<ConfirmCaseRequest>) -> Result<Response<Resource>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let signature = signature(&call);
        self.change(&call, Fields::new(), &request.get_ref().name, |case| case.confirm(&signature)).await
    }

    async fn withdraw_case(&self, request: Request<WithdrawCaseRequest>) -> Result<Response<Resource>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let mut fields = Fields::new();
        let because = fields.required("reason", &request.get_ref().reason, 200);
        fields.check(
            "reason",
            because.is_empty() || because.chars().count() >= 4,
            "至少 4 个字：请写明为什么撤销，例如复检为阴性",
            "must have at least 4 characters: say why, such as a second test that was negative",
        );
        let signature = signature(&call);
        self.change(&call, fields, &request.get_ref().name, |case| case.withdraw(because, &signature)).await
    }

    async fn list_confirmed_cases(
        &self,
        request: Request<ListConfirmedCasesRequest>,
    ) -> Result<Response<ListConfirmedCasesResponse>, Status> {
        let call = Call::query(&request)?;
        let request = request.into_inner();
        let mut fields = Fields::new();
        let resident = fields.name_if_given("parent", "residents", &request.parent).unwrap_or_default();
        fields.done()?;
        let (size, after) = (page::size(request.page_size), page::after(&request.page_token)?);
        let scope = &call.principal.scope;
        let mut db = self.views.read(&call).await?;
        let mut ids =
            confirmed_cases::list(&mut db, scope, &resident, &after, size + 1).await.map_err(Failure::from)?;
        drop(db);
        let more = ids.len() > usize::try_from(size).unwrap_or(usize::MAX);
        if more {
            ids.pop();
        }
        let next_page_token = ids.last().filter(|_| more).map_or_else(String::new, |id| page::token_after(id));
        let mut cases = Vec::with_capacity(ids.len());
        for id in ids {
            let (case, version) = self.ledger.load::<ConfirmedCase>(&id).await?;
            cases.push(shown(&id)(&case, version));
        }
        Ok(Response::new(ListConfirmedCasesResponse { confirmed_cases: cases, next_page_token }))
    }
}

impl ConfirmedCaseApi {
    /// A decision on a case within the caller's reach.
    async fn change<D>(
        &self,
        call: &Call,
        mut fields: Fields,
        name: &str,
        decide: D,
    ) -> Result<Response<Resource>, Status>
    where
        D: Fn(&ConfirmedCase) -> Result<Vec<Event>, Refused> + Send + Sync,
    {
        let id = fields.name("name", CASES, name);
        let id = fields.read(id)?;
        let decide = |case: &ConfirmedCase, _| {
            within_reach(case, &call.principal.scope)?;
            let events = decide(case)?;
            Ok::<_, Refused>(filed(events, &case.terms))
        };
        Ok(self.ledger.transact(call, &id, decide, shown(&id)).await?.into_response())
    }
}

/// Foreign and missing cases answer alike.
fn within_reach(case: &ConfirmedCase, scope: &Scope) -> Result<(), Refused> {
    let neighbourhood = case.terms.residence.as_ref().map_or("", |residence| &residence.neighbourhood_id);
    if case.reported.is_none() || !scope.allows(neighbourhood) {
        return Err(Refused::NotFound);
    }
    Ok(())
}

fn filed(events: Vec<Event>, terms: &CaseTerms) -> Decision<Event> {
    let Residence { neighbourhood_id, .. } = terms.residence.clone().unwrap_or_default();
    Decision::new(events).office(neighbourhood_id).subject(&terms.resident_id)
}

fn signature(call: &Call) -> Signature {
    Signature { by: call.principal.subject.clone(), unit: call.principal.unit.clone() }
}

fn shown(id: &str) -> impl Fn(&ConfirmedCase, u64) -> Resource + Send + Sync {
    move |case, version| {
        let Residence { neighbourhood_id, compound_id, .. } = case.terms.residence.clone().unwrap_or_default();
        let signed = |signature: &Option<Signature>| {
            signature.clone().map(|Signature { by, unit }| (by, unit)).unwrap_or_default()
        };
        let (reported_by, reported_unit) = signed(&case.reported);
        let (confirmed_by, confirmed_unit) = signed(&case.confirmed);
        let withdrawn = case.withdrawn.clone().unwrap_or_default();
        let state = match (&case.withdrawn, &case.confirmed) {
            (Some(_), _) => State::Withdrawn,
            (None, Some(_)) => State::Confirmed,
            (None, None) => State::Reported,
        };
        Resource {
            name: format!("{CASES}/{id}"),
            resident: format!("residents/{}", case.terms.resident_id),
            compound: format!("compounds/{compound_id}"),
            neighbourhood: format!("neighbourhoods/{neighbourhood_id}"),
            state: state.into(),
            infectious_from: case.terms.infectious_from.clone(),
            infectious_until: case.terms.infectious_until.clone(),
            evidence_ids: case.terms.evidence_ids.clone(),
            reported_by,
            reported_unit,
            confirmed_by,
            confirmed_unit,
            withdrawn_by: withdrawn.by,
            withdraw_reason: withdrawn.reason,
            etag: version.to_string(),
        }
    }
}

// ---- Fields ----

/// Papers that one case can rest on.
const MOST_EVIDENCE: usize = 20;

fn terms(request: &ReportCaseRequest, now: DateTime<Utc>) -> Result<(String, CaseTerms), Status> {
    let mut fields = Fields::new();
    let resident = fields.name("resident", "residents", &request.resident);
    let from = fields.date("infectious_from", &request.infectious_from);
    let until = fields.date("infectious_until", &request.infectious_until);
    if let Some((from, until)) = from.zip(until) {
        period(&mut fields, from, until, chassis::day_of(now));
    }
    fields.check(
        "evidence_ids",
        (1..=MOST_EVIDENCE).contains(&request.evidence_ids.len()),
        format!("需要 1 至 {MOST_EVIDENCE} 份证据的编号，例如检验报告：没有证据不能报告确诊病例"),
        format!("must hold 1 to {MOST_EVIDENCE} ids of evidence, such as the laboratory's report: no case without"),
    );
    let given = request.evidence_ids.iter().take(MOST_EVIDENCE).enumerate();
    let evidence_ids =
        given.map(|(at, id)| fields.required(format!("evidence_ids[{at}]"), id, 100).to_owned()).collect();
    let resident = fields.read(resident)?;
    let terms = CaseTerms {
        infectious_from: request.infectious_from.clone(),
        infectious_until: request.infectious_until.clone(),
        evidence_ids,
        ..CaseTerms::default()
    };
    Ok((resident, terms))
}

fn period(fields: &mut Fields, from: NaiveDate, until: NaiveDate, today: NaiveDate) {
    fields.check(
        "infectious_until",
        until <= today && from <= until,
        "应不早于起始日、不晚于今天：请核对传染期",
        "must not be before the first day nor after today: check in which days the person was infectious",
    );
    fields.check(
        "infectious_from",
        (until - from).num_days() < LONGEST,
        format!("传染期最多 {LONGEST} 天：请核对起始日"),
        format!("must leave {LONGEST} days at most: check the first day"),
    );
}
