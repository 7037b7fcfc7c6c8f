//! What the fields of requests may say. A place that nobody knows is not refused here: it makes a verdict that asks.

use chassis::{Fields, Refusal, day_of};
use chrono::{DateTime, NaiveDate, Utc};
use proto::screening::v1::{self, Declaration, Reasons, Source, case_event::EvidenceRecorded};
use tonic::Status;

use crate::projections::cases::Filter;

/// What is asked of carriers, and what workers enter.
mod entered;

pub(super) use entered::{CodeRequest, code_request, evidence, scan_request};

/// Characters of a place's name, of an answer, and of a statement.
pub(super) const PLACE: usize = 100;
pub(super) const ANSWER: usize = 500;
pub(super) const WORDS: usize = 2_000;
/// Stays of a declaration, visits of an itinerary: a phone that changes city every hour for a month stays below.
pub(super) const MOST: usize = 1_000;

pub(super) fn name(field: &str, collection: &str, value: &str) -> Result<String, Status> {
    let mut fields = Fields::new();
    let id = fields.name(field, collection, value);
    fields.read(id)
}

/// The name of a new version of the method.
pub(super) fn version(value: &str) -> Result<String, Status> {
    let mut fields = Fields::new();
    let legible = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'_' | b'-');
    fields.check(
        "version",
        (1..=64).contains(&value.len()) && value.bytes().all(legible),
        "版本号需为 1 至 64 个字母、数字或 . _ -，例如 2020-02-09",
        "must have 1 to 64 letters, digits or . _ -, for example 2020-02-09",
    );
    fields.done()?;
    Ok(value.to_owned())
}

pub(super) fn opening(request: &v1::OpenCaseRequest) -> Result<(String, String), Status> {
    let mut fields = Fields::new();
    let resident = fields.name("resident", "residents", &request.resident);
    let occasion = fields.required("occasion", &request.occasion, ANSWER).to_owned();
    fields.read(resident.map(|resident| (resident, occasion)))
}

pub(super) fn declaration(request: v1::DeclareRequest, now: DateTime<Utc>) -> Result<(String, Declaration), Status> {
    let mut fields = Fields::new();
    let case = fields.name("case", "cases", &request.case);
    let declaration = request.declaration;
    fields.check(
        "declaration",
        declaration.is_some(),
        "缺少申报内容：请先问清楚再提交，没去过外地也要提交一份空的行程",
        "is missing: ask the person first; somebody who was nowhere declares no stays",
    );
    let declaration = declaration.unwrap_or_default();
    fields.number("declaration.people", declaration.people, 0..=100);
    for (field, text) in [
        ("occupation", &declaration.occupation),
        ("arrival", &declaration.arrival),
        ("origin", &declaration.origin),
        ("transport", &declaration.transport),
        ("contact_with_cases", &declaration.contact_with_cases),
        ("health", &declaration.health),
        ("measures", &declaration.measures),
        ("close_contacts", &declaration.close_contacts),
    ] {
        fields.at_most(format!("declaration.{field}"), text, ANSWER);
    }
    fields.at_most("declaration.free_text", &declaration.free_text, WORDS);
    not_too_many(&mut fields, "declaration.stays", declaration.stays.len());
    for (at, stay) in declaration.stays.iter().enumerate().take(MOST) {
        let field = |name: &str| format!("declaration.stays[{at}].{name}");
        fields.required(field("place"), &stay.place, PLACE);
        let from = fields.date(field("from"), &stay.from);
        let to = fields.date(field("to"), &stay.to);
        in_order(&mut fields, &field("to"), from, to);
        not_in_future(&mut fields, &field("to"), to.max(from), now);
    }
    fields.read(case.map(|case| (case, declaration)))
}

