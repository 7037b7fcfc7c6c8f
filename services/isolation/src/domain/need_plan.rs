//! What an order opens in a neighbourhood, and the hours of all clocks of needs: data, so that every neighbourhood may run as
//! it can. Where it has none of its own the shipped one holds.

use chassis::{Aggregate, Kind, Refusal, Refuse, reason};
use proto::isolation::v1::{self as contract, NeedKind, NeedPlan, NeedPriority, StandingNeed, need_plan_event::Set};

// ---- State ----

#[derive(Clone, Debug, Default)]
pub struct Plan {
    set: Option<NeedPlan>,
    /// Each kind with each item that a plan of its own has ever held.
    before: Vec<StandingNeed>,
}

impl Plan {
    /// The plan in force.
    pub fn content(&self) -> NeedPlan {
        self.set.clone().unwrap_or_else(shipped)
    }

    /// All that an order can have opened since the first plan, each kind with each item once.
    pub fn ever(&self) -> Vec<StandingNeed> {
        let mut all = shipped().standing;
        all.extend(self.before.iter().cloned());
        all
    }
}

/// Within how many hours help of this priority must come.
pub fn hours(plan: &NeedPlan, priority: NeedPriority) -> i32 {
    match priority {
        NeedPriority::Urgent => plan.urgent_hours,
        NeedPriority::Soon => plan.soon_hours,
        NeedPriority::Normal | NeedPriority::Unspecified => plan.normal_hours,
    }
}

/// The sample: food every third day, since that is how the neighbourhoods of Ningbo let one person of a household shop
/// in February 2020; rubbish and disinfection every day (R21).
pub fn shipped() -> NeedPlan {
    let standing = |kind: NeedKind, every_days, within_hours| StandingNeed {
        kind: kind.into(),
        every_days,
        within_hours,
        ..StandingNeed::default()
    };
    NeedPlan {
        standing: vec![
            standing(NeedKind::Food, 3, 12),
            standing(NeedKind::Medicine, 7, 24),
            standing(NeedKind::Rubbish, 1, 24),
            standing(NeedKind::Disinfection, 1, 24),
        ],
        urgent_hours: 2,
        soon_hours: 12,
        normal_hours: 24,
        claim_hours: 4,
        confirm_hours: 24,
        escalation_hours: 6,
        ..NeedPlan::default()
    }
}

// ---- Events ----

pub use proto::isolation::v1::need_plan_event::Event;

// ---- Refusals ----

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("somebody changed the plan")]
    Stale,
}

impl Refuse for Refused {
    fn refusal(&self) -> Refusal {
        Refusal::new(
            Kind::Stale,
            reason(contract::Refusal::StalePlan.as_str_name()),
            "这份方案在您读取之后已被修改：请刷新后重试",
            "somebody changed this plan since you read it: read it again and retry",
        )
    }
}

// ---- Decisions ----

impl Plan {
    /// `etag`: the version that the change was made for; empty: whatever it is.
    pub fn set(&self, plan: &NeedPlan, version: u64, etag: &str) -> Result<Vec<Event>, Refused> {
        if self.set.as_ref() == Some(plan) {
            return Ok(Vec::new());
        }
        if !etag.is_empty() && etag != version.to_string() {
            return Err(Refused::Stale);
        }
        Ok(vec![Event::Set(Set { plan: Some(plan.clone()) })])
    }
}

// ---- Evolve ----

impl Aggregate for Plan {
    type Event = Event;

    fn evolve(&mut self, event: &Event) {
        match event {
            Event::Set(Set { plan }) => {
                self.set.clone_from(plan);
                for standing in plan.iter().flat_map(|plan| &plan.standing) {
                    let known = |other: &StandingNeed| (other.kind, &other.item) == (standing.kind, &standing.item);
                    if !self.before.iter().any(known) {
                        self.before.push(standing.clone());
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_plan_holds_until_another_is_set() {
        let mut plan = Plan::default();
        assert_eq!(plan.content(), shipped());
        let other = NeedPlan { claim_hours: 1, ..shipped() };
        let events = plan.set(&other, 0, "").unwrap();
        plan.evolve(&events[0]);
        assert_eq!(plan.content(), other);
        assert_eq!(plan.set(&other, 1, "").unwrap(), [], "decided again, it added an event");
        assert_eq!(plan.set(&shipped(), 1, "0"), Err(Refused::Stale));
    }

    #[test]
    fn what_an_earlier_plan_opened_is_not_forgotten() {
        let mut plan = Plan::default();
        let vegetables = StandingNeed { kind: NeedKind::Food.into(), item: "蔬菜".into(), ..StandingNeed::default() };
        for standing in [vec![vegetables.clone()], Vec::new()] {
            let events = plan.set(&NeedPlan { standing, ..shipped() }, 0, "").unwrap();
            plan.evolve(&events[0]);
        }
        assert!(plan.ever().contains(&vegetables));
        assert!(plan.ever().contains(&shipped().standing[2]));
    }
}
