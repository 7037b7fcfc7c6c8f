//! The two full coverages (两个全覆盖): every household visited, every key person seen, and what is overdue.

use chassis::{CALENDAR, Call, Fields, day_of};
use chrono::{DateTime, Days, NaiveTime, Utc};
use proto::registry::v1::{
    ListCoverageRequest, ListCoverageResponse, ListOverdueHouseholdsRequest, ListOverdueHouseholdsResponse,
};
use tonic::{Request, Status};

use super::{Answer, Api, fault};
use crate::projections::{
    Asked,
    coverage::{self, By, Measure},
};

/// Within how many days a household counts as visited where nobody says: the longest incubation that the plans of 2020
/// counted with. The method has no place for it yet.
const HOUSEHOLD_DAYS: i32 = 14;
/// Within how many days a key person counts as seen where nobody says.
pub(super) const KEY_PERSON_DAYS: i32 = 3;

pub(super) async fn list(api: &Api, request: Request<ListCoverageRequest>) -> Answer<ListCoverageResponse> {
    let call = Call::query(&request)?;
    let given = request.into_inner();
    let asked = Asked::new(given.page_size, &given.page_token)?;
    let measure = measure(&call, given.days, given.key_person_days)?;
    let place = api.within(&call, &given.parent).await?;
    let by = if given.by_building { By::Building } else { By::Compound };
    let mut db = api.views.read(&call).await?;
    let scope = &call.principal.scope;
    let page = coverage::list(&mut db, scope, &place, (&measure, by), &asked).await.map_err(fault)?;
    let all = Asked::new(1, "")?;
    let total = coverage::list(&mut db, scope, &place, (&measure, By::Total), &all).await.map_err(fault)?;
    let total = Some(total.rows.into_iter().next().unwrap_or_default());
    Ok(ListCoverageResponse { coverages: page.rows, next_page_token: page.next, total }.into())
}

pub(super) async fn overdue(
    api: &Api,
    request: Request<ListOverdueHouseholdsRequest>,
) -> Answer<ListOverdueHouseholdsResponse> {
    let call = Call::query(&request)?;
    let given = request.into_inner();
    let asked = Asked::new(given.page_size, &given.page_token)?;
    let measure = measure(&call, given.days, 0)?;
    let place = api.within(&call, &given.parent).await?;
    let mut db = api.views.read(&call).await?;
    let page = coverage::overdue(&mut db, &call.principal.scope, &place, &measure, &asked).await.map_err(fault)?;
    Ok(ListOverdueHouseholdsResponse { households: page.rows, next_page_token: page.next }.into())
}

fn measure(call: &Call, days: i32, key_person_days: i32) -> Result<Measure, Status> {
    let mut fields = Fields::new();
    let households = since(&mut fields, "days", days, HOUSEHOLD_DAYS, call.now);
    let key_persons = since(&mut fields, "key_person_days", key_person_days, KEY_PERSON_DAYS, call.now);
    let (since, key_since) = fields.read(households.zip(key_persons))?;
    Ok(Measure { today: day_of(call.now), since, key_since })
}

/// The beginning of the day that lies so many days back, in microseconds.
pub(super) fn since(fields: &mut Fields, field: &str, days: i32, default: i32, now: DateTime<Utc>) -> Option<i64> {
    let days = if days == 0 { default } else { days };
    let days = fields.number(field, days, 1..=366)?;
    let first = day_of(now).checked_sub_days(Days::new(u64::try_from(days).ok()?))?;
    Some(first.and_time(NaiveTime::MIN).and_local_timezone(CALENDAR).single()?.timestamp_micros())
}
