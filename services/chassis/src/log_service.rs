//! A process's logs and consumers seen from outside: for services that fill a hole, for operators and for auditors. Payloads
//! go out as they are stored: personal fields stay sealed.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use proto::event::v1::{
    Consumer, GetHeadRequest, Head, ListConsumersRequest, ListConsumersResponse, ParkedRecord, ReadRecordsRequest,
    ReadRecordsResponse, RebuildViewsRequest, RebuildViewsResponse, ResumeConsumerRequest, VerifyLogRequest,
    VerifyLogResponse, event_log_service_client::EventLogServiceClient, event_log_service_server::EventLogService,
};
use tonic::{Request, Response, Status, metadata::MetadataMap};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::{Call, Failure, Host, Kind, Record, Refusal, client::Connection, consumers::Progress, event_log::EventLog};

/// Of what was laid aside, the oldest.
const PARKED_SHOWN: u16 = 20;

pub struct LogApi {
    host: Host,
    /// Services in other processes, whose record is shown here too.
    elsewhere: BTreeMap<String, Vec<Connection>>,
}

impl LogApi {
    pub fn new(host: Host) -> Self {
        Self { host, elsewhere: BTreeMap::new() }
    }

    /// Shows the record of all services in one place, with the caller's own token.
    #[must_use]
    pub fn with(self, elsewhere: BTreeMap<String, Vec<Connection>>) -> Self {
        Self { elsewhere, ..self }
    }

    /// A process of a service, where that runs in others: one that answers, or the first.
    async fn peer(
        &self,
        service: &str,
        caller: &MetadataMap,
    ) -> Result<Option<EventLogServiceClient<Connection>>, Status> {
        match self.elsewhere.get(service) {
            Some(replicas) => asking(replicas, caller).await.map(Some),
            None => Ok(None),
        }
    }

    async fn log(&self, name: &str) -> Result<Arc<dyn EventLog>, Status> {
        let logs = self.host.logs().await;
        let known = logs.keys().cloned().collect::<Vec<_>>().join(", ");
        logs.get(name).cloned().ok_or_else(|| unknown("UNKNOWN_LOG", "日志", "log", &known))
    }

    async fn consumer(&self, progress: &Progress) -> Consumer {
        let head = self.host.head_of(&progress.source).await.unwrap_or(0);
        let standing = progress.standing();
        let parked_records = if standing.parked == 0 { Vec::new() } else { self.parked(progress).await };
        Consumer {
            consumer: progress.consumer.clone(),
            source: progress.source.clone(),
            state: standing.state.into(),
            // A replica that does not lead has nothing to carry.
            position: standing.position.min(head),
            head,
            parked: standing.parked,
            error: standing.error,
            parked_records,
        }
    }

    async fn parked(&self, progress: &Progress) -> Vec<ParkedRecord> {
        let (views, memories) = (self.host.all_views().await, self.host.all_memories().await);
        let parked = match progress.consumer.split_once('/') {
            Some((service, "memory")) => memories
                .get(service)
                .map(|memory| memory.parked(&progress.source, PARKED_SHOWN.into()))
                .unwrap_or_default(),
            Some((service, "views")) => match views.get(service) {
                Some(views) => views.parked(&progress.source, PARKED_SHOWN.into()).await.unwrap_or_else(|error| {
                    let (error, consumer) = (format!("{error:#}"), &progress.consumer);
                    tracing::warn!(error, consumer, "what was parked cannot be read");
                    Vec::new()
                }),
                None => Vec::new(),
            },
            _ => Vec::new(),
        };
        let shown = parked.into_iter().map(|parked| ParkedRecord {
            position: parked.position,
            r#type: parked.event_type,
            stream: parked.stream,
            error: parked.error,
        });
        shown.collect()
    }
}

#[tonic::async_trait]
impl EventLogService for LogApi {
    async fn get_head(&self, request: Request<GetHeadRequest>) -> Result<Response<Head>, Status> {
        if let Some(mut peer) = self.peer(&request.get_ref().log, request.metadata()).await? {
            return peer.get_head(request.into_inner()).await;
        }
        let log = self.log(&request.get_ref().log).await?;
        let head = log.head().await.map_err(Failure::from)?;
        Ok(Response::new(head))
    }

    async fn read_records(
        &self,
        request: Request<ReadRecordsRequest>,
    ) -> Result<Response<ReadRecordsResponse>, Status> {
        if let Some(peer) = self.peer(&request.get_ref().log, request.metadata()).await? {
            return peer.max_decoding_message_size(LARGEST_ANSWER).read_records(request.into_inner()).await;
        }
        let request = request.into_inner();
        let log = self.log(&request.log).await?;
        let limit = usize::try_from(crate::page::size(request.page_size)).unwrap_or(100);
        let records = if request.stream_id.is_empty() {
            log.read(request.after_position, limit).await.map_err(Failure::from)?
        } else {
            let mut records = log.read_stream(&request.category, &request.stream_id, 0).await.map_err(Failure::from)?;
            records.retain(|record| record.position > request.after_position);
            records.truncate(limit);
            records
        };
        let records = of_one_answer(records);
        let head_position = log.head().await.map_err(Failure::from)?.position;
        let records = records.into_iter().map(Arc::unwrap_or_clone).collect();
        Ok(Response::new(ReadRecordsResponse { records, head_position }))
    }

