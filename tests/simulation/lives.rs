//! A village and what happens to its people: registered, screened, given passes, isolated, observed, released. Which way a
//! life takes comes from the seed; whatever the weather does to it, somebody at a desk goes on until it is done.

use futures::future::join_all;
use proto::{
    isolation::v1::{
        ApproveOrderRequest, DayPart, GetOrderRequest, Kind, ListOrdersRequest, Order, ProposeOrderRequest,
        Reason as Grounds, RecordObservationRequest, ReleaseRequest, isolation_service_client::IsolationServiceClient,
        order::State,
    },
    pass::v1::{
        Crossing, Direction, GetHolderRequest, Holder, IssuePassRequest, Manual, Pass, Reason, RecordCrossingRequest,
        ReinstatePassRequest, SuspendPassRequest, pass_service_client::PassServiceClient,
        record_crossing_request::Identity,
    },
    registry::v1::{
        AddGateRequest, Compound, CreateCompoundRequest, CreateHouseholdRequest, CreateNeighbourhoodRequest,
        CreateResidentRequest, Household, IdentityDocument, MoveOutResidentRequest, Neighbourhood, Person, Resident,
        Tenure, identity_document,
    },
    screening::v1::{
        ApproveMethodRequest, Case, Declaration, DeclareRequest, DeclaredStay, DisputeCaseRequest, DraftMethodRequest,
        Itinerary, Method, OpenCaseRequest, PublishMethodRequest, RecordItineraryRequest, ResolveDisputeRequest,
        Source, Visit,
    },
};
use screening::domain::case::first_case_of;

use crate::{deeds::Who, office::Desk};

/// (place, first day, last day)
type Stay = (&'static str, &'static str, &'static str);

const HOME: Stay = ("宁波", "2020-01-01", "2020-02-10");
/// Left on the 29th of January: fourteen days are over on the 12th of February.
const KEY_AREA: Stay = ("武汉", "2020-01-25", "2020-01-29");
const ELSEWHERE: Stay = ("台州", "2020-01-24", "2020-01-28");

const FOUNDED: &str = "2020-02-10T09:00:00+08:00";
const REGISTERED: &str = "2020-02-11T08:00:00+08:00";
const SCREENED: &str = "2020-02-11T14:00:00+08:00";
const AFTERNOON: &str = "2020-02-11T15:00:00+08:00";
const EVENING: &str = "2020-02-11T20:00:00+08:00";
const LAST_DAY: &str = "2020-02-12T20:00:00+08:00";
/// When everything is over.
pub(crate) const AFTERWARDS: &str = "2020-02-12T21:00:00+08:00";

const PEOPLE: [&str; 3] = ["王小明", "李小红", "张小军"];

impl Desk {
    /// From the founding to the end of every life.
    pub(crate) async fn tells(&self) {
        self.founds().await;
        let desks: Vec<Self> = (1..=PEOPLE.len()).map(|number| self.office.desk(&format!("life-{number}"))).collect();
        join_all(desks.iter().zip(PEOPLE).enumerate().map(|(number, (desk, name))| desk.lives(number, name))).await;
    }

    async fn founds(&self) {
        let neighbourhood =
            Neighbourhood { display_name: "社区".into(), code: "330212002001".into(), ..Neighbourhood::default() };
        let request = CreateNeighbourhoodRequest { neighbourhood: Some(neighbourhood), ..Default::default() };
        let founded: Neighbourhood = self.does(Who::Officer, FOUNDED, request).await.unwrap();
        self.office.place.borrow_mut().neighbourhood.clone_from(&founded.name);
        let compound = Compound { display_name: "二村".into(), neighbourhood: founded.name, ..Compound::default() };
        let request = CreateCompoundRequest { compound: Some(compound), ..Default::default() };
        let compound: Compound = self.does(Who::Director, FOUNDED, request).await.unwrap();
        self.office.place.borrow_mut().compound.clone_from(&compound.name);
        let request = AddGateRequest { compound: compound.name, display_name: "东门".into(), ..Default::default() };
        let compound: Compound = self.does(Who::Director, FOUNDED, request).await.unwrap();
        self.office.place.borrow_mut().gate.clone_from(&compound.gates[0].name);
        let request = DraftMethodRequest { version: "2020-02-09".into(), ..Default::default() };
        let method: Method = self.does(Who::Officer, FOUNDED, request).await.unwrap();
        let request = ApproveMethodRequest { name: method.name.clone(), ..Default::default() };
        self.does::<Method>(Who::Health, FOUNDED, request).await.unwrap();
        let request = PublishMethodRequest { name: method.name, ..Default::default() };
        self.does::<Method>(Who::Officer, FOUNDED, request).await.unwrap();
    }

    async fn lives(&self, number: usize, name: &str) {
        let life = self.registers(number, name).await;
        match self.pick(7) {
            0 => life.at_home().await,
            1 => life.back_from_the_key_area().await,
            2 => life.found_out_later().await,
            3 => life.forgetful().await,
            4 => life.in_contact().await,
            5 => life.in_dispute().await,
            _ => life.away_for_good().await,
        }
    }

    async fn registers(&self, number: usize, name: &str) -> Life<'_> {
        let household = Household {
            compound: self.office.place.borrow().compound.clone(),
            building: format!("{}幢", number + 1),
            unit: "1".into(),
            room: "101".into(),
            tenure: Tenure::Owned.into(),
            ..Household::default()
        };
        let request = CreateHouseholdRequest { household: Some(household), ..Default::default() };
        let household: Household = self.does(Who::Worker, REGISTERED, request).await.unwrap();
        let document = IdentityDocument { kind: identity_document::Kind::None.into(), number: String::new() };
        let phones = vec![format!("1390000000{number}")];
        let person = Person { full_name: name.into(), phones, document: Some(document) };
        let request = CreateResidentRequest { household: household.name, person: Some(person), ..Default::default() };
        let resident: Resident = self.does(Who::Worker, REGISTERED, request).await.unwrap();
        Life { desk: self, resident: resident.name }
    }
}

