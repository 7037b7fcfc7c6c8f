//! The overview as it is, as it changes, and the proof that it is right.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use chassis::{Call, Failure, Feed, Scope, Views};
use chrono::{DateTime, Utc};
use proto::command::v1::{
    GetOverviewRequest, NeighbourhoodFigures, Overview, RecountRequest, RecountResponse, WatchOverviewRequest,
    command_service_server::CommandService,
};
use sqlx::{AnyConnection, Connection as _, Row as _};
use tokio::sync::mpsc;
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::{
    figures::{self, ByNeighbourhood},
    recount::Recount,
};

pub struct Api {
    pub views: Views,
    pub feeds: Vec<Arc<dyn Feed>>,
    pub stop: CancellationToken,
}

/// At most twice a second.
const WATCH: Duration = Duration::from_millis(500);
/// Records per read of a recount.
const BATCH: usize = 2_000;

#[tonic::async_trait]
impl CommandService for Api {
    async fn get_overview(&self, request: Request<GetOverviewRequest>) -> Result<Response<Overview>, Status> {
        let call = Call::query(&request)?;
        let mut connection = self.views.read(&call).await?;
        let picture = picture(&mut connection, call.now).await.map_err(Failure::Fault)?;
        Ok(Response::new(picture.overview(&call.principal.scope, call.now)))
    }

    type WatchOverviewStream = Pin<Box<dyn Stream<Item = Result<Overview, Status>> + Send>>;

