//! Reports: filled from what is known, put on record, shown as they were put there.

use std::collections::BTreeMap;

use chassis::{Call, Decision, Fields, Scope, day_of, timestamp};
use chrono::{DateTime, NaiveDate, Utc};
use prost::Message as _;
use proto::command::v1::{
    FileReportRequest, FillReportRequest, FormScope, GetReportRequest, Report as Resource, ReportCell, ReportRow,
};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::{Api, InForce, Reply, day, fault, in_force, questions, refused, within};
use crate::{
    domain::{
        not_found,
        report::{self, Filing, Report},
        stale,
    },
    hiding::sees_people,
    projections::answers,
    reports::{
        calendar,
        filling::{self, Before, Place, Questions, Table},
        hiding,
    },
};

/// A random UUID of our own, under which contents are named.
const NAMESPACE: Uuid = Uuid::from_u128(0x51c7_0b2e_9d64_4f0a_8e13_6ab9_c204_d7f5);

pub(super) async fn fill(api: &Api, request: Request<FillReportRequest>) -> Reply<Resource> {
    let call = Call::query(&request)?;
    let FillReportRequest { form, day, neighbourhood, cut_off_time } = request.into_inner();
    let asked = asked(api, &call, &form, &day).await?;
    let neighbourhood = within(&call.principal.scope, "neighbourhood", &neighbourhood)?;
    let usual = calendar::cut_off(&asked.form.content, asked.day);
    let cut_off = match &cut_off_time {
        None => usual,
        Some(time) => {
            let mut fields = Fields::new();
            let time = fields.time("cut_off_time", Some(time));
            fields.check(
                "cut_off_time",
                time.is_none_or(|time| day_of(time) == asked.day && time <= usual),
                "需要是这一天之内、不晚于报表截止时间的时间",
                "must lie within the day and not after the form's own cut-off",
            );
            fields.read(time)?
        }
    };
    let mut report = filled(api, &call, &asked, neighbourhood.as_deref(), cut_off).await?;
    if !sees_people(&call.principal) {
        hiding::hide(&mut report);
    }
    Ok(Response::new(report))
}

pub(super) async fn file(api: &Api, request: Request<FileReportRequest>) -> Reply<Resource> {
    let call = Call::command(&request, &request.get_ref().request_id)?;
    if let Some(done) = api.ledger.done_before::<Resource>(&call).await? {
        return Ok(done.into_response());
    }
    let request = request.into_inner();
    let asked = asked(api, &call, &request.form, &request.day).await?;
    let neighbourhood = place(&call, &asked.form, &request.neighbourhood)?;
    let cut_off = calendar::cut_off(&asked.form.content, asked.day);
    let report = filled(api, &call, &asked, neighbourhood.as_deref(), cut_off).await?;
    if !request.etag.is_empty() && request.etag != report.etag {
        return Err(stale().into());
    }
    let reason = request.reason();
    let filing = Filing {
        form: &asked.form.id,
        report: &report,
        by: &call.principal.subject,
        now: call.now,
        zero: request.zero,
        unanswered: request.unanswered,
        reason,
    };
    let office = neighbourhood.unwrap_or_default();
    let id = report::stream_id(&asked.form.id, &report.day, &office);
    let decide = |report: &Report, _| Ok(Decision::new(report.file(filing).map_err(refused)?).office(&office));
    let reply = |report: &Report, _| report.filed().unwrap_or_default();
    let done = api.ledger.transact::<Report, Resource, chassis::Refusal, _, _>(&call, &id, decide, reply).await?;
    Ok(done.into_response())
}

