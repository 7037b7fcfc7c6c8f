//! The RPCs of reports. Everything that a report is filled from is read for the caller's own reach, and what is missing and what is
//! another's are answered alike.

/// Forms defined and shown.
mod forms;
/// Reports filled, filed and shown.
mod filing;
/// What a day owes.
mod listing;
/// Questions asked and answered.
mod asking;

use chassis::{Call, Failure, Fields, Ledger, Refusal, Scope, Views, day_of};
use chrono::NaiveDate;
use proto::command::v1::{
    Answer, AnswerQuestionRequest, DefineFormRequest, FileReportRequest, FillReportRequest, Form, FormContent,
    GetFormRequest, GetReportRequest, ListFormsRequest, ListFormsResponse, ListQuestionsRequest, ListQuestionsResponse,
    ListReportsRequest, ListReportsResponse, Report, report_service_server::ReportService,
};
use sqlx::AnyConnection;
use tonic::{Request, Response, Status};

use super::{filling::Questions, shipped, source::Source};
use crate::{
    domain::not_found,
    projections::forms::{self as defined, Defined},
};

/// What every handler stands on. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) ledger: Ledger,
    pub(crate) views: Views,
    pub(crate) source: Source,
}

type Reply<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl ReportService for Api {
    async fn define_form(&self, request: Request<DefineFormRequest>) -> Reply<Form> {
        forms::define(self, request).await
    }

    async fn get_form(&self, request: Request<GetFormRequest>) -> Reply<Form> {
        forms::get(self, request).await
    }

    async fn list_forms(&self, request: Request<ListFormsRequest>) -> Reply<ListFormsResponse> {
        forms::list(self, request).await
    }

    async fn fill_report(&self, request: Request<FillReportRequest>) -> Reply<Report> {
        filing::fill(self, request).await
    }

    async fn file_report(&self, request: Request<FileReportRequest>) -> Reply<Report> {
        filing::file(self, request).await
    }

    async fn get_report(&self, request: Request<GetReportRequest>) -> Reply<Report> {
        filing::get(self, request).await
    }

    async fn list_reports(&self, request: Request<ListReportsRequest>) -> Reply<ListReportsResponse> {
        listing::list(self, request).await
    }

    async fn list_questions(&self, request: Request<ListQuestionsRequest>) -> Reply<ListQuestionsResponse> {
        asking::list(self, request).await
    }

    async fn answer_question(&self, request: Request<AnswerQuestionRequest>) -> Reply<Answer> {
        asking::answer(self, request).await
    }
}

/// A version of a form that fills a day.
pub(crate) struct InForce {
    id: String,
    version: i32,
    content: FormContent,
    /// `None`: it came with the program.
    defined: Option<Defined>,
}

impl InForce {
    /// Whether a neighbourhood has a row in it.
    fn concerns(&self, neighbourhood: &str) -> bool {
        let named = self.content.filter.iter().flat_map(|filter| &filter.neighbourhoods);
        let mut named = named.map(|name| name.trim_start_matches("neighbourhoods/")).peekable();
        named.peek().is_none() || named.any(|name| name == neighbourhood)
    }
}

/// Every form by id, in the version that fills the day.
async fn in_force(db: &mut AnyConnection, day: NaiveDate) -> Result<Vec<InForce>, Status> {
    let defined = defined::in_force(db, None, day).await.map_err(fault)?;
    let begun = |content: &FormContent| content.from <= day.to_string();
    let shipped = shipped::all()
        .iter()
        .filter(|(id, content)| begun(content) && !defined.iter().any(|version| version.form == *id));
    let mut forms: Vec<InForce> = shipped
        .map(|(id, content)| InForce { id: (*id).to_owned(), version: 1, content: content.clone(), defined: None })
        .collect();
    forms.extend(defined.into_iter().map(|defined| InForce {
        id: defined.form.clone(),
        version: defined.version,
        content: defined.content.clone(),
        defined: Some(defined),
    }));
    forms.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(forms)
}

/// Of these forms, by id. A question belongs to the form that brought it; the others name it.
fn questions<'a>(forms: impl IntoIterator<Item = &'a InForce>) -> Questions {
    let questions = forms.into_iter().flat_map(|form| &form.content.questions);
    questions.map(|question| (question.id.clone(), question.clone())).collect()
}

/// The neighbourhood that is named, or else the caller's own; `None` for whoever acts for the whole subdistrict.
fn within(scope: &Scope, field: &str, named: &str) -> Result<Option<String>, Status> {
    let mut fields = Fields::new();
    let named = fields.name_if_given(field, "neighbourhoods", named);
    fields.done()?;
    match named {
        Some(named) if !scope.allows(&named) => Err(not_found("neighbourhood").into()),
        Some(named) => Ok(Some(named)),
        None => Ok(scope.neighbourhood().map(str::to_owned)),
    }
}

/// The day that is named, if it has begun.
fn day(call: &Call, named: &str) -> Result<Option<NaiveDate>, Status> {
    let mut fields = Fields::new();
    let day = fields.date_if_given("day", named);
    fields.check(
        "day",
        day.is_none_or(|day| day <= day_of(call.now)),
        "这一天还没有到：请填写今天或以前的日期",
        "lies ahead: name today or an earlier day",
    );
    fields.done()?;
    Ok(day)
}

fn fault(error: anyhow::Error) -> Status {
    Failure::Fault(error).into()
}

/// A refusal of the domain, as it is answered.
#[expect(clippy::needless_pass_by_value, reason = "it stands behind `map_err`")]
fn refused(refusal: impl chassis::Refuse) -> Refusal {
    refusal.refusal()
}
