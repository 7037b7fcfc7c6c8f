//! What is there after an accident: read from the logs record by record, then from the lists, and at last every command is
//! sent once more.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
    time::Duration,
};

use futures::{StreamExt as _, stream};
use proto::{
    command::v1::RecountRequest,
    event::v1::{GetHeadRequest, ListConsumersRequest, ReadRecordsRequest, Record, VerifyLogRequest, consumer::State},
    registry::v1::{
        Household, ListHouseholdsRequest, ListNeighbourhoodsRequest, ListResidentsRequest, Neighbourhood, Resident,
    },
};

use crate::{
    deeds::{Book, Deed, Desk, Place, Trace, unanswered},
    offices::Offices,
};

/// One line of what became of the commands.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) acknowledged: usize,
    pub(crate) lost: usize,
    pub(crate) doubled: usize,
    /// Answered otherwise when sent again.
    pub(crate) changed: usize,
    /// Without an answer at first, and settled by sending them again.
    pub(crate) in_doubt: u32,
    pub(crate) unknown: usize,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "| acknowledged {} | lost {} | doubled {} | answered otherwise {} | in doubt, then settled {} | unknown {} |",
            self.acknowledged, self.lost, self.doubled, self.changed, self.in_doubt, self.unknown
        )
    }
}

const LOGS: [&str; 4] = ["registry", "screening", "pass", "isolation"];

/// What the deeds have added to the subdistrict's figures.
pub(crate) struct Made {
    pub(crate) households: i64,
    pub(crate) residents: i64,
}

/// Everything that must hold after any accident.
pub(crate) async fn nothing_lost(offices: &Offices, place: &Place, book: &Book) -> Made {
    assert!(book.complaints.is_empty(), "refused for no good reason: {:#?}", book.complaints);
    settled(offices).await;
    let mut done = HashMap::new();
    for log in LOGS {
        let records = whole(offices, log).await;
        if log == "registry" {
            for record in &records {
                *done.entry(record.command_id.clone()).or_insert(0_u32) += 1;
            }
        }
    }
    let times = |deed: &Deed| done.get(&deed.request_id()).copied().unwrap_or(0);
    let deeds = done.keys().filter(|id| id.starts_with("fault:") && id.ends_with(|c: char| c.is_ascii_digit()));
    let mut outcome = Outcome {
        acknowledged: book.answers.len(),
        lost: book.answers.keys().filter(|deed| times(deed) == 0).count(),
        doubled: book.answers.keys().filter(|deed| times(deed) > 1).count(),
        changed: 0,
        in_doubt: book.in_doubt,
        unknown: deeds.count().abs_diff(book.answers.len()),
    };
    let desk = Desk::new(offices, place);
    outcome.changed = answered_otherwise(&desk, book).await;
    println!("{outcome}");
    let right = Outcome { acknowledged: book.answers.len(), in_doubt: book.in_doubt, ..Outcome::default() };
    assert_eq!(outcome, right);
    shown(offices, place, book).await
}

