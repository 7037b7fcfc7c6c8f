//! A crossing as the gate reports it, its fields read and every one of them checked.

use chassis::{Fields, instant};
use chrono::{DateTime, TimeDelta, Utc};
use proto::pass::v1::{self, Direction, RecordCrossingRequest, record_crossing_request::Identity};
use tonic::Status;

use crate::domain::gate::Measured;

/// How long after it happened a crossing may be reported, and how far a gate's clock may be ahead.
const LATEST: TimeDelta = TimeDelta::hours(24);
const AHEAD: TimeDelta = TimeDelta::minutes(10);

/// Characters that a scanner may send; a code has 154, and a longer text is none of ours.
pub(crate) const MOST_CODE: usize = 1000;

pub(crate) struct Reported {
    pub(crate) gate: [String; 2],
    pub(crate) at: DateTime<Utc>,
    pub(crate) direction: Direction,
    pub(crate) measured: Measured,
    pub(crate) identity: Identified,
}

pub(crate) enum Identified {
    Code(String),
    Manual { resident: String, manual: v1::Manual },
    Visitor { guarantor: Option<String>, visitor: v1::Visitor },
}

impl Reported {
    pub(crate) fn read(request: &RecordCrossingRequest, now: DateTime<Utc>) -> Result<Self, Status> {
        let mut fields = Fields::new();
        let gate = fields.path("gate", ["compounds", "gates"], &request.gate);
        let direction = fields.one_of("direction", request.direction);
        let decicelsius = fields.number("temperature_decicelsius", request.temperature_decicelsius, 300..=450);
        let at = match &request.cross_time {
            None => Some(now),
            Some(time) => instant(time).filter(|at| (now - LATEST..=now + AHEAD).contains(at)),
        };
        fields.check(
            "cross_time",
            at.is_some(),
            "需要在过去 24 小时之内：请核对闸口的时钟；更早的通行请写在纸质登记上",
            "must lie within the last 24 hours: check the gate's clock; an older crossing belongs into the paper log",
        );
        let identity = Identified::read(&mut fields, request.identity.as_ref());
        let read = || {
            let measured = Measured { decicelsius: decicelsius?, mask: request.mask };
            Some(Self { gate: gate?, at: at?, direction: direction?, measured, identity: identity? })
        };
        let read = read();
        fields.read(read)
    }
}

impl Identified {
    fn read(fields: &mut Fields, identity: Option<&Identity>) -> Option<Self> {
        match identity {
            Some(Identity::Code(code)) => Some(Self::Code(fields.required("code", code, MOST_CODE).to_owned())),
            Some(Identity::Manual(manual)) => {
                fields.required("manual.reason", &manual.reason, 200);
                let resident = fields.name("manual.resident", "residents", &manual.resident)?;
                Some(Self::Manual { resident, manual: manual.clone() })
            }
            Some(Identity::Visitor(visitor)) => {
                fields.one_of::<v1::visitor::Exception>("visitor.exception", visitor.exception)?;
                let guarantor = fields.name_if_given("visitor.guarantor", "residents", &visitor.guarantor);
                Some(Self::Visitor { guarantor, visitor: visitor.clone() })
            }
            None => {
                fields.refuse(
                    "identity",
                    "没有说明是谁：请扫码，或人工登记住户，或登记访客",
                    "does not say who it is: send the scanned code, a resident entered by hand, or a visitor",
                );
                None
            }
        }
    }
}
