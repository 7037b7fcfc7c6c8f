//! An evening's round as a workbook: a row for each reading that is to be taken, with the door and the masked name; filled in
//! at the doors, it goes back as it is. The client makes and reads it, since it alone may see both the order and the register.

use std::{
    collections::{BTreeSet, HashMap},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, anyhow, ensure};
use calamine::{Data, Reader as _, Xlsx, open_workbook};
use clap::Args;
use proto::{
    isolation::v1::{
        DayPart, ListTasksRequest, Reading, RecordObservationsRequest, RecordObservationsResponse, Symptom, Task,
        TaskKind, observation_service_client::ObservationServiceClient,
    },
    registry::v1::{ListResidentsRequest, registry_service_client::RegistryServiceClient},
};
use rust_xlsxwriter::{Color, DataValidation, Format, Workbook};
use serde_json::json;

use crate::{
    desk::{
        ask::{Act, Ask, Place, every},
        typed,
    },
    export, output,
    output::print,
};

const ORDER: &str = "隔离令";
const DOOR: &str = "住址";
const NAME: &str = "姓名";
const DATE: &str = "日期";
const PART: &str = "时段";
const TEMPERATURE: &str = "体温";
const SYMPTOMS: &str = "症状";
const REASON: &str = "退回原因";
const HEADINGS: [&str; 7] = [ORDER, DOOR, NAME, DATE, PART, TEMPERATURE, SYMPTOMS];

const PARTS: [(&str, DayPart); 2] = [("早", DayPart::Morning), ("晚", DayPart::Evening)];
const WORDS: [(&str, Symptom); 4] = [
    ("咳嗽", Symptom::Cough),
    ("气促", Symptom::Breathlessness),
    ("乏力", Symptom::Fatigue),
    ("腹泻", Symptom::Diarrhoea),
];

/// What the service takes at once.
const AT_ONCE: usize = 1000;
/// No round has so many doors.
const MOST_ROWS: usize = 20_000;

#[derive(Args)]
pub struct Sheet {
    /// An .xlsx workbook that is not there yet
    file: PathBuf,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    ask: Ask,
}

impl Sheet {
    pub async fn run(self) -> anyhow::Result<()> {
        let Self { file, place, ask } = self;
        ensure!(!file.exists(), export::taken(&file));
        let parent = place.parent();
        let mut client = ObservationServiceClient::new(ask.connection()?);
        let tasks = every(async |page_size, page_token| {
            let (kind, parent) = (TaskKind::Reading.into(), parent.clone());
            let request = ListTasksRequest { parent, kind, page_size, page_token, ..ListTasksRequest::default() };
            let page = client.list_tasks(request).await?.into_inner();
            Ok((page.tasks, page.next_page_token))
        });
        let tasks: Vec<Task> = tasks.await?;
        let people = people(&ask, &tasks).await?;
        let mut rows: Vec<[String; 7]> = tasks.iter().map(|task| row(task, &people)).collect();
        // As somebody walks: from door to door.
        rows.sort_by(|one, other| (&one[1], &one[3], &one[4]).cmp(&(&other[1], &other[3], &other[4])));
        export::create(&file, &workbook(&rows, &[])?)?;
        let (name, count) = (file.display().to_string(), rows.len());
        if ask.output.is_json() {
            return print(&json!({ "file": name, "rows": count }).to_string());
        }
        print(&format!(
            "{count} readings to take: {name}; fill in 体温 and 症状, then `mifeng isolation record {name}`"
        ))
    }
}

/// Door and masked name, by resident.
async fn people(ask: &Ask, tasks: &[Task]) -> anyhow::Result<HashMap<String, (String, String)>> {
    let compounds: BTreeSet<&String> = tasks.iter().map(|task| &task.compound).collect();
    let mut people = HashMap::new();
    let mut client = RegistryServiceClient::new(ask.connection()?);
    for compound in compounds {
        let residents = every(async |page_size, page_token| {
            let request = ListResidentsRequest { parent: compound.clone(), page_size, page_token };
            let page = client.list_residents(request).await?.into_inner();
            Ok((page.residents, page.next_page_token))
        });
        for resident in residents.await? {
            let door = format!("{}-{}-{}", resident.building, resident.unit, resident.room);
            people.insert(resident.name, (door, resident.masked_name));
        }
    }
    Ok(people)
}

fn row(task: &Task, people: &HashMap<String, (String, String)>) -> [String; 7] {
    let (door, name) = people.get(&task.resident).cloned().unwrap_or_default();
    let part = PARTS.iter().find(|(_, part)| *part == task.day_part()).map_or("", |(word, _)| word);
    [task.order.clone(), door, name, task.date.clone(), part.to_owned(), String::new(), String::new()]
}

