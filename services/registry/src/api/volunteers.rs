//! Volunteers: residents who help, cleared by their own screening, thanked for the time that they gave.

use chassis::{Call, Decision, Done, Fields, Kind, Refusal, day_of, reason};
use proto::isolation::v1::VolunteerStanding;
use proto::registry::v1::{
    self as contract, Clearance, EnrolVolunteerRequest, ListVolunteersRequest, ListVolunteersResponse,
    RecordServiceRequest, RetireVolunteerRequest, ThankVolunteerRequest, Thanks, UpdateVolunteerRequest,
    Volunteer as Resource, VolunteerProfile, VolunteerSkill, VolunteerWork,
    volunteer_event::{Enrolled, Event, Served},
    volunteer_service_server::VolunteerService,
};
use tonic::{Request, Status};

use super::{Answer, Api, fault, fresh, refused, residents::opened};
use crate::{
    domain::{not_found, resident, volunteer::Volunteer},
    keys, mask, place,
    projections::{Asked, volunteers},
};

const MOST_DIALECTS: usize = 5;
const MOST_TIMES: usize = 21;
const HIGHEST_FLOOR: i32 = 120;

#[tonic::async_trait]
impl VolunteerService for Api {
    async fn enrol_volunteer(&self, request: Request<EnrolVolunteerRequest>) -> Answer<Resource> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let given = request.into_inner();
        let mut fields = Fields::new();
        let resident_id = fields.name("resident", "residents", &given.resident);
        let profile = profile(&mut fields, given.profile.unwrap_or_default());
        let resident_id = fields.read(resident_id)?;
        let (resident, residence) = self.resident(&call, &resident_id).await?;
        if let Some(done) = self.ledger.done_before::<Resource>(&call).await? {
            return self.with_person(done).await;
        }
        if resident.moved_out {
            return Err(refused(resident::Refusal::MovedOut).into());
        }
        resident.is_present().map_err(refused)?;
        let building = if profile.building.is_empty() {
            place::building(&self.door(&residence.household_id).await?.building)
        } else {
            profile.building.clone()
        };
        let enrolled = Enrolled {
            resident_id: resident_id.clone(),
            residence: Some(residence.clone()),
            profile: Some(VolunteerProfile { building, ..profile }),
        };
        let id = call.id("volunteer");
        let decide = |volunteer: &Volunteer, _| {
            let decision = Decision::new(volunteer.enrol(&enrolled));
            let decision = decision.office(&residence.neighbourhood_id).subject(&resident_id);
            Ok(decision.reserve(keys::VOLUNTEER, &resident_id))
        };
        let done = self.begin(&call, &id, decide, shown(&id)).await?;
        self.with_person(done).await
    }

    async fn update_volunteer(&self, request: Request<UpdateVolunteerRequest>) -> Answer<Resource> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let given = request.into_inner();
        let mut fields = Fields::new();
        let id = fields.name("name", "volunteers", &given.name);
        let profile = profile(&mut fields, given.profile.unwrap_or_default());
        let id = fields.read(id)?;
        let enrolled = self.volunteer(&call, &id).await?;
        let decide = |volunteer: &Volunteer, version: u64| {
            let mut profile = profile.clone();
            if profile.building.is_empty() {
                profile.building.clone_from(&volunteer.profile.building);
            }
            let events = volunteer.change(&profile).map_err(refused)?;
            Ok(file(&enrolled, fresh(events, &given.etag, version)?))
        };
        let done = self.decide(&call, &id, decide, shown(&id)).await?;
        self.with_person(done).await
    }

    async fn retire_volunteer(&self, request: Request<RetireVolunteerRequest>) -> Answer<Resource> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let mut fields = Fields::new();
        let id = fields.name("name", "volunteers", &request.get_ref().name);
        let id = fields.read(id)?;
        let enrolled = self.volunteer(&call, &id).await?;
        let decide = |volunteer: &Volunteer, _| {
            let events = volunteer.retire().map_err(refused)?;
            // Who comes back is enrolled again.
            Ok(file(&enrolled, events).release(keys::VOLUNTEER, &enrolled.resident_id))
        };
        let done = self.decide(&call, &id, decide, shown(&id)).await?;
        self.with_person(done).await
    }

    async fn record_service(&self, request: Request<RecordServiceRequest>) -> Answer<Resource> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let given = request.into_inner();
        let mut fields = Fields::new();
        let id = fields.name("volunteer", "volunteers", &given.volunteer);
        let work: Option<VolunteerWork> = fields.one_of("work", given.work);
        let date = fields.date("date", &given.date);
        fields.check(
            "date",
            date.is_none_or(|date| date <= day_of(call.now)),
            "不能晚于今天：服务之后再登记",
            "must not lie ahead: time is recorded when it was given",
        );
        let minutes = fields.number("minutes", given.minutes, 1..=1_440);
        let (id, (work, minutes)) = fields.read(id.zip(work.zip(minutes)))?;
        let enrolled = self.volunteer(&call, &id).await?;
        let served = Served { service_id: call.id("service"), work: work.into(), date: given.date, minutes };
        let decide = |volunteer: &Volunteer, _| Ok(file(&enrolled, volunteer.serve(&served).map_err(refused)?));
        let done = self.decide(&call, &id, decide, shown(&id)).await?;
        self.with_person(done).await
    }

    async fn list_volunteers(&self, request: Request<ListVolunteersRequest>) -> Answer<ListVolunteersResponse> {
        let call = Call::query(&request)?;
        let asked = Asked::new(request.get_ref().page_size, &request.get_ref().page_token)?;
        let within = self.within(&call, &request.get_ref().parent).await?;
        let cleared_only = request.get_ref().cleared_only;
        let page = {
            let mut db = self.views.read(&call).await?;
            volunteers::list(&mut db, &call.principal.scope, &within, cleared_only, &asked).await.map_err(fault)?
        };
        let names = page.rows.iter().map(|stored| stored.volunteer.name.clone()).collect();
        let standings = self.care.standings(&call, request.metadata(), names).await?;
        if standings.is_none() && cleared_only {
            return Err(unknown());
        }
        self.vault.foresee(page.rows.iter().filter_map(|stored| stored.person.as_ref())).await?;
        let mut found = Vec::with_capacity(page.rows.len());
        for stored in page.rows {
            let (volunteer, version) = self.ledger.load::<Volunteer>(&stored.id).await?;
            let person = opened(self, stored.person.as_ref()).await?;
            let resource = Resource {
                masked_name: person.map(|person| mask::name(&person.full_name)).unwrap_or_default(),
                profile: Some(volunteer.profile.clone()),
                etag: version.to_string(),
                ..stored.volunteer
            };
            let resource = with_standing(resource, standings.as_deref());
            if !cleared_only || resource.clearance() == Clearance::Cleared {
                found.push(resource);
            }
        }
        Ok(ListVolunteersResponse { volunteers: found, next_page_token: page.next }.into())
    }

    async fn thank_volunteer(&self, request: Request<ThankVolunteerRequest>) -> Answer<Thanks> {
        let call = Call::command(&request, &request.get_ref().request_id)?;
        let mut fields = Fields::new();
        let id = fields.name("volunteer", "volunteers", &request.get_ref().volunteer);
        let id = fields.read(id)?;
        let enrolled = self.volunteer(&call, &id).await?;
        let given = {
            let mut db = self.views.read(&call).await?;
            volunteers::given(&mut db, &id).await.map_err(fault)?
        };
        let names = vec![format!("volunteers/{id}")];
        let standings = self.care.standings(&call, request.metadata(), names).await?.ok_or_else(unknown)?;
        let given = standings.first().map_or_else(|| given.clone(), |standing| given.with(standing));
        let neighbourhood_id = office(&enrolled);
        let letter_id = call.id("letter");
        let decide = |volunteer: &Volunteer, _| {
            let events = volunteer.thank(&letter_id, given.minutes, given.times).map_err(refused)?;
            Ok(file(&enrolled, events))
        };
        let reply = |_: &Volunteer, _| Thanks {
            volunteer: format!("volunteers/{id}"),
            minutes: given.minutes,
            times: given.times,
            first_day: given.first.clone(),
            last_day: given.last.clone(),
            date: day_of(call.now).to_string(),
            ..Thanks::default()
        };
        let done = self.decide(&call, &id, decide, reply).await?;
        let (resident, _) = self.ledger.load::<resident::Resident>(&enrolled.resident_id).await?;
        // A letter without a name is none.
        let person = opened(self, resident.person()).await?.ok_or_else(|| refused(resident::Refusal::Erased))?;
        let neighbourhood = self.neighbourhood(&call, &neighbourhood_id).await?;
        let neighbourhood = neighbourhood.display_name.clone();
        let reply = Thanks { full_name: person.full_name, neighbourhood, ..done.reply };
        Ok(Done { reply, log: done.log, position: done.position }.into_response())
    }
}

