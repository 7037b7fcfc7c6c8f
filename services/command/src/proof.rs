//! The picture proved and made anew: the logs are read from their beginnings, while everybody goes on.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use anyhow::Context as _;
use chassis::{Feed, Memory as _, Record};

use crate::{book::Minute, picture::Picture, recount::Recount};

/// Records per read.
const BATCH: usize = 2_000;

/// One log on its way to where it ends.
struct Reading<'a> {
    feed: &'a Arc<dyn Feed>,
    end: u64,
    position: u64,
    read: VecDeque<Arc<Record>>,
}

impl Reading<'_> {
    /// Its next record; `None` at the end.
    async fn next(&mut self) -> anyhow::Result<Option<&Arc<Record>>> {
        if self.read.is_empty() && self.position < self.end {
            let records = self.feed.read(self.position, BATCH).await.context("reading a log")?;
            let log = self.feed.source();
            anyhow::ensure!(!records.is_empty(), "the log {log} ends before position {}", self.end);
            self.read.extend(records.into_iter().take_while(|record| record.position <= self.end));
        }
        Ok(self.read.front())
    }
}

/// Every record of every log up to these positions, in the order of their times as far as the logs allow.
async fn each(
    feeds: &[Arc<dyn Feed>],
    positions: &BTreeMap<String, u64>,
    mut take: impl FnMut(&Arc<Record>) -> anyhow::Result<()>,
) -> anyhow::Result<u64> {
    let end = |feed: &Arc<dyn Feed>| positions.get(feed.source()).copied().unwrap_or(0);
    let mut logs: Vec<Reading<'_>> =
        feeds.iter().map(|feed| Reading { feed, end: end(feed), position: 0, read: VecDeque::new() }).collect();
    let mut taken = 0;
    loop {
        let mut first: Option<(usize, (i64, i32))> = None;
        for (number, log) in logs.iter_mut().enumerate() {
            let Some(record) = log.next().await? else { continue };
            let since = record.recorded_at.as_ref().map(|time| (time.seconds, time.nanos)).unwrap_or_default();
            if first.is_none_or(|(_, earliest)| since < earliest) {
                first = Some((number, since));
            }
        }
        let Some((number, _)) = first else { return Ok(taken) };
        let log = &mut logs[number];
        let Some(record) = log.read.pop_front() else { return Ok(taken) };
        log.position = record.position;
        take(&record)
            .with_context(|| format!("folding {} at position {} of {}", record.r#type, record.position, record.log))?;
        taken += 1;
        if taken % 512 == 0 {
            // Whoever asks meanwhile is answered.
            tokio::task::yield_now().await;
        }
    }
}

/// The figures by plain counting, of what was known until this minute.
pub async fn recount(
    feeds: &[Arc<dyn Feed>],
    positions: &BTreeMap<String, u64>,
    until: Minute,
) -> anyhow::Result<Recount> {
    let mut recount = Recount::until(until);
    let take = |record: &Arc<Record>| {
        recount.take(record);
        Ok(())
    };
    each(feeds, positions, take).await?;
    Ok(recount)
}

/// Folds the logs afresh and puts the outcome in the place of what is shown. Answers with how many records were folded; `None`
/// where a log was made anew meanwhile, so that everything is being folded anyway.
pub async fn rebuild(feeds: &[Arc<dyn Feed>], picture: &Picture) -> anyhow::Result<Option<u64>> {
    let positions = picture.begin_rebuilding();
    let other = Picture::default();
    let taken = each(feeds, &positions, |record| other.take(record)).await?;
    Ok(picture.replace_by(&other).then_some(taken))
}