pub(super) async fn get(api: &Api, request: Request<GetReportRequest>) -> Reply<Resource> {
    let call = Call::query(&request)?;
    let mut fields = Fields::new();
    let path = fields.path("name", ["forms", "reports"], &request.get_ref().name);
    let [form, report] = fields.read(path)?;
    let missing = || Status::from(not_found("report"));
    let (day, place) = report.split_once('.').ok_or_else(missing)?;
    let neighbourhood = if place == report::ALL { "" } else { place };
    // The subdistrict's has everybody's rows in it.
    if !call.principal.scope.allows(neighbourhood) {
        return Err(missing());
    }
    let (report, _) = api.ledger.load::<Report>(&report::stream_id(&form, day, neighbourhood)).await?;
    let mut report = report.filed().ok_or_else(missing)?;
    if !sees_people(&call.principal) {
        hiding::hide(&mut report);
    }
    Ok(Response::new(report))
}

/// A form and a day of it.
struct Asked {
    form: InForce,
    day: NaiveDate,
    questions: Questions,
}

async fn asked(api: &Api, call: &Call, form: &str, named: &str) -> Result<Asked, Status> {
    let mut fields = Fields::new();
    let id = fields.name("form", "forms", form);
    let id = fields.read(id)?;
    let named = day(call, named)?;
    let mut db = api.views.read(call).await?;
    let missing = || Status::from(not_found("form"));
    let day = if let Some(day) = named {
        day
    } else {
        let today = in_force(&mut db, day_of(call.now)).await?;
        let today = today.into_iter().find(|form| form.id == id).ok_or_else(missing)?;
        calendar::last_day(&today.content, call.now)
    };
    let forms = in_force(&mut db, day).await?;
    let questions = questions(&forms);
    let form = forms.into_iter().find(|form| form.id == id).ok_or_else(missing)?;
    Ok(Asked { form, day, questions })
}

/// Whose report is filed: a neighbourhood's, or the subdistrict's.
fn place(call: &Call, form: &InForce, named: &str) -> Result<Option<String>, Status> {
    let neighbourhood = within(&call.principal.scope, "neighbourhood", named)?;
    let mut fields = Fields::new();
    if form.content.scope() == FormScope::Subdistrict {
        fields.check(
            "form",
            neighbourhood.is_none() && call.principal.scope == Scope::Everywhere,
            "这张报表由街道统一上报，社区不单独上报",
            "is filed by the subdistrict for all, and not by a neighbourhood",
        );
    } else {
        fields.check(
            "neighbourhood",
            neighbourhood.as_deref().is_some_and(|id| form.concerns(id)),
            "这张报表由社区上报：请指明一个需要填报的社区",
            "names no neighbourhood that has to file this form: name one",
        );
    }
    fields.done()?;
    Ok(neighbourhood)
}

/// Everything that the caller may see of it.
async fn filled(
    api: &Api,
    call: &Call,
    asked: &Asked,
    neighbourhood: Option<&str>,
    cut_off: DateTime<Utc>,
) -> Result<Resource, Status> {
    let Asked { form, day, .. } = asked;
    let content = &form.content;
    let mut table = table(api, call, asked, neighbourhood, cut_off).await?;
    if neighbourhood.is_some() && table.sum.cells.is_empty() {
        return Err(not_found("neighbourhood").into());
    }
    let mut report = Resource {
        form: format!("forms/{}", form.id),
        version: form.version,
        day: day.to_string(),
        neighbourhood: neighbourhood.map(|id| format!("neighbourhoods/{id}")).unwrap_or_default(),
        title_zh: content.title_zh.clone(),
        title_en: content.title_en.clone(),
        addressee_zh: content.addressee_zh.clone(),
        addressee_en: content.addressee_en.clone(),
        columns: content.columns.clone(),
        cut_off_time: Some(timestamp(cut_off)),
        due_time: Some(timestamp(calendar::due(content, *day))),
        provisional: cut_off > call.now,
        zero: table.zero,
        unanswered: table.unanswered.clone(),
        etag: etag(form.version, &table),
        ..Resource::default()
    };
    // What somebody sees of another's report has no name, and no day before that was filed.
    let own = (content.scope() == FormScope::Neighbourhood) == neighbourhood.is_some();
    let office = neighbourhood.unwrap_or_default();
    let stream = |day: NaiveDate| report::stream_id(&form.id, &day.to_string(), office);
    if own {
        report.name = format!("forms/{}/reports/{day}.{}", form.id, report::place(office));
        if let Some(filed) = api.ledger.load::<Report>(&stream(*day)).await?.0.filed() {
            report.file_time = filed.file_time;
            report.file_by = filed.file_by;
            (report.late, report.corrections, report.reason) = (filed.late, filed.corrections, filed.reason);
        }
    }
    let yesterday = calendar::day_before(*day);
    let filed = if own { api.ledger.load::<Report>(&stream(yesterday)).await?.0.filed() } else { None };
    report.before_filed = filed.is_some();
    let before = match filed {
        Some(filed) => Before::of(content, &filed.columns, filed.rows.iter().chain(&filed.sum)),
        None => as_known(api, call, asked, neighbourhood).await?,
    };
    before.beside(content, &mut table);
    (report.rows, report.sum) = (table.rows, Some(table.sum));
    Ok(report)
}

