use super::*;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn place() -> Place {
    Place { neighbourhood_id: "n".to_owned(), compound_id: "c".to_owned(), gate_id: "g".to_owned() }
}

fn after(device: &Device, events: &[Event]) -> Device {
    let mut device = device.clone();
    for event in events {
        device.evolve(event);
    }
    device
}

fn opened() -> Device {
    let device = Device::default();
    after(&device, &device.open(&place(), "north", b"code", at("2020-02-11T08:00:00Z")).unwrap())
}

fn enrolled() -> Device {
    after(&opened(), &opened().enrol(b"code", at("2020-02-11T08:01:00Z")).unwrap())
}

fn arrived(boot: &str, sequence: u64) -> Arrived {
    Arrived { boot: boot.to_owned(), sequence, kept: None }
}

fn reported(device: &Device, crossings: &[Arrived]) -> Device {
    let new = device.new_of(crossings.iter().map(|crossing| (crossing.boot.as_str(), crossing.sequence)));
    let new: Vec<&Arrived> = new.into_iter().map(|at| &crossings[at]).collect();
    after(device, &device.report(&new).unwrap())
}

#[test]
fn a_code_is_good_once_and_for_fifteen_minutes() {
    let now = at("2020-02-11T08:14:59Z");
    assert!(opened().enrol(b"code", now).is_ok());
    assert_eq!(opened().enrol(b"other", now), Err(Refused::CodeSpent));
    assert_eq!(opened().enrol(b"code", at("2020-02-11T08:15:00Z")), Err(Refused::CodeSpent));
    assert_eq!(enrolled().enrol(b"code", now), Err(Refused::CodeSpent));
    assert_eq!(Device::default().enrol(b"code", now), Err(Refused::CodeSpent));
}

#[test]
fn a_device_that_lost_its_token_is_enrolled_again_at_its_own_gate_and_keeps_its_marks() {
    let device = reported(&enrolled(), &[arrived("b", 1)]);
    let again = after(&device, &device.open(&place(), "north", b"next", at("2020-02-12T08:00:00Z")).unwrap());
    let again = after(&again, &again.enrol(b"next", at("2020-02-12T08:01:00Z")).unwrap());
    assert_eq!((again.mark("b"), again.serves()), (1, true));
    let elsewhere = Place { gate_id: "h".to_owned(), ..place() };
    assert_eq!(device.open(&elsewhere, "", b"x", at("2020-02-12T08:00:00Z")), Err(Refused::NotFound));
}

#[test]
fn nothing_counts_that_a_retired_device_sends_or_is_given() {
    let retired = after(&enrolled(), &enrolled().retire().unwrap());
    assert_eq!(retired.retire(), Ok(Vec::new()), "said twice");
    assert!(!retired.serves());
    assert_eq!(retired.report(&[&arrived("b", 1)]), Err(Refused::Retired));
    assert_eq!(retired.open(&place(), "", b"x", at("2020-02-12T08:00:00Z")), Err(Refused::Retired));
    assert_eq!(Device::default().retire(), Err(Refused::NotFound));
    assert_eq!(Device::default().report(&[]), Err(Refused::NotFound));
}

#[test]
fn a_crossing_counts_once_however_often_and_in_whatever_pieces_it_is_sent() {
    let all: Vec<Arrived> = (1..=5).map(|sequence| arrived("b", sequence)).collect();
    let mut device = enrolled();
    for piece in [&all[..3], &all[..3], &all[1..4], &all[..], &all[4..]] {
        device = reported(&device, piece);
    }
    assert_eq!(device.mark("b"), 5);
    let new = device.new_of(all.iter().map(|crossing| (crossing.boot.as_str(), crossing.sequence)));
    assert!(new.is_empty());
    assert_eq!(device.report(&[]), Ok(Vec::new()), "decided again on its own outcome");
}

#[test]
fn what_lies_behind_a_hole_is_not_taken() {
    let sent = [("b", 2), ("b", 1), ("b", 3), ("b", 2), ("c", 1), ("b", 3)];
    assert_eq!(enrolled().new_of(sent), [1, 3, 4, 5]);
}

#[test]
fn what_cannot_be_filed_is_kept_and_its_mark_moves_too() {
    let kept = Kept { reason_en: "no direction".to_owned(), ..Kept::default() };
    let arrived = Arrived { kept: Some(kept.clone()), ..arrived("b", 1) };
    let events = enrolled().report(&[&arrived]).unwrap();
    assert_eq!(events[0], Event::Kept(kept));
    assert_eq!(after(&enrolled(), &events).mark("b"), 1);
}
