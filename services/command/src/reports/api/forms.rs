//! Forms: another version from a day on, and what is in force.

use std::collections::BTreeSet;

use chassis::{Call, Decision, Failure, Fields, Kind, Refusal, day_of, page, reason, timestamp};
use chrono::{DateTime, NaiveDate, Utc};
use proto::command::v1::{
    self as contract, DefineFormRequest, Form as Resource, FormContent, GetFormRequest, ListFormsRequest,
    ListFormsResponse, form_column::Content,
};
use sqlx::AnyConnection;
use tonic::{Request, Response, Status};

use super::{Api, InForce, Reply, fault, in_force, questions, refused};
use crate::{
    domain::{
        form::{Definition, Form},
        not_found,
    },
    projections::forms as defined,
    reports::{
        definition::{self, Surroundings},
        shipped,
    },
};

/// A form's id is part of the name of its reports.
const LONGEST_ID: usize = 16;
/// Under it a form holds the questions that it brought.
const QUESTION: &str = "question";

pub(super) async fn define(api: &Api, request: Request<DefineFormRequest>) -> Reply<Resource> {
    let call = Call::command(&request, &request.get_ref().request_id)?;
    if let Some(done) = api.ledger.done_before::<Resource>(&call).await? {
        return Ok(done.into_response());
    }
    let DefineFormRequest { form_id, content, validate_only, etag, .. } = request.into_inner();
    let mut fields = Fields::new();
    let legible = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'_';
    fields.check(
        "form_id",
        (1..=LONGEST_ID).contains(&form_id.len()) && form_id.bytes().all(legible),
        "需要 1 至 16 个小写字母、数字或 _",
        "must have 1 to 16 lower-case letters, digits or _",
    );
    fields.check("content", content.is_some(), "不能为空：请填写报表内容", "must not be empty: say what the form is");
    let mut content = fields.read(content)?;
    surveyed(api, &call, &form_id, &mut content).await?;

    let definition = Definition {
        content: &content,
        shipped: i32::from(shipped::find(&form_id).is_some()),
        today: day_of(call.now),
        by: &call.principal.subject,
        etag: &etag,
    };
    let shown = |version| resource(&form_id, version, &content, Some((&call.principal.subject, call.now)), version);
    if validate_only {
        let (form, _) = api.ledger.load::<Form>(&form_id).await?;
        let events = form.define(definition).map_err(refused)?;
        let version = form.version(definition.shipped);
        return Ok(Response::new(shown(if events.is_empty() { version } else { version + 1 })));
    }
    let decide = |form: &Form, _| {
        let decision = Decision::new(form.define(definition).map_err(refused)?);
        Ok(content.questions.iter().fold(decision, |decision, asked| decision.reserve(QUESTION, &asked.id)))
    };
    let reply = |form: &Form, _| shown(form.version(definition.shipped));
    let done = api.ledger.transact::<Form, Resource, Refusal, _, _>(&call, &form_id, decide, reply).await;
    Ok(done.map_err(taken_meanwhile)?.into_response())
}

/// Looks at a form beside those that there are, and leaves out of it what another one asks in the same words.
async fn surveyed(api: &Api, call: &Call, id: &str, content: &mut FormContent) -> Result<(), Status> {
    let mut db = api.views.read(call).await?;
    let from = content.from.parse::<NaiveDate>().unwrap_or_else(|_| day_of(call.now));
    let (own, others): (Vec<InForce>, Vec<InForce>) =
        in_force(&mut db, from).await?.into_iter().partition(|form| form.id == id);
    drop(db);
    let asked = questions(&others);
    content.questions.retain(|question| asked.get(&question.id) != Some(question));
    if let Some(question) = content.questions.iter().find(|question| asked.contains_key(&question.id)) {
        return Err(taken(&question.id).into());
    }
    let named: BTreeSet<&str> = others
        .iter()
        .flat_map(|form| &form.content.columns)
        .filter_map(|column| match &column.content {
            Some(Content::Question(id)) => Some(id.as_str()),
            _ => None,
        })
        .collect();
    let own: Vec<_> = own.into_iter().flat_map(|form| form.content.questions).collect();
    let needed = own.iter().map(|question| question.id.clone()).filter(|id| named.contains(id.as_str())).collect();
    let filtered = content.filter.as_ref().is_some_and(|filter| !filter.neighbourhoods.is_empty());
    let neighbourhoods =
        if filtered { api.source.as_of(call, call.now).await?.names.into_keys().collect() } else { BTreeSet::new() };
    definition::check(content, &Surroundings { others: &asked, own: &own, needed: &needed, neighbourhoods })
}

