use super::*;

fn decided(id: &str, spelling: &str, codes: &[&str]) -> Decided {
    Decided {
        decision_id: id.to_owned(),
        words: Words::Mobile.into(),
        spelling: spelling.to_owned(),
        codes: codes.iter().map(ToString::to_string).collect(),
        by: "staff/worker".to_owned(),
        unit: "n1".to_owned(),
    }
}

fn confirmed(id: &str, by: &str, unit: &str) -> Confirmed {
    Confirmed { decision_id: id.to_owned(), by: by.to_owned(), unit: unit.to_owned() }
}

fn taken(id: &str) -> TakenBack {
    TakenBack {
        decision_id: id.to_owned(),
        reason: "误认".to_owned(),
        by: "staff/doctor".to_owned(),
        unit: "health".to_owned(),
    }
}

fn given(events: &[Event]) -> Vocabulary {
    let mut vocabulary = Vocabulary::default();
    for event in events {
        vocabulary.evolve(event);
    }
    vocabulary
}

/// Decides, and again on the outcome, which must add nothing.
#[track_caller]
fn then(events: &[Event], decide: impl Fn(&Vocabulary) -> Result<Decision<Event>, Refused>) -> Vec<Event> {
    let new = decide(&given(events)).unwrap().events;
    assert_eq!(new.len(), 1);
    let after = [events, &new].concat();
    assert!(decide(&given(&after)).unwrap().events.is_empty(), "deciding again on its own outcome adds no event");
    after
}

fn means(events: &[Event], name: &str) -> Resolution {
    given(events).learned().resolve(name, places::Vocabulary::Mobile)
}

#[test]
fn a_name_means_nothing_new_before_another_unit_has_confirmed_it() {
    let events = then(&[], |known| known.decide(&decided("d1", "海南", &["632500"])));
    assert_eq!((means(&events, "海南").resolved(), given(&events).sequence()), (None, 0));
    let confirm = |by: &'static str, unit: &'static str| {
        given(&events).confirm(&confirmed("d1", by, unit)).map(|decision| decision.events.len())
    };
    assert_eq!(confirm("staff/worker", "health"), Err(Refused::SamePerson));
    assert_eq!(confirm("staff/worker-2", "n1"), Err(Refused::SameUnit), "one person with two accounts of one unit");
    let events = then(&events, |known| known.confirm(&confirmed("d1", "staff/doctor", "health")));
    assert_eq!(means(&events, " 海 南 ").codes(), [Code::parse("632500").unwrap()]);
    assert_eq!(given(&events).sequence(), 2);
    let again = given(&events).confirm(&confirmed("d1", "staff/other", "n2")).unwrap_err();
    assert_eq!(again, Refused::NotProposed);
}

#[test]
fn it_is_taken_back_at_once_and_the_earlier_one_does_not_return() {
    let mut events = then(&[], |known| known.decide(&decided("d1", "老家", &["511300"])));
    events = then(&events, |known| known.confirm(&confirmed("d1", "staff/doctor", "health")));
    events = then(&events, |known| known.decide(&decided("d2", "老家", &["511600"])));
    assert_eq!(means(&events, "老家").codes(), [Code::parse("511300").unwrap()]);
    events = then(&events, |known| known.confirm(&confirmed("d2", "staff/doctor", "health")));
    assert_eq!(given(&events).find("d1").unwrap().standing(), name_decision::State::Replaced);
    assert_eq!(given(&events).take_back(&taken("d1")).unwrap_err(), Refused::AlreadyTakenBack);
    events = then(&events, |known| known.take_back(&taken("d2")));
    assert_eq!(means(&events, "老家"), Resolution::Unknown);
    let sequences: Vec<i64> = given(&events).changes().iter().map(|change| change.sequence).collect();
    assert_eq!(sequences, [2, 4, 5]);
}

#[test]
fn a_proposal_that_is_taken_back_changes_nothing() {
    let mut events = then(&[], |known| known.decide(&decided("d1", "漫游", &[])));
    let other = given(&events).decide(&decided("d2", "漫 游", &["330200"])).unwrap_err();
    assert_eq!(other, Refused::AlreadyProposed);
    events = then(&events, |known| known.take_back(&taken("d1")));
    assert!(given(&events).changes().is_empty());
}

#[test]
fn no_place_is_an_answer() {
    let mut events = then(&[], |known| known.decide(&decided("d1", "漫游", &[])));
    events = then(&events, |known| known.confirm(&confirmed("d1", "staff/doctor", "health")));
    assert!(means(&events, "漫游").is_nowhere());
    assert_eq!(given(&events).decide(&decided("d2", "漫游", &[])).unwrap_err(), Refused::AlreadyDecided);
}

#[test]
fn a_decision_answers_a_question_and_overturns_no_code() {
    let refused = |name: &str, codes: &[&str]| given(&[]).decide(&decided("d1", name, codes)).unwrap_err();
    assert_eq!(refused("武汉", &["330200"]), Refused::NoQuestion);
    assert_eq!(refused("武汉", &[]), Refused::NoQuestion);
    assert_eq!(refused("海南", &["330200"]), Refused::NoneOfThese(vec!["460000".into(), "632500".into()]));
    assert_eq!(refused("某地", &["999999"]), Refused::NoPlace);
    assert_eq!(refused("某地", &["那里"]), Refused::NoPlace);
    assert_eq!(refused(" ", &["330200"]), Refused::NoName);
    assert_eq!(given(&[]).confirm(&confirmed("d9", "staff/doctor", "health")).unwrap_err(), Refused::NotFound);
}
