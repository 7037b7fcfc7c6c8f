//! The page on which whoever started the system becomes its first administrator. The code stands in the link's fragment,
//! which browsers keep to themselves; the page sends it once, in the body of a request.

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State, rejection::JsonRejection},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderName, HeaderValue, StatusCode, header};
use proto::access::v1::Token;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::AccessApi;
use crate::Failure;

const PAGE: &str = include_str!("welcome.html");
const STYLE: &str = include_str!("welcome.css");
const SCRIPT: &str = include_str!("welcome.js");

#[derive(Clone)]
struct Welcome {
    api: AccessApi,
    page: String,
    policy: HeaderValue,
}

#[derive(Deserialize)]
struct Claim {
    code: String,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Answer {
    #[serde(rename_all = "camelCase")]
    Claimed {
        token: String,
        expire_time: String,
    },
    Refused {
        zh: String,
        en: String,
    },
}

/// `GET /first-administrator` and what its button sends.
pub fn welcome(api: AccessApi) -> Router {
    let page = PAGE.replace("/*style*/", STYLE).replace("/*script*/", SCRIPT);
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
        hash(STYLE),
        hash(SCRIPT)
    );
    let policy = HeaderValue::try_from(policy).expect("a policy of ASCII letters is a header value");
    Router::new()
        .route("/first-administrator", get(show))
        .route("/first-administrator/claim", post(claim))
        .layer(DefaultBodyLimit::max(1 << 10))
        .with_state(Welcome { api, page, policy })
}

async fn show(State(welcome): State<Welcome>) -> Response {
    guarded(&welcome, Html(welcome.page.clone()).into_response())
}

async fn claim(State(welcome): State<Welcome>, body: Result<Json<Claim>, JsonRejection>) -> Response {
    let answer = match body {
        Ok(Json(Claim { code })) => welcome.api.claim(&code).map_or_else(refused, claimed),
        // What the reader of the body complains about could quote the code.
        Err(_) => (
            StatusCode::BAD_REQUEST,
            Answer::Refused {
                zh: "请求无法识别：请用启动时显示的完整链接重新打开本页".to_owned(),
                en: "The request cannot be read: open this page again with the whole link shown at the start."
                    .to_owned(),
            },
        ),
    };
    guarded(&welcome, (answer.0, Json(answer.1)).into_response())
}

fn claimed(token: Token) -> (StatusCode, Answer) {
    let expire_time = token.expire_time.as_ref().and_then(crate::instant).map(|time| time.to_rfc3339());
    (StatusCode::OK, Answer::Claimed { token: token.token, expire_time: expire_time.unwrap_or_default() })
}

fn refused(failure: Failure) -> (StatusCode, Answer) {
    if let Failure::Refused(refusal) = failure {
        return (StatusCode::FORBIDDEN, Answer::Refused { zh: refusal.zh, en: refusal.en });
    }
    // Becoming a status logs the fault, once, like every other.
    drop(tonic::Status::from(failure));
    (
        StatusCode::INTERNAL_SERVER_ERROR,
        Answer::Refused {
            zh: "服务器出错，代码没有被使用：请查看服务器日志后重试".to_owned(),
            en: "The server failed and the code may still be good: look into the server's log and try again."
                .to_owned(),
        },
    )
}

/// Nothing else may be loaded, framed, stored or told to another site.
fn guarded(welcome: &Welcome, mut response: Response) -> Response {
    const HEADERS: [(HeaderName, &str); 4] = [
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, welcome.policy.clone());
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::Request;
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;
    use crate::{
        Clock,
        access::{FirstAdministrator, Tokens},
        secrets::Secrets,
    };

    fn page() -> (Router, String, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let secrets = Secrets::open_or_create(dir.path()).unwrap();
        let clock = Clock::system();
        let (first, code) = FirstAdministrator::open(dir.path(), &secrets, clock.clone()).unwrap();
        (welcome(AccessApi::new(Tokens::new(&secrets), first, clock)), code.unwrap(), dir)
    }

    async fn answer(router: &Router, request: Request<Body>) -> (StatusCode, http::HeaderMap, String) {
        let response = router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (parts.status, parts.headers, String::from_utf8(body.to_vec()).unwrap())
    }

    fn claiming(body: String) -> Request<Body> {
        Request::post("/first-administrator/claim")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body))
            .unwrap()
    }

    #[tokio::test]
    async fn the_page_stands_alone_and_may_load_nothing_else() {
        let (router, code, _dir) = page();
        let request = Request::get("/first-administrator").body(Body::empty()).unwrap();
        let (status, headers, body) = answer(&router, request).await;
        assert_eq!(status, StatusCode::OK);
        assert!(body.contains("第一位管理员") && body.contains("first administrator"));
        assert!(!body.contains(&code) && !body.contains("http://") && !body.contains("https://"));
        assert!(!body.contains("/*style*/") && !body.contains("/*script*/"));
        let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe-inline"));
        let script = body.split("<script>").nth(1).unwrap().split("</script>").next().unwrap();
        assert!(
            policy.contains(&STANDARD.encode(Sha256::digest(script))),
            "the script is the one that the policy names"
        );
        let style = body.split("<style>").nth(1).unwrap().split("</style>").next().unwrap();
        assert!(policy.contains(&STANDARD.encode(Sha256::digest(style))));
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
        assert_eq!(headers[header::REFERRER_POLICY], "no-referrer");
    }

    #[tokio::test]
    async fn the_button_turns_the_code_into_a_token_once() {
        let (router, code, _dir) = page();
        let body = serde_json::json!({ "code": code }).to_string();
        let (status, headers, token) = answer(&router, claiming(body.clone())).await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(headers[header::CACHE_CONTROL], "no-store");
        let token: serde_json::Value = serde_json::from_str(&token).unwrap();
        assert_eq!(token["token"].as_str().unwrap().split('.').count(), 3);
        assert!(token["expireTime"].as_str().unwrap().contains('T'));
        let (status, _, refused) = answer(&router, claiming(body)).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
        assert!(refused.contains("已被使用") && refused.contains("was used already"));
    }

    #[tokio::test]
    async fn a_request_that_is_no_claim_is_refused_without_quoting_it() {
        let (router, _, _dir) = page();
        for body in
            ["secret-code".to_owned(), r#"{"code":17}"#.to_owned(), format!(r#"{{"code":"{}"}}"#, "x".repeat(2048))]
        {
            let (status, _, answer) = answer(&router, claiming(body)).await;
            assert_eq!(status, StatusCode::BAD_REQUEST);
            assert!(!answer.contains("secret-code") && answer.contains("zh"));
        }
        let plain = Request::post("/first-administrator/claim").body(Body::from("{}")).unwrap();
        assert_eq!(answer(&router, plain).await.0, StatusCode::BAD_REQUEST);
    }
}
