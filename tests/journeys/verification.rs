//! What a gate needs that verifies by itself: keys and the list, given, pushed and taken back; and passes renewed, lost,
//! replaced, on paper and on a phone. What such a gate says is held against what the centre says.

use std::time::Duration;

use chassis::{
    client::{Connection, new_request_id},
    refusal::Spoken,
};
use chrono::{DateTime, Utc};
use credential::{
    keys::KeySet,
    list::{SuspensionList, Taken, Update},
    reason::Reason,
    signature::{Algorithm, PublicKey},
    time::Second,
    verify::{Grounds, verify},
};
use proto::{
    access::v1::Role,
    pass::v1::{
        self, CheckPassRequest, ConfirmKeyRecallRequest, Finding, GetHolderRequest, GetKeySetRequest,
        GetSuspensionListRequest, IssuePassRequest, LiftCompoundRecallRequest, ListRecallsRequest, Pass, PassKind,
        RecallCompoundRequest, RecallKeyRequest, RecallReason, ReinstatePassRequest, RenewPassRequest,
        ReplacePassRequest, ReportLostRequest, SuspendPassRequest, SuspensionUpdate, WatchSuspensionListRequest,
        pass_service_client::PassServiceClient, recall_service_client::RecallServiceClient,
        verification_service_client::VerificationServiceClient,
    },
    registry::v1::Resident,
};
use tests::{House, time, village::Village};
use tonic::Status;

/// Tuesday of the week in which the village is founded.
const TUESDAY: &str = "2020-02-11T15:00:00+08:00";

struct Street {
    house: House,
    village: Village,
}

/// A gate that has only what it was given.
struct Apart {
    keys: KeySet,
    list: Option<SuspensionList>,
}

impl Street {
    async fn begin() -> Self {
        let house = House::new().await;
        let village = Village::found(&house, "330212002001").await;
        village.publish_method(&house).await;
        Self { house, village }
    }

    async fn screened(&self, building: &str, phone: &str) -> Resident {
        let resident = self.village.resident(&self.house, building, "王小明", phone).await;
        self.house.settled().await;
        self.village.screened(&self.house, &resident, &[("宁波", "2020-01-01", "2020-02-10")]).await;
        self.house.settled().await;
        resident
    }

    fn worker(&self, at: &str) -> PassServiceClient<Connection> {
        PassServiceClient::new(self.village.worker(&self.house).at(time(at)))
    }

    async fn issue(&self, resident: &Resident, kind: PassKind, at: &str) -> Pass {
        let (request_id, resident) = (new_request_id(), resident.name.clone());
        let issue = IssuePassRequest { request_id, resident, surname: "王".into(), kind: kind.into(), access: 0 };
        self.worker(at).issue_pass(issue).await.unwrap().into_inner()
    }

    async fn renew(&self, resident: &Resident, at: &str) -> Result<Pass, String> {
        let (request_id, resident) = (new_request_id(), resident.name.clone());
        let renew = RenewPassRequest { request_id, resident, surname: "王".into(), kind: 0, access: 0 };
        answer(self.worker(at).renew_pass(renew).await)
    }

    /// What the centre says to a code.
    async fn check(&self, code: &str, at: &str) -> Vec<Finding> {
        let guard = self.house.guard("device/1", &self.village.neighbourhood, &self.village.gate).at(time(at));
        let check = CheckPassRequest { gate: self.village.gate.clone(), code: code.to_owned(), direction: 0 };
        let checked = PassServiceClient::new(guard).check_pass(check).await.unwrap().into_inner();
        checked.verdict.unwrap().findings().collect()
    }

    fn gate(&self) -> VerificationServiceClient<Connection> {
        let guard = self.house.guard("device/1", &self.village.neighbourhood, &self.village.gate);
        VerificationServiceClient::new(guard)
    }

    async fn key_set(&self) -> (v1::KeySet, KeySet) {
        let shown = self.gate().get_key_set(GetKeySetRequest {}).await.unwrap().into_inner();
        let root: Vec<u8> =
            (0..32).map(|at| u8::from_str_radix(&shown.root[2 * at..2 * at + 2], 16).unwrap()).collect();
        let root = PublicKey::from_bytes(Algorithm::Ed25519, &root).unwrap();
        let keys = KeySet::open_text(&shown.text, &root, None).unwrap();
        (shown, keys)
    }

