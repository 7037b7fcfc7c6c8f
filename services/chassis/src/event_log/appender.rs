//! The one task that writes to a log. It takes everything that waits and puts it into one commit: while that commit is
//! in flight those of the commit before are answered, and what comes meanwhile is decided already, on what the commit will
//! have left. Nothing ever waits for company.

use std::{mem, pin::pin, sync::Arc};

use self_cell::self_cell;

use super::{
    batch::{Batch, Known, Plan},
    queue::{Next, Queue, Waiting},
    recollection::Recollection,
    store::{Grounds, Store, StoreError},
    tail::{Standing, Tail},
};
use crate::Clock;

#[cfg(test)]
mod tests;

/// Looks at a log that others write to before its callers are told to try again.
const TRIES: u32 = 3;

/// Forgotten per transaction, so that appends are not kept waiting.
pub(super) const PRUNED_AT_ONCE: u32 = 1_000;

self_cell!(
    /// Requests, and what is to be written and answered.
    struct Decided {
        owner: Vec<Waiting>,
        #[covariant]
        dependent: Plan,
    }
);

impl Decided {
    fn plan(&self) -> &Plan<'_> {
        self.borrow_dependent()
    }

    /// Once it was committed. Readers first: whoever is answered finds what they wrote.
    fn tell(mut self, tail: &Tail) {
        let (records, standing, verdicts) =
            self.with_dependent_mut(|_, plan| (mem::take(&mut plan.records), plan.head, mem::take(&mut plan.verdicts)));
        if !records.is_empty() {
            tail.publish(records.into_iter().map(|(_, record)| record), standing);
        }
        for (waiting, verdict) in self.into_owner().into_iter().zip(verdicts) {
            waiting.answer(verdict);
        }
    }
}

/// Writes until there is nothing more to do.
pub(super) struct Appender<S> {
    store: S,
    recollection: Recollection,
    tail: Arc<Tail>,
    clock: Clock,
    queue: Queue,
    /// A commit that neither its callers nor the log's readers have heard of yet: they do while the next is in flight, or
    /// when there is none to go.
    untold: Option<Decided>,
    /// What can go next, decided on what the commit before it has left.
    ahead: Option<Decided>,
}

impl<S: Store> Appender<S> {
    pub(super) fn new(store: S, tail: Arc<Tail>, clock: Clock, queue: Queue) -> Self {
        Self { store, recollection: Recollection::default(), tail, clock, queue, untold: None, ahead: None }
    }

    /// Hands back the store at the end.
    pub(super) async fn run(mut self) -> S {
        loop {
            if let Some(decided) = self.ahead.take() {
                self.write_decided(decided).await;
                continue;
            }
            let mut next = self.queue.at_once();
            if next.is_none() {
                self.tell();
                next = self.queue.next().await;
            }
            match next {
                Some(Next::Batch(batch)) => self.write(batch).await,
                Some(Next::Prune { before, answer }) => {
                    self.tell();
                    let pruned = self.store.prune(before, PRUNED_AT_ONCE).await;
                    if let Err(error) = &pruned {
                        self.store.roll_back(Some(error)).await;
                    }
                    drop(answer.send(pruned));
                }
                None => return self.store,
            }
        }
    }

    fn tell(&mut self) {
        if let Some(untold) = self.untold.take() {
            untold.tell(&self.tail);
        }
    }

    /// Where the log stands, whether or not its readers have heard of it.
    fn standing(&self) -> Standing {
        self.untold.as_ref().map_or_else(|| self.tail.standing(), |untold| untold.plan().head)
    }

    async fn write(&mut self, batch: Vec<Waiting>) {
        match recollected::<S>(&self.recollection, batch, self.standing(), &self.tail, &self.clock) {
            Ok(decided) => self.write_decided(decided).await,
            Err(batch) => self.look_and_write(batch, 0).await,
        }
    }

    /// What was decided without a look.
    async fn write_decided(&mut self, decided: Decided) {
        match self.carry_out(decided.plan(), Grounds::Recollected).await {
            Ok(()) => self.untold = Some(decided),
            Err(StoreError::Refused(_) | StoreError::Moved) => self.look_and_write(decided.into_owner(), 0).await,
            Err(error) => fail(decided.into_owner(), &error),
        }
    }

