//! Cases: opened, declared, scanned, judged, disputed, shown.

use std::sync::Arc;

use chassis::{Call, Decision, Done, Failure, Kind, Refuse as _, day_of, page};
use chrono::NaiveDate;
use proto::{
    access::v1::Role,
    screening::v1::{
        self,
        case_event::{Assessed, Event, EvidenceRecorded, Opened},
    },
};
use tonic::{Response, Status};

use super::{Api, fields, methods::fault, resources};
use crate::{
    assessor::{Addition, refused},
    domain::case::{Case, Refused, first_case_of, not_found},
    projections::cases,
};

/// How often a verdict is made again after somebody else was faster.
const ATTEMPTS: usize = 3;

/// A decision that holds for the version of the case that it was prepared on.
pub(super) type Prepared = Box<dyn Fn(&Case) -> Result<Decision<Event>, Refused> + Send + Sync>;

impl Api {
    pub(super) async fn open(&self, call: &Call, request: v1::OpenCaseRequest) -> Result<Response<v1::Case>, Status> {
        let (resident_id, occasion) = fields::opening(&request)?;
        self.ledger.settle(&call.after).await;
        let first = self.case_in_reach(call, &first_case_of(&resident_id)).await?.0;
        let known = first.opened().cloned().unwrap_or_default();
        let opened = Opened { occasion, phones: first.phones_on_record(), ..known };
        let id = call.id("case");
        let reply = |case: &Case, version| resources::case(&id, case, version, None);
        let open = |case: &Case, _| case.open(&opened);
        match self.ledger.transact::<Case, v1::Case, _, _, _>(call, &id, open, reply).await {
            Err(Failure::Reserved { .. }) => Err(refused(Refused::AlreadyOpen).into()),
            done => Ok(done?.into_response()),
        }
    }

    pub(super) async fn take_declaration(
        &self,
        call: &Call,
        request: v1::DeclareRequest,
    ) -> Result<Response<v1::Case>, Status> {
        let (case_id, declaration) = fields::declaration(request, call.now)?;
        if let Some(done) = self.ledger.done_before::<v1::Case>(call).await? {
            return self.answer(call, &case_id, done).await;
        }
        let declaration = &declaration;
        let prepare = |case: Arc<Case>| async move {
            let sealed = self.vault.seal(resident(&case), declaration).await?;
            Ok(Box::new(move |case: &Case| case.declare(&sealed)) as Prepared)
        };
        self.decide(call, &case_id, prepare).await
    }

    pub(super) async fn take_itinerary(
        &self,
        call: &Call,
        request: v1::RecordItineraryRequest,
    ) -> Result<Response<v1::Case>, Status> {
        let (case_id, scan) = fields::itinerary(&request, call.now)?;
        let by = call.principal.subject.clone();
        let scan = EvidenceRecorded { evidence_id: call.id("evidence"), by, ..scan };
        self.record_scan(call, &case_id, &scan, request.itinerary.as_ref(), None).await
    }

    /// A scan of one number, however it was come by; `None` where the carrier has no data. With the last number's the verdict.
    /// What was asked for long ago is taken only where the same number still stands in its place.
    pub(crate) async fn record_scan(
        &self,
        call: &Call,
        case_id: &str,
        scan: &EvidenceRecorded,
        itinerary: Option<&v1::Itinerary>,
        place_since: Option<&str>,
    ) -> Result<Response<v1::Case>, Status> {
        if let Some(done) = self.ledger.done_before::<v1::Case>(call).await? {
            return self.answer(call, case_id, done).await;
        }
        let prepare = |case: Arc<Case>| async move {
            case.accepts(scan.phone).map_err(refused)?;
            if place_since.is_some_and(|since| since != case.place_since(scan.phone)) {
                return Err(refused(Refused::NumberReplaced));
            }
            let mut evidence = scan.clone();
            if let Some(itinerary) = itinerary {
                evidence.itinerary = Some(self.vault.seal(resident(&case), itinerary).await?);
            }
            let mut verdict = None;
            if case.completes(scan.phone) {
                let addition = Addition { scan: Some((&evidence, itinerary)), struck: &[] };
                verdict = Some(self.judge(call, &case, addition, day_of(call.now)).await?);
            }
            Ok(Box::new(move |case: &Case| case.record(&evidence, verdict.as_ref())) as Prepared)
        };
        self.decide(call, case_id, prepare).await
    }

    pub(super) async fn assess(&self, call: &Call, name: &str) -> Result<Response<v1::Case>, Status> {
        let case_id = fields::name("case", "cases", name)?;
        if let Some(done) = self.ledger.done_before::<v1::Case>(call).await? {
            return self.answer(call, &case_id, done).await;
        }
        let prepare = |case: Arc<Case>| async move {
            if case.verdict().is_some() {
                return Err(refused(Refused::AlreadyAssessed));
            }
            let mut verdict = self.judge(call, &case, Addition::default(), day_of(call.now)).await?;
            // Set by hand, in a way: it is counted, and whoever asked for it does not answer a dispute about it.
            verdict.by.clone_from(&call.principal.subject);
            verdict.unit.clone_from(&call.principal.unit);
            Ok(Box::new(move |case: &Case| case.assess(&verdict)) as Prepared)
        };
        self.decide(call, &case_id, prepare).await
    }

