//! The figures again, by another way: a pure fold over the records in memory, without the tables that the overview is read
//! from. Where the two agree, both the tables and their checkpoints are right.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, NaiveDate, Utc};
use proto::{
    Fact, UnreadableFact,
    command::v1::Figures,
    event::v1::Record,
    isolation::v1::{Kind, ReleaseReason, order_event},
    pass::v1::{Decision, Finding, gate_day_event, holder_event},
    registry::v1::{Tenure, household_event, neighbourhood_event, resident_event},
    screening::v1::{Outcome, case_event},
};

use crate::{book::Minute, figures::ByNeighbourhood};

/// So many figures are counted naively.
const NAIVE: usize = 24;

/// What the records say so far.
#[derive(Default)]
pub struct Recount {
    neighbourhoods: BTreeSet<String>,
    households: HashMap<String, Household>,
    residents: HashMap<String, Resident>,
    cases: HashMap<String, String>,
    orders: HashMap<String, Order>,
    crossings: Vec<Crossing>,
    /// What the naive count does not know yet is folded.
    rest: crate::fold::Fold,
    until: Minute,
    heard: HashMap<String, DateTime<Utc>>,
    pub records: u64,
}

struct Household {
    neighbourhood: String,
    rented: bool,
}

#[derive(Default)]
struct Resident {
    neighbourhood: String,
    household: String,
    present: bool,
    case: Option<Case>,
    pass: Option<Pass>,
}

struct Case {
    id: String,
    outcome: Option<Outcome>,
    disputed: bool,
}

struct Pass {
    neighbourhood: String,
    household: String,
    expires: DateTime<Utc>,
    suspended: bool,
    revoked: bool,
}

struct Order {
    neighbourhood: String,
    household: String,
    kind: Kind,
    state: OrderState,
    handed_over: bool,
    /// Ended because its period was over, not because the verdict behind it changed.
    completed: bool,
    breaches: i64,
}

#[derive(PartialEq)]
enum OrderState {
    InForce,
    Ended,
}

struct Crossing {
    neighbourhood: String,
    day: NaiveDate,
    refused: bool,
    fever: bool,
}

impl Recount {
    /// Of what was known until this minute.
    pub fn until(until: Minute) -> Self {
        Self { until, ..Self::default() }
    }

    /// Whether it was known until then.
    fn known(&mut self, record: &Record) -> bool {
        let time = |stamp: &Option<_>| stamp.as_ref().and_then(chassis::instant).unwrap_or_default();
        let heard = self.heard.entry(record.log.clone()).or_default();
        *heard = time(&record.recorded_at).max(time(&record.occurred_at)).max(*heard);
        Minute::from(*heard) <= self.until
    }

    /// Takes one record of any of the four logs; those of one log in order, the logs in any.
    pub fn take(&mut self, record: &Record) -> Result<(), UnreadableFact> {
        self.records += 1;
        if !self.known(record) {
            return Ok(());
        }
        self.rest.take(record)?;
        let payload = &*record.payload;
        match record.category.as_str() {
            neighbourhood_event::Event::CATEGORY => {
                self.neighbourhoods.insert(record.stream_id.clone());
            }
            household_event::Event::CATEGORY => self.household(record, household_event::Event::from_payload(payload)?),
            resident_event::Event::CATEGORY => self.resident(record, resident_event::Event::from_payload(payload)?),
            case_event::Event::CATEGORY => self.case(record, case_event::Event::from_payload(payload)?),
            holder_event::Event::CATEGORY => self.holder(record, holder_event::Event::from_payload(payload)?),
            gate_day_event::Event::CATEGORY => self.crossing(record, &gate_day_event::Event::from_payload(payload)?),
            order_event::Event::CATEGORY => self.order(record, order_event::Event::from_payload(payload)?),
            _ => {}
        }
        Ok(())
    }

    fn household(&mut self, record: &Record, event: household_event::Event) {
        let household_event::Event::Registered(event) = event else { return };
        let rented = event.tenure() == Tenure::Rented;
        let household = Household { neighbourhood: event.neighbourhood_id, rented };
        self.households.insert(record.stream_id.clone(), household);
    }

