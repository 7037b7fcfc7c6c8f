//! One log as its consumers see it. In one process the feed is the log itself; between processes it is a relay and an
//! inbox, and a consumer cannot tell the difference.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::event_log::{EventLog, Head, LogError, Record};

/// Records of one source in order, from any position, and a wake-up when there are more.
#[async_trait]
pub trait Feed: Send + Sync + 'static {
    /// The log's name.
    fn source(&self) -> &str;
    async fn head(&self) -> Result<Head, LogError>;
    /// At most `limit` records with greater positions, without a hole.
    async fn read(&self, after_position: u64, limit: usize) -> Result<Vec<Arc<Record>>, LogError>;
    /// Shows the head after each commit; a hint, since polling is the truth.
    fn wake(&self) -> watch::Receiver<u64>;
}

/// Straight from the log of the same process.
#[derive(Clone)]
pub struct InProcess(pub Arc<dyn EventLog>);

#[async_trait]
impl Feed for InProcess {
    fn source(&self) -> &str {
        self.0.name()
    }

    async fn head(&self) -> Result<Head, LogError> {
        self.0.head().await
    }

    async fn read(&self, after_position: u64, limit: usize) -> Result<Vec<Arc<Record>>, LogError> {
        self.0.read(after_position, limit).await
    }

    fn wake(&self) -> watch::Receiver<u64> {
        self.0.wake()
    }
}
