//! Questions: each asked once of a neighbourhood and a day, whichever forms want to know.

use std::collections::BTreeMap;

use chassis::{Call, Decision, Fields, day_of};
use chrono::NaiveDate;
use proto::command::v1::{
    Answer as Resource, AnswerQuestionRequest, AnswerValue, AskedQuestion, ListQuestionsRequest, ListQuestionsResponse,
    Question, answer_value::Value, form_column::Content,
};
use sqlx::AnyConnection;
use tonic::{Request, Response, Status};

use super::{Api, InForce, Reply, day, fault, in_force, questions, refused, within};
use crate::{
    domain::{
        answer::{self, Answer, Saying},
        not_found,
    },
    projections::answers::{self, Said},
    reports::calendar,
};

/// Of a number that somebody answers.
const LARGEST: i64 = 1_000_000_000;

pub(super) async fn list(api: &Api, request: Request<ListQuestionsRequest>) -> Reply<ListQuestionsResponse> {
    let call = Call::query(&request)?;
    let request = request.into_inner();
    let named = day(&call, &request.day)?;
    let neighbourhood = within(&call.principal.scope, "neighbourhood", &request.neighbourhood)?;
    let names = api.source.as_of(&call, call.now).await?.names;
    let mut db = api.views.read(&call).await?;
    let (day, forms) = forms(&mut db, &call, named).await?;
    let said = answers::of_day(&mut db, &call.principal.scope, day, neighbourhood.as_deref()).await.map_err(fault)?;
    drop(db);
    let known = questions(&forms);
    let mut all = Vec::new();
    let wanted = |id: &&String| {
        call.principal.scope.allows(id) && neighbourhood.as_ref().is_none_or(|neighbourhood| neighbourhood == *id)
    };
    for id in names.keys().filter(wanted) {
        for (question, forms) in asked(&forms, id) {
            let said = said.get(id).and_then(|said| said.get(question));
            let Some(question) = known.get(question).filter(|_| said.is_none() || request.answered) else { continue };
            let answer = match said {
                Some(said) => Some(shown(api, (&question.id, &day.to_string(), id), said).await?),
                None => None,
            };
            all.push(AskedQuestion {
                question: Some(question.clone()),
                neighbourhood: format!("neighbourhoods/{id}"),
                day: day.to_string(),
                forms: forms.iter().map(|form| format!("forms/{form}")).collect(),
                answer,
            });
        }
    }
    Ok(Response::new(ListQuestionsResponse { questions: all }))
}

pub(super) async fn answer(api: &Api, request: Request<AnswerQuestionRequest>) -> Reply<Resource> {
    let call = Call::command(&request, &request.get_ref().request_id)?;
    let request = request.into_inner();
    let mut fields = Fields::new();
    let id = fields.name("question", "questions", &request.question);
    let id = fields.read(id)?;
    let named = day(&call, &request.day)?;
    let neighbourhood = within(&call.principal.scope, "neighbourhood", &request.neighbourhood)?;
    let mut fields = Fields::new();
    fields.check(
        "neighbourhood",
        neighbourhood.is_some(),
        "需要指明是哪个社区的回答",
        "must name the neighbourhood that answers",
    );
    let neighbourhood = fields.read(neighbourhood)?;
    let names = api.source.as_of(&call, call.now).await?.names;
    let mut db = api.views.read(&call).await?;
    let (day, forms) = forms(&mut db, &call, named).await?;
    drop(db);
    let known = questions(&forms);
    let question = known.get(&id).filter(|_| names.contains_key(&neighbourhood));
    let question = question.filter(|_| asked(&forms, &neighbourhood).contains_key(id.as_str()));
    let question = question.ok_or_else(|| Status::from(not_found("question")))?;
    let value = fitting(question, request.value)?;

    let day = day.to_string();
    let saying = Saying {
        question: &id,
        day: &day,
        neighbourhood: &neighbourhood,
        value: &value,
        by: &call.principal.subject,
        now: call.now,
        etag: &request.etag,
    };
    let decide = |answer: &Answer, version| {
        Ok(Decision::new(answer.say(saying, version).map_err(refused)?).office(&neighbourhood))
    };
    let reply = |answer: &Answer, version| resource((&id, &day, &neighbourhood), answer, version);
    let stream = answer::stream_id(&id, &day, &neighbourhood);
    let done = api.ledger.transact::<Answer, Resource, chassis::Refusal, _, _>(&call, &stream, decide, reply).await?;
    Ok(done.into_response())
}

