//! A line between a service and a server, which can go silent or be cut: bytes are passed on as they come until then. A
//! connection that was on the line when it went silent stays silent for ever, as it does behind a broken switch.

use std::sync::Arc;

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_util::sync::{CancellationToken, DropGuard};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    Sound,
    /// Takes connections and bytes, and passes nothing on.
    Silent,
    /// Ends connections as soon as they are made.
    Cut,
}

pub struct Line {
    port: u16,
    condition: Arc<watch::Sender<Condition>>,
    _open: DropGuard,
}

impl Line {
    /// To a port of this machine.
    pub async fn to(target: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
        let port = listener.local_addr().expect("it listens").port();
        let condition = Arc::new(watch::Sender::new(Condition::Sound));
        let (open, told) = (CancellationToken::new(), Arc::clone(&condition));
        let until = open.clone();
        tokio::spawn(async move {
            let accepting = async {
                while let Ok((near, _)) = listener.accept().await {
                    tokio::spawn(carry(near, target, told.subscribe(), until.clone()));
                }
            };
            until.run_until_cancelled(accepting).await;
        });
        Self { port, condition, _open: open.drop_guard() }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn put(&self, condition: Condition) {
        self.condition.send_replace(condition);
    }
}

async fn carry(mut near: TcpStream, target: u16, mut condition: watch::Receiver<Condition>, until: CancellationToken) {
    let now = *condition.borrow_and_update();
    let ended = match now {
        Condition::Cut => return,
        Condition::Silent => Some(Condition::Silent),
        Condition::Sound => {
            let Ok(mut far) = TcpStream::connect(("127.0.0.1", target)).await else { return };
            tokio::select! {
                _ = copy_bidirectional(&mut near, &mut far) => None,
                changed = condition.wait_for(|now| *now != Condition::Sound) => changed.ok().map(|now| *now),
                () = until.cancelled() => None,
            }
        }
    };
    if ended == Some(Condition::Silent) {
        // Nobody is told, and nothing is passed on any more.
        until.cancelled().await;
    }
}