    async fn look_and_write(&mut self, batch: Vec<Waiting>, tries: u32) {
        self.tell();
        let names = Batch::of(batch.iter().map(|waiting| &waiting.append).collect());
        let known = match self.store.begin(&names).await {
            Ok(known) => known,
            Err(error) => {
                drop(names);
                self.recollection.forget();
                self.store.roll_back(Some(&error)).await;
                return self.undone(batch, error, tries).await;
            }
        };
        self.follow(&known);
        self.recollection.looked(&names, &known);
        drop(names);
        let decided = Decided::new(batch, |batch| {
            Batch::of(batch.iter().map(|waiting| &waiting.append).collect()).plan(known, &self.tail, &self.clock)
        });
        if decided.plan().is_empty() {
            self.store.roll_back(None).await;
            return decided.tell(&self.tail);
        }
        match self.carry_out(decided.plan(), Grounds::Looked).await {
            Ok(()) => self.untold = Some(decided),
            Err(error) => self.undone(decided.into_owner(), error, tries).await,
        }
    }

    /// What becomes of a batch that the store did not take after a look.
    async fn undone(&mut self, batch: Vec<Waiting>, error: StoreError, tries: u32) {
        match error {
            // Who leads is soon known, here too.
            StoreError::Moved if tries < TRIES => Box::pin(self.look_and_write(batch, tries + 1)).await,
            StoreError::Refused(error) if batch.len() > 1 => {
                tracing::warn!(error = format!("{error:#}"), "the store refuses a batch: each request goes alone");
                for waiting in batch {
                    Box::pin(self.write(vec![waiting])).await;
                }
            }
            error => fail(batch, &error),
        }
    }

    /// Commits. Those of the commit before have heard of it by the end; and once as many have come meanwhile as were told
    /// and as are in flight, they are decided on: fewer would make the batches ever smaller.
    async fn carry_out(&mut self, plan: &Plan<'_>, grounds: Grounds) -> Result<(), StoreError> {
        // It was decided on a head that now moves before it.
        if let Some(ahead) = self.ahead.take() {
            self.queue.put_back(ahead.into_owner());
        }
        self.recollection.committed(plan);
        let mut before = self.untold.take();
        let Self { store, recollection, tail, clock, queue, .. } = self;
        let meanwhile = async {
            let before = before.take()?;
            let told = before.borrow_owner().len();
            before.tell(tail);
            let batch = queue.company_of(told.max(plan.verdicts.len())).await;
            Some(recollected::<S>(recollection, batch, plan.head, tail, clock))
        };
        let (committed, ahead) = {
            let mut committing = pin!(store.commit(plan, grounds));
            // The commit is polled first, so that it is under way by then.
            tokio::select! {
                biased;
                committed = &mut committing => (committed, None),
                ahead = meanwhile => (committing.await, ahead),
            }
        };
        if let Some(before) = before {
            before.tell(&self.tail);
        }
        match ahead {
            Some(Ok(decided)) if committed.is_ok() => self.ahead = Some(decided),
            Some(Ok(decided)) => self.queue.put_back(decided.into_owner()),
            Some(Err(batch)) => self.queue.put_back(batch),
            None => {}
        }
        if let Err(error) = committed {
            self.recollection.forget();
            self.store.roll_back(Some(&error)).await;
            if let StoreError::Unknown(_) = error {
                self.reconcile().await;
            }
            return Err(error);
        }
        if !plan.records.is_empty() {
            self.store.announce(plan.head.position);
        }
        Ok(())
    }

    /// Finds out what became of a commit whose outcome is unknown, so that readers need not wait for the next append.
    async fn reconcile(&mut self) {
        let known = self.store.begin(&Batch::of(Vec::new())).await;
        self.store.roll_back(known.as_ref().err()).await;
        match known {
            Ok(known) => self.follow(&known),
            Err(error) => tracing::warn!(error = format!("{:#}", anyhow::anyhow!(error)), "the log is out of reach"),
        }
    }

    /// The store is the truth: it has moved if a commit was done whose outcome was unknown.
    fn follow(&self, known: &Known) {
        if known.head != self.tail.standing() {
            self.tail.reset(known.head);
        }
    }
}

/// Decides without a look, where that can be done.
fn recollected<S: Store>(
    recollection: &Recollection,
    batch: Vec<Waiting>,
    standing: Standing,
    tail: &Tail,
    clock: &Clock,
) -> Result<Decided, Vec<Waiting>> {
    if !S::RECOLLECTS || batch.is_empty() {
        return Err(batch);
    }
    let decided = Decided::try_new_or_recover(batch, |batch| {
        let batch = Batch::of(batch.iter().map(|waiting| &waiting.append).collect());
        let plan = batch.plan(recollection.of(&batch, standing).ok_or(())?, tail, clock);
        // Whoever is refused may have been known, or have been wrong about what only the store knows.
        if plan.verdicts.iter().all(Result::is_ok) { Ok(plan) } else { Err(()) }
    });
    decided.map_err(|(batch, ())| batch)
}

fn fail(batch: Vec<Waiting>, error: &StoreError) {
    tracing::error!(error = format!("{:#}", anyhow::anyhow!(error.answer())), "a commit failed");
    for waiting in batch {
        waiting.answer(Err(error.answer()));
    }
}
