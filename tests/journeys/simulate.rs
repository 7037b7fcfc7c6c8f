//! A small subdistrict lives two days: what the simulation knows equals what the command centre shows, a recount agrees, and told
//! again nothing changes.

use office::simulate::{Numbers, Outcome, Pace, Playbill, Publication, play};
use proto::{
    access::v1::Role,
    screening::v1::{KeyArea, Level, Measure},
};
use screening::method_file::sample_content;
use tests::House;

fn playbill(house: &House, seed: u32) -> Playbill {
    let whole = Numbers::default();
    // Everybody is screened within two days, and slips and silence are not left to chance.
    let numbers = Numbers {
        people: 300,
        households: 120,
        compounds: 3,
        neighbourhoods: 2,
        first_wave: 0.4,
        returns: 0.25,
        conceal: 0.05,
        key_areas: 0.05,
        travelled: 0.4,
        carrier_errors: 0.05,
        no_data: 0.05,
        fevers: 0.02,
        needs: 0.02,
        people_per_volunteer: 60,
        gate_computers: 2,
        ..whole
    };
    Playbill {
        address: house.address().to_owned(),
        token: house.token("staff/demonstration", Role::Administrator, "subdistrict", "", ""),
        authority: None,
        seed,
        numbers,
        days: 2,
        pace: Pace { factor: None, at_once: 16 },
        publication: None,
        quiet: true,
    }
}

fn figure(outcome: &Outcome, name: &str) -> usize {
    outcome.figures[name].as_str().and_then(|text| text.parse().ok()).unwrap()
}

/// What was sent, counted: which readings nobody took the clock alone tells, when it comes to it.
fn sent(outcome: &Outcome) -> Vec<(&String, &serde_json::Value)> {
    outcome.figures.as_object().unwrap().iter().filter(|(name, _)| *name != "readings_missed").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_simulated_subdistrict_is_what_the_command_centre_shows_and_told_again_changes_nothing() {
    let house = House::new().await;
    let told = play(playbill(&house, 1)).await.unwrap();
    assert!(told.recount_equal);
    assert_eq!(told.errors, 0, "{:?}", told.load);
    let [column] = &told.report[..] else { panic!("one method, one column") };
    for (name, known) in [
        ("households", 120),
        ("residents", 300),
        ("screened", 270),
        ("screened", column.screened),
        ("clear", column.clear),
        ("declared_key_area", column.declared_key_area),
        ("concealed", column.concealed),
        ("undeclared", column.undeclared),
        ("to_ask", column.to_ask),
        ("passes", column.passes),
        ("crossings", 128),
    ] {
        assert_eq!(figure(&told, name), known, "{name} of {}", told.figures);
    }
    let isolated = figure(&told, "home_isolation_persons") + figure(&told, "central_isolation_persons");
    assert_eq!(isolated, column.isolated, "{}", told.figures);
    assert!(column.concealments.caught > 0 && column.without_data > 0 && column.wronged.people > 0, "{column:?}");
    let told_of = &column.concealments;
    assert_eq!(told_of.people, told_of.in_key_areas + told_of.not_in_method);
    let missed = told_of.missed_no_data + told_of.missed_window + told_of.missed_otherwise;
    assert_eq!(told_of.in_key_areas, told_of.caught + missed);

    let positions = house.told().await;
    let again = play(playbill(&house, 1)).await.unwrap();
    assert_eq!((&again.report, sent(&again)), (&told.report, sent(&told)), "told a second time");
    assert_eq!(again.errors, 0, "{:?}", again.load);
    assert_eq!(house.told().await, positions, "told a second time it adds nothing to the logs");

    let other = play(playbill(&house, 2)).await;
    let sentence = format!("{:#}", other.unwrap_err());
    assert!(sentence.contains("another subdistrict"), "{sentence}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_method_at_noon_gives_a_second_column() {
    let house = House::new().await;
    let mut content = sample_content();
    content.key_areas.push(KeyArea {
        place: "331000".into(),
        from: "2020-01-01".into(),
        to: String::new(),
        level: Level::Medium.into(),
        measure: Measure::Home.into(),
    });
    let publication = Some(Publication { day: 2, content });
    let told = play(Playbill { publication, ..playbill(&house, 3) }).await.unwrap();
    assert!(told.recount_equal);
    assert_eq!(told.errors, 0, "{:?}", told.load);
    let [before, after] = &told.report[..] else { panic!("{} columns", told.report.len()) };
    assert_eq!((before.method.as_str(), after.method.as_str()), ("methods/2020-02-09", "methods/2020-02-12"));
    assert!(before.screened < after.screened);
    assert_eq!(figure(&told, "screened"), after.screened);
    assert_eq!(figure(&told, "concealed"), after.concealed);
    assert_eq!(figure(&told, "declared_key_area"), after.declared_key_area);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_subdistricts_record_is_left_alone() {
    let house = House::planned(tempfile::TempDir::new().unwrap(), |data| mifeng::wiring::Plan {
        demonstration: false,
        ..tests::plan(data)
    })
    .await;
    let refused = play(playbill(&house, 1)).await.unwrap_err();
    assert!(format!("{refused:#}").contains("does not run as a demonstration"), "{refused:#}");
}
