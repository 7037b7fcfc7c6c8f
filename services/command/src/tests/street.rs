//! Two neighbourhoods and what is said about them, each record at its minute.

use std::{collections::BTreeMap, sync::Arc};

use chassis::{Memory as _, timestamp};
use chrono::{DateTime, TimeDelta, Utc};
use proto::{
    Fact,
    event::v1::Record,
    isolation::v1::{
        DayPart, Kind, Level, ReleaseReason, Slot, Terms,
        order_event::{self, Missed, Observed, Ordered, Released},
    },
    pass::v1::{
        Decision, Direction,
        gate_day_event::{self, Crossed},
        holder_event::{self, Issued},
    },
    registry::v1::{Residence, Tenure, household_event, neighbourhood_event, resident_event},
    screening::v1::{
        Outcome,
        case_event::{self, Assessed},
    },
};

use crate::{
    book::Minute,
    comparison::differences,
    picture::{Picture, Shown},
    recount::Recount,
};

/// The time "2020-02-11 08:00" in Asia/Shanghai.
pub(crate) fn time(text: &str) -> DateTime<Utc> {
    format!("{}:00+08:00", text.replace(' ', "T")).parse().unwrap()
}

pub(crate) struct Street {
    pub(crate) now: DateTime<Utc>,
    pub(crate) records: Vec<Arc<Record>>,
    positions: BTreeMap<&'static str, u64>,
}

/// In household `h1` of neighbourhood `n1`: "n1/h1".
pub(crate) fn residence(place: &str) -> Residence {
    let (neighbourhood, household) = place.split_once('/').unwrap();
    Residence {
        neighbourhood_id: neighbourhood.to_owned(),
        compound_id: format!("{neighbourhood}-c"),
        household_id: household.to_owned(),
    }
}

impl Street {
    /// Neighbourhoods n1 and n2, opened on the morning of 10 February.
    pub(crate) fn new() -> Self {
        let mut street = Self { now: time("2020-02-10 07:00"), records: Vec::new(), positions: BTreeMap::new() };
        for id in ["n1", "n2"] {
            let opened = neighbourhood_event::Opened { display_name: id.to_owned(), ..Default::default() };
            street.tell(id, neighbourhood_event::Event::Opened(opened));
        }
        street
    }

    pub(crate) fn at(&mut self, text: &str) -> &mut Self {
        self.now = time(text);
        self
    }

    #[expect(clippy::needless_pass_by_value, reason = "facts are made where they are told")]
    pub(crate) fn tell<F: Fact>(&mut self, stream: &str, fact: F) -> &mut Self {
        self.tell_of("n1", stream, &fact)
    }

    /// In the record of a neighbourhood.
    pub(crate) fn tell_of<F: Fact>(&mut self, office: &str, stream: &str, fact: &F) -> &mut Self {
        let payload = fact.to_payload();
        self.write(office, F::LOG, F::CATEGORY, stream, payload)
    }

    /// A record of a stream that nobody can read.
    pub(crate) fn garble<F: Fact>(&mut self, stream: &str) -> &mut Self {
        self.write("n1", F::LOG, F::CATEGORY, stream, vec![0xff, 0xff, 0xff])
    }

    fn write(&mut self, office: &str, log: &'static str, category: &str, stream: &str, payload: Vec<u8>) -> &mut Self {
        let position = self.positions.entry(log).or_default();
        *position += 1;
        self.records.push(Arc::new(Record {
            log: log.to_owned(),
            log_id: format!("{log} log"),
            position: *position,
            category: category.to_owned(),
            stream_id: stream.to_owned(),
            payload,
            office: office.to_owned(),
            occurred_at: Some(timestamp(self.now)),
            recorded_at: Some(timestamp(self.now)),
            ..Record::default()
        }));
        self
    }

    pub(crate) fn household(&mut self, place: &str, tenure: Tenure) -> &mut Self {
        let home = residence(place);
        let registered = household_event::Registered {
            neighbourhood_id: home.neighbourhood_id,
            tenure: tenure.into(),
            ..Default::default()
        };
        self.tell(&home.household_id, household_event::Event::Registered(registered))
    }

    pub(crate) fn resident(&mut self, id: &str, place: &str) -> &mut Self {
        let registered = resident_event::Registered { residence: Some(residence(place)), ..Default::default() };
        self.tell(id, resident_event::Event::Registered(registered))
    }

    /// A case of the resident with this verdict.
    pub(crate) fn screened(&mut self, case: &str, resident: &str, place: &str, outcome: Outcome) -> &mut Self {
        self.open_case(case, resident).tell(case, case_event::Event::Assessed(verdict(place, outcome)))
    }

