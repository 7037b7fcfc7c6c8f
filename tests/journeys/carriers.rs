//! Three carriers are asked with the code that the person reads out. One that does not answer leaves the case open with what
//! is missing, and is asked again without a hand; nothing turns clear for lack of data; what phones and papers show is
//! evidence of its own kind.

use std::{path::Path, time::Duration};

use chassis::{
    client::{Connection, new_request_id},
    refusal::Spoken,
};
use mifeng::wiring::Plan;
use office::simulator::{Faults, Setup, Simulator, Stay};
use proto::{
    access::v1::Role,
    registry::v1::{
        CreateResidentRequest, IdentityDocument, Person, Resident, identity_document,
        registry_service_client::RegistryServiceClient,
    },
    screening::v1::{
        Attestation, Declaration, DeclareRequest, DeclaredStay, EvidenceKind, GetInquiryRequest, Inquiry, Itinerary,
        ListEvidenceRequest, ListWaitingNumbersRequest, NoData, NumberInquiry, Outcome, Page, RecordEvidenceRequest,
        RequestCodeRequest, ScanNumberRequest, Source, Ticket, Trouble, Verdict, Visit,
        carrier_service_client::CarrierServiceClient, number_inquiry::State, record_evidence_request::Content,
        screening_service_client::ScreeningServiceClient, ticket::Mode,
    },
};
use screening::carriers::config::Config;
use tempfile::TempDir;
use tests::{House, time, village::Village};
use tonic::Status;

const MOBILE: &str = "13800001234";
const UNICOM: &str = "18600001234";
const TELECOM: &str = "18900001234";

struct Street {
    house: House,
    village: Village,
    carriers: Simulator,
}

impl Street {
    async fn open() -> Self {
        Self::where_codes_hold(Duration::from_mins(30)).await
    }

    async fn where_codes_hold(holds: Duration) -> Self {
        let setup = Setup {
            listen: ([127, 0, 0, 1], 0).into(),
            seed: 1,
            today: "2020-02-11".parse().unwrap(),
            holds,
            faults: Faults::default(),
            tell: false,
        };
        let carriers = Simulator::start(setup).await.unwrap();
        let house = House::planned(TempDir::new().unwrap(), asking(&carriers)).await;
        let village = Village::found(&house, "330212002001").await;
        village.publish_method(&house).await;
        Self { house, village, carriers }
    }

    async fn restarted(self) -> Self {
        let Self { house, village, carriers } = self;
        let house = house.restarted_as(asking(&carriers)).await;
        Self { house, village, carriers }
    }

    /// Without a time of their own: carriers are asked by the clock on the wall.
    fn worker(&self) -> Connection {
        self.village.worker(&self.house)
    }

    fn carriers(&self) -> CarrierServiceClient<Connection> {
        CarrierServiceClient::new(self.worker())
    }

    /// Somebody with these numbers who says where they have been; the name of their case.
    async fn declared(&self, building: &str, phones: &[&str], said: &[(&str, &str, &str)]) -> String {
        let household = self.village.household(&self.house, building).await;
        let document = IdentityDocument { kind: identity_document::Kind::None.into(), number: String::new() };
        let person = Person {
            full_name: "王某".into(),
            phones: phones.iter().map(|phone| (*phone).into()).collect(),
            document: Some(document),
        };
        let create = CreateResidentRequest { request_id: new_request_id(), household, person: Some(person) };
        let resident: Resident =
            RegistryServiceClient::new(self.worker()).create_resident(create).await.unwrap().into_inner();
        self.house.settled().await;
        let case = self.village.case_of(&self.house, &resident).await;
        let stay = |(place, from, to): &(&str, &str, &str)| DeclaredStay {
            place: (*place).into(),
            from: (*from).into(),
            to: (*to).into(),
        };
        let declaration = Declaration { people: 1, stays: said.iter().map(stay).collect(), ..Declaration::default() };
        let declare =
            DeclareRequest { request_id: new_request_id(), case: case.clone(), declaration: Some(declaration) };
        ScreeningServiceClient::new(self.worker()).declare(declare).await.unwrap();
        case
    }

    async fn code(&self, case: &str, phone: i32, number: &str, source: Source) -> Result<Inquiry, Status> {
        let request = RequestCodeRequest {
            request_id: new_request_id(),
            case: case.into(),
            phone,
            number: number.into(),
            source: source.into(),
        };
        self.carriers().request_code(request).await.map(tonic::Response::into_inner)
    }