fn taken(question: &str) -> Refusal {
    Refusal::new(
        Kind::AlreadyExists,
        reason(contract::Refusal::QuestionTaken.as_str_name()),
        "另一张报表已有同一编号的问题，措辞不同：一个问题只问一次，请直接引用它的编号，或换一个编号",
        "another form asks a question of this id in other words: a question is asked once; name its id in the column, or choose another id",
    )
    .about("question", question)
}

/// Two forms brought the same question at the same time.
fn taken_meanwhile(failure: Failure) -> Status {
    match failure {
        Failure::Reserved { scope, .. } if scope == QUESTION => taken("").into(),
        failure => failure.into(),
    }
}

pub(super) async fn get(api: &Api, request: Request<GetFormRequest>) -> Reply<Resource> {
    let call = Call::query(&request)?;
    let mut fields = Fields::new();
    let id = fields.name("name", "forms", &request.get_ref().name);
    let day = fields.date_if_given("day", &request.get_ref().day).unwrap_or_else(|| day_of(call.now));
    let id = fields.read(id)?;
    let mut db = api.views.read(&call).await?;
    let form = in_force(&mut db, day).await?.into_iter().find(|form| form.id == id);
    let form = form.ok_or_else(|| Status::from(not_found("form")))?;
    Ok(Response::new(shown(api, &mut db, &form).await?))
}

pub(super) async fn list(api: &Api, request: Request<ListFormsRequest>) -> Reply<ListFormsResponse> {
    let call = Call::query(&request)?;
    let ListFormsRequest { day, page_size, page_token } = request.into_inner();
    let mut fields = Fields::new();
    let day = fields.date_if_given("day", &day).unwrap_or_else(|| day_of(call.now));
    fields.done()?;
    let after = page::after(&page_token)?;
    let most = usize::try_from(page::size(page_size)).unwrap_or(usize::MAX);
    let mut db = api.views.read(&call).await?;
    let mut following = in_force(&mut db, day).await?.into_iter().filter(|form| form.id > after);
    let mut forms = Vec::new();
    for form in following.by_ref().take(most) {
        forms.push((form.id.clone(), shown(api, &mut db, &form).await?));
    }
    let last = forms.last().map(|(id, _)| id.clone()).filter(|_| following.next().is_some());
    let next_page_token = last.map(|id| page::token_after(&id)).unwrap_or_default();
    Ok(Response::new(ListFormsResponse { forms: forms.into_iter().map(|(_, form)| form).collect(), next_page_token }))
}

async fn shown(api: &Api, db: &mut AnyConnection, form: &InForce) -> Result<Resource, Status> {
    let (state, _) = api.ledger.load::<Form>(&form.id).await?;
    let newest = state.version(i32::from(shipped::find(&form.id).is_some()));
    let defined = form.defined.as_ref().map(|defined| (defined.by.as_str(), defined.time));
    let replace_day = defined::replaced(db, &form.id, &form.content.from).await.map_err(fault)?;
    Ok(Resource { replace_day, ..resource(&form.id, form.version, &form.content, defined, newest) })
}

fn resource(
    id: &str,
    version: i32,
    content: &FormContent,
    defined: Option<(&str, DateTime<Utc>)>,
    newest: i32,
) -> Resource {
    Resource {
        name: format!("forms/{id}"),
        version,
        content: Some(content.clone()),
        replace_day: String::new(),
        shipped: defined.is_none(),
        define_by: defined.map(|(by, _)| by.to_owned()).unwrap_or_default(),
        define_time: defined.map(|(_, time)| timestamp(time)),
        etag: newest.to_string(),
    }
}
