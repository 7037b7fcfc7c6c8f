//! Ask once, report many: a question is answered once and stands in every form that asks it; the daily report is filed by ten, late
//! or zero, and said so; the day after is compared with it, and a new form leaves it as it was.

use std::fs;

use calamine::{Data, Reader as _, Xlsx, open_workbook};
use chassis::{
    client::{Connection, new_request_id},
    refusal::Spoken,
};
use proto::{
    access::v1::Role,
    command::v1::{
        Answer, AnswerQuestionRequest, AnswerValue, AskedQuestion, CorrectionReason, DefineFormRequest, DueReport,
        FileReportRequest, FillReportRequest, Form, FormColumn, FormContent, FormScope, GetFormRequest,
        GetReportRequest, ListFormsRequest, ListQuestionsRequest, ListReportsRequest, Report, ReportCell, answer_value,
        due_report::State, form_column::Content, report_cell::Value, report_service_client::ReportServiceClient,
    },
    registry::v1::Resident,
};
use tests::{
    House, time,
    village::{Village, compared},
};
use tonic::Status;

const EVENING: &str = "2020-02-11T18:00:00+08:00";
const IN_TIME: &str = "2020-02-12T09:50:00+08:00";
const LATE: &str = "2020-02-12T10:20:00+08:00";

fn reason<T>(answer: Result<T, Status>) -> String {
    answer.err().map(|status| Spoken::from(&status).reason).unwrap_or_default()
}

fn answer(question: &str, number: i64, etag: &str) -> AnswerQuestionRequest {
    let value = Some(AnswerValue { value: Some(answer_value::Value::Number(number)) });
    let question = format!("questions/{question}");
    AnswerQuestionRequest { request_id: new_request_id(), question, value, etag: etag.into(), ..Default::default() }
}

/// Of the form and the day, by whoever asks.
fn filing(form: &str, day: &str) -> FileReportRequest {
    let (form, day) = (format!("forms/{form}"), day.to_owned());
    FileReportRequest { request_id: new_request_id(), form, day, ..FileReportRequest::default() }
}

fn number(cell: &ReportCell) -> Option<i64> {
    match cell.value {
        Some(Value::Number(number)) => Some(number),
        _ => None,
    }
}

fn cell<'a>(report: &'a Report, column: &str) -> &'a ReportCell {
    let index = report.columns.iter().position(|found| found.id == column).expect("the form has this column");
    &report.rows[0].cells[index]
}

fn thermometers() -> FormContent {
    let column = |id: &str, content: Content| FormColumn {
        id: id.into(),
        heading_zh: format!("列 {id}"),
        heading_en: id.into(),
        content: Some(content),
        background: false,
    };
    FormContent {
        title_zh: "测温情况".into(),
        title_en: "temperatures".into(),
        addressee_zh: "街道卫健办".into(),
        addressee_en: "health office".into(),
        from: "2020-02-11".into(),
        scope: FormScope::Neighbourhood.into(),
        cut_off_minute: 1_440,
        due_minute: 2_040,
        columns: vec![
            column("fevers", Content::Figure("fevers".into())),
            column("on_duty", Content::Question("on_duty".into())),
        ],
        ..FormContent::default()
    }
}

struct Street {
    house: House,
    one: Village,
    other: Village,
}

impl Street {
    async fn begin() -> Self {
        let house = House::new().await;
        let one = Village::found(&house, "330212002001").await;
        let other = Village::found(&house, "330212002002").await;
        one.publish_method(&house).await;
        let street = Self { house, one, other };
        let concealed = street.one.resident(&street.house, "1幢", "王小明", "13900000001").await;
        street.conceals(&concealed, "2020-02-11T14:00:00+08:00").await;
        street
    }

    /// Declares nothing and was in 武汉.
    async fn conceals(&self, resident: &Resident, at: &str) {
        let case = self.one.case_of(&self.house, resident).await;
        let worker = self.one.worker(&self.house).at(time(at));
        compared(worker, case, &[], &[("武汉", "2020-01-20", "2020-02-08")]).await;
        self.house.settled().await;
    }

