//! Where reports take their figures from: the command centre's picture, as of a moment. The one place that changes with it.

use std::collections::BTreeMap;

use chassis::{Call, Failure, Views};
use chrono::{DateTime, Utc};
use proto::command::v1::Figures;
use tonic::Status;

use crate::{api, figures};

#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) views: Views,
}

/// What was known at a moment.
pub(crate) struct Known {
    /// By neighbourhood id.
    pub(crate) figures: BTreeMap<String, Figures>,
    /// What each neighbourhood is called.
    pub(crate) names: BTreeMap<String, String>,
}

impl Source {
    /// What is counted by the day is that of the day of `time`; states are those of now.
    pub(crate) async fn as_of(&self, call: &Call, time: DateTime<Utc>) -> Result<Known, Status> {
        let mut db = self.views.read(call).await?;
        let picture = api::picture(&mut db, time).await.map_err(Failure::Fault)?;
        Ok(Known { figures: picture.figures, names: picture.names })
    }
}

/// The names of all figures, as forms say them.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    figures::ALL.iter().map(|figure| figure.name)
}

/// A figure by its name; `None` where there is none of it.
pub(crate) fn value(name: &str, figures: &Figures) -> Option<i64> {
    let figure = figures::ALL.iter().find(|figure| figure.name == name)?;
    let mut figures = *figures;
    Some(*(figure.of)(&mut figures))
}
