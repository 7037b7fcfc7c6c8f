//! What a day owes: each report with the hour by which it is due, and whether it is on record.

use std::collections::{BTreeMap, btree_map::Entry};

use chassis::{Call, Fields, page, timestamp};
use chrono::NaiveDate;
use proto::command::v1::{DueReport, FormScope, ListReportsRequest, ListReportsResponse, due_report::State};
use tonic::{Request, Response, Status};

use super::{Api, InForce, Reply, day, fault, in_force, within};
use crate::{
    domain::report::place,
    projections::reports::{self, Filed, Filings},
    reports::calendar,
};

pub(super) async fn list(api: &Api, request: Request<ListReportsRequest>) -> Reply<ListReportsResponse> {
    let call = Call::query(&request)?;
    let request = request.into_inner();
    let after = page::after(&request.page_token)?;
    let most = usize::try_from(page::size(request.page_size)).unwrap_or(usize::MAX);
    let mut fields = Fields::new();
    let form = fields.name_if_given("form", "forms", &request.form);
    fields.done()?;
    let named = day(&call, &request.day)?;
    let neighbourhood = within(&call.principal.scope, "neighbourhood", &request.neighbourhood)?;
    let names = api.source.as_of(&call, call.now).await?.names;
    let concerned: BTreeMap<&str, &str> = names
        .iter()
        .filter(|(id, _)| call.principal.scope.allows(id))
        .filter(|(id, _)| neighbourhood.as_ref().is_none_or(|named| named == *id))
        .map(|(id, name)| (id.as_str(), name.as_str()))
        .collect();
    let whole = neighbourhood.is_none() && call.principal.scope.allows("");
    let mut filed: BTreeMap<NaiveDate, Filings> = BTreeMap::new();
    let mut owed = Vec::new();
    for (owing, on) in owing(api, &call, named).await? {
        if form.as_ref().is_some_and(|form| *form != owing.id) {
            continue;
        }
        let filed = match filed.entry(on) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => {
                let mut db = api.views.read(&call).await?;
                unknown.insert(reports::of_day(&mut db, &call.principal.scope, on).await.map_err(fault)?)
            }
        };
        let report = |place: (&str, &str)| {
            let key = (owing.id.clone(), place.0.to_owned());
            due(&call, &owing, on, place, filed.get(&key))
        };
        if owing.content.scope() == FormScope::Subdistrict {
            owed.extend(whole.then(|| report(("", ""))));
        } else {
            let concerned = concerned.iter().filter(|(id, _)| owing.concerns(id));
            owed.extend(concerned.map(|(id, name)| report((id, name))));
        }
    }
    if request.open_only {
        owed.retain(|report| matches!(report.state(), State::Due | State::Overdue));
    }
    owed.sort_by(|one, other| one.name.cmp(&other.name));
    owed.retain(|report| report.name > after);
    let more = owed.len() > most;
    owed.truncate(most);
    let last = owed.last().filter(|_| more).map(|report| page::token_after(&report.name));
    Ok(Response::new(ListReportsResponse { reports: owed, next_page_token: last.unwrap_or_default() }))
}

/// Each form with the day that is asked for: the named one, or the last whose cut-off has passed.
async fn owing(api: &Api, call: &Call, named: Option<NaiveDate>) -> Result<Vec<(InForce, NaiveDate)>, Status> {
    let mut db = api.views.read(call).await?;
    if let Some(day) = named {
        return Ok(in_force(&mut db, day).await?.into_iter().map(|form| (form, day)).collect());
    }
    let mut owing = Vec::new();
    for form in in_force(&mut db, chassis::day_of(call.now)).await? {
        let last = calendar::last_day(&form.content, call.now);
        // That day may have had another version, or none.
        let then = in_force(&mut db, last).await?.into_iter().find(|then| then.id == form.id);
        owing.extend(then.map(|then| (then, last)));
    }
    Ok(owing)
}

fn due(
    call: &Call,
    form: &InForce,
    day: NaiveDate,
    (neighbourhood, display_name): (&str, &str),
    filed: Option<&Filed>,
) -> DueReport {
    let due = calendar::due(&form.content, day);
    let state = match filed {
        Some(filed) if filed.late => State::FiledLate,
        Some(_) => State::Filed,
        None if call.now < calendar::cut_off(&form.content, day) => State::Waiting,
        None if call.now <= due => State::Due,
        None => State::Overdue,
    };
    DueReport {
        name: format!("forms/{}/reports/{day}.{}", form.id, place(neighbourhood)),
        form: format!("forms/{}", form.id),
        title_zh: form.content.title_zh.clone(),
        title_en: form.content.title_en.clone(),
        day: day.to_string(),
        neighbourhood: if neighbourhood.is_empty() { String::new() } else { format!("neighbourhoods/{neighbourhood}") },
        display_name: display_name.to_owned(),
        due_time: Some(timestamp(due)),
        state: state.into(),
        file_time: filed.map(|filed| timestamp(filed.time)),
        file_by: filed.map(|filed| filed.by.clone()).unwrap_or_default(),
        zero: filed.is_some_and(|filed| filed.zero),
        corrections: filed.map_or(0, |filed| filed.corrections),
    }
}