/// A scan without its id, its recorder and its sealed itinerary.
pub(super) fn itinerary(
    request: &v1::RecordItineraryRequest,
    now: DateTime<Utc>,
) -> Result<(String, EvidenceRecorded), Status> {
    let mut fields = Fields::new();
    let case = fields.name("case", "cases", &request.case);
    fields.one_of::<Source>("source", request.source);
    let from = fields.date("window_from", &request.window_from);
    let to = fields.date("window_to", &request.window_to);
    in_order(&mut fields, "window_to", from, to);
    not_in_future(&mut fields, "window_to", to, now);
    let visits = request.itinerary.as_ref().map_or(&[][..], |itinerary| &itinerary.visits);
    visits_within(&mut fields, "itinerary.visits", visits, (from, to));
    let evidence = EvidenceRecorded {
        source: request.source,
        phone: request.phone,
        window_from: request.window_from.clone(),
        window_to: request.window_to.clone(),
        ..Default::default()
    };
    fields.read(case.map(|case| (case, evidence)))
}

fn visits_within(
    fields: &mut Fields,
    list: &str,
    visits: &[v1::Visit],
    (from, to): (Option<NaiveDate>, Option<NaiveDate>),
) {
    not_too_many(fields, list, visits.len());
    for (at, visit) in visits.iter().enumerate().take(MOST) {
        let field = |name: &str| format!("{list}[{at}].{name}");
        fields.required(field("place"), &visit.place, PLACE);
        let first = fields.date(field("first"), &visit.first);
        let last = fields.date(field("last"), &visit.last);
        in_order(fields, &field("last"), first, last);
        let within = |day: Option<NaiveDate>| {
            day.is_none_or(|day| from.is_none_or(|from| from <= day) && to.is_none_or(|to| day <= to))
        };
        fields.check(
            field("first"),
            within(first) && within(last),
            "日期不在查询时段之内：请核对 window_from 和 window_to",
            "is outside the window of the scan: check window_from and window_to",
        );
        if let Some(hours) = visit.hours {
            fields.number(field("hours"), hours, 0..=24);
        }
    }
}

pub(super) fn no_such_visit(reasons: &Reasons) -> Refusal {
    let mut fields = Fields::new();
    let most = reasons.visits.len().saturating_sub(1);
    fields.refuse(
        "struck_visits",
        format!("没有这条行程：序号应为 0 至 {most}"),
        format!("names a visit that is not there: positions go from 0 to {most}"),
    );
    fields.refusal().unwrap_or_else(crate::domain::case::not_found)
}

pub(super) fn filter(request: &v1::ListCasesRequest) -> Result<Filter, Status> {
    let mut fields = Fields::new();
    let mut filter = Filter { state: request.state, outcome: request.outcome, ..Filter::default() };
    if let Some(id) = request.parent.strip_prefix("residents/") {
        fields.name("parent", "residents", &request.parent);
        id.clone_into(&mut filter.resident);
    } else if !request.parent.is_empty() {
        filter.compound = fields.name("parent", "compounds", &request.parent).unwrap_or_default();
    }
    if request.state != 0 {
        fields.one_of::<v1::case::State>("state", request.state);
    }
    if request.outcome != 0 {
        fields.one_of::<v1::Outcome>("outcome", request.outcome);
    }
    fields.done()?;
    Ok(filter)
}

pub(super) fn in_order(fields: &mut Fields, field: &str, from: Option<NaiveDate>, to: Option<NaiveDate>) {
    if let (Some(from), Some(to)) = (from, to) {
        fields.check(
            field,
            from <= to,
            "结束日期早于开始日期：请核对两个日期",
            "lies before the first day: check both dates",
        );
    }
}

fn not_in_future(fields: &mut Fields, field: &str, date: Option<NaiveDate>, now: DateTime<Utc>) {
    let today = day_of(now);
    fields.check(
        field,
        date.is_none_or(|date| date <= today),
        format!("日期在今天（{today}）之后：只能填写已经过去的日子"),
        format!("lies after today ({today}): only days that have come can be recorded"),
    );
}

pub(super) fn not_too_many(fields: &mut Fields, field: &str, count: usize) {
    fields.check(
        field,
        count <= MOST,
        format!("最多 {MOST} 条：请分开填写"),
        format!("has more than {MOST} entries: record them separately"),
    );
}
