//! The edge: fields are parsed, the caller's place is checked, and the answer is put together. What happens in between is
//! decided in `domain`.

use std::sync::Arc;

use chassis::{Call, Decision, Done, Fields, Ledger, Refusal, Refuse as _, Remembered, Views, page, timestamp};
use proto::pass::v1::{
    self, Access, CheckPassRequest, CheckPassResponse, Crossing, Direction, GetHolderRequest, IssuePassRequest,
    ListCrossingsRequest, ListCrossingsResponse, ListHoldersRequest, ListHoldersResponse, Pass, PassKind, Reason,
    RecordCrossingRequest, ReinstatePassRequest, RenewPassRequest, ReplacePassRequest, ReportLostRequest,
    RevokePassRequest, SuspendPassRequest, holder_event, pass_service_server::PassService,
};
use tonic::{Request, Response, Status};

use crate::{
    domain::{
        access::Limits,
        gate::{Passage, judge},
        gate_day::{self, Passed},
        holder::{Holder, Issue, Refused},
    },
    issuing::{Issuing, Wanted},
    passage,
    projections::{
        crossings, holders,
        method::Methods,
        residents::{self, Home},
    },
    report::{MOST_CODE, Reported},
    resources::{self, fault},
    roll::Roll,
};
pub(crate) use at_gate::{compound_or_gate, no_gate};
use at_gate::{find_gate, identify, place};
use taking::{evidence, workers_reason};

/// Whoever stands at a gate.
mod at_gate;
/// Keys and compounds taken back.
pub(crate) mod recalls;
/// Why a pass is taken, and what proves it.
mod taking;
/// What gates verify with.
pub(crate) mod verification;

#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) ledger: Ledger,
    pub(crate) views: Views,
    pub(crate) issuing: Issuing,
    pub(crate) roll: Arc<Roll>,
    pub(crate) remembered: Remembered,
    pub(crate) methods: Arc<Methods>,
}