    fn resident(&mut self, record: &Record, event: resident_event::Event) {
        let resident = self.residents.entry(record.stream_id.clone()).or_default();
        match event {
            resident_event::Event::Registered(event) => {
                let residence = event.residence.unwrap_or_default();
                resident.neighbourhood = residence.neighbourhood_id;
                resident.household = residence.household_id;
                resident.present = true;
            }
            resident_event::Event::MovedOut(_) | resident_event::Event::Merged(_) => resident.present = false,
            resident_event::Event::Unmerged(_) => resident.present = true,
            resident_event::Event::Revealed(_)
            | resident_event::Event::Erased(_)
            | resident_event::Event::Corrected(_) => {}
        }
    }

    fn case(&mut self, record: &Record, event: case_event::Event) {
        let id = &record.stream_id;
        if let case_event::Event::Opened(event) = event {
            self.cases.insert(id.clone(), event.resident_id.clone());
            let case = Case { id: id.clone(), outcome: None, disputed: false };
            self.residents.entry(event.resident_id).or_default().case = Some(case);
            return;
        }
        let Some(resident) = self.cases.get(id).and_then(|resident| self.residents.get_mut(resident)) else { return };
        let Some(case) = resident.case.as_mut().filter(|case| case.id == *id) else { return };
        match event {
            case_event::Event::Assessed(event) => case.outcome = Some(event.outcome()),
            case_event::Event::Disputed(_) => case.disputed = true,
            case_event::Event::DisputeResolved(_) => case.disputed = false,
            case_event::Event::Opened(_)
            | case_event::Event::Declared(_)
            | case_event::Event::EvidenceRecorded(_)
            | case_event::Event::DisputeEscalated(_)
            | case_event::Event::OverrideProposed(_)
            | case_event::Event::OverrideApproved(_)
            | case_event::Event::OverrideDeclined(_)
            | case_event::Event::OverrideEnded(_)
            | case_event::Event::PhonesChanged(_) => {}
        }
    }

    fn holder(&mut self, record: &Record, event: holder_event::Event) {
        let resident = self.residents.entry(record.stream_id.clone()).or_default();
        match (event, resident.pass.as_mut()) {
            (holder_event::Event::Issued(event), _) => {
                let residence = event.residence.unwrap_or_default();
                resident.pass = Some(Pass {
                    neighbourhood: residence.neighbourhood_id,
                    household: residence.household_id,
                    expires: event.expires.as_ref().and_then(chassis::instant).unwrap_or_default(),
                    suspended: false,
                    revoked: false,
                });
            }
            (holder_event::Event::Suspended(_), Some(pass)) => pass.suspended = true,
            (holder_event::Event::Reinstated(_), Some(pass)) => pass.suspended = false,
            (holder_event::Event::Revoked(_), Some(pass)) => pass.revoked = true,
            _ => {}
        }
    }

    fn crossing(&mut self, record: &Record, event: &gate_day_event::Event) {
        let gate_day_event::Event::Crossed(event) = event;
        self.crossings.push(Crossing {
            neighbourhood: record.office.clone(),
            day: chassis::day_of(event.crossed_at.as_ref().and_then(chassis::instant).unwrap_or_default()),
            refused: event.decision() == Decision::Refused,
            fever: event.findings().any(|finding| finding == Finding::Fever),
        });
    }

    fn order(&mut self, record: &Record, event: order_event::Event) {
        let id = record.stream_id.clone();
        match (event, self.orders.get_mut(&id)) {
            (order_event::Event::Ordered(event), _) => {
                let terms = event.terms.unwrap_or_default();
                let kind = terms.kind();
                let residence = terms.residence.unwrap_or_default();
                let order = Order {
                    neighbourhood: residence.neighbourhood_id,
                    household: residence.household_id,
                    kind,
                    state: OrderState::InForce,
                    handed_over: false,
                    completed: false,
                    breaches: 0,
                };
                self.orders.insert(id, order);
            }
            (order_event::Event::HandedOver(_), Some(order)) => order.handed_over = true,
            (order_event::Event::Breached(_) | order_event::Event::Sighted(_), Some(order)) => order.breaches += 1,
            (order_event::Event::Moved(event), Some(order)) => order.kind = event.kind(),
            (order_event::Event::TransferDecided(event), Some(order)) if event.accepted => {
                let residence = event.residence.unwrap_or_default();
                order.neighbourhood = residence.neighbourhood_id;
                order.household = residence.household_id;
            }
            (order_event::Event::Released(event), Some(order)) => {
                order.state = OrderState::Ended;
                order.completed = event.reason() == ReleaseReason::PeriodComplete;
            }
            _ => {}
        }
    }

