//! Disputes: stated by the person or for them, weighed, answered by somebody else, listed by what is left of their time (R24).

use std::sync::Arc;

use chassis::{Call, Failure, Fields, day_of, page, timestamp};
use chrono::TimeDelta;
use proto::{
    Fact as _,
    screening::v1::{
        self, Proof, ProofKind, Source, Statement, StatementAuthor,
        case_event::{Assessed, DisputeResolved, Disputed, Event},
        dispute,
        dispute_service_server::DisputeService,
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
    assessor::{Addition, refused},
    domain::{
        case::{Case, Refused, not_found, says_the_same},
        method::Method,
    },
    messages,
    projections::{carrier_errors, disputes},
};

/// Proofs of one finding.
const PROOFS: usize = 20;

impl Api {
    pub(super) async fn dispute(
        &self,
        call: &Call,
        request: v1::DisputeCaseRequest,
    ) -> Result<Response<v1::Case>, Status> {
        let (case_id, statement, author) = stated(&request)?;
        if let Some(done) = self.ledger.done_before::<v1::Case>(call).await? {
            return self.answer(call, &case_id, done).await;
        }
        let statement = &statement;
        let prepare = |case: Arc<Case>| async move {
            let version = &case.verdict().ok_or_else(|| refused(Refused::NotAssessed))?.method_version;
            let (method, _) = self.ledger.load::<Method>(version).await?;
            let (hours, step) = method.content().map_or((0, 0), |content| {
                let step = content.escalation_hours;
                (content.dispute_hours, if step == 0 { content.dispute_hours } else { step })
            });
            let statement = self.vault.seal(resident(&case), statement).await?;
            let disputed = Disputed {
                statement: Some(statement),
                due: Some(timestamp(call.now + TimeDelta::hours(hours.into()))),
                by: call.principal.subject.clone(),
                author: author.into(),
                residence: case.residence().cloned(),
                escalation_hours: step,
                unit: call.principal.unit.clone(),
            };
            Ok(Box::new(move |case: &Case| case.dispute_verdict(&disputed)) as Prepared)
        };
        self.decide(call, &case_id, prepare).await
    }

    pub(super) async fn resolve(
        &self,
        call: &Call,
        request: v1::ResolveDisputeRequest,
    ) -> Result<Response<v1::Case>, Status> {
        let (case_id, finding) = found(&request)?;
        if let Some(done) = self.ledger.done_before::<v1::Case>(call).await? {
            return self.answer(call, &case_id, done).await;
        }
        let (finding, request, upheld) = (&finding, &request, request.upheld);
        let prepare = |case: Arc<Case>| async move {
            let by = &call.principal.subject;
            case.can_be_resolved_by(by).map_err(refused)?;
            let mut resolved =
                DisputeResolved { upheld, by: by.clone(), unit: call.principal.unit.clone(), ..Default::default() };
            resolved.evidence_ids = weighed(&case, &request.evidence_ids)?;
            resolved.finding = Some(self.vault.seal(resident(&case), finding).await?);
            let lifts = upheld && case.overriding().in_force().is_some();
            if upheld && !lifts && request.struck_visits.is_empty() {
                return Err(Failure::Refused(nothing_struck()));
            }
            let verdict = if upheld {
                resolved.struck = self.struck(&case, &request.struck_visits).await?;
                let addition = Addition { scan: None, struck: &resolved.struck };
                Some(self.judge(call, &case, addition, day_of(call.now)).await?)
            } else {
                self.overdue(call, &case).await?
            };
            Ok(Box::new(move |case: &Case| case.resolve(&resolved, verdict.as_ref())) as Prepared)
        };
        self.decide(call, &case_id, prepare).await
    }

    /// What a method that came into force during a dispute, or what was decided about a name, has left alone until it was
    /// answered. A verdict that was set by hand stands until its end.
    async fn overdue(&self, call: &Call, case: &Case) -> Result<Option<Assessed>, Failure> {
        let known = case.verdict().ok_or_else(|| refused(Refused::NotAssessed))?;
        let version = self.method_in_force(call).await?;
        let (_, sequence) = self.assessor.learned().await?;
        let same = known.method_version == version && known.vocabulary == sequence;
        if same || case.overriding().in_force().is_some() {
            return Ok(None);
        }
        let rules = self.assessor.rules(&version).await?;
        let as_of = known.as_of.parse().unwrap_or_else(|_| day_of(call.now));
        let verdict = self.assessor.assess(case, Addition::default(), &rules, as_of).await?;
        Ok(Some(verdict).filter(|verdict| !says_the_same(known, verdict)))
    }

    async fn struck(&self, case: &Case, positions: &[i32]) -> Result<Vec<v1::StruckVisit>, Failure> {
        if positions.is_empty() {
            return Ok(Vec::new());
        }
        let verdict = case.verdict().ok_or_else(|| refused(Refused::NotAssessed))?;
        let reasons = self.assessor.reasons(verdict).await?.ok_or_else(|| refused(Refused::Erased))?;
        messages::struck_visits(&reasons, positions).ok_or_else(|| Failure::Refused(fields::no_such_visit(&reasons)))
    }

    /// The words of a dispute and of its answer, from the log.
    async fn add_words(&self, case_id: &str, version: u64, shown: &mut v1::Dispute) -> Result<(), Failure> {
        let log = self.ledger.log();
        for record in log.read_stream(Event::CATEGORY, case_id, version.saturating_sub(1)).await? {
            match Event::from_payload(&record.payload).map_err(anyhow::Error::from)? {
                Event::Disputed(Disputed { statement: Some(words), .. }) if record.version == version => {
                    shown.statement = self.vault.reveal(&words).await?;
                }
                Event::DisputeResolved(DisputeResolved { finding: Some(words), .. }) => {
                    shown.finding = self.vault.reveal(&words).await?;
                    return Ok(());
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Evidence of the case that a finding was weighed against: all of it where none is named.
fn weighed(case: &Case, named: &[String]) -> Result<Vec<String>, Failure> {
    let own: Vec<String> = case.evidence().iter().map(|evidence| evidence.evidence_id.clone()).collect();
    if named.is_empty() {
        return Ok(own);
    }
    let mut fields = Fields::new();
    fields.check(
        "evidence_ids",
        named.iter().all(|id| own.contains(id)),
        "含有不属于这份排查的证据编号：请从结论所列的证据编号中选择",
        "names evidence that is not of this case: choose among the ids that its verdict names",
    );
    fields.refusal().map_or(Ok(named.to_vec()), |refusal| Err(Failure::Refused(refusal)))
}

fn nothing_struck() -> chassis::Refusal {
    let mut fields = Fields::new();
    fields.refuse(
        "struck_visits",
        "申诉成立时请列出有误的行程；不成立时不要列出",
        "an upheld dispute names the visits that are wrong; a rejected one names none",
    );
    fields.refusal().unwrap_or_else(not_found)
}

fn stated(request: &v1::DisputeCaseRequest) -> Result<(String, Statement, StatementAuthor), Status> {
    let mut fields = Fields::new();
    let case = fields.name("case", "cases", &request.case);
    let text = fields.required("statement", &request.statement, fields::WORDS).to_owned();
    let author = match request.author() {
        StatementAuthor::Unspecified if request.author == 0 => Some(StatementAuthor::Person),
        _ => fields.one_of("author", request.author),
    };
    let author_role = fields.at_most("author_role", &request.author_role, fields::ANSWER).to_owned();
    fields.check(
        "author_role",
        author.is_none_or(|author| author == StatementAuthor::Person) || !author_role.is_empty(),
        "由他人代为陈述时，请写明与本人的关系或职务，例如“长子”“单位人事科”",
        "says what the author is to the person where they do not speak for themselves, for example \"the elder son\"",
    );
    let read = case.zip(author);
    fields.read(read.map(|(case, author)| (case, Statement { text, author_role, proofs: Vec::new() }, author)))
}

fn found(request: &v1::ResolveDisputeRequest) -> Result<(String, Statement), Status> {
    let mut fields = Fields::new();
    let case = fields.name("case", "cases", &request.case);
    let text = fields.required("finding", &request.finding, fields::WORDS).to_owned();
    fields::not_too_many(&mut fields, "struck_visits", request.struck_visits.len());
    fields.check(
        "struck_visits",
        request.upheld || request.struck_visits.is_empty(),
        "申诉成立时请列出有误的行程；不成立时不要列出",
        "an upheld dispute names the visits that are wrong; a rejected one names none",
    );
    let proofs = &request.proofs;
    fields.check(
        "proofs",
        !request.upheld || !proofs.is_empty() || !request.evidence_ids.is_empty(),
        "申诉成立需要依据：请写明车票、单位证明等材料，或指明所依据的其他证据",
        "are missing: a dispute is upheld on something, such as a ticket, an employer's letter or other evidence of the case",
    );
    fields.check(
        "proofs",
        proofs.len() <= PROOFS,
        format!("最多 {PROOFS} 项：请只列最有力的"),
        format!("has more than {PROOFS} entries: name the strongest ones"),
    );
    for (at, proof) in proofs.iter().enumerate().take(PROOFS) {
        fields.one_of::<ProofKind>(format!("proofs[{at}].kind"), proof.kind);
        fields.required(format!("proofs[{at}].description"), &proof.description, fields::ANSWER);
    }
    let proofs: Vec<Proof> = proofs.clone();
    fields.read(case.map(|case| (case, Statement { text, proofs, author_role: String::new() })))
}

#[tonic::async_trait]
impl DisputeService for Api {
    async fn list_disputes(
        &self,
        request: Request<v1::ListDisputesRequest>,
    ) -> Result<Response<v1::ListDisputesResponse>, Status> {
        let call = Call::query(&request)?;
        let request = request.into_inner();
        let filter = filter(&request)?;
        let token = page::after(&request.page_token)?;
        let (due, dispute) = token.split_once(' ').unwrap_or(("", ""));
        let due = if token.is_empty() { i64::MIN } else { due.parse().unwrap_or(i64::MIN) };
        let size = page::size(request.page_size);
        let mut db = self.views.read(&call).await?;
        let found = disputes::list(&mut db, &call.principal.scope, &filter, (due, dispute), size + 1, call.now).await;
        let mut found = found.map_err(fault)?;
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let more = found.len() > size;
        found.truncate(size);
        let last = found.last().map(|(key, _)| key).filter(|_| more);
        let next_page_token = last.map(|(due, dispute)| page::token_after(&format!("{due} {dispute}")));
        Ok(Response::new(v1::ListDisputesResponse {
            next_page_token: next_page_token.unwrap_or_default(),
            disputes: found.into_iter().map(|(_, dispute)| dispute).collect(),
        }))
    }

    async fn get_dispute(&self, request: Request<v1::GetDisputeRequest>) -> Result<Response<v1::Dispute>, Status> {
        let call = Call::query(&request)?;
        let mut fields = Fields::new();
        let path = fields.path("name", ["cases", "disputes"], &request.get_ref().name);
        let [case_id, version] = fields.read(path)?;
        let mut db = self.views.read(&call).await?;
        let key = format!("{case_id}/{version}");
        let found = disputes::find(&mut db, &call.principal.scope, &key, call.now).await.map_err(fault)?;
        drop(db);
        let mut shown = found.ok_or_else(|| Status::from(not_found()))?;
        if sees_words(&call) {
            self.add_words(&case_id, version.parse().unwrap_or_default(), &mut shown).await?;
        }
        Ok(Response::new(shown))
    }

    async fn list_carrier_errors(
        &self,
        request: Request<v1::ListCarrierErrorsRequest>,
    ) -> Result<Response<v1::ListCarrierErrorsResponse>, Status> {
        let call = Call::query(&request)?;
        let request = request.into_inner();
        if request.source != 0 {
            let mut fields = Fields::new();
            fields.one_of::<Source>("source", request.source);
            fields.done()?;
        }
        let behind: i64 = page::after(&request.page_token)?.parse().unwrap_or(0);
        let size = page::size(request.page_size);
        let mut db = self.views.read(&call).await?;
        let mut found = carrier_errors::list(&mut db, request.source, behind, size + 1).await.map_err(fault)?;
        let most = usize::try_from(size).unwrap_or(usize::MAX);
        let more = found.len() > most;
        found.truncate(most);
        let next_page_token = if more { page::token_after(&(behind + size).to_string()) } else { String::new() };
        Ok(Response::new(v1::ListCarrierErrorsResponse { carrier_errors: found, next_page_token }))
    }
}

fn filter(request: &v1::ListDisputesRequest) -> Result<disputes::Filter, Status> {
    let mut fields = Fields::new();
    let mut filter = disputes::Filter { late: request.late, ..disputes::Filter::default() };
    if let Some(id) = request.parent.strip_prefix("residents/") {
        fields.name("parent", "residents", &request.parent);
        id.clone_into(&mut filter.resident);
    } else if !request.parent.is_empty() {
        filter.compound = fields.name("parent", "compounds", &request.parent).unwrap_or_default();
    }
    filter.state = if request.state == 0 {
        dispute::State::Open.into()
    } else {
        fields.one_of::<dispute::State>("state", request.state).unwrap_or_default().into()
    };
    if request.instance != 0 {
        filter.instance = fields.one_of::<v1::Instance>("instance", request.instance).unwrap_or_default().into();
    }
    fields.done()?;
    Ok(filter)
}