    async fn read_out(&self, case: &str, phone: i32, source: Source, code: &str) -> Result<Inquiry, Status> {
        let request = ScanNumberRequest {
            request_id: new_request_id(),
            case: case.into(),
            phone,
            source: source.into(),
            code: code.into(),
        };
        self.carriers().scan_number(request).await.map(tonic::Response::into_inner)
    }

    /// The whole way, with the code that came on the phone.
    async fn scan(&self, case: &str, phone: i32, number: &str, source: Source) -> Inquiry {
        let asked = self.code(case, phone, number, source).await.unwrap();
        assert_eq!(number_of(&asked, phone).state(), State::CodeSent);
        let code = self.carriers.code_of(number).unwrap();
        self.read_out(case, phone, source, &code).await.unwrap()
    }

    async fn inquiry(&self, case: &str) -> Inquiry {
        self.carriers().get_inquiry(GetInquiryRequest { case: case.into() }).await.unwrap().into_inner()
    }

    /// Waits until the service has come by what it asks of an inquiry, without a hand.
    async fn until(&self, case: &str, wanted: impl Fn(&Inquiry) -> bool) -> Inquiry {
        let mut last = self.inquiry(case).await;
        for _ in 0..600 {
            if wanted(&last) {
                return last;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            last = self.inquiry(case).await;
        }
        panic!("nothing came of it: {last:?}");
    }

    async fn waiting(&self) -> Vec<NumberInquiry> {
        self.house.settled().await;
        let list = self.carriers().list_waiting_numbers(ListWaitingNumbersRequest::default()).await;
        list.unwrap().into_inner().numbers
    }

    async fn enter(&self, case: &str, kind: EvidenceKind, content: Content) -> Result<Option<Verdict>, Status> {
        let request = RecordEvidenceRequest {
            request_id: new_request_id(),
            case: case.into(),
            kind: kind.into(),
            content: Some(content),
        };
        self.carriers().record_evidence(request).await.map(|answer| answer.into_inner().verdict)
    }
}

/// A house that asks these carriers, soon again where they do not answer.
fn asking(carriers: &Simulator) -> impl Fn(&Path) -> Plan {
    let carriers = Config {
        simulator: Some(carriers.address().to_owned()),
        patience: Some(Duration::from_secs(2)),
        retry: Some(Duration::from_millis(100)),
        ..Config::default()
    };
    move |data| Plan { carriers: carriers.clone(), ..tests::plan(data) }
}

fn stay(place: &str, first: &str, last: &str) -> Stay {
    Stay { place: place.into(), first: first.parse().unwrap(), last: last.parse().unwrap(), hours: 24 }
}

fn at_home() -> Vec<Stay> {
    vec![stay("宁波", "2020-01-01", "2020-02-11")]
}

fn number_of(inquiry: &Inquiry, phone: i32) -> &NumberInquiry {
    inquiry.numbers.iter().find(|number| number.phone == phone).unwrap()
}

fn outcome(inquiry: &Inquiry) -> Option<Outcome> {
    inquiry.case.as_ref().unwrap().verdict.as_ref().map(Verdict::outcome)
}

fn reason(refused: &Status) -> String {
    Spoken::from(refused).reason
}

fn ticket(from: &str, day: &str) -> Content {
    Content::Ticket(Ticket {
        mode: Mode::Train.into(),
        from: from.into(),
        to: "宁波".into(),
        day: day.into(),
        number: "G590".into(),
        ..Ticket::default()
    })
}

fn down(source: Source) -> Faults {
    Faults { down: vec![source], ..Faults::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_carrier_is_asked_in_its_own_form_and_says_the_same_in_the_end() {
    let street = Street::open().await;
    let sources = [(MOBILE, Source::Mobile), (UNICOM, Source::Unicom), (TELECOM, Source::Telecom)];
    for (building, (number, source)) in (1..).zip(sources) {
        let seen = [stay("宁波", "2020-01-01", "2020-01-30"), stay("武汉", "2020-01-30", "2020-02-01")];
        street.carriers.was(number, [&seen[..], &[stay("宁波", "2020-02-01", "2020-02-11")]].concat());
        let case = street.declared(&format!("{building}幢"), &[number], &[]).await;
        let scanned = street.scan(&case, 1, number, source).await;
        assert_eq!(outcome(&scanned), Some(Outcome::ConcealedKeyArea), "{source:?}");
        let verdict = scanned.case.as_ref().unwrap().verdict.clone().unwrap();
        assert_eq!(verdict.last_exposure, "2020-02-01", "{source:?}");
        assert_eq!(number_of(&scanned, 1).state(), State::Scanned);
        let evidence = ListEvidenceRequest { case: case.clone() };
        let evidence = street.carriers().list_evidence(evidence).await.unwrap().into_inner().evidence.remove(0);
        assert_eq!((evidence.kind(), evidence.by.as_str()), (EvidenceKind::Carrier, "staff/worker"));
        let window = match source {
            Source::Mobile => ("2020-01-01", "2020-02-11"),
            Source::Unicom => ("2020-01-12", "2020-02-10"),
            _ => ("2020-01-27", "2020-02-10"),
        };
        assert_eq!((evidence.window_from.as_str(), evidence.window_to.as_str()), window, "R1: what the source says");
    }
    assert!(street.waiting().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_carrier_that_is_down_leaves_the_case_open_with_what_is_missing_and_is_asked_again_without_a_hand() {
    let street = Street::open().await;
    street.carriers.was(MOBILE, at_home());
    let case = street.declared("1幢", &[MOBILE], &[]).await;
    street.code(&case, 1, MOBILE, Source::Mobile).await.unwrap();
    let code = street.carriers.code_of(MOBILE).unwrap();
    street.carriers.suffer(down(Source::Mobile));
    let waits = street.read_out(&case, 1, Source::Mobile, &code).await.unwrap();
    let number = number_of(&waits, 1);
    assert_eq!((number.state(), number.trouble()), (State::Waiting, Trouble::Unreachable));
    assert!(number.next_try_time.is_some() && number.permission_end_time.is_some());
    assert_eq!(outcome(&waits), None, "nothing turns clear for lack of data");
    let again = street.until(&case, |inquiry| number_of(inquiry, 1).tries >= 2).await;
    assert_eq!((outcome(&again), number_of(&again, 1).state()), (None, State::Waiting));
    let listed = street.waiting().await;
    assert_eq!((listed.len(), listed[0].case.as_str(), listed[0].trouble()), (1, case.as_str(), Trouble::Unreachable));

    let street = street.restarted().await;
    let before = number_of(&street.inquiry(&case).await, 1).tries;
    street.until(&case, |inquiry| number_of(inquiry, 1).tries > before).await;
    street.carriers.suffer(Faults::default());
    let done = street.until(&case, |inquiry| outcome(inquiry).is_some()).await;
    assert_eq!((outcome(&done), number_of(&done, 1).state()), (Some(Outcome::Clear), State::Scanned));
    assert!(street.waiting().await.is_empty());
    let evidence = street.carriers().list_evidence(ListEvidenceRequest { case }).await.unwrap().into_inner().evidence;
    assert_eq!((evidence.len(), evidence[0].by.as_str()), (1, "staff/worker"), "who asked the person, not who retried");
}

#[tokio::test(flavor = "multi_thread")]
async fn once_the_code_is_over_the_worker_is_told_to_ask_the_person_again() {
    let street = Street::where_codes_hold(Duration::from_secs(2)).await;
    let case = street.declared("1幢", &[MOBILE], &[]).await;
    street.code(&case, 1, MOBILE, Source::Mobile).await.unwrap();
    let code = street.carriers.code_of(MOBILE).unwrap();
    street.carriers.suffer(down(Source::Mobile));
    street.read_out(&case, 1, Source::Mobile, &code).await.unwrap();
    let over = street.until(&case, |inquiry| number_of(inquiry, 1).state() == State::AskAgain).await;
    assert_eq!((outcome(&over), number_of(&over, 1).trouble()), (None, Trouble::Unreachable));
    let mut listed = street.waiting().await;
    while listed[0].state() != State::AskAgain {
        tokio::time::sleep(Duration::from_millis(50)).await;
        listed = street.waiting().await;
    }
    let late = street.read_out(&case, 1, Source::Mobile, &code).await.unwrap_err();
    assert!(["NO_CODE", "CODE_EXPIRED"].contains(&&*reason(&late)), "{late}");
    let refused = street.code(&case, 1, MOBILE, Source::Mobile).await.unwrap();
    assert_eq!(number_of(&refused, 1).state(), State::AskAgain, "a carrier that is down sends no code");
    street.carriers.suffer(Faults::default());
    street.carriers.was(MOBILE, at_home());
    assert_eq!(outcome(&street.scan(&case, 1, MOBILE, Source::Mobile).await), Some(Outcome::Clear));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_carrier_is_waited_for_no_longer_than_agreed() {
    let street = Street::open().await;
    street.carriers.was(UNICOM, at_home());
    let case = street.declared("1幢", &[UNICOM], &[]).await;
    street.code(&case, 1, UNICOM, Source::Unicom).await.unwrap();
    let code = street.carriers.code_of(UNICOM).unwrap();
    street.carriers.suffer(Faults { slow: Duration::from_mins(1), ..Faults::default() });
    let waits = street.read_out(&case, 1, Source::Unicom, &code).await.unwrap();
    assert_eq!((outcome(&waits), number_of(&waits, 1).trouble()), (None, Trouble::Slow));
    street.carriers.suffer(Faults::default());
    let done = street.until(&case, |inquiry| outcome(inquiry).is_some()).await;
    assert_eq!(outcome(&done), Some(Outcome::Clear));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_code_is_refused_and_the_right_one_still_does() {
    let street = Street::open().await;
    street.carriers.was(MOBILE, at_home());
    let case = street.declared("1幢", &[MOBILE], &[]).await;
    let early = street.read_out(&case, 1, Source::Mobile, "123456").await.unwrap_err();
    assert_eq!(reason(&early), "NO_CODE");
    street.code(&case, 1, MOBILE, Source::Mobile).await.unwrap();
    let code = street.carriers.code_of(MOBILE).unwrap();
    let other = if code == "123456" { "654321" } else { "123456" };
    assert_eq!(reason(&street.read_out(&case, 1, Source::Mobile, other).await.unwrap_err()), "CODE_WRONG");
    let misread = street.read_out(&case, 1, Source::Mobile, "12ab").await.unwrap_err();
    assert_eq!(Spoken::from(&misread).fields[0].field, "code");
    let scanned = street.read_out(&case, 1, Source::Mobile, &code).await.unwrap();
    assert_eq!(outcome(&scanned), Some(Outcome::Clear));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_code_that_was_kept_while_the_carrier_was_down_is_found_once_and_the_person_asked() {
    let street = Street::open().await;
    let case = street.declared("1幢", &[MOBILE], &[]).await;
    street.code(&case, 1, MOBILE, Source::Mobile).await.unwrap();
    let code = street.carriers.code_of(MOBILE).unwrap();
    street.carriers.suffer(down(Source::Mobile));
    let other = if code == "123456" { "654321" } else { "123456" };
    street.read_out(&case, 1, Source::Mobile, other).await.unwrap();
    street.carriers.suffer(Faults::default());
    let told = street.until(&case, |inquiry| number_of(inquiry, 1).state() == State::AskAgain).await;
    assert_eq!((outcome(&told), number_of(&told, 1).trouble()), (None, Trouble::Unspecified));
    assert_eq!(street.carriers.questions(), 1, "nobody guesses on");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_numbers_on_the_persons_own_record_are_asked_about() {
    let street = Street::open().await;
    let case = street.declared("1幢", &[MOBILE, UNICOM], &[]).await;
    street.declared("2幢", &["13900009999"], &[]).await;
    for strange in ["13900009999", "13700000000"] {
        let refused = street.code(&case, 1, strange, Source::Mobile).await.unwrap_err();
        assert_eq!(reason(&refused), "NUMBER_NOT_ON_RECORD", "a clean phone of somebody else does not do");
        assert!(!refused.message().contains(strange));
    }
    street.carriers.was(MOBILE, at_home());
    street.scan(&case, 1, MOBILE, Source::Mobile).await;
    let twice = street.code(&case, 2, MOBILE, Source::Mobile).await.unwrap_err();
    assert_eq!(reason(&twice), "NUMBER_TAKEN", "R5: each number is another one");
    let elsewhere = street.code(&case, 2, UNICOM, Source::Telecom).await.unwrap();
    let number = number_of(&elsewhere, 2);
    assert_eq!((number.state(), number.no_data()), (State::AskAgain, NoData::UnknownNumber));
    let stranger = street.house.local("staff/stranger", Role::Worker, "neighbourhoods/elsewhere");
    let request = GetInquiryRequest { case };
    let missing = CarrierServiceClient::new(stranger).get_inquiry(request).await.unwrap_err();
    assert_eq!(reason(&missing), "NOT_FOUND");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_numbers_make_two_scans_and_the_verdict_comes_with_the_second() {
    let street = Street::open().await;
    street.carriers.was(MOBILE, at_home());
    street.carriers.was(TELECOM, at_home());
    let case = street.declared("1幢", &[MOBILE, TELECOM], &[]).await;
    let first = street.scan(&case, 2, TELECOM, Source::Telecom).await;
    assert_eq!(outcome(&first), None, "R5: a number that nobody scanned keeps the case open");
    assert_eq!((number_of(&first, 1).state(), number_of(&first, 2).state()), (State::NotAsked, State::Scanned));
    assert_eq!(outcome(&street.scan(&case, 1, MOBILE, Source::Mobile).await), Some(Outcome::Clear));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_carrier_without_data_makes_nobody_clear() {
    let street = Street::open().await;
    street.carriers.was(MOBILE, at_home());
    street.carriers.suffer(Faults { no_data: 1.0, ..Faults::default() });
    let case = street.declared("1幢", &[MOBILE], &[]).await;
    let scanned = street.scan(&case, 1, MOBILE, Source::Mobile).await;
    assert_eq!(outcome(&scanned), Some(Outcome::InsufficientEvidence));
    let number = number_of(&scanned, 1);
    assert_eq!(number.state(), State::NoData);
    assert_ne!(number.no_data(), NoData::Unspecified, "and the worker sees why");
    street.carriers.suffer(Faults::default());
    assert_eq!(outcome(&street.scan(&case, 1, MOBILE, Source::Mobile).await), Some(Outcome::Clear));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_proves_a_key_area_and_its_last_day_and_scans_no_number() {
    let street = Street::open().await;
    street.carriers.was(MOBILE, vec![stay("宁波", "2020-01-25", "2020-02-11")]);
    let case = street.declared("1幢", &[MOBILE], &[]).await;
    let none = street.enter(&case, EvidenceKind::Ticket, ticket("武汉", "2020-01-24")).await.unwrap();
    assert!(none.is_none(), "a paper closes nothing");
    let scanned = street.scan(&case, 1, MOBILE, Source::Mobile).await;
    assert_eq!(outcome(&scanned), Some(Outcome::ConcealedKeyArea));
    assert_eq!(scanned.case.unwrap().verdict.unwrap().last_exposure, "2020-01-24", "R10: day 0 is proven");
    let late = street.enter(&case, EvidenceKind::Ticket, ticket("武汉", "2020-01-26")).await.unwrap().unwrap();
    assert_eq!(late.last_exposure, "2020-01-26", "new proof recomputes, also after the verdict");
    let evidence = street.carriers().list_evidence(ListEvidenceRequest { case }).await.unwrap().into_inner().evidence;
    let kinds: Vec<EvidenceKind> = evidence.iter().map(proto::screening::v1::Evidence::kind).collect();
    assert_eq!(kinds, [EvidenceKind::Ticket, EvidenceKind::Carrier, EvidenceKind::Ticket]);
    assert!(evidence.iter().all(|evidence| evidence.by == "staff/worker"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_phone_shows_is_a_scan_and_a_proof_only_supports() {
    let street = Street::open().await;
    let case = street.declared("1幢", &[MOBILE], &[("上海", "2020-01-30", "2020-02-01")]).await;
    let proof = |issuer: &str| {
        Content::Proof(Attestation {
            place: "上海".into(),
            from: "2020-01-30".into(),
            to: "2020-02-01".into(),
            issuer: issuer.into(),
        })
    };
    let page = Content::Page(Page {
        source: Source::Mobile.into(),
        phone: 1,
        window_from: "2020-01-28".into(),
        window_to: "2020-02-10".into(),
        itinerary: Some(Itinerary {
            visits: vec![Visit {
                place: "宁波".into(),
                first: "2020-01-28".into(),
                last: "2020-02-10".into(),
                hours: None,
            }],
        }),
    });
    let wrong = street.enter(&case, EvidenceKind::Ticket, proof("某公司")).await.unwrap_err();
    assert_eq!(Spoken::from(&wrong).fields[0].field, "kind");
    let over = street.enter(&case, EvidenceKind::NationalCard, page).await.unwrap().unwrap();
    assert_eq!(over.outcome(), Outcome::OverDeclared);
    assert_eq!(number_of(&street.inquiry(&case).await, 1).state(), State::Scanned);
    let clear = street.enter(&case, EvidenceKind::Workplace, proof("某公司")).await.unwrap().unwrap();
    assert_eq!(clear.outcome(), Outcome::Clear, "every number is scanned, and the stay is proven");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_workers_at_once_on_one_case_leave_one_piece_of_evidence() {
    let street = Street::open().await;
    street.carriers.was(MOBILE, at_home());
    let case = street.declared("1幢", &[MOBILE, UNICOM], &[]).await;
    street.code(&case, 1, MOBILE, Source::Mobile).await.unwrap();
    let code = street.carriers.code_of(MOBILE).unwrap();
    let other = street.house.local("staff/other", Role::Worker, &street.village.neighbourhood);
    let request = |connection| {
        let request = ScanNumberRequest {
            request_id: new_request_id(),
            case: case.clone(),
            phone: 1,
            source: Source::Mobile.into(),
            code: code.clone(),
        };
        async move { CarrierServiceClient::new(connection).scan_number(request).await }
    };
    let both = futures::future::join_all([request(street.worker()), request(other)]).await;
    assert!(both.iter().any(Result::is_ok), "{both:?}");
    for refused in both.iter().filter_map(|answer| answer.as_ref().err()) {
        assert!(["CONTENDED", "NO_CODE"].contains(&&*reason(refused)), "{refused}");
    }
    let open = street.inquiry(&case).await;
    let states = (number_of(&open, 1).state(), number_of(&open, 2).state());
    assert_eq!((outcome(&open), states), (None, (State::Scanned, State::NotAsked)), "the other number keeps it open");
    let list = ListEvidenceRequest { case };
    assert_eq!(street.carriers().list_evidence(list).await.unwrap().into_inner().evidence.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_asks_the_carrier_once() {
    let street = Street::open().await;
    street.carriers.was(MOBILE, at_home());
    let case = street.declared("1幢", &[MOBILE], &[]).await;
    street.code(&case, 1, MOBILE, Source::Mobile).await.unwrap();
    let code = street.carriers.code_of(MOBILE).unwrap();
    let request = ScanNumberRequest {
        request_id: new_request_id(),
        case: case.clone(),
        phone: 1,
        source: Source::Mobile.into(),
        code,
    };
    let first = street.carriers().scan_number(request.clone()).await.unwrap().into_inner();
    let again = street.carriers().scan_number(request).await.unwrap().into_inner();
    assert_eq!((outcome(&first), outcome(&again)), (Some(Outcome::Clear), Some(Outcome::Clear)));
    assert_eq!(street.carriers.questions(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_and_codes_stand_nowhere_in_clear() {
    let street = Street::open().await;
    let case = street.declared("1幢", &[MOBILE], &[]).await;
    street.code(&case, 1, MOBILE, Source::Mobile).await.unwrap();
    let code = street.carriers.code_of(MOBILE).unwrap();
    street.carriers.suffer(down(Source::Mobile));
    street.read_out(&case, 1, Source::Mobile, &code).await.unwrap();
    let (place, issuer) = ("大兴安岭", "漠河市北极村");
    let proof =
        Attestation { place: place.into(), from: "2020-01-20".into(), to: "2020-01-21".into(), issuer: issuer.into() };
    street.enter(&case, EvidenceKind::Lodging, Content::Proof(proof)).await.unwrap();
    street.house.settled().await;
    let mut files = 0;
    crate::privacy::search(street.house.folder(), &[MOBILE, place, issuer, &format!("\"{code}\"")], &mut files);
    assert!(files > 10, "{files} files were searched");
    let metrics = street.house.page("/metrics").await;
    assert!(!metrics.contains(MOBILE) && !metrics.contains(place));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_endpoint_the_worker_hears_what_to_do() {
    let house = House::new().await;
    let village = Village::found(&house, "330212002001").await;
    village.publish_method(&house).await;
    let resident = village.resident(&house, "1幢", "王某", MOBILE).await;
    house.settled().await;
    let case = village.case_of(&house, &resident).await;
    let worker = village.worker(&house);
    let declaration = Some(Declaration { people: 1, ..Declaration::default() });
    let declare = DeclareRequest { request_id: new_request_id(), case: case.clone(), declaration };
    ScreeningServiceClient::new(worker.at(time("2020-02-11T09:00:00+08:00"))).declare(declare).await.unwrap();
    let request = RequestCodeRequest {
        request_id: new_request_id(),
        case,
        phone: 1,
        number: MOBILE.into(),
        source: Source::Mobile.into(),
    };
    let refused = CarrierServiceClient::new(worker).request_code(request).await.unwrap_err();
    assert_eq!(reason(&refused), "NOT_CONFIGURED");
    assert!(refused.message().contains("--carrier"), "{refused}");
}