    fn director(&self, village: &Village, at: &str) -> ReportServiceClient<Connection> {
        let director = self.house.local("staff/director", Role::Director, &village.neighbourhood);
        ReportServiceClient::new(director.at(time(at)))
    }

    fn central(&self, role: Role, at: &str) -> ReportServiceClient<Connection> {
        ReportServiceClient::new(self.house.central("staff/central", role, "subdistrict").at(time(at)))
    }

    async fn filled(&self, form: &str, day: &str, at: &str) -> Report {
        let request = FillReportRequest { form: format!("forms/{form}"), day: day.into(), ..Default::default() };
        self.director(&self.one, at).fill_report(request).await.unwrap().into_inner()
    }

    async fn answered(&self, village: &Village, request: AnswerQuestionRequest, at: &str) -> Result<Answer, Status> {
        Ok(self.director(village, at).answer_question(request).await?.into_inner())
    }

    async fn filed(&self, village: &Village, request: FileReportRequest, at: &str) -> Result<Report, Status> {
        Ok(self.director(village, at).file_report(request).await?.into_inner())
    }

    async fn defined(&self, form_id: &str, content: FormContent, at: &str) -> Result<Form, Status> {
        let request = DefineFormRequest {
            request_id: new_request_id(),
            form_id: form_id.into(),
            content: Some(content),
            ..DefineFormRequest::default()
        };
        Ok(self.central(Role::Officer, at).define_form(request).await?.into_inner())
    }

    async fn open(&self, answered: bool) -> Vec<AskedQuestion> {
        let request = ListQuestionsRequest { answered, ..ListQuestionsRequest::default() };
        self.director(&self.one, EVENING).list_questions(request).await.unwrap().into_inner().questions
    }