/// One person's.
struct Life<'a> {
    desk: &'a Desk,
    /// residents/{id}
    resident: String,
}

/// Seven ways that it can take.
impl Life<'_> {
    async fn at_home(&self) {
        self.screened(SCREENED, None, &[], &[HOME]).await;
        let Some(pass) = self.gets_a_pass(AFTERNOON).await else { return };
        self.crosses(AFTERNOON, Identity::Code(pass.code.clone())).await;
        let lost = SuspendPassRequest {
            resident: self.resident.clone(),
            reason: Reason::Lost.into(),
            evidence_ids: vec!["paper 1".into()],
            ..Default::default()
        };
        self.desk.tries(Who::Worker, AFTERNOON, lost).await.ok();
        self.crosses(AFTERNOON, Identity::Code(pass.code)).await;
        if self.desk.chance(50) {
            let found = ReinstatePassRequest { resident: self.resident.clone(), ..Default::default() };
            self.desk.tries(Who::Worker, EVENING, found).await.ok();
        } else {
            self.gets_a_pass(EVENING).await;
        }
    }

    async fn back_from_the_key_area(&self) {
        let declared: &[Stay] = if self.desk.chance(50) { &[KEY_AREA] } else { &[] };
        self.screened(SCREENED, None, declared, &[HOME, KEY_AREA]).await;
        self.is_isolated_and_released(None).await;
    }

    /// Has a pass when it comes out, and tries to cross all the same.
    async fn found_out_later(&self) {
        self.screened(SCREENED, None, &[], &[HOME]).await;
        let pass = self.gets_a_pass(AFTERNOON).await;
        let Some(case) = self.goes_again(EVENING).await else { return };
        self.screened(EVENING, Some(case), &[], &[HOME, KEY_AREA]).await;
        self.is_isolated_and_released(pass).await;
    }

    /// Is asked, and clear with the whole truth.
    async fn forgetful(&self) {
        self.screened(SCREENED, None, &[], &[HOME, ELSEWHERE]).await;
        let refused = IssuePassRequest { resident: self.resident.clone(), surname: "王".into(), ..Default::default() };
        self.desk.tries(Who::Worker, AFTERNOON, refused).await.ok();
        let Some(case) = self.goes_again(EVENING).await else { return };
        self.screened(EVENING, Some(case), &[("天台", ELSEWHERE.1, ELSEWHERE.2)], &[HOME, ELSEWHERE]).await;
        self.gets_a_pass(EVENING).await;
    }

    /// Isolated by two signatures, with a pass in the pocket.
    async fn in_contact(&self) {
        self.screened(SCREENED, None, &[], &[HOME]).await;
        let pass = self.gets_a_pass(AFTERNOON).await;
        let propose = || ProposeOrderRequest {
            resident: self.resident.clone(),
            kind: Kind::Home.into(),
            reason: Grounds::CloseContact.into(),
            evidence_ids: vec!["paper 2".into()],
            day_zero: KEY_AREA.2.into(),
            observed_from: "2020-02-11".into(),
            ..Default::default()
        };
        let proposed = self.until_done(async || self.desk.does(Who::Worker, AFTERNOON, propose()).await).await;
        let Some(Order { name, .. }) = proposed else { return };
        let approve = ApproveOrderRequest { name, ..Default::default() };
        self.desk.tries(Who::Health, AFTERNOON, approve).await.ok();
        self.is_isolated_and_released(pass).await;
    }

    /// Isolated for a visit that was none.
    async fn in_dispute(&self) {
        let Some(case) = self.screened(SCREENED, None, &[], &[HOME, KEY_AREA]).await else { return };
        if self.desk.chance(50) {
            self.order().await;
        }
        let dispute =
            DisputeCaseRequest { case: case.name.clone(), statement: "我没有去过".into(), ..Default::default() };
        self.desk.tries(Who::Worker, AFTERNOON, dispute).await.ok();
        let resolve = ResolveDisputeRequest {
            case: case.name,
            upheld: true,
            struck_visits: vec![1],
            proofs: vec![proto::screening::v1::Proof {
                kind: proto::screening::v1::ProofKind::Workplace.into(),
                description: "考勤记录".to_owned(),
            }],
            finding: "单位考勤证明".into(),
            ..Default::default()
        };
        self.desk.tries(Who::Health, EVENING, resolve).await.ok();
        self.gets_a_pass(EVENING).await;
    }

    async fn away_for_good(&self) {
        self.screened(SCREENED, None, &[], &[HOME]).await;
        let pass = self.gets_a_pass(AFTERNOON).await;
        let gone = MoveOutResidentRequest { name: self.resident.clone(), ..Default::default() };
        self.desk.tries(Who::Worker, EVENING, gone).await.ok();
        if let Some(pass) = pass {
            self.crosses(EVENING, Identity::Code(pass.code)).await;
        }
    }
}

