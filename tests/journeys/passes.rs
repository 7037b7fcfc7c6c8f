//! Everybody who may stand at a gate, and what the gate says: passes, typed numbers, faces, visitors; and each refusal.

use chassis::{client::new_request_id, refusal::Spoken};
use proto::{
    access::v1::Role,
    pass::v1::{
        CheckPassRequest, Crossing, Decision, Direction, Finding, IssuePassRequest, ListCrossingsRequest, Manual, Pass,
        Reason, RecordCrossingRequest, RevokePassRequest, SuspendPassRequest, Visitor,
        pass_service_client::PassServiceClient, record_crossing_request::Identity, visitor::Exception,
    },
    registry::v1::{MoveOutResidentRequest, Resident, registry_service_client::RegistryServiceClient},
};
use tests::{House, time, village::Village};

const SEEN: &[(&str, &str, &str)] = &[("宁波", "2020-01-01", "2020-02-10")];
const AFTERNOON: &str = "2020-02-11T15:00:00+08:00";

struct Gate {
    house: House,
    village: Village,
}

impl Gate {
    async fn open() -> Self {
        let house = House::new().await;
        let village = Village::found(&house, "330212002001").await;
        village.publish_method(&house).await;
        Self { house, village }
    }

    async fn screened(&self, building: &str, name: &str, phone: &str) -> Resident {
        let resident = self.village.resident(&self.house, building, name, phone).await;
        self.house.settled().await;
        self.village.screened(&self.house, &resident, SEEN).await;
        self.house.settled().await;
        resident
    }

    fn desk(&self) -> PassServiceClient<chassis::client::Connection> {
        PassServiceClient::new(self.village.worker(&self.house).at(time(AFTERNOON)))
    }

    async fn issue(&self, resident: &Resident) -> Pass {
        let request = IssuePassRequest {
            request_id: new_request_id(),
            resident: resident.name.clone(),
            surname: "王".into(),
            kind: 0,
            access: 0,
        };
        self.desk().issue_pass(request).await.unwrap().into_inner()
    }

    fn passage(&self, direction: Direction, identity: Identity) -> RecordCrossingRequest {
        RecordCrossingRequest {
            request_id: new_request_id(),
            gate: self.village.gate.clone(),
            direction: direction.into(),
            cross_time: None,
            temperature_decicelsius: 365,
            mask: true,
            identity: Some(identity),
        }
    }

    async fn cross(&self, passage: RecordCrossingRequest, at: &str) -> (Decision, Vec<Finding>) {
        let guard = self.house.guard("device/1", &self.village.neighbourhood, &self.village.gate).at(time(at));
        let crossed: Crossing = PassServiceClient::new(guard).record_crossing(passage).await.unwrap().into_inner();
        let verdict = crossed.verdict.unwrap();
        assert!(!verdict.say_zh.is_empty() && !verdict.say_en.is_empty(), "the guard has something to say");
        (verdict.decision(), verdict.findings().collect())
    }

    async fn enters(&self, identity: Identity, at: &str) -> (Decision, Vec<Finding>) {
        self.cross(self.passage(Direction::In, identity), at).await
    }
}

fn code(pass: &Pass) -> Identity {
    Identity::Code(pass.code.clone())
}

