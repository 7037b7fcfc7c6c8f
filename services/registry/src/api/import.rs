//! An import: a workbook in, progress out, the outcome in the last message. Everything is compared with the register before
//! anything is written, and where a row is refused nothing is, unless the good rows were asked for. Each row is a command of
//! its own whose id derives from the request's, so an import that broke off goes on where it was when it is sent again, and
//! one that was finished gives the same outcome. It runs in a task of its own: a client that goes away does not stop it
//! half-way.

/// What the register holds, looked up in one go.
mod known;
/// What came of the rows.
mod outcome;
/// A workbook of places.
pub(super) mod places;
/// What is to be done about each row.
mod plan;
/// What an interrupted import did before.
mod resumed;
/// Workbooks to be filled in.
pub(super) mod template;
/// Doing it.
mod writing;

use std::{collections::HashMap, sync::Arc};

use chassis::{Call, Decision, Failure, Fields, Kind, Refusal, day_of, reason};
use proto::registry::v1::{self as contract, ImportHouseholdsRequest, ImportHouseholdsResponse, ImportOutcome};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use self::{known::Known, outcome::Tally, resumed::Earlier};
use super::{Answer, Api, Progress};
use crate::{
    domain::neighbourhood,
    keys,
    sentence::Sentence,
    workbook::{self, Column, Room, Unreadable, Workbook},
};

/// How often others may be faster with the same rooms or people.
const TRIES: usize = 3;

pub(super) async fn start(api: &Api, request: Request<ImportHouseholdsRequest>) -> Answer<Progress> {
    let call = Call::command(&request, &request.get_ref().request_id)?;
    let ImportHouseholdsRequest { parent, workbook: bytes, validate_only, partial, .. } = request.into_inner();
    let mut fields = Fields::new();
    let neighbourhood_id = fields.name("parent", "neighbourhoods", &parent);
    let neighbourhood_id = fields.read(neighbourhood_id)?;
    api.neighbourhood(&call, &neighbourhood_id).await?;
    let today = day_of(call.now);
    let workbook = read(move || workbook::read(&bytes, today)).await?;
    let mode = Mode::of(api, &call, validate_only).await?;
    let (sender, receiver) = mpsc::channel(64);
    let import = Import { api: api.clone(), call, neighbourhood_id, mode, partial };
    api.tracker.spawn(async move { tell_end(&sender, Arc::new(import).take(workbook, &sender).await).await });
    Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
}

/// Reads a workbook where it holds nobody up.
async fn read<W: Send + 'static>(read: impl FnOnce() -> Result<W, Unreadable> + Send + 'static) -> Result<W, Status> {
    let workbook = tokio::task::spawn_blocking(read).await;
    workbook.unwrap_or(Err(Unreadable(BROKEN))).map_err(unreadable)
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
    /// Good rows are taken though others are refused.
    partial: bool,
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

impl Mode {
    async fn of(api: &Api, call: &Call, validate_only: bool) -> Result<Self, Failure> {
        if validate_only {
            return Ok(Self::Rehearsal);
        }
        let begun = api.ledger.done_before::<()>(call).await?.is_some();
        Ok(if begun { Self::Again } else { Self::First })
    }
}

type Sender = mpsc::Sender<Result<ImportHouseholdsResponse, Status>>;

impl Import {
    async fn take(self: &Arc<Self>, workbook: Workbook, sender: &Sender) -> Result<ImportOutcome, Status> {
        if self.mode == Mode::Again
            && let Some(outcome) = outcome::finished(&self.api, &self.call, &workbook.warnings).await?
        {
            return outcome::with_workbook(vec![workbook.sheet], outcome, false).await;
        }
        let Workbook { sheet, rooms, refused, warnings } = workbook;
        let mut tally = Tally::new(sheet.rows.len(), refused, warnings);
        let earlier = if self.mode == Mode::Again { Earlier::of(self, &rooms).await? } else { Earlier::default() };
        let mut rooms = self.in_compounds(rooms, &mut tally).await?;
        outcome::tell(sender, &tally);
        for round in 1.. {
            seen(&self.api, &self.call).await?;
            let known = Known::look(self, &rooms).await?;
            let planned = rooms.into_iter().map(|(id, room)| plan::room(&known, &earlier, id, room, &mut tally));
            let planned: Vec<plan::Planned> = planned.flatten().collect();
            if round == 1 && self.mode != Mode::Again {
                let faultless = tally.refused.is_empty() || self.partial;
                if self.mode == Mode::Rehearsal {
                    for room in &planned {
                        tally.foresee(room);
                    }
                    return outcome::with_workbook(vec![sheet], tally.outcome(false), !self.partial).await;
                }
                if !faultless {
                    return outcome::with_workbook(vec![sheet], tally.held(), true).await;
                }
                begin(&self.api, &self.call, &self.neighbourhood_id).await?;
            }
            rooms = self.write(planned, &mut tally, sender).await?;
            if rooms.is_empty() {
                break;
            }
            if round == TRIES {
                return Err(Failure::Contended.into());
            }
        }
        seen(&self.api, &self.call).await?;
        let outcome = tally.outcome(true);
        outcome::finish(&self.api, &self.call, &self.neighbourhood_id, &outcome).await?;
        outcome::with_workbook(vec![sheet], outcome, false).await
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
}

/// Takes the request id for this content before anything is done under it.
async fn begin(api: &Api, call: &Call, office: &str) -> Result<(), Failure> {
    let nothing = Decision::<neighbourhood::Event>::new(Vec::new()).office(office);
    api.ledger.collect(call, office, nothing, ()).await.map(drop)
}

/// Waits until the lists show all that the log holds: what is compared with, and in the end what was taken, so that whoever
/// reads the outcome can look.
async fn seen(api: &Api, call: &Call) -> Result<(), Failure> {
    let head = api.ledger.log().head().await?;
    let mut call = call.clone();
    call.after.insert(api.ledger.log().name().to_owned(), head.position);
    for _ in 0..10 {
        if api.views.read(&call).await.is_ok() {
            break;
        }
    }
    Ok(())
}

async fn tell_end(sender: &Sender, outcome: Result<ImportOutcome, Status>) {
    let last = outcome.map(|outcome| ImportHouseholdsResponse {
        rows_done: outcome.rows,
        rows: outcome.rows,
        outcome: Some(outcome),
    });
    if sender.send(last).await.is_err() {
        tracing::info!("an import ended after its client had gone away");
    }
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
