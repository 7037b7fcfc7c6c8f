//! The RPCs of alarms: fields are read here, and the rest is the domain's.

use chassis::{Call, Failure, Fields, Ledger, Refuse as _, Views, page, timestamp};
use proto::command::v1::{
    AcknowledgeAlarmRequest, Alarm as Resource, AlarmRules, AssignAlarmRequest, CloseAlarmRequest, GetAlarmRequest,
    GetAlarmRulesRequest, ListAlarmsRequest, ListAlarmsResponse, SetAlarmRulesRequest,
    alarm_service_server::AlarmService,
};
use tonic::{Request, Response, Status};

use super::{
    shown::{ALARMS, listed, whole},
    timekeeping::filed,
};
use crate::{
    domain::{
        alarm::{Alarm, Event, Hand, Refused},
        alarm_rules::{Rules, STREAM, Stale},
    },
    projections::alarms,
};

pub(super) struct AlarmApi {
    pub(super) ledger: Ledger,
    pub(super) views: Views,
}

/// Characters of a note.
const LEAST: usize = 4;
const MOST: usize = 300;
/// So many digits in a row are somebody's number: a telephone has eleven, an identity card eighteen.
const DIGITS: usize = 11;

/// What each number may be: further out an alarm would never come, or always.
type Bounds = (&'static str, fn(&AlarmRules) -> i32, std::ops::RangeInclusive<i32>);
const BOUNDS: &[Bounds] = &[
    ("adverse_verdicts", |rules| rules.adverse_verdicts, 2..=200),
    ("manual_verdicts", |rules| rules.manual_verdicts, 2..=50),
    ("batch_minutes", |rules| rules.batch_minutes, 5..=1_440),
    ("silent_office_hours", |rules| rules.silent_office_hours, 1..=48),
    ("usual_days", |rules| rules.usual_days, 1..=7),
    ("silent_gate_minutes", |rules| rules.silent_gate_minutes, 5..=1_440),
    ("silent_gate_night_minutes", |rules| rules.silent_gate_night_minutes, 5..=1_440),
    ("night_from_hour", |rules| rules.night_from_hour, 0..=23),
    ("night_to_hour", |rules| rules.night_to_hour, 0..=23),
    ("late_hours", |rules| rules.late_hours, 1..=72),
    ("acknowledge_hours", |rules| rules.acknowledge_hours, 1..=72),
];

#[tonic::async_trait]
impl AlarmService for AlarmApi {
    async fn list_alarms(&self, request: Request<ListAlarmsRequest>) -> Result<Response<ListAlarmsResponse>, Status> {
        let call = Call::query(&request)?;
        let request = request.into_inner();
        let mut fields = Fields::new();
        let neighbourhood = fields.name_if_given("parent", "neighbourhoods", &request.parent).unwrap_or_default();
        fields.done()?;
        let (size, after) = (page::size(request.page_size), page::after(&request.page_token)?);
        let wanted =
            alarms::Wanted { neighbourhood_id: &neighbourhood, all: request.all, after: &after, size: size + 1 };
        let scope = &call.principal.scope;
        let mut db = self.views.read(&call).await?;
        let mut found = alarms::list(&mut db, scope, &wanted).await.map_err(Failure::from)?;
        let open = alarms::open_by_neighbourhood(&mut db, scope).await.map_err(Failure::from)?;
        drop(db);
        let more = found.len() > usize::try_from(size).unwrap_or(usize::MAX);
        if more {
            found.pop();
        }
        let next_page_token = found.last().filter(|_| more).map_or_else(String::new, |(at, _)| page::token_after(at));
        let mut resources = Vec::with_capacity(found.len());
        for (_, id) in found {
            let (alarm, version) = self.ledger.load::<Alarm>(&id).await?;
            resources.push(listed(&id)(&alarm, version));
        }
        Ok(Response::new(ListAlarmsResponse { alarms: resources, next_page_token, open }))
    }

    async fn get_alarm(&self, request: Request<GetAlarmRequest>) -> Result<Response<Resource>, Status> {
        let call = Call::query(&request)?;
        let mut fields = Fields::new();
        let id = fields.name("name", ALARMS, &request.get_ref().name);
        let id = fields.read(id)?;
        let (alarm, version) = self.ledger.load::<Alarm>(&id).await?;
        let reached = alarm.raised.as_ref().is_some_and(|raised| call.principal.scope.allows(&raised.neighbourhood_id));
        if !reached {
            return Err(Refused::NotFound.refusal().into());
        }
        Ok(Response::new(whole(&id)(&alarm, version)))
    }

    async fn acknowledge_alarm(&self, request: Request<AcknowledgeAlarmRequest>) -> Result<Response<Resource>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let AcknowledgeAlarmRequest { name, etag, .. } = request.get_ref();
        self.change(&call, Fields::new(), name, etag, Alarm::acknowledge).await
    }

    async fn assign_alarm(&self, request: Request<AssignAlarmRequest>) -> Result<Response<Resource>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let AssignAlarmRequest { name, etag, owner, .. } = request.get_ref();
        let mut fields = Fields::new();
        fields.name("owner", "staff", owner);
        self.change(&call, fields, name, etag, |alarm, hand, version| alarm.assign(owner, hand, version)).await
    }

    async fn close_alarm(&self, request: Request<CloseAlarmRequest>) -> Result<Response<Resource>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let CloseAlarmRequest { name, etag, note, .. } = request.get_ref();
        let mut fields = Fields::new();
        let note = words(&mut fields, "note", note);
        self.change(&call, fields, name, etag, |alarm, hand, version| alarm.close(note, hand, version)).await
    }

    async fn get_alarm_rules(&self, request: Request<GetAlarmRulesRequest>) -> Result<Response<AlarmRules>, Status> {
        Call::query(&request)?;
        let (rules, version) = self.ledger.load::<Rules>(STREAM).await?;
        Ok(Response::new(shown_rules(&rules, version)))
    }

    async fn set_alarm_rules(&self, request: Request<SetAlarmRulesRequest>) -> Result<Response<AlarmRules>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let given = request.get_ref().rules.clone().unwrap_or_default();
        let mut fields = Fields::new();
        for (name, number, range) in BOUNDS {
            fields.number(format!("rules.{name}"), number(&given), range.clone());
        }
        let reason = words(&mut fields, "reason", &request.get_ref().reason);
        let read = etag(&mut fields, "rules.etag", &given.etag);
        fields.done()?;
        let rules = AlarmRules {
            by: call.principal.subject.clone(),
            unit: call.principal.unit.clone(),
            set_time: Some(timestamp(call.now)),
            reason: reason.to_owned(),
            etag: String::new(),
            ..given
        };
        let decide = |known: &Rules, version| Ok::<_, Stale>(known.set(&rules, read, version)?.into());
        Ok(self.ledger.transact(&call, STREAM, decide, shown_rules).await?.into_response())
    }
}

