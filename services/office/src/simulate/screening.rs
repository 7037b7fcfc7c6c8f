//! People come back, declare, are scanned; whom a carrier has wronged disputes it and is heard.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use proto::{
    pass::v1::{GetHolderRequest, IssuePassRequest, pass_service_client::PassServiceClient},
    screening::v1::{
        Case, Declaration, DeclareRequest, DeclaredStay, DisputeCaseRequest, Itinerary, Outcome, Proof, ProofKind,
        RecordItineraryRequest, ResolveDisputeRequest, Source, StatementAuthor, Visit,
        screening_service_client::ScreeningServiceClient,
    },
};
use rand::RngExt as _;
use tonic::Status;

use super::{
    deeds::{Deed, Follows},
    dice::{dice, happens},
    files::Pass,
    run::Run,
    travels::{Scan, Stay, Travels},
};

impl Run {
    pub(super) async fn screen(&self, person: u32, time: DateTime<Utc>) -> Result<Follows, Status> {
        let travels = self.world.travels(person, chassis::day_of(time));
        let mut screening = ScreeningServiceClient::new(self.worker(person, time));
        let declare = self.declaration(person, &travels);
        self.meter.call("Declare", screening.declare(declare)).await?;
        let scanned = time + TimeDelta::minutes(3);
        let mut case = Case::default();
        for (phone, scan) in travels.scans.iter().enumerate() {
            let mut screening = ScreeningServiceClient::new(self.worker(person, scanned));
            let scan = self.scan(person, phone, scan);
            case = self.meter.call("RecordItinerary", screening.record_itinerary(scan)).await?;
        }
        let outcome = self.files().entry(person).or_default().told(scanned, &case);
        if outcome == Some(Outcome::Clear) {
            self.issue(person, "pass", time + TimeDelta::minutes(5)).await?;
        } else if travels.wronged() && travels.wrong_visit().is_some() {
            let mut dice = dice(self.world.seed, "dispute", person.into());
            if happens(&mut dice, self.world.numbers.dispute) {
                let heard = time + TimeDelta::minutes(dice.random_range(30..=12 * 60));
                return Ok(vec![(heard, Deed::Dispute { person })]);
            }
        }
        Ok(Vec::new())
    }

    /// "The evidence is wrong."
    pub(super) async fn dispute(&self, person: u32, time: DateTime<Utc>) -> Result<Follows, Status> {
        let request = DisputeCaseRequest {
            request_id: self.ids.of(format_args!("dispute:{person}")),
            case: self.known[person as usize].case.clone(),
            statement: "我没有去过那里，那天一直在家".into(),
            author: StatementAuthor::Person.into(),
            ..DisputeCaseRequest::default()
        };
        let mut screening = ScreeningServiceClient::new(self.worker(person, time));
        self.meter.call("DisputeCase", screening.dispute_case(request)).await?;
        self.files().entry(person).or_default().disputed = Some(time);
        // Most within the day that R24 gives, some later.
        let hours = dice(self.world.seed, "answer", person.into()).random_range(2..=28);
        Ok(vec![(time + TimeDelta::hours(hours), Deed::Answer { person })])
    }

    /// Found right: the visit is struck, and what is left is judged again.
    pub(super) async fn answer(&self, person: u32, time: DateTime<Utc>) -> Result<Follows, Status> {
        let screened = self.files().get(&person).and_then(|file| file.verdicts.first().copied());
        let Some(screened) = screened else { return Ok(Vec::new()) };
        let travels = self.world.travels(person, chassis::day_of(screened.time));
        let struck = travels.wrong_visit().and_then(|visit| i32::try_from(visit).ok());
        let request = ResolveDisputeRequest {
            request_id: self.ids.of(format_args!("answer:{person}")),
            case: self.known[person as usize].case.clone(),
            upheld: true,
            struck_visits: struck.into_iter().collect(),
            finding: "邻居和门岗记录证明当天在家".into(),
            proofs: vec![Proof { kind: ProofKind::Register.into(), description: "门岗进出登记".into() }],
            ..ResolveDisputeRequest::default()
        };
        let director = &self.stage.offices[self.world.neighbourhood_of(person)].director;
        let mut screening = ScreeningServiceClient::new(director.at(time));
        let case = self.meter.call("ResolveDispute", screening.resolve_dispute(request)).await?;
        let outcome = {
            let mut files = self.files();
            let file = files.entry(person).or_default();
            file.upheld = Some(time);
            file.told(time, &case)
        };
        if outcome == Some(Outcome::Clear) {
            self.free(person, time + TimeDelta::minutes(4)).await?;
            self.issue(person, "pass", time + TimeDelta::minutes(5)).await?;
        }
        Ok(Vec::new())
    }