    async fn update(&self, from_sequence: u32) -> SuspensionUpdate {
        self.gate().get_suspension_list(GetSuspensionListRequest { from_sequence }).await.unwrap().into_inner()
    }

    async fn apart(&self) -> Apart {
        let mut apart = Apart { keys: self.key_set().await.1, list: None };
        apart.take(&self.update(0).await);
        apart
    }

    fn officer(&self, at: &str) -> RecallServiceClient<Connection> {
        let officer = self.house.central("staff/officer", Role::Officer, "subdistrict").at(time(at));
        RecallServiceClient::new(officer)
    }

    fn director(&self, at: &str) -> RecallServiceClient<Connection> {
        let director = self.house.local("staff/director", Role::Director, &self.village.neighbourhood).at(time(at));
        RecallServiceClient::new(director)
    }
}

impl Apart {
    fn take(&mut self, update: &SuspensionUpdate) -> Taken {
        let opened = Update::open_text(&update.text, &self.keys).unwrap();
        assert_eq!(matches!(opened, Update::Delta(_)), update.delta);
        let taken = opened.take_into(&mut self.list).unwrap();
        let list = self.list.as_ref().unwrap();
        assert_eq!(list.sequence(), update.sequence);
        assert_eq!(list.made().unix(), update.time.unwrap().seconds);
        taken
    }

    /// What it says to a code by itself.
    fn says(&self, code: &str, at: &str) -> Result<(), Reason> {
        let now = Second::of_unix(time(at).timestamp()).unwrap();
        let verdict = verify(code, &Grounds::new(&self.keys, self.list.as_ref(), now));
        verdict.answer.map(drop).map_err(|refusal| refusal.reason)
    }
}

fn answer<T>(answer: Result<tonic::Response<T>, Status>) -> Result<T, String> {
    answer.map(tonic::Response::into_inner).map_err(|status| Spoken::from(&status).reason)
}

