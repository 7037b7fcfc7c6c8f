//! What came of the rows: every one of them is taken or refused.

use chassis::{Call, Decision, Failure};
use prost::Message as _;
use proto::registry::v1::{ImportHouseholdsResponse, ImportOutcome, RefusedRow, RowWarning};
use tonic::Status;

use super::{
    Sender,
    places::Kind as Place,
    plan::{Deed, Home, Planned},
    resumed::Was,
};
use crate::{
    api::{Api, fault},
    domain::neighbourhood,
    sentence::Sentence,
    workbook::{self, Column, Refused, Room, Sheet, Warning},
};

/// An outcome that is larger is not kept: the same request, sent again, compares once more.
const MOST_KEPT: usize = 256 << 10;

#[derive(Default)]
pub(super) struct Tally {
    rows: usize,
    pub(super) new: usize,
    pub(super) changed: usize,
    pub(super) same: usize,
    pub(super) households_new: usize,
    residents_new: usize,
    pub(super) refused: Vec<Refused>,
    pub(super) warnings: Vec<Warning>,
}

impl Tally {
    pub(super) fn new(rows: usize, refused: Vec<Refused>, warnings: Vec<Warning>) -> Self {
        Self { rows, refused, warnings, ..Self::default() }
    }

    /// Rows of which it is known what comes of them.
    pub(super) fn done(&self) -> usize {
        self.new + self.changed + self.same + self.refused.len()
    }

    pub(super) fn add(&mut self, other: Self) {
        self.new += other.new;
        self.changed += other.changed;
        self.same += other.same;
        self.households_new += other.households_new;
        self.residents_new += other.residents_new;
        self.refused.extend(other.refused);
        self.warnings.extend(other.warnings);
    }

    /// Refuses every row of a room.
    pub(super) fn refuse(&mut self, room: &Room, reason: &'static str, column: Column, sentence: &Sentence) {
        let rows = room.occupants.iter();
        self.refused.extend(rows.map(|row| Refused::new(row.row, reason, Some(column), sentence.clone())));
    }

    /// Counts a row that was dealt with. A landlord that changed makes the first row of its room a changed one.
    pub(super) fn count(&mut self, deed: &Deed, relet: bool) {
        match deed {
            Deed::New | Deed::Done(Was::New) => {
                self.new += 1;
                self.residents_new += 1;
            }
            Deed::Changed(..) | Deed::Done(Was::Changed) => self.changed += 1,
            Deed::Same if relet => self.changed += 1,
            Deed::Same => self.same += 1,
        }
    }

    /// Counts a row of places.
    pub(super) fn count_place(&mut self, kind: Place) {
        match kind {
            Place::New => self.new += 1,
            Place::Changed => self.changed += 1,
            Place::Same => self.same += 1,
        }
    }

    /// Counts a room as if it were written.
    pub(super) fn foresee(&mut self, planned: &Planned) {
        self.households_new += usize::from(planned.home == Home::New);
        for (at, (_, deed)) in planned.rows.iter().enumerate() {
            self.count(deed, at == 0 && planned.relet);
        }
    }

    pub(super) fn outcome(self, committed: bool) -> ImportOutcome {
        let mut outcome = self.told();
        outcome.taken = outcome.rows_new + outcome.rows_changed + outcome.rows_same;
        outcome.committed = committed;
        outcome
    }

    /// Nothing is taken, since some rows have a fault.
    pub(super) fn held(self) -> ImportOutcome {
        let at_fault = count(self.refused.len());
        let Self { rows, refused, warnings, .. } = self;
        let mut outcome = Self::new(rows, refused, warnings).told();
        outcome.refused = outcome.rows;
        outcome.rows_held = outcome.rows - at_fault;
        outcome
    }

    fn told(mut self) -> ImportOutcome {
        self.refused.sort_by(|one, other| (&one.sheet, one.row).cmp(&(&other.sheet, other.row)));
        self.warnings.sort_by(|one, other| (&one.sheet, one.row).cmp(&(&other.sheet, other.row)));
        ImportOutcome {
            rows: count(self.rows),
            refused: count(self.refused.len()),
            rows_new: count(self.new),
            rows_changed: count(self.changed),
            rows_same: count(self.same),
            households_new: count(self.households_new),
            residents_new: count(self.residents_new),
            refused_rows: self.refused.iter().map(RefusedRow::from).collect(),
            warnings: self.warnings.iter().map(RowWarning::from).collect(),
            ..ImportOutcome::default()
        }
    }
}

/// The outcome with the refused rows as a workbook.
pub(super) async fn with_workbook(
    sheets: Vec<Sheet>,
    outcome: ImportOutcome,
    whole: bool,
) -> Result<ImportOutcome, Status> {
    let rows = outcome.refused_rows.clone();
    let back = tokio::task::spawn_blocking(move || workbook::refused_workbook(&sheets, &rows, whole)).await;
    let refused_workbook = back.map_err(|error| fault(error.into()))?.map_err(fault)?;
    Ok(ImportOutcome { refused_workbook, ..outcome })
}

/// Progress is a courtesy: a slow client misses some of it.
pub(super) fn tell(sender: &Sender, tally: &Tally) {
    let progress = ImportHouseholdsResponse { rows_done: count(tally.done()), rows: count(tally.rows), outcome: None };
    if sender.try_send(Ok(progress)).is_err() {
        tracing::trace!("progress was not wanted");
    }
}

/// Keeps the outcome with the request: sent again, it is answered alike, whatever has changed in the register since. Its
/// sentences name rows and columns, and nothing of a person; what is said about sheets names their titles, which people
/// chose, and is left out.
pub(super) async fn finish(api: &Api, call: &Call, office: &str, outcome: &ImportOutcome) -> Result<(), Failure> {
    let mut kept = outcome.clone();
    kept.warnings.retain(|warning| warning.row != 0);
    if kept.encoded_len() > MOST_KEPT {
        return Ok(());
    }
    let nothing = Decision::<neighbourhood::Event>::new(Vec::new()).office(office);
    api.ledger.collect(&call.derive(FINISHED), office, nothing, kept).await.map(drop)
}

/// The outcome of the time before, if it came to one; with what is said about the file's sheets.
pub(super) async fn finished(api: &Api, call: &Call, said: &[Warning]) -> Result<Option<ImportOutcome>, Failure> {
    let Some(done) = api.ledger.done_before::<ImportOutcome>(&call.derive(FINISHED)).await? else { return Ok(None) };
    let mut outcome = done.reply;
    let mut warnings: Vec<RowWarning> = said.iter().filter(|warning| warning.row == 0).map(RowWarning::from).collect();
    warnings.append(&mut outcome.warnings);
    Ok(Some(ImportOutcome { warnings, ..outcome }))
}

const FINISHED: &str = "finished";

fn count(rows: usize) -> i32 {
    i32::try_from(rows).unwrap_or(i32::MAX)
}
