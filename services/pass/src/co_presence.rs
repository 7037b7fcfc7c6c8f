//! The edge for questions about a confirmed case's contacts: who may ask is decided first, and the question is on record
//! before its answer leaves.

use chassis::{CALENDAR, Call, Decision, Failure, Fields, Ledger, Refuse as _, Views, page, timestamp};
use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};
use proto::pass::v1::{
    CoPresence, CoPresenceQuery, FindCoPresenceRequest, ListCoPresenceQueriesRequest, ListCoPresenceQueriesResponse,
    co_presence_event::Asked, co_presence_service_server::CoPresenceService,
};
use tonic::{Request, Response, Status};

use crate::{
    domain::co_presence::{self, Case, MOST_MINUTES, Refused, Signature},
    projections::{
        confirmed_cases,
        meetings::{self, Met, Sought},
        queries,
    },
    resources::fault,
};

pub(crate) struct CoPresenceApi {
    pub(crate) ledger: Ledger,
    pub(crate) views: Views,
}

/// Of the collection in names.
const CASES: &str = "confirmed-cases";
/// People whom one answer names, and meetings that it is made of.
const MOST_PEOPLE: usize = 2_000;
const MOST_MEETINGS: i64 = 20_000;

#[tonic::async_trait]
impl CoPresenceService for CoPresenceApi {
    async fn find_co_presence(&self, request: Request<FindCoPresenceRequest>) -> Result<Response<CoPresence>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let question = Question::read(request.get_ref())?;
        if let Some(done) = self.ledger.done_before::<CoPresence>(&call).await? {
            return Ok(done.into_response());
        }
        let scope = &call.principal.scope;
        let mut db = self.views.read(&call).await?;
        let case = confirmed_cases::find(&mut db, scope, &question.case).await.map_err(fault)?;
        let case = case.ok_or_else(|| refuse(Refused::NotFound))?;
        let asking = Signature { by: call.principal.subject.clone(), unit: call.principal.unit.clone() };
        case.may_be_asked_by(&asking).map_err(refuse)?;
        let (from, to) = question.days(&case)?;
        let sought = Sought {
            resident_id: &case.resident_id,
            from: midnight(from),
            before: midnight(to + Days::new(1)),
            within: TimeDelta::minutes(question.minutes.into()),
        };
        let met = meetings::of(&mut db, scope, &sought, MOST_MEETINGS).await.map_err(fault)?;
        drop(db);
        let met = met.filter(|met| met.contacts.len() <= MOST_PEOPLE).ok_or_else(|| refuse(Refused::TooManyPeople))?;
        let asked = question.asked(&call, &case, (from, to), &met);
        let answer = CoPresence {
            query: Some(shown(&asked, call.now)),
            resident: format!("residents/{}", case.resident_id),
            contacts: met.contacts,
        };
        let decision =
            Decision::new(co_presence::ask(asked)).office(&*case.neighbourhood_id).subject(&*case.resident_id);
        Ok(self.ledger.collect(&call, &case.id, decision, answer).await?.into_response())
    }

    async fn list_co_presence_queries(
        &self,
        request: Request<ListCoPresenceQueriesRequest>,
    ) -> Result<Response<ListCoPresenceQueriesResponse>, Status> {
        let call = Call::query(&request)?;
        let request = request.into_inner();
        let mut fields = Fields::new();
        let case = fields.name_if_given("parent", CASES, &request.parent).unwrap_or_default();
        fields.done()?;
        let before = crate::api::before(&request.page_token)?;
        let size = page::size(request.page_size);
        let mut db = self.views.read(&call).await?;
        let (queries, last) =
            queries::list(&mut db, &call.principal.scope, &case, before, size).await.map_err(fault)?;
        // A full page may be the last one: the next is empty then.
        let full = i64::try_from(queries.len()).is_ok_and(|rows| rows == size);
        let next_page_token =
            last.filter(|_| full).map(|last| page::token_after(&last.to_string())).unwrap_or_default();
        Ok(Response::new(ListCoPresenceQueriesResponse { queries, next_page_token }))
    }
}

/// What was asked, as far as the request alone tells.
struct Question {
    case: String,
    from: Option<NaiveDate>,
    to: Option<NaiveDate>,
    minutes: i32,
    reason: String,
}

impl Question {
    fn read(request: &FindCoPresenceRequest) -> Result<Self, Status> {
        let mut fields = Fields::new();
        let case = fields.name("case", CASES, &request.case);
        let from = fields.date_if_given("from", &request.from);
        let to = fields.date_if_given("to", &request.to);
        let minutes = if request.minutes == 0 { MOST_MINUTES } else { request.minutes };
        fields.number("minutes", minutes, 1..=MOST_MINUTES);
        let reason = fields.required("reason", &request.reason, 200).to_owned();
        fields.check(
            "reason",
            reason.is_empty() || reason.chars().count() >= 4,
            "至少 4 个字：请写明为什么要查，例如流调编号",
            "must have at least 4 characters: say why you ask, such as the number of the inquiry",
        );
        let case = fields.read(case)?;
        Ok(Self { case, from, to, minutes, reason })
    }

    /// The days that are asked for, both included: those of the case where the request names none.
    fn days(&self, case: &Case) -> Result<(NaiveDate, NaiveDate), Status> {
        let (first, last) = case.infectious;
        let (from, to) = (self.from.unwrap_or(first), self.to.unwrap_or(last));
        let mut fields = Fields::new();
        fields.check(
            "from",
            case.covers(from, to),
            format!("日期必须在该病例的传染期内（{first} 至 {last}）：请更正起止日期"),
            format!(
                "must lie, with `to`, within the days in which the case was infectious, {first} to {last}: correct them"
            ),
        );
        fields.done()?;
        Ok((from, to))
    }

    fn asked(self, call: &Call, case: &Case, (from, to): (NaiveDate, NaiveDate), met: &Met) -> Asked {
        Asked {
            query_id: call.id("co-presence query"),
            case_id: case.id.clone(),
            from: from.to_string(),
            to: to.to_string(),
            minutes: self.minutes,
            reason: self.reason,
            by: call.principal.subject.clone(),
            unit: call.principal.unit.clone(),
            crossings: met.crossings,
            people: i32::try_from(met.contacts.len()).unwrap_or(i32::MAX),
            nameless: met.nameless,
        }
    }
}

fn shown(asked: &Asked, at: DateTime<Utc>) -> CoPresenceQuery {
    let asked = asked.clone();
    let case = format!("{CASES}/{}", asked.case_id);
    CoPresenceQuery {
        name: format!("{case}/queries/{}", asked.query_id),
        case,
        from: asked.from,
        to: asked.to,
        minutes: asked.minutes,
        reason: asked.reason,
        asked_by: asked.by,
        unit: asked.unit,
        time: Some(timestamp(at)),
        crossings: asked.crossings,
        people: asked.people,
        nameless: asked.nameless,
    }
}

/// The beginning of a day in Asia/Shanghai.
fn midnight(day: NaiveDate) -> DateTime<Utc> {
    let midnight = day.and_time(NaiveTime::MIN).and_local_timezone(CALENDAR).single();
    midnight.expect("an offset that never changes knows every midnight").to_utc()
}

fn refuse(refused: Refused) -> Status {
    Failure::Refused(refused.refusal()).into()
}
