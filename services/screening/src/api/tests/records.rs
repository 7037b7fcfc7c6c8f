use chassis::{Call, Decision, Scope};
use proto::{
    access::v1::Role,
    event::v1::Sealed,
    registry::v1::resident_event,
    screening::v1::{
        self, Case, Outcome, SetAsideCase, case,
        case_event::{Assessed, Declared, Event, EvidenceRecorded},
        method_service_server::MethodService as _,
        screening_service_server::ScreeningService as _,
    },
};

use super::{
    methods::longer,
    world::{World, officer, once, principal, stranger, worker},
};

const HOME: (&str, &str, &str) = ("宁波", "01-01", "02-11");
const TAIZHOU: (&str, &str, &str) = ("台州", "02-07", "02-09");

impl World {
    async fn cleared(&mut self, resident: &str, places: &[(&str, &str, &str)]) -> String {
        let case = self.resident(resident, 1).await;
        self.declare(&case, &places[1..]).await;
        let judged = self.scan(&case, 1, places).await.unwrap();
        assert_eq!(judged.verdict.unwrap().outcome(), Outcome::Clear);
        case
    }

    /// A case with a verdict, of which nothing opens: what is sealed was sealed under a key that nobody has.
    async fn garbled(&mut self, resident: &str) -> String {
        let case = self.resident(resident, 1).await;
        let id = case.trim_start_matches("cases/").to_owned();
        // Once it is open.
        self.declare(&case, &[]).await;
        let sealed = Sealed { subject_id: format!("{resident}-lost"), nonce: vec![1; 24], ciphertext: vec![7; 40] };
        let evidence = EvidenceRecorded {
            evidence_id: "e1".to_owned(),
            phone: 1,
            window_from: "2020-01-01".to_owned(),
            window_to: "2020-02-11".to_owned(),
            itinerary: Some(sealed.clone()),
            ..EvidenceRecorded::default()
        };
        let mut verdict = Assessed {
            resident_id: resident.to_owned(),
            method_version: "2020-02-09".to_owned(),
            as_of: "2020-02-11".to_owned(),
            ..Assessed::default()
        };
        verdict.set_outcome(Outcome::Clear);
        verdict.set_measure(v1::Measure::None);
        let events = vec![
            Event::Declared(Declared { declaration: Some(sealed) }),
            Event::EvidenceRecorded(evidence),
            Event::Assessed(verdict),
        ];
        let actor = principal("staff/worker", Role::Worker, "n1", Scope::Everywhere);
        let call = Call::by(actor, self.now, &self.id());
        let decision = Decision::new(events).office("n1").subject(resident).release("open case", resident);
        let ledger = self.host.ledger("screening").await.unwrap();
        let done = ledger.collect::<_, ()>(&call, &id, decision, ()).await.unwrap();
        self.saw(&done.log, done.position);
        case
    }

    async fn set_aside(&self, by: &chassis::call::Principal) -> Vec<SetAsideCase> {
        let request = self.request(by, v1::ListSetAsideCasesRequest::default());
        self.api.list_set_aside_cases(request).await.unwrap().into_inner().cases
    }

    /// Waits for what comes of a fact.
    async fn until(&self, case: &str, wanted: impl Fn(&Case) -> bool) -> Case {
        let shown = async || Some(self.case(&worker(), case).await.unwrap()).filter(|shown| wanted(shown));
        once("the case stays as it is", shown).await
    }

    async fn corrected(&mut self, resident: &str, phones: i32) {
        let correction_id = self.id();
        let corrected = resident_event::Corrected { correction_id, phones, ..Default::default() };
        self.fact(resident, resident_event::Event::Corrected(corrected)).await;
    }
}

