//! The log in a PostgreSQL database: the contract, and what is true of such databases alone.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chassis::{
    Clock, Lease,
    event_log::{EventLog, postgres::PgLog},
};
use sqlx::{Connection as _, PgConnection};
use tests::postgres::{Cluster, Service};

use crate::event_log::{Store, held_by};

/// An empty log in a database of its own, which it hands on to the next one in this process.
struct Kept {
    service: Option<Service>,
    cluster: Arc<Cluster>,
}

static CLUSTER: Mutex<Option<Arc<Cluster>>> = Mutex::new(None);
static USED: Mutex<Vec<Service>> = Mutex::new(Vec::new());

fn cluster() -> Arc<Cluster> {
    let mut cluster = CLUSTER.lock().unwrap();
    Arc::clone(cluster.get_or_insert_with(|| Arc::new(Cluster::shared().unwrap())))
}

impl Kept {
    fn service(&self) -> &Service {
        self.service.as_ref().unwrap()
    }

    /// Past all rights and triggers.
    async fn connect(&self) -> PgConnection {
        let mut db = self.cluster.administer(self.service()).await.unwrap();
        sqlx::raw_sql("SET session_replication_role = replica").execute(&mut db).await.unwrap();
        db
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        USED.lock().unwrap().extend(self.service.take());
    }
}

#[async_trait]
impl Store for Kept {
    async fn empty() -> Self {
        let cluster = cluster();
        let used = USED.lock().unwrap().pop();
        let service = match used {
            Some(service) => service,
            None => cluster.service().await.unwrap(),
        };
        let kept = Self { service: Some(service), cluster };
        let mut db = kept.connect().await;
        let wipe = "DELETE FROM event; DELETE FROM stream; DELETE FROM command; DELETE FROM reservation;
            UPDATE log_head SET log = 'registry', position = 0, chain = decode(repeat('00', 32), 'hex')";
        sqlx::raw_sql(wipe).execute(&mut db).await.unwrap();
        db.close().await.unwrap();
        kept
    }

    async fn open_at(&self, clock: Clock) -> Arc<dyn EventLog> {
        let service = self.service();
        Arc::new(PgLog::open(&service.database, "registry", clock, Lease::alone()).await.unwrap())
    }

    async fn tamper(&self, sql: &'static str) {
        let mut db = self.connect().await;
        assert!(sqlx::raw_sql(sql).execute(&mut db).await.unwrap().rows_affected() > 0, "{sql}");
        db.close().await.unwrap();
    }
}

held_by!(Kept);
