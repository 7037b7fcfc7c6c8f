//! The edge for gates that decide by themselves: devices, their crossings, and where the centre thinks otherwise.

use std::sync::Arc;

use chassis::{
    Call, Clock, Decision, Failure, Fields, Ledger, Refuse as _, Remembered, Scope, Views, access::Tokens, page,
    timestamp,
};
use chrono::TimeDelta;
use hmac::{Hmac, KeyInit as _, Mac as _};
use proto::{
    access::v1::{Principal as Person, Role},
    pass::v1::{
        Device as Shown, EnrolDeviceRequest, EnrolDeviceResponse, Enrolment, Gate as Equipment, GetGateRequest,
        ListConflictsRequest, ListConflictsResponse, ListDevicesRequest, ListDevicesResponse, OpenEnrolmentRequest,
        RecordCrossingsRequest, RecordCrossingsResponse, RetireDeviceRequest, gate_service_server::GateService,
    },
};
use sha2::Sha256;
use tonic::{Request, Response, Status};

use crate::{
    arrivals::Arrivals,
    codes::Codes,
    domain::device::{self, Device, Place, Refused},
    past::Past,
    projections::{
        conflicts, devices,
        gates::{self, Gate},
        method::Methods,
    },
    resources::fault,
    roll::Roll,
};

/// Many crossings, taken together.
mod batch;

/// How long a device's token lives: a gate that was silent for longer is enrolled again.
const TOKEN_LIVES: TimeDelta = TimeDelta::days(30);
/// Scope of the reservations by which a code leads to its device.
const ENROLMENT: &str = "gate enrolment";

pub(crate) struct GateApi {
    pub(crate) ledger: Ledger,
    pub(crate) views: Views,
    pub(crate) compound_codes: Codes,
    pub(crate) roll: Arc<Roll>,
    pub(crate) remembered: Remembered,
    pub(crate) methods: Arc<Methods>,
    pub(crate) tokens: Tokens,
    pub(crate) clock: Clock,
    /// Makes one-time codes and their digests.
    pub(crate) codes: [u8; 32],
}

