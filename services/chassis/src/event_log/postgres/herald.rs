//! Tells the replicas that do not lead how far the log goes, on a connection of its own and behind the commits: at its own
//! commit a notification locks out every other one on the server, and no append is to wait for that. Of positions that
//! come faster than they can be told the last one is enough, and whom none reaches asks each second.

use std::time::Duration;

use sqlx::{AssertSqlSafe, PgConnection};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::{AGAIN, CHANNEL, STEP};
use crate::{
    museum::Bug,
    postgres::{Database, leave},
};

/// Between two notifications: each costs the server as much as a small append, and a replica may hear this much later.
const PAUSE: Duration = Duration::from_millis(5);

pub(super) struct Herald {
    news: watch::Sender<u64>,
    task: JoinHandle<()>,
}

impl Herald {
    pub(super) fn sent(database: Database) -> Self {
        let (news, heard) = watch::channel(0);
        Self { news, task: tokio::spawn(go(database, heard)) }
    }

    pub(super) fn tell(&self, position: u64) {
        self.news.send_replace(position);
    }

    /// Once the last position is told.
    pub(super) async fn end(self) {
        drop(self.news);
        drop(self.task.await);
    }
}

/// Until nobody sends any more.
async fn go(database: Database, mut news: watch::Receiver<u64>) {
    let mut db = None;
    while news.changed().await.is_ok() {
        let position = *news.borrow_and_update();
        match timeout(STEP, tell(&database, db.take(), position)).await {
            Ok(Ok(connection)) => {
                db = Some(connection);
                sleep(PAUSE).await;
            }
            // Appends fail of the same, and say it.
            Ok(Err(_)) | Err(_) => sleep(AGAIN).await,
        }
    }
    if let Some(db) = db {
        leave(db).await;
    }
}

async fn tell(database: &Database, db: Option<PgConnection>, position: u64) -> anyhow::Result<PgConnection> {
    let mut db = match db {
        Some(db) => db,
        None => database.connect().await?,
    };
    let channel = if Bug::NotifyMissed.is_back() { "nobody_listens" } else { CHANNEL };
    sqlx::raw_sql(AssertSqlSafe(format!("NOTIFY {channel}, '{position}'"))).execute(&mut db).await?;
    Ok(db)
}
