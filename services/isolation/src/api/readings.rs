//! One reading: as it was sent, and put on record.

use chassis::{Call, Done, Failure, Fields, Refuse as _};
use proto::{
    event::v1::Sealed,
    isolation::v1::{DayPart, Order as Resource, Reading, Reporter, Symptom, Vitals},
};
use tonic::Status;

use super::{Api, shown, within_reach};
use crate::{
    domain::{
        order::{NewReading, Order, Refused},
        period::{Part, Slot},
        schedule::SHIPPED,
    },
    filing,
    projections::methods::{self, Method},
};

/// A reading whose fields are right.
#[derive(Clone)]
pub(super) struct Taken {
    pub(super) order_id: String,
    pub(super) slot: Slot,
    pub(super) vitals: Vitals,
    pub(super) reporter: Reporter,
}

impl Taken {
    pub(super) fn read(reading: &Reading) -> Result<Self, Status> {
        let mut fields = Fields::new();
        let order_id = fields.name("order", "orders", &reading.order);
        let date = fields.date("date", &reading.date);
        let part = fields.one_of::<DayPart>("day_part", reading.day_part).and_then(Part::of);
        let vitals = vitals(&mut fields, reading.temperature_decicelsius, &reading.symptoms);
        let reporter = match reading.reporter() {
            Reporter::Unspecified => Reporter::Worker,
            given => given,
        };
        let read = || Some(Self { order_id: order_id?, slot: Slot { date: date?, part: part? }, vitals, reporter });
        let read = read();
        fields.read(read)
    }
}

/// Temperature and symptoms, each symptom once.
pub(super) fn vitals(fields: &mut Fields, temperature_decicelsius: i32, symptoms: &[i32]) -> Vitals {
    fields.check(
        "temperature_decicelsius",
        (300..=450).contains(&temperature_decicelsius),
        "应为 300 至 450（十分之一摄氏度，36.5℃ 填 365）：请核对体温",
        "must be 300 to 450 in tenths of a degree Celsius, 365 for 36.5 °C: check the reading",
    );
    let mut known = Vec::new();
    for (at, symptom) in symptoms.iter().enumerate().take(10) {
        known.extend(fields.one_of::<Symptom>(format!("symptoms[{at}]"), *symptom).map(i32::from));
    }
    known.sort_unstable();
    known.dedup();
    Vitals { temperature_decicelsius, symptoms: known }
}

impl Api {
    /// R14's limit by the method of the order, which is within the caller's reach.
    pub(super) async fn fever_of(&self, call: &Call, order_id: &str) -> Result<i32, Status> {
        let (order, _) = self.ledger.load::<Order>(order_id).await?;
        within_reach(&order, &call.principal.scope).map_err(|refused| refused.refusal())?;
        Ok(self.method_of(&order, call).await?.fever_decicelsius)
    }

    /// The method under which the order was written.
    pub(super) async fn method_of(&self, order: &Order, call: &Call) -> Result<Method, Status> {
        let mut db = self.views.read(call).await?;
        let method = match methods::find(&mut db, &order.terms.method_version).await.map_err(Failure::from)? {
            Some(method) => Some(method),
            None => methods::in_force(&mut db, call.now).await.map_err(Failure::from)?,
        };
        method.ok_or_else(|| Refused::NoMethod.refusal().into())
    }

    /// By somebody within reach of the order.
    pub(super) async fn take_reading(
        &self,
        call: &Call,
        reading: Taken,
        fever_decicelsius: i32,
    ) -> Result<Done<Resource>, Failure> {
        let (order, _) = self.ledger.load::<Order>(&reading.order_id).await?;
        let scope = &call.principal.scope;
        within_reach(&order, scope).map_err(|refused| Failure::Refused(refused.refusal()))?;
        self.take(call, &order, &reading, fever_decicelsius, |order| within_reach(order, scope)).await
    }

    /// Sealed, doubted where it says what all before it said, and recorded.
    pub(super) async fn take(
        &self,
        call: &Call,
        order: &Order,
        reading: &Taken,
        fever_decicelsius: i32,
        allowed: impl Fn(&Order) -> Result<(), Refused> + Send + Sync,
    ) -> Result<Done<Resource>, Failure> {
        let Taken { order_id, slot, vitals, reporter } = reading;
        let known = self.known_vitals(order, *slot).await?;
        let mut before = Vec::new();
        for sealed in order.vitals_before(*slot, SHIPPED.same_values) {
            before.extend(self.vault.reveal::<Vitals>(sealed).await?.map(|said| said.temperature_decicelsius));
        }
        let doubt = SHIPPED.doubt(&before, vitals.temperature_decicelsius);
        // Somebody who was erased is still to be observed: else nobody could ever release them.
        let sealed = match self.vault.seal(&order.terms.resident_id, vitals).await {
            Ok(sealed) => Some(sealed),
            Err(Failure::Refused(_)) => None,
            Err(failure) => return Err(failure),
        };
        let decide = |order: &Order, _| {
            allowed(order)?;
            let reading = NewReading {
                slot: *slot,
                vitals: vitals.clone(),
                sealed: sealed.clone(),
                fever_decicelsius,
                reporter: *reporter,
                doubt,
            };
            let events = order.observe(reading, known.as_ref(), call.now)?;
            Ok::<_, Refused>(filing::file(order, events, filing::only_key(order.terms.kind())))
        };
        self.ledger.transact(call, order_id, decide, shown(order_id, call.now)).await
    }

    /// What the recorded reading of a half-day says.
    async fn known_vitals(&self, order: &Order, slot: Slot) -> Result<Option<(Sealed, Vitals)>, Failure> {
        let Some(sealed) = order.vitals(slot) else { return Ok(None) };
        Ok(self.vault.reveal::<Vitals>(sealed).await?.map(|vitals| (sealed.clone(), vitals)))
    }
}