    async fn owed(&self, day: &str, at: &str) -> Vec<DueReport> {
        let request = ListReportsRequest { day: day.into(), form: "forms/daily".into(), ..Default::default() };
        self.central(Role::Officer, at).list_reports(request).await.unwrap().into_inner().reports
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_asked_once_and_answers_every_form_that_asks_it() {
    let street = Street::begin().await;
    let mut wrong = thermometers();
    wrong.columns[0].content = Some(Content::Figure("fever".into()));
    let refused = street.defined("heat", wrong, EVENING).await.unwrap_err();
    let said = Spoken::from(&refused);
    assert!(said.fields[0].en.contains("no figure fever, near ones are fevers"), "{}", said.fields[0].en);
    let tried = DefineFormRequest {
        request_id: new_request_id(),
        form_id: "heat".into(),
        content: Some(thermometers()),
        validate_only: true,
        ..DefineFormRequest::default()
    };
    let mut officer = street.central(Role::Officer, EVENING);
    assert_eq!(officer.define_form(tried).await.unwrap().into_inner().version, 1);
    assert_eq!(
        reason(officer.get_form(GetFormRequest { name: "forms/heat".into(), day: String::new() }).await),
        "NOT_FOUND"
    );
    assert_eq!(street.defined("heat", thermometers(), EVENING).await.unwrap().version, 1);
    let forms = officer.list_forms(ListFormsRequest::default()).await.unwrap().into_inner().forms;
    let names: Vec<&str> = forms.iter().map(|form| form.name.as_str()).collect();
    assert_eq!(names, ["forms/daily", "forms/heat", "forms/isolation", "forms/screening", "forms/supplies"]);

    let open = street.open(false).await;
    let on_duty = open.iter().find(|asked| asked.question.as_ref().unwrap().id == "on_duty").unwrap();
    assert_eq!(on_duty.forms, ["forms/daily", "forms/heat", "forms/supplies"], "one question, three forms");
    let said = street.answered(&street.one, answer("on_duty", 20, ""), EVENING).await.unwrap();
    assert_eq!(street.answered(&street.one, answer("on_duty", 20, ""), EVENING).await.unwrap(), said, "said twice");
    assert_eq!(reason(street.answered(&street.one, answer("on_duty", 21, ""), EVENING).await), "ALREADY_ANSWERED");
    let corrected = street.answered(&street.one, answer("on_duty", 21, &said.etag), EVENING).await.unwrap();
    assert_eq!(corrected.earlier[0].value, said.value, "what was said before stays");
    assert_eq!(reason(street.answered(&street.one, answer("on_duty", 22, &said.etag), EVENING).await), "STALE_ETAG");
    assert_eq!(reason(street.answered(&street.one, answer("nobody_asks", 1, ""), EVENING).await), "NOT_FOUND");
    assert!(street.open(false).await.iter().all(|asked| asked.question.as_ref().unwrap().id != "on_duty"));
    let answered = street.open(true).await.into_iter().find_map(|asked| asked.answer).unwrap();
    assert_eq!(answered, corrected);

    for form in ["daily", "heat", "supplies"] {
        let report = street.filled(form, "2020-02-11", IN_TIME).await;
        assert_eq!(number(cell(&report, "on_duty")), Some(21), "{form}");
    }
    let mut foreign = answer("on_duty", 5, "");
    foreign.neighbourhood = street.other.neighbourhood.clone();
    assert_eq!(reason(street.answered(&street.one, foreign, EVENING).await), "NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_is_filed_by_ten_also_when_it_is_zero_and_stays_what_it_was() {
    let street = Street::begin().await;
    street.answered(&street.one, answer("on_duty", 20, ""), EVENING).await.unwrap();
    let day = "2020-02-11";
    assert_eq!(reason(street.filed(&street.one, filing("daily", day), EVENING).await), "NOT_YET");
    let filled = street.filled("daily", day, IN_TIME).await;
    assert_eq!((number(cell(&filled, "concealed")), filled.zero), (Some(1), false));
    let seen = FileReportRequest { etag: filled.etag.clone(), ..filing("daily", day) };
    let filed = street.filed(&street.one, seen.clone(), IN_TIME).await.unwrap();
    assert_eq!((filed.late, filed.file_by.as_str(), filed.corrections), (false, "staff/director", 0));
    assert_eq!(street.filed(&street.one, seen, IN_TIME).await.unwrap(), filed, "sent twice, filed once");

    // The other one has nothing to report, nor an answer, and is late.
    let nothing = || filing("daily", day);
    assert_eq!(reason(street.filed(&street.other, nothing(), LATE).await), "ZERO_NOT_SAID");
    assert_eq!(
        reason(street.filed(&street.other, FileReportRequest { zero: true, ..nothing() }, LATE).await),
        "UNANSWERED"
    );
    let zero = FileReportRequest { zero: true, unanswered: true, ..nothing() };
    let zero = street.filed(&street.other, zero, LATE).await.unwrap();
    assert!(zero.zero && zero.late);
    let not_zero = FileReportRequest { zero: true, reason: CorrectionReason::AskedAgain.into(), ..nothing() };
    street
        .answered(&street.one, AnswerQuestionRequest { day: day.into(), ..answer("on_duty", 3, "1") }, LATE)
        .await
        .unwrap();
    assert_eq!(reason(street.filed(&street.one, not_zero, LATE).await), "NOT_ZERO");
    assert_eq!(reason(street.filed(&street.one, nothing(), LATE).await), "ALREADY_FILED");
    let corrected = FileReportRequest { reason: CorrectionReason::WrongAnswer.into(), ..nothing() };
    let corrected = street.filed(&street.one, corrected, LATE).await.unwrap();
    assert_eq!((corrected.late, corrected.corrections), (false, 1), "the first filing was in time");
    street.house.settled().await;
    let owed = street.owed(day, LATE).await;
    let mut states: Vec<(State, bool)> = owed.iter().map(|report| (report.state(), report.zero)).collect();
    states.sort();
    assert_eq!(states, [(State::Filed, false), (State::FiledLate, true)]);
    let mut states: Vec<State> = street.owed("2020-02-12", LATE).await.iter().map(DueReport::state).collect();
    states.dedup();
    assert_eq!(states, [State::Waiting]);
    assert!(
        street.owed("2020-02-12", "2020-02-13T10:00:00.001+08:00").await.iter().all(|r| r.state() == State::Overdue)
    );

    // One more the day after, in a form that is another from then on.
    let second = street.one.resident(&street.house, "2幢", "李大海", "13900000002").await;
    street.conceals(&second, "2020-02-12T15:00:00+08:00").await;
    let mut officer = street.central(Role::Officer, LATE);
    let form = officer.get_form(GetFormRequest { name: "forms/daily".into(), day: String::new() }).await.unwrap();
    let mut content = form.into_inner().content.unwrap();
    content.columns.retain(|column| column.id != "fevers");
    assert_eq!(reason(street.defined("daily", content.clone(), LATE).await), "IN_THE_PAST");
    content.from = "2020-02-12".into();
    assert_eq!(street.defined("daily", content, LATE).await.unwrap().version, 2);
    let morning = "2020-02-13T09:00:00+08:00";
    let after = street.filled("daily", "", morning).await;
    assert_eq!((after.day.as_str(), after.version, after.before_filed), ("2020-02-12", 2, true));
    let concealed = cell(&after, "concealed");
    assert_eq!((number(concealed), concealed.before, concealed.difference), (Some(2), Some(1), Some(1)));
    let name = filed.name.clone();
    let get = |name: &str| GetReportRequest { name: name.to_owned() };
    let kept = street.director(&street.one, morning).get_report(get(&name)).await.unwrap().into_inner();
    assert_eq!((kept.version, kept.columns.len(), kept.rows), (1, 12, corrected.rows.clone()));
    assert_eq!(reason(street.director(&street.other, morning).get_report(get(&name)).await), "NOT_FOUND");

    // Who reads the record alone does not see how few.
    let read = street.central(Role::Auditor, morning).get_report(get(&name)).await.unwrap().into_inner();
    assert!(read.hides);
    assert!(matches!(cell(&read, "concealed").value, Some(Value::Hidden(_))), "{:?}", cell(&read, "concealed"));

    exports(&street, morning, &after).await;
}

/// The same numbers in every file.
async fn exports(street: &Street, at: &str, report: &Report) {
    let one = &street.one.neighbourhood;
    let token = street.house.token("staff/director", Role::Director, one, one, "");
    let folder = street.house.folder().join("reports");
    fs::create_dir(&folder).unwrap();
    for form in ["xlsx", "csv", "pdf", "html"] {
        let path = folder.join(format!("daily.{form}"));
        let words = ["command", "report", "2020-02-12", "--at", at, "--export", path.to_str().unwrap()];
        let (done, said) = street.house.desk(&token, &words).await;
        assert!(done && said.contains("1 rows written"), "{said}");
    }
    let mut workbook: Xlsx<_> = open_workbook(folder.join("daily.xlsx")).unwrap();
    let sheet = workbook.worksheet_range("2020-02-12").unwrap();
    let headings: Vec<String> = sheet.rows().next().unwrap().iter().map(ToString::to_string).collect();
    let at_heading = |heading: &str| {
        let column = headings.iter().position(|found| found == heading).expect("the sheet has this heading");
        sheet.rows().nth(1).unwrap()[column].clone()
    };
    for (column, cell) in report.columns.iter().zip(&report.rows[0].cells) {
        let Some(number) = number(cell) else { continue };
        assert_eq!(at_heading(&column.heading_zh).to_string(), number.to_string(), "{}", column.id);
    }
    assert_eq!(at_heading("隐瞒重点地区 较前日"), Data::Float(1.0));
    let csv = fs::read_to_string(folder.join("daily.csv")).unwrap();
    assert!(csv.lines().next().unwrap().contains("隐瞒重点地区,隐瞒重点地区 较前日"));
    assert!(fs::read(folder.join("daily.pdf")).unwrap().starts_with(b"%PDF-"));
    assert!(fs::read_to_string(folder.join("daily.html")).unwrap().contains("class=\"landscape\""));
    let (done, said) = street.house.desk(&token, &["command", "reports", "2020-02-12", "--at", at, "--open"]).await;
    assert!(done && said.contains("疫情防控日报") && said.contains("due"), "{said}");
}