    async fn watch_overview(
        &self,
        request: Request<WatchOverviewRequest>,
    ) -> Result<Response<Self::WatchOverviewStream>, Status> {
        let call = Call::query(&request)?;
        let (sender, receiver) = mpsc::channel(1);
        let (views, stop) = (self.views.clone(), self.stop.clone());
        tokio::spawn(async move {
            let watched = watch(&views, &call, &sender);
            tokio::select! {
                () = stop.cancelled() => {}
                () = sender.closed() => {}
                Err(status) = watched => { sender.send(Err(status)).await.ok(); }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn recount(&self, request: Request<RecountRequest>) -> Result<Response<RecountResponse>, Status> {
        let call = Call::query(&request)?;
        let mut connection = self.views.read(&call).await?;
        let picture = picture(&mut connection, call.now).await.map_err(Failure::Fault)?;
        drop(connection);
        let recount = self.fold(&picture.positions).await.map_err(Failure::Fault)?;
        let differences = figures::differences(&picture.figures, &recount.figures(call.now));
        Ok(Response::new(RecountResponse {
            equal: differences.is_empty(),
            records: recount.records,
            differences,
            positions: picture.positions.into_iter().collect(),
        }))
    }
}

impl Api {
    /// Folds every log up to the position that the picture shows.
    async fn fold(&self, positions: &BTreeMap<String, u64>) -> anyhow::Result<Recount> {
        let mut recount = Recount::default();
        for feed in &self.feeds {
            let end = positions.get(feed.source()).copied().unwrap_or(0);
            let mut position = 0;
            while position < end {
                let records = feed.read(position, BATCH).await.context("reading a log")?;
                anyhow::ensure!(!records.is_empty(), "the log {} ends before position {end}", feed.source());
                for record in records.iter().take_while(|record| record.position <= end) {
                    recount.take(record).with_context(|| {
                        format!("folding {} at position {} of {}", record.r#type, record.position, record.log)
                    })?;
                    position = record.position;
                }
            }
        }
        Ok(recount)
    }
}

async fn watch(views: &Views, call: &Call, sender: &mpsc::Sender<Result<Overview, Status>>) -> Result<(), Status> {
    let mut shown = BTreeMap::new();
    // A day may end while somebody watches: time goes on from when the request was made.
    let began = Instant::now();
    loop {
        let now: BTreeMap<String, u64> =
            views.progress().iter().map(|p| (p.source.clone(), p.standing().position)).collect();
        if now != shown {
            let mut connection = views.connection().await?;
            let time = call.now + began.elapsed();
            let picture = picture(&mut connection, time).await.map_err(Failure::Fault)?;
            shown.clone_from(&picture.positions);
            if sender.send(Ok(picture.overview(&call.principal.scope, time))).await.is_err() {
                return Ok(());
            }
        }
        tokio::time::sleep(WATCH).await;
    }
}

/// Everything that is shown, at one position of each log.
pub(crate) struct Picture {
    pub(crate) figures: ByNeighbourhood,
    pub(crate) names: BTreeMap<String, String>,
    positions: BTreeMap<String, u64>,
    method: String,
}

impl Picture {
    /// What somebody may see of it: all, or the own neighbourhood.
    fn overview(&self, scope: &Scope, now: DateTime<Utc>) -> Overview {
        let visible = self.figures.iter().filter(|(id, _)| scope.allows(id));
        let neighbourhoods: Vec<NeighbourhoodFigures> = visible
            .map(|(id, figures)| NeighbourhoodFigures {
                name: format!("neighbourhoods/{id}"),
                display_name: self.names.get(id).cloned().unwrap_or_default(),
                figures: Some(*figures),
            })
            .collect();
        let total = figures::total(neighbourhoods.iter().filter_map(|neighbourhood| neighbourhood.figures.as_ref()));
        Overview {
            subdistrict: Some(total),
            neighbourhoods,
            positions: self.positions.clone().into_iter().collect(),
            method: if self.method.is_empty() { String::new() } else { format!("methods/{}", self.method) },
            time: Some(chassis::timestamp(now)),
        }
    }
}

/// Reads figures and positions in one transaction, so that they belong together.
pub(crate) async fn picture(connection: &mut AnyConnection, now: DateTime<Utc>) -> anyhow::Result<Picture> {
    let mut db = connection.begin().await.context("beginning to read")?;
    let mut figures = ByNeighbourhood::new();
    let mut names = BTreeMap::new();
    for row in sqlx::query("SELECT neighbourhood_id, display_name FROM neighbourhood").fetch_all(&mut *db).await? {
        names.insert(row.get::<String, _>(0), row.get::<String, _>(1));
        figures.entry(row.get(0)).or_default();
    }
    for counting in COUNTS {
        let query = sqlx::query(counting.sql);
        let query = match counting.at {
            At::Any => query,
            At::Now => query.bind(now.timestamp_micros()),
            At::Today => query.bind(chassis::day_of(now).to_string()),
        };
        let rows = query.fetch_all(&mut *db).await.with_context(|| format!("counting {:?}", counting.into))?;
        for row in rows {
            let of = figures.entry(row.get(0)).or_default();
            for (column, name) in counting.into.iter().enumerate() {
                let figure = figures::ALL.iter().find(|figure| figure.name == *name).context("a figure by name")?;
                *(figure.of)(of) = row.get(column + 1);
            }
        }
    }
    let mut positions = BTreeMap::new();
    for row in sqlx::query("SELECT source, position FROM checkpoint").fetch_all(&mut *db).await? {
        positions.insert(row.get(0), u64::try_from(row.get::<i64, _>(1)).unwrap_or(0));
    }
    let method = sqlx::query_scalar(
        "SELECT version FROM method WHERE in_force_from <= $1 ORDER BY in_force_from DESC, position DESC LIMIT 1",
    )
    .bind(now.timestamp_micros())
    .fetch_optional(&mut *db)
    .await?
    .unwrap_or_default();
    db.rollback().await.context("ending to read")?;
    Ok(Picture { figures, names, positions, method })
}

/// One query: a neighbourhood's id first, then the figures named in `into`.
struct Counting {
    into: &'static [&'static str],
    at: At,
    sql: &'static str,
}

/// What the query's parameter is.
enum At {
    Any,
    Now,
    Today,
}

/// Numbers in the SQL are those of the contract's enums: outcomes, kinds and states of orders; a test holds them together.
const COUNTS: &[Counting] = &[
    Counting {
        into: &["households", "rented"],
        at: At::Any,
        sql: "SELECT neighbourhood_id, COUNT(*), CAST(SUM(rented) AS BIGINT) FROM household GROUP BY neighbourhood_id",
    },
    Counting {
        into: &["residents"],
        at: At::Any,
        sql: "SELECT neighbourhood_id, COUNT(*) FROM resident WHERE present = 1 GROUP BY neighbourhood_id",
    },
    Counting {
        into: &[
            "screened",
            "clear",
            "declared_key_area",
            "concealed",
            "undeclared",
            "to_ask",
            "overridden",
            "disputed",
        ],
        at: At::Any,
        sql: "SELECT r.neighbourhood_id,
                CAST(SUM(CASE WHEN c.outcome > 0 THEN 1 ELSE 0 END) AS BIGINT),
                CAST(SUM(CASE WHEN c.outcome = 1 THEN 1 ELSE 0 END) AS BIGINT),
                CAST(SUM(CASE WHEN c.outcome = 2 THEN 1 ELSE 0 END) AS BIGINT),
                CAST(SUM(CASE WHEN c.outcome = 3 THEN 1 ELSE 0 END) AS BIGINT),
                CAST(SUM(CASE WHEN c.outcome = 4 THEN 1 ELSE 0 END) AS BIGINT),
                CAST(SUM(CASE WHEN c.outcome BETWEEN 5 AND 8 THEN 1 ELSE 0 END) AS BIGINT),
                CAST(SUM(CASE WHEN c.outcome = 9 THEN 1 ELSE 0 END) AS BIGINT),
                CAST(SUM(c.disputed) AS BIGINT)
              FROM latest_case c JOIN resident r ON r.resident_id = c.resident_id
              WHERE r.present = 1 GROUP BY r.neighbourhood_id",
    },
    Counting {
        into: &["passes", "households_with_pass"],
        at: At::Now,
        sql: "SELECT neighbourhood_id, COUNT(*), COUNT(DISTINCT household_id) FROM pass
              WHERE suspended = 0 AND revoked = 0 AND expires > $1 GROUP BY neighbourhood_id",
    },
    Counting {
        into: &["crossings", "refused", "fevers"],
        at: At::Today,
        sql: "SELECT neighbourhood_id, crossings, refused, fevers FROM gate_day WHERE day = $1",
    },
    Counting {
        into: &["central_isolation_persons", "home_isolation_persons", "watched_persons", "handed_over", "breaches"],
        at: At::Any,
        sql: "SELECT neighbourhood_id,
                CAST(SUM(CASE WHEN kind = 1 AND state = 2 THEN 1 ELSE 0 END) AS BIGINT),
                CAST(SUM(CASE WHEN kind = 2 AND state = 2 THEN 1 ELSE 0 END) AS BIGINT),
                CAST(SUM(CASE WHEN kind = 3 AND state = 2 THEN 1 ELSE 0 END) AS BIGINT),
                CAST(SUM(handed_over) AS BIGINT), CAST(SUM(breaches) AS BIGINT)
              FROM isolation_order GROUP BY neighbourhood_id",
    },
    Counting {
        into: &["home_isolation_households"],
        at: At::Any,
        sql: "SELECT neighbourhood_id, COUNT(DISTINCT household_id) FROM isolation_order
              WHERE kind = 2 AND state = 2 GROUP BY neighbourhood_id",
    },
    Counting {
        into: &["released_persons", "released_households"],
        at: At::Any,
        sql: "SELECT neighbourhood_id, COUNT(*), COUNT(DISTINCT household_id) FROM isolation_order
              WHERE kind IN (1, 2) AND state = 3 AND completed = 1 GROUP BY neighbourhood_id",
    },
];

#[cfg(test)]
mod tests {
    use proto::{
        isolation::v1::{Kind, order::State},
        screening::v1::Outcome,
    };

    #[test]
    fn the_numbers_in_the_queries_are_those_of_the_contract() {
        let outcomes =
            [Outcome::Clear, Outcome::DeclaredKeyArea, Outcome::ConcealedKeyArea, Outcome::UndeclaredElsewhere];
        assert_eq!(outcomes.map(|outcome| outcome as i32), [1, 2, 3, 4]);
        assert_eq!([Kind::Central, Kind::Home, Kind::Watch].map(|kind| kind as i32), [1, 2, 3]);
        assert_eq!([State::InForce, State::Released].map(|state| state as i32), [2, 3]);
    }
}
