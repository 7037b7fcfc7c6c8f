//! The numbers of the method that passes and gates need, from screening's log: of the version in force at a time.

use std::sync::{Arc, PoisonError, RwLock};

use anyhow::Context as _;
use async_trait::async_trait;
use chassis::{Projection, Reading, Record, Tables, Views, consumers::Progress, instant};
use chrono::{DateTime, Utc};
use proto::screening::v1::method_event::Event;
use sqlx::{AnyConnection, Row as _, any::AnyRow};
use tonic::Status;

use crate::{domain::access::Limits, resources::fault};

pub(crate) struct MethodInForce;

#[async_trait]
impl Projection for MethodInForce {
    fn name(&self) -> &'static str {
        "method"
    }

    fn version(&self) -> u32 {
        3
    }

    fn schema(&self) -> &'static str {
        "CREATE TABLE method (version TEXT PRIMARY KEY, in_force_from BIGINT NOT NULL, position BIGINT NOT NULL,
           pass_days BIGINT NOT NULL, fever_decicelsius BIGINT NOT NULL, daytime_from BIGINT NOT NULL,
           daytime_to BIGINT NOT NULL, outing_people BIGINT NOT NULL, outing_days BIGINT NOT NULL)"
    }

    fn sources(&self) -> &'static [&'static str] {
        &["screening"]
    }

    async fn apply(&self, tables: &mut Tables<'_>, record: &Record) -> anyhow::Result<()> {
        let Some(Event::Published(published)) = crate::facts::foreign::<Event>(record)? else {
            return Ok(());
        };
        let content = published.content.context("a method was published without content")?;
        // One that does not say from when is in force from its publication on.
        let from = published.in_force_time.as_ref().or(record.occurred_at.as_ref()).and_then(instant);
        let row = [
            ("version", published.version.into()),
            ("in_force_from", from.unwrap_or_default().timestamp_micros().into()),
            ("position", i64::try_from(record.position).context("a position fits into 63 bits")?.into()),
            ("pass_days", i64::from(content.pass_days).into()),
            ("fever_decicelsius", i64::from(content.fever_decicelsius).into()),
            ("daytime_from", i64::from(content.daytime_from_hour).into()),
            ("daytime_to", i64::from(content.daytime_to_hour).into()),
            ("outing_people", i64::from(content.outing_people).into()),
            ("outing_days", i64::from(content.outing_days).into()),
        ];
        tables.put("method", row).await
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Method {
    pub version: String,
    pub pass_days: i32,
    pub fever_decicelsius: i32,
    /// R18.
    pub limits: Limits,
}

/// A version, and from when on it is in force.
#[derive(Clone, Debug)]
pub(crate) struct Version {
    in_force_from: i64,
    method: Method,
}

/// All versions as memory has them: asked for anew where the read models have moved on in screening's log. One method for everybody,
/// so there is no scope to it.
pub(crate) struct Methods {
    screening: Arc<Progress>,
    /// With the position in screening's log at which the read models stood, or had already left.
    known: RwLock<Option<(u64, Arc<[Version]>)>>,
}

impl Methods {
    pub(crate) fn of(views: &Views) -> anyhow::Result<Self> {
        let screening = views.progress().into_iter().find(|progress| progress.source == "screening");
        Ok(Self { screening: screening.context("the read models follow screening's log")?, known: RwLock::default() })
    }

    /// Those that come into force later stand later.
    pub(crate) async fn all(&self, reading: &mut Reading<'_>) -> Result<Arc<[Version]>, Status> {
        let position = self.screening.position();
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((asked_at, versions)) = known
            && asked_at == position
            && position >= reading.seen(&self.screening.source)
        {
            return Ok(versions);
        }
        let versions: Arc<[Version]> = versions(reading.db().await?).await.map_err(fault)?.into();
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some((position, Arc::clone(&versions)));
        Ok(versions)
    }

    /// What is dated before the first version goes by that one: there is no other.
    pub(crate) async fn in_force(
        &self,
        reading: &mut Reading<'_>,
        at: DateTime<Utc>,
    ) -> Result<Option<Method>, Status> {
        Ok(of_time(&self.all(reading).await?, at).cloned())
    }
}

/// There are some dozens at most.
async fn versions(db: &mut AnyConnection) -> Result<Vec<Version>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT version, pass_days, fever_decicelsius, daytime_from, daytime_to, outing_people, outing_days,
           in_force_from FROM method ORDER BY in_force_from, position",
    )
    .fetch_all(db)
    .await?;
    let version = |row: &AnyRow| {
        let number = |column: usize| row.try_get::<i64, _>(column).map(|value| i32::try_from(value).unwrap_or(0));
        let limits = Limits::new([number(3)?, number(4)?], [number(5)?, number(6)?]);
        let method = Method { version: row.try_get(0)?, pass_days: number(1)?, fever_decicelsius: number(2)?, limits };
        Ok(Version { in_force_from: row.try_get(7)?, method })
    };
    rows.iter().map(version).collect()
}

/// The one that was in force at a time, among versions in their order.
pub(crate) fn of_time(versions: &[Version], at: DateTime<Utc>) -> Option<&Method> {
    let begun = versions.partition_point(|version| version.in_force_from <= at.timestamp_micros());
    versions.get(begun.saturating_sub(1)).map(|version| &version.method)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_goes_by_the_version_that_had_begun_last_and_before_the_first_by_the_first() {
        let at = |seconds| DateTime::from_timestamp(seconds, 0).unwrap();
        let version = |name: &str, seconds| Version {
            in_force_from: at(seconds).timestamp_micros(),
            method: Method {
                version: name.to_owned(),
                pass_days: 14,
                fever_decicelsius: 373,
                limits: Limits::default(),
            },
        };
        let versions = [version("a", 100), version("b", 200), version("c", 200), version("d", 300)];
        let of = |seconds| of_time(&versions, at(seconds)).unwrap().version.clone();
        assert_eq!([of(1), of(100), of(199), of(200), of(299), of(900)], ["a", "a", "a", "c", "c", "d"]);
        assert_eq!(of_time(&[], at(1)), None);
    }
}
