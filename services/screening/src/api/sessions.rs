//! Sessions: opened, closed, shown with what came of them.

use std::collections::HashSet;

use chassis::{Call, Failure, Fields, Refuse as _, page};
use chrono::DateTime;
use proto::screening::v1::{
    self, SessionCase, session,
    session_event::{Closed, Opened},
    session_service_server::SessionService,
};
use sqlx::AnyConnection;
use tonic::{Request, Response, Status};

use super::{Api, methods::fault};
use crate::{
    domain::session::{Refused, Session},
    projections::{
        hand_overs, homes,
        sessions::{self, Round},
    },
    round::{Screened, figures, screened, seconds},
};

/// People on one session.
const MOST_STAFF: usize = 50;

#[tonic::async_trait]
impl SessionService for Api {
    async fn open_session(&self, request: Request<v1::OpenSessionRequest>) -> Result<Response<v1::Session>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let request = request.into_inner();
        let mut fields = Fields::new();
        let place = place(&mut fields, "place", &request.place);
        let staff = staff(&mut fields, &request.staff, &call);
        let place = fields.read(place)?;
        let mut db = self.views.read(&call).await?;
        let neighbourhood = homes::neighbourhood(&mut db, &call.principal.scope, &place).await.map_err(fault)?;
        drop(db);
        let Some(neighbourhood_id) = neighbourhood else { return Err(Refused::NoSuchPlace.refusal().into()) };
        let (by, unit) = (call.principal.subject.clone(), call.principal.unit.clone());
        let opened = Opened { neighbourhood_id, place, staff, by, unit };
        let id = call.id("session");
        let reply = |session: &Session, version| shown(&id, session, version, &call);
        let open = |session: &Session, _| session.open(&opened);
        match self.ledger.begin::<Session, v1::Session, _, _, _>(&call, &id, open, reply).await {
            Err(Failure::Reserved { .. }) => Err(Refused::AlreadyOpen.refusal().into()),
            done => Ok(done?.into_response()),
        }
    }

    async fn close_session(&self, request: Request<v1::CloseSessionRequest>) -> Result<Response<v1::Session>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let id = super::fields::name("name", "sessions", &request.get_ref().name)?;
        let (session, _) = self.ledger.load::<Session>(&id).await?;
        if session.opened().is_none() || !call.principal.scope.allows(session.neighbourhood()) {
            return Err(Refused::NotFound.refusal().into());
        }
        let closed = Closed { by: call.principal.subject.clone(), unit: call.principal.unit.clone() };
        let reply = |session: &Session, version| shown(&id, session, version, &call);
        let close = |session: &Session, _| session.close(&closed);
        Ok(self.ledger.transact::<Session, v1::Session, _, _, _>(&call, &id, close, reply).await?.into_response())
    }

    async fn get_session(&self, request: Request<v1::GetSessionRequest>) -> Result<Response<v1::Session>, Status> {
        let call = Call::query(&request)?;
        let mut db = self.views.read(&call).await?;
        let round = find(&mut db, &call, "name", &request.get_ref().name).await?;
        let (cases, hand_overs) = came_of(&mut db, &call, &round).await.map_err(fault)?;
        let figures = Some(figures(&cases, hand_overs.len()));
        Ok(Response::new(v1::Session { figures, hand_overs, ..round.session }))
    }

    async fn list_sessions(
        &self,
        request: Request<v1::ListSessionsRequest>,
    ) -> Result<Response<v1::ListSessionsResponse>, Status> {
        let call = Call::query(&request)?;
        let request = request.into_inner();
        let mut fields = Fields::new();
        let parent = if request.parent.is_empty() {
            String::new()
        } else {
            place(&mut fields, "parent", &request.parent).unwrap_or_default()
        };
        if request.state != 0 {
            fields.one_of::<session::State>("state", request.state);
        }
        fields.done()?;
        let before = page::after(&request.page_token)?.parse().unwrap_or(i64::MAX);
        let size = page::size(request.page_size);
        let mut db = self.views.read(&call).await?;
        let asked = (parent.as_str(), request.state());
        let found = sessions::list(&mut db, &call.principal.scope, asked, before, size + 1).await;
        let mut rounds = found.map_err(fault)?;
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let more = rounds.len() > size;
        rounds.truncate(size);
        let last = rounds.last().filter(|_| more).map(|round| round.position.to_string());
        let mut shown = Vec::with_capacity(rounds.len());
        for round in rounds {
            let (cases, hand_overs) = came_of(&mut db, &call, &round).await.map_err(fault)?;
            shown.push(v1::Session { figures: Some(figures(&cases, hand_overs.len())), ..round.session });
        }
        let next_page_token = last.map(|last| page::token_after(&last)).unwrap_or_default();
        Ok(Response::new(v1::ListSessionsResponse { sessions: shown, next_page_token }))
    }

    async fn list_session_cases(
        &self,
        request: Request<v1::ListSessionCasesRequest>,
    ) -> Result<Response<v1::ListSessionCasesResponse>, Status> {
        let call = Call::query(&request)?;
        let request = request.into_inner();
        let (after, size) = (page::after(&request.page_token)?, page::size(request.page_size));
        let mut db = self.views.read(&call).await?;
        let round = find(&mut db, &call, "parent", &request.parent).await?;
        let cases = screened(sessions::touches(&mut db, &round).await.map_err(fault)?);
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let behind = cases.iter().position(|case| case.case_id == after).map_or(0, |place| place + 1);
        let page = cases.iter().skip(behind).take(size);
        let last = page.clone().next_back().filter(|_| cases.len() > behind.saturating_add(size));
        let next_page_token = last.map(|case| page::token_after(&case.case_id)).unwrap_or_default();
        Ok(Response::new(v1::ListSessionCasesResponse { cases: page.map(case).collect(), next_page_token }))
    }
}