impl Api {
    /// A volunteer within the caller's reach.
    async fn volunteer(&self, call: &Call, id: &str) -> Result<Enrolled, Status> {
        let (volunteer, _) = self.ledger.load::<Volunteer>(id).await?;
        let seen = volunteer.enrolled().filter(|enrolled| call.principal.scope.allows(&office(enrolled)));
        seen.cloned().ok_or_else(|| not_found("volunteer").into())
    }

    /// The answer with the name masked.
    async fn with_person(&self, done: Done<Resource>) -> Answer<Resource> {
        let Done { reply, log, position } = done;
        let id = reply.resident.trim_start_matches("residents/");
        let (resident, _) = self.ledger.load::<resident::Resident>(id).await?;
        let person = opened(self, resident.person()).await?;
        let masked_name = person.map(|person| mask::name(&person.full_name)).unwrap_or_default();
        Ok(Done { reply: Resource { masked_name, ..reply }, log, position }.into_response())
    }
}

/// What isolation says of a volunteer, added to what was recorded. Nobody is called cleared where it says nothing.
fn with_standing(resource: Resource, standings: Option<&[VolunteerStanding]>) -> Resource {
    let Some(standings) = standings else { return resource };
    let Some(standing) = standings.iter().find(|standing| standing.volunteer == resource.name) else {
        return resource;
    };
    let clearance = match (standing.cleared, standing.screened) {
        (true, _) => Clearance::Cleared,
        (false, true) => Clearance::NotCleared,
        (false, false) => Clearance::Unscreened,
    };
    Resource {
        clearance: clearance.into(),
        minutes: resource.minutes.saturating_add(standing.minutes),
        times: resource.times.saturating_add(standing.times),
        ..resource
    }
}