fn stamp(at: &str) -> prost_types::Timestamp {
    chassis::timestamp(time(at))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_apart_says_what_the_centre_says_and_hears_of_a_suspension_at_once() {
    let street = Street::begin().await;
    let resident = street.screened("1幢", "13900000001").await;
    let pass = street.issue(&resident, PassKind::Paper, TUESDAY).await;
    let mut apart = street.apart().await;
    assert_eq!(apart.says(&pass.code, TUESDAY), Ok(()));
    let held = apart.list.as_ref().unwrap().sequence();
    let watch = WatchSuspensionListRequest { from_sequence: held };
    let mut pushed = street.gate().watch_suspension_list(watch).await.unwrap().into_inner();
    assert_eq!(apart.take(&pushed.message().await.unwrap().unwrap()), Taken::Already, "it is still the newest");

    let suspend = SuspendPassRequest {
        request_id: new_request_id(),
        resident: resident.name.clone(),
        reason: v1::Reason::Lent.into(),
        evidence_ids: vec!["crossings/1".into()],
    };
    street.worker(TUESDAY).suspend_pass(suspend).await.unwrap();
    let pushed_within = tokio::time::timeout(Duration::from_secs(10), pushed.message()).await;
    let change = pushed_within.expect("the change is pushed").unwrap().unwrap();
    assert!(change.delta && change.text.len() < 200, "{} characters", change.text.len());
    assert_eq!(apart.take(&change), Taken::Applied);
    assert_eq!(apart.says(&pass.code, TUESDAY), Err(Reason::Suspended));
    assert_eq!(street.check(&pass.code, TUESDAY).await, [Finding::Suspended]);

    let reinstate = ReinstatePassRequest { request_id: new_request_id(), resident: resident.name.clone() };
    street.worker(TUESDAY).reinstate_pass(reinstate).await.unwrap();
    apart.take(&pushed.message().await.unwrap().unwrap());
    assert_eq!(apart.says(&pass.code, TUESDAY), Ok(()));
    // Who was away for long, or holds a list that never was one, takes the whole.
    assert!(street.update(held).await.delta);
    assert!(!street.update(held + 100_000).await.delta);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_sequence_is_the_same_list_to_the_letter_also_after_a_restart() {
    let street = Street::begin().await;
    let resident = street.screened("1幢", "13900000001").await;
    let pass = street.issue(&resident, PassKind::Paper, TUESDAY).await;
    let first = street.update(0).await;
    let lost = ReportLostRequest { request_id: new_request_id(), resident: resident.name.clone() };
    street.worker(TUESDAY).report_lost(lost).await.unwrap();
    let (keys, whole, change) = (street.key_set().await.0, street.update(0).await, street.update(first.sequence).await);
    let Street { house, village } = street;
    let street = Street { house: house.restarted().await, village };
    street.house.settled().await;
    assert_eq!((street.key_set().await.0, street.update(0).await), (keys, whole));
    assert_eq!(street.update(first.sequence).await, change);
    assert_eq!(street.apart().await.says(&pass.code, TUESDAY), Err(Reason::Suspended));
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_change_weekly_and_a_pass_stays_good_and_the_same_to_the_letter() {
    let street = Street::begin().await;
    let [early, late] = [street.screened("1幢", "13900000001").await, street.screened("2幢", "13900000002").await];
    let before = street.key_set().await.0;
    let first = street.issue(&early, PassKind::Paper, TUESDAY).await;
    let next_monday = "2020-02-17T09:00:00+08:00";
    let second = street.issue(&late, PassKind::Paper, next_monday).await;
    let (shown, _) = street.key_set().await;
    assert!(shown.number > before.number);
    let announced = |set: &v1::KeySet, id| set.keys.iter().any(|key| key.id == id);
    assert!(announced(&before, 2) && !announced(&before, 3), "the next key is announced before it signs");
    assert!(announced(&shown, 1) && announced(&shown, 3));
    let apart = street.apart().await;
    for (pass, key) in [(&first, 1), (&second, 2)] {
        assert_eq!(apart.says(&pass.code, next_monday), Ok(()));
        assert_eq!(street.check(&pass.code, next_monday).await, [Finding::Valid]);
        let signed = credential::verify::read(&pass.code, &apart.keys).unwrap();
        assert_eq!(signed.key_id, key);
    }
    assert_eq!(street.issue(&early, PassKind::Paper, next_monday).await.code, first.code);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_counts_that_a_recalled_key_signed_and_its_holders_get_another_pass() {
    let street = Street::begin().await;
    let resident = street.screened("1幢", "13900000001").await;
    let pass = street.issue(&resident, PassKind::Paper, TUESDAY).await;
    let recall = |key| RecallKeyRequest {
        request_id: new_request_id(),
        key,
        signed_from: Some(stamp("2020-02-11T14:00:00+08:00")),
        reason: RecallReason::SecretExposed.into(),
        evidence_ids: vec!["报告3".into()],
    };
    let at = "2020-02-11T16:10:00+08:00";
    assert_eq!(answer(street.officer(at).recall_key(recall(77)).await).unwrap_err(), "NOT_FOUND");
    let bare = RecallKeyRequest { evidence_ids: Vec::new(), ..recall(1) };
    assert_eq!(answer(street.officer(at).recall_key(bare).await).unwrap_err(), "FIELD_INVALID", "R23");
    let name = answer(street.officer(at).recall_key(recall(1)).await).unwrap().name;
    assert_eq!(street.check(&pass.code, at).await, [Finding::Valid], "one person changes nothing");
    let confirm = || ConfirmKeyRecallRequest { request_id: new_request_id(), name: name.clone() };
    assert_eq!(answer(street.officer(at).confirm_key_recall(confirm()).await).unwrap_err(), "SAME_PERSON");
    answer(street.director(at).confirm_key_recall(confirm()).await).unwrap();

    assert_eq!(street.check(&pass.code, at).await, [Finding::Recalled]);
    assert_eq!(street.check(&pass.number, at).await, [Finding::Recalled]);
    assert_eq!(street.apart().await.says(&pass.code, at), Err(Reason::CompromisedKey));
    let holder = GetHolderRequest { name: resident.name.clone() };
    let told = street.worker(at).get_holder(holder).await.unwrap().into_inner();
    assert!(told.pass.unwrap().recalled, "whoever looks the holder up is told");
    let recalls = answer(street.officer(at).list_recalls(ListRecallsRequest {}).await).unwrap();
    assert_eq!(recalls.keys.len(), 1);

    let renewed = street.renew(&resident, at).await.unwrap();
    assert_ne!(renewed.number, pass.number);
    assert_eq!(street.check(&renewed.code, at).await, [Finding::Valid]);
    assert_eq!(street.apart().await.says(&renewed.code, at), Ok(()));
    assert_eq!(street.apart().await.says(&pass.code, at), Err(Reason::CompromisedKey));
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_a_compound_was_issued_before_an_hour_is_one_line_and_can_be_undone() {
    let street = Street::begin().await;
    let resident = street.screened("1幢", "13900000001").await;
    let pass = street.issue(&resident, PassKind::Paper, TUESDAY).await;
    let at = "2020-02-11T17:30:00+08:00";
    let recall = |issued_before| RecallCompoundRequest {
        request_id: new_request_id(),
        compound: street.village.compound.clone(),
        issued_before: Some(issued_before),
        reason: RecallReason::PapersLost.into(),
        evidence_ids: vec!["登记簿7".into()],
    };
    let future = recall(stamp("2020-02-11T18:00:00+08:00"));
    assert_eq!(answer(street.director(at).recall_compound(future).await).unwrap_err(), "FIELD_INVALID");
    answer(street.director(at).recall_compound(recall(stamp(at))).await).unwrap();
    let again = recall(stamp("2020-02-11T16:00:00+08:00"));
    assert_eq!(answer(street.director(at).recall_compound(again).await).unwrap_err(), "ALREADY_RECALLED");
    let mut apart = street.apart().await;
    assert_eq!(apart.says(&pass.code, at), Err(Reason::CompoundBefore));
    assert_eq!(street.check(&pass.code, at).await, [Finding::Recalled]);

    let lift = LiftCompoundRecallRequest {
        request_id: new_request_id(),
        compound: street.village.compound.clone(),
        reason: "登记有误".into(),
    };
    answer(street.director(at).lift_compound_recall(lift).await).unwrap();
    let held = apart.list.as_ref().unwrap().sequence();
    apart.take(&street.update(held).await);
    assert_eq!(apart.says(&pass.code, at), Ok(()));
    assert_eq!(street.check(&pass.code, at).await, [Finding::Valid]);

    answer(street.director(at).recall_compound(recall(stamp(at))).await).unwrap();
    let exchanged = street.issue(&resident, PassKind::Paper, at).await;
    assert_ne!(exchanged.number, pass.number, "a recalled pass is not in order");
    assert_eq!(street.apart().await.says(&exchanged.code, at), Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_is_renewed_in_its_last_quarter_and_the_old_number_counts_no_more() {
    let street = Street::begin().await;
    let resident = street.screened("1幢", "13900000001").await;
    let pass = street.issue(&resident, PassKind::Paper, TUESDAY).await;
    assert_eq!(street.renew(&resident, "2020-02-20T09:00:00+08:00").await.unwrap_err(), "NOT_DUE");
    let due: DateTime<Utc> = chassis::instant(&pass.renew_time.unwrap()).unwrap();
    assert!(due > time("2020-02-21T00:00:00+08:00") && due < time("2020-02-23T00:00:00+08:00"), "{due}");
    let saturday = "2020-02-22T09:00:00+08:00";
    let renewed = street.renew(&resident, saturday).await.unwrap();
    assert_eq!(street.check(&pass.code, saturday).await, [Finding::Replaced]);
    assert_eq!(street.check(&renewed.code, saturday).await, [Finding::Valid]);
    let apart = street.apart().await;
    assert_eq!(apart.says(&pass.code, saturday), Err(Reason::Revoked));
    assert_eq!(apart.says(&renewed.code, saturday), Ok(()));
    assert_eq!(street.renew(&resident, saturday).await.unwrap_err(), "NOT_DUE");
    // Two weeks after it has expired nobody keeps its number on the list, and it still opens nothing.
    let march = "2020-03-15T09:00:00+08:00";
    let third = street.renew(&resident, march).await.unwrap();
    let apart = street.apart().await;
    assert_eq!(apart.list.as_ref().unwrap().listed().count(), 0);
    assert_eq!(apart.says(&third.code, march), Ok(()));
    assert_eq!(street.check(&pass.code, march).await, [Finding::Replaced]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_pass_opens_nothing_and_is_replaced_once_it_was_reported() {
    let street = Street::begin().await;
    let resident = street.screened("1幢", "13900000001").await;
    let replace = || {
        let (request_id, resident) = (new_request_id(), resident.name.clone());
        ReplacePassRequest { request_id, resident, surname: "王".into(), kind: 0, access: 0 }
    };
    let lost = || ReportLostRequest { request_id: new_request_id(), resident: resident.name.clone() };
    let worker = || street.worker(TUESDAY);
    assert_eq!(answer(worker().report_lost(lost()).await).unwrap_err(), "NO_PASS");
    let pass = street.issue(&resident, PassKind::Paper, TUESDAY).await;
    assert_eq!(answer(worker().replace_pass(replace()).await).unwrap_err(), "NOT_LOST");
    assert!(answer(worker().report_lost(lost()).await).unwrap().suspended);
    assert_eq!(street.renew(&resident, "2020-02-24T09:00:00+08:00").await.unwrap_err(), "SUSPENDED");
    let replaced = answer(worker().replace_pass(replace()).await).unwrap();
    assert_eq!(street.check(&pass.code, TUESDAY).await, [Finding::Revoked]);
    assert_eq!(street.check(&replaced.code, TUESDAY).await, [Finding::Valid]);
    assert_eq!(street.apart().await.says(&pass.code, TUESDAY), Err(Reason::Revoked));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_makes_each_half_minutes_code_and_an_old_picture_opens_nothing() {
    let street = Street::begin().await;
    let resident = street.screened("1幢", "13900000001").await;
    let pass = street.issue(&resident, PassKind::Phone, TUESDAY).await;
    let phone = pass.phone.clone().unwrap();
    assert_eq!(pass.code.len(), credential::code::PHONE_CHARACTERS);
    assert_eq!(street.check(&pass.code, TUESDAY).await, [Finding::Valid]);
    let later = "2020-02-11T15:20:10+08:00";
    assert_eq!(street.check(&pass.code, later).await, [Finding::OldPicture]);
    assert_eq!(street.check(&pass.code, "2020-02-11T14:50:00+08:00").await, [Finding::NotYetValid]);

    // The phone, without the centre: slot 41 begins twenty minutes after the hour.
    let number: credential::number::PassNumber = pass.number.parse().unwrap();
    let chain = credential::phone::Chain::new(number, phone.secret.clone().try_into().unwrap());
    let bytes = [&phone.signed[..], &chain.value(41).unwrap(), &41_u16.to_be_bytes()].concat();
    let made = credential::text::armour(credential::text::Prefix::Pass, &bytes);
    assert_eq!(street.check(&made, later).await, [Finding::Valid]);
    let apart = street.apart().await;
    assert_eq!(apart.says(&made, later), Ok(()));
    assert_eq!(apart.says(&pass.code, later), Err(Reason::SlotTooOld));
    let guessed = [&phone.signed[..], &[7; 16], &41_u16.to_be_bytes()].concat();
    let guessed = credential::text::armour(credential::text::Prefix::Pass, &guessed);
    assert_eq!(street.check(&guessed, later).await, [Finding::BadSignature]);

    // Another day, another chain, the same pass.
    let tomorrow = "2020-02-12T15:00:00+08:00";
    let again = street.issue(&resident, PassKind::Phone, tomorrow).await;
    assert_eq!(again.number, pass.number);
    assert_ne!(again.phone.unwrap().secret, phone.secret);
    assert_eq!(street.check(&again.code, tomorrow).await, [Finding::Valid]);
}
