//! HTTP to one carrier: a POST with JSON, whose answer has a time and a size. Numbers and codes travel in bodies only, never in
//! an address, and outside of this machine never without TLS.

use std::{error::Error, time::Duration};

use anyhow::Context as _;
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use prost::bytes::Bytes;
use proto::screening::v1;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};

use super::carrier::Trouble;

/// Where one carrier is, and as whom it is asked.
pub struct Endpoint {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    url: String,
    credential: Option<HeaderValue>,
    patience: Duration,
}

/// Bytes of an answer: a thousand visits take a tenth of it.
const LARGEST: usize = 1 << 20;

/// How long a connection may take to be made.
const CONNECTING: Duration = Duration::from_secs(3);

impl Endpoint {
    /// `credential` is a whole `Authorization` header; `authority` one's own, as PEM, in place of the public ones.
    pub fn open(
        url: &str,
        credential: Option<&str>,
        authority: Option<&[u8]>,
        patience: Duration,
    ) -> anyhow::Result<Self> {
        let credential = match credential {
            Some(text) => {
                let mut value = HeaderValue::try_from(text)
                    .map_err(|_| anyhow::anyhow!("the credential has characters that no header has"))?;
                value.set_sensitive(true);
                Some(value)
            }
            None => None,
        };
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_connect_timeout(Some(CONNECTING));
        http.set_nodelay(true);
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(trusting(authority)?)
            .https_or_http()
            .enable_http1()
            .wrap_connector(http);
        let client = Client::builder(TokioExecutor::new()).pool_idle_timeout(Duration::from_secs(30)).build(connector);
        Ok(Self { client, url: url.trim_end_matches('/').to_owned(), credential, patience })
    }

    /// The bytes of a sound answer.
    pub(super) async fn post(&self, path: &str, body: &serde_json::Value) -> Result<Bytes, Trouble> {
        let asked = tokio::time::timeout(self.patience, self.exchange(path, body)).await;
        asked.unwrap_or_else(|_| Err(Trouble::new(v1::Trouble::Slow, format!("no answer within {:?}", self.patience))))
    }

    async fn exchange(&self, path: &str, body: &serde_json::Value) -> Result<Bytes, Trouble> {
        let mut request = Request::post(format!("{}{path}", self.url)).header(header::CONTENT_TYPE, "application/json");
        if let Some(credential) = &self.credential {
            request = request.header(header::AUTHORIZATION, credential);
        }
        let body = Full::new(Bytes::from(body.to_string()));
        let request = request.body(body).map_err(|_| unreachable("the address cannot be used"))?;
        let response = self.client.request(request).await.map_err(|error| unreachable(&innermost(&error)))?;
        let (parts, body) = response.into_parts();
        let pause = parts.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        match parts.status {
            StatusCode::OK => {}
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                return Err(Trouble::busy(pause.map(Duration::from_secs)));
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                return Err(Trouble::new(v1::Trouble::CredentialRefused, ""));
            }
            StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => {
                return Err(unreachable(&format!("HTTP {}", parts.status.as_u16())));
            }
            status => return Err(Trouble::broken(format!("HTTP {} in place of an answer", status.as_u16()))),
        }
        match Limited::new(body, LARGEST).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => {
                Err(Trouble::broken("the answer is larger than 1 MiB"))
            }
            Err(error) => Err(unreachable(&innermost(&*error))),
        }
    }
}

fn trusting(authority: Option<&[u8]>) -> anyhow::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    match authority {
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem) {
                roots.add(certificate.context("reading the authority's certificate")?)?;
            }
        }
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    Ok(config.context("preparing TLS")?.with_root_certificates(roots).with_no_client_auth())
}

fn unreachable(why: &str) -> Trouble {
    Trouble::new(v1::Trouble::Unreachable, why)
}

/// What the system said; the layers above only say that something failed.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    /// A server that answers once with these bytes, and says what it was asked.
    async fn answering(answer: &'static [u8]) -> (String, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4_096];
            let length = socket.read(&mut request).await.unwrap();
            socket.write_all(answer).await.unwrap();
            socket.flush().await.unwrap();
            String::from_utf8_lossy(&request[..length]).into_owned()
        });
        (url, asked)
    }

    async fn trouble(answer: &'static [u8]) -> Trouble {
        let (url, _asked) = answering(answer).await;
        post(&url).await.unwrap_err()
    }

    async fn post(url: &str) -> Result<Bytes, Trouble> {
        let endpoint = Endpoint::open(url, Some("APPCODE secret"), None, Duration::from_secs(5)).unwrap();
        endpoint.post("/path", &json!({ "msisdn": "13800001234" })).await
    }

    #[tokio::test]
    async fn what_is_personal_travels_in_the_body_with_the_credential_in_its_header() {
        let (url, asked) = answering(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await;
        assert_eq!(post(&url).await.unwrap(), Bytes::from_static(b"{}"));
        let asked = asked.await.unwrap();
        let (head, body) = asked.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("POST /path HTTP/1.1") && head.contains("APPCODE secret"), "{head}");
        assert!(!head.contains("1380000") && body.contains("13800001234"), "{asked}");
    }

    #[tokio::test]
    async fn every_kind_of_trouble_has_its_name() {
        let busy = trouble(b"HTTP/1.1 503 no\r\nretry-after: 4\r\ncontent-length: 0\r\n\r\n").await;
        assert_eq!(busy, Trouble::busy(Some(Duration::from_secs(4))));
        let refused = trouble(b"HTTP/1.1 401 no\r\ncontent-length: 0\r\n\r\n").await;
        assert_eq!(refused.kind, v1::Trouble::CredentialRefused);
        let failed = trouble(b"HTTP/1.1 500 no\r\ncontent-length: 0\r\n\r\n").await;
        assert_eq!(
            (failed.kind, failed.detail.as_str()),
            (v1::Trouble::BrokenAnswer, "HTTP 500 in place of an answer")
        );
        let cut = trouble(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{").await;
        assert_eq!(cut.kind, v1::Trouble::Unreachable);
        let closed = post("http://127.0.0.1:9").await.unwrap_err();
        assert_eq!(closed.kind, v1::Trouble::Unreachable);
        assert!(closed.detail.contains("refused"), "{closed}");
    }

    #[tokio::test]
    async fn a_carrier_that_says_nothing_is_waited_for_no_longer_than_agreed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let endpoint = Endpoint::open(&url, None, None, Duration::from_millis(50)).unwrap();
        assert_eq!(endpoint.post("/path", &json!({})).await.unwrap_err().kind, v1::Trouble::Slow);
    }

    #[tokio::test]
    async fn an_answer_without_end_is_not_taken_in() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4_096];
            assert!(socket.read(&mut request).await.unwrap() > 0);
            socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            while socket.write_all(&[b' '; 8_192]).await.is_ok() {}
        });
        assert_eq!(post(&url).await.unwrap_err().detail, "the answer is larger than 1 MiB");
    }
}