/// Foreign and missing answer alike.
async fn find(db: &mut AnyConnection, call: &Call, field: &str, name: &str) -> Result<Round, Status> {
    let id = super::fields::name(field, "sessions", name)?;
    let round = sessions::find(db, &call.principal.scope, &id).await.map_err(fault)?;
    round.ok_or_else(|| Refused::NotFound.refusal().into())
}

/// Its cases, and who of them was handed over since it was opened: vehicles come when they come.
async fn came_of(
    db: &mut AnyConnection,
    call: &Call,
    round: &Round,
) -> anyhow::Result<(Vec<Screened>, Vec<v1::SessionHandOver>)> {
    let cases = screened(sessions::touches(db, round).await?);
    let neighbourhood = round.session.neighbourhood.trim_start_matches("neighbourhoods/");
    let opened = round.session.open_time.as_ref().and_then(chassis::instant).map_or(0, |time| time.timestamp_micros());
    let mut hand_overs = hand_overs::since(db, &call.principal.scope, neighbourhood, opened).await?;
    let here: HashSet<&str> = cases.iter().map(|case| case.case_id.as_str()).collect();
    hand_overs.retain(|done| here.contains(done.case.trim_start_matches("cases/")));
    Ok((cases, hand_overs))
}

/// compounds/{compound} or grids/{grid}
fn place(fields: &mut Fields, field: &str, name: &str) -> Option<String> {
    let collection = if name.starts_with("grids/") { "grids" } else { "compounds" };
    fields.name(field, collection, name).map(|id| format!("{collection}/{id}"))
}

/// Whoever opens it is on it.
fn staff(fields: &mut Fields, named: &[String], call: &Call) -> Vec<String> {
    let mut staff = vec![call.principal.subject.clone()];
    fields.check(
        "staff",
        named.len() <= MOST_STAFF,
        "一场排查最多 50 人：请分成几场",
        "has more than 50 people: make several sessions of it",
    );
    for (at, name) in named.iter().take(MOST_STAFF).enumerate() {
        let name = fields.name(format!("staff[{at}]"), "staff", name).map(|id| format!("staff/{id}"));
        staff.extend(name.filter(|name| !staff.contains(name)));
    }
    staff
}

/// As it is kept with the command: its figures are the views'.
fn shown(id: &str, session: &Session, version: u64, call: &Call) -> v1::Session {
    let opened = session.opened().cloned().unwrap_or_default();
    let closing = session.standing() == session::State::Closed;
    v1::Session {
        name: format!("sessions/{id}"),
        place: opened.place,
        neighbourhood: format!("neighbourhoods/{}", opened.neighbourhood_id),
        state: session.standing().into(),
        staff: opened.staff,
        opened_by: opened.by,
        open_time: (!closing).then(|| chassis::timestamp(call.now)),
        closed_by: session.closed().map(|closed| closed.by.clone()).unwrap_or_default(),
        close_time: closing.then(|| chassis::timestamp(call.now)),
        etag: version.to_string(),
        ..v1::Session::default()
    }
}

fn case(of: &Screened) -> SessionCase {
    let time = |at: i64| DateTime::from_timestamp_micros(at).map(chassis::timestamp);
    SessionCase {
        case: format!("cases/{}", of.case_id),
        household: format!("households/{}", of.household_id),
        resident: format!("residents/{}", of.resident_id),
        first_touch_time: time(of.first),
        verdict_time: of.verdict.and_then(|verdict| time(verdict.at)),
        seconds: seconds(of),
        outcome: of.verdict.map_or(0, |verdict| verdict.outcome.into()),
        measure: of.verdict.map_or(0, |verdict| verdict.measure.into()),
    }
}
