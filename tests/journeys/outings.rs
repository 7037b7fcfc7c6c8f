//! R18: passes for the day and for a household, whose hours and outings stand in the method; at the gate on line and off.

use chassis::{
    client::{Connection, new_request_id},
    refusal::Spoken,
};
use chrono::TimeDelta;
use proto::{
    access::v1::Role,
    pass::v1::{
        Access, CheckPassRequest, Decision, Direction, Finding, IssuePassRequest, Pass, RecordCrossingRequest,
        RenewPassRequest, Verdict, gate_service_client::GateServiceClient, pass_service_client::PassServiceClient,
        record_crossing_request::Identity,
    },
    registry::v1::{
        CreateResidentRequest, IdentityDocument, Person, Resident, identity_document,
        registry_service_client::RegistryServiceClient,
    },
    screening::v1::{
        ApproveMethodRequest, DraftMethodRequest, MethodContent, PublishMethodRequest,
        screening_service_client::ScreeningServiceClient,
    },
};
use screening::method_file::sample_content;
use tests::{House, guard::Guard, time, village::Village};

const CLEAN: &[(&str, &str, &str)] = &[("宁波", "2020-01-01", "2020-02-10")];
const DAY: &str = "2020-02-11T15:00:00+08:00";
const NIGHT: &str = "2020-02-11T21:30:00+08:00";

struct Street {
    house: House,
    village: Village,
}

impl Street {
    async fn open() -> Self {
        let house = House::new().await;
        let village = Village::found(&house, "330212002001").await;
        village.publish_method(&house).await;
        Self { house, village }
    }

    /// Another version, by two units, from now on.
    async fn publish(&self, version: &str, content: MethodContent) {
        let at = time("2020-02-10T08:00:00+08:00");
        let officer = self.house.central("staff/officer", Role::Officer, "subdistrict").at(at);
        let mut officer = ScreeningServiceClient::new(officer);
        let name = format!("methods/{version}");
        let content = Some(content);
        let draft = DraftMethodRequest { request_id: new_request_id(), version: version.into(), content };
        officer.draft_method(draft).await.unwrap();
        let health = self.house.central("staff/health", Role::Health, "health").at(at);
        let approve = ApproveMethodRequest { request_id: new_request_id(), name: name.clone() };
        ScreeningServiceClient::new(health).approve_method(approve).await.unwrap();
        let publish = PublishMethodRequest { request_id: new_request_id(), name, ..Default::default() };
        officer.publish_method(publish).await.unwrap();
        self.house.settled().await;
    }

    /// People of one household, with a clear verdict each.
    async fn household(&self, building: &str, people: &[&str]) -> Vec<Resident> {
        let household = self.village.household(&self.house, building).await;
        let mut residents = Vec::new();
        for (number, name) in people.iter().enumerate() {
            let document = IdentityDocument { kind: identity_document::Kind::None.into(), number: String::new() };
            let phones = vec![format!("139{:0>4}{number:04}", building.trim_end_matches('幢'))];
            let person = Person { full_name: (*name).into(), phones, document: Some(document) };
            let create = CreateResidentRequest {
                request_id: new_request_id(),
                household: household.clone(),
                person: Some(person),
            };
            let mut registry = RegistryServiceClient::new(self.village.worker(&self.house));
            residents.push(registry.create_resident(create).await.unwrap().into_inner());
        }
        self.house.settled().await;
        for resident in &residents {
            self.village.screened(&self.house, resident, CLEAN).await;
        }
        self.house.settled().await;
        residents
    }

    fn desk(&self, at: &str) -> PassServiceClient<Connection> {
        PassServiceClient::new(self.village.worker(&self.house).at(time(at)))
    }

    async fn issue(&self, resident: &Resident, access: Access) -> Result<Pass, String> {
        let issue = IssuePassRequest {
            request_id: new_request_id(),
            resident: resident.name.clone(),
            access: access.into(),
            ..IssuePassRequest::default()
        };
        let issued = self.desk("2020-02-11T14:00:00+08:00").issue_pass(issue).await;
        issued.map(tonic::Response::into_inner).map_err(|status| Spoken::from(&status).reason)
    }

