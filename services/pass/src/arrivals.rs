//! Crossings that a gate decided by itself, as they arrive: filed at the time at which they were, and judged again by what
//! the centre knows of that time. What the gate decided stays the fact.

use chassis::{Decision, Ledger, Reading, Scope, instant};
use chrono::{DateTime, TimeDelta, Utc};
use credential::number::PassNumber;
use proto::{
    pass::v1::{
        Decision as AtGate, Direction, Finding, GateCrossing, Manual, RecordCrossingsRequest, ShownPass, Visitor,
        device_event::Kept, gate_crossing::Identity, gate_day_event, visitor::Exception,
    },
    registry::v1::Residence,
};
use tonic::Status;

use crate::{
    domain::{
        device::Arrived,
        gate::{Guarantor, Judgement, Measured, Passage, Resident, Scan, Who, judge},
        gate_day::{self, Passed, Person, Place, Reported},
        holder::Holder,
    },
    issuing, passage,
    past::Past,
    projections::{gates::Gate, method, residents},
    resources::fault,
    roll::Roll,
};

/// Whoever arrives within this time is judged by what holds now.
const AT_ONCE: TimeDelta = TimeDelta::minutes(1);
/// A gate that was silent for longer does not know when anything was.
const LONGEST: TimeDelta = TimeDelta::days(90);

/// One crossing, ready to be put on record.
pub(crate) struct Filed {
    pub(crate) arrived: Arrived,
    /// Its gate day, and what goes there; nothing where it cannot be filed.
    pub(crate) day: Option<(String, Decision<gate_day_event::Event>)>,
}

/// One batch of one device.
pub(crate) struct Arrivals<'a, 'b> {
    pub(crate) ledger: &'a Ledger,
    pub(crate) roll: &'a Roll,
    /// Of all versions of the method.
    pub(crate) methods: &'a [method::Version],
    pub(crate) reading: &'a mut Reading<'b>,
    pub(crate) gate: &'a Gate,
    pub(crate) device_id: &'a str,
    pub(crate) now: DateTime<Utc>,
    pub(crate) sent: &'a RecordCrossingsRequest,
    pub(crate) past: Past<'a>,
    /// What is recalled now; absent while it is not all known.
    pub(crate) recalls: Option<&'a Roll>,
}

/// What every crossing must say.
struct Said<'a> {
    at: DateTime<Utc>,
    direction: Direction,
    decision: AtGate,
    identity: &'a Identity,
    /// The pass number of whoever was named.
    named: &'a str,
}

/// Whom the gate saw, as the centre knows them.
enum Whom {
    Nobody,
    /// Staff vouch for somebody without saying for whom.
    Unnamed,
    Shown {
        number: String,
        known: Known,
    },
    ByHand(Known),
    Visitor {
        exception: Exception,
        guarantor: Guarantor,
    },
}

struct Known {
    resident_id: String,
    holder: Holder,
    residence: Residence,
    lives_here: bool,
    /// The last thing that was said about the holder before.
    since: Option<DateTime<Utc>>,
    /// Since when the pass that was shown had been recalled by then.
    recalled: Option<DateTime<Utc>>,
}

/// In both languages.
type Because = (&'static str, &'static str);

impl Arrivals<'_, '_> {
    pub(crate) async fn file(&mut self, crossing: &GateCrossing) -> Result<Filed, Status> {
        let (boot, sequence) = (crossing.boot.clone(), crossing.sequence);
        let said = match self.read(crossing) {
            Ok(said) => said,
            Err((zh, en)) => {
                let (reason_zh, reason_en) = (zh.to_owned(), en.to_owned());
                let kept = Kept { crossing: Some(crossing.clone()), reason_zh, reason_en };
                return Ok(Filed { arrived: Arrived { boot, sequence, kept: Some(kept) }, day: None });
            }
        };
        let whom = self.whom(&said).await?;
        let measured = (crossing.temperature_decicelsius != 0)
            .then_some(Measured { decicelsius: crossing.temperature_decicelsius, mask: crossing.mask });
        let method = method::of_time(self.methods, said.at);
        let limits = method.map(|method| method.limits).unwrap_or_default();
        let outings = match &whom {
            Whom::Shown { number, known } => match known.holder.find_pass(number) {
                Some(pass) => passage::outings(self.reading, limits, pass, number, said.at).await?,
                None => 0,
            },
            _ => 0,
        };
        let judged = whom.who().map(|who| {
            let fever_from = method.map(|method| method.fever_decicelsius);
            judge(&Passage { who, at: said.at, direction: Some(said.direction), measured, fever_from, limits, outings })
        });
        let findings: Vec<Finding> = crossing.findings().collect();
        let conflict =
            judged.as_ref().is_some_and(|judged| gate_day::conflicts(said.decision, &findings, judged.decision));
        let unknown_since = if conflict { self.since(&whom, said.at).await? } else { None };
        let typed = matches!(said.identity, Identity::Shown(ShownPass { typed: true, .. }));
        let own = Judgement { decision: said.decision, findings, zh: String::new(), en: String::new() };
        let passed = Passed {
            crossing_id: format!("{}-{boot}-{sequence}", self.device_id),
            gate: Place {
                neighbourhood_id: &self.gate.neighbourhood_id,
                compound_id: &self.gate.compound_id,
                gate_id: &self.gate.id,
            },
            at: said.at,
            direction: said.direction,
            measured: Measured { decicelsius: crossing.temperature_decicelsius, mask: crossing.mask },
            person: whom.into_person(&said),
            judgement: &own,
            counts_outings: limits.outings.is_some(),
        };
        let reported = Reported { device_id: self.device_id.to_owned(), typed, judged, unknown_since, conflict };
        let day = gate_day::stream_id(&self.gate.id, said.at);
        let decision = gate_day::report(passed, crossing, reported);
        Ok(Filed { arrived: Arrived { boot, sequence, kept: None }, day: Some((day, decision)) })
    }