#[tonic::async_trait]
impl GateService for GateApi {
    async fn open_enrolment(&self, request: Request<OpenEnrolmentRequest>) -> Result<Response<Enrolment>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let request = request.into_inner();
        let mut fields = Fields::new();
        let label = fields.at_most("label", &request.label, 60).to_owned();
        let device = fields.name_if_given("device", "devices", &request.device);
        let gate = fields.path("gate", ["compounds", "gates"], &request.gate);
        let gate = fields.read(gate)?;
        let mut db = self.views.read(&call).await?;
        let gate = find_gate(&mut db, &call.principal.scope, &gate).await?;
        drop(db);
        let new = device.is_none();
        let device = device.unwrap_or_else(|| call.id("device"));
        let code = self.code(&call.command_id);
        let digest = self.mac(&["digest", &code]);
        let decide = |state: &Device, _| {
            if !new && state.place.is_none() {
                return Err(Refused::NotFound);
            }
            let events = state.open(&place(&gate), &label, &digest, call.now)?;
            Ok(Decision::new(events).office(gate.neighbourhood_id.as_str()).reserve(ENROLMENT, digest))
        };
        let name = format!("devices/{device}");
        let reply = |_: &Device, _| Enrolment { device: name.clone(), ..Enrolment::default() };
        let mut done = self.ledger.transact(&call, &device, decide, reply).await?;
        // Never stored: the same command makes the same code again.
        done.reply.code = code;
        done.reply.expire_time = Some(timestamp(call.now + crate::domain::device::CODE_LIVES));
        Ok(done.into_response())
    }

    async fn enrol_device(
        &self,
        request: Request<EnrolDeviceRequest>,
    ) -> Result<Response<EnrolDeviceResponse>, Status> {
        let mut call = Call::command(&request, &request.get_ref().request_id)?;
        let mut fields = Fields::new();
        let code = fields.required("code", &request.get_ref().code, 20);
        let digest = self.mac(&["digest", &normal(code)]);
        fields.done()?;
        let spent = || Status::from(Failure::Refused(Refused::CodeSpent.refusal()));
        let device = self.ledger.reserved(ENROLMENT, digest).await?.ok_or_else(spent)?;
        call.principal.subject = format!("device/{device}");
        let decide = |state: &Device, _| -> Result<_, Refused> {
            let office = state.place.as_ref().map(|place| place.neighbourhood_id.clone()).unwrap_or_default();
            Ok(Decision::new(state.enrol(&digest, call.now)?).office(office))
        };
        let done = self.ledger.transact(&call, &device, decide, |_: &Device, _| EnrolDeviceResponse::default()).await?;
        let (state, _) = self.ledger.load::<Device>(&device).await?;
        // Said again after it was retired, the code gives no token any more.
        if state.retired {
            return Err(spent());
        }
        let gate = self.equipment(&call, &device, &state).await?;
        Ok(done.into_response().map(|_| EnrolDeviceResponse { gate: Some(gate) }))
    }

    async fn get_gate(&self, request: Request<GetGateRequest>) -> Result<Response<Equipment>, Status> {
        let call = Call::query(&request)?;
        let (device, state) = self.serving(&call).await?;
        Ok(Response::new(self.equipment(&call, &device, &state).await?))
    }

    async fn list_devices(
        &self,
        request: Request<ListDevicesRequest>,
    ) -> Result<Response<ListDevicesResponse>, Status> {
        let call = Call::query(&request)?;
        let request = request.into_inner();
        let mut fields = Fields::new();
        let compound = fields.name_if_given("parent", "compounds", &request.parent);
        fields.done()?;
        let after = page::after(&request.page_token)?;
        let size = page::size(request.page_size);
        let mut db = self.views.read(&call).await?;
        let (compound, scope) = (compound.unwrap_or_default(), &call.principal.scope);
        let devices = devices::list(&mut db, scope, &compound, &after, size).await.map_err(fault)?;
        // A full page may be the last one: the next is empty then.
        let full = i64::try_from(devices.len()).is_ok_and(|rows| rows == size);
        let last = devices.last().filter(|_| full);
        let next_page_token =
            last.map(|last| page::token_after(last.name.trim_start_matches("devices/"))).unwrap_or_default();
        Ok(Response::new(ListDevicesResponse { devices, next_page_token }))
    }

    async fn retire_device(&self, request: Request<RetireDeviceRequest>) -> Result<Response<Shown>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let mut fields = Fields::new();
        let device = fields.name("name", "devices", &request.get_ref().name);
        let device = fields.read(device)?;
        let decide = |state: &Device, _| -> Result<_, Refused> {
            let within = |place: &&Place| call.principal.scope.allows(&place.neighbourhood_id);
            let place = state.place.as_ref().filter(within).ok_or(Refused::NotFound)?;
            Ok(Decision::new(state.retire()?).office(place.neighbourhood_id.as_str()))
        };
        let reply = |state: &Device, _| devices::shown(&device, state);
        Ok(self.ledger.transact(&call, &device, decide, reply).await?.into_response())
    }

    async fn record_crossings(
        &self,
        request: Request<RecordCrossingsRequest>,
    ) -> Result<Response<RecordCrossingsResponse>, Status> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let request = request.into_inner();
        batch::read(&request)?;
        let (device, state) = self.serving(&call).await?;
        let mut reading = self.views.reading(&call);
        let gate = self.gate_of(reading.db().await?, &state).await?;
        let methods = self.methods.all(&mut reading).await?;
        let new = state.new_of(request.crossings.iter().map(|crossing| (crossing.boot.as_str(), crossing.sequence)));
        let mut arrivals = Arrivals {
            ledger: &self.ledger,
            roll: &self.roll,
            methods: &methods,
            reading: &mut reading,
            gate: &gate,
            device_id: &device,
            now: call.now,
            sent: &request,
            past: Past::new(&self.ledger),
            // Until the memory is complete anything may have been recalled.
            recalls: self.remembered.ready().then_some(&*self.roll),
        };
        let mut filed = Vec::with_capacity(new.len());
        for at in new {
            filed.push(arrivals.file(&request.crossings[at]).await?);
        }
        drop(reading);
        let decide = |state: &Device, _| batch::take(state, &filed, &gate.neighbourhood_id);
        let reply = |state: &Device, _| batch::answer(state, &request, &filed);
        let mut done = self.ledger.transact(&call, &device, decide, reply).await?;
        // Of this answer, and not of the one that was stored.
        done.reply.server_time = Some(timestamp(call.now));
        Ok(done.into_response())
    }

    async fn list_conflicts(
        &self,
        request: Request<ListConflictsRequest>,
    ) -> Result<Response<ListConflictsResponse>, Status> {
        let call = Call::query(&request)?;
        let request = request.into_inner();
        let [compound, gate] = crate::api::compound_or_gate(&request.parent)?;
        let before = crate::api::before(&request.page_token)?;
        let size = page::size(request.page_size);
        let mut db = self.views.read(&call).await?;
        let scope = &call.principal.scope;
        let (conflicts, last) =
            conflicts::list(&mut db, scope, (&compound, &gate), before, size).await.map_err(fault)?;
        let full = i64::try_from(conflicts.len()).is_ok_and(|rows| rows == size);
        let next_page_token =
            last.filter(|_| full).map(|last| page::token_after(&last.to_string())).unwrap_or_default();
        Ok(Response::new(ListConflictsResponse { conflicts, next_page_token }))
    }
}

