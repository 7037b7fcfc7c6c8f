//! What of a person's record a change of the method touches: only there another verdict can come of it. A pure function,
//! which may say yes too often and never no where the verdict differs.

use chrono::NaiveDate;

use crate::{
    places::{Code, Resolution, Vocabulary, resolve, spelled},
    verdict::{KeyArea, Person, Rules},
};

/// Between two sets of rules, as far as verdicts hang on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Another home, other hours or another window: it may matter to anybody.
    everybody: bool,
    /// Entries that only one of them has.
    key_areas: Vec<KeyArea>,
    /// Cities of the border pairs that only one of them has.
    cities: Vec<Code>,
}

impl Difference {
    pub fn between(before: &Rules, after: &Rules) -> Self {
        let numbers = |rules: &Rules| (rules.home, rules.min_hours, rules.window_days, rules.lag_days);
        let everybody = numbers(before) != numbers(after);
        let only = |one: &Rules, other: &Rules| -> Vec<KeyArea> {
            one.key_areas.iter().filter(|area| !other.key_areas.contains(area)).cloned().collect()
        };
        let has = |rules: &Rules, (a, b): (Code, Code)| {
            rules.border_pairs.contains(&(a, b)) || rules.border_pairs.contains(&(b, a))
        };
        let pairs = |one: &Rules, other: &Rules| -> Vec<Code> {
            let gone = one.border_pairs.iter().filter(|pair| !has(other, **pair));
            gone.flat_map(|(a, b)| [*a, *b]).collect()
        };
        Self {
            everybody,
            key_areas: [only(before, after), only(after, before)].concat(),
            cities: [pairs(before, after), pairs(after, before)].concat(),
        }
    }

    /// From rules that nobody can read any more: it may matter to anybody.
    pub fn unknown() -> Self {
        Self { everybody: true, ..Self::default() }
    }

    /// Whether no verdict can differ: what is left are days of isolation and of passes, a fever, hours of an answer.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// A key area or a border bears on a verdict through what was seen alone: a declaration without a visit proves nothing,
    /// and covers what it covers under any method. A name that nobody can place may stand for anything.
    pub fn touches(&self, footprint: &Footprint) -> bool {
        if self.everybody || self.is_empty() {
            return self.everybody;
        }
        footprint.unreadable
            || footprint.anywhere
            || footprint.places.iter().any(|(code, first, last)| self.touches_visit(*code, *first, *last))
    }

    fn touches_visit(&self, code: Code, first: NaiveDate, last: NaiveDate) -> bool {
        let within = |area: &KeyArea| {
            area.from.is_none_or(|from| from <= last)
                && area.to.is_none_or(|to| first <= to)
                && area.place.touches(code)
        };
        self.key_areas.iter().any(within) || code.city().is_some_and(|city| self.cities.contains(&city))
    }
}

/// Where somebody was seen, and when: no name, no hours, and no way to print it.
#[derive(Default)]
pub struct Footprint {
    places: Box<[(Code, NaiveDate, NaiveDate)]>,
    /// There is a name among them that nobody can place.
    anywhere: bool,
    /// Names, seen or declared, that no table places: what is decided about them touches this record.
    open: Box<[(Vocabulary, String)]>,
    /// Nobody can tell: the record does not open.
    unreadable: bool,
}

impl Footprint {
    pub fn of(person: &Person) -> Self {
        let (mut places, mut anywhere, mut open) = (Vec::new(), false, Vec::new());
        for stay in &person.stays {
            if resolve(&stay.place, Vocabulary::Declared).resolved().is_none() {
                open.push((Vocabulary::Declared, spelled(&stay.place)));
            }
        }
        for scan in &person.scans {
            let words = Vocabulary::of(scan.source);
            for visit in scan.visits.iter().filter(|visit| !visit.struck) {
                let found = resolve(&visit.place, words);
                if found.resolved().is_none() {
                    open.push((words, spelled(&visit.place)));
                }
                match found {
                    Resolution::Unknown => anywhere = true,
                    Resolution::Resolved(codes) | Resolution::Ambiguous(codes) => {
                        places.extend(codes.iter().map(|code| (*code, visit.first, visit.last)));
                    }
                }
            }
        }
        open.sort_unstable_by(|one, other| one.1.cmp(&other.1));
        open.dedup();
        Self { places: places.into(), anywhere, open: open.into(), unreadable: false }
    }

    /// Of a record that does not open: whatever changes may touch it.
    pub fn unreadable() -> Self {
        Self { unreadable: true, ..Self::default() }
    }

