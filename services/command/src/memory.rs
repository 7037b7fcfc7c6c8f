//! What every replica remembers of the four logs: the picture, and what calls for an alarm.

use std::sync::Arc;

use chassis::{Memory, Parked, Record};

use crate::{LOGS, alarms::watch::Watch, picture::Picture};

#[derive(Default)]
pub struct Known {
    pub picture: Arc<Picture>,
    pub watch: Arc<Watch>,
}

impl Memory for Known {
    fn sources(&self) -> &'static [&'static str] {
        &LOGS
    }

    fn take(&self, record: &Arc<Record>) -> anyhow::Result<()> {
        self.picture.take(record)?;
        self.watch.take(record);
        Ok(())
    }

    fn forget(&self) {
        self.picture.forget();
        self.watch.forget();
    }

    fn laid_aside(&self, source: &str) -> u64 {
        self.picture.laid_aside(source)
    }

    fn parked(&self, source: &str, most: usize) -> Vec<Parked> {
        self.picture.parked(source, most)
    }
}
