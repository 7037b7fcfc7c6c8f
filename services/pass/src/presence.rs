//! The edge for what the gates' record says of a compound: who is inside, how many cross at which hour, what to expect.

use std::collections::BTreeMap;

use chassis::{Call, Fields, Kind, Refusal, Scope, Views, day_of, page, reason, timestamp};
use chrono::{Days, NaiveDate};
use proto::pass::v1::{
    self, Forecast as ShownForecast, ForecastHour, GateDay, GateHours, GateShare, GetForecastRequest,
    GetGateHoursRequest, GetOccupancyRequest, HourCount, ListPresencesRequest, ListPresencesResponse, Occupancy,
    Whereabouts, presence_service_server::PresenceService,
};
use sqlx::AnyConnection;
use tonic::{Request, Response, Status};

use crate::{
    domain::forecast::{self, Expected, Forecast, HOURS},
    projections::{
        gates, hours, nameless,
        presence::{self, Filter, Tally},
    },
    resources::fault,
};

pub(crate) struct PresenceApi {
    pub(crate) views: Views,
}

#[tonic::async_trait]
impl PresenceService for PresenceApi {
    async fn get_occupancy(&self, request: Request<GetOccupancyRequest>) -> Result<Response<Occupancy>, Status> {
        let call = Call::query(&request)?;
        let mut fields = Fields::new();
        let compound = fields.name("compound", "compounds", &request.get_ref().compound);
        let compound = fields.read(compound)?;
        let scope = &call.principal.scope;
        let mut db = self.views.read(&call).await?;
        known(&mut db, scope, &compound).await?;
        let tallies = presence::count(&mut db, scope, &compound).await.map_err(fault)?;
        let nameless = nameless::of_compound(&mut db, scope, &compound).await.map_err(fault)?;
        let counted = occupancy(&tallies);
        Ok(Response::new(Occupancy {
            compound: format!("compounds/{compound}"),
            time: Some(timestamp(call.now)),
            nameless,
            ..counted
        }))
    }

    async fn list_presences(
        &self,
        request: Request<ListPresencesRequest>,
    ) -> Result<Response<ListPresencesResponse>, Status> {
        let call = Call::query(&request)?;
        let request = request.into_inner();
        let mut fields = Fields::new();
        let compound = fields.name("parent", "compounds", &request.parent);
        let gate = match request.gate.as_str() {
            "" => None,
            gate => fields.path("gate", ["compounds", "gates"], gate),
        };
        let whereabouts = match request.whereabouts {
            0 => None,
            wanted => fields.one_of::<Whereabouts>("whereabouts", wanted),
        };
        let compound = fields.read(compound)?;
        let (size, after) = (page::size(request.page_size), page::after(&request.page_token)?);
        let scope = &call.principal.scope;
        let mut db = self.views.read(&call).await?;
        known(&mut db, scope, &compound).await?;
        let filter = Filter { compound: &compound, gate: gate.as_ref(), whereabouts };
        let mut presences = presence::list(&mut db, scope, &filter, &after, size + 1).await.map_err(fault)?;
        let next_page_token = crate::api::cut(&mut presences, size)
            .map(|last| page::token_after(last.resident.trim_start_matches("residents/")))
            .unwrap_or_default();
        Ok(Response::new(ListPresencesResponse { presences, next_page_token }))
    }

    async fn get_gate_hours(&self, request: Request<GetGateHoursRequest>) -> Result<Response<GateHours>, Status> {
        let call = Call::query(&request)?;
        let request = request.into_inner();
        let mut fields = Fields::new();
        let compound = fields.name("compound", "compounds", &request.compound);
        let day = fields.date_if_given("day", &request.day).unwrap_or_else(|| day_of(call.now));
        let compound = fields.read(compound)?;
        let scope = &call.principal.scope;
        let mut db = self.views.read(&call).await?;
        known(&mut db, scope, &compound).await?;
        let gates = gates::of_compound(&mut db, scope, &compound).await.map_err(fault)?;
        let counted = hours::of_day(&mut db, scope, &compound, day).await.map_err(fault)?;
        Ok(Response::new(gate_hours(&compound, day, gates, counted)))
    }

    async fn get_forecast(&self, request: Request<GetForecastRequest>) -> Result<Response<ShownForecast>, Status> {
        let call = Call::query(&request)?;
        let request = request.into_inner();
        let today = day_of(call.now);
        let mut fields = Fields::new();
        let gate = fields.path("gate", ["compounds", "gates"], &request.gate);
        let day = fields.date_if_given("day", &request.day).unwrap_or(today + Days::new(1));
        let most = forecast::MOST_AHEAD;
        fields.check(
            "day",
            day <= today + most,
            format!("最多预报今后 {} 天：请选更近的日期", most.num_days()),
            format!("must be at most {} days ahead: ask for an earlier day", most.num_days()),
        );
        let [compound, gate] = fields.read(gate)?;
        let scope = &call.principal.scope;
        let mut db = self.views.read(&call).await?;
        let found = gates::find(&mut db, scope, &compound, &gate).await.map_err(fault)?;
        found.ok_or_else(crate::api::no_gate)?;
        // Today is not over: it would look emptier than it is.
        let days = (day - forecast::WEEKS_BACK, day.min(today));
        let history = hours::of_gate(&mut db, scope, (&compound, &gate), days).await.map_err(fault)?;
        let forecast = forecast::forecast(day, &history).ok_or_else(|| no_history(day))?;
        Ok(Response::new(shown(&format!("compounds/{compound}/gates/{gate}"), day, &forecast)))
    }
}

