//! Who is kept in is looked after: readings, hand-overs, releases; who needs something gets it; who gives is thanked in the stock.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use proto::{
    isolation::v1::{
        AskForHelpRequest, ClaimNeedRequest, CompleteNeedRequest, ConfirmNeedRequest, DonateRequest, Giver,
        HandOverRequest, NeedAsker, Quantity, RecordObservationRequest, ReleaseRequest,
        isolation_service_client::IsolationServiceClient, need_service_client::NeedServiceClient,
        stock_service_client::StockServiceClient,
    },
    registry::v1::{
        EnrolVolunteerRequest, ReportAbsenceRequest, TickRoundRequest, VolunteerProfile, VolunteerSkill,
        roster_service_client::RosterServiceClient, round_service_client::RoundServiceClient,
        volunteer_service_client::VolunteerServiceClient,
    },
};
use rand::RngExt as _;
use tonic::Status;

use super::{
    day::{Gift, Need},
    deeds::{Deed, Follows, patiently},
    dice::dice,
    files::Part,
    run::Run,
    world,
};

// ---- Isolation ----

impl Run {
    pub(super) async fn reading(
        &self,
        person: u32,
        (date, part): (NaiveDate, Part),
        time: DateTime<Utc>,
    ) -> Result<Follows, Status> {
        let Some(order) = self.files().get(&person).and_then(|file| file.order.clone()) else { return Ok(Vec::new()) };
        let half = match part {
            Part::Morning => "am",
            Part::Evening => "pm",
        };
        let which = u64::from(person) << 32 | u64::from(date.to_epoch_days().unsigned_abs()) << 1 | part as u64;
        let request = RecordObservationRequest {
            request_id: self.ids.of(format_args!("read:{person}:{date}:{half}")),
            order: order.name,
            date: date.to_string(),
            day_part: part.day_part().into(),
            temperature_decicelsius: dice(self.world.seed, "reading", which).random_range(360..=369),
            symptoms: Vec::new(),
        };
        let reader = if order.central { self.stage.health.at(time) } else { self.worker(person, time) };
        let mut isolation = IsolationServiceClient::new(reader);
        self.meter.call("RecordObservation", isolation.record_observation(request)).await?;
        Ok(Vec::new())
    }

    pub(super) async fn hand_over(&self, person: u32, time: DateTime<Utc>) -> Result<Follows, Status> {
        let Some(order) = self.files().get(&person).and_then(|file| file.order.clone()) else { return Ok(Vec::new()) };
        let request = HandOverRequest {
            request_id: self.ids.of(format_args!("hand:{person}")),
            order: order.name,
            receiver: "鄞州区疾控转运组".into(),
            vehicle: "浙B·0121急".into(),
            receipt: format!("ZY-{person:06}"),
            ..HandOverRequest::default()
        };
        let mut isolation = IsolationServiceClient::new(self.worker(person, time));
        self.meter.call("HandOver", isolation.hand_over(request)).await?;
        Ok(Vec::new())
    }

    /// The period is over, every reading is there (R13): free, and a pass again.
    pub(super) async fn release(&self, person: u32, time: DateTime<Utc>) -> Result<Follows, Status> {
        let Some(order) = self.files().get(&person).and_then(|file| file.order.clone()) else { return Ok(Vec::new()) };
        let director = &self.stage.offices[self.world.neighbourhood_of(person)].director;
        let request = ReleaseRequest { request_id: self.ids.of(format_args!("release:{person}")), order: order.name };
        let mut isolation = IsolationServiceClient::new(director.at(time));
        self.meter.call("Release", isolation.release(request)).await?;
        self.files().entry(person).or_default().released = Some(time);
        self.issue(person, "free", time + TimeDelta::minutes(5)).await?;
        Ok(Vec::new())
    }
}

// ---- Needs ----

impl Run {
    pub(super) async fn ask(&self, need: Need, id: String, time: DateTime<Utc>) -> Result<Follows, Status> {
        let request = AskForHelpRequest {
            request_id: self.ids.of(format_args!("ask:{id}")),
            resident: self.known[need.person as usize].resident.clone(),
            kind: need.kind.into(),
            priority: need.priority.into(),
            asker: NeedAsker::Self_.into(),
            note: "电话求助".into(),
            item: String::new(),
            quantity: None,
        };
        let mut needs = NeedServiceClient::new(self.worker(need.person, time));
        let asked = self.meter.call("AskForHelp", needs.ask_for_help(request)).await?;
        let later = time + TimeDelta::hours(need.claimed_after);
        Ok(vec![(later, Deed::Claim { need, id, name: asked.name })])
    }

    /// By a volunteer, or where there is none by the worker.
    pub(super) async fn claim(
        &self,
        need: Need,
        id: String,
        name: String,
        time: DateTime<Utc>,
    ) -> Result<Follows, Status> {
        let neighbourhood = self.world.neighbourhood_of(need.person);
        let responsible = {
            let volunteers = self.volunteers.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let here = &volunteers[neighbourhood];
            if here.is_empty() { String::new() } else { here[need.person as usize % here.len()].clone() }
        };
        let request_id = self.ids.of(format_args!("claim:{id}"));
        let request = ClaimNeedRequest { request_id, need: name.clone(), responsible, take_over: false };
        let mut needs = NeedServiceClient::new(self.worker(need.person, time));
        self.meter.call("ClaimNeed", needs.claim_need(request)).await?;
        let later = time + TimeDelta::hours(need.done_after);
        Ok(vec![(later, Deed::Complete { need, id, name })])
    }

