//! 2,000 斤 of corn from nobody knows whom reach doors: an order opens standing needs, a volunteer who is cleared takes one, what
//! goes to a door leaves the stock, the person says that it came. And what nobody takes goes up from instance to instance.

use chassis::{
    client::{Connection, new_request_id},
    refusal::Spoken,
};
use proto::{
    access::v1::Role,
    isolation::v1::{
        AskForHelpRequest, ClaimNeedRequest, CompleteNeedRequest, ConfirmNeedRequest, DonateRequest,
        GetNeedPlanRequest, Giver, HandOverRequest, IssueSuppliesRequest, ListEscalationsRequest, ListNeedsRequest,
        ListOrdersRequest, ListShortagesRequest, ListStockRequest, ListThanksRequest, Need, NeedAlarm, NeedAsker,
        NeedInstance, NeedKind, NeedPriority, Quantity, SetNeedPlanRequest, StandingNeed, SuggestVolunteersRequest,
        Unit, isolation_service_client::IsolationServiceClient, need::State, need_service_client::NeedServiceClient,
        stock_service_client::StockServiceClient,
    },
    registry::v1::{
        Availability, Clearance, EnrolVolunteerRequest, ListVolunteersRequest, Resident, ThankVolunteerRequest,
        VolunteerProfile, VolunteerSkill, volunteer_service_client::VolunteerServiceClient,
    },
};
use tests::{House, time, village::Village};
use tonic::Status;

/// Health, and who gave: neither may lie in clear anywhere.
const NOTE: &str = "氨氯地平两盒，老人不识字";
const GIVER: &str = "隐名的陈阿婆";

fn quantity(number: &str, unit: Unit) -> Quantity {
    Quantity { number: number.into(), unit: unit.into() }
}

fn reason<T>(answer: Result<T, Status>) -> String {
    answer.err().map(|status| Spoken::from(&status).reason).unwrap_or_default()
}

struct Street {
    house: House,
    village: Village,
    isolated: Resident,
    helper: Resident,
}

impl Street {
    /// One is isolated from the evening of the 11th, one is clear and helps.
    async fn begin() -> Self {
        let house = House::new().await;
        let village = Village::found(&house, "330212002001").await;
        village.publish_method(&house).await;
        let isolated = village.resident(&house, "1幢", "王小明", "13900000001").await;
        let helper = village.resident(&house, "2幢", "李大海", "13900000002").await;
        house.settled().await;
        Self { house, village, isolated, helper }
    }

    fn worker(&self, at: &str) -> Connection {
        self.village.worker(&self.house).at(time(at))
    }

    fn colleague(&self, at: &str) -> Connection {
        self.house.local("staff/colleague", Role::Worker, &self.village.neighbourhood).at(time(at))
    }

    fn director(&self, at: &str) -> Connection {
        self.house.local("staff/director", Role::Director, &self.village.neighbourhood).at(time(at))
    }

    async fn needs(&self, at: &str) -> Vec<Need> {
        let list = ListNeedsRequest { parent: self.isolated.name.clone(), ..ListNeedsRequest::default() };
        NeedServiceClient::new(self.worker(at)).list_needs(list).await.unwrap().into_inner().needs
    }

    async fn escalations(&self, at: &str, instance: NeedInstance) -> Vec<Need> {
        let list = ListEscalationsRequest { instance: instance.into(), ..ListEscalationsRequest::default() };
        NeedServiceClient::new(self.director(at)).list_escalations(list).await.unwrap().into_inner().needs
    }

    async fn claim(&self, at: &str, need: &str, responsible: &str) -> Result<Need, Status> {
        let request_id = new_request_id();
        let (need, responsible) = (need.to_owned(), responsible.to_owned());
        let claim = ClaimNeedRequest { request_id, need, responsible, take_over: false };
        Ok(NeedServiceClient::new(self.worker(at)).claim_need(claim).await?.into_inner())
    }

