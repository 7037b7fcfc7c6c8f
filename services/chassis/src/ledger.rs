//! Load, fold, decide, append; again when somebody else was faster. This is the only way by which a service changes
//! anything: a decision is a pure function of one stream's state, and its events are appended only on the version that it
//! was made for.

use std::{any::Any, sync::Arc, time::Duration};

use prost::Message;
use proto::Fact;
use tokio::time::Instant;
use tonic::Response;
use tracing::Instrument as _;

use crate::{
    Call, Refuse,
    call::{POSITION, Positions},
    consumers::Consumers,
    event_log::{Append, AppendError, Appended, Claim, EventLog, Expected, KnownCommand, NewEvent, Write},
};
use states::{States, Turns};

/// Why a command was not done.
mod failure;
/// From records to what was made of them.
mod loading;
/// What is remembered of streams, and whose turn it is.
mod states;
#[cfg(test)]
mod tests;

pub use failure::Failure;

/// The state of one stream: what its events have made of it.
pub trait Aggregate: Default + Clone + Send + Sync + 'static {
    type Event: Fact;
    /// Never fails: what is in the log has happened.
    fn evolve(&mut self, event: &Self::Event);
}

/// What a command leads to: events, and whose record they are.
#[derive(Debug)]
pub struct Decision<E> {
    pub events: Vec<E>,
    office: String,
    subject: String,
    reserve: Vec<(String, Vec<u8>)>,
    release: Vec<(String, Vec<u8>)>,
    /// For streams that only collect, or that begin with it.
    besides: Vec<Write>,
}

impl<E> Decision<E> {
    pub fn new(events: Vec<E>) -> Self {
        let (office, subject) = (String::new(), String::new());
        Self { events, office, subject, reserve: Vec::new(), release: Vec::new(), besides: Vec::new() }
    }

    /// Events of another stream, of those that only collect, in the same commit: all of it is done or nothing.
    pub fn besides<F: Fact>(mut self, stream_id: &str, collected: Decision<F>) -> Self {
        self.besides.push(write_of(stream_id, Expected::Any, &collected));
        self.besides.extend(collected.besides);
        self
    }

    /// Another stream that begins in the same commit. Nothing is done where it has events already: whoever decides so must know
    /// another way then.
    pub fn beginning<F: Fact>(mut self, stream_id: &str, first: &Decision<F>) -> Self {
        self.besides.push(write_of(stream_id, Expected::Version(0), first));
        self
    }

    /// The neighbourhood's id whose record this is.
    pub fn office(self, neighbourhood: impl Into<String>) -> Self {
        Self { office: neighbourhood.into(), ..self }
    }

    /// The resident's id whom it is about.
    pub fn subject(self, resident: impl Into<String>) -> Self {
        Self { subject: resident.into(), ..self }
    }

    /// Holds a key for this stream; refused when another stream holds it.
    pub fn reserve(mut self, scope: impl Into<String>, key: impl AsRef<[u8]>) -> Self {
        self.reserve.push((scope.into(), key.as_ref().to_vec()));
        self
    }

    /// Gives a key back; nothing where this stream does not hold it.
    pub fn release(mut self, scope: impl Into<String>, key: impl AsRef<[u8]>) -> Self {
        self.release.push((scope.into(), key.as_ref().to_vec()));
        self
    }
}

impl<E> From<Vec<E>> for Decision<E> {
    fn from(events: Vec<E>) -> Self {
        Self::new(events)
    }
}

/// An answer, and where its effect stands in the log.
#[derive(Debug)]
pub struct Done<R> {
    pub reply: R,
    pub log: String,
    pub position: u64,
}

impl<R> Done<R> {
    /// The gRPC answer; its metadata let the caller read its own write.
    pub fn into_response(self) -> Response<R> {
        let mut response = Response::new(self.reply);
        if let Ok(position) = format!("{}={}", self.log, self.position).parse() {
            response.metadata_mut().insert(POSITION, position);
        }
        response
    }
}

/// A service's hold on its own log.
#[derive(Clone)]
pub struct Ledger {
    log: Arc<dyn EventLog>,
    states: Arc<States>,
    turns: Arc<Turns>,
    consumers: Consumers,
}

/// How often a decision is made again after somebody else was faster.
const ATTEMPTS: usize = 4;

/// How long a request waits for reactions to what its caller has already seen.
const PATIENCE: Duration = Duration::from_secs(2);