/// A compound within reach.
async fn known(db: &mut AnyConnection, scope: &Scope, compound: &str) -> Result<(), Status> {
    let found = gates::compound(db, scope, compound).await.map_err(fault)?;
    found.map(|_| ()).ok_or_else(|| no_compound().into())
}

/// Residents by where they were seen last.
fn occupancy(tallies: &[Tally]) -> Occupancy {
    let mut occupancy = Occupancy::default();
    let mut gates: BTreeMap<&str, GateShare> = BTreeMap::new();
    for tally in tallies {
        occupancy.residents += tally.people;
        if tally.by_hand {
            occupancy.by_hand += tally.people;
        }
        if tally.gate.is_empty() {
            occupancy.unknown += tally.people;
            continue;
        }
        let share = gates.entry(&tally.gate).or_default();
        match tally.whereabouts {
            Whereabouts::Inside => {
                occupancy.inside += tally.people;
                share.inside += tally.people;
            }
            Whereabouts::Outside => {
                occupancy.outside += tally.people;
                share.outside += tally.people;
            }
            Whereabouts::Unknown | Whereabouts::Unspecified => occupancy.unknown += tally.people,
        }
    }
    let named = |(gate, share): (&str, GateShare)| GateShare { gate: gate.to_owned(), ..share };
    occupancy.gates = gates.into_iter().map(named).collect();
    occupancy
}

fn gate_hours(compound: &str, day: NaiveDate, gates: Vec<String>, counted: Vec<(String, HourCount)>) -> GateHours {
    let empty = || (0..).take(HOURS).map(|hour| HourCount { hour, ..HourCount::default() }).collect::<Vec<_>>();
    let mut days: BTreeMap<String, Vec<HourCount>> = gates.into_iter().map(|gate| (gate, empty())).collect();
    let (mut of_all, mut total) = (empty(), HourCount::default());
    for (gate, count) in counted {
        let place = usize::try_from(count.hour).unwrap_or(0).min(HOURS - 1);
        add(&mut days.entry(gate).or_insert_with(empty)[place], &count);
        add(&mut of_all[place], &count);
        add(&mut total, &count);
    }
    let gates = days.into_iter().map(|(gate, hours)| {
        let mut total = HourCount::default();
        for hour in &hours {
            add(&mut total, hour);
        }
        GateDay { gate: format!("compounds/{compound}/gates/{gate}"), hours, total: Some(total) }
    });
    GateHours {
        compound: format!("compounds/{compound}"),
        day: day.to_string(),
        gates: gates.collect(),
        hours: of_all,
        total: Some(total),
    }
}

fn add(sum: &mut HourCount, count: &HourCount) {
    sum.entered += count.entered;
    sum.left += count.left;
    sum.refused += count.refused;
    sum.fevers += count.fevers;
}

fn shown(gate: &str, day: NaiveDate, forecast: &Forecast) -> ShownForecast {
    let count = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
    let row = |hour, entered: &Expected, left: &Expected| ForecastHour {
        hour,
        entered: entered.mean,
        entered_least: entered.least.into(),
        entered_most: entered.most.into(),
        left: left.mean,
        left_least: left.least.into(),
        left_most: left.most.into(),
    };
    let hours =
        (0..).zip(&forecast.entered).zip(&forecast.left).map(|((hour, entered), left)| row(hour, entered, left));
    ShownForecast {
        gate: gate.to_owned(),
        day: day.to_string(),
        days: count(forecast.days),
        same_weekdays: count(forecast.same_weekdays),
        first_day: forecast.first.to_string(),
        last_day: forecast.last.to_string(),
        hours: hours.collect(),
        total: Some(row(0, &forecast.entered_in_all, &forecast.left_in_all)),
    }
}

fn no_compound() -> Refusal {
    Refusal::new(
        Kind::NotFound,
        reason(v1::Refusal::NotFound.as_str_name()),
        "没有这个小区，或不在您的权限范围内：请核对小区编号",
        "there is no such compound within your reach: check its name",
    )
}

fn no_history(day: NaiveDate) -> Refusal {
    let weeks = forecast::WEEKS_BACK.num_weeks();
    Refusal::new(
        Kind::Precondition,
        reason(v1::Refusal::NoHistory.as_str_name()),
        format!("{day} 之前 {weeks} 周内，这个门岗没有一整天的通行记录，无从预报：请等满一天后再查"),
        format!(
            "this gate has no whole day on record within {weeks} weeks before {day}: ask again after a day of crossings"
        ),
    )
}