/// Columns of text, so that nothing is rounded; with reasons where rows come back.
fn workbook(rows: &[[String; 7]], reasons: &[String]) -> anyhow::Result<Vec<u8>> {
    let (bold, text) = (Format::new().set_bold(), Format::new().set_num_format("@"));
    let red = Format::new().set_num_format("@").set_background_color(Color::RGB(0x00FF_C7CE));
    let mut workbook = Workbook::new();
    let page = workbook.add_worksheet().set_name("观察记录")?;
    page.set_freeze_panes(1, 0)?;
    for (at, (heading, width)) in (0_u16..).zip(HEADINGS.iter().zip([44, 14, 10, 12, 8, 8, 24])) {
        page.set_column_width(at, width)?.set_column_format(at, &text)?;
        page.write_string_with_format(0, at, *heading, &bold)?;
    }
    let last = u32::try_from(rows.len().max(1)).context("counting rows")?;
    let hint = DataValidation::new()
        .set_input_title(TEMPERATURE)?
        .set_input_message("摄氏度，一位小数，例如 36.5；没有测的留空。")?
        .allow_any_value();
    page.add_data_validation(1, 5, last, 5, &hint)?;
    let hint = DataValidation::new()
        .set_input_title(SYMPTOMS)?
        .set_input_message("没有症状的留空；多个之间用顿号分开：咳嗽、气促、乏力、腹泻。")?
        .allow_any_value();
    page.add_data_validation(1, 6, last, 6, &hint)?;
    if !reasons.is_empty() {
        page.set_column_width(7, 80)?.write_string_with_format(0, 7, REASON, &bold)?;
    }
    for (line, row) in (1_u32..).zip(rows) {
        let reason = reasons.get(usize::try_from(line - 1).unwrap_or_default());
        let format = if reason.is_some() { &red } else { &text };
        for (at, cell) in (0_u16..).zip(row) {
            page.write_string_with_format(line, at, cell, format)?;
        }
        if let Some(reason) = reason {
            page.write_string(line, 7, reason)?;
        }
    }
    workbook.save_to_buffer().context("writing the workbook")
}

#[derive(Args)]
pub struct Record {
    /// The workbook of `isolation sheet`, filled in
    file: PathBuf,
    /// Where the refused rows go, a file that is not there yet; by default beside the workbook, as <name>-refused.xlsx
    #[arg(long, value_name = "FILE")]
    refused: Option<PathBuf>,
    #[command(flatten)]
    act: Act,
}

impl Record {
    /// Rows = taken + refused + left blank.
    pub async fn run(self) -> anyhow::Result<()> {
        let Self { file, refused, act } = self;
        let back = refused.unwrap_or_else(|| beside(&file));
        ensure!(!back.exists(), export::taken(&back));
        let rows = read(&file)?;
        let (mut readings, mut places, mut wrong, mut blank) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for (at, row) in rows.iter().enumerate() {
            match reading(row) {
                Ok(Some(reading)) => {
                    readings.push(reading);
                    places.push(at);
                }
                Ok(None) => blank += 1,
                Err(error) => wrong.push((at, error.to_string())),
            }
        }
        let (mut taken, mut ill) = (0, 0);
        // Each part under an id of its own that follows from the whole's: said again, nothing is taken twice.
        let whole = act.request_id();
        for (part, chunk) in readings.chunks(AT_ONCE).enumerate() {
            let answer = send(&act, format!("{whole}.{part}"), chunk.to_vec()).await?;
            taken += answer.taken;
            ill += answer.ill;
            for refused in answer.refused {
                let at = places[part * AT_ONCE + usize::try_from(refused.index)?];
                wrong.push((at, format!("{} {}", refused.message_zh, refused.message_en)));
            }
        }
        wrong.sort();
        let came_back: Vec<[String; 7]> = wrong.iter().map(|(at, _)| rows[*at].clone()).collect();
        let reasons: Vec<String> = wrong.into_iter().map(|(_, reason)| reason).collect();
        let file = if reasons.is_empty() { String::new() } else { back.display().to_string() };
        if !reasons.is_empty() {
            export::create(&back, &workbook(&came_back, &reasons)?)?;
        }
        let (all, refused) = (rows.len(), reasons.len());
        if act.ask.output.is_json() {
            let told = json!({ "rows": all, "taken": taken, "refused": refused, "blank": blank, "ill": ill,
                "refused_file": file });
            return print(&told.to_string());
        }
        print(&format!("{all} rows: {taken} taken, {refused} refused, {blank} left blank"))?;
        if ill > 0 {
            print(&format!("{ill} with fever or symptoms: the health team is told"))?;
        }
        if refused > 0 {
            print(&format!("correct the refused rows in {file} and hand them in again"))?;
        }
        Ok(())
    }
}

/// One round.
pub(super) async fn record(act: &Act, readings: Vec<Reading>) -> anyhow::Result<RecordObservationsResponse> {
    send(act, act.request_id(), readings).await
}

async fn send(act: &Act, request_id: String, readings: Vec<Reading>) -> anyhow::Result<RecordObservationsResponse> {
    let request = RecordObservationsRequest { request_id: request_id.clone(), readings };
    let mut client = ObservationServiceClient::new(act.ask.connection()?);
    match client.record_observations(request).await {
        Ok(answer) => Ok(answer.into_inner()),
        Err(status) => Err(crate::desk::ask::repeatable(status, request_id.split('.').next().unwrap_or_default())),
    }
}

