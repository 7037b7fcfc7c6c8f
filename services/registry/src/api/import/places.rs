//! A workbook of places: a neighbourhood joins with its grids, compounds, buildings and gates in minutes. Rows are taken in
//! the order of what stands on what, each compared with the register and with the rows before it; nothing is written before
//! all of them were.

/// What is there, and what the rows before have added to it.
mod world;

use chassis::{Call, Decision, Failure, Fields, day_of};
use proto::registry::v1::{ImportHouseholdsResponse, ImportOutcome, ImportPlacesRequest};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

pub(super) use self::world::Kind;
use self::world::{Act, Deed, World};
use super::{Mode, Sender, begin, outcome, outcome::Tally, read, seen, stopping, tell_end};
use crate::{
    api::{Answer, Api, Progress},
    domain::{compound, grid, neighbourhood},
    keys,
    sentence::Sentence,
    workbook::{self, Listed, Places, Refused},
};

pub(in crate::api) async fn start(api: &Api, request: Request<ImportPlacesRequest>) -> Answer<Progress> {
    let call = Call::command(&request, &request.get_ref().request_id)?;
    let ImportPlacesRequest { parent, workbook: bytes, validate_only, partial, .. } = request.into_inner();
    let mut fields = Fields::new();
    let parent = fields.name_if_given("parent", "neighbourhoods", &parent);
    fields.done()?;
    let parent = parent.or_else(|| call.principal.scope.neighbourhood().map(str::to_owned));
    if let Some(parent) = &parent {
        api.neighbourhood(&call, parent).await?;
    }
    let places = read(move || workbook::read_places(&bytes)).await?;
    let mode = Mode::of(api, &call, validate_only).await?;
    let (sender, receiver) = mpsc::channel::<Result<ImportHouseholdsResponse, Status>>(64);
    let import = Import { api: api.clone(), call, parent, mode, partial };
    api.tracker.spawn(async move { tell_end(&sender, import.take(places, &sender).await).await });
    Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
}

/// One import under way.
struct Import {
    api: Api,
    call: Call,
    /// The neighbourhood of rows that name none.
    parent: Option<String>,
    mode: Mode,
    partial: bool,
}

impl Import {
    async fn take(self, places: Places, sender: &Sender) -> Result<ImportOutcome, Status> {
        if self.mode == Mode::Again
            && let Some(outcome) = outcome::finished(&self.api, &self.call, &places.warnings).await?
        {
            return outcome::with_workbook(places.sheets, outcome, false).await;
        }
        let Places { sheets, entries, refused, warnings } = places;
        let mut tally = Tally::new(sheets.iter().map(|sheet| sheet.rows.len()).sum(), refused, warnings);
        outcome::tell(sender, &tally);
        seen(&self.api, &self.call).await?;
        let mut world = World::look(&self.api, &self.call, self.parent.clone()).await?;
        let mut planned = Vec::with_capacity(entries.len());
        for entry in entries {
            match world.plan(&self.call, &entry, day_of(self.call.now)) {
                Ok(deed) => planned.push((entry, deed)),
                Err((column, sentence)) => {
                    let reason = chassis::reason(world::refusal_of(&sentence).as_str_name());
                    tally.refused.push(Refused::new(entry.row, reason, Some(column), sentence).on(&entry.sheet));
                }
            }
        }
        if self.mode == Mode::Rehearsal {
            for (_, deed) in &planned {
                tally.count_place(deed.kind);
            }
            return outcome::with_workbook(sheets, tally.outcome(false), !self.partial).await;
        }
        if self.mode == Mode::First && !tally.refused.is_empty() && !self.partial {
            return outcome::with_workbook(sheets, tally.held(), true).await;
        }
        let office = self.parent.clone().unwrap_or_default();
        if self.mode == Mode::First {
            begin(&self.api, &self.call, &office).await?;
        }
        for (entry, deed) in planned {
            if self.api.stop.is_cancelled() {
                return Err(stopping());
            }
            match self.write(&entry, &deed).await {
                Ok(kind) => tally.count_place(kind),
                Err(Failure::Refused(refusal)) => {
                    let sentence = Sentence::made(refusal.zh.clone(), refusal.en.clone());
                    tally.refused.push(Refused::new(entry.row, refusal.reason, None, sentence).on(&entry.sheet));
                }
                Err(Failure::Reserved { .. }) => {
                    let reason = chassis::reason(proto::registry::v1::Refusal::AlreadyExists.as_str_name());
                    tally.refused.push(Refused::new(entry.row, reason, None, RACED).on(&entry.sheet));
                }
                Err(failure) => return Err(failure.into()),
            }
            outcome::tell(sender, &tally);
        }
        seen(&self.api, &self.call).await?;
        let outcome = tally.outcome(true);
        outcome::finish(&self.api, &self.call, &office, &outcome).await?;
        outcome::with_workbook(sheets, outcome, false).await
    }

