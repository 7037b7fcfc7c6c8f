//! What a replica does while another one leads: it reads what the leader writes, and sees how far that is. When the leader
//! has built a new generation, it takes that one too.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use proto::event::v1::consumer::State;
use tokio::sync::watch;

use super::{Generation, Views, follow::Follower, parked};
use crate::lease::Lead;

/// How often a replica looks for another generation.
const GLANCE: Duration = Duration::from_secs(1);

/// How long one look may take, with a new connection if it takes one.
const LOOK: Duration = Duration::from_secs(20);

/// Takes over each generation that another replica has made live, until the process ends.
pub(super) async fn adopt(views: Views, fingerprint: String) {
    let stop = views.inner.stop.clone();
    loop {
        let pause = tokio::time::sleep(GLANCE);
        if stop.run_until_cancelled(pause).await.is_none() {
            return;
        }
        let looked = stop.run_until_cancelled(take_successor(&views, &fingerprint)).await;
        if let Some(Err(error)) = looked {
            tracing::debug!(
                error = format!("{error:#}"),
                service = views.inner.service,
                "no look at other generations for now"
            );
        }
    }
}

async fn take_successor(views: &Views, fingerprint: &str) -> anyhow::Result<()> {
    // While this replica rebuilds, the newest generation is its own.
    let Ok(mut followers) = views.inner.followers.try_lock() else { return Ok(()) };
    let Some(new) = views.live().successor(&views.inner.shelf, fingerprint).await? else { return Ok(()) };
    let new = Arc::new(new);
    let mut standings = Vec::new();
    for source in &views.inner.sources {
        let mut writer = new.writer.lock().await;
        let position = writer.checkpoint(source.source()).await?.position;
        standings.push((position, parked::count(&mut writer.db, source.source()).await?));
    }
    views.show(&new);
    views.follow_anew(&new, standings, &mut followers).await;
    tracing::info!(service = views.inner.service, generation = new.number, "another replica has built new read models");
    Ok(())
}

impl Follower {
    /// One look at what another replica does, or at what it has left behind when this one has begun to lead: then the new
    /// term is returned.
    pub(super) async fn until_leading(&self, now: Lead, lead: &mut watch::Receiver<Lead>) -> Option<Lead> {
        let leads = matches!(now, Lead::Here { .. });
        let looking = async { if leads { self.generation.recall().await } else { self.watch().await } };
        let looked = tokio::time::timeout(LOOK, looking).await;
        let looked = looked.context("the read models do not answer").and_then(|looked| looked);
        match looked {
            Ok(()) if leads => return Some(now),
            Ok(()) => {}
            Err(error) => {
                let (text, service, source) = (format!("{error:#}"), &self.views.service, self.source.source());
                if self.progress.standing().failing_since.is_none() {
                    tracing::warn!(error = text, service, source, "read models wait");
                }
                self.progress.failing(State::Retrying, &text);
            }
        }
        self.progress.glance(lead).await;
        None
    }

    /// Sees how far the leader has moved the generation.
    async fn watch(&self) -> anyhow::Result<()> {
        let source = self.source.source();
        let mut writer = self.generation.writer.lock().await;
        let position = writer.checkpoint(source).await?.position;
        let parked = parked::count(&mut writer.db, source).await?;
        self.progress.reached(position, parked);
        Ok(())
    }
}

impl Generation {
    /// What this replica has to know of a generation that others have moved meanwhile.
    async fn recall(&self) -> anyhow::Result<()> {
        let mut writer = self.writer.lock().await;
        writer.renew_if_in_doubt().await?;
        writer.in_doubt = true;
        writer.parked = parked::Streams::read(&mut writer.db).await?;
        writer.in_doubt = false;
        Ok(())
    }
}
