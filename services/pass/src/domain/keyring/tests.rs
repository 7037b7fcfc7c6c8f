use credential::signature::SigningKey;
use proto::pass::v1::RecallReason;

use super::*;

const OFFICER: Signatory<'static> = Signatory { by: "staff/officer", unit: "subdistrict" };
const DIRECTOR: Signatory<'static> = Signatory { by: "staff/director", unit: "n1" };
/// Monday, 10 February 2020, 08:00 in Ningbo: the keys changed eight hours ago.
const MONDAY: &str = "2020-02-10T00:00:00Z";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn hour(text: &str) -> Hour {
    Hour::of_unix(at(text).timestamp()).unwrap()
}

/// Keys of made-up secrets, each needed until an hour of its own.
struct Secrets(fn(u8) -> Option<Hour>);

impl Makes for Secrets {
    fn public(&self, scope: Scope, serial: u32) -> PublicKey {
        let mut secret = [scope as u8; 32];
        secret[..4].copy_from_slice(&serial.to_be_bytes());
        SigningKey::ed25519(&secret).public()
    }

    fn needed_until(&self, key: u8) -> Option<Hour> {
        self.0(key)
    }
}

fn making(now: &str) -> Making<'static> {
    Making { now: at(now), makes: &Secrets(|_| None) }
}

/// Decides, and again on the outcome, which must add nothing.
fn when(ring: &mut Keyring, decide: impl Fn(&Keyring) -> Result<Events, Refused>) -> Vec<&'static str> {
    use proto::Fact as _;

    let events = decide(ring).unwrap();
    for event in &events {
        ring.evolve(event);
    }
    assert_eq!(decide(ring), Ok(Vec::new()), "deciding again on its own outcome adds no event");
    events.iter().map(|event| event.type_name().trim_start_matches("keyring.")).collect()
}

fn begun() -> Keyring {
    let mut ring = Keyring::default();
    assert_eq!(when(&mut ring, |ring| Ok(ring.turn(making(MONDAY)))), ["announced"; 3]);
    ring
}

fn signs(ring: &Keyring, time: &str) -> Option<u8> {
    ring.signing(Scope::Passes, hour(time)).map(|known| known.key.id)
}

fn proposal(from: &str) -> RecallProposed {
    let mut proposed = RecallProposed {
        key_id: 1,
        signed_from: Some(timestamp(at(from))),
        evidence_ids: vec!["paper 1".to_owned()],
        by: OFFICER.by.to_owned(),
        unit: OFFICER.unit.to_owned(),
        ..RecallProposed::default()
    };
    proposed.set_reason(RecallReason::SecretExposed);
    proposed
}

#[test]
fn the_first_start_announces_a_key_for_now_one_for_the_next_week_and_one_for_lists() {
    let ring = begun();
    assert_eq!(signs(&ring, MONDAY), Some(1));
    assert_eq!(signs(&ring, "2020-01-20T00:00:00Z"), Some(1), "what is dated before the first start");
    assert_eq!(signs(&ring, "2020-02-16T15:59:59Z"), Some(1));
    assert_eq!(signs(&ring, "2020-02-16T16:00:00Z"), Some(2), "Monday begins in Ningbo");
    assert_eq!(ring.signing(Scope::Lists, hour(MONDAY)).unwrap().key.id, 200);
    assert_eq!(ring.set().unwrap().number, 3);
}

#[test]
fn each_week_the_next_key_is_announced_before_it_signs() {
    let mut ring = begun();
    assert_eq!(when(&mut ring, |ring| Ok(ring.turn(making("2020-02-16T15:00:00Z")))), [""; 0]);
    assert_eq!(when(&mut ring, |ring| Ok(ring.turn(making("2020-02-16T16:00:00Z")))), ["announced"]);
    assert_eq!(signs(&ring, "2020-02-23T15:00:00Z"), Some(2));
    assert_eq!(signs(&ring, "2020-02-23T16:00:00Z"), Some(3));
    assert!(ring.find(1).is_some(), "what the first one signed is still verified");
}