    /// Whether the record holds a name, spelled as it is looked up, that no table places.
    pub fn asks_about(&self, words: Vocabulary, spelling: &str) -> bool {
        self.unreadable || self.open.iter().any(|(source, name)| *source == words && name == spelling)
    }
}

#[cfg(test)]
mod tests {
    use proto::screening::v1::{Level, Measure, Source};

    use super::*;
    use crate::{
        method_file::sample,
        verdict::{Scan, Stay, Visit},
    };

    fn day(text: &str) -> NaiveDate {
        format!("2020-{text}").parse().unwrap()
    }

    fn seen(place: &str, first: &str, last: &str) -> Person {
        let visit = Visit { place: place.to_owned(), first: day(first), last: day(last), hours: None, struck: false };
        let scan =
            Scan { source: Source::Mobile, phone: Some(1), from: day("01-01"), to: day("02-11"), visits: vec![visit] };
        Person { as_of: day("02-11"), phones: 1, stays: Vec::new(), scans: vec![scan] }
    }

    fn rules() -> Rules {
        sample().rules(None).unwrap()
    }

    fn with(place: &str) -> Rules {
        let place = Code::parse(place).unwrap();
        let mut rules = rules();
        let (from, to) = (Some(day("02-08")), Some(day("02-20")));
        rules.key_areas.push(KeyArea { place, from, to, level: Level::Medium, measure: Measure::Home });
        rules
    }

    #[test]
    fn a_key_area_touches_whoever_was_seen_there_in_its_period() {
        let longer = Difference::between(&rules(), &with("331000"));
        assert!(longer.touches(&Footprint::of(&seen("台州", "02-07", "02-08"))));
        assert!(!longer.touches(&Footprint::of(&seen("台州", "02-06", "02-07"))), "before it was one");
        assert!(!longer.touches(&Footprint::of(&seen("绍兴", "02-08", "02-09"))));
        assert!(longer.touches(&Footprint::of(&seen("浙江", "02-08", "02-09"))), "a coarse source may mean it");
        assert!(longer.touches(&Footprint::of(&seen("某地", "01-01", "01-01"))), "an unknown place may be any");
        assert!(
            Difference::between(&with("331000"), &rules()).touches(&Footprint::of(&seen("台州", "02-08", "02-08"))),
            "taken back"
        );
        let county = Difference::between(&rules(), &with("331023"));
        assert!(
            county.touches(&Footprint::of(&seen("台州", "02-08", "02-08"))),
            "evidence in the city of a county is a question"
        );
    }

    #[test]
    fn a_visit_found_wrong_touches_nothing_and_neither_does_a_mere_declaration() {
        let longer = Difference::between(&rules(), &with("331000"));
        let mut struck = seen("台州", "02-08", "02-09");
        struck.scans[0].visits[0].struck = true;
        struck.stays.push(Stay { place: "台州".to_owned(), from: day("02-08"), to: day("02-09") });
        assert!(!longer.touches(&Footprint::of(&struck)));
    }

    #[test]
    fn numbers_touch_everybody_or_nobody() {
        let home = seen("宁波", "01-01", "02-11");
        for changed in [
            Rules { min_hours: 5, ..rules() },
            Rules { window_days: 7, ..rules() },
            Rules { lag_days: 1, ..rules() },
            Rules { home: Code::parse("330100").unwrap(), ..rules() },
        ] {
            assert!(Difference::between(&rules(), &changed).touches(&Footprint::of(&home)));
        }
        let spoken = Rules { isolation_days: 21, dispute_hours: 48, version: "t".to_owned(), ..rules() };
        let difference = Difference::between(&rules(), &spoken);
        assert!(difference.is_empty() && !difference.touches(&Footprint::of(&home)));
    }

    #[test]
    fn a_record_that_does_not_open_is_touched_by_whatever_changes() {
        let unreadable = Footprint::unreadable();
        assert!(Difference::between(&rules(), &with("331000")).touches(&unreadable));
        assert!(unreadable.asks_about(Vocabulary::Mobile, "某地"));
        assert!(!Difference::between(&rules(), &rules()).touches(&unreadable), "nothing has changed");
    }

    #[test]
    fn a_border_pair_touches_whoever_was_seen_on_either_side() {
        let mut fewer = rules();
        fewer.border_pairs.retain(|(a, b)| (a.to_string(), b.to_string()) != ("330200".into(), "331000".into()));
        let difference = Difference::between(&rules(), &fewer);
        assert!(difference.touches(&Footprint::of(&seen("台州", "01-05", "01-05"))));
        assert!(!difference.touches(&Footprint::of(&seen("绍兴", "01-05", "01-05"))));
    }
}
