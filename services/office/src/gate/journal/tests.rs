use proto::pass::v1::{Decision, Direction, Finding};
use tempfile::TempDir;

use super::*;

pub(crate) fn entry(number: &str) -> Entry {
    Entry {
        boot: String::new(),
        sequence: 0,
        at: "2020-02-11T08:00:00Z".parse().unwrap(),
        raw: "2020-02-11T07:50:00Z".parse().unwrap(),
        steady_ms: 1,
        direction: Direction::In.into(),
        decision: Decision::Allowed.into(),
        findings: vec![Finding::Valid.into()],
        decicelsius: 365,
        first_reading: 0,
        mask: true,
        list_sequence: 1,
        key_id: 1,
        slot: 0,
        who: Whom::Pass { number: number.to_owned(), typed: false, facts: None },
    }
}

fn open(folder: &TempDir, boot: &str) -> Journal {
    Journal::open(folder.path(), boot.to_owned()).unwrap()
}

fn sent(journal: &Journal) -> Vec<(String, u64)> {
    journal.batch(500).into_iter().map(|crossing| (crossing.boot, crossing.sequence)).collect()
}

fn mark(boot: &str, sequence: u64) -> Mark {
    Mark { boot: boot.to_owned(), sequence }
}

#[test]
fn what_was_recorded_is_there_after_a_kill_and_is_sent_until_it_is_acknowledged() {
    let folder = TempDir::new().unwrap();
    let mut journal = open(&folder, "first");
    for number in ["a", "b", "c"] {
        journal.append(entry(number)).unwrap();
    }
    drop(journal);
    let mut journal = open(&folder, "second");
    journal.append(entry("d")).unwrap();
    let all = [("first", 1), ("first", 2), ("first", 3), ("second", 1)].map(|(boot, at)| (boot.to_owned(), at));
    assert_eq!(sent(&journal), all);
    assert_eq!(journal.batch(2).len(), 2);
    journal.acknowledge(&[mark("first", 2)]).unwrap();
    journal.acknowledge(&[mark("first", 1)]).unwrap();
    assert_eq!((sent(&journal), journal.waiting()), (all[2..].to_vec(), 2));
    drop(journal);
    let mut journal = open(&folder, "third");
    journal.acknowledge(&[mark("first", 3), mark("second", 1)]).unwrap();
    assert_eq!(journal.waiting(), 0);
    assert_eq!(journal.entries().len(), 4, "the gate still remembers them");
}

#[test]
fn half_a_line_was_never_recorded() {
    let folder = TempDir::new().unwrap();
    let mut journal = open(&folder, "first");
    journal.append(entry("a")).unwrap();
    drop(journal);
    let path = folder.path().join(QUEUE);
    let whole = fs::read(&path).unwrap();
    for cut in 1..whole.len() {
        let torn = [&whole[..], &whole[..cut]].concat();
        fs::write(&path, torn).unwrap();
        let mut journal = open(&folder, "second");
        assert_eq!(sent(&journal), [("first".to_owned(), 1)], "cut at {cut}");
        journal.append(entry("b")).unwrap();
        assert_eq!(sent(&open(&folder, "third")).len(), 2, "cut at {cut}");
    }
}

#[test]
fn a_rotten_line_is_sent_as_an_empty_place_so_that_it_is_missed() {
    let folder = TempDir::new().unwrap();
    let mut journal = open(&folder, "first");
    for number in ["a", "b", "c"] {
        journal.append(entry(number)).unwrap();
    }
    drop(journal);
    let path = folder.path().join(QUEUE);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("\"number\":\"b\"", "\"number\":\"x\"", 1)).unwrap();
    let batch = open(&folder, "second").batch(500);
    assert_eq!(batch.iter().map(|crossing| crossing.sequence).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(batch.iter().map(|crossing| crossing.identity.is_some()).collect::<Vec<_>>(), [true, false, true]);
}

#[test]
fn what_the_centre_has_is_forgotten_after_five_weeks_and_what_it_has_not_never() {
    let folder = TempDir::new().unwrap();
    let mut journal = open(&folder, "first");
    for (number, day) in [("a", "2020-01-01"), ("b", "2020-01-01"), ("c", "2020-02-11")] {
        let at = format!("{day}T08:00:00Z").parse().unwrap();
        journal.append(Entry { at, ..entry(number) }).unwrap();
    }
    journal.acknowledge(&[mark("first", 1)]).unwrap();
    drop(journal);
    for boot in ["second", "third"] {
        let journal = open(&folder, boot);
        assert_eq!((journal.entries().len(), sent(&journal).len()), (2, 2));
    }
}

#[test]
fn one_folder_serves_one_program() {
    let folder = TempDir::new().unwrap();
    let held = lock(folder.path()).unwrap();
    assert!(lock(folder.path()).unwrap_err().to_string().contains("another gate program"));
    drop(held);
    lock(folder.path()).unwrap();
}