#[tokio::test]
async fn a_record_that_does_not_open_keeps_nobody_else_waiting_and_is_shown_until_they_are_screened_again() {
    let mut world = World::new().await;
    let before = world.cleared("r1", &[HOME, TAIZHOU]).await;
    let garbled = world.garbled("r2").await;
    let behind = world.cleared("r3", &[HOME, TAIZHOU]).await;
    let name = world.approved("2020-02-12", longer()).await;
    let foreseen = world.dry_run(&officer(), &name).await.figures.unwrap();
    assert_eq!((foreseen.people, foreseen.touched, foreseen.unreadable), (3, 2, 1));
    world.publish(&name, None).await.unwrap();
    let progress = world.rescreened(&name).await;
    assert_eq!((progress.done, progress.changed, progress.set_aside), (3, 2, 1));
    assert_eq!((&progress.set_aside_cases[0].case, progress.set_aside_cases[0].method.as_str()), (&garbled, &*name));
    for case in [&before, &behind] {
        let verdict = world.case(&worker(), case).await.unwrap().verdict.unwrap();
        assert_eq!(verdict.outcome(), Outcome::DeclaredKeyArea);
    }
    assert_eq!(world.set_aside(&worker()).await.len(), 1);
    assert!(world.set_aside(&stranger()).await.is_empty(), "another neighbourhood's");

    let open = v1::OpenCaseRequest {
        request_id: world.id(),
        resident: "residents/r2".to_owned(),
        occasion: "记录无法打开".to_owned(),
    };
    let answer = world.api.open_case(world.request(&worker(), open)).await;
    let again = world.take(answer).name;
    world.declare(&again, &[]).await;
    world.scan(&again, 1, &[HOME]).await.unwrap();
    assert!(world.set_aside(&worker()).await.is_empty(), "they have another verdict");
}

#[tokio::test]
async fn who_has_moved_out_is_neither_counted_nor_judged_again() {
    let mut world = World::new().await;
    let gone = world.cleared("r1", &[HOME, TAIZHOU]).await;
    let here = world.cleared("r2", &[HOME, TAIZHOU]).await;
    world.fact("r1", resident_event::Event::MovedOut(resident_event::MovedOut {})).await;
    let name = world.approved("2020-02-12", longer()).await;
    let foreseen = world.dry_run(&officer(), &name).await.figures.unwrap();
    assert_eq!((foreseen.people, foreseen.touched), (1, 1));
    world.publish(&name, None).await.unwrap();
    let progress = world.rescreened(&name).await;
    assert_eq!((progress.cases, progress.done, progress.changed), (1, 1, 1));
    let outcome = async |case| world.case(&worker(), case).await.unwrap().verdict.unwrap().outcome();
    assert_eq!((outcome(&gone).await, outcome(&here).await), (Outcome::Clear, Outcome::DeclaredKeyArea));
}

#[tokio::test]
async fn an_open_case_goes_by_the_new_number_of_phones_and_says_why() {
    let mut world = World::new().await;
    let case = world.resident("r1", 1).await;
    world.declare(&case, &[]).await;
    world.corrected("r1", 2).await;
    let waiting = world.scan(&case, 1, &[HOME]).await.unwrap();
    assert_eq!((waiting.state(), waiting.phones, waiting.scanned), (case::State::Declared, 2, 1));
    let why = waiting.phones_change.unwrap();
    assert_eq!((why.before, why.after), (1, 2));
    assert!(why.explanation.unwrap().zh.contains("由1个改为2个"));

    world.corrected("r1", 1).await;
    let judged = world.until(&case, |case| case.state() == case::State::Assessed).await;
    let verdict = judged.verdict.unwrap();
    assert_eq!((judged.phones, judged.scanned, verdict.outcome()), (1, 1, Outcome::Clear), "nothing is missing");

    world.corrected("r1", 3).await;
    let open = v1::OpenCaseRequest {
        request_id: world.id(),
        resident: "residents/r1".to_owned(),
        occasion: "从杭州返回".to_owned(),
    };
    let answer = world.api.open_case(world.request(&worker(), open)).await;
    assert_eq!(world.take(answer).phones, 3, "the next case begins with what the registry says");
    assert_eq!(world.case(&worker(), &case).await.unwrap().phones, 1, "a closed one stays closed");
}
