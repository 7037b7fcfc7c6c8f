use chassis::timestamp;
use chrono::TimeDelta;
use proto::{
    isolation::v1::{CaseTerms, confirmed_case_event},
    screening::v1::{
        Outcome, OverrideInForce,
        case_event::{self, Assessed, override_ended::Cause},
        method_event,
    },
};

use super::{
    super::street::{residence, verdict},
    World,
    isolation::Stage,
};

#[derive(Clone, Default)]
pub(super) struct Case {
    id: String,
    judged: bool,
    disputed: bool,
    proposed: Option<String>,
    in_force: Option<String>,
}

const OUTCOMES: [Outcome; 7] = [
    Outcome::Clear,
    Outcome::DeclaredKeyArea,
    Outcome::ConcealedKeyArea,
    Outcome::UndeclaredElsewhere,
    Outcome::InsufficientEvidence,
    Outcome::OverDeclared,
    Outcome::BorderSuspect,
];

const UNITS: [&str; 3] = ["n1", "n2", "health"];

impl World {
    pub(super) fn screen(&mut self, who: usize) {
        let kind = self.roll(12);
        let Some(mut case) = self.people[who].case.clone().filter(|_| kind > 0) else {
            self.cases += 1;
            let (id, resident) = (format!("case {}", self.cases), self.people[who].id.clone());
            let older = self.people[who].case.take();
            self.people[who].older.extend(older);
            self.street.open_case(&id, &resident);
            self.people[who].case = Some(Case { id, ..Case::default() });
            return;
        };
        // Now and then something is still said of an older case.
        if kind == 11
            && let Some(mut older) = self.people[who].older.pop()
        {
            self.speak(who, &mut older, 1);
            self.people[who].older.push(older);
            return;
        }
        self.speak(who, &mut case, kind);
        self.people[who].case = Some(case);
    }

    fn speak(&mut self, who: usize, case: &mut Case, kind: u64) {
        let unit = UNITS[usize::try_from(self.roll(3)).unwrap()].to_owned();
        match kind {
            1..=4 => {
                let outcome = OUTCOMES[usize::try_from(self.roll(7)).unwrap()];
                let by = if self.roll(4) == 0 { "staff/1".to_owned() } else { String::new() };
                self.judge(who, case, Assessed { by, unit, ..verdict("n1/h", outcome) });
            }
            5 if case.judged && !case.disputed => {
                case.disputed = true;
                let due = Some(timestamp(self.street.now + TimeDelta::hours(24)));
                let disputed = case_event::Disputed { due, ..Default::default() };
                self.street.tell(&case.id, case_event::Event::Disputed(disputed));
            }
            6 if case.disputed => {
                case.disputed = false;
                self.street.tell(&case.id, case_event::Event::DisputeResolved(case_event::DisputeResolved::default()));
            }
            7 if case.judged && case.proposed.is_none() => {
                self.numbers += 1;
                let override_id = format!("override {}", self.numbers);
                case.proposed = Some(override_id.clone());
                let proposed = case_event::OverrideProposed { override_id, unit, ..Default::default() };
                self.street.tell(&case.id, case_event::Event::OverrideProposed(proposed));
            }
            8 => self.approve(who, case, unit),
            9 => {
                if let Some(override_id) = case.proposed.take() {
                    let declined = case_event::OverrideDeclined { override_id, ..Default::default() };
                    self.street.tell(&case.id, case_event::Event::OverrideDeclined(declined));
                }
            }
            10 => {
                if let Some(id) = case.in_force.take() {
                    self.end(case, id, Cause::Expired);
                    if self.roll(2) == 0 {
                        self.judge(who, case, verdict("n1/h", Outcome::Clear));
                    }
                }
            }
            _ => {}
        }
    }

    fn approve(&mut self, who: usize, case: &mut Case, proposed_unit: String) {
        let Some(override_id) = case.proposed.take() else { return };
        if let Some(before) = case.in_force.take() {
            self.end(case, before, Cause::Replaced);
        }
        case.in_force = Some(override_id.clone());
        let approved = case_event::OverrideApproved { override_id: override_id.clone(), ..Default::default() };
        self.street.tell(&case.id, case_event::Event::OverrideApproved(approved));
        let hand = OverrideInForce { override_id, proposed_unit, ..Default::default() };
        self.judge(who, case, Assessed { r#override: Some(hand), ..verdict("n1/h", Outcome::Overridden) });
    }

    fn end(&mut self, case: &Case, override_id: String, cause: Cause) {
        let ended = case_event::OverrideEnded { override_id, cause: cause.into(), ..Default::default() };
        self.street.tell(&case.id, case_event::Event::OverrideEnded(ended));
    }

    fn judge(&mut self, who: usize, case: &mut Case, assessed: Assessed) {
        let assessed = Assessed {
            residence: Some(residence(&self.people[who].place)),
            again: case.judged,
            method_version: format!("m{}", self.methods),
            ..assessed
        };
        case.judged = true;
        self.street.tell(&case.id, case_event::Event::Assessed(assessed));
    }

    /// The next method, now or for later; or somebody has the disease, or has it not.
    pub(super) fn publish_or_confirm(&mut self, who: usize) {
        if self.roll(2) == 0 {
            self.methods += 1;
            let hours = i64::try_from(self.roll(4)).unwrap() * 12;
            let from = self.street.now + TimeDelta::hours(hours);
            let published = method_event::Published {
                version: format!("m{}", self.methods),
                in_force_time: (hours > 0).then(|| timestamp(from)),
                ..Default::default()
            };
            self.street.tell(&format!("m{}", self.methods), method_event::Event::Published(published));
            return;
        }
        let number = who % 2;
        let residence = Some(residence(&self.people[number].place));
        let terms = Some(CaseTerms { residence, ..CaseTerms::default() });
        let event = match self.confirmed[number] {
            Stage::Nothing => {
                confirmed_case_event::Event::Reported(confirmed_case_event::Reported { terms, ..Default::default() })
            }
            Stage::First => {
                confirmed_case_event::Event::Confirmed(confirmed_case_event::Confirmed { terms, ..Default::default() })
            }
            Stage::Second => confirmed_case_event::Event::Withdrawn(confirmed_case_event::Withdrawn::default()),
            Stage::Over => return,
        };
        self.confirmed[number] = self.confirmed[number].next();
        self.street.tell(&format!("confirmed {number}"), event);
    }
}