    /// The figures of a moment: passes that are valid at this minute, crossings of this day.
    pub fn figures(&self, time: DateTime<Utc>, minute: Minute) -> ByNeighbourhood {
        let counted = self.counted(time, minute);
        let folded = crate::picture::figures(&self.rest, time, minute);
        let mut all = ByNeighbourhood::new();
        for (id, mut figures) in folded {
            let naive = counted.get(&id).copied().unwrap_or_default();
            for figure in crate::figures::ALL.iter().take(NAIVE) {
                *figure.of(&mut figures) = figure.value(&naive);
            }
            all.insert(id, figures);
        }
        all
    }

    fn counted(&self, now: DateTime<Utc>, minute: Minute) -> ByNeighbourhood {
        let mut all: ByNeighbourhood = self.neighbourhoods.iter().map(|id| (id.clone(), Figures::default())).collect();
        for household in self.households.values() {
            let figures = all.entry(household.neighbourhood.clone()).or_default();
            figures.households += 1;
            figures.rented += i64::from(household.rented);
        }
        let mut with_pass: BTreeSet<(&str, &str)> = BTreeSet::new();
        for resident in self.residents.values() {
            if resident.present {
                count_resident(resident, all.entry(resident.neighbourhood.clone()).or_default());
            }
            if let Some(pass) =
                resident.pass.as_ref().filter(|p| !p.suspended && !p.revoked && Minute::from(p.expires) > minute)
            {
                all.entry(pass.neighbourhood.clone()).or_default().passes += 1;
                with_pass.insert((&pass.neighbourhood, &pass.household));
            }
        }
        for (neighbourhood, _) in with_pass {
            all.entry(neighbourhood.to_owned()).or_default().households_with_pass += 1;
        }
        self.count_orders(&mut all);
        let today = chassis::day_of(now);
        for crossing in self.crossings.iter().filter(|crossing| crossing.day == today) {
            let figures = all.entry(crossing.neighbourhood.clone()).or_default();
            figures.crossings += 1;
            figures.refused += i64::from(crossing.refused);
            figures.fevers += i64::from(crossing.fever);
        }
        all
    }

    fn count_orders(&self, all: &mut ByNeighbourhood) {
        let (mut home, mut released) = (BTreeSet::new(), BTreeSet::new());
        for order in self.orders.values() {
            let figures = all.entry(order.neighbourhood.clone()).or_default();
            let household = (order.neighbourhood.as_str(), order.household.as_str());
            figures.breaches += order.breaches;
            figures.handed_over += i64::from(order.handed_over);
            match (&order.state, order.kind) {
                (OrderState::InForce, Kind::Home) => {
                    figures.home_isolation_persons += 1;
                    home.insert(household);
                }
                (OrderState::InForce, Kind::Central) => figures.central_isolation_persons += 1,
                (OrderState::InForce, Kind::Watch) => figures.watched_persons += 1,
                (OrderState::Ended, Kind::Home | Kind::Central) if order.completed => {
                    figures.released_persons += 1;
                    released.insert(household);
                }
                _ => {}
            }
        }
        for (neighbourhood, _) in home {
            all.entry(neighbourhood.to_owned()).or_default().home_isolation_households += 1;
        }
        for (neighbourhood, _) in released {
            all.entry(neighbourhood.to_owned()).or_default().released_households += 1;
        }
    }
}

fn count_resident(resident: &Resident, figures: &mut Figures) {
    figures.residents += 1;
    let Some(case) = &resident.case else { return };
    figures.disputed += i64::from(case.disputed);
    let Some(outcome) = case.outcome else { return };
    figures.screened += 1;
    *match outcome {
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