#[test]
fn a_key_retires_two_days_after_the_last_pass_that_it_signed() {
    let mut ring = begun();
    let secrets = Secrets(|id| (id == 1).then(|| hour("2020-02-28T00:00:00Z")));
    let turn = |now: &str| {
        let making = Making { now: at(now), makes: &secrets };
        move |ring: &Keyring| Ok(ring.turn(making))
    };
    when(&mut ring, turn("2020-02-29T23:00:00Z"));
    assert!(ring.find(1).is_some());
    assert!(ring.find(2).is_none(), "nothing was signed with it");
    when(&mut ring, turn("2020-03-01T00:00:00Z"));
    assert!(ring.find(1).is_none());
    assert_eq!(signs(&ring, "2020-03-01T00:00:00Z"), Some(3), "ids do not come again at once");
}

#[test]
fn after_a_long_standstill_a_key_signs_from_this_hour_on() {
    let mut ring = begun();
    when(&mut ring, |ring| Ok(ring.turn(making("2020-03-18T10:30:00Z"))));
    assert_eq!(signs(&ring, "2020-03-18T10:00:00Z"), Some(3));
    assert_eq!(signs(&ring, "2020-03-18T09:00:00Z"), None);
}

#[test]
fn a_recall_of_a_key_takes_two_people_of_two_units_and_another_key_signs_at_once() {
    let mut ring = begun();
    assert_eq!(ring.propose(RecallProposed { key_id: 9, ..proposal(MONDAY) }), Err(Refused::NotFound));
    assert_eq!(when(&mut ring, |ring| ring.propose(proposal(MONDAY))), ["recall_proposed"]);
    assert_eq!(signs(&ring, MONDAY), Some(1), "nothing changes before it is confirmed");
    let confirm = |ring: &Keyring, by| ring.confirm(1, by, making("2020-02-11T04:20:00Z"));
    assert_eq!(confirm(&ring, OFFICER), Err(Refused::SamePerson));
    assert_eq!(confirm(&ring, Signatory { by: "staff/other", ..OFFICER }), Err(Refused::SameUnit));
    assert_eq!(when(&mut ring, |ring| confirm(ring, DIRECTOR)), ["recall_confirmed", "announced"]);
    assert_eq!(signs(&ring, "2020-02-11T04:00:00Z"), Some(3));
    assert_eq!(signs(&ring, "2020-02-09T23:00:00Z"), Some(1), "what it signed before stays good");
    assert!(ring.recalled(1, hour(MONDAY)) && !ring.recalled(1, hour("2020-02-09T23:00:00Z")));
    assert_eq!(ring.propose(proposal(MONDAY)), Err(Refused::AlreadyRecalled));
    assert_eq!(when(&mut ring, |ring| ring.propose(proposal("2020-02-01T00:00:00Z"))), ["recall_proposed"]);
}

#[test]
fn a_recall_that_was_declined_changes_nothing() {
    let mut ring = begun();
    when(&mut ring, |ring| ring.propose(proposal(MONDAY)));
    assert_eq!(ring.propose(proposal("2020-02-01T00:00:00Z")), Err(Refused::AlreadyProposed));
    assert_eq!(when(&mut ring, |ring| ring.decline(1, DIRECTOR)), ["recall_declined"]);
    assert_eq!(ring.confirm(1, DIRECTOR, making(MONDAY)), Err(Refused::NotProposed));
    assert_eq!(signs(&ring, MONDAY), Some(1));
}

#[test]
fn a_recalled_key_for_lists_is_replaced_too() {
    let mut ring = begun();
    when(&mut ring, |ring| ring.propose(RecallProposed { key_id: 200, ..proposal(MONDAY) }));
    when(&mut ring, |ring| ring.confirm(200, DIRECTOR, making("2020-02-11T04:20:00Z")));
    assert_eq!(ring.signing(Scope::Lists, hour("2020-02-11T04:00:00Z")).unwrap().key.id, 201);
}

#[test]
fn five_years_of_weeks_make_no_set_that_is_refused() {
    let mut ring = begun();
    let mut now = at(MONDAY);
    let mut number = 0;
    for _ in 0..260 {
        now += chrono::TimeDelta::weeks(1);
        let events = ring.turn(Making { now, makes: &Secrets(|_| Some(Hour::NEVER)) });
        for event in &events {
            ring.evolve(event);
        }
        let set = ring.set().expect("the set is sound");
        assert!(set.number > number && set.signing(Scope::Passes, Hour::of_unix(now.timestamp()).unwrap()).is_some());
        number = set.number;
    }
}
