use std::collections::BTreeMap;

use chassis::{Call, Scope};
use proto::{
    access::v1::Role,
    registry::v1::resident_event,
    screening::v1::{
        self, Measure, MethodContent, Outcome, case, case_event::Assessed,
        screening_service_server::ScreeningService as _,
    },
};

use super::{
    methods::longer,
    world::{World, director, doctor, officer, principal, stranger, worker},
};
use crate::{
    domain::{
        case::Case,
        rescreening::{Count, Rescreening},
    },
    method_file::sample_content,
};

type Stays<'a> = &'a [(&'a str, &'a str, &'a str)];

const HOME: (&str, &str, &str) = ("宁波", "01-01", "02-11");
const TAIZHOU: (&str, &str, &str) = ("台州", "02-07", "02-09");

impl World {
    /// Somebody who has said this and was seen there; their case.
    async fn judged(&mut self, resident: &str, said: Stays<'_>, seen: Stays<'_>) -> String {
        let case = self.resident(resident, 1).await;
        self.declare(&case, said).await;
        self.scan(&case, 1, seen).await.unwrap();
        case
    }

    async fn outcome(&self, case: &str) -> (Outcome, Measure, String) {
        let verdict = self.case(&worker(), case).await.unwrap().verdict.unwrap();
        (verdict.outcome(), verdict.measure(), verdict.method)
    }

    /// How often a case was judged.
    async fn verdicts(&self, case: &str) -> usize {
        let ledger = self.host.ledger("screening").await.unwrap();
        let records = ledger.log().read_stream("case", case.trim_start_matches("cases/"), 0).await.unwrap();
        records.iter().filter(|record| record.r#type == "case.assessed").count()
    }
}

#[tokio::test]
async fn a_longer_list_judges_whom_it_touches_without_another_scan_and_a_shorter_one_gives_back() {
    let mut world = World::new().await;
    let honest = world.judged("r1", &[TAIZHOU], &[HOME, TAIZHOU]).await;
    let silent = world.judged("r2", &[], &[HOME, TAIZHOU]).await;
    let elsewhere = world.judged("r3", &[("台州", "02-01", "02-05")], &[HOME, ("台州", "02-01", "02-05")]).await;
    let home = world.judged("r4", &[], &[HOME]).await;
    let name = world.approved("2020-02-12", longer()).await;

    let foreseen = world.dry_run(&officer(), &name).await;
    assert_eq!(foreseen.en, "adding 台州 from 8 February touches 2 people in 1 compound: 2 home");
    assert_eq!(world.outcome(&honest).await.0, Outcome::Clear, "a dry run changes nothing");
    world.publish(&name, None).await.unwrap();
    let progress = world.rescreened(&name).await;
    assert_eq!((progress.cases, progress.done, progress.changed), (4, 4, 2));
    assert_eq!(world.outcome(&honest).await, (Outcome::DeclaredKeyArea, Measure::Home, name.clone()));
    assert_eq!(world.outcome(&silent).await, (Outcome::ConcealedKeyArea, Measure::Home, name.clone()));
    for untouched in [&elsewhere, &home] {
        assert_eq!((world.outcome(untouched).await.0, world.verdicts(untouched).await), (Outcome::Clear, 1));
    }
    let reasons = world.case(&worker(), &honest).await.unwrap().verdict.unwrap().reasons.unwrap();
    assert!(reasons.explanation.unwrap().zh.contains("2020-02-12"), "it is explained by the version that judged");

    let shorter = world.approved("2020-02-13", sample_content()).await;
    let foreseen = world.dry_run(&officer(), &shorter).await;
    assert_eq!(foreseen.en, "removing 台州 touches 2 people in 1 compound: 1 to ask, 1 free; 2 released");
    world.publish(&shorter, None).await.unwrap();
    assert_eq!(world.rescreened(&shorter).await.changed, 2);
    assert_eq!(world.outcome(&honest).await, (Outcome::Clear, Measure::None, shorter.clone()));
    assert_eq!(world.outcome(&silent).await, (Outcome::UndeclaredElsewhere, Measure::Ask, shorter));
}

#[tokio::test]
async fn evidence_does_not_grow_old_by_a_publication() {
    let mut world = World::new().await;
    let case = world.judged("r1", &[TAIZHOU], &[HOME, TAIZHOU]).await;
    world.now = "2020-04-01T06:00:00Z".parse().unwrap();
    let name = world.approved("2020-04-01", longer()).await;
    world.publish(&name, None).await.unwrap();
    world.rescreened(&name).await;
    assert_eq!(world.outcome(&case).await.0, Outcome::DeclaredKeyArea, "and not: insufficient evidence");
}

#[tokio::test]
async fn what_is_in_dispute_is_judged_by_the_new_version_once_it_is_answered() {
    let mut world = World::new().await;
    let case = world.judged("r1", &[], &[HOME, TAIZHOU]).await;
    let dispute = v1::DisputeCaseRequest {
        request_id: world.id(),
        case: case.clone(),
        statement: "我没有去过".to_owned(),
        ..Default::default()
    };
    let answer = world.api.dispute_case(world.request(&worker(), dispute)).await;
    world.take(answer);
    let name = world.approved("2020-02-12", longer()).await;
    let foreseen = world.dry_run(&officer(), &name).await.figures.unwrap();
    assert_eq!((foreseen.touched, foreseen.disputed), (0, 1));
    world.publish(&name, None).await.unwrap();
    assert_eq!(world.rescreened(&name).await.changed, 0);
    let waiting = world.case(&worker(), &case).await.unwrap();
    assert_eq!(
        (waiting.state(), waiting.verdict.unwrap().outcome()),
        (case::State::Disputed, Outcome::UndeclaredElsewhere)
    );
    let resolve = v1::ResolveDisputeRequest {
        request_id: world.id(),
        case: case.clone(),
        finding: "没有证明".to_owned(),
        ..Default::default()
    };
    let answer = world.api.resolve_dispute(world.request(&director(), resolve)).await;
    assert_eq!(world.take(answer).state(), case::State::Assessed);
    assert_eq!(world.outcome(&case).await, (Outcome::ConcealedKeyArea, Measure::Home, name));
}

#[tokio::test]
async fn a_visit_that_was_found_wrong_stays_so_and_nothing_is_judged_of_an_erased_person() {
    let mut world = World::new().await;
    let case = world.judged("r1", &[], &[HOME, TAIZHOU]).await;
    let dispute = v1::DisputeCaseRequest {
        request_id: world.id(),
        case: case.clone(),
        statement: "我没有去过".to_owned(),
        ..Default::default()
    };
    let answer = world.api.dispute_case(world.request(&worker(), dispute)).await;
    world.take(answer);
    let resolve = v1::ResolveDisputeRequest {
        request_id: world.id(),
        case: case.clone(),
        upheld: true,
        struck_visits: vec![1],
        proofs: vec![v1::Proof { kind: v1::ProofKind::Workplace.into(), description: "考勤记录".to_owned() }],
        finding: "单位证明".to_owned(),
        ..Default::default()
    };
    let answer = world.api.resolve_dispute(world.request(&doctor(), resolve)).await;
    world.take(answer);
    let erased = world.judged("r2", &[], &[HOME, TAIZHOU]).await;
    world.fact("r2", resident_event::Event::Erased(resident_event::Erased {})).await;
    let name = world.approved("2020-02-12", longer()).await;
    world.publish(&name, None).await.unwrap();
    assert_eq!(world.rescreened(&name).await.changed, 0);
    assert_eq!(world.outcome(&case).await.0, Outcome::Clear);
    assert_eq!(world.outcome(&erased).await.0, Outcome::UndeclaredElsewhere);
}

#[tokio::test]
async fn it_goes_on_where_it_was_stopped_and_gives_no_verdict_twice() {
    let mut world = World::new().await;
    let mut cases = Vec::new();
    for resident in ["r1", "r2", "r3"] {
        cases.push(world.judged(resident, &[TAIZHOU], &[HOME, TAIZHOU]).await);
    }
    // As a crash has left it: r1 was noted, r2 was judged and not noted.
    let name = world.approved("2020-02-12", longer()).await;
    let ledger = world.host.ledger("screening").await.unwrap();
    let reaction = principal("reaction/screening", Role::Service, "", Scope::Everywhere);
    let run = Call::by(reaction, world.now, "rescreening:2020-02-12");
    let position = ledger.log().head().await.unwrap().position;
    let begin = |run: &Rescreening, _| run.begin(3, position, world.now);
    ledger.transact(&run.derive("begun"), "2020-02-12", begin, |_: &Rescreening, _| ()).await.unwrap();
    let advance = |run: &Rescreening, _| run.advance("r1", Count { done: 1, changed: 0 });
    ledger.transact(&run.derive("advanced/r1"), "2020-02-12", advance, |_: &Rescreening, _| ()).await.unwrap();
    let second = cases[1].trim_start_matches("cases/");
    let mut verdict =
        Assessed { method_version: "2020-02-12".to_owned(), as_of: "2020-02-11".to_owned(), ..Default::default() };
    verdict.set_outcome(Outcome::DeclaredKeyArea);
    verdict.set_measure(Measure::Home);
    let judge = |case: &Case, _| case.reassess(&verdict);
    ledger.transact(&run.derive(second), second, judge, |_: &Case, _| ()).await.unwrap();

    world.publish(&name, None).await.unwrap();
    let progress = world.rescreened(&name).await;
    assert_eq!((progress.done, progress.changed), (3, 2), "what was judged before the crash counts once");
    assert_eq!(world.outcome(&cases[0]).await.0, Outcome::Clear, "it was passed already");
    assert_eq!((world.verdicts(second).await, world.verdicts(&cases[2]).await), (2, 2));
}

#[tokio::test]
async fn a_dry_run_counts_only_whom_the_caller_may_see() {
    let mut world = World::new().await;
    world.judged("r1", &[TAIZHOU], &[HOME, TAIZHOU]).await;
    let name = world.approved("2020-02-12", longer()).await;
    let own = world.dry_run(&director(), &name).await;
    assert_eq!((own.figures.unwrap().touched, own.neighbourhoods.len()), (1, 1));
    let foreign = world.dry_run(&stranger(), &name).await;
    assert_eq!((foreign.figures.unwrap().people, foreign.neighbourhoods.len()), (0, 0));
    assert!(foreign.en.ends_with("touches nobody"), "{}", foreign.en);
}

/// By case: what the list shows of everybody.
async fn measures(world: &World) -> BTreeMap<String, v1::Verdict> {
    let mut all = BTreeMap::new();
    let mut request = v1::ListCasesRequest::default();
    loop {
        let page = world.api.list_cases(world.request(&officer(), request.clone())).await.unwrap().into_inner();
        all.extend(page.cases.into_iter().filter_map(|case| Some((case.name, case.verdict?))));
        if page.next_page_token.is_empty() {
            return all;
        }
        request.page_token = page.next_page_token;
    }
}

/// Sixty people, each with other places said and seen.
async fn crowd(world: &mut World) {
    const PLACES: [&str; 10] = ["台州", "温州", "武汉", "绍兴", "信阳", "浙江", "某地", "成都", "江汉", "金华"];
    const DAYS: [(&str, &str); 4] = [("01-20", "01-20"), ("01-28", "02-01"), ("02-06", "02-08"), ("02-09", "02-10")];
    for number in 0..60_usize {
        let (one, two) = (number % PLACES.len(), (number * 7 + number / 10) % PLACES.len());
        let visit = |place: usize, days: usize| (PLACES[place], DAYS[days % 4].0, DAYS[days % 4].1);
        let seen = [HOME, visit(one, number), visit(two, number / 4)];
        let said = [visit(one, number), visit(two, number / 4)];
        let (said, seen) = match number % 5 {
            0 => (&said[..0], &seen[..2]),
            1 => (&said[..1], &seen[..2]),
            2 => (&said[..1], &seen[..]),
            3 => (&said[..], &seen[..]),
            _ => (&said[..2], &seen[..1]),
        };
        world.judged(&format!("r{number:02}"), said, seen).await;
    }
}

#[tokio::test]
async fn what_the_dry_run_says_is_what_the_publication_does() {
    let mut world = World::new().await;
    crowd(&mut world).await;
    let without = |content: &mut MethodContent, place: &str| content.key_areas.retain(|area| area.place != place);
    let mut versions = vec![longer(), sample_content()];
    let mut turned = longer();
    without(&mut turned, "330300");
    turned.key_areas[0].measure = Measure::Home.into();
    turned.min_hours = 6;
    versions.push(turned);
    let mut fewer = sample_content();
    fewer.border_pairs.clear();
    without(&mut fewer, "411500");
    versions.push(fewer);
    for (number, content) in versions.into_iter().enumerate() {
        let name = world.approved(&format!("v{number}"), content).await;
        let before = measures(&world).await;
        let foreseen = world.dry_run(&officer(), &name).await;
        world.publish(&name, None).await.unwrap();
        let progress = world.rescreened(&name).await;
        let after = measures(&world).await;
        let mut groups: BTreeMap<(i32, i32), i32> = BTreeMap::new();
        for (case, verdict) in &after {
            let known = &before[case];
            if (verdict.method == name) && verdict != known {
                *groups.entry((known.measure, verdict.measure)).or_default() += 1;
            }
        }
        let told: BTreeMap<(i32, i32), i32> =
            foreseen.measures.iter().map(|change| ((change.before, change.after), change.people)).collect();
        assert_eq!(told, groups, "{}", foreseen.en);
        let figures = foreseen.figures.unwrap();
        assert_eq!((figures.verdicts, figures.touched), (progress.changed, groups.values().sum()));
        assert!(figures.touched > 0, "{name} is to touch somebody");
    }
}