    pub(super) async fn complete(
        &self,
        need: Need,
        id: String,
        name: String,
        time: DateTime<Utc>,
    ) -> Result<Follows, Status> {
        let request_id = self.ids.of(format_args!("done:{id}"));
        let request = CompleteNeedRequest { request_id, need: name.clone(), minutes: 30 };
        let mut needs = NeedServiceClient::new(self.worker(need.person, time));
        self.meter.call("CompleteNeed", needs.complete_need(request)).await?;
        Ok(vec![(time + TimeDelta::hours(1), Deed::Confirm { need, id, name })])
    }

    /// By somebody else than who did it.
    pub(super) async fn confirm(
        &self,
        need: &Need,
        id: &str,
        name: String,
        time: DateTime<Utc>,
    ) -> Result<Follows, Status> {
        let request_id = self.ids.of(format_args!("heard:{id}"));
        let director = &self.stage.offices[self.world.neighbourhood_of(need.person)].director;
        let mut needs = NeedServiceClient::new(director.at(time));
        let request = ConfirmNeedRequest { request_id, need: name, unmet: false };
        self.meter.call("ConfirmNeed", needs.confirm_need(request)).await?;
        Ok(Vec::new())
    }

    pub(super) async fn give(&self, gift: &Gift, id: &str, time: DateTime<Utc>) -> Result<Follows, Status> {
        let office = &self.stage.offices[gift.neighbourhood];
        let mut dice = dice(self.world.seed, "giver", u64::from(gift.number) << 16 | gift.neighbourhood as u64);
        let giver = Giver { full_name: world::name(&mut dice), phone: String::new() };
        let request = DonateRequest {
            request_id: self.ids.of(format_args!("gift:{id}")),
            place: office.name.clone(),
            item: gift.item.into(),
            quantity: Some(Quantity { number: gift.number.to_string(), unit: gift.unit.into() }),
            expires_on: String::new(),
            giver: (!gift.unknown_giver).then_some(giver),
            may_be_named: !gift.unknown_giver,
        };
        let mut stock = StockServiceClient::new(office.worker.at(time));
        self.meter.call("Donate", stock.donate(request)).await?;
        Ok(Vec::new())
    }
}

// ---- Who helps ----

impl Run {
    pub(super) async fn disinfect(&self, compound: usize, day: u32, time: DateTime<Utc>) -> Result<Follows, Status> {
        let office = &self.stage.offices[self.world.compounds[compound].neighbourhood];
        let request = TickRoundRequest {
            request_id: self.ids.of(format_args!("tick:{compound}:{day}")),
            round: self.stage.duties[compound].round.clone(),
            by: String::new(),
            time: None,
        };
        let mut rounds = RoundServiceClient::new(office.worker.at(time));
        self.meter.call("TickRound", rounds.tick_round(request)).await?;
        Ok(Vec::new())
    }

    /// What a guard held on this day is a gap from here on.
    pub(super) async fn absent(
        &self,
        compound: usize,
        date: NaiveDate,
        time: DateTime<Utc>,
    ) -> Result<Follows, Status> {
        let rosters = &self.stage.duties[compound].rosters;
        let Some((roster, members)) =
            rosters.iter().rfind(|(_, from, _)| *from <= date).map(|(name, _, of)| (name, of))
        else {
            return Ok(Vec::new());
        };
        let office = &self.stage.offices[self.world.compounds[compound].neighbourhood];
        let staff = members[date.to_epoch_days().unsigned_abs() as usize % members.len().max(1)].clone();
        let request_id = self.ids.of(format_args!("absent:{compound}:{date}"));
        let request = ReportAbsenceRequest { request_id, roster: roster.clone(), staff, date: date.to_string() };
        let mut client = RosterServiceClient::new(office.director.at(time));
        self.meter.call("ReportAbsence", client.report_absence(request)).await?;
        Ok(Vec::new())
    }

    /// Of those who were clear before the first day, the first ones of each neighbourhood.
    pub(super) async fn enrol_volunteers(&self, time: DateTime<Utc>) -> anyhow::Result<()> {
        const SKILLS: [VolunteerSkill; 4] =
            [VolunteerSkill::Driving, VolunteerSkill::Shopping, VolunteerSkill::Listening, VolunteerSkill::Temperature];
        let wanted = (self.world.numbers.people / self.world.numbers.people_per_volunteer.max(1)).max(1) as usize;
        let each = wanted.div_ceil(self.world.neighbourhoods.len());
        let mut holders = self.holders().concat();
        holders.sort_unstable();
        let mut chosen: Vec<Vec<u32>> = vec![Vec::new(); self.world.neighbourhoods.len()];
        for person in holders {
            let here = &mut chosen[self.world.neighbourhood_of(person)];
            if here.len() < each {
                here.push(person);
            }
        }
        for (neighbourhood, people) in chosen.into_iter().enumerate() {
            for person in people {
                let skill = SKILLS[person as usize % SKILLS.len()];
                let profile = VolunteerProfile { skills: vec![skill.into()], ..VolunteerProfile::default() };
                let request = EnrolVolunteerRequest {
                    request_id: self.ids.of(format_args!("volunteer:{person}")),
                    resident: self.known[person as usize].resident.clone(),
                    profile: Some(profile),
                };
                let enrolled = || {
                    let mut client = VolunteerServiceClient::new(self.worker(person, time));
                    let request = request.clone();
                    async move { self.meter.call("EnrolVolunteer", client.enrol_volunteer(request)).await }
                };
                let Ok(enrolled) = patiently(&self.meter, enrolled).await else { continue };
                let mut volunteers = self.volunteers.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                volunteers[neighbourhood].push(enrolled.name);
            }
        }
        Ok(())
    }
}