/// The day before as the figures tell it, where nothing was filed for it.
async fn as_known(api: &Api, call: &Call, asked: &Asked, neighbourhood: Option<&str>) -> Result<Before, Status> {
    let day = calendar::day_before(asked.day);
    let form = {
        let mut db = api.views.read(call).await?;
        in_force(&mut db, day).await?.into_iter().find(|form| form.id == asked.form.id)
    };
    let Some(form) = form else { return Ok(Before::default()) };
    let cut_off = calendar::cut_off(&form.content, day);
    let then = Asked { form, day, questions: asked.questions.clone() };
    let known = table(api, call, &then, neighbourhood, cut_off).await?;
    let rows = known.rows.iter().chain([&known.sum]);
    Ok(Before::of(&asked.form.content, &then.form.content.columns, rows))
}

/// A form filled for a day, of one neighbourhood or of all that the caller may see.
async fn table(
    api: &Api,
    call: &Call,
    asked: &Asked,
    neighbourhood: Option<&str>,
    cut_off: DateTime<Utc>,
) -> Result<Table, Status> {
    let scope = &call.principal.scope;
    let known = api.source.as_of(call, calendar::moment(cut_off, call.now)).await?;
    let mut answers = {
        let mut db = api.views.read(call).await?;
        answers::of_day(&mut db, scope, asked.day, neighbourhood).await.map_err(fault)?
    };
    let wanted = |id: &str| {
        scope.allows(id) && asked.form.concerns(id) && neighbourhood.is_none_or(|neighbourhood| neighbourhood == id)
    };
    let places: Vec<Place> = known
        .names
        .into_iter()
        .filter(|(id, _)| wanted(id))
        .map(|(id, name)| {
            let said = answers.remove(&id).unwrap_or_default();
            let answers: BTreeMap<_, _> = said.into_iter().map(|(question, said)| (question, said.value)).collect();
            Place { figures: known.figures.get(&id).copied().unwrap_or_default(), id, name, answers }
        })
        .collect();
    if places.is_empty() && neighbourhood.is_some() {
        return Ok(Table::default());
    }
    Ok(filling::fill(&asked.form.content, &asked.questions, &places))
}

/// Names what an office would say, without what the day before was.
fn etag(version: i32, table: &Table) -> String {
    let said = |row: &ReportRow| ReportRow {
        cells: row.cells.iter().map(|cell| ReportCell { value: cell.value.clone(), ..ReportCell::default() }).collect(),
        ..row.clone()
    };
    let rows = table.rows.iter().map(said).collect();
    let content = Resource { version, rows, sum: Some(said(&table.sum)), ..Resource::default() };
    Uuid::new_v5(&NAMESPACE, &content.encode_to_vec()).to_string()
}