    pub(super) async fn case(&self, call: &Call, name: &str) -> Result<Response<v1::Case>, Status> {
        let case_id = fields::name("name", "cases", name)?;
        let mut db = self.views.read(call).await?;
        let assessed_at = cases::assessed_at(&mut db, &case_id).await.map_err(fault)?;
        drop(db);
        let (case, version) = self.case_in_reach(call, &case_id).await?;
        let mut shown = resources::case(&case_id, &case, version, None);
        if let Some(verdict) = &mut shown.verdict {
            verdict.time = assessed_at;
        }
        self.add_reasons(call, &case, &mut shown).await?;
        Ok(Response::new(shown))
    }

    pub(super) async fn cases(
        &self,
        call: &Call,
        request: v1::ListCasesRequest,
    ) -> Result<Response<v1::ListCasesResponse>, Status> {
        let filter = fields::filter(&request)?;
        let after = page::after(&request.page_token)?;
        let size = page::size(request.page_size);
        let mut db = self.views.read(call).await?;
        let mut found = cases::list(&mut db, &call.principal.scope, &filter, &after, size + 1).await.map_err(fault)?;
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let more = found.len() > size;
        found.truncate(size);
        let last = found.last().and_then(|case| case.name.strip_prefix("cases/")).filter(|_| more);
        let next_page_token = last.map(page::token_after).unwrap_or_default();
        Ok(Response::new(v1::ListCasesResponse { cases: found, next_page_token }))
    }

    /// Prepares a decision on the case as it is, and takes it if nobody was faster; else prepares it again.
    pub(super) async fn decide<P, F>(
        &self,
        call: &Call,
        case_id: &str,
        prepare: P,
    ) -> Result<Response<v1::Case>, Status>
    where
        P: Fn(Arc<Case>) -> F + Send + Sync,
        F: Future<Output = Result<Prepared, Failure>> + Send,
    {
        let reply =
            |case: &Case, version, judged: bool| resources::case(case_id, case, version, judged.then_some(call.now));
        let done = self.decided(call, case_id, prepare, reply).await?;
        self.answer(call, case_id, done).await
    }

    /// The same with a reply of any kind, which hears whether another verdict came of it.
    pub(super) async fn decided<R, P, F, G>(
        &self,
        call: &Call,
        case_id: &str,
        prepare: P,
        reply: G,
    ) -> Result<Done<R>, Failure>
    where
        R: prost::Message + Default,
        P: Fn(Arc<Case>) -> F + Send + Sync,
        F: Future<Output = Result<Prepared, Failure>> + Send,
        G: Fn(&Case, u64, bool) -> R + Send + Sync,
    {
        self.ledger.settle(&call.after).await;
        let mut attempt = 1;
        loop {
            let (case, version) = self.case_in_reach(call, case_id).await?;
            let before = case.verdict().cloned();
            let prepared = prepare(case).await?;
            let decide = |case: &Case, now: u64| if now == version { prepared(case) } else { Err(Refused::Stale) };
            let reply = |case: &Case, version| reply(case, version, case.verdict() != before.as_ref());
            match self.ledger.transact::<Case, R, _, _, _>(call, case_id, decide, reply).await {
                Err(Failure::Refused(refusal)) if refusal.kind == Kind::Stale && attempt < ATTEMPTS => attempt += 1,
                done => return done,
            }
        }
    }

    /// The stored reply, and the reasons that must not be stored with it.
    pub(super) async fn answer(
        &self,
        call: &Call,
        case_id: &str,
        mut done: Done<v1::Case>,
    ) -> Result<Response<v1::Case>, Status> {
        let (case, version) = self.case_in_reach(call, case_id).await?;
        if done.reply.etag == version.to_string() {
            self.add_reasons(call, &case, &mut done.reply).await?;
        }
        Ok(done.into_response())
    }

    /// Foreign and missing answer alike.
    pub(crate) async fn case_in_reach(&self, call: &Call, case_id: &str) -> Result<(Arc<Case>, u64), Failure> {
        let (case, version) = self.ledger.load::<Case>(case_id).await?;
        if case.opened().is_some() && call.principal.scope.allows(case.neighbourhood()) {
            Ok((case, version))
        } else {
            Err(Failure::Refused(not_found().refusal()))
        }
    }

    async fn add_reasons(&self, call: &Call, case: &Case, shown: &mut v1::Case) -> Result<(), Failure> {
        if let (true, Some(known), Some(verdict)) = (sees_words(call), case.verdict(), &mut shown.verdict) {
            verdict.reasons = self.assessor.reasons(known).await?;
        }
        Ok(())
    }

    /// Under the version in force.
    pub(super) async fn judge(
        &self,
        call: &Call,
        case: &Case,
        addition: Addition<'_>,
        as_of: NaiveDate,
    ) -> Result<Assessed, Failure> {
        let rules = self.assessor.rules(&self.method_in_force(call).await?).await?;
        self.assessor.assess(case, addition, &rules, as_of).await
    }

    pub(super) async fn method_in_force(&self, call: &Call) -> Result<String, Failure> {
        match self.version_in_force(call).await {
            Ok(Some(version)) => Ok(version),
            Ok(None) => Err(refused(Refused::NoMethod)),
            Err(status) => Err(Failure::Unavailable(anyhow::Error::new(status))),
        }
    }
}

pub(super) fn resident(case: &Case) -> &str {
    case.opened().map_or("", |opened| &opened.resident_id)
}

/// Reasons, statements and findings are for those who act on them.
pub(super) fn sees_words(call: &Call) -> bool {
    matches!(call.principal.role, Role::Worker | Role::Director | Role::Health)
}
