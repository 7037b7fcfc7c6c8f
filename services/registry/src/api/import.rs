//! An import: a workbook in, progress out, the outcome in the last message. Each row is a command of its own whose id
//! derives from the request's, so an import that broke off goes on where it was when it is sent again, and one that was
//! finished gives the same outcome. It runs in a task of its own: a client that goes away does not stop it half-way.

/// One room: its household, then who lives there.
mod room;

use std::{collections::HashMap, sync::Arc};

use chassis::{Call, Decision, Failure, Fields, Kind, Refusal, day_of, reason};
use futures::StreamExt as _;
use proto::registry::v1::{
    self as contract, ImportHouseholdsRequest, ImportHouseholdsResponse, ImportOutcome, RefusedRow, RowWarning,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::{Answer, Api, Progress, fault};
use crate::{
    domain::neighbourhood,
    keys,
    sentence::Sentence,
    workbook::{self, Column, Refused, Room, Sheet, Unreadable, Warning, Workbook},
};

/// Rooms that wait for the log at once: enough to fill its batches.
const IN_FLIGHT: usize = 64;

pub(super) async fn start(api: &Api, request: Request<ImportHouseholdsRequest>) -> Answer<Progress> {
    let call = Call::command(&request, &request.get_ref().request_id)?;
    let ImportHouseholdsRequest { parent, workbook: bytes, validate_only, .. } = request.into_inner();
    let mut fields = Fields::new();
    let neighbourhood_id = fields.name("parent", "neighbourhoods", &parent);
    let neighbourhood_id = fields.read(neighbourhood_id)?;
    api.neighbourhood(&call, &neighbourhood_id).await?;
    let today = day_of(call.now);
    let workbook = tokio::task::spawn_blocking(move || workbook::read(&bytes, today)).await;
    let workbook = workbook.unwrap_or(Err(Unreadable(BROKEN))).map_err(unreadable)?;
    let mode = if validate_only { Mode::Rehearsal } else { begin(api, &call, &neighbourhood_id).await? };
    let (sender, receiver) = mpsc::channel(64);
    let import = Import { api: api.clone(), call, neighbourhood_id, mode };
    api.tracker.spawn(async move { Arc::new(import).run(workbook, sender).await });
    Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
}

/// Takes the request id for this content before anything is done under it.
async fn begin(api: &Api, call: &Call, neighbourhood_id: &str) -> Result<Mode, Status> {
    if api.ledger.done_before::<()>(call).await?.is_some() {
        return Ok(Mode::Again);
    }
    let decide = |_: &neighbourhood::Neighbourhood, _| Ok(Decision::new(Vec::new()).office(neighbourhood_id));
    api.decide(call, neighbourhood_id, decide, |_, _| ()).await?;
    Ok(Mode::First)
}

fn unreadable(Unreadable(sentence): Unreadable) -> Status {
    let reason = reason(contract::Refusal::WorkbookUnreadable.as_str_name());
    Refusal::new(Kind::Invalid, reason, sentence.zh, sentence.en).into()
}

/// One import under way.
struct Import {
    api: Api,
    call: Call,
    neighbourhood_id: String,
    mode: Mode,
}

/// How an import came about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Says what would happen and changes nothing.
    Rehearsal,
    First,
    /// The same request once more: what it took before counts as new again.
    Again,
}

/// What came of some rows.
#[derive(Default)]
struct Tally {
    rows_new: usize,
    rows_same: usize,
    households_new: usize,
    refused: Vec<Refused>,
    warnings: Vec<Warning>,
}

type Sender = mpsc::Sender<Result<ImportHouseholdsResponse, Status>>;

impl Import {
    async fn run(self: Arc<Self>, workbook: Workbook, sender: Sender) {
        let last = match self.take(workbook, &sender).await {
            Ok(outcome) => {
                Ok(ImportHouseholdsResponse { rows_done: outcome.rows, rows: outcome.rows, outcome: Some(outcome) })
            }
            Err(status) => Err(status),
        };
        if sender.send(last).await.is_err() {
            tracing::info!("an import ended after its client had gone away");
        }
    }

    async fn take(self: &Arc<Self>, workbook: Workbook, sender: &Sender) -> Result<ImportOutcome, Status> {
        let Workbook { sheet, rooms, refused, warnings } = workbook;
        let rows = sheet.rows.len();
        let mut tally = Tally { refused, warnings, ..Tally::default() };
        let rooms = self.in_compounds(rooms, &mut tally).await?;
        tell(sender, &tally, rows);
        let mut taken = futures::stream::iter(rooms)
            .map(|(compound_id, room)| {
                let import = Arc::clone(self);
                // In tasks of their own, so that all cores seal and decide.
                let room = tokio::spawn(async move { import.room(&compound_id, &room).await });
                async move { room.await.unwrap_or_else(|died| Err(Failure::Fault(died.into()))) }
            })
            .buffer_unordered(IN_FLIGHT);
        let step = (rows / 100).max(1);
        let mut told = 0;
        while let Some(room) = taken.next().await {
            tally.add(room?);
            if self.api.stop.is_cancelled() {
                return Err(stopping());
            }
            if tally.rows() >= told + step {
                told = tally.rows();
                tell(sender, &tally, rows);
            }
        }
        drop(taken);
        self.seen().await?;
        outcome(sheet, tally).await
    }

