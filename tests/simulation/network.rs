//! Connections through the simulated network: HTTP/2 over its streams, with the services' own routes and access layer at
//! one end and the services' own client at the other.

use std::{cell::RefCell, io, net::Ipv4Addr, time::Duration};

use chassis::{access::AccessLayer, client::Connection};
use http::Uri;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use tonic::{service::Routes, transport::Endpoint};
use turmoil::net::{TcpListener, TcpStream};

/// Where every service listens, each on a host of its own.
const PORT: u16 = 7_420;

/// Serves until the host crashes.
pub(crate) async fn serve(routes: Routes, access: AccessLayer) -> turmoil::Result {
    let app = routes.into_axum_router().reset_fallback().route_layer(access);
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let app = TowerToHyperService::new(app.clone());
        tokio::spawn(async move {
            let mut builder = Builder::new(TokioExecutor::new());
            builder.http2().timer(TokioTimer::new());
            // How a connection ends is its peer's to judge.
            drop(builder.serve_connection(TokioIo::new(stream), app).await);
        });
    }
}

/// A connection to one service that can be made anew: the network does not send again what it has lost, so one that
/// has lost something hangs for ever.
pub(crate) struct Line {
    service: &'static str,
    connection: RefCell<Connection>,
}

impl Line {
    pub(crate) fn to(service: &'static str) -> Self {
        Self { service, connection: RefCell::new(connect(service)) }
    }

    pub(crate) fn connection(&self) -> Connection {
        self.connection.borrow().clone()
    }

    pub(crate) fn renew(&self) {
        *self.connection.borrow_mut() = connect(self.service);
    }
}

pub(crate) fn connect(service: &'static str) -> Connection {
    let address = format!("http://{service}:{PORT}");
    let endpoint = Endpoint::from_shared(address.clone()).unwrap().connect_timeout(Duration::from_secs(1));
    let connector = tower::service_fn(move |_: Uri| async move {
        let stream = TcpStream::connect((service, PORT)).await?;
        Ok::<_, io::Error>(TokioIo::new(stream))
    });
    Connection::over(endpoint.connect_with_connector_lazy(connector), &address)
}