    async fn verify_log(&self, request: Request<VerifyLogRequest>) -> Result<Response<VerifyLogResponse>, Status> {
        if let Some(mut peer) = self.peer(&request.get_ref().log, request.metadata()).await? {
            return peer.verify_log(request.into_inner()).await;
        }
        let log = self.log(&request.get_ref().log).await?;
        let found = log.verify().await.map_err(Failure::from)?;
        Ok(Response::new(VerifyLogResponse {
            intact: found.broken_at.is_none(),
            records: found.records,
            broken_at: found.broken_at.unwrap_or(0),
            chain: found.chain,
        }))
    }

    async fn list_consumers(
        &self,
        request: Request<ListConsumersRequest>,
    ) -> Result<Response<ListConsumersResponse>, Status> {
        let mut consumers = Vec::new();
        for progress in self.host.consumers.all() {
            consumers.push(self.consumer(&progress).await);
        }
        let asked = self.elsewhere.values().map(async |replicas| {
            asking(replicas, request.metadata()).await?.list_consumers(ListConsumersRequest {}).await
        });
        for answer in futures::future::try_join_all(asked).await? {
            consumers.extend(answer.into_inner().consumers);
        }
        consumers.sort_by(|a, b| (&a.consumer, &a.source).cmp(&(&b.consumer, &b.source)));
        Ok(Response::new(ListConsumersResponse { consumers }))
    }

    async fn resume_consumer(&self, request: Request<ResumeConsumerRequest>) -> Result<Response<Consumer>, Status> {
        Call::command(&request, &request.get_ref().request_id)?;
        let service = request.get_ref().consumer.split('/').next().unwrap_or_default();
        if let Some(mut peer) = self.peer(service, request.metadata()).await? {
            return peer.resume_consumer(request.into_inner()).await;
        }
        let request = request.into_inner();
        let Some(progress) = self.host.consumers.find(&request.consumer, &request.source) else {
            let all = self.host.consumers.all();
            let known = all.iter().map(|p| format!("{} <- {}", p.consumer, p.source)).collect::<Vec<_>>().join(", ");
            return Err(unknown("UNKNOWN_CONSUMER", "消费者", "consumer", &known));
        };
        progress.resume();
        Ok(Response::new(self.consumer(&progress).await))
    }

    async fn rebuild_views(
        &self,
        request: Request<RebuildViewsRequest>,
    ) -> Result<Response<RebuildViewsResponse>, Status> {
        Call::command(&request, &request.get_ref().request_id)?;
        if let Some(mut peer) = self.peer(&request.get_ref().log, request.metadata()).await? {
            return peer.rebuild_views(request.into_inner()).await;
        }
        let all = self.host.all_views().await;
        let known = all.keys().cloned().collect::<Vec<_>>().join(", ");
        let Some(views) = all.get(&request.get_ref().log).cloned() else {
            return Err(unknown("UNKNOWN_LOG", "服务", "service", &known));
        };
        // In a task of its own: a caller who goes away must not leave half a generation behind.
        let rebuilt = self.host.tracker().spawn(async move { views.rebuild().await }).await;
        let (generation, records) =
            rebuilt.map_err(anyhow::Error::from).and_then(|rebuilt| rebuilt).map_err(Failure::Fault)?;
        Ok(Response::new(RebuildViewsResponse { generation, records }))
    }
}

/// Another process, asked by the same caller.
async fn asking(replicas: &[Connection], caller: &MetadataMap) -> Result<EventLogServiceClient<Connection>, Status> {
    let mut connection = replicas.first().ok_or_else(|| Status::unavailable("the service has no replica"))?;
    if replicas.len() > 1 {
        for replica in replicas {
            let mut health = HealthClient::new(replica.clone());
            let asked = health.check(HealthCheckRequest::default());
            if tokio::time::timeout(GLANCE, asked).await.is_ok_and(|answer| answer.is_ok()) {
                connection = replica;
                break;
            }
        }
    }
    let bearer = caller.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let token = bearer.split_once(' ').map_or(bearer, |(_, token)| token);
    let connection = connection.clone().with_token(token.trim()).map_err(Failure::Fault)?;
    Ok(EventLogServiceClient::new(connection))
}

/// How long a replica may take to show that it is there.
const GLANCE: Duration = Duration::from_millis(500);

/// An answer stops at a megabyte of payloads, and the record that goes beyond it may be as large as a commit.
const LARGEST_ANSWER: usize = 16 << 20;

/// Payloads of one answer, in bytes; at least one record, however large. Whoever reads asks for the rest.
const MOST_BYTES: usize = 1 << 20;

fn of_one_answer(mut records: Vec<Arc<Record>>) -> Vec<Arc<Record>> {
    let mut bytes = 0;
    records.retain(|record| {
        let fits = bytes < MOST_BYTES;
        bytes += record.payload.len();
        fits
    });
    records
}

fn unknown(reason: &'static str, zh: &str, en: &str, known: &str) -> Status {
    Refusal::new(
        Kind::NotFound,
        reason,
        format!("没有这个{zh}；现有：{known}"),
        format!("there is no such {en}; there are: {known}"),
    )
    .into()
}
