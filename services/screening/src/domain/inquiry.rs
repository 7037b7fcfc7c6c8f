//! What carriers are asked about the numbers of one case. A permission is a code that was sent to the person's phone: with it
//! the carrier is asked, again and again where it does not answer, until the permission is over. What it answers stands in the
//! case; here stands what is missing and why. Nothing of it ever makes a case clear (R4).

use std::collections::BTreeMap;

use chassis::{Aggregate, Decision, instant};
use chrono::{DateTime, TimeDelta, Utc};
use proto::{
    event::v1::Sealed,
    screening::v1::{
        NoData, Source, Trouble,
        inquiry_event::{Answered, CodeNotSent, CodeRejected, CodeSent, Event, Lapsed, Replaced, Tried},
        number_inquiry::State,
    },
};

mod refused;
#[cfg(test)]
mod tests;

pub use refused::Refused;

// State

#[derive(Clone, Debug, Default)]
pub struct Inquiry {
    /// By the person's numbers, from 1.
    numbers: BTreeMap<i32, Number>,
}

/// How far the question about one number is.
#[derive(Clone, Debug, Default)]
pub struct Number {
    state: State,
    source: i32,
    permission_id: String,
    permission: Option<Sealed>,
    end: Option<DateTime<Utc>>,
    by: String,
    /// Codes that were not the one.
    rejected: u32,
    tries: i32,
    trouble: i32,
    detail: String,
    no_data: i32,
    last: Option<DateTime<Utc>>,
    next: Option<DateTime<Utc>>,
    /// The correction by which the number had come to its place when it was asked about.
    place_since: String,
}

/// Whose record it is.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    pub neighbourhood: &'a str,
    pub resident: &'a str,
}

/// Codes that may be tried with one permission: whoever guesses has the person asked for another one.
const GUESSES: u32 = 5;

/// The longest pause between two tries.
const LONGEST: TimeDelta = TimeDelta::minutes(5);

impl Inquiry {
    pub fn numbers(&self) -> impl Iterator<Item = (i32, &Number)> {
        self.numbers.iter().map(|(phone, number)| (*phone, number))
    }

    pub fn number(&self, phone: i32) -> Option<&Number> {
        self.numbers.get(&phone)
    }
}

impl Number {
    pub fn state(&self) -> State {
        self.state
    }

    pub fn source(&self) -> Source {
        Source::try_from(self.source).unwrap_or_default()
    }

    pub fn permission_id(&self) -> &str {
        &self.permission_id
    }

    pub fn permission(&self) -> Option<&Sealed> {
        self.permission.as_ref()
    }

    /// When the permission is over.
    pub fn end(&self) -> Option<DateTime<Utc>> {
        self.end
    }

    /// Who had the code sent.
    pub fn by(&self) -> &str {
        &self.by
    }

    /// By which it is told whether the same number still stands there.
    pub fn place_since(&self) -> &str {
        &self.place_since
    }

    pub fn tries(&self) -> i32 {
        self.tries
    }

    pub fn trouble(&self) -> Trouble {
        Trouble::try_from(self.trouble).unwrap_or_default()
    }

    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Why the carrier can send nothing to it.
    pub fn no_data(&self) -> NoData {
        NoData::try_from(self.no_data).unwrap_or_default()
    }

    pub fn last(&self) -> Option<DateTime<Utc>> {
        self.last
    }

    pub fn next(&self) -> Option<DateTime<Utc>> {
        self.next
    }

    /// The carrier owes an answer, and the permission holds or has just run out.
    pub fn is_due(&self, now: DateTime<Utc>) -> bool {
        self.state == State::Waiting && self.next.is_some_and(|next| next <= now)
    }

    fn is_over(&self, now: DateTime<Utc>) -> bool {
        self.end.is_none_or(|end| end <= now)
    }
}

/// How long to wait before the next try: twice as long each time, and as long as the carrier asks for.
pub fn pause(tries: i32, first: TimeDelta, asked: Option<TimeDelta>) -> TimeDelta {
    let doublings = u32::try_from(tries.clamp(1, 16) - 1).unwrap_or_default();
    let own = first.checked_mul(1 << doublings).unwrap_or(LONGEST).min(LONGEST);
    own.max(asked.unwrap_or_default().min(LONGEST))
}

// Decisions

impl Inquiry {
    /// A code is on its way; whatever permission there was is replaced.
    pub fn code_sent(&self, about: About<'_>, sent: &CodeSent) -> Result<Decision<Event>, Refused> {
        if self.number(sent.phone).is_some_and(|number| number.permission_id == sent.permission_id) {
            return Ok(about.decision(Vec::new()));
        }
        Ok(about.decision(vec![Event::CodeSent(sent.clone())]))
    }

    /// The carrier could not be asked for a code. Nobody can try again but the person.
    pub fn code_not_sent(&self, about: About<'_>, told: &CodeNotSent) -> Result<Decision<Event>, Refused> {
        let known = self.number(told.phone).is_some_and(|number| {
            let time = told.time.as_ref().and_then(instant);
            number.state == State::AskAgain && number.last == time && number.trouble == told.trouble
        });
        Ok(about.decision(if known { Vec::new() } else { vec![Event::CodeNotSent(told.clone())] }))
    }

    /// The permission with which this number may be asked about now.
    pub fn permitted(&self, phone: i32, source: Source, now: DateTime<Utc>) -> Result<&Number, Refused> {
        let number = self.number(phone).filter(|number| number.source() == source).ok_or(Refused::NoCode)?;
        if !matches!(number.state, State::CodeSent | State::Waiting) || number.permission.is_none() {
            return Err(Refused::NoCode);
        }
        if number.is_over(now) {
            return Err(Refused::CodeExpired);
        }
        Ok(number)
    }

