//! The picture as it stands between the logs and those who look: what it does about records that nobody can read, how it is made
//! anew while more come, and who sees what of it.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chassis::{
    Call, Feed, Memory as _, Principal, Record, Scope,
    event_log::{Head, LogError},
};
use proto::{
    access::v1::Role,
    isolation::v1::{Kind, ReleaseReason, order_event},
    pass::v1::Direction,
    registry::v1::Tenure,
    screening::v1::Outcome,
};
use tokio::sync::watch;

use super::{
    Street,
    street::{differing, picture, time},
};
use crate::{
    LOGS, overview,
    picture::{Picture, Shown},
    proof,
};

/// One log of a street, and what happens when it is read.
struct Script {
    log: &'static str,
    records: Vec<Arc<Record>>,
    when_read: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

#[async_trait]
impl Feed for Script {
    fn source(&self) -> &str {
        self.log
    }

    async fn head(&self) -> Result<Head, LogError> {
        unreachable!("nobody asks for it")
    }

    async fn read(&self, after_position: u64, limit: usize) -> Result<Vec<Arc<Record>>, LogError> {
        if let Some(happens) = self.when_read.lock().unwrap().take() {
            happens();
        }
        let of_log = self.records.iter().filter(|record| record.log == self.log);
        Ok(of_log.filter(|record| record.position > after_position).take(limit).cloned().collect())
    }