    fn read<'c>(&self, crossing: &'c GateCrossing) -> Result<Said<'c>, Because> {
        let at = self.time_of(crossing).ok_or((
            "没有可信的时间，无法归档：请校准门岗时钟",
            "without a time that can be believed: set the gate's clock",
        ))?;
        let (direction, decision) = (crossing.direction(), crossing.decision());
        if direction == Direction::Unspecified || decision == AtGate::Unspecified {
            return Err((
                "没有写明方向或结论：请更新门岗程序",
                "without a direction or a decision: update the gate's program",
            ));
        }
        let readings = [crossing.temperature_decicelsius, crossing.first_reading_decicelsius];
        if readings.iter().any(|reading| *reading != 0 && !(300..=450).contains(reading)) {
            return Err((
                "体温超出 30 至 45 度：请更新门岗程序",
                "a temperature beyond 30 to 45 degrees: update the gate's program",
            ));
        }
        let named = crossing.named_pass_number.as_str();
        let identity = crossing.identity.as_ref().filter(|identity| sound(identity, named));
        let identity = identity.ok_or((
            "没有写明是谁或原因，或证号不对：请更新门岗程序",
            "without a person, a reason, or a right pass number: update the gate's program",
        ))?;
        Ok(Said { at, direction, decision, identity, named })
    }

    /// Of the boot that sends, by the gate's steady clock and ours; of an earlier one, by its own clock as far as the gate knew
    /// how wrong that was. Never later than now.
    fn time_of(&self, crossing: &GateCrossing) -> Option<DateTime<Utc>> {
        let raw = crossing.raw_time.as_ref().and_then(instant)?;
        let ago = self.sent.monotonic_ms.checked_sub(crossing.monotonic_ms).and_then(TimeDelta::try_milliseconds)?;
        let steady = crossing.boot == self.sent.boot && (TimeDelta::zero()..=LONGEST).contains(&ago);
        let at = if steady {
            self.now.checked_sub_signed(ago)?
        } else {
            raw.checked_add_signed(TimeDelta::try_milliseconds(crossing.offset_ms)?)?
        };
        let at = at.min(self.now);
        (at >= self.now - LONGEST).then_some(at)
    }

    async fn whom(&mut self, said: &Said<'_>) -> Result<Whom, Status> {
        let Said { at, identity, named, .. } = *said;
        match identity {
            Identity::Shown(shown) => Ok(match self.of_pass(&shown.pass_number, at).await? {
                Some((number, known)) => Whom::Shown { number, known },
                None => Whom::Nobody,
            }),
            Identity::Manual(_) if !named.is_empty() => {
                let found = self.of_pass(named, at).await?;
                Ok(found.map_or(Whom::Unnamed, |(_, known)| Whom::ByHand(known)))
            }
            Identity::Manual(Manual { resident, .. }) if resident.is_empty() => Ok(Whom::Unnamed),
            Identity::Manual(Manual { resident, .. }) => {
                let Some(home) = self.home(resident).await? else { return Ok(Whom::Unnamed) };
                let resident_id = bare(resident).to_owned();
                let (holder, since) = self.past.of(&resident_id, at, "").await?;
                let serves = self.gate.serves(self.reading, &home.residence.compound_id).await?;
                let lives_here = serves && !home.moved_out;
                Ok(Whom::ByHand(Known {
                    resident_id,
                    holder,
                    residence: home.residence,
                    lives_here,
                    since,
                    recalled: None,
                }))
            }
            Identity::Visitor(visitor) => {
                let guarantor = self.guarantor(visitor, named, at).await?;
                Ok(Whom::Visitor { exception: visitor.exception(), guarantor })
            }
        }
    }

    async fn guarantor(&mut self, visitor: &Visitor, named: &str, at: DateTime<Utc>) -> Result<Guarantor, Status> {
        if !named.is_empty() {
            let found = self.of_pass(named, at).await?;
            let here = found.is_some_and(|(_, known)| known.lives_here && !known.holder.moved_out);
            return Ok(if here { Guarantor::LivesHere } else { Guarantor::Unknown });
        }
        if visitor.guarantor.is_empty() {
            return Ok(Guarantor::Unnamed);
        }
        let Some(home) = self.home(&visitor.guarantor).await? else { return Ok(Guarantor::Unknown) };
        let serves = self.gate.serves(self.reading, &home.residence.compound_id).await?;
        Ok(if serves && !home.moved_out { Guarantor::LivesHere } else { Guarantor::Unknown })
    }

    /// The holder of a pass, as they stood then; who arrives at once is judged by what is in memory.
    async fn of_pass(&mut self, number: &str, at: DateTime<Utc>) -> Result<Option<(String, Known)>, Status> {
        let Ok(number) = number.parse::<PassNumber>() else { return Ok(None) };
        let Some((resident_id, now)) = issuing::holder_of(self.ledger, self.roll, number).await? else {
            return Ok(None);
        };
        let number = number.to_string();
        let residence = now.find_pass(&number).map(|pass| pass.residence.clone()).unwrap_or_default();
        let lives_here = self.gate.serves(self.reading, &residence.compound_id).await?;
        let (holder, since) = if self.now - at <= AT_ONCE {
            (Holder::clone(&now), None)
        } else {
            self.past.of(&resident_id, at, &number).await?
        };
        // Late or not: a gate that had not heard of a recall is behind it, and nothing in the holder's own stream says so.
        let recalled = match holder.find_pass(&number) {
            Some(pass) if self.recalls.is_none_or(|roll| roll.was_ever_recalled(pass)) => {
                self.past.recalled(pass, at).await?
            }
            _ => None,
        };
        Ok(Some((number, Known { resident_id, holder, residence, lives_here, since, recalled })))
    }

    /// When the centre came to know what the gate did not.
    async fn since(&mut self, whom: &Whom, at: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, Status> {
        match whom {
            Whom::Shown { known: Known { recalled: Some(since), .. }, .. } => Ok(Some(*since)),
            Whom::Shown { known, .. } | Whom::ByHand(known) => match known.since {
                Some(since) => Ok(Some(since)),
                None => Ok(self.past.of(&known.resident_id, at, "").await?.1),
            },
            Whom::Nobody | Whom::Unnamed | Whom::Visitor { .. } => Ok(None),
        }
    }

    async fn home(&mut self, resident: &str) -> Result<Option<residents::Home>, Status> {
        let scope = Scope::Neighbourhood(self.gate.neighbourhood_id.clone());
        residents::find(self.reading.db().await?, &scope, bare(resident)).await.map_err(fault)
    }
}

