//! Who acts in the simulation and where: each neighbourhood on a line of its own, so that nobody waits for what others have just
//! done elsewhere.

use std::time::Duration;

use anyhow::Context as _;
use chassis::client::Connection;
use chrono::NaiveDate;
use proto::{
    access::v1::Role,
    pass::v1::{EnrolDeviceRequest, GetGateRequest, OpenEnrolmentRequest, gate_service_client::GateServiceClient},
    registry::v1::{EnrolStaffRequest, StaffKind, registry_service_client::RegistryServiceClient},
};
use tonic::Code;

use super::{
    dice::dice,
    founding::start,
    meter::Meter,
    world::{self, World},
};
use crate::cast::{Actor, Casting, Ids};

/// Everybody and every place, under the names that the server has given them.
pub(super) struct Stage {
    pub(super) casting: Casting,
    pub(super) officer: Actor,
    pub(super) health: Actor,
    /// In the order of `World::neighbourhoods`.
    pub(super) offices: Vec<Office>,
    /// compounds/{compound}, in the order of `World::compounds`.
    pub(super) compounds: Vec<String>,
    /// In the order of `World::gates`.
    pub(super) posts: Vec<Post>,
    /// Rosters and rounds, in the order of `World::compounds`.
    pub(super) duties: Vec<Duties>,
}

pub(super) struct Office {
    /// neighbourhoods/{neighbourhood}
    pub(super) name: String,
    pub(super) worker: Actor,
    pub(super) director: Actor,
}

pub(super) struct Post {
    /// compounds/{compound}/gates/{gate}
    pub(super) name: String,
    /// The device's or the guard's.
    pub(super) hand: Actor,
    /// staff/{staff}, of all shifts.
    pub(super) guards: Vec<String>,
}

#[derive(Default)]
pub(super) struct Duties {
    /// rosters/{roster} with its Monday and its members.
    pub(super) rosters: Vec<(String, NaiveDate, Vec<String>)>,
    /// rounds/{round}
    pub(super) round: String,
}

/// Who enrols people and devices.
pub(super) struct Enrolling<'a> {
    pub(super) world: &'a World,
    pub(super) casting: &'a Casting,
    pub(super) ids: &'a Ids,
    pub(super) meter: &'a Meter,
    pub(super) officer: &'a Actor,
}

/// One shift at a gate and three others.
const GUARDS: usize = 4;

impl Enrolling<'_> {
    /// A worker and a director, on a line of the neighbourhood's own.
    pub(super) async fn office(&self, index: usize, name: &str) -> anyhow::Result<Office> {
        let line = self.casting.line()?;
        let worker = self.staff(&format!("worker:{index}"), StaffKind::Worker, name).await?;
        let director = self.staff(&format!("director:{index}"), StaffKind::Director, name).await?;
        Ok(Office {
            name: name.to_owned(),
            worker: self.casting.cast_on(&line, &worker, Role::Worker, (name, name, "")).await?,
            director: self.casting.cast_on(&line, &director, Role::Director, (name, name, "")).await?,
        })
    }

    /// Four guards, and a computer or the first one's phone.
    pub(super) async fn post(&self, gate: usize, name: &str, office: &Office) -> anyhow::Result<Post> {
        let mut guards = Vec::with_capacity(GUARDS);
        for number in 0..GUARDS {
            guards.push(self.staff(&format!("guard:{gate}:{number}"), StaffKind::Guard, &office.name).await?);
        }
        let line = self.casting.line()?;
        let hand = if self.world.has_computer(gate) {
            self.computer(gate, name, office, line).await?
        } else {
            self.casting.cast_on(&line, &guards[0], Role::Guard, (&office.name, &office.name, name)).await?
        };
        Ok(Post { name: name.to_owned(), hand, guards })
    }

    async fn staff(&self, which: &str, kind: StaffKind, neighbourhood: &str) -> anyhow::Result<String> {
        let mut dice = dice(self.world.seed, which, 0);
        let request = EnrolStaffRequest {
            request_id: self.ids.of(format_args!("staff:{which}")),
            kind: kind.into(),
            neighbourhood: neighbourhood.to_owned(),
            full_name: world::name(&mut dice),
            phone: format!("139{:08}", rand::RngExt::random_range(&mut dice, 0..100_000_000)),
        };
        let mut registry = RegistryServiceClient::new(self.officer.at(start()));
        let staff = self.meter.call("EnrolStaff", registry.enrol_staff(request)).await.context("enrolling staff")?;
        Ok(staff.name)
    }

    /// Enrolled with a one-time code. A server takes ten codes a minute: wait for the turn. One that was enrolled when the same was
    /// told before needs none.
    async fn computer(&self, gate: usize, name: &str, office: &Office, line: Connection) -> anyhow::Result<Actor> {
        const TURN: Duration = Duration::from_secs(6);
        let open = OpenEnrolmentRequest {
            request_id: self.ids.of(format_args!("device:{gate}")),
            gate: name.to_owned(),
            label: self.world.gates[gate].name.to_owned(),
            device: String::new(),
        };
        let mut worker = GateServiceClient::new(office.worker.at(start()));
        let code =
            self.meter.call("OpenEnrolment", worker.open_enrolment(open)).await.context("opening an enrolment")?;
        let device = code.device.replacen("devices/", "device/", 1);
        let of = (office.name.as_str(), office.name.as_str(), name);
        let actor = self.casting.cast_on(&line, &device, Role::Guard, of).await?;
        if GateServiceClient::new(actor.at(start())).get_gate(GetGateRequest {}).await.is_ok() {
            return Ok(actor);
        }
        let enrol = EnrolDeviceRequest { request_id: self.ids.of(format_args!("enrol:{gate}")), code: code.code };
        loop {
            match GateServiceClient::new(line.at(start())).enrol_device(enrol.clone()).await {
                Ok(_) => return Ok(actor),
                Err(status) if status.code() == Code::ResourceExhausted => tokio::time::sleep(TURN).await,
                Err(status) => return Err(status).context("enrolling a gate's computer"),
            }
        }
    }
}
