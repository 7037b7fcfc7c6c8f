//! What a stream's state means. The stream is compared with the log, and the log is right, with one exception: a stream that
//! knows more than the log says that the database came from an older backup. Then publishing would give the same positions
//! to other records, and everybody downstream would hold two truths: the relay stops instead.

use anyhow::Context as _;
use chrono::{DateTime, Utc};

use super::{
    Running,
    stream::{Found, KEPT, Tail},
};
use crate::clock::instant;

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Publish what is behind this position.
    GoOn(u64),
    /// Delete the stream and publish the log from its first record, because of this.
    Rebuild(String),
    /// Stand still, and say this.
    Alarm(String),
}

/// The log, where the stream looks at it.
pub(super) struct Ours {
    pub(super) log: String,
    pub(super) log_id: String,
    pub(super) renewed_from: Option<String>,
    pub(super) head: u64,
    /// Of our record at the position of the stream's last message.
    pub(super) chain_at_tail: Option<Vec<u8>>,
    /// When our record before the stream's first was recorded.
    pub(super) before_first: Option<DateTime<Utc>>,
    pub(super) now: DateTime<Utc>,
}

impl Running {
    /// Looks at the stream, and makes an empty one where there is none.
    pub(super) async fn reconcile(&self) -> anyhow::Result<Verdict> {
        self.setup.nats.ensure_connected()?;
        let Some(found) = self.find().await? else {
            self.make().await?;
            return Ok(Verdict::GoOn(0));
        };
        let log = &self.setup.log;
        // The stream first, then the log: a log only grows, so one that is behind its stream was set back.
        let head = log.head().await.context("reading the log's head")?;
        let record_at = async |position: u64| match position.checked_sub(1) {
            Some(before) if position <= head.position => Ok(log.read(before, 1).await?.pop()),
            _ => anyhow::Ok(None),
        };
        let at_tail = match &found.tail {
            Some(tail) => record_at(tail.position).await.context("reading the log where the stream ends")?,
            None => None,
        };
        let before_first =
            record_at(found.first.saturating_sub(1)).await.context("reading the log before the stream")?;
        let ours = Ours {
            log: log.name().to_owned(),
            log_id: head.log_id,
            renewed_from: self.setup.renewed_from.clone(),
            head: head.position,
            chain_at_tail: at_tail.map(|record| record.chain.clone()),
            before_first: before_first.and_then(|record| record.recorded_at.as_ref().and_then(instant)),
            now: self.setup.clock.now(),
        };
        Ok(judge(&found, &ours))
    }
}

