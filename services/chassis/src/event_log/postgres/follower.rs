//! Keeps the tail of a replica at the head while others write, and tells who leads.

use std::{sync::Arc, time::Duration};

use sqlx::{PgPool, postgres::PgListener};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

use super::{AGAIN, CHANNEL, STEP, follow};
use crate::{Lead, Lease, event_log::tail::Tail, museum::Bug, postgres::Database};

pub(super) struct Follower {
    database: Database,
    pool: PgPool,
    tail: Arc<Tail>,
    lease: watch::Receiver<Lead>,
    told: watch::Sender<Lead>,
}

/// Whatever was heard: a notification is a hint, and a silent connection tells nothing.
const POLL: Duration = Duration::from_secs(1);

impl Follower {
    /// `lead` is what was known before the tail was read.
    pub(super) fn new(
        database: Database,
        pool: PgPool,
        tail: Arc<Tail>,
        lease: &Lease,
        lead: Lead,
    ) -> (Self, watch::Receiver<Lead>) {
        let (told, lead) = watch::channel(lead);
        (Self { database, pool, tail, lease: lease.watch(), told }, lead)
    }

    /// Until it is dropped.
    pub(super) async fn run(mut self) {
        loop {
            let lead = self.lease.borrow_and_update().clone();
            match &lead {
                // Already told, with the tail as it was read after this.
                Lead::Here { .. } if *self.told.borrow() == lead => {}
                Lead::Here { .. } => self.catch_up(&lead).await,
                Lead::Elsewhere { .. } => {
                    self.tell(lead);
                    tokio::select! {
                        // The lease is gone with its process.
                        changed = self.lease.changed() => if changed.is_err() { return },
                        () = listen(&self.database, &self.pool, &self.tail) => {}
                    }
                    continue;
                }
            }
            if self.lease.changed().await.is_err() {
                // Nobody else contends: this is how it stays.
                return std::future::pending().await;
            }
        }
    }

    /// Says that this replica leads when it knows all that the one before it has written: nobody else writes any more.
    async fn catch_up(&mut self, lead: &Lead) {
        while *self.lease.borrow() == *lead {
            match follow(&self.pool, &self.tail).await {
                Ok(()) => return self.tell(lead.clone()),
                Err(error) => {
                    tracing::warn!(error = format!("{error:#}"), "this replica leads and does not know from where");
                    sleep(AGAIN).await;
                }
            }
        }
    }

    fn tell(&self, now: Lead) {
        self.told.send_if_modified(|lead| {
            let changed = *lead != now;
            *lead = now;
            changed
        });
    }
}

/// Follows the head for as long as it is let.
async fn listen(database: &Database, pool: &PgPool, tail: &Tail) {
    // Of its own: a listener never gives its connection back.
    let hearing = database.pool(1);
    let mut answering = true;
    loop {
        let listener = timeout(STEP, async {
            let mut listener = PgListener::connect_with(&hearing).await?;
            listener.listen(CHANNEL).await?;
            Ok::<_, sqlx::Error>(listener)
        });
        match listener.await {
            Ok(Ok(listener)) => {
                answering = true;
                hear(listener, pool, tail).await;
            }
            Ok(Err(error)) => unheard(&mut answering, &error),
            Err(error) => unheard(&mut answering, &error),
        }
        // Without a connection that tells, what can be asked is asked.
        drop(follow(pool, tail).await);
        sleep(POLL).await;
    }
}

/// Until the connection breaks.
async fn hear(mut listener: PgListener, pool: &PgPool, tail: &Tail) {
    listener.eager_reconnect(false);
    let mut answering = true;
    loop {
        match follow(pool, tail).await {
            Ok(()) => answering = true,
            Err(error) => unheard(&mut answering, &error),
        }
        let poll = if Bug::NotifyMissed.is_back() { Duration::from_hours(1) } else { POLL };
        match timeout(poll, listener.try_recv()).await {
            Ok(Ok(Some(_))) => while listener.next_buffered().is_some() {},
            Ok(Ok(None) | Err(_)) => return,
            Err(_) => {}
        }
    }
}

/// Once, and not each second.
fn unheard(answering: &mut bool, error: &(impl std::fmt::Display + ?Sized)) {
    if std::mem::take(answering) {
        tracing::warn!(error = format!("{error:#}"), "the database does not tell where the log stands");
    }
}
