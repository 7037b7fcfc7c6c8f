//! One function from a text to a verdict. What is checked when is part of the format: two verifiers give the same reason for
//! the same code.

use crate::{
    code::Parts,
    keys::{KeySet, Scope},
    list::{Age, SuspensionList},
    payload::{Kind, Payload},
    phone::Leeway,
    reason::Reason,
    text::{Prefix, unarmour},
    time::Second,
};

/// What a verifier goes by.
#[derive(Clone, Copy, Debug)]
pub struct Grounds<'a> {
    pub keys: &'a KeySet,
    pub list: Option<&'a SuspensionList>,
    /// The verifier's own clock.
    pub now: Second,
    /// Seconds by which that clock may be behind the issuer's before a pass counts as not yet valid.
    pub clock_behind: u32,
    pub leeway: Leeway,
}

/// Ten minutes.
pub const CLOCK_BEHIND: u32 = 600;

impl<'a> Grounds<'a> {
    pub fn new(keys: &'a KeySet, list: Option<&'a SuspensionList>, now: Second) -> Self {
        Self { keys, list, now, clock_behind: CLOCK_BEHIND, leeway: Leeway::default() }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub answer: Result<Pass, Refusal>,
    /// Of the list that was looked at; `None` without one. Never to be passed over in silence.
    pub age: Option<Age>,
}

/// A pass that is good here and now. Whether it is good at this gate, the gate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    pub payload: Payload,
    /// Of a phone.
    pub slot: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub reason: Reason,
    /// Of a pass that we did sign.
    pub payload: Option<Payload>,
}

/// Whether the text of a scanned code is a good pass.
pub fn verify(text: &str, grounds: &Grounds<'_>) -> Verdict {
    let answer = match unarmour(Prefix::Pass, text) {
        Ok(bytes) => answer(&bytes, grounds),
        Err(reason) => Err(Refusal { reason, payload: None }),
    };
    Verdict { answer, age: age(grounds) }
}

/// The same for the bytes behind the text.
pub fn verify_bytes(bytes: &[u8], grounds: &Grounds<'_>) -> Verdict {
    Verdict { answer: answer(bytes, grounds), age: age(grounds) }
}

/// Only that we signed it and what it says: for those who know by other ways whether it still counts.
pub fn read(text: &str, keys: &KeySet) -> Result<Payload, Reason> {
    let bytes = unarmour(Prefix::Pass, text)?;
    authentic(&Parts::of(&bytes)?, keys)
}

fn age(grounds: &Grounds<'_>) -> Option<Age> {
    grounds.list.map(|list| list.age(grounds.now))
}

fn answer(bytes: &[u8], grounds: &Grounds<'_>) -> Result<Pass, Refusal> {
    let unread = |reason| Refusal { reason, payload: None };
    let parts = Parts::of(bytes).map_err(unread)?;
    let payload = authentic(&parts, grounds.keys).map_err(unread)?;
    match good(&payload, &parts, grounds) {
        Ok(()) => Ok(Pass { payload, slot: parts.shown.map(|shown| shown.slot) }),
        Err(reason) => Err(Refusal { reason, payload: Some(payload) }),
    }
}

/// The signature before anything else; then what was signed.
fn authentic(parts: &Parts<'_>, keys: &KeySet) -> Result<Payload, Reason> {
    let key = keys.find(parts.key_id(), Scope::Passes)?;
    key.public.verify(parts.content, parts.signature)?;
    let payload = Payload::from_bytes(parts.payload)?;
    if (payload.kind == Kind::Phone) != parts.shown.is_some() {
        return Err(Reason::KindPosing);
    }
    key.counts(payload.issued)?;
    Ok(payload)
}

fn good(payload: &Payload, parts: &Parts<'_>, grounds: &Grounds<'_>) -> Result<(), Reason> {
    if grounds.now.0.saturating_add(grounds.clock_behind) < payload.issued.start().0 {
        return Err(Reason::NotYetValid);
    }
    if grounds.now >= payload.expires.start() {
        return Err(Reason::Expired);
    }
    if let Some(shown) = parts.shown {
        shown.check(payload.number, payload.issued, grounds.now, grounds.leeway)?;
    }
    grounds.list.map_or(Ok(()), |list| list.check(payload))
}
