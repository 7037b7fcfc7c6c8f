//! stub
use std::sync::Arc;
use tokio::sync::watch;

/// Which replica of a service writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lead {
    Here { fence: i64 },
    Elsewhere { address: String },
}

#[derive(Clone, Debug)]
pub struct Lease(Arc<watch::Sender<Lead>>);

impl Lease {
    pub fn alone() -> Self {
        Self(Arc::new(watch::Sender::new(Lead::Here { fence: 0 })))
    }
    pub async fn contend(
        _: &crate::postgres::Database,
        _: &str,
        _: &tokio_util::task::TaskTracker,
        _: &tokio_util::sync::CancellationToken,
    ) -> anyhow::Result<Self> {
        anyhow::bail!("stub")
    }
    pub fn watch(&self) -> watch::Receiver<Lead> {
        self.0.subscribe()
    }
    pub fn leads(&self) -> bool {
        matches!(*self.0.borrow(), Lead::Here { .. })
    }
}
