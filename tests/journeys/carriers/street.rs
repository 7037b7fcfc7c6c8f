//! Three simulated carriers, and a neighbourhood whose people are asked about.

use std::{path::Path, time::Duration};

use chassis::{
    client::{Connection, new_request_id},
    refusal::Spoken,
};
use mifeng::wiring::Plan;
use office::carriers::{Faults, Setup, Simulator, Stay};
use proto::{
    registry::v1::{
        CreateResidentRequest, IdentityDocument, Person, Resident, identity_document,
        registry_service_client::RegistryServiceClient,
    },
    screening::v1::{
        Declaration, DeclareRequest, DeclaredStay, EvidenceKind, GetInquiryRequest, Inquiry, ListWaitingNumbersRequest,
        NumberInquiry, Outcome, RecordEvidenceRequest, RequestCodeRequest, ScanNumberRequest, Source, Ticket, Verdict,
        carrier_service_client::CarrierServiceClient, number_inquiry::State, record_evidence_request::Content,
        screening_service_client::ScreeningServiceClient, ticket::Mode,
    },
};
use screening::carriers::config::Config;
use tempfile::TempDir;
use tests::{House, once, village::Village};
use tonic::Status;

pub(super) const MOBILE: &str = "13800001234";
pub(super) const UNICOM: &str = "18600001234";
pub(super) const TELECOM: &str = "18900001234";

pub(super) struct Street {
    pub(super) house: House,
    pub(super) village: Village,
    pub(super) carriers: Simulator,
}

impl Street {
    pub(super) async fn open() -> Self {
        Self::where_codes_hold(Duration::from_mins(30)).await
    }

    pub(super) async fn where_codes_hold(holds: Duration) -> Self {
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

    pub(super) async fn restarted(self) -> Self {
        let Self { house, village, carriers } = self;
        let house = house.restarted_as(asking(&carriers)).await;
        Self { house, village, carriers }
    }

    /// Without a time of their own: carriers are asked by the clock on the wall.
    pub(super) fn worker(&self) -> Connection {
        self.village.worker(&self.house)
    }

    pub(super) fn carriers(&self) -> CarrierServiceClient<Connection> {
        CarrierServiceClient::new(self.worker())
    }

    /// Somebody with these numbers who says where they have been; the name of their case.
    pub(super) async fn declared(&self, building: &str, phones: &[&str], said: &[(&str, &str, &str)]) -> String {
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

    pub(super) async fn code(&self, case: &str, phone: i32, number: &str, source: Source) -> Result<Inquiry, Status> {
        let request = RequestCodeRequest {
            request_id: new_request_id(),
            case: case.into(),
            phone,
            number: number.into(),
            source: source.into(),
        };
        self.carriers().request_code(request).await.map(tonic::Response::into_inner)
    }

    pub(super) async fn read_out(&self, case: &str, phone: i32, source: Source, code: &str) -> Result<Inquiry, Status> {
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
    pub(super) async fn scan(&self, case: &str, phone: i32, number: &str, source: Source) -> Inquiry {
        let asked = self.code(case, phone, number, source).await.unwrap();
        assert_eq!(number_of(&asked, phone).state(), State::CodeSent);
        let code = self.carriers.code_of(number).unwrap();
        self.read_out(case, phone, source, &code).await.unwrap()
    }

    pub(super) async fn inquiry(&self, case: &str) -> Inquiry {
        self.carriers().get_inquiry(GetInquiryRequest { case: case.into() }).await.unwrap().into_inner()
    }

    /// Waits until the service has come by what it asks of an inquiry, without a hand.
    pub(super) async fn until(&self, case: &str, wanted: impl Fn(&Inquiry) -> bool) -> Inquiry {
        once("nothing came of it", async || Some(self.inquiry(case).await).filter(&wanted)).await
    }

    pub(super) async fn waiting(&self) -> Vec<NumberInquiry> {
        self.house.settled().await;
        let list = self.carriers().list_waiting_numbers(ListWaitingNumbersRequest::default()).await;
        list.unwrap().into_inner().numbers
    }

    pub(super) async fn enter(
        &self,
        case: &str,
        kind: EvidenceKind,
        content: Content,
    ) -> Result<Option<Verdict>, Status> {
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

pub(super) fn stay(place: &str, first: &str, last: &str) -> Stay {
    Stay { place: place.into(), first: first.parse().unwrap(), last: last.parse().unwrap(), hours: 24 }
}

pub(super) fn at_home() -> Vec<Stay> {
    vec![stay("宁波", "2020-01-01", "2020-02-11")]
}

pub(super) fn number_of(inquiry: &Inquiry, phone: i32) -> &NumberInquiry {
    inquiry.numbers.iter().find(|number| number.phone == phone).unwrap()
}

pub(super) fn outcome(inquiry: &Inquiry) -> Option<Outcome> {
    inquiry.case.as_ref().unwrap().verdict.as_ref().map(Verdict::outcome)
}

pub(super) fn reason(refused: &Status) -> String {
    Spoken::from(refused).reason
}

pub(super) fn ticket(from: &str, day: &str) -> Content {
    Content::Ticket(Ticket {
        mode: Mode::Train.into(),
        from: from.into(),
        to: "宁波".into(),
        day: day.into(),
        number: "G590".into(),
        ..Ticket::default()
    })
}

pub(super) fn down(source: Source) -> Faults {
    Faults { down: vec![source], ..Faults::default() }
}
