//! Takes connections, keeps an eye on their number and age, and lets them go in order. Invariant: a connection task ends
//! when its peer does, when its age is reached and its requests are done, or when the drain's time is up; nothing else holds
//! one open, so the drain always ends.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, extract::ConnectInfo};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::Service;

/// Connections at once; further ones wait in the kernel's queue.
const MOST_CONNECTIONS: usize = 4096;
/// Requests at once on one connection.
const MOST_STREAMS: u32 = 512;
/// After this a client is asked to connect anew, so that load spreads over replicas that came later.
const MOST_AGE: Duration = Duration::from_mins(30);
/// How long running requests have at the end.
const DRAIN: Duration = Duration::from_secs(20);

pub(super) async fn serve(listener: TcpListener, app: Router, stop: CancellationToken, leave: impl FnOnce()) {
    let builder = Arc::new(protocol());
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let connections = TaskTracker::new();
    let cut = CancellationToken::new();
    loop {
        let place = Arc::clone(&places).acquire_owned();
        let accepted = async { (place.await, accept(&listener).await) };
        let (place, (stream, peer)) = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            accepted = accepted => accepted,
        };
        let connection =
            Connection { stream, app: Peer { app: app.clone(), peer }, stop: stop.clone(), cut: cut.clone() };
        let builder = Arc::clone(&builder);
        connections.spawn(async move {
            connection.run(&builder).await;
            drop(place);
        });
    }
    leave();
    drop(listener);
    connections.close();
    if tokio::time::timeout(DRAIN, connections.wait()).await.is_err() {
        tracing::warn!(connections = connections.len(), "some requests did not end within 20 s and are cut off");
        cut.cancel();
        connections.wait().await;
    }
}

fn protocol() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MOST_STREAMS)
        // A peer that vanished without a word is noticed, and its place becomes free.
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10))
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(4 << 20)
        .max_header_list_size(16 << 10);
    // The time for a request's head is also the time that an idle HTTP/1 connection stays.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(30));
    builder
}

/// The next connection. A failure here (too many open files, a peer that is gone already) is nobody's request.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if is_the_peers(&error) => {}
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "a connection cannot be accepted");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

fn is_the_peers(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}

struct Connection {
    stream: TcpStream,
    app: Peer,
    /// Finish what runs.
    stop: CancellationToken,
    /// End now.
    cut: CancellationToken,
}

impl Connection {
    async fn run(self, builder: &Builder<TokioExecutor>) {
        if let Err(error) = self.stream.set_nodelay(true) {
            tracing::debug!(error = format!("{error:#}"), "small answers may be slow on this connection");
        }
        let connection = builder.serve_connection(TokioIo::new(self.stream), TowerToHyperService::new(self.app));
        tokio::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => Some(ended),
            () = self.stop.cancelled() => None,
            () = tokio::time::sleep(MOST_AGE) => None,
        };
        let ended = if let Some(ended) = ended {
            ended
        } else {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection.as_mut() => ended,
                () = self.cut.cancelled() => return,
            }
        };
        if let Err(error) = ended {
            tracing::debug!(error = format!("{error:#}"), "a connection ended");
        }
    }
}

/// Tells the services who is at the other end.
#[derive(Clone)]
struct Peer {
    app: Router,
    peer: SocketAddr,
}

impl<B> Service<axum::http::Request<B>> for Peer
where
    Router: Service<axum::http::Request<B>>,
{
    type Response = <Router as Service<axum::http::Request<B>>>::Response;
    type Error = <Router as Service<axum::http::Request<B>>>::Error;
    type Future = <Router as Service<axum::http::Request<B>>>::Future;

    fn poll_ready(&mut self, context: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Self::Error>> {
        Service::<axum::http::Request<B>>::poll_ready(&mut self.app, context)
    }

    fn call(&mut self, mut request: axum::http::Request<B>) -> Self::Future {
        request.extensions_mut().insert(ConnectInfo(self.peer));
        self.app.call(request)
    }
}