impl GateApi {
    /// The device that calls, if it still serves.
    async fn serving(&self, call: &Call) -> Result<(String, Arc<Device>), Status> {
        let refuse = |refused: Refused| Status::from(Failure::Refused(refused.refusal()));
        let device = device::id_of(&call.principal.subject).ok_or_else(|| refuse(Refused::NotFound))?;
        let (state, _) = self.ledger.load::<Device>(device).await?;
        if state.retired {
            return Err(refuse(Refused::Retired));
        }
        let own = |place: &Place| match &call.principal.scope {
            Scope::Gate { compound, gate, .. } => *compound == place.compound_id && *gate == place.gate_id,
            _ => false,
        };
        if !state.enrolled || !state.place.as_ref().is_some_and(own) {
            return Err(refuse(Refused::NotFound));
        }
        Ok((device.to_owned(), state))
    }

    async fn gate_of(&self, db: &mut sqlx::AnyConnection, device: &Device) -> Result<Gate, Status> {
        let place = device.place.as_ref().ok_or_else(|| Status::from(Failure::Refused(Refused::NotFound.refusal())))?;
        let name = [place.compound_id.clone(), place.gate_id.clone()];
        let scope = Scope::Gate {
            neighbourhood: place.neighbourhood_id.clone(),
            compound: place.compound_id.clone(),
            gate: place.gate_id.clone(),
        };
        find_gate(db, &scope, &name).await
    }

    /// What a gate goes by, with a new token.
    async fn equipment(&self, call: &Call, device: &str, state: &Device) -> Result<Equipment, Status> {
        let mut reading = self.views.reading(call);
        let gate = self.gate_of(reading.db().await?, state).await?;
        let compounds = gate.compounds(reading.db().await?).await.map_err(fault)?;
        let method = self.methods.in_force(&mut reading, call.now).await?;
        drop(reading);
        let mut compound_codes = Vec::with_capacity(compounds.len());
        for compound in &compounds {
            compound_codes.extend(self.compound_codes.all(compound).await?.into_iter().map(u32::from));
        }
        let name = format!("compounds/{}/gates/{}", gate.compound_id, gate.id);
        let mut person = Person {
            subject: format!("device/{device}"),
            unit: gate.neighbourhood_id.clone(),
            neighbourhood: format!("neighbourhoods/{}", gate.neighbourhood_id),
            gate: name.clone(),
            ..Person::default()
        };
        person.set_role(Role::Guard);
        // Tokens go by the server's clock, also where a demonstration sets the time of its requests.
        let token = self.tokens.issue(&person, TOKEN_LIVES, self.clock.now()).map_err(Failure::Fault)?;
        let limits = method.as_ref().map(|method| method.limits).unwrap_or_default();
        let (daytime, outings) = (limits.daytime, limits.outings);
        let number = |number: u32| i32::try_from(number).unwrap_or_default();
        let (method_version, fever_decicelsius) =
            method.map(|method| (method.version, method.fever_decicelsius)).unwrap_or_default();
        Ok(Equipment {
            name,
            device: format!("devices/{device}"),
            compound_codes,
            fever_decicelsius,
            method_version,
            server_time: Some(timestamp(call.now)),
            token: token.token,
            daytime_from_hour: daytime.map_or(0, |hours| number(hours.from)),
            daytime_to_hour: daytime.map_or(0, |hours| number(hours.to)),
            outing_people: outings.map_or(0, |outings| number(outings.people)),
            outing_days: outings.map_or(0, |outings| number(outings.days)),
        })
    }

    /// Twelve characters that nobody can guess, the same for the same command.
    fn code(&self, command: &str) -> String {
        const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
        let mac = self.mac(&["code", command]);
        mac.iter().take(12).map(|byte| char::from(LETTERS[usize::from(byte & 31)])).collect()
    }

    fn mac(&self, parts: &[&str]) -> [u8; 32] {
        let mut mac = <Hmac<Sha256>>::new_from_slice(&self.codes).expect("HMAC takes a key of any length");
        for part in parts {
            mac.update(part.as_bytes());
            mac.update(&[0]);
        }
        mac.finalize().into_bytes().into()
    }
}

/// As people type a code: letters that look like digits are those digits.
fn normal(code: &str) -> String {
    let letters = code.chars().filter(|letter| !matches!(letter, '-' | ' '));
    letters
        .map(|letter| match letter.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        })
        .collect()
}

fn place(gate: &Gate) -> Place {
    Place {
        neighbourhood_id: gate.neighbourhood_id.clone(),
        compound_id: gate.compound_id.clone(),
        gate_id: gate.id.clone(),
    }
}

async fn find_gate(
    db: &mut sqlx::AnyConnection,
    scope: &Scope,
    [compound, gate]: &[String; 2],
) -> Result<Gate, Status> {
    let found = gates::find(db, scope, compound, gate).await.map_err(fault)?;
    Ok(found.ok_or_else(crate::api::no_gate)?)
}