fn unknown() -> Status {
    Refusal::new(
        Kind::Unavailable,
        reason(contract::Refusal::CareUnavailable.as_str_name()),
        "暂时无法查询志愿者的排查结论和服务记录：请稍候重试",
        "isolation cannot be asked now how volunteers stand and what they gave: retry in a moment",
    )
    .into()
}

fn office(enrolled: &Enrolled) -> String {
    enrolled.residence.as_ref().map(|home| home.neighbourhood_id.clone()).unwrap_or_default()
}

fn file(enrolled: &Enrolled, events: Vec<Event>) -> Decision<Event> {
    Decision::new(events).office(office(enrolled)).subject(&enrolled.resident_id)
}

/// As it is kept with the command: nothing of the person, and nothing that another log knows.
fn shown(id: &str) -> impl Fn(&Volunteer, u64) -> Resource + Send + Sync {
    move |volunteer, version| {
        let enrolled = volunteer.enrolled().cloned().unwrap_or_default();
        let residence = enrolled.residence.unwrap_or_default();
        Resource {
            name: format!("volunteers/{id}"),
            resident: format!("residents/{}", enrolled.resident_id),
            neighbourhood: format!("neighbourhoods/{}", residence.neighbourhood_id),
            compound: format!("compounds/{}", residence.compound_id),
            profile: Some(volunteer.profile.clone()),
            clearance: Clearance::Unspecified.into(),
            retired: volunteer.retired,
            etag: version.to_string(),
            ..Resource::default()
        }
    }
}

fn profile(fields: &mut Fields, given: VolunteerProfile) -> VolunteerProfile {
    let mut skills = Vec::new();
    for (at, skill) in given.skills.iter().enumerate().take(20) {
        skills.extend(fields.one_of::<VolunteerSkill>(format!("profile.skills[{at}]"), *skill).map(i32::from));
    }
    skills.sort_unstable();
    skills.dedup();
    let building = place::building(fields.at_most("profile.building", &given.building, place::LONGEST));
    fields.number("profile.floor", given.floor, -5..=HIGHEST_FLOOR);
    fields.check(
        "profile.dialects",
        given.dialects.len() <= MOST_DIALECTS,
        "最多 5 种方言：请只留说得好的",
        "must be at most 5: keep those that are spoken well",
    );
    let dialects = given.dialects.iter().take(MOST_DIALECTS).enumerate();
    let dialects =
        dialects.map(|(at, text)| fields.required(format!("profile.dialects[{at}]"), text, 20).to_owned()).collect();
    fields.check(
        "profile.availability",
        given.availability.len() <= MOST_TIMES,
        "最多 21 段时间：请合并",
        "must be at most 21 parts of days: put some together",
    );
    for (at, part) in given.availability.iter().enumerate().take(MOST_TIMES) {
        let field = format!("profile.availability[{at}]");
        fields.number(format!("{field}.weekday"), part.weekday, 0..=7);
        fields.check(
            field,
            part.from_minute >= 0 && part.from_minute < part.to_minute && part.to_minute <= 1_440,
            "结束时间应晚于开始时间，且在同一天内：跨夜请分成两段",
            "must end after it begins and within the day: write a night as two",
        );
    }
    VolunteerProfile { skills, building, dialects, ..given }
}
