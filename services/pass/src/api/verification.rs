//! What gates verify with: the key set, and the list of suspended passes, asked for or pushed.

use std::{pin::Pin, sync::Arc, time::Duration};

use chassis::{Call, Failure, Kind, Refusal, Refuse as _, Remembered};
use proto::pass::v1::{
    GetKeySetRequest, GetSuspensionListRequest, KeySet, SuspensionUpdate, WatchSuspensionListRequest,
    verification_service_server::VerificationService,
};
use tokio::sync::mpsc;
use tokio_stream::{Stream, wrappers::ReceiverStream};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::{domain::device, publishing::Publisher};

#[derive(Clone)]
pub(crate) struct VerificationApi {
    pub(crate) publisher: Arc<Publisher>,
    pub(crate) remembered: Remembered,
    pub(crate) stop: CancellationToken,
}

/// Changes that come together are one push; it still arrives well within a fifth of a second.
const TOGETHER: Duration = Duration::from_millis(50);

#[tonic::async_trait]
impl VerificationService for VerificationApi {
    async fn get_key_set(&self, request: Request<GetKeySetRequest>) -> Result<Response<KeySet>, Status> {
        self.may_ask(&Call::query(&request)?).await?;
        Ok(Response::new(self.publisher.key_set().ok_or_else(no_key)?))
    }

    async fn get_suspension_list(
        &self,
        request: Request<GetSuspensionListRequest>,
    ) -> Result<Response<SuspensionUpdate>, Status> {
        self.may_ask(&Call::query(&request)?).await?;
        Ok(Response::new(self.update(request.into_inner().from_sequence)?))
    }

    type WatchSuspensionListStream = Pin<Box<dyn Stream<Item = Result<SuspensionUpdate, Status>> + Send>>;

    async fn watch_suspension_list(
        &self,
        request: Request<WatchSuspensionListRequest>,
    ) -> Result<Response<Self::WatchSuspensionListStream>, Status> {
        self.may_ask(&Call::query(&request)?).await?;
        let from = request.into_inner().from_sequence;
        // The first answer belongs to the request: what is refused is refused at once.
        let first = self.update(from)?;
        let (sender, receiver) = mpsc::channel(1);
        let api = self.clone();
        tokio::spawn(async move {
            let watched = api.push(first, &sender);
            tokio::select! {
                () = api.stop.cancelled() => {}
                () = sender.closed() => {}
                Err(status) = watched => { sender.send(Err(status)).await.ok(); }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

impl VerificationApi {
    /// Once the record is read: who was retired is in it.
    async fn may_ask(&self, call: &Call) -> Result<(), Status> {
        self.remembered.caught_up(call).await?;
        match device::id_of(&call.principal.subject) {
            Some(device) if self.publisher.roll.device_is_retired(device) => {
                Err(Failure::Refused(device::Refused::Retired.refusal()).into())
            }
            Some(_) | None => Ok(()),
        }
    }

    fn update(&self, from: u32) -> Result<SuspensionUpdate, Status> {
        Ok(self.publisher.update(from).map_err(Failure::Fault)?.ok_or_else(no_key)?)
    }

    async fn push(
        &self,
        first: SuspensionUpdate,
        sender: &mpsc::Sender<Result<SuspensionUpdate, Status>>,
    ) -> Result<(), Status> {
        let mut changes = self.publisher.roll.watch();
        let mut update = first;
        loop {
            let held = update.sequence;
            if sender.send(Ok(update)).await.is_err() {
                return Ok(());
            }
            // Also what came between the last look and now.
            if changes.wait_for(|sequence| *sequence != held).await.is_err() {
                return Ok(());
            }
            tokio::time::sleep(TOGETHER).await;
            update = self.update(held)?;
        }
    }
}

/// The leader announces the first keys within a second of the first start.
pub(super) fn no_key() -> Refusal {
    Refusal::new(
        Kind::Unavailable,
        "MEMORY_BEHIND",
        "签发钥匙还没有公布：服务刚刚启动，请稍候重试",
        "no keys have been announced yet: the service has only just started; retry in a moment",
    )
}
