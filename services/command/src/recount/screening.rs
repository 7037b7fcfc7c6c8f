//! Cases as they stand: each with its verdict, its dispute and what somebody wants to set by hand. A resident is what the case
//! says that was opened last.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, NaiveDate, Utc};
use proto::{
    Fact as _, UnreadableFact,
    command::v1::{JudgedBy, UnitFigures},
    screening::v1::{Outcome, case_event, method_event},
};

use super::{Counting, Told, people::People, tally, time};

#[derive(Default)]
pub(super) struct Screening {
    cases: HashMap<String, Case>,
    /// Resident and case, in the order in which they were opened.
    opened: Vec<(String, String)>,
    /// Neighbourhood and day of every first verdict.
    first_verdicts: Vec<(String, NaiveDate)>,
    /// The unit of every proposal.
    proposals: Vec<String>,
    /// Version, and from when on it is in force, in the order of their publication.
    methods: Vec<(String, DateTime<Utc>)>,
}

#[derive(Default)]
struct Case {
    verdict: Option<case_event::Assessed>,
    disputed: Option<case_event::Disputed>,
    /// Overrides that wait, and that are over.
    waiting: Vec<String>,
    ended: Vec<String>,
}

impl Screening {
    pub(super) fn read(&mut self, told: &Told<'_>) -> Result<(), UnreadableFact> {
        if told.category == method_event::Event::CATEGORY {
            if let method_event::Event::Published(event) = method_event::Event::from_payload(told.payload)? {
                let from = event.in_force_time.as_ref().map_or(told.happened, |from| time(Some(from)));
                self.methods.push((event.version, from));
            }
        } else if told.category == case_event::Event::CATEGORY {
            self.case(told, case_event::Event::from_payload(told.payload)?);
        }
        Ok(())
    }

    fn case(&mut self, told: &Told<'_>, event: case_event::Event) {
        if let case_event::Event::Opened(event) = event {
            self.cases.insert(told.id.to_owned(), Case::default());
            self.opened.push((event.resident_id, told.id.to_owned()));
            return;
        }
        let Some(case) = self.cases.get_mut(told.id) else { return };
        match event {
            case_event::Event::Assessed(event) => {
                if !event.again {
                    let place = event.residence.clone().unwrap_or_default().neighbourhood_id;
                    self.first_verdicts.push((place, told.day));
                }
                case.verdict = Some(event);
            }
            case_event::Event::Disputed(event) => case.disputed = Some(event),
            case_event::Event::DisputeResolved(_) => case.disputed = None,
            case_event::Event::OverrideProposed(event) => {
                self.proposals.push(event.unit);
                case.waiting.push(event.override_id);
            }
            case_event::Event::OverrideApproved(event) => case.waiting.retain(|id| *id != event.override_id),
            case_event::Event::OverrideDeclined(event) => case.waiting.retain(|id| *id != event.override_id),
            case_event::Event::OverrideEnded(event) => {
                case.waiting.retain(|id| *id != event.override_id);
                case.ended.push(event.override_id);
            }
            case_event::Event::Opened(_)
            | case_event::Event::Declared(_)
            | case_event::Event::EvidenceRecorded(_)
            | case_event::Event::DisputeEscalated(_)
            | case_event::Event::PhonesChanged(_) => {}
        }
    }

    pub(super) fn count(&self, people: &People, counting: &mut Counting) {
        for (neighbourhood, day) in &self.first_verdicts {
            counting.of(neighbourhood).screened_today += i64::from(*day == counting.today);
        }
        let latest: HashMap<&String, &String> = self.opened.iter().map(|(resident, case)| (resident, case)).collect();
        let of_residents = latest.iter().filter_map(|(resident, case)| Some((people.home(resident)?, *case)));
        let cases: Vec<(&str, &Case)> =
            of_residents.filter_map(|(home, case)| Some((home, self.cases.get(case)?))).collect();
        for (home, case) in &cases {
            count_case(home, case, counting);
        }
        let verdicts = || cases.iter().filter_map(|(home, case)| Some((*home, *case, judged(case)?)));
        for ((home, method), persons) in tally(verdicts().map(|(home, _, verdict)| (home, &verdict.method_version))) {
            let judged_by = JudgedBy { method: format!("methods/{method}"), persons };
            counting.shown.judged_by.entry(home.to_owned()).or_default().push(judged_by);
        }
        let mut units: BTreeMap<&String, UnitFigures> = BTreeMap::new();
        for (_, case, verdict) in verdicts() {
            if !verdict.by.is_empty() {
                units.entry(&verdict.unit).or_default().manual_verdicts += 1;
            }
            if let Some(hand) = verdict.r#override.as_ref().filter(|hand| !case.ended.contains(&hand.override_id)) {
                units.entry(&hand.proposed_unit).or_default().overrides_in_force += 1;
            }
        }
        for unit in &self.proposals {
            units.entry(unit).or_default().overrides_proposed += 1;
        }
        counting.shown.units =
            units.into_iter().map(|(unit, figures)| UnitFigures { unit: unit.clone(), ..figures }).collect();
        let mut in_force: Option<&(String, DateTime<Utc>)> = None;
        for method in self.methods.iter().filter(|(_, from)| *from <= counting.time) {
            if in_force.is_none_or(|(_, from)| *from <= method.1) {
                in_force = Some(method);
            }
        }
        counting.shown.method = in_force.map(|(version, _)| version.clone()).unwrap_or_default();
    }
}

fn judged(case: &Case) -> Option<&case_event::Assessed> {
    case.verdict.as_ref().filter(|verdict| verdict.outcome() != Outcome::Unspecified)
}

fn count_case(home: &str, case: &Case, counting: &mut Counting) {
    if let Some(disputed) = &case.disputed {
        let late = counting.past(time(disputed.due.as_ref()));
        let figures = counting.of(home);
        figures.disputed += 1;
        figures.disputes_late += i64::from(late);
    }
    let figures = counting.of(home);
    figures.overrides_proposed += i64::from(!case.waiting.is_empty());
    let Some(verdict) = judged(case) else { return };
    figures.screened += 1;
    figures.manual_verdicts += i64::from(!verdict.by.is_empty());
    *match verdict.outcome() {
        Outcome::Clear => &mut figures.clear,
        Outcome::DeclaredKeyArea => &mut figures.declared_key_area,
        Outcome::ConcealedKeyArea => &mut figures.concealed,
        Outcome::UndeclaredElsewhere => &mut figures.undeclared,
        Outcome::Overridden => &mut figures.overridden,
        Outcome::OverDeclared
        | Outcome::BorderSuspect
        | Outcome::InsufficientEvidence
        | Outcome::UnresolvedPlace
        | Outcome::Unspecified => &mut figures.to_ask,
    } += 1;
}