/// Waits until every consumer is at the head of its log; nobody may stand still, and nothing be laid aside.
pub(crate) async fn settled(offices: &Offices) {
    let mut logs = offices.logs();
    let (mut quiet, mut before) = (0, Vec::new());
    for _ in 0..2_400 {
        let listed = match logs.list_consumers(ListConsumersRequest {}).await {
            // A process may just be coming back.
            Err(status) if unanswered(&status) => {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
            listed => listed.unwrap(),
        };
        let consumers = listed.into_inner().consumers;
        for consumer in &consumers {
            assert_ne!(consumer.state(), State::Halted, "a consumer halted: {consumer:?}");
            assert_eq!(consumer.parked, 0, "records were laid aside: {consumer:?}");
        }
        let heads: Vec<u64> = consumers.iter().map(|consumer| consumer.head).collect();
        let caught_up = consumers.iter().all(|consumer| consumer.position == consumer.head);
        quiet = if caught_up && heads == before { quiet + 1 } else { 0 };
        if quiet >= 2 {
            return;
        }
        before = heads;
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("the consumers did not come to rest");
}

/// The command centre's figures, folded again.
pub(crate) async fn recounted(offices: &Offices) {
    let recount = offices.command().recount(RecountRequest::default()).await.unwrap().into_inner();
    assert!(recount.equal, "{:#?}", recount.differences);
}

/// All records of a log that is intact, without a hole in it or in one of its streams.
async fn whole(offices: &Offices, log: &str) -> Vec<Record> {
    let mut logs = offices.logs();
    let verified = logs.verify_log(VerifyLogRequest { log: log.into() }).await.unwrap().into_inner();
    assert!(verified.intact, "the log {log} is broken at {}", verified.broken_at);
    let mut records: Vec<Record> = Vec::new();
    let mut versions: HashMap<(String, String), u64> = HashMap::new();
    loop {
        let after_position = records.last().map_or(0, |last| last.position);
        let request =
            ReadRecordsRequest { log: log.into(), after_position, page_size: 1_000, ..ReadRecordsRequest::default() };
        let page = logs.read_records(request).await.unwrap().into_inner().records;
        if page.is_empty() {
            break;
        }
        for record in page {
            assert_eq!(record.position, records.len() as u64 + 1, "the log {log} has a hole");
            let version = versions.entry((record.category.clone(), record.stream_id.clone())).or_default();
            *version += 1;
            assert_eq!(record.version, *version, "the stream {}/{} has a hole", record.category, record.stream_id);
            records.push(record);
        }
    }
    let head = logs.get_head(GetHeadRequest { log: log.into() }).await.unwrap().into_inner();
    assert_eq!((verified.records, head.position), (records.len() as u64, records.len() as u64), "{log}");
    records
}

async fn answered_otherwise(desk: &Desk, book: &Book) -> usize {
    let again = book.answers.iter().map(|(deed, answer)| async move {
        let repeated = deed.send(desk).await.unwrap_or_else(|status| panic!("{} again: {status:?}", deed.request_id()));
        repeated != *answer
    });
    stream::iter(again).buffer_unordered(64).filter(|other| std::future::ready(*other)).count().await
}

/// Each deed once in the lists, and in the lists nothing besides.
async fn shown(offices: &Offices, place: &Place, book: &Book) -> Made {
    let (mut codes, mut doors) = (BTreeMap::new(), BTreeMap::new());
    for neighbourhood in neighbourhoods(offices).await {
        *codes.entry(neighbourhood.code).or_insert(0_u32) += 1;
    }
    for household in households(offices, place).await {
        *doors.entry((household.building, household.room)).or_insert(0_u32) += 1;
    }
    // The one in which the residents live was founded with the place.
    let mut made = Made { households: 1, residents: 0 };
    for deed in book.answers.keys() {
        match deed.trace() {
            Trace::Neighbourhood { code } => assert_eq!(codes.get(&code), Some(&1), "{deed:?}"),
            Trace::Household { building, room } => {
                assert_eq!(doors.get(&(building, room)), Some(&1), "{deed:?}");
                made.households += 1;
            }
            Trace::Resident => made.residents += 1,
            Trace::Regime => {}
        }
    }
    assert_eq!(i64::try_from(doors.len()), Ok(made.households), "households that nobody asked for");
    let residents: BTreeSet<String> = residents(offices, place).await.into_iter().map(|one| one.name).collect();
    assert_eq!(i64::try_from(residents.len()), Ok(made.residents), "residents, each once");
    made
}

async fn neighbourhoods(offices: &Offices) -> Vec<Neighbourhood> {
    let (mut officer, mut all, mut page_token) = (offices.officer(), Vec::new(), String::new());
    loop {
        let request = ListNeighbourhoodsRequest { page_size: 1_000, page_token };
        let page = officer.list_neighbourhoods(request).await.unwrap().into_inner();
        all.extend(page.neighbourhoods);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return all;
        }
    }
}

async fn households(offices: &Offices, place: &Place) -> Vec<Household> {
    let (mut worker, mut all, mut page_token) = (offices.worker(&place.neighbourhood), Vec::new(), String::new());
    loop {
        let request = ListHouseholdsRequest { parent: place.compound.clone(), page_size: 1_000, page_token };
        let page = worker.list_households(request).await.unwrap().into_inner();
        all.extend(page.households);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return all;
        }
    }
}

async fn residents(offices: &Offices, place: &Place) -> Vec<Resident> {
    let (mut worker, mut all, mut page_token) = (offices.worker(&place.neighbourhood), Vec::new(), String::new());
    loop {
        let request = ListResidentsRequest { parent: place.household.clone(), page_size: 1_000, page_token };
        let page = worker.list_residents(request).await.unwrap().into_inner();
        all.extend(page.residents);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return all;
        }
    }
}
