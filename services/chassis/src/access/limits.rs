//! How much a request may carry and how long it may take.

use std::{
    future::Future as _,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::{Body, Bytes};
use http::{HeaderMap, header};
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};
use tonic::Status;

use crate::{Kind, Refusal};

/// Before each message stand its length and a flag.
const FRAME_HEADER: u64 = 5;

/// Refuses a request that says itself that it is too large, and wraps the others so that they are cut off where they are.
pub(super) fn limit(headers: &HeaderMap, body: Body, most: usize) -> Result<Body, Status> {
    let left = most as u64 + FRAME_HEADER;
    let said = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if said.is_some_and(|length| length > left) {
        return Err(too_large(most));
    }
    Ok(Body::new(Limited { body, left, most }))
}

struct Limited {
    body: Body,
    left: u64,
    most: usize,
}

impl http_body::Body for Limited {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(context)) else {
            return Poll::Ready(None);
        };
        let frame = frame?;
        let length = frame.data_ref().map_or(0, Bytes::len) as u64;
        // The codec finds the status in the chain of sources and answers with it.
        Poll::Ready(Some(match self.left.checked_sub(length) {
            Some(left) => {
                self.left = left;
                Ok(frame)
            }
            None => Err(too_large(self.most).into()),
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Ends an answer that streams on at its deadline, with a status like any other end.
pub(super) fn until(end: Instant, allowed: Duration, body: Body) -> Body {
    Body::new(Ending { body, end: Box::pin(sleep_until(end)), allowed, ended: false })
}

struct Ending {
    body: Body,
    end: Pin<Box<Sleep>>,
    allowed: Duration,
    ended: bool,
}

impl http_body::Body for Ending {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        // What is ready goes out; only who waits is told that the time is up.
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            return Poll::Ready(frame);
        }
        ready!(self.end.as_mut().poll(context));
        self.ended = true;
        let mut trailers = HeaderMap::new();
        late(self.allowed).add_header(&mut trailers).map_err(axum::Error::new)?;
        Poll::Ready(Some(Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

fn too_large(most: usize) -> Status {
    Refusal::new(
        Kind::Exhausted,
        "MESSAGE_TOO_LARGE",
        format!("请求超过上限 {most} 字节：请缩小内容，或分成几次提交"),
        format!("the request exceeds the limit of {most} bytes: make it smaller or send it in several parts"),
    )
    .about("max_bytes", most.to_string())
    .into()
}

/// What the client allows in `grpc-timeout`, such as `500m`; nothing where it says nothing that can be read.
pub(super) fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if !(1..=8).contains(&digits.len()) || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count * 3600)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

pub(super) fn late(allowed: Duration) -> Status {
    let seconds = allowed.as_secs_f64();
    Refusal::new(
        Kind::Late,
        "DEADLINE_EXCEEDED",
        format!("{seconds} 秒内没有完成：操作可能已经生效，请用同一个 request_id 重试以取得结果"),
        format!("not finished within {seconds} s: it may have been done; send it again with the same request_id to get its answer"),
    )
    .into()
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;
    use crate::refusal::Spoken;

    #[test]
    fn the_clients_time_limit_is_read_in_every_unit() {
        let read =
            |text: &str| timeout(&HeaderMap::from_iter([("grpc-timeout".parse().unwrap(), text.parse().unwrap())]));
        assert_eq!(read("2H"), Some(Duration::from_hours(2)));
        assert_eq!(read("3M"), Some(Duration::from_mins(3)));
        assert_eq!(read("4S"), Some(Duration::from_secs(4)));
        assert_eq!(read("99999999m"), Some(Duration::from_millis(99_999_999)));
        assert_eq!(read("7u"), Some(Duration::from_micros(7)));
        assert_eq!(read("8n"), Some(Duration::from_nanos(8)));
        for wrong in ["", "S", "5", "123456789S", "-1S", "+1S", "1 S", "1s"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_request_that_says_it_is_too_large_is_refused_at_once() {
        let length = |length: u64| HeaderMap::from_iter([(header::CONTENT_LENGTH, length.into())]);
        assert!(limit(&length(105), Body::empty(), 100).is_ok());
        let status = limit(&length(106), Body::empty(), 100).unwrap_err();
        assert_eq!(status.code(), tonic::Code::ResourceExhausted);
        let spoken = Spoken::from(&status);
        assert_eq!(spoken.reason, "MESSAGE_TOO_LARGE");
        assert!(spoken.zh.contains("100 字节") && spoken.en.contains("100 bytes"));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_streams_on_ends_at_its_deadline() {
        let endless = futures::stream::unfold((), async |()| {
            tokio::time::sleep(Duration::from_secs(2)).await;
            Some((Ok::<_, std::io::Error>(Bytes::from_static(b"x")), ()))
        });
        let allowed = Duration::from_secs(5);
        let body = until(Instant::now() + allowed, allowed, Body::from_stream(endless));
        let read = body.collect().await.unwrap();
        let status = Status::from_header_map(read.trailers().unwrap()).unwrap();
        assert_eq!(Spoken::from(&status).reason, "DEADLINE_EXCEEDED");
        assert_eq!(&*read.to_bytes(), b"xx");
    }

    #[tokio::test]
    async fn a_request_that_does_not_say_how_large_it_is_is_cut_off_while_it_is_read() {
        let read = async |bytes: usize| {
            let chunks = (0..bytes).map(|_| Ok::<_, std::io::Error>(Bytes::from_static(b"x")));
            let body = Body::from_stream(futures::stream::iter(chunks));
            limit(&HeaderMap::new(), body, 10).unwrap().collect().await.map(|body| body.to_bytes().len())
        };
        assert_eq!(read(15).await.unwrap(), 15);
        let status = Status::from_error(read(16).await.unwrap_err().into_inner());
        assert_eq!(status.code(), tonic::Code::ResourceExhausted);
        assert_eq!(Spoken::from(&status).reason, "MESSAGE_TOO_LARGE");
    }
}