    pub(crate) fn open_case(&mut self, case: &str, resident: &str) -> &mut Self {
        let opened = case_event::Opened { resident_id: resident.to_owned(), ..Default::default() };
        self.tell(case, case_event::Event::Opened(opened))
    }

    /// A pass for two weeks.
    pub(crate) fn issue(&mut self, resident: &str, place: &str, number: &str) -> &mut Self {
        let issued = Issued {
            number: number.to_owned(),
            expires: Some(timestamp(self.now + TimeDelta::days(14))),
            issued: Some(timestamp(self.now)),
            residence: Some(residence(place)),
            ..Default::default()
        };
        self.tell(resident, holder_event::Event::Issued(issued))
    }

    pub(crate) fn crossed(&mut self, resident: &str, direction: Direction, at: DateTime<Utc>) -> &mut Self {
        let crossed = Crossed {
            crossed_at: Some(timestamp(at)),
            direction: direction.into(),
            decision: Decision::Allowed.into(),
            resident_id: resident.to_owned(),
            ..Default::default()
        };
        self.tell("gate", gate_day_event::Event::Crossed(crossed))
    }

    /// In force from the morning of this day, for a fortnight.
    pub(crate) fn ordered(&mut self, order: &str, place: &str, kind: Kind, from: &str) -> &mut Self {
        let ordered = Ordered { terms: Some(terms(place, kind, from)), ..Default::default() };
        self.tell(order, order_event::Event::Ordered(ordered))
    }

    pub(crate) fn read(&mut self, order: &str, date: &str, part: DayPart, ill: bool) -> &mut Self {
        let observed =
            Observed { date: date.to_owned(), day_part: part.into(), fever_or_symptoms: ill, ..Default::default() };
        self.tell(order, order_event::Event::Observed(observed))
    }

    pub(crate) fn missed(&mut self, order: &str, date: &str, part: DayPart, level: Level) -> &mut Self {
        let slots = vec![Slot { date: date.to_owned(), day_part: part.into() }];
        self.tell(order, order_event::Event::Missed(Missed { slots, level: level.into() }))
    }

    pub(crate) fn released(&mut self, order: &str, reason: ReleaseReason) -> &mut Self {
        self.tell(order, order_event::Event::Released(Released { reason: reason.into(), ..Default::default() }))
    }

    pub(crate) fn picture(&self) -> Picture {
        picture(&self.records)
    }

    /// What is shown of a minute, after it was recounted.
    pub(crate) fn as_of(&self, text: &str) -> Shown {
        let shown = self.picture().as_of(time(text));
        assert_eq!(differing(&self.records, &shown, true), "", "as of {text}");
        shown
    }

    /// What is shown at a time, after it was recounted.
    pub(crate) fn live(&self, text: &str) -> Shown {
        let shown = self.picture().live(time(text));
        assert_eq!(differing(&self.records, &shown, false), "", "at {text}");
        shown
    }
}

pub(crate) fn picture(records: &[Arc<Record>]) -> Picture {
    let picture = Picture::default();
    for record in records {
        picture.take(record).unwrap();
    }
    picture
}

/// Where the recount says otherwise.
pub(crate) fn differing(records: &[Arc<Record>], shown: &Shown, past: bool) -> String {
    let minute = if past { Minute::within(shown.time) } else { Minute::from(shown.time) };
    let mut recount = Recount::until(if past { minute } else { Minute::NEVER });
    for record in records {
        recount.take(record);
    }
    let recounted = recount.shown(shown.time, minute);
    let lines = differences(shown, &recounted).into_iter().map(|difference| {
        let (shown, recounted) = (difference.shown, difference.recounted);
        format!("{} {}: shown {shown}, recounted {recounted}\n", difference.neighbourhood, difference.figure)
    });
    let method = (shown.method != recounted.method).then(|| "method\n".to_owned());
    lines.chain(method).collect()
}

pub(crate) fn verdict(place: &str, outcome: Outcome) -> Assessed {
    Assessed {
        residence: Some(residence(place)),
        outcome: outcome.into(),
        method_version: "2020-02-09".to_owned(),
        ..Default::default()
    }
}

pub(crate) fn terms(place: &str, kind: Kind, from: &str) -> Terms {
    let first: chrono::NaiveDate = from.parse().unwrap();
    Terms {
        residence: Some(residence(place)),
        kind: kind.into(),
        observed_from: from.to_owned(),
        last_day: (first + TimeDelta::days(14)).to_string(),
        first_day_part: DayPart::Morning.into(),
        ..Default::default()
    }
}