    /// Waits until no order bars the person any more: its end comes to the gates by way of two services.
    async fn free(&self, person: u32, time: DateTime<Utc>) -> Result<(), Status> {
        const LOOK: Duration = Duration::from_millis(50);
        for _ in 0..200 {
            let request = GetHolderRequest { name: self.known[person as usize].resident.clone() };
            let mut passes = PassServiceClient::new(self.worker(person, time));
            if passes.get_holder(request).await?.into_inner().bars.is_empty() {
                break;
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// Hands out a pass.
    pub(super) async fn issue(&self, person: u32, what: &str, time: DateTime<Utc>) -> Result<(), Status> {
        let request = IssuePassRequest {
            request_id: self.ids.of(format_args!("{what}:{person}")),
            resident: self.known[person as usize].resident.clone(),
            surname: self.world.people[person as usize].name.chars().take(1).collect(),
            kind: 0,
            access: 0,
        };
        let mut passes = PassServiceClient::new(self.worker(person, time));
        let pass = self.meter.call("IssuePass", passes.issue_pass(request)).await?;
        let mut files = self.files();
        let file = files.entry(person).or_default();
        file.pass = Some(Pass { number: pass.number, code: pass.code });
        file.kept_in = false;
        Ok(())
    }

    /// The connection of the worker of the person's neighbourhood.
    pub(super) fn worker(&self, person: u32, time: DateTime<Utc>) -> chassis::client::Connection {
        self.stage.offices[self.world.neighbourhood_of(person)].worker.at(time)
    }

    fn declaration(&self, person: u32, travels: &Travels) -> DeclareRequest {
        let stays = travels.declared.iter().map(|stay| DeclaredStay {
            place: stay.place.name.to_owned(),
            from: stay.from.to_string(),
            to: stay.to.to_string(),
        });
        let arrived = travels.declared.iter().map(|stay| stay.to).max();
        let home = &self.world.homes[self.world.people[person as usize].home];
        let declaration = Declaration {
            people: i32::try_from(home.people.len()).unwrap_or(1),
            occupation: "务工".into(),
            arrival: arrived.map_or_else(String::new, |day: NaiveDate| day.to_string()),
            origin: travels.declared.first().map_or("宁波", |stay| stay.place.name).into(),
            stays: stays.collect(),
            transport: "火车".into(),
            contact_with_cases: "无".into(),
            health: "良好".into(),
            measures: "口罩".into(),
            close_contacts: "家人".into(),
            free_text: String::new(),
        };
        DeclareRequest {
            request_id: self.ids.of(format_args!("declare:{person}")),
            case: self.known[person as usize].case.clone(),
            declaration: Some(declaration),
        }
    }

    fn scan(&self, person: u32, phone: usize, scan: &Scan) -> RecordItineraryRequest {
        const SOURCES: [Source; 3] = [Source::Mobile, Source::Unicom, Source::Telecom];
        let visit = |stay: &Stay| Visit {
            place: stay.place.name.to_owned(),
            first: stay.from.to_string(),
            last: stay.to.to_string(),
            hours: None,
        };
        let itinerary = scan.visits.as_ref().map(|visits| Itinerary { visits: visits.iter().map(visit).collect() });
        RecordItineraryRequest {
            request_id: self.ids.of(format_args!("scan{phone}:{person}")),
            case: self.known[person as usize].case.clone(),
            source: SOURCES[(person as usize + phone) % SOURCES.len()].into(),
            phone: i32::try_from(phone).unwrap_or(0) + 1,
            window_from: scan.from.to_string(),
            window_to: scan.to.to_string(),
            itinerary,
        }
    }
}