    fn guard(&self, at: &str) -> PassServiceClient<Connection> {
        let guard = self.house.guard("device/1", &self.village.neighbourhood, &self.village.gate);
        PassServiceClient::new(guard.at(time(at)))
    }

    async fn crosses(&self, pass: &Pass, direction: Direction, at: &str) -> Verdict {
        self.house.settled().await;
        let crossing = RecordCrossingRequest {
            request_id: new_request_id(),
            gate: self.village.gate.clone(),
            direction: direction.into(),
            temperature_decicelsius: 365,
            mask: true,
            identity: Some(Identity::Code(pass.code.clone())),
            ..RecordCrossingRequest::default()
        };
        self.guard(at).record_crossing(crossing).await.unwrap().into_inner().verdict.unwrap()
    }

    async fn checked(&self, pass: &Pass, direction: Direction, at: &str) -> Verdict {
        let gate = self.village.gate.clone();
        let check = CheckPassRequest { gate, code: pass.code.clone(), direction: direction.into() };
        self.guard(at).check_pass(check).await.unwrap().into_inner().verdict.unwrap()
    }
}

fn found(verdict: &Verdict) -> (Decision, Vec<Finding>) {
    (verdict.decision(), verdict.findings().collect())
}

fn limited() -> MethodContent {
    MethodContent { daytime_from_hour: 6, daytime_to_hour: 21, outing_people: 1, outing_days: 2, ..sample_content() }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daytime_pass_goes_out_within_the_hours_of_the_method_and_comes_home_at_any_time() {
    let street = Street::open().await;
    let [resident] = &street.household("1幢", &["王小明"]).await[..] else { panic!("one person") };
    assert_eq!(street.issue(resident, Access::Daytime).await.unwrap_err(), "NOT_IN_METHOD", "the sample has no hours");
    let plain = street.issue(resident, Access::Unrestricted).await.unwrap();
    street.publish("2020-02-10", limited()).await;
    let token = street.house.token("staff/officer", Role::Officer, "subdistrict", "", "");
    let (done, said) = street.house.desk(&token, &["method", "show"]).await;
    assert!(done && said.contains("from 6:00 to 21:00") && said.contains("1 within 2 days"), "{said}");
    let (done, said) = street.house.desk(&token, &["method", "compare", "2020-02-10", "2020-02-09"]).await;
    assert!(done && said.contains("白天证外出的结束时刻由0改为21"), "{said}");
    let (done, said) = street.house.desk(&token, &["method", "dry-run", "2020-02-10", "-o", "json"]).await;
    assert!(done, "{said}");

    let token = street.house.token("staff/worker", Role::Worker, "", &street.village.neighbourhood, "");
    let (done, said) = street.house.desk(&token, &["pass", "issue", &resident.name, "--access", "daytime"]).await;
    assert!(done && said.contains("daytime"), "{said}");
    let pass = street.issue(resident, Access::Daytime).await.unwrap();
    assert_ne!(pass.number, plain.number, "another kind of pass is another pass");
    assert_eq!(street.issue(resident, Access::Unspecified).await.unwrap().number, pass.number, "it stays what it is");

    let allowed = |findings: &[Finding]| (Decision::Allowed, findings.to_vec());
    let refused = (Decision::Refused, vec![Finding::OutsideHours]);
    assert_eq!(found(&street.crosses(&pass, Direction::Out, DAY).await), allowed(&[Finding::Valid]));
    let late = street.crosses(&pass, Direction::Out, NIGHT).await;
    assert_eq!(found(&late), refused);
    assert!(late.say_zh.contains("6点至21点") && late.say_en.contains("from 6:00 to 21:00"), "{late:?}");
    let home = street.crosses(&pass, Direction::In, NIGHT).await;
    assert_eq!(found(&home), allowed(&[Finding::Valid, Finding::OutsideHours]));
    assert_eq!(found(&street.checked(&pass, Direction::Out, NIGHT).await), refused);
    let unsaid = street.checked(&pass, Direction::Unspecified, NIGHT).await;
    assert_eq!(found(&unsaid), allowed(&[Finding::Valid, Finding::OutsideHours]));

    // The centre away.
    let mut guard = Guard::enrolled(&street.house, &street.village, time(DAY), TimeDelta::zero()).await;
    assert_eq!(guard.records(&format!("{} 36.5 out", pass.code)).decision, Decision::Allowed);
    guard.wait(time(NIGHT) - guard.now);
    let late = guard.records(&format!("{} out", pass.code));
    assert_eq!((late.decision, late.findings), refused);
    assert!(late.say_zh.contains("6点至21点"), "{}", late.say_zh);
    let home = guard.records(&format!("{} 36.5 in", pass.code));
    assert_eq!((home.decision, home.findings), allowed(&[Finding::Valid, Finding::OutsideHours]));
    guard.exchanges().await.unwrap();
    let list = proto::pass::v1::ListConflictsRequest { parent: street.village.compound.clone(), ..Default::default() };
    let mut office = GateServiceClient::new(street.village.worker(&street.house).at(time(NIGHT)));
    let conflicts = office.list_conflicts(list).await.unwrap().into_inner().conflicts;
    assert!(conflicts.is_empty(), "the centre says the same: {conflicts:#?}");

    // Renewed it stays a daytime pass; a method without hours lets it go out at any time, and gives no other.
    let renew =
        RenewPassRequest { request_id: new_request_id(), resident: resident.name.clone(), ..Default::default() };
    let renewed = street.desk("2020-02-23T09:00:00+08:00").renew_pass(renew).await.unwrap().into_inner();
    assert_eq!(renewed.access(), Access::Daytime);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_household_goes_out_as_often_as_the_method_says_whoever_of_it_goes() {
    let street = Street::open().await;
    street.publish("2020-02-10", limited()).await;
    let mut passes = Vec::new();
    for resident in street.household("1幢", &["王小明", "李红"]).await {
        passes.push(street.issue(&resident, Access::Household).await.unwrap());
    }
    let [first, second] = &passes[..] else { panic!("two people") };
    let allowed = (Decision::Allowed, vec![Finding::Valid]);
    assert_eq!(found(&street.crosses(first, Direction::Out, DAY).await), allowed);
    assert_eq!(
        found(&street.crosses(first, Direction::Out, "2020-02-11T15:01:00+08:00").await),
        allowed,
        "scanned twice"
    );
    assert_eq!(found(&street.crosses(first, Direction::In, "2020-02-11T16:00:00+08:00").await), allowed);
    let used = street.crosses(second, Direction::Out, "2020-02-11T17:00:00+08:00").await;
    assert_eq!(found(&used), (Decision::Refused, vec![Finding::Quota]));
    assert!(used.say_zh.contains("2天内外出1人次") && used.say_en.contains("1 outing in 2 days"), "{used:?}");
    assert_eq!(found(&street.crosses(second, Direction::In, "2020-02-11T17:30:00+08:00").await), allowed);
    let next_day = street.checked(second, Direction::Out, "2020-02-12T23:00:00+08:00").await;
    assert_eq!(next_day.findings().collect::<Vec<_>>(), [Finding::Quota]);
    assert_eq!(
        found(&street.crosses(second, Direction::Out, "2020-02-13T08:00:00+08:00").await),
        allowed,
        "the third day"
    );

    // The centre away: another household.
    let mut passes = Vec::new();
    for resident in street.household("2幢", &["张三", "赵四"]).await {
        passes.push(street.issue(&resident, Access::Household).await.unwrap());
    }
    let mut guard = Guard::enrolled(&street.house, &street.village, time(DAY), TimeDelta::zero()).await;
    assert_eq!(guard.records(&format!("{} 36.5 out", passes[0].code)).decision, Decision::Allowed);
    guard.wait(TimeDelta::hours(1));
    let used = guard.records(&format!("{} out", passes[1].code));
    assert_eq!((used.decision, used.findings), (Decision::Refused, vec![Finding::Quota]));
    assert!(used.say_zh.contains("2天内外出1人次"), "{}", used.say_zh);
    assert_eq!(guard.records(&format!("{} 36.5 in", passes[1].code)).decision, Decision::Allowed);
    // What the gate let out counts at the centre, too.
    guard.exchanges().await.unwrap();
    let other_gate = street.crosses(&passes[1], Direction::Out, "2020-02-11T18:00:00+08:00").await;
    assert_eq!(found(&other_gate), (Decision::Refused, vec![Finding::Quota]));
}