fn judge(found: &Found, ours: &Ours) -> Verdict {
    let Found { first, last, messages, .. } = *found;
    let Some(tail) = &found.tail else {
        let reason = "its last message is gone or cannot be read".to_owned();
        return if last == 0 { Verdict::GoOn(0) } else { Verdict::Rebuild(reason) };
    };
    let Tail { log_id, position, chain } = tail;
    let log = &ours.log;
    if *log_id != ours.log_id {
        if ours.renewed_from.as_ref() == Some(log_id) {
            return Verdict::Rebuild(format!("the log {log_id} was renewed as {}", ours.log_id));
        }
        return Verdict::Alarm(format!(
            "the stream of {log} at NATS carries the log {log_id}, and this database holds the log {}: it belongs to \
             another installation, or was made anew; connect the right one, or renew the log from {log_id}",
            ours.log_id
        ));
    }
    if *position > ours.head {
        return Verdict::Alarm(format!(
            "the stream of {log} at NATS knows records up to {position}, and the database ends at {}: it was restored \
             from an older backup; restore a newer one, or renew the log",
            ours.head
        ));
    }
    if ours.chain_at_tail.as_ref() != Some(chain) {
        return Verdict::Alarm(format!(
            "the stream of {log} at NATS and the database hold different records at position {position}: the database \
             was restored from an older backup and has grown since; restore a newer one, or renew the log",
        ));
    }
    if *position != last {
        return Verdict::Rebuild(format!("the record at position {position} stands at {last}"));
    }
    if messages != last + 1 - first {
        return Verdict::Rebuild(format!("it holds {messages} of the messages {first} to {last}"));
    }
    // Where the first ones are missing they have grown too old, or they were lost.
    let expired = ours.before_first.is_some_and(|recorded| ours.now - recorded >= KEPT);
    if first > 1 && !expired {
        return Verdict::Rebuild(format!("it begins at {first}"));
    }
    Verdict::GoOn(*position)
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    fn now() -> DateTime<Utc> {
        "2020-03-20T08:00:00Z".parse().unwrap()
    }

    fn found() -> Found {
        let tail = Tail { log_id: "one".to_owned(), position: 20, chain: vec![7] };
        Found { first: 1, last: 20, messages: 20, tail: Some(tail) }
    }

    fn ours() -> Ours {
        Ours {
            log: "registry".to_owned(),
            log_id: "one".to_owned(),
            renewed_from: None,
            head: 30,
            chain_at_tail: Some(vec![7]),
            before_first: None,
            now: now(),
        }
    }

    fn alarm(found: &Found, ours: &Ours) -> String {
        match judge(found, ours) {
            Verdict::Alarm(alarm) => alarm,
            other => panic!("{other:?}"),
        }
    }

    fn rebuilt(found: &Found, ours: &Ours) -> bool {
        matches!(judge(found, ours), Verdict::Rebuild(_))
    }

    #[test]
    fn a_stream_that_is_behind_is_published_to_from_its_tail() {
        assert_eq!(judge(&found(), &ours()), Verdict::GoOn(20));
        assert_eq!(judge(&found(), &Ours { head: 20, ..ours() }), Verdict::GoOn(20));
    }

    #[test]
    fn an_empty_stream_is_filled_and_an_emptied_one_made_anew() {
        let empty = Found { first: 0, last: 0, messages: 0, tail: None };
        assert_eq!(judge(&empty, &ours()), Verdict::GoOn(0));
        assert!(rebuilt(&Found { first: 21, last: 20, messages: 0, tail: None }, &ours()));
    }

    #[test]
    fn a_stream_ahead_of_the_log_is_an_alarm() {
        let text = alarm(&found(), &Ours { head: 19, chain_at_tail: None, ..ours() });
        assert!(text.contains("up to 20") && text.contains("ends at 19") && text.contains("older backup"), "{text}");
    }

    #[test]
    fn other_records_at_the_same_positions_are_an_alarm() {
        let text = alarm(&found(), &Ours { chain_at_tail: Some(vec![8]), ..ours() });
        assert!(text.contains("different records at position 20"), "{text}");
    }

    #[test]
    fn another_log_is_an_alarm_unless_it_was_renewed_on_purpose() {
        let renewed = Ours { log_id: "two".to_owned(), head: 3, chain_at_tail: None, ..ours() };
        assert!(alarm(&found(), &renewed).contains("carries the log one"));
        let elsewhere = Ours { renewed_from: Some("zero".to_owned()), ..renewed };
        assert!(alarm(&found(), &elsewhere).contains("carries the log one"));
        assert!(rebuilt(&found(), &Ours { renewed_from: Some("one".to_owned()), ..elsewhere }));
    }

    #[test]
    fn a_hole_is_mended_from_the_log() {
        assert!(rebuilt(&Found { messages: 19, ..found() }, &ours()));
        assert!(rebuilt(&Found { last: 21, messages: 21, ..found() }, &ours()));
    }

    #[test]
    fn lost_first_messages_are_published_again_and_expired_ones_are_not() {
        let cut = Found { first: 6, messages: 15, ..found() };
        assert!(rebuilt(&cut, &Ours { before_first: Some(now() - TimeDelta::days(1)), ..ours() }));
        assert!(rebuilt(&cut, &ours()));
        let old = Ours { before_first: Some(now() - KEPT), ..ours() };
        assert_eq!(judge(&cut, &old), Verdict::GoOn(20));
    }
}