/// The forms of the day that is named. Else of the day whose reports are at hand: yesterday while one of it can still be filed in
/// time, and then today.
async fn forms(
    db: &mut AnyConnection,
    call: &Call,
    named: Option<NaiveDate>,
) -> Result<(NaiveDate, Vec<InForce>), Status> {
    let today = day_of(call.now);
    let day = named.unwrap_or(today);
    let forms = in_force(db, day).await?;
    let yesterday = calendar::day_before(today);
    let at_hand = |form: &InForce| {
        calendar::last_day(&form.content, call.now) == yesterday && call.now <= calendar::due(&form.content, yesterday)
    };
    if named.is_none() && forms.iter().any(at_hand) {
        return Ok((yesterday, in_force(db, yesterday).await?));
    }
    Ok((day, forms))
}

/// What these forms ask of a neighbourhood, and which of them do.
fn asked<'a>(forms: &'a [InForce], neighbourhood: &str) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut asked: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for form in forms.iter().filter(|form| form.concerns(neighbourhood)) {
        for column in &form.content.columns {
            let Some(Content::Question(question)) = &column.content else { continue };
            let forms = asked.entry(question).or_default();
            if forms.last() != Some(&form.id.as_str()) {
                forms.push(&form.id);
            }
        }
    }
    asked
}

/// A number where a number is asked, and one of the choices where there are some.
fn fitting(question: &Question, value: Option<AnswerValue>) -> Result<AnswerValue, Status> {
    let mut fields = Fields::new();
    match value.as_ref().and_then(|value| value.value.as_ref()) {
        Some(Value::Number(number)) if question.choices.is_empty() => {
            fields.number("value.number", *number, 0..=LARGEST);
        }
        Some(Value::Choice(choice)) if question.choices.iter().any(|known| known.id == *choice) => {}
        _ if question.choices.is_empty() => fields.refuse(
            "value.number",
            "这个问题需要回答一个数字",
            "must be a number: that is what the question asks for",
        ),
        _ => {
            let choices: Vec<&str> = question.choices.iter().map(|choice| choice.id.as_str()).collect();
            let choices = choices.join(", ");
            fields.refuse(
                "value.choice",
                format!("需要从这些选项中选一个：{choices}"),
                format!("must be one of {choices}"),
            );
        }
    }
    fields.read(value)
}

/// As the view knows it; what was said before is asked of the log where something was.
async fn shown(api: &Api, about: (&str, &str, &str), said: &Said) -> Result<Resource, Status> {
    if said.version > 1 {
        let (question, day, neighbourhood) = about;
        let stream = answer::stream_id(question, day, neighbourhood);
        let (answer, version) = api.ledger.load::<Answer>(&stream).await?;
        return Ok(resource(about, &answer, version));
    }
    Ok(Resource {
        value: Some(said.value.clone()),
        answer_by: said.by.clone(),
        answer_time: Some(chassis::timestamp(said.time)),
        etag: said.version.to_string(),
        ..resource(about, &Answer::default(), 0)
    })
}

fn resource((question, day, neighbourhood): (&str, &str, &str), answer: &Answer, version: u64) -> Resource {
    let (last, earlier) = answer.said().map(|(last, earlier)| (last.clone(), earlier.to_vec())).unwrap_or_default();
    Resource {
        name: format!("questions/{question}/answers/{day}.{neighbourhood}"),
        neighbourhood: format!("neighbourhoods/{neighbourhood}"),
        day: day.to_owned(),
        value: last.value,
        answer_by: last.answer_by,
        answer_time: last.answer_time,
        earlier,
        etag: version.to_string(),
    }
}