#[tonic::async_trait]
impl PassService for Api {
    async fn issue_pass(&self, request: Request<IssuePassRequest>) -> Result<Response<Pass>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let IssuePassRequest { resident, surname, kind, access, .. } = request.into_inner();
        self.give(&call, Holder::issue, (&resident, &surname, kind, access)).await
    }

    async fn renew_pass(&self, request: Request<RenewPassRequest>) -> Result<Response<Pass>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let RenewPassRequest { resident, surname, kind, access, .. } = request.into_inner();
        self.give(&call, Holder::renew, (&resident, &surname, kind, access)).await
    }

    async fn report_lost(&self, request: Request<ReportLostRequest>) -> Result<Response<Pass>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let mut fields = Fields::new();
        let resident = fields.name("resident", "residents", &request.get_ref().resident);
        let resident = fields.read(resident)?;
        self.change(&call, &resident, |holder| holder.suspend(Reason::Lost, &[])).await
    }

    async fn replace_pass(&self, request: Request<ReplacePassRequest>) -> Result<Response<Pass>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let ReplacePassRequest { resident, surname, kind, access, .. } = request.into_inner();
        self.give(&call, Holder::replace, (&resident, &surname, kind, access)).await
    }

    async fn suspend_pass(&self, request: Request<SuspendPassRequest>) -> Result<Response<Pass>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let request = request.into_inner();
        let mut fields = Fields::new();
        let reason = workers_reason(&mut fields, request.reason, &[Reason::Lost, Reason::Lent]);
        let evidence = evidence(&mut fields, reason, &request.evidence_ids);
        let resident = fields.name("resident", "residents", &request.resident);
        let (resident, reason) = fields.read(resident.zip(reason))?;
        self.change(&call, &resident, |holder| holder.suspend(reason, &evidence)).await
    }

    async fn reinstate_pass(&self, request: Request<ReinstatePassRequest>) -> Result<Response<Pass>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let mut fields = Fields::new();
        let resident = fields.name("resident", "residents", &request.get_ref().resident);
        let resident = fields.read(resident)?;
        self.change(&call, &resident, Holder::reinstate).await
    }

    async fn revoke_pass(&self, request: Request<RevokePassRequest>) -> Result<Response<Pass>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let request = request.into_inner();
        let mut fields = Fields::new();
        let reasons = [Reason::Lost, Reason::Lent, Reason::IssuedInError];
        let reason = workers_reason(&mut fields, request.reason, &reasons);
        let evidence = evidence(&mut fields, reason, &request.evidence_ids);
        let resident = fields.name("resident", "residents", &request.resident);
        let (resident, reason) = fields.read(resident.zip(reason))?;
        self.change(&call, &resident, |holder| holder.revoke(reason, &evidence)).await
    }

    async fn get_holder(&self, request: Request<GetHolderRequest>) -> Result<Response<v1::Holder>, Status> {
        let call = Call::query(&request)?;
        let mut fields = Fields::new();
        let resident = fields.name("name", "residents", &request.get_ref().name);
        let resident = fields.read(resident)?;
        let home = self.home(&call, &resident).await?;
        // Who has seen a recall sees it here; while the record is still being read it is not said.
        self.remembered.caught_up(&call).await.ok();
        let (holder, version) = self.ledger.load::<Holder>(&resident).await?;
        let mut shown = resources::holder(&resident, &home, &holder, version);
        self.mark_recalled(&mut shown);
        Ok(Response::new(shown))
    }

    async fn list_holders(
        &self,
        request: Request<ListHoldersRequest>,
    ) -> Result<Response<ListHoldersResponse>, Status> {
        let call = Call::query(&request)?;
        let request = request.into_inner();
        let mut fields = Fields::new();
        let compound = fields.name_if_given("parent", "compounds", &request.parent);
        fields.done()?;
        let after = page::after(&request.page_token)?;
        let size = page::size(request.page_size);
        let mut db = self.views.read(&call).await?;
        let compound = compound.unwrap_or_default();
        let mut holders =
            holders::list(&mut db, &call.principal.scope, &compound, &after, size + 1).await.map_err(fault)?;
        let next_page_token = cut(&mut holders, size)
            .map(|last| page::token_after(last.name.trim_start_matches("residents/")))
            .unwrap_or_default();
        drop(db);
        self.remembered.caught_up(&call).await.ok();
        for holder in &mut holders {
            self.mark_recalled(holder);
        }
        Ok(Response::new(ListHoldersResponse { holders, next_page_token }))
    }

    async fn check_pass(&self, request: Request<CheckPassRequest>) -> Result<Response<CheckPassResponse>, Status> {
        let call = Call::query(&request)?;
        let request = request.into_inner();
        self.serves(&call).await?;
        let mut fields = Fields::new();
        let code = fields.required("code", &request.code, MOST_CODE);
        let gate = fields.path("gate", ["compounds", "gates"], &request.gate);
        let direction = Some(request.direction()).filter(|direction| *direction != Direction::Unspecified);
        let gate = fields.read(gate)?;
        let mut reading = self.views.reading(&call);
        let found = if self.remembered.caught_up(&call).await.is_ok() {
            let [compound, gate] = &gate;
            let gate = self.roll.gate(&call.principal.scope, compound, gate).ok_or_else(no_gate)?;
            passage::scan_from_memory(&self.roll, &*self.keys().await?, &gate, code, call.now)
        } else {
            // After a start the record is still being read: what is asked is found the slow way.
            let gate = find_gate(reading.db().await?, &call, &gate).await?;
            self.lookup(&gate, &*self.keys().await?, call.now).scan(&mut reading, code).await?
        };
        let (limits, outings) = if found.is_restricted() {
            let method = self.methods.in_force(&mut reading, call.now).await?;
            found.limits(&mut reading, method.as_ref(), call.now).await?
        } else {
            (Limits::default(), 0)
        };
        let passage =
            Passage { who: found.who(), at: call.now, direction, measured: None, fever_from: None, limits, outings };
        let verdict = resources::verdict(&judge(&passage), found.shown_resident());
        Ok(Response::new(CheckPassResponse { verdict: Some(verdict) }))
    }

    async fn record_crossing(&self, request: Request<RecordCrossingRequest>) -> Result<Response<Crossing>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        self.serves(&call).await?;
        let reported = match Reported::read(request.get_ref(), call.now) {
            Ok(reported) => reported,
            // What a gate's queue sends again may be too old by now; it has its answer all the same.
            Err(refused) => {
                let done = self.ledger.done_before::<Crossing>(&call).await?;
                return done.map(Done::into_response).ok_or(refused);
            }
        };
        let mut reading = self.views.reading(&call);
        let gate = match self.gate_from_memory(&call, &reported.gate).await {
            Some(gate) => gate,
            None => find_gate(reading.db().await?, &call, &reported.gate).await?,
        };
        let method = self.methods.in_force(&mut reading, reported.at).await?;
        let fever_from = method.as_ref().map(|method| method.fever_decicelsius);
        let keys = self.keys().await?;
        let lookup = self.lookup(&gate, &keys, reported.at);
        let found = identify(&lookup, &mut reading, &reported.identity).await?;
        let Reported { at, direction, measured, .. } = reported;
        let (limits, outings) = found.limits(&mut reading, method.as_ref(), at).await?;
        drop(reading);
        let (who, direction_said, measured_now) = (found.who(), Some(direction), Some(measured));
        let passage =
            Passage { who, at, direction: direction_said, measured: measured_now, fever_from, limits, outings };
        let judgement = judge(&passage);
        let crossing_id = call.id("crossing");
        let gate_name = format!("compounds/{}/gates/{}", gate.compound_id, gate.id);
        let crossing = Crossing {
            name: format!("{gate_name}/crossings/{crossing_id}"),
            gate: gate_name,
            cross_time: Some(timestamp(at)),
            direction: direction.into(),
            verdict: Some(resources::verdict(&judgement, found.shown_resident())),
            temperature_decicelsius: measured.decicelsius,
            mask: measured.mask,
        };
        let decision = gate_day::record(Passed {
            crossing_id,
            gate: place(&gate),
            at,
            direction,
            measured,
            person: found.into_person(),
            judgement: &judgement,
            counts_outings: limits.outings.is_some(),
        });
        let stream = gate_day::stream_id(&gate.id, at);
        Ok(self.ledger.collect(&call, &stream, decision, crossing).await?.into_response())
    }

    async fn list_crossings(
        &self,
        request: Request<ListCrossingsRequest>,
    ) -> Result<Response<ListCrossingsResponse>, Status> {
        let call = Call::query(&request)?;
        let request = request.into_inner();
        let [compound, gate] = compound_or_gate(&request.parent)?;
        let before = before(&request.page_token)?;
        let size = page::size(request.page_size);
        let mut db = self.views.read(&call).await?;
        let scope = &call.principal.scope;
        let (crossings, last) =
            crossings::list(&mut db, scope, (&compound, &gate), before, size).await.map_err(fault)?;
        // A full page may be the last one: the next is empty then.
        let full = i64::try_from(crossings.len()).is_ok_and(|rows| rows == size);
        let next_page_token =
            last.filter(|_| full).map(|last| page::token_after(&last.to_string())).unwrap_or_default();
        Ok(Response::new(ListCrossingsResponse { crossings, next_page_token }))
    }
}