    async fn issue(&self, at: &str, number: &str, unit: Unit, need: &str) -> Result<Quantity, Status> {
        let issue = IssueSuppliesRequest {
            request_id: new_request_id(),
            place: self.village.compound.clone(),
            item: "玉米".into(),
            quantity: Some(quantity(number, unit)),
            need: need.into(),
            recipient: if need.is_empty() { "staff/worker".into() } else { String::new() },
        };
        Ok(StockServiceClient::new(self.worker(at)).issue_supplies(issue).await?.into_inner().left.unwrap())
    }

    async fn available(&self, at: &str) -> String {
        let mut stock = StockServiceClient::new(self.worker(at));
        let all = stock.list_stock(ListStockRequest::default()).await.unwrap().into_inner().stock;
        all.iter()
            .map(|line| {
                let available = line.available.clone().unwrap();
                format!("{} {} {:?}", line.item, available.number, available.unit())
            })
            .collect::<Vec<_>>()
            .join(", ")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_donation_of_corn_reaches_doors() {
    let street = Street::begin().await;
    let (house, village) = (&street.house, &street.village);
    let at = "2020-02-11T15:00:00+08:00";

    // Orders bring corn: every third day five 斤.
    let mut needs = NeedServiceClient::new(street.director(at));
    let asked = GetNeedPlanRequest { neighbourhood: village.neighbourhood.clone() };
    let mut plan = needs.get_need_plan(asked).await.unwrap().into_inner();
    let food = StandingNeed {
        kind: NeedKind::Food.into(),
        every_days: 3,
        within_hours: 12,
        item: "玉米".into(),
        quantity: Some(quantity("5", Unit::Jin)),
    };
    plan.standing[0] = food;
    needs.set_need_plan(SetNeedPlanRequest { request_id: new_request_id(), plan: Some(plan) }).await.unwrap();

    let mut stock = StockServiceClient::new(street.worker(at));
    let corn = DonateRequest {
        request_id: new_request_id(),
        place: village.compound.clone(),
        item: "玉米".into(),
        quantity: Some(quantity("2000", Unit::Jin)),
        ..DonateRequest::default()
    };
    let given = stock.donate(corn.clone()).await.unwrap().into_inner();
    assert_eq!(stock.donate(corn).await.unwrap().into_inner(), given, "said twice is one donation");
    let giver = |may_be_named| DonateRequest {
        request_id: new_request_id(),
        place: village.compound.clone(),
        item: "玉米".into(),
        quantity: Some(quantity("1.5", Unit::Kilogram)),
        giver: Some(Giver {
            full_name: if may_be_named { "热心的张师傅" } else { GIVER }.into(),
            phone: String::new(),
        }),
        may_be_named,
        ..DonateRequest::default()
    };
    stock.donate(giver(false)).await.unwrap();
    stock.donate(giver(true)).await.unwrap();
    assert_eq!(street.available(at).await, "玉米 1003 Kilogram", "斤 and kilograms are one stock");

    // The order opens what the plan says, and so the coming week is short of nothing yet.
    village.screened(house, &street.isolated, &[("武汉", "2020-01-20", "2020-02-08")]).await;
    house.settled().await;
    let open = street.needs(at).await;
    assert_eq!(open.len(), 4);
    let food = open.iter().find(|need| need.kind() == NeedKind::Food).unwrap().clone();
    assert_eq!((food.state(), food.item.as_str(), food.every_days), (State::Open, "玉米", 3));
    let shortages = stock.list_shortages(ListShortagesRequest { parent: village.compound.clone(), days: 7 }).await;
    let shortage = shortages.unwrap().into_inner().shortages.remove(0);
    assert_eq!(shortage.needed.unwrap().number, "7.5", "three turns of five 斤 within the week");
    assert_eq!(shortage.short.unwrap().number, "0");

    // Nobody is allowed to the door who is not cleared.
    let mut registry = VolunteerServiceClient::new(street.worker(at));
    let enrol = EnrolVolunteerRequest {
        request_id: new_request_id(),
        resident: street.helper.name.clone(),
        profile: Some(VolunteerProfile {
            skills: vec![VolunteerSkill::Carrying.into()],
            dialects: vec!["宁波话".into()],
            availability: vec![Availability { weekday: 0, from_minute: 480, to_minute: 1_200 }],
            ..VolunteerProfile::default()
        }),
    };
    let volunteer = registry.enrol_volunteer(enrol).await.unwrap().into_inner();
    assert_eq!(volunteer.masked_name, "李**");
    house.settled().await;
    let all = registry.list_volunteers(ListVolunteersRequest::default()).await.unwrap().into_inner().volunteers;
    assert_eq!((all.len(), all[0].clearance()), (1, Clearance::Unscreened));
    assert_eq!(reason(street.claim(at, &food.name, &volunteer.name).await), "NOT_CLEARED");
    assert_eq!(reason(street.claim(at, &food.name, "volunteers/nobody").await), "NOT_FOUND");
    village.screened(house, &street.helper, &[("宁波", "2020-01-01", "2020-02-10")]).await;
    house.settled().await;
    let suggest = SuggestVolunteersRequest { need: food.name.clone() };
    let suggested = needs.suggest_volunteers(suggest).await.unwrap().into_inner().suggestions;
    assert_eq!(suggested[0].volunteer, volunteer.name);
    assert!(suggested[0].reasons_en.contains(&"has a skill that it needs".to_owned()), "{:?}", suggested[0].reasons_en);

    // Taken, brought, and the person says so.
    let claimed = street.claim(at, &food.name, &volunteer.name).await.unwrap();
    assert_eq!((claimed.state(), claimed.responsible.as_str()), (State::Claimed, volunteer.name.as_str()));
    assert_eq!(reason(street.claim(at, &food.name, "staff/2").await), "NEED_TAKEN");
    let left = street.issue(at, "5", Unit::Jin, &food.name).await.unwrap();
    assert_eq!(left.number, "1000.5");
    let done = CompleteNeedRequest { request_id: new_request_id(), need: food.name.clone(), minutes: 40 };
    let evening = "2020-02-11T18:00:00+08:00";
    NeedServiceClient::new(street.worker(evening)).complete_need(done).await.unwrap();
    let confirm = ConfirmNeedRequest { request_id: new_request_id(), need: food.name.clone(), unmet: false };
    let mut colleague = NeedServiceClient::new(street.colleague(evening));
    let confirmed = colleague.confirm_need(confirm).await.unwrap().into_inner();
    assert_eq!((confirmed.state(), confirmed.times_met), (State::Open, 1), "it comes again in three days");

    // Two who give out the last of it at once: one is refused, and nothing is below nothing.
    let (first, second) = tokio::join!(
        street.issue(evening, "1000", Unit::Kilogram, ""),
        street.issue(evening, "1000", Unit::Kilogram, "")
    );
    let refused: Vec<String> = [first, second].into_iter().map(reason).filter(|reason| !reason.is_empty()).collect();
    assert_eq!(refused, ["STOCK_SHORT"]);
    house.settled().await;
    assert_eq!(street.available(evening).await, "玉米 500 Gram");
    let shortages = stock.list_shortages(ListShortagesRequest { parent: village.compound.clone(), days: 7 }).await;
    assert_eq!(shortages.unwrap().into_inner().shortages[0].short.clone().unwrap().number, "4.5");

    // Thanked: by name only who agreed.
    let thanks = stock.list_thanks(ListThanksRequest::default()).await.unwrap().into_inner().donations;
    let named: Vec<(&str, bool)> = thanks.iter().map(|line| (line.thanked.as_str(), line.unknown_giver)).collect();
    assert_eq!(named, [("热心的张师傅", false), ("", false), ("", true)]);
    let list = ListVolunteersRequest { cleared_only: true, ..ListVolunteersRequest::default() };
    let cleared = registry.list_volunteers(list).await.unwrap().into_inner().volunteers;
    assert_eq!((cleared.len(), cleared[0].minutes, cleared[0].times), (1, 40, 1));
    let letter = ThankVolunteerRequest { request_id: new_request_id(), volunteer: volunteer.name };
    let letter = registry.thank_volunteer(letter).await.unwrap().into_inner();
    assert_eq!((letter.full_name.as_str(), letter.minutes, letter.first_day.as_str()), ("李大海", 40, "2020-02-11"));
    crate::privacy::search(house.folder(), &[GIVER], &mut 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_takes_goes_up_and_nothing_is_asked_of_who_is_free_again() {
    let street = Street::begin().await;
    let at = "2020-02-11T15:00:00+08:00";
    let ask = AskForHelpRequest {
        request_id: new_request_id(),
        resident: street.helper.name.clone(),
        kind: NeedKind::Medicine.into(),
        priority: NeedPriority::Urgent.into(),
        asker: NeedAsker::Neighbour.into(),
        note: NOTE.into(),
        ..AskForHelpRequest::default()
    };
    let mut needs = NeedServiceClient::new(street.worker(at));
    let asked = needs.ask_for_help(ask.clone()).await.unwrap().into_inner();
    assert_eq!(asked.note, NOTE);
    assert_eq!(needs.ask_for_help(ask).await.unwrap().into_inner(), asked, "said twice is one need");

    street.house.settled().await;
    assert!(street.escalations(at, NeedInstance::Grid).await.is_empty());
    let later = street.escalations("2020-02-11T16:00:00+08:00", NeedInstance::Grid).await;
    assert_eq!(
        (later.len(), later[0].alarm(), later[0].instance()),
        (1, NeedAlarm::NobodyResponsible, NeedInstance::Grid)
    );
    assert!(street.escalations("2020-02-11T16:00:00+08:00", NeedInstance::Neighbourhood).await.is_empty());
    let night = street.escalations("2020-02-12T04:00:00+08:00", NeedInstance::Subdistrict).await;
    assert_eq!((night.len(), night[0].instance()), (1, NeedInstance::Subdistrict));

    // Whoever sees the whole subdistrict sees the alarm and not the illness; another neighbourhood sees nothing.
    let officer = street.house.central("staff/officer", Role::Officer, "subdistrict");
    let mut officer = NeedServiceClient::new(officer.at(time("2020-02-12T04:00:00+08:00")));
    let seen = officer.list_escalations(ListEscalationsRequest::default()).await.unwrap().into_inner().needs;
    assert_eq!((seen.len(), seen[0].note.as_str()), (1, ""));
    let there = Village::found(&street.house, "330212002002").await;
    let stranger = street.house.local("staff/stranger", Role::Director, &there.neighbourhood);
    let mut stranger = NeedServiceClient::new(stranger.at(time("2020-02-12T04:00:00+08:00")));
    assert!(stranger.list_escalations(ListEscalationsRequest::default()).await.unwrap().into_inner().needs.is_empty());
    let request_id = new_request_id();
    let claim = ClaimNeedRequest { request_id, need: asked.name.clone(), responsible: String::new(), take_over: false };
    assert_eq!(reason(stranger.claim_need(claim).await), "NOT_FOUND");

    // What an order opened ends when the health team has taken the person over.
    street.village.screened(&street.house, &street.isolated, &[("武汉", "2020-01-20", "2020-02-08")]).await;
    street.house.settled().await;
    assert_eq!(street.needs(at).await.len(), 4);
    let list = ListOrdersRequest { parent: street.isolated.name.clone(), ..ListOrdersRequest::default() };
    let mut isolation = IsolationServiceClient::new(street.worker("2020-02-11T22:00:00+08:00"));
    let order = isolation.list_orders(list).await.unwrap().into_inner().orders.remove(0);
    let hand_over = HandOverRequest {
        request_id: new_request_id(),
        order: order.name,
        receiver: "区疾控".into(),
        vehicle: "浙B12345".into(),
        receipt: "8".into(),
        ..HandOverRequest::default()
    };
    isolation.hand_over(hand_over).await.unwrap();
    street.house.settled().await;
    assert!(street.needs(at).await.is_empty());
    crate::privacy::search(street.house.folder(), &[NOTE], &mut 0);
}