    /// Says what came of it: an attempt that broke off had done some of it before.
    async fn write(&self, entry: &Listed, deed: &Deed) -> Result<Kind, Failure> {
        let call = world::call_of(&self.call, entry);
        let before = match self.mode {
            Mode::Again => self.before(&call).await?,
            Mode::First | Mode::Rehearsal => None,
        };
        for act in &deed.acts {
            self.act(&call.derive(act.word()), &deed.id, &deed.neighbourhood, act).await?;
        }
        Ok(before.unwrap_or(deed.kind))
    }

    async fn before(&self, call: &Call) -> Result<Option<Kind>, Failure> {
        for (words, kind) in [(Act::MAKING, Kind::New), (Act::CHANGING, Kind::Changed)] {
            for word in words {
                if self.api.ledger.done_before::<()>(&call.derive(word)).await?.is_some() {
                    return Ok(Some(kind));
                }
            }
        }
        Ok(None)
    }

    async fn act(&self, call: &Call, id: &str, neighbourhood: &str, act: &Act) -> Result<(), Failure> {
        let ledger = &self.api.ledger;
        let done = match act {
            Act::OpenNeighbourhood { name, code } => {
                let decide = |state: &neighbourhood::Neighbourhood, _| {
                    let decision = Decision::new(state.open(name, code)?).office(id);
                    Ok::<_, neighbourhood::Refusal>(decision.reserve(keys::NEIGHBOURHOOD_CODE, code))
                };
                ledger.begin::<neighbourhood::Neighbourhood, (), _, _, _>(call, id, decide, |_, _| ()).await?
            }
            Act::OpenGrid { name } => {
                let decide = |state: &grid::Grid, _| {
                    let decision = Decision::new(state.open(name, neighbourhood)?).office(neighbourhood);
                    Ok::<_, grid::Refusal>(decision.reserve(keys::GRID_NAME, keys::grid(neighbourhood, name)))
                };
                ledger.begin::<grid::Grid, (), _, _, _>(call, id, decide, |_, _| ()).await?
            }
            Act::OpenCompound { name, .. } => {
                let decide = |state: &compound::Compound, _| {
                    let decision = Decision::new(act.decide(state)?).office(neighbourhood);
                    Ok::<_, compound::Refusal>(
                        decision.reserve(keys::COMPOUND_NAME, keys::compound(neighbourhood, name)),
                    )
                };
                ledger.begin::<compound::Compound, (), _, _, _>(call, id, decide, |_, _| ()).await?
            }
            Act::AddBuilding { .. } | Act::AddGate { .. } | Act::AssignGrid { .. } | Act::SetRegime { .. } => {
                let decide = |state: &compound::Compound, _| {
                    Ok::<_, compound::Refusal>(Decision::new(act.decide(state)?).office(neighbourhood))
                };
                ledger.transact::<compound::Compound, (), _, _, _>(call, id, decide, |_, _| ()).await?
            }
        };
        drop(done);
        Ok(())
    }
}

const RACED: Sentence = Sentence::new(
    "刚刚已由他人登记：请重新导入这一行",
    "was registered by somebody else at this moment: import this row again",
);