    /// The code that was read out was not the one. After so many of them no other would do.
    pub fn reject(
        &self,
        about: About<'_>,
        phone: i32,
        permission: &str,
        expired: bool,
    ) -> Result<Decision<Event>, Refused> {
        Ok(about.decision(match self.open(phone, permission) {
            Some(number) => {
                let expired = expired || number.rejected + 1 >= GUESSES;
                let permission_id = permission.to_owned();
                vec![Event::CodeRejected(CodeRejected { phone, permission_id, expired })]
            }
            None => Vec::new(),
        }))
    }

    /// The carrier did not answer; nothing where it has answered meanwhile, or where this try is known.
    pub fn tried(&self, about: About<'_>, tried: &Tried) -> Result<Decision<Event>, Refused> {
        let wanted = self.open(tried.phone, &tried.permission_id).is_some_and(|number| number.tries < tried.tries);
        Ok(about.decision(if wanted { vec![Event::Tried(tried.clone())] } else { Vec::new() }))
    }

    /// The carrier answered.
    pub fn answered(&self, about: About<'_>, phone: i32, permission: &str) -> Result<Decision<Event>, Refused> {
        let answered = Answered { phone, permission_id: permission.to_owned() };
        Ok(about.decision(match self.open(phone, permission) {
            Some(_) => vec![Event::Answered(answered)],
            None => Vec::new(),
        }))
    }

    /// The permission is over: the person is to be asked again.
    pub fn lapse(&self, about: About<'_>, phone: i32, permission: &str) -> Result<Decision<Event>, Refused> {
        let lapsed = Lapsed { phone, permission_id: permission.to_owned() };
        Ok(about.decision(match self.open(phone, permission) {
            Some(_) => vec![Event::Lapsed(lapsed)],
            None => Vec::new(),
        }))
    }

    /// R5: numbers that stand elsewhere now, or nowhere: what was asked about them is over.
    pub fn replace(
        &self,
        about: About<'_>,
        correction_id: &str,
        stays: impl Fn(i32) -> bool,
    ) -> Result<Decision<Event>, Refused> {
        let gone = self.numbers.keys().filter(|phone| !stays(**phone));
        let replaced =
            |phone: &i32| Event::Replaced(Replaced { phone: *phone, correction_id: correction_id.to_owned() });
        Ok(about.decision(gone.map(replaced).collect()))
    }

    /// The number, as long as its answer is open under this permission.
    fn open(&self, phone: i32, permission: &str) -> Option<&Number> {
        self.number(phone).filter(|number| {
            number.permission_id == permission && matches!(number.state, State::CodeSent | State::Waiting)
        })
    }
}

impl About<'_> {
    fn decision(self, events: Vec<Event>) -> Decision<Event> {
        Decision::new(events).office(self.neighbourhood).subject(self.resident)
    }
}

// Evolve

impl Aggregate for Inquiry {
    type Event = Event;

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::CodeSent(sent) => {
                let number = Number {
                    state: State::CodeSent,
                    source: sent.source,
                    permission_id: sent.permission_id.clone(),
                    permission: sent.permission.clone(),
                    end: sent.end_time.as_ref().and_then(instant),
                    by: sent.by.clone(),
                    place_since: sent.place_since.clone(),
                    ..Number::default()
                };
                self.numbers.insert(sent.phone, number);
            }
            Event::CodeNotSent(told) => {
                let known = self.numbers.remove(&told.phone).unwrap_or_default();
                let number = Number {
                    state: State::AskAgain,
                    source: told.source,
                    tries: if known.state == State::AskAgain { known.tries + 1 } else { 1 },
                    trouble: told.trouble,
                    detail: told.detail.clone(),
                    no_data: told.no_data,
                    last: told.time.as_ref().and_then(instant),
                    by: told.by.clone(),
                    ..Number::default()
                };
                self.numbers.insert(told.phone, number);
            }
            Event::CodeRejected(rejected) => self.change(rejected.phone, |number| {
                number.rejected += 1;
                if rejected.expired {
                    number.state = State::AskAgain;
                    number.next = None;
                    // The carrier has answered: what is wrong is the code.
                    number.trouble = 0;
                    number.detail.clear();
                }
            }),
            Event::Tried(tried) => self.change(tried.phone, |number| {
                number.state = State::Waiting;
                number.tries = tried.tries;
                number.trouble = tried.trouble;
                number.detail.clone_from(&tried.detail);
                number.last = tried.time.as_ref().and_then(instant);
                number.next = tried.next_time.as_ref().and_then(instant);
                if tried.permission.is_some() {
                    number.permission.clone_from(&tried.permission);
                }
            }),
            Event::Answered(answered) => self.change(answered.phone, |number| {
                number.state = State::Scanned;
                number.next = None;
                number.trouble = 0;
                number.detail.clear();
            }),
            Event::Replaced(replaced) => drop(self.numbers.remove(&replaced.phone)),
            Event::Lapsed(lapsed) => self.change(lapsed.phone, |number| {
                number.state = State::AskAgain;
                number.next = None;
            }),
        }
    }
}

impl Inquiry {
    fn change(&mut self, phone: i32, change: impl FnOnce(&mut Number)) {
        if let Some(number) = self.numbers.get_mut(&phone) {
            change(number);
        }
    }
}