impl Ledger {
    pub fn new(log: Arc<dyn EventLog>, consumers: Consumers) -> Self {
        Self { log, states: Arc::default(), turns: Arc::default(), consumers }
    }

    pub fn log(&self) -> &Arc<dyn EventLog> {
        &self.log
    }

    /// Decides on a stream and appends what was decided. `reply` is made from the state after it, and stored: the same
    /// command gets the same answer again, for 30 days.
    pub async fn transact<A, R, X, D, F>(
        &self,
        call: &Call,
        stream_id: &str,
        decide: D,
        reply: F,
    ) -> Result<Done<R>, Failure>
    where
        A: Aggregate,
        R: Message + Default,
        X: Refuse,
        D: Fn(&A, u64) -> Result<Decision<A::Event>, X> + Send + Sync,
        F: Fn(&A, u64) -> R + Send + Sync,
    {
        self.decided(call, stream_id, None, decide, reply).await
    }

    /// The same for a stream that this command alone can begin, since its id derives from the command's ([`Call::id`]): it
    /// is taken to be empty, and read only where it turns out not to be.
    pub async fn begin<A, R, X, D, F>(
        &self,
        call: &Call,
        stream_id: &str,
        decide: D,
        reply: F,
    ) -> Result<Done<R>, Failure>
    where
        A: Aggregate,
        R: Message + Default,
        X: Refuse,
        D: Fn(&A, u64) -> Result<Decision<A::Event>, X> + Send + Sync,
        F: Fn(&A, u64) -> R + Send + Sync,
    {
        self.decided(call, stream_id, Some(Arc::default()), decide, reply).await
    }

