//! Load, fold, decide, append; again when somebody else was faster. This is the only way by which a service changes
//! anything: a decision is a pure function of one stream's state, and its events are appended only on the version that it
//! was made for.

use std::{
    any::Any,
    collections::HashMap,
    hash::{Hash as _, Hasher as _},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use prost::Message;
use proto::Fact;
use tonic::{Response, Status};

use crate::{
    Call, Kind, Refusal, Refuse,
    call::{POSITION, Positions},
    consumers::Consumers,
    event_log::{Append, AppendError, Claim, EventLog, Expected, KnownCommand, NewEvent, Write},
};

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
}

impl<E> Decision<E> {
    pub fn new(events: Vec<E>) -> Self {
        Self { events, office: String::new(), subject: String::new(), reserve: Vec::new(), release: Vec::new() }
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

/// Why nothing was done, or why nobody knows whether it was.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("{}", .0.en)]
    Refused(Refusal),
    #[error("another {scope} holds that key")]
    Reserved { scope: String, stream_id: String },
    #[error("the request id was used for another request")]
    Reused,
    #[error("others kept changing the same record")]
    Contended,
    #[error("the request makes more events than one commit takes")]
    TooLarge,
    #[error("the disk is full")]
    Full,
    /// The same request may be sent again: if it was done, its answer is repeated.
    #[error("the log cannot be reached")]
    Unavailable(#[source] anyhow::Error),
    #[error(transparent)]
    Fault(#[from] anyhow::Error),
}

impl From<AppendError> for Failure {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Conflict => Self::Contended,
            AppendError::CommandReused => Self::Reused,
            AppendError::Reserved { scope, stream_id } => Self::Reserved { scope, stream_id },
            AppendError::TooLarge { .. } => Self::TooLarge,
            AppendError::Full => Self::Full,
            AppendError::Unknown(error) => Self::Unavailable(error),
            AppendError::Fault(error) => Self::Fault(error),
        }
    }
}

impl From<crate::event_log::LogError> for Failure {
    fn from(error: crate::event_log::LogError) -> Self {
        Self::Fault(anyhow::Error::from(error))
    }
}

impl From<Failure> for Status {
    fn from(failure: Failure) -> Self {
        let refusal = match failure {
            Failure::Refused(refusal) => refusal,
            Failure::Reserved { scope, .. } => Refusal::new(
                Kind::AlreadyExists,
                "ALREADY_EXISTS",
                "同样的记录已经存在：请查找并使用已有的记录",
                "there is one like this already: find it and use it",
            )
            .about("scope", scope),
            Failure::Reused => Refusal::new(
                Kind::AlreadyExists,
                "REQUEST_ID_REUSED",
                "这个 request_id 已用于内容不同的请求：新的意图请用新的 request_id",
                "this request_id was used for a request with other content: make a new one for a new intention",
            ),
            Failure::Contended => Refusal::new(
                Kind::Stale,
                "CONTENDED",
                "别人正在修改同一条记录：请刷新后重试",
                "others are changing the same record: read it again and retry",
            ),
            Failure::TooLarge => Refusal::new(
                Kind::Invalid,
                "TOO_MANY_EVENTS",
                "一次请求的内容过多：请分成几次提交",
                "too much for one request: send it in several",
            ),
            Failure::Full => Refusal::new(
                Kind::Exhausted,
                "DISK_FULL",
                "服务器磁盘已满，什么都没有丢失：请通知管理员清理磁盘，然后用同一个 request_id 重试",
                "the server's disk is full and nothing was lost: have the administrator free space, then retry with the same request_id",
            ),
            Failure::Unavailable(error) => {
                tracing::warn!(error = format!("{error:#}"), "the log cannot be reached");
                Refusal::new(
                    Kind::Unavailable,
                    "LOG_UNAVAILABLE",
                    "记录系统暂时无法访问：请用同一个 request_id 重试",
                    "the log cannot be reached for the moment: retry with the same request_id",
                )
            }
            Failure::Fault(error) => {
                tracing::error!(error = format!("{error:#}"), "a request failed");
                return Self::internal("the server could not do this; the reason is in its log");
            }
        };
        refusal.into()
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
        self.settle(&call.after).await;
        let _turn = self.turns.take(A::Event::CATEGORY, stream_id).await;
        for _ in 0..ATTEMPTS {
            let (state, version) = self.load::<A>(stream_id).await?;
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
            match self.append::<A::Event, R>(call, stream_id, Expected::Version(version), decision, answer).await {
                Ok((done, new)) => {
                    if new {
                        self.states.put(A::Event::CATEGORY, stream_id, version_after, Arc::new(after));
                    }
                    return Ok(done);
                }
                Err(AppendError::Conflict) => self.states.evict(A::Event::CATEGORY, stream_id),
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
        let (done, _) = self.append(call, stream_id, Expected::Any, decision, reply).await?;
        self.states.evict(E::CATEGORY, stream_id);
        Ok(done)
    }

    /// The answer that this command got before, if it was done. For commands whose preparation would fail the second time.
    pub async fn done_before<R: Message + Default>(&self, call: &Call) -> Result<Option<Done<R>>, Failure> {
        match self.log.find_command(&call.command_id).await? {
            Some(known) => self.repeat(call, &known).map(Some),
            None => Ok(None),
        }
    }

    /// A stream's state and version; the default and 0 for a stream without events.
    pub async fn load<A: Aggregate>(&self, stream_id: &str) -> Result<(Arc<A>, u64), Failure> {
        let category = A::Event::CATEGORY;
        if let Some((version, state)) = self.states.get(category, stream_id)
            && let Ok(state) = state.downcast::<A>()
        {
            return Ok((state, version));
        }
        let mut state = A::default();
        let mut version = 0;
        for record in self.log.read_stream(category, stream_id, 0).await? {
            let event = A::Event::from_payload(&record.payload).map_err(|error| {
                let at = format!("reading {} at position {} of the log {}", record.r#type, record.position, record.log);
                anyhow::Error::new(error).context(at)
            })?;
            state.evolve(&event);
            version = record.version;
        }
        let state = Arc::new(state);
        self.states.put(category, stream_id, version, Arc::clone(&state) as Arc<dyn Any + Send + Sync>);
        Ok((state, version))
    }

    /// The stream that holds a key.
    pub async fn reserved(&self, scope: &str, key: impl AsRef<[u8]> + Send) -> Result<Option<String>, Failure> {
        let key = key.as_ref().to_vec();
        Ok(self.log.find_reservation(scope, &key).await?)
    }

    /// Waits until this service has reacted to what the caller has seen of other services. When it cannot within two
    /// seconds the request goes on: the decision is right for the state there is, and says so.
    pub async fn settle(&self, seen: &Positions) {
        let consumer = format!("{}/reactions", self.log.name());
        for (source, position) in seen {
            if let Some(progress) = self.consumers.find(&consumer, source) {
                progress.wait_for(*position, PATIENCE).await;
            }
        }
    }

    async fn append<E: Fact, R: Message + Default>(
        &self,
        call: &Call,
        stream_id: &str,
        expected: Expected,
        decision: Decision<E>,
        reply: R,
    ) -> Result<(Done<R>, bool), AppendError> {
        let claims = |keys: Vec<(String, Vec<u8>)>| {
            let claim = |(scope, key)| Claim { scope, key, stream_id: stream_id.to_owned() };
            keys.into_iter().map(claim).collect()
        };
        let events = decision.events.iter().map(|event| NewEvent {
            event_type: event.type_name(),
            schema_version: 1,
            payload: event.to_payload(),
        });
        let write = Write {
            category: E::CATEGORY,
            stream_id: stream_id.to_owned(),
            expected,
            office: decision.office,
            subject_id: decision.subject,
            events: events.collect(),
        };
        let appended = self
            .log
            .append(Append {
                command_id: call.command_id.clone(),
                fingerprint: call.fingerprint,
                reply: reply.encode_to_vec(),
                writes: vec![write],
                reserve: claims(decision.reserve),
                release: claims(decision.release),
                actor: call.principal.subject.clone(),
                correlation_id: call.correlation_id.clone(),
                causation_id: call.causation_id.clone(),
                traceparent: call.traceparent.clone(),
                occurred_at: call.now,
            })
            .await?;
        let log = self.log.name().to_owned();
        let position = appended.last_position;
        match appended.earlier_reply {
            None => Ok((Done { reply, log, position }, true)),
            Some(earlier) => {
                let reply = R::decode(&*earlier).map_err(|error| {
                    AppendError::Fault(anyhow::Error::new(error).context("reading a stored reply"))
                })?;
                Ok((Done { reply, log, position }, false))
            }
        }
    }

    fn repeat<R: Message + Default>(&self, call: &Call, known: &KnownCommand) -> Result<Done<R>, Failure> {
        if known.fingerprint != call.fingerprint {
            return Err(Failure::Reused);
        }
        let reply = R::decode(&*known.reply)
            .map_err(|error| anyhow::Error::new(error).context("reading a stored reply"))?;
        Ok(Done { reply, log: self.log.name().to_owned(), position: known.last_position })
    }
}

/// Commands of this process on one stream go one after the other: deciding side by side, all but one would be in vain. It
/// is only a courtesy. What keeps a stream right is the version that append checks, against other processes too.
struct Turns(Vec<tokio::sync::Mutex<()>>);

impl Turns {
    /// Streams share turns by their hash; so many that strangers seldom meet.
    const COUNT: usize = 4_096;

    async fn take(&self, category: &'static str, stream_id: &str) -> tokio::sync::MutexGuard<'_, ()> {
        let mut hasher = std::hash::DefaultHasher::new();
        (category, stream_id).hash(&mut hasher);
        let turn = usize::try_from(hasher.finish() % Self::COUNT as u64).unwrap_or(0);
        self.0[turn].lock().await
    }
}

impl Default for Turns {
    fn default() -> Self {
        Self((0..Self::COUNT).map(|_| tokio::sync::Mutex::default()).collect())
    }
}

/// Folded states of streams, to spare reading them again. Safe because append checks the version.
#[derive(Default)]
struct States(Mutex<HashMap<(&'static str, String), Folded>>);

/// A state and the version that it was folded up to.
type Folded = (u64, Arc<dyn Any + Send + Sync>);

impl States {
    /// Two generations of a subdistrict's residents and their cases.
    const CAPACITY: usize = 300_000;

    fn get(&self, category: &'static str, stream_id: &str) -> Option<Folded> {
        let states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        states.get(&(category, stream_id.to_owned())).cloned()
    }

    fn put(&self, category: &'static str, stream_id: &str, version: u64, state: Arc<dyn Any + Send + Sync>) {
        let mut states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if states.len() >= Self::CAPACITY {
            let mut keep = false;
            states.retain(|_, _| {
                keep = !keep;
                keep
            });
        }
        let entry = states.entry((category, stream_id.to_owned())).or_insert((version, Arc::clone(&state)));
        // Two commands may finish in the other order than they were appended.
        if entry.0 < version {
            *entry = (version, state);
        }
    }

    fn evict(&self, category: &'static str, stream_id: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&(category, stream_id.to_owned()));
    }
}
