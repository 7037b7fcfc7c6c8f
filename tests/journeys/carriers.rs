//! Three carriers are asked with the code that the person reads out. One that does not answer leaves the case open with what
//! is missing, and is asked again without a hand; nothing turns clear for lack of data; what phones and papers show is
//! evidence of its own kind.

mod numbers;
mod papers;
mod street;

use std::time::Duration;

use chassis::{client::new_request_id, refusal::Spoken};
use office::carriers::Faults;
use proto::{
    access::v1::Role,
    screening::v1::{
        Attestation, Declaration, DeclareRequest, EvidenceKind, GetInquiryRequest, ListEvidenceRequest, NoData,
        NumberInquiry, Outcome, RequestCodeRequest, ScanNumberRequest, Source, Trouble,
        carrier_service_client::CarrierServiceClient, number_inquiry::State, record_evidence_request::Content,
        screening_service_client::ScreeningServiceClient,
    },
};
use tests::{House, once, time, village::Village};

use street::{MOBILE, Street, TELECOM, UNICOM, at_home, down, number_of, outcome, reason, stay};

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
    let listed =
        async || street.waiting().await.first().map(NumberInquiry::state).filter(|state| *state == State::AskAgain);
    once("nobody is told to ask again", listed).await;
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