    /// The rooms with the ids of their compounds; rows in a compound that is not there are refused.
    async fn in_compounds(&self, rooms: Vec<Room>, tally: &mut Tally) -> Result<Vec<(String, Room)>, Failure> {
        let mut ids: HashMap<String, Option<String>> = HashMap::new();
        let mut found = Vec::with_capacity(rooms.len());
        for room in rooms {
            let name = &room.place.compound;
            if !ids.contains_key(name) {
                let key = keys::compound(&self.neighbourhood_id, name);
                ids.insert(name.clone(), self.api.ledger.reserved(keys::COMPOUND_NAME, key).await?);
            }
            match ids.get(name).cloned().flatten() {
                Some(id) => found.push((id, room)),
                None => tally.refuse(&room, "NOT_FOUND", Column::Compound, &NO_COMPOUND),
            }
        }
        Ok(found)
    }

    /// Waits until the lists show what was taken, so that whoever reads the outcome can look.
    async fn seen(&self) -> Result<(), Failure> {
        let head = self.api.ledger.log().head().await?;
        let mut call = self.call.clone();
        call.after.insert(self.api.ledger.log().name().to_owned(), head.position);
        for _ in 0..10 {
            if self.api.views.read(&call).await.is_ok() {
                break;
            }
        }
        Ok(())
    }
}

impl Tally {
    fn rows(&self) -> usize {
        self.rows_new + self.rows_same + self.refused.len()
    }

    fn add(&mut self, other: Self) {
        self.rows_new += other.rows_new;
        self.rows_same += other.rows_same;
        self.households_new += other.households_new;
        self.refused.extend(other.refused);
        self.warnings.extend(other.warnings);
    }

    /// Refuses every row of a room.
    fn refuse(&mut self, room: &Room, reason: &'static str, column: Column, sentence: &Sentence) {
        let rows = room.occupants.iter();
        self.refused.extend(rows.map(|row| Refused::new(row.row, reason, Some(column), sentence.clone())));
    }
}

/// Progress is a courtesy: a slow client misses some of it.
fn tell(sender: &Sender, tally: &Tally, rows: usize) {
    let progress = ImportHouseholdsResponse { rows_done: count(tally.rows()), rows: count(rows), outcome: None };
    if sender.try_send(Ok(progress)).is_err() {
        tracing::trace!("progress was not wanted");
    }
}

async fn outcome(sheet: Sheet, mut tally: Tally) -> Result<ImportOutcome, Status> {
    let rows = sheet.rows.len();
    tally.refused.sort_by_key(|refused| refused.row);
    tally.warnings.sort_by_key(|warning| warning.row);
    let refused = tally.refused;
    let refused_rows: Vec<RefusedRow> = refused.iter().map(RefusedRow::from).collect();
    let back = tokio::task::spawn_blocking(move || workbook::refused_workbook(&sheet, &refused)).await;
    let refused_workbook = back.map_err(|error| fault(error.into()))?.map_err(fault)?;
    Ok(ImportOutcome {
        rows: count(rows),
        taken: count(tally.rows_new + tally.rows_same),
        refused: count(refused_rows.len()),
        rows_new: count(tally.rows_new),
        rows_same: count(tally.rows_same),
        households_new: count(tally.households_new),
        residents_new: count(tally.rows_new),
        refused_rows,
        refused_workbook,
        warnings: tally.warnings.iter().map(RowWarning::from).collect(),
    })
}

fn count(rows: usize) -> i32 {
    i32::try_from(rows).unwrap_or(i32::MAX)
}

fn stopping() -> Status {
    Refusal::new(
        Kind::Unavailable,
        "STOPPING",
        "服务器正在停止，已导入的行不会丢失：请稍后用同一个 request_id 重新提交",
        "the server is stopping and what was taken is kept: send the same request again in a moment",
    )
    .into()
}

const BROKEN: Sentence = Sentence::new(
    "文件无法读取：请用 Excel 或 WPS 打开并另存为 .xlsx 后再导入",
    "the file cannot be read: open it in a spreadsheet program and save it as .xlsx again",
);
const NO_COMPOUND: Sentence = Sentence::new(
    "本社区没有这个小区：请核对名称，或先建立小区",
    "is no compound of this neighbourhood: check the name, or create the compound first",
);
