//! Where reports take their figures from: the command centre's picture, as of a moment. The one place that changes with it.

use std::{collections::BTreeMap, sync::Arc};

use chassis::{Call, Remembered};
use chrono::{DateTime, Utc};
use proto::command::v1::Figures;
use tonic::Status;

use crate::{api::AT_THE_START, figures, picture::Picture};

#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) picture: Arc<Picture>,
    pub(crate) remembered: Remembered,
}

/// What was known at a moment.
pub(crate) struct Known {
    /// By neighbourhood id.
    pub(crate) figures: BTreeMap<String, Figures>,
    /// What each neighbourhood is called.
    pub(crate) names: BTreeMap<String, String>,
}

impl Source {
    /// What was known by the end of that minute, of the day of that time; all that is known where it is the present.
    pub(crate) async fn as_of(&self, call: &Call, time: DateTime<Utc>) -> Result<Known, Status> {
        self.remembered.made(AT_THE_START).await;
        self.remembered.caught_up(call).await?;
        let past = time < call.now.max(self.picture.latest());
        let shown = if past { self.picture.by_the_end_of(time) } else { self.picture.live(time) };
        Ok(Known { figures: shown.figures, names: shown.names })
    }
}

/// The names of all figures, as forms say them.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    figures::ALL.iter().map(|figure| figure.name)
}

/// A figure by its name; `None` where there is none of it.
pub(crate) fn value(name: &str, figures: &Figures) -> Option<i64> {
    figures::find(name).map(|figure| figure.value(figures))
}