fn visitor(exception: Exception, guarantor: &str) -> Identity {
    Identity::Visitor(Visitor { exception: exception.into(), guarantor: guarantor.into() })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_a_typed_number_a_known_face_and_the_three_kinds_of_visitors_get_in() {
    let gate = Gate::open().await;
    let resident = gate.screened("1幢", "王小明", "13900000001").await;
    let pass = gate.issue(&resident).await;
    let allowed = |finding| (Decision::Allowed, vec![finding]);
    assert_eq!(gate.enters(code(&pass), AFTERNOON).await, allowed(Finding::Valid));
    let typed = Identity::Code(pass.number.to_lowercase());
    assert_eq!(gate.enters(typed, AFTERNOON).await, allowed(Finding::Valid));
    let face = Identity::Manual(Manual { resident: resident.name.clone(), reason: "老人没有手机".into() });
    assert_eq!(gate.enters(face, AFTERNOON).await, allowed(Finding::Manual));
    for exception in [Exception::Service, Exception::Carer, Exception::Inspector] {
        let found = gate.enters(visitor(exception, &resident.name), AFTERNOON).await;
        assert_eq!(found, allowed(Finding::Valid), "{exception:?}");
    }
    // A resident is let in with a fever and told where to go; nobody else is.
    let feverish = RecordCrossingRequest { temperature_decicelsius: 373, ..gate.passage(Direction::In, code(&pass)) };
    assert_eq!(gate.cross(feverish, AFTERNOON).await, (Decision::Allowed, vec![Finding::Valid, Finding::Fever]));
    let inspector = gate.passage(Direction::In, visitor(Exception::Inspector, ""));
    let feverish = RecordCrossingRequest { temperature_decicelsius: 373, ..inspector };
    assert_eq!(gate.cross(feverish, AFTERNOON).await.0, Decision::Refused);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_at_the_gate_is_found_and_on_record() {
    let gate = Gate::open().await;
    let resident = gate.screened("1幢", "王小明", "13900000001").await;
    let refused = |finding| (Decision::Refused, vec![finding]);
    let first = gate.issue(&resident).await;
    let forged = Identity::Code("MF1:6BF%CAT$M".into());
    assert_eq!(gate.enters(forged, AFTERNOON).await, refused(Finding::Unreadable));
    assert_eq!(gate.enters(Identity::Code("12345".into()), AFTERNOON).await, refused(Finding::Unreadable));
    let later = "2020-02-26T15:00:00+08:00";
    assert_eq!(gate.enters(code(&first), later).await, refused(Finding::Expired));

    let suspend = |reason: Reason, evidence: &str| SuspendPassRequest {
        request_id: new_request_id(),
        resident: resident.name.clone(),
        reason: reason.into(),
        evidence_ids: vec![evidence.into()],
    };
    gate.desk().suspend_pass(suspend(Reason::Lent, "crossings/1")).await.unwrap();
    assert_eq!(gate.enters(code(&first), AFTERNOON).await, refused(Finding::Suspended));
    let issue = IssuePassRequest {
        request_id: new_request_id(),
        resident: resident.name.clone(),
        surname: String::new(),
        kind: 0,
        access: 0,
    };
    assert_eq!(Spoken::from(&gate.desk().issue_pass(issue).await.unwrap_err()).reason, "SUSPENDED");
    gate.desk().suspend_pass(suspend(Reason::Lost, "paper 1")).await.unwrap();
    let second = gate.issue(&resident).await;
    assert_eq!(gate.enters(code(&first), AFTERNOON).await, refused(Finding::Replaced));
    assert_eq!(gate.enters(code(&second), AFTERNOON).await, (Decision::Allowed, vec![Finding::Valid]));
    let revoke = RevokePassRequest {
        request_id: new_request_id(),
        resident: resident.name.clone(),
        reason: Reason::IssuedInError.into(),
        evidence_ids: vec!["paper 2".into()],
    };
    gate.desk().revoke_pass(revoke).await.unwrap();
    assert_eq!(gate.enters(code(&second), AFTERNOON).await, refused(Finding::Revoked));

    for identity in [
        visitor(Exception::None, &resident.name),
        visitor(Exception::Service, ""),
        visitor(Exception::Carer, "residents/nobody"),
    ] {
        assert_eq!(gate.enters(identity, AFTERNOON).await, refused(Finding::Visitor));
    }
    let bare = RecordCrossingRequest { mask: false, ..gate.passage(Direction::In, visitor(Exception::Inspector, "")) };
    assert_eq!(gate.cross(bare, AFTERNOON).await.0, Decision::Refused);

    let list = ListCrossingsRequest { parent: gate.village.compound.clone(), ..ListCrossingsRequest::default() };
    let crossings = gate.desk().list_crossings(list.clone()).await.unwrap().into_inner().crossings;
    assert_eq!(crossings.len(), 11);
    let page_token = chassis::page::token_after("c0ffee");
    let foreign = gate.desk().list_crossings(ListCrossingsRequest { page_token, ..list.clone() }).await.unwrap_err();
    assert_eq!(Spoken::from(&foreign).reason, "PAGE_TOKEN_INVALID");
    let stranger = gate.house.local("staff/stranger", Role::Worker, "neighbourhoods/elsewhere");
    let seen = PassServiceClient::new(stranger).list_crossings(list).await.unwrap().into_inner();
    assert!(seen.crossings.is_empty(), "another neighbourhood's gate");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_moved_out_has_no_pass_and_another_neighbourhoods_pass_opens_nothing_and_names_nobody() {
    let gate = Gate::open().await;
    let elsewhere = Village::found(&gate.house, "330212002002").await;
    let resident = gate.screened("1幢", "王小明", "13900000001").await;
    let pass = gate.issue(&resident).await;
    let guard = gate.house.guard("device/2", &elsewhere.neighbourhood, &elsewhere.gate).at(time(AFTERNOON));
    let mut guard = PassServiceClient::new(guard);
    let check = CheckPassRequest { gate: elsewhere.gate.clone(), code: pass.code.clone(), direction: 0 };
    let verdict = guard.check_pass(check).await.unwrap().into_inner().verdict.unwrap();
    assert_eq!(verdict.findings().collect::<Vec<_>>(), [Finding::OtherCompound]);
    assert!(verdict.resident.is_empty());
    // A guard reaches one gate, and by hand only the people of the neighbourhood.
    let other = CheckPassRequest { gate: gate.village.gate.clone(), code: pass.code.clone(), direction: 0 };
    assert_eq!(Spoken::from(&guard.check_pass(other).await.unwrap_err()).reason, "NOT_FOUND");
    let by_hand = |resident: &str| RecordCrossingRequest {
        gate: elsewhere.gate.clone(),
        ..gate.passage(Direction::In, Identity::Manual(Manual { resident: resident.into(), reason: "认识".into() }))
    };
    let foreign = guard.record_crossing(by_hand(&resident.name)).await.unwrap_err();
    let missing = guard.record_crossing(by_hand("residents/nobody")).await.unwrap_err();
    assert_eq!((foreign.message(), foreign.details()), (missing.message(), missing.details()));

    let gone =
        MoveOutResidentRequest { request_id: new_request_id(), name: resident.name.clone(), etag: String::new() };
    RegistryServiceClient::new(gate.village.worker(&gate.house)).move_out_resident(gone).await.unwrap();
    gate.house.settled().await;
    assert_eq!(gate.enters(code(&pass), AFTERNOON).await, (Decision::Refused, vec![Finding::Revoked]));
    let face = Identity::Manual(Manual { resident: resident.name, reason: "以前住这里".into() });
    assert_eq!(gate.enters(face, AFTERNOON).await, (Decision::Refused, vec![Finding::Visitor]));
}