impl Whom {
    /// As decisions see them; nothing to judge where nobody is named.
    fn who(&self) -> Option<Who<'_>> {
        match self {
            Self::Nobody => Some(Who::Scanned(Scan::Unreadable)),
            Self::Unnamed => None,
            Self::Shown { number, known } if known.recalled.is_some() => {
                let (resident, finding) = (known.at_the_gate(), Finding::Recalled);
                Some(Who::Scanned(Scan::Void { number, resident, finding }))
            }
            Self::Shown { number, known } => Some(Who::Scanned(Scan::Ours { number, resident: known.at_the_gate() })),
            Self::ByHand(known) => Some(Who::Known(known.at_the_gate())),
            Self::Visitor { exception, guarantor } => {
                Some(Who::Visitor { exception: *exception, guarantor: *guarantor })
            }
        }
    }

    fn into_person(self, said: &Said<'_>) -> Person {
        let Said { identity, named, .. } = *said;
        let manual_reason = match identity {
            Identity::Manual(manual) => manual.reason.trim().to_owned(),
            Identity::Shown(_) | Identity::Visitor(_) => String::new(),
        };
        let known = |known: Known, pass_number| Person {
            resident_id: known.resident_id,
            residence: Some(known.residence),
            pass_number,
            ..Person::default()
        };
        let person = match (self, identity) {
            (Self::Shown { number, known: holder }, _) => known(holder, number),
            (Self::ByHand(holder), _) => known(holder, named.to_owned()),
            (_, Identity::Visitor(visitor)) => Person { visitor: Some(visitor.clone()), ..Person::default() },
            (_, Identity::Shown(shown)) => Person { pass_number: shown.pass_number.clone(), ..Person::default() },
            (_, Identity::Manual(_)) => Person { pass_number: named.to_owned(), ..Person::default() },
        };
        Person { manual_reason, ..person }
    }
}

impl Known {
    fn at_the_gate(&self) -> Resident<'_> {
        Resident { holder: &self.holder, lives_here: self.lives_here }
    }
}

/// Whether an identity says what it must, and no number is a slip.
fn sound(identity: &Identity, named: &str) -> bool {
    let number = |number: &str| number.is_empty() || number.parse::<PassNumber>().is_ok();
    match identity {
        Identity::Shown(shown) => number(&shown.pass_number),
        Identity::Manual(manual) => {
            let said = (1..=200).contains(&manual.reason.trim().chars().count());
            said && manual.resident.len() <= 100 && number(named)
        }
        Identity::Visitor(visitor) => {
            let chosen = visitor.exception() != Exception::Unspecified;
            chosen && visitor.guarantor.len() <= 100 && number(named)
        }
    }
}

fn bare(resident: &str) -> &str {
    resident.strip_prefix("residents/").unwrap_or(resident)
}