    /// `empty`: the state to decide on at first, where the stream is taken to be empty.
    async fn decided<A, R, X, D, F>(
        &self,
        call: &Call,
        stream_id: &str,
        mut empty: Option<Arc<A>>,
        decide: D,
        reply: F,
    ) -> Result<Done<R>, Failure>
    where
        A: Aggregate,
        R: Message + Default,
        X: Refuse,
        D: Fn(&A, u64) -> Result<Decision<A::Event>, X> + Send + Sync,
        F: Fn(&A, u64) -> R + Send + Sync,
    {
        self.settle(&call.after).await;
        let _turn = self.turns.take(A::Event::CATEGORY, stream_id).await;
        for _ in 0..ATTEMPTS {
            let (state, version) = match empty.take() {
                Some(state) => (state, 0),
                None => self.load::<A>(stream_id).await?,
            };
            let decision = match decide(&state, version) {
                Ok(decision) => decision,
                // The command may have been done before, and its own effect be what stands in the way now.
                Err(refusal) => {
                    return match self.log.find_command(&call.command_id).await? {
                        Some(known) => self.repeat(call, &known),
                        None => Err(Failure::Refused(refusal.refusal())),
                    };
                }
            };
            let mut after = A::clone(&state);
            for event in &decision.events {
                after.evolve(event);
            }
            let version_after = version + decision.events.len() as u64;
            let answer = reply(&after, version_after);
            let write = append_of(call, stream_id, Expected::Version(version), decision, &answer);
            match self.append(write, Some((version_after, Arc::new(after)))).await {
                Ok(appended) => return self.done(answer, &appended),
                Err(AppendError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Failure::Contended)
    }

    /// Appends to a stream that only collects, whatever its version.
    pub async fn collect<E: Fact, R: Message + Default>(
        &self,
        call: &Call,
        stream_id: &str,
        decision: Decision<E>,
        reply: R,
    ) -> Result<Done<R>, Failure> {
        let write = append_of(call, stream_id, Expected::Any, decision, &reply);
        let appended = self.append(write, None).await?;
        self.done(reply, &appended)
    }

    /// The answer that this command got before, if it was done. For commands whose preparation would fail the second time.
    pub async fn done_before<R: Message + Default>(&self, call: &Call) -> Result<Option<Done<R>>, Failure> {
        match self.log.find_command(&call.command_id).await? {
            Some(known) => self.repeat(call, &known).map(Some),
            None => Ok(None),
        }
    }

    /// The stream that holds a key.
    pub async fn reserved(&self, scope: &str, key: impl AsRef<[u8]> + Send) -> Result<Option<String>, Failure> {
        let key = key.as_ref().to_vec();
        Ok(self.log.find_reservation(scope, &key).await?)
    }

    /// Waits until this service has reacted to what the caller has seen of other services. When it cannot within two
    /// seconds the request goes on: the decision is right for the state there is, and says so.
    pub async fn settle(&self, seen: &Positions) {
        self.settle_until(seen, Instant::now() + PATIENCE).await;
    }

    /// Whether there is news of other logs in what a caller has seen: this service may have reacted to it.
    pub(crate) fn is_of_others(&self, seen: &Positions) -> bool {
        seen.keys().any(|source| source != self.log.name())
    }

    pub(crate) async fn settle_until(&self, seen: &Positions, until: Instant) {
        let consumer = format!("{}/reactions", self.log.name());
        // What it does about its own news stands in the state that it decides on.
        for (source, position) in seen.iter().filter(|(source, _)| *source != self.log.name()) {
            if let Some(progress) = self.consumers.find(&consumer, source) {
                progress.wait_for(*position, until).await;
            }
        }
    }

    /// In a task that outlives its caller: whoever hangs up while the commit is in flight must not leave a remembered
    /// state behind that the log has passed.
    async fn append(
        &self,
        append: Append,
        after: Option<(u64, Arc<dyn Any + Send + Sync>)>,
    ) -> Result<Appended, AppendError> {
        let (log, states) = (Arc::clone(&self.log), Arc::clone(&self.states));
        let mut streams = append.writes.iter().map(|write| (write.category, write.stream_id.clone()));
        let stream = streams.next();
        let besides: Vec<_> = streams.collect();
        let fence = log.sole_writer();
        let task = async move {
            let appended = log.append(append).await;
            for (category, stream_id) in besides {
                states.evict(category, &stream_id);
            }
            if let Some((category, stream_id)) = stream {
                match (&appended, after) {
                    // Known, and done before: nothing was written now.
                    (Ok(Appended { earlier_reply: Some(_), .. }), _) => {}
                    (Ok(_), Some((version, state))) => states.put(fence, category, &stream_id, version, state),
                    (Ok(_), None) | (Err(_), _) => states.evict(category, &stream_id),
                }
            }
            appended
        };
        let ended = tokio::spawn(task.in_current_span()).await;
        ended.unwrap_or_else(|error| Err(AppendError::Unknown(anyhow::Error::new(error).context("appending"))))
    }

    fn done<R: Message + Default>(&self, reply: R, appended: &Appended) -> Result<Done<R>, Failure> {
        let reply = match &appended.earlier_reply {
            None => reply,
            Some(earlier) => stored(earlier)?,
        };
        Ok(Done { reply, log: self.log.name().to_owned(), position: appended.last_position })
    }

    fn repeat<R: Message + Default>(&self, call: &Call, known: &KnownCommand) -> Result<Done<R>, Failure> {
        if known.fingerprint != call.fingerprint {
            return Err(Failure::Reused);
        }
        Ok(Done { reply: stored(&known.reply)?, log: self.log.name().to_owned(), position: known.last_position })
    }
}

/// What a decision comes to in the log.
fn append_of<E: Fact, R: Message>(
    call: &Call,
    stream_id: &str,
    expected: Expected,
    decision: Decision<E>,
    reply: &R,
) -> Append {
    let claims = |keys: Vec<(String, Vec<u8>)>| {
        let claim = |(scope, key)| Claim { scope, key, stream_id: stream_id.to_owned() };
        keys.into_iter().map(claim).collect()
    };
    let own = write_of(stream_id, expected, &decision);
    Append {
        command_id: call.command_id.clone(),
        fingerprint: call.fingerprint,
        reply: reply.encode_to_vec(),
        writes: [own].into_iter().chain(decision.besides).collect(),
        reserve: claims(decision.reserve),
        release: claims(decision.release),
        actor: call.principal.subject.clone(),
        correlation_id: call.correlation_id.clone(),
        causation_id: call.causation_id.clone(),
        traceparent: call.traceparent.clone(),
        occurred_at: call.now,
    }
}

fn write_of<E: Fact>(stream_id: &str, expected: Expected, decision: &Decision<E>) -> Write {
    let events = decision.events.iter().map(|event| NewEvent {
        event_type: event.type_name(),
        schema_version: 1,
        payload: event.to_payload(),
    });
    Write {
        category: E::CATEGORY,
        stream_id: stream_id.to_owned(),
        expected,
        office: decision.office.clone(),
        subject_id: decision.subject.clone(),
        events: events.collect(),
    }
}

fn stored<R: Message + Default>(reply: &[u8]) -> Result<R, Failure> {
    Ok(R::decode(reply).map_err(|error| anyhow::Error::new(error).context("reading a stored reply"))?)
}
