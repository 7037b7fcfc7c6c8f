use chassis::timestamp;
use chrono::{Days, TimeDelta};
use proto::registry::v1::{
    Post, Shift, Tenure, VisitOutcome, key_person_event, resident_event,
    roster_event::{self, Held},
    round_event, visits_event, volunteer_event,
};

use super::{super::street::residence, World};

impl World {
    /// Four households, a roster and a round in each neighbourhood.
    pub(super) fn settle_in(&mut self) {
        for number in 0..4 {
            let tenure = if number > 1 { Tenure::Rented } else { Tenure::Owned };
            self.street.household(&format!("n{}/h{number}", number % 2 + 1), tenure);
        }
        for neighbourhood in ["n1", "n2"] {
            let opened = roster_event::Opened {
                neighbourhood_id: neighbourhood.to_owned(),
                from: "2020-02-10".to_owned(),
                shifts: vec![Shift::default(); 2],
                posts: vec![Post { people: 2, ..Post::default() }, Post { people: 1, ..Post::default() }],
                ..Default::default()
            };
            self.street.tell(&format!("roster {neighbourhood}"), roster_event::Event::Opened(opened));
            self.plan_round(neighbourhood, 2);
        }
    }

    fn plan_round(&mut self, neighbourhood: &str, times_per_day: i32) {
        let neighbourhood_id = neighbourhood.to_owned();
        let planned = round_event::Planned { neighbourhood_id, times_per_day, ..Default::default() };
        self.street.tell(&format!("round {neighbourhood}"), round_event::Event::Planned(planned));
    }

    /// Moves in and out, is merged, parted, erased.
    pub(super) fn dwell(&mut self, who: usize) {
        let kind = self.roll(6);
        let person = &mut self.people[who];
        let event = match kind {
            _ if !person.registered => {
                person.registered = true;
                let (id, place) = (person.id.clone(), person.place.clone());
                self.street.resident(&id, &place);
                return;
            }
            0 if !person.moved_out => {
                person.moved_out = true;
                person.flagged = false;
                resident_event::Event::MovedOut(resident_event::MovedOut {})
            }
            1 | 2 if !person.merged && !person.moved_out && !person.erased => {
                person.merged = true;
                resident_event::Event::Merged(resident_event::Merged::default())
            }
            3 | 4 if person.merged => {
                person.merged = false;
                resident_event::Event::Unmerged(resident_event::Unmerged::default())
            }
            5 if !person.erased => {
                person.erased = true;
                person.flagged = false;
                resident_event::Event::Erased(resident_event::Erased {})
            }
            _ => resident_event::Event::Corrected(resident_event::Corrected::default()),
        };
        let id = person.id.clone();
        self.street.tell(&id, event);
    }

    pub(super) fn visit(&mut self, who: usize) {
        let (met, before) = (self.roll(3) > 0, self.roll(50));
        let person = &self.people[who];
        let visited = visits_event::Visited {
            residence: Some(residence(&person.place)),
            outcome: if met { VisitOutcome::Met } else { VisitOutcome::NobodyHome }.into(),
            resident_ids: if met && person.registered { vec![person.id.clone()] } else { Vec::new() },
            // Written down up to two days later.
            visited_at: Some(timestamp(self.street.now - TimeDelta::hours(i64::try_from(before).unwrap()))),
            ..Default::default()
        };
        let household = residence(&person.place).household_id;
        self.street.tell(&household, visits_event::Event::Visited(visited));
    }

    pub(super) fn watch(&mut self, who: usize) {
        let days = self.roll(12);
        let person = &mut self.people[who];
        if person.flagged && days < 4 {
            person.flagged = false;
            let id = person.id.clone();
            self.street.tell(&id, key_person_event::Event::Unflagged(key_person_event::Unflagged::default()));
        } else if person.registered && !person.moved_out && !person.erased && !person.merged {
            person.flagged = true;
            let last = chassis::day_of(self.street.now) + Days::new(days);
            let flagged = key_person_event::Flagged {
                residence: Some(residence(&person.place)),
                until: if days == 11 { String::new() } else { last.to_string() },
                ..Default::default()
            };
            let id = person.id.clone();
            self.street.tell(&id, key_person_event::Event::Flagged(flagged));
        }
    }

    /// Rosters, rounds, volunteers.
    pub(super) fn serve(&mut self, who: usize) {
        let kind = self.roll(5);
        let neighbourhood = format!("n{}", who % 2 + 1);
        let duty = format!("2020-02-{}.{}.{}.0", 10 + self.roll(7), self.roll(2), self.roll(2));
        let roster = format!("roster {neighbourhood}");
        match kind {
            0 => {
                let held = Held { duty_id: duty, staff_id: format!("s{who}"), ..Held::default() };
                let assigned = roster_event::Assigned { duties: vec![held] };
                self.street.tell(&roster, roster_event::Event::Assigned(assigned));
            }
            1 => {
                let absent = roster_event::Absent { duty_ids: vec![duty], ..Default::default() };
                self.street.tell(&roster, roster_event::Event::Absent(absent));
            }
            2 => {
                let ticked = round_event::Ticked { time: Some(timestamp(self.street.now)), ..Default::default() };
                self.street.tell(&format!("round {neighbourhood}"), round_event::Event::Ticked(ticked));
            }
            3 => {
                let times = 1 + i32::try_from(self.roll(4)).unwrap();
                self.plan_round(&neighbourhood, times);
            }
            _ => self.volunteer(who),
        }
    }

    fn volunteer(&mut self, who: usize) {
        let person = &mut self.people[who];
        let event = if person.volunteers {
            volunteer_event::Event::Retired(volunteer_event::Retired {})
        } else {
            let residence = Some(residence(&person.place));
            volunteer_event::Event::Enrolled(volunteer_event::Enrolled { residence, ..Default::default() })
        };
        person.volunteers = !person.volunteers;
        self.street.tell(&format!("v{who}"), event);
    }
}