impl Api {
    /// A resident within the caller's reach.
    async fn home(&self, call: &Call, resident: &str) -> Result<Home, Status> {
        let mut db = self.views.read(call).await?;
        let home = residents::find(&mut db, &call.principal.scope, resident).await.map_err(fault)?;
        home.ok_or_else(|| Refused::NotFound.refusal().into())
    }

    async fn change(
        &self,
        call: &Call,
        resident: &str,
        decide: impl Fn(&Holder) -> Result<Vec<holder_event::Event>, Refused> + Send + Sync,
    ) -> Result<Response<Pass>, Status> {
        let home = self.home(call, resident).await?;
        let decide = |holder: &Holder, _| -> Result<_, Refused> {
            let office = home.residence.neighbourhood_id.as_str();
            Ok(Decision::new(decide(holder)?).office(office).subject(resident))
        };
        let reply = |holder: &Holder, _| resources::pass(resident, holder).unwrap_or_default();
        Ok(self.ledger.transact(call, resident, decide, reply).await?.into_response())
    }

    /// A pass with its code, by whichever of the holder's decisions.
    async fn give(
        &self,
        call: &Call,
        by: fn(&Holder, Issue) -> Result<Vec<holder_event::Event>, Refused>,
        (resident, surname, kind, access): (&str, &str, i32, i32),
    ) -> Result<Response<Pass>, Status> {
        let mut fields = Fields::new();
        let resident = fields.name("resident", "residents", resident);
        fields.at_most("surname", surname, 20);
        let kind = if kind == 0 { Some(PassKind::Paper) } else { fields.one_of::<PassKind>("kind", kind) };
        let access = if access == 0 { Some(Access::Unspecified) } else { fields.one_of::<Access>("access", access) };
        let ((resident, kind), access) = fields.read(resident.zip(kind).zip(access))?;
        let home = self.home(call, &resident).await?;
        let wanted = Wanted { by, resident: &resident, home: &home, surname, kind, access };
        Ok(self.issuing.give(call, wanted).await?.into_response())
    }

    fn mark_recalled(&self, holder: &mut v1::Holder) {
        let resident = holder.name.trim_start_matches("residents/");
        if let Some(pass) = holder.pass.as_mut() {
            pass.recalled = self.roll.is_recalled(resident);
        }
    }
}

/// The position before which a page of a list begins that shows the newest first.
pub(crate) fn before(page_token: &str) -> Result<i64, Status> {
    match page::after(page_token)?.as_str() {
        "" => Ok(i64::MAX),
        position => position.parse().map_err(|_| foreign_token()),
    }
}

/// A token of another list: the first page in its place would be read for ever.
fn foreign_token() -> Status {
    Refusal::new(
        chassis::Kind::Invalid,
        "PAGE_TOKEN_INVALID",
        "翻页标记 page_token 不是这个列表的：请原样使用上一页返回的 next_page_token，或留空从第一页开始",
        "the page_token is another list's: pass the last answer's next_page_token as it is, or none to start over",
    )
    .into()
}

/// Cuts a list that was read one row too long, and gives the last row that stays where there is another page.
pub(crate) fn cut<T>(rows: &mut Vec<T>, size: i64) -> Option<&T> {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    if rows.len() <= size {
        return None;
    }
    rows.truncate(size);
    rows.last()
}