/// What the ways are made of.
impl Life<'_> {
    /// Tries again what depends on other services' news, each time as a new intention.
    async fn until_done<A>(&self, mut doing: impl AsyncFnMut() -> Result<A, String>) -> Option<A> {
        self.desk.until(async || doing().await.ok()).await
    }

    async fn goes_again(&self, at: &'static str) -> Option<String> {
        let open =
            || OpenCaseRequest {
                resident: self.resident.clone(), occasion: "再次返回".into(), ..Default::default()
            };
        let opened = self.until_done(async || self.desk.does::<Case>(Who::Worker, at, open()).await).await;
        opened.map(|case| case.name)
    }

    /// On the case that opened with the registration, or on a further one.
    async fn screened(&self, at: &'static str, case: Option<String>, said: &[Stay], seen: &[Stay]) -> Option<Case> {
        let first = || format!("cases/{}", first_case_of(self.resident.trim_start_matches("residents/")));
        let case = case.unwrap_or_else(first);
        let stays = said.iter().map(|(place, from, to)| DeclaredStay {
            place: (*place).into(),
            from: (*from).into(),
            to: (*to).into(),
        });
        let declaration = Declaration { people: 1, stays: stays.collect(), ..Declaration::default() };
        let declare =
            || DeclareRequest { case: case.clone(), declaration: Some(declaration.clone()), ..Default::default() };
        self.until_done(async || self.desk.does::<Case>(Who::Worker, at, declare()).await).await?;
        let visits = seen.iter().map(|(place, first, last)| Visit {
            place: (*place).into(),
            first: (*first).into(),
            last: (*last).into(),
            hours: None,
        });
        let scan = RecordItineraryRequest {
            case,
            source: Source::Mobile.into(),
            phone: 1,
            window_from: "2020-01-01".into(),
            window_to: "2020-02-10".into(),
            itinerary: Some(Itinerary { visits: visits.collect() }),
            ..Default::default()
        };
        self.desk.does(Who::Worker, at, scan).await.ok()
    }

    async fn gets_a_pass(&self, at: &'static str) -> Option<Pass> {
        let issue =
            || IssuePassRequest { resident: self.resident.clone(), surname: "王".into(), ..Default::default() };
        self.until_done(async || self.desk.does(Who::Worker, at, issue()).await).await
    }

    async fn crosses(&self, at: &'static str, identity: Identity) -> Option<Crossing> {
        let crossing = RecordCrossingRequest {
            gate: self.desk.office.place.borrow().gate.clone(),
            direction: Direction::Out.into(),
            temperature_decicelsius: 365,
            mask: true,
            identity: Some(identity),
            ..Default::default()
        };
        self.desk.does(Who::Guard, at, crossing).await.ok()
    }

    async fn holder(&self) -> Holder {
        let question = GetHolderRequest { name: self.resident.clone() };
        let get = async |by, request| PassServiceClient::new(by).get_holder(request).await;
        self.desk.ask("pass", Who::Worker, EVENING, question, get).await
    }

    async fn order(&self) -> Option<Order> {
        let question =
            ListOrdersRequest { parent: self.resident.clone(), state: State::InForce.into(), ..Default::default() };
        self.desk
            .until(async || {
                let list = async |by, request| IsolationServiceClient::new(by).list_orders(request).await;
                self.desk.ask("isolation", Who::Worker, EVENING, question.clone(), list).await.orders.pop()
            })
            .await
    }

    /// Tries to get out meanwhile, and gets a pass in the end.
    async fn is_isolated_and_released(&self, pass: Option<Pass>) {
        let Some(order) = self.order().await else { return };
        let barred = async || (!self.holder().await.bars.is_empty()).then_some(());
        self.desk.until(barred).await;
        let by_hand = Identity::Manual(Manual { resident: self.resident.clone(), reason: "手机没电".into() });
        let identity = pass.map_or(by_hand, |pass| Identity::Code(pass.code));
        self.crosses(EVENING, identity).await;
        let issue = IssuePassRequest { resident: self.resident.clone(), surname: "王".into(), ..Default::default() };
        self.desk.tries(Who::Worker, EVENING, issue).await.ok();
        let release = || ReleaseRequest { order: order.name.clone(), ..Default::default() };
        self.desk.tries(Who::Health, EVENING, release()).await.ok();
        let question = GetOrderRequest { name: order.name.clone() };
        let get = async |by, request| IsolationServiceClient::new(by).get_order(request).await;
        let due = self.desk.ask("isolation", Who::Worker, LAST_DAY, question, get).await;
        for slot in &due.missing {
            let Some((date, part)) = slot.split_once(' ') else { continue };
            let part = if part == "morning" { DayPart::Morning } else { DayPart::Evening };
            let reading = RecordObservationRequest {
                order: order.name.clone(),
                date: date.into(),
                day_part: part.into(),
                temperature_decicelsius: 365,
                ..Default::default()
            };
            self.desk.tries(Who::Worker, LAST_DAY, reading).await.ok();
        }
        if self.desk.chance(80) {
            self.desk.tries(Who::Health, LAST_DAY, release()).await.ok();
            self.gets_a_pass(LAST_DAY).await;
        }
    }
}