    fn wake(&self) -> watch::Receiver<u64> {
        watch::Sender::new(0).subscribe()
    }
}

fn feeds(records: &[Arc<Record>], when_read: impl FnOnce() + Send + 'static) -> Vec<Arc<dyn Feed>> {
    let mut when_read: Option<Box<dyn FnOnce() + Send>> = Some(Box::new(when_read));
    LOGS.map(|log| {
        let when_read = Mutex::new(when_read.take());
        Arc::new(Script { log, records: records.to_vec(), when_read }) as Arc<dyn Feed>
    })
    .into()
}

fn isolated() -> Street {
    let mut street = Street::new();
    street.at("2020-02-11 08:00").household("n1/h1", Tenure::Owned).resident("r1", "n1/h1");
    street.ordered("o1", "n1/h1", Kind::Home, "2020-02-11").ordered("o2", "n2/h2", Kind::Home, "2020-02-11");
    street
}

#[test]
fn a_record_that_nobody_can_read_is_laid_aside_with_its_stream_and_the_figures_go_on() {
    let mut street = isolated();
    street.at("2020-02-12 08:00").garble::<order_event::Event>("o1");
    street.released("o1", ReleaseReason::PeriodComplete).released("o2", ReleaseReason::PeriodComplete);
    let shown = street.live("2020-02-12 09:00");
    assert_eq!((shown.figures["n1"].home_isolation_persons, shown.figures["n1"].released_persons), (1, 0));
    assert_eq!((shown.figures["n2"].home_isolation_persons, shown.figures["n2"].released_persons), (0, 1));
    assert_eq!(shown.set_aside, 2);
    assert_eq!(shown.positions["isolation"], 5, "nobody waits for it");
    let picture = street.picture();
    assert_eq!((picture.laid_aside("isolation"), picture.laid_aside("registry")), (2, 0));
}

#[test]
fn what_a_newer_version_says_about_something_else_is_passed_over() {
    let mut street = isolated();
    let mut newer = Record::clone(street.records.last().unwrap());
    newer.position += 1;
    // Field 999, which no version has yet.
    newer.payload = vec![0xb8, 0x3e, 0x01];
    street.records.push(Arc::new(newer));
    let shown = street.live("2020-02-12 09:00");
    assert_eq!((shown.set_aside, shown.figures["n2"].home_isolation_persons), (0, 1));
}

#[tokio::test]
async fn a_rebuild_takes_in_what_comes_meanwhile_once() {
    let mut street = isolated();
    let before = street.records.len();
    street.at("2020-02-12 08:00").resident("r2", "n1/h1").released("o1", ReleaseReason::PeriodComplete);
    let (old, new) = street.records.split_at(before);
    let shown = Arc::new(picture(old));
    let (meanwhile, new) = (Arc::clone(&shown), new.to_vec());
    let comes = move || new.iter().for_each(|record| meanwhile.take(record).unwrap());
    // The logs hold the new records by the time that they are read.
    let taken = proof::rebuild(&feeds(&street.records, comes), &shown).await.unwrap();
    assert_eq!(taken, Some(before as u64));
    let live = shown.live(street.now);
    assert_eq!(live, street.picture().live(street.now));
    assert_eq!((live.figures["n1"].residents, live.figures["n1"].released_persons), (2, 1));
    assert_eq!(differing(&street.records, &live, false), "");
}

#[tokio::test]
async fn a_rebuild_puts_right_what_was_wrong() {
    let street = isolated();
    // Somebody's bit has flipped.
    let wrong = street.records.iter().filter(|record| record.stream_id != "h1").cloned();
    let shown = picture(&wrong.collect::<Vec<_>>());
    assert_ne!(differing(&street.records, &shown.live(street.now), false), "", "the recount finds it");
    proof::rebuild(&feeds(&street.records, || {}), &shown).await.unwrap().unwrap();
    assert_eq!(differing(&street.records, &shown.live(street.now), false), "");
}

#[tokio::test]
async fn a_rebuild_gives_way_where_a_log_was_made_anew_meanwhile() {
    let street = isolated();
    let shown = Arc::new(street.picture());
    let anew = Arc::clone(&shown);
    assert_eq!(proof::rebuild(&feeds(&street.records, move || anew.forget()), &shown).await.unwrap(), None);
    assert!(shown.live(street.now).figures.is_empty(), "all of it comes again by itself");
}

fn somebody(role: Role, scope: Scope) -> Call {
    let principal = Principal { subject: "staff/1".to_owned(), role, unit: "subdistrict".to_owned(), scope };
    Call::by(principal, chrono::DateTime::default(), "a question")
}

#[test]
fn a_day_that_is_reported_ends_with_its_last_second() {
    let mut street = Street::new();
    street.now = time("2020-02-11 23:59") + chrono::TimeDelta::seconds(40);
    let at = street.now;
    street.crossed("r1", Direction::In, at);
    street.now += chrono::TimeDelta::seconds(30);
    street.crossed("r2", Direction::In, street.now);
    let last = time("2020-02-12 00:00") - chrono::TimeDelta::microseconds(1);
    let crossings = |shown: &Shown| shown.figures["n1"].crossings;
    assert_eq!(crossings(&street.picture().as_of(last)), 0, "a minute is known when it is over");
    assert_eq!(crossings(&street.picture().by_the_end_of(last)), 1);
}

#[test]
fn an_auditor_sees_no_small_number_of_people_and_what_is_hidden_is_named() {
    let mut street = isolated();
    street.screened("c1", "r1", "n1/h1", Outcome::ConcealedKeyArea);
    let shown = street.live("2020-02-11 09:00");
    let officer = overview::of(&shown, &somebody(Role::Officer, Scope::Everywhere));
    let [n1, _] = &officer.neighbourhoods[..] else { panic!("two neighbourhoods") };
    assert_eq!((n1.figures.unwrap().home_isolation_persons, n1.hidden.len()), (1, 0));
    assert_eq!((n1.isolation_days.len(), n1.judged_by.len()), (1, 1));
    let auditor = overview::of(&shown, &somebody(Role::Auditor, Scope::Everywhere));
    let [n1, n2] = &auditor.neighbourhoods[..] else { panic!("two neighbourhoods") };
    for name in ["home_isolation_persons", "home_isolation_households", "concealed"] {
        assert!(n1.hidden.iter().any(|hidden| hidden == name), "{name}: {:?}", n1.hidden);
    }
    let figures = n1.figures.unwrap();
    assert_eq!((figures.home_isolation_persons, figures.concealed, figures.households), (0, 0, 1));
    assert!(n2.hidden.contains(&"home_isolation_persons".to_owned()));
    assert!(auditor.hidden.contains(&"home_isolation_persons".to_owned()), "two are under five as well");
    assert!(n1.isolation_days.is_empty() && n1.judged_by.is_empty());
    // One and one hidden are the difference of no two sums that are shown.
    let changes = overview::changes(&auditor, &officer);
    assert!(changes.iter().all(|change| change.figure != "home_isolation_persons"), "{changes:?}");
}

#[test]
fn a_worker_sees_the_own_neighbourhood_alone_and_sums_of_it() {
    let shown = isolated().live("2020-02-11 09:00");
    let worker = overview::of(&shown, &somebody(Role::Worker, Scope::Neighbourhood("n2".to_owned())));
    let names: Vec<&str> = worker.neighbourhoods.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["neighbourhoods/n2"]);
    let sums = worker.subdistrict.unwrap();
    assert_eq!((sums.households, sums.home_isolation_persons), (0, 1));
}

#[test]
fn what_is_told_of_a_past_minute_does_not_change_any_more() {
    let mut street = isolated();
    let picture = |street: &Street| -> Picture { street.picture() };
    let before = picture(&street).as_of(time("2020-02-11 09:00"));
    street.at("2020-02-11 09:01").released("o1", ReleaseReason::VerdictChanged).resident("r3", "n1/h1");
    assert_eq!(picture(&street).as_of(time("2020-02-11 09:00")).figures, before.figures);
}
