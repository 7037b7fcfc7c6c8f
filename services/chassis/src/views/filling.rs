//! Fills a generation that nobody reads yet, from the beginning of a log: while one batch is applied the next one is read.

use std::sync::Arc;

use anyhow::Context as _;
use tokio::task::JoinHandle;

use super::{
    Generation, Inner,
    follow::{BATCH, read, step_on},
};
use crate::{Feed, Record, consumers::Progress, feed::unreachable};

/// Until it is at most `behind` records away from the head. Returns how many it took.
pub(super) async fn catch_up(
    views: &Inner,
    generation: &Generation,
    source: &Arc<dyn Feed>,
    behind: u64,
) -> anyhow::Result<u64> {
    let progress = Progress::aside(&views.service, source.source());
    let (mut records, mut ahead) = (0, Ahead::default());
    loop {
        let batch = async |after| ahead.take(source, after).await;
        let taken = step_on(views, generation, &**source, &progress, true, batch).await?;
        records += taken;
        let head = source.head().await.map_err(unreachable)?;
        if taken == 0 || head.position.saturating_sub(progress.standing().position) <= behind {
            return Ok(records);
        }
    }
}

/// The batch behind the one that is being applied, and the position that it follows.
#[derive(Default)]
struct Ahead(Option<(u64, Reading)>);

type Reading = JoinHandle<anyhow::Result<Vec<Arc<Record>>>>;

impl Ahead {
    /// The records behind a position; those behind them are read from now on.
    async fn take(&mut self, source: &Arc<dyn Feed>, after: u64) -> anyhow::Result<Vec<Arc<Record>>> {
        let records = match self.0.take() {
            Some((begun, reading)) if begun == after => reading.await.context("reading ahead")??,
            _ => read(&**source, after, BATCH).await?,
        };
        if let Some(last) = records.last().filter(|_| records.len() == BATCH) {
            let (source, after) = (Arc::clone(source), last.position);
            self.0 = Some((after, tokio::spawn(async move { read(&*source, after, BATCH).await })));
        }
        Ok(records)
    }
}
