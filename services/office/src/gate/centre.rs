//! The gate's exchange with the centre: who it is and what time it is, keys, the list, and what was recorded. Each step is tried
//! whatever became of the one before, and all of it may be lost and done again at any time.

use std::{
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use chassis::{client::Connection, refusal::Spoken};
use proto::pass::v1::{
    CheckPassRequest, Direction, Gate, GetGateRequest, GetKeySetRequest, GetSuspensionListRequest,
    RecordCrossingsRequest, RecordCrossingsResponse, Verdict, WatchSuspensionListRequest,
    gate_service_client::GateServiceClient, pass_service_client::PassServiceClient,
    verification_service_client::VerificationServiceClient,
};
use tokio::sync::Notify;
use tonic::{Code, Status};

use super::station::Station;

/// What a gate asks of the centre.
pub trait Centre: Send {
    fn gate(&mut self) -> impl Future<Output = Result<Gate, Status>> + Send;
    /// The text of the newest key set.
    fn keys(&mut self) -> impl Future<Output = Result<String, Status>> + Send;
    /// The text of the change since a list, or of a whole one.
    fn list(&mut self, from: u32) -> impl Future<Output = Result<String, Status>> + Send;
    fn record(
        &mut self,
        crossings: RecordCrossingsRequest,
    ) -> impl Future<Output = Result<RecordCrossingsResponse, Status>> + Send;
}

/// The centre over a connection that carries the device's token.
#[derive(Clone)]
pub struct Line(pub Connection);

impl Centre for Line {
    async fn gate(&mut self) -> Result<Gate, Status> {
        Ok(GateServiceClient::new(self.0.clone()).get_gate(GetGateRequest {}).await?.into_inner())
    }

    async fn keys(&mut self) -> Result<String, Status> {
        let mut client = VerificationServiceClient::new(self.0.clone());
        Ok(client.get_key_set(GetKeySetRequest {}).await?.into_inner().text)
    }

    async fn list(&mut self, from: u32) -> Result<String, Status> {
        let mut client = VerificationServiceClient::new(self.0.clone());
        let request = GetSuspensionListRequest { from_sequence: from };
        Ok(client.get_suspension_list(request).await?.into_inner().text)
    }

    async fn record(&mut self, crossings: RecordCrossingsRequest) -> Result<RecordCrossingsResponse, Status> {
        Ok(GateServiceClient::new(self.0.clone()).record_crossings(crossings).await?.into_inner())
    }
}

impl Line {
    /// What the centre says of a code or a typed number, if it answers at once: somebody stands there.
    pub async fn vouch(&self, gate: String, code: String, direction: Direction) -> Option<Verdict> {
        const AT_ONCE: Duration = Duration::from_secs(2);
        let mut client = PassServiceClient::new(self.0.clone());
        let asked = client.check_pass(CheckPassRequest { gate, code, direction: direction.into() });
        tokio::time::timeout(AT_ONCE, asked).await.ok()?.ok()?.into_inner().verdict
    }
}

/// One exchange of everything. The first trouble is told; the steps behind it were tried all the same.
pub async fn exchange(station: &Mutex<Station>, centre: &mut impl Centre) -> anyhow::Result<()> {
    let steps = [introduce(station, centre).await, renew(station, centre).await, hand_over(station, centre).await];
    let outcome: anyhow::Result<()> = steps.into_iter().collect();
    if let Err(error) = &outcome {
        locked(station).troubled(told(error));
    }
    outcome
}

async fn introduce(station: &Mutex<Station>, centre: &mut impl Centre) -> anyhow::Result<()> {
    let asked = locked(station).steady();
    let gate = centre.gate().await.context("asking what the gate goes by")?;
    let mut station = locked(station);
    let answered = station.steady();
    station.take_gate(&gate, asked, answered)
}

/// Keys first: the list may be signed by a new one.
async fn renew(station: &Mutex<Station>, centre: &mut impl Centre) -> anyhow::Result<()> {
    let keys = centre.keys().await.context("asking for the keys")?;
    locked(station).take_keys(&keys)?.context("taking the keys")?;
    let from = locked(station).list_from();
    let update = centre.list(from).await.context("asking for the list")?;
    let taken = locked(station).take_update(&update)?;
    if taken.is_err() && from != 0 {
        // A change that does not fit: the whole list does.
        let whole = centre.list(0).await.context("asking for the whole list")?;
        locked(station).take_update(&whole)?.context("taking the whole list")?;
        return Ok(());
    }
    taken.context("taking the list")?;
    Ok(())
}

/// The oldest first, until none is left.
async fn hand_over(station: &Mutex<Station>, centre: &mut impl Centre) -> anyhow::Result<()> {
    loop {
        let Some(batch) = locked(station).batch() else { return Ok(()) };
        let answer = centre.record(batch).await.context("sending what was recorded")?;
        let mut station = locked(station);
        let before = station.standing().waiting;
        station.acknowledged(&answer)?;
        ensure!(station.standing().waiting < before, "the centre takes nothing of what was recorded");
    }
}

/// Exchanges whenever something was recorded, and every half minute; keeps the list as young as the centre makes it.
pub async fn keep_in_touch(station: Arc<Mutex<Station>>, line: Line, recorded: Arc<Notify>) {
    const OFTEN: Duration = Duration::from_secs(30);
    const AGAIN: Duration = Duration::from_secs(3);
    let exchanging = async {
        let mut line = line.clone();
        loop {
            let pause = if exchange(&station, &mut line).await.is_ok() { OFTEN } else { AGAIN };
            let token = locked(&station).settings().token.clone();
            if let Ok(connection) = line.0.clone().with_token(&token) {
                line = Line(connection);
            }
            tokio::select! {
                () = recorded.notified(), if pause == OFTEN => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    };
    let watching = async {
        loop {
            drop(watch(&station, &line).await);
            tokio::time::sleep(AGAIN).await;
        }
    };
    tokio::join!(exchanging, watching);
}

/// Each change as it is made, until the line breaks.
async fn watch(station: &Mutex<Station>, line: &Line) -> anyhow::Result<()> {
    let from_sequence = locked(station).list_from();
    let mut client = VerificationServiceClient::new(line.0.clone());
    let request = WatchSuspensionListRequest { from_sequence };
    let mut updates = client.watch_suspension_list(request).await?.into_inner();
    while let Some(update) = updates.message().await? {
        locked(station).take_update(&update.text)?.context("taking a change of the list")?;
    }
    Ok(())
}

/// In a few words, for the guard.
fn told(error: &anyhow::Error) -> String {
    match error.chain().find_map(|cause| cause.downcast_ref::<Status>()) {
        Some(status) if status.code() == Code::Unavailable => "no line to the centre".to_owned(),
        Some(status) => {
            let spoken = Spoken::from(status);
            format!("{} {}", spoken.zh, spoken.en)
        }
        None => format!("{error:#}"),
    }
}

fn locked(station: &Mutex<Station>) -> MutexGuard<'_, Station> {
    station.lock().unwrap_or_else(PoisonError::into_inner)
}