fn beside(file: &Path) -> PathBuf {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    file.with_file_name(format!("{stem}-refused.xlsx"))
}

/// The rows below the headings, in the columns that they name.
fn read(file: &Path) -> anyhow::Result<Vec<[String; 7]>> {
    let opening = || format!("reading {}: give the .xlsx workbook of `mifeng isolation sheet`", file.display());
    let mut package: Xlsx<_> = open_workbook(file).with_context(opening)?;
    let title = package.sheet_names().first().cloned().context("the workbook has no sheet")?;
    let range = package.worksheet_range(&title).with_context(opening)?;
    ensure!(range.height() <= MOST_ROWS, "{} has more than {MOST_ROWS} rows: split it", file.display());
    let mut lines = range.rows();
    let headings: Vec<String> = lines.next().context("the sheet is empty")?.iter().map(text).collect();
    let mut columns = [0; 7];
    for (column, heading) in columns.iter_mut().zip(HEADINGS) {
        let found = headings.iter().position(|found| found == heading);
        *column = found.with_context(|| format!("the column {heading} is missing: keep the headings of the sheet"))?;
    }
    let rows = lines.map(|line| columns.map(|column| line.get(column).map(text).unwrap_or_default()));
    Ok(rows.filter(|row| row.iter().any(|cell| !cell.is_empty())).collect())
}

/// Excel may take a day for a date and a temperature for a number.
fn text(cell: &Data) -> String {
    match cell {
        Data::DateTime(date) => {
            let (year, month, day, ..) = date.to_ymd_hms_milli();
            format!("{year:04}-{month:02}-{day:02}")
        }
        other => other.to_string().trim().to_owned(),
    }
}

/// `None` where nobody took it.
fn reading([order, _, _, date, part, temperature, symptoms]: &[String; 7]) -> anyhow::Result<Option<Reading>> {
    if temperature.is_empty() && symptoms.is_empty() {
        return Ok(None);
    }
    let named = |(word, _): &&(&str, DayPart)| *word == part;
    let part = PARTS.iter().find(named).map(|(_, part)| *part);
    let part = part.context("时段应为“早”或“晚”：请核对 / the half-day must be 早 or 晚")?;
    let degrees = temperature.trim_end_matches(['℃', '度']).trim();
    let temperature_decicelsius =
        typed::temperature(degrees).map_err(|error| anyhow!("体温应为摄氏度，一位小数，如 36.5：请核对 / {error}"))?;
    let mut known = Vec::new();
    for word in symptoms.split(['、', '，', ',', ' ']).filter(|word| !word.is_empty() && *word != "无") {
        let found = WORDS.iter().find(|(zh, symptom)| *zh == word || output::word(symptom.as_str_name()) == word);
        let unknown = || format!("不认识的症状“{word}”：请用咳嗽、气促、乏力、腹泻 / unknown symptom {word}");
        known.push(found.with_context(unknown)?.1.into());
    }
    Ok(Some(Reading {
        order: order.clone(),
        date: date.clone(),
        day_part: part.into(),
        temperature_decicelsius,
        symptoms: known,
        reporter: 0,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(temperature: &str, symptoms: &str) -> [String; 7] {
        ["orders/o1", "1-1-101", "王**", "2020-02-12", "晚", temperature, symptoms].map(str::to_owned)
    }

    #[test]
    fn a_sheet_comes_back_as_it_was_filled_in() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("晚.xlsx");
        let rows = vec![filled("36.5", ""), filled("", ""), filled("37.8℃", "咳嗽、乏力")];
        export::create(&file, &workbook(&rows, &[]).unwrap()).unwrap();
        assert_eq!(read(&file).unwrap(), rows);
        let readings: Vec<Option<Reading>> = rows.iter().map(|row| reading(row).unwrap()).collect();
        let said = |at: usize| readings[at].as_ref().map(|it| (it.temperature_decicelsius, it.symptoms.clone()));
        assert_eq!((said(0), said(1)), (Some((365, Vec::new())), None));
        assert_eq!(said(2), Some((378, vec![Symptom::Cough.into(), Symptom::Fatigue.into()])));
    }

    #[test]
    fn what_cannot_be_understood_is_refused_with_the_reason() {
        for (temperature, symptoms, word) in [("三十七", "", "体温"), ("36.55", "", "体温"), ("36.5", "头疼", "头疼")]
        {
            let refused = reading(&filled(temperature, symptoms)).unwrap_err().to_string();
            assert!(refused.contains(word), "{refused}");
        }
    }

    #[test]
    fn rows_that_come_back_keep_their_columns_and_say_why() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("back.xlsx");
        let rows = vec![filled("50", "")];
        export::create(&file, &workbook(&rows, &["体温不对".to_owned()]).unwrap()).unwrap();
        assert_eq!(read(&file).unwrap(), rows);
    }
}