impl AlarmApi {
    /// A decision on an alarm of this name, of which the caller has read that etag.
    async fn change<D>(
        &self,
        call: &Call,
        mut fields: Fields,
        name: &str,
        read: &str,
        decide: D,
    ) -> Result<Response<Resource>, Status>
    where
        D: Fn(&Alarm, &Hand, u64) -> Result<Vec<Event>, Refused> + Send + Sync,
    {
        let id = fields.name("name", ALARMS, name);
        let read = etag(&mut fields, "etag", read);
        let id = fields.read(id)?;
        let hand = Hand {
            by: call.principal.subject.clone(),
            unit: call.principal.unit.clone(),
            scope: call.principal.scope.clone(),
            now: call.now,
            read,
        };
        let decide = |alarm: &Alarm, version| Ok::<_, Refused>(filed(alarm, decide(alarm, &hand, version)?));
        Ok(self.ledger.transact(call, &id, decide, whole(&id)).await?.into_response())
    }
}

fn shown_rules(rules: &Rules, version: u64) -> AlarmRules {
    AlarmRules { etag: version.to_string(), ..rules.content() }
}

/// The version that was read; none where the caller does not say.
fn etag(fields: &mut Fields, field: &str, given: &str) -> Option<u64> {
    let read = given.parse().ok();
    fields.check(
        field,
        given.is_empty() || read.is_some(),
        "请原样填写读到的 etag，或者留空",
        "must be the etag that was read, or none",
    );
    read
}

/// What a person says about it: the record keeps it for ever, so it names nobody.
fn words<'a>(fields: &mut Fields, field: &'static str, text: &'a str) -> &'a str {
    let text = fields.required(field, text, MOST);
    fields.check(
        field,
        text.is_empty() || text.chars().count() >= LEAST,
        format!("至少 {LEAST} 个字：请写明原因和处理结果"),
        format!("must have at least {LEAST} characters: say why, and what came of it"),
    );
    let longest = text.split(|letter: char| !letter.is_ascii_digit()).map(str::len).max().unwrap_or(0);
    fields.check(
        field,
        longest < DIGITS,
        "不能写电话或证件号码：请改写为案件或订单的编号",
        "must not hold anybody's telephone or identity number: name a case or an order instead",
    );
    text
}
