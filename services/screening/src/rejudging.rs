//! Whether somebody's record leads to another verdict under another version of the method. The same question for a dry run
//! and for the publication, so that the one says what the other does.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::anyhow;
use chassis::{Failure, Views};
use futures::{Stream, stream};
use proto::screening::v1::{Outcome, case_event::Assessed};
use tokio::time::Instant;

use crate::{
    assessor::{Assessor, figures},
    difference::{Difference, Footprint},
    domain::case::says_the_same,
    places::Learned,
    projections::papers::{self, Filed, Page, Wanted},
    verdict::{Person, Rules, judge_with},
};

/// Everybody's record, page after page.
#[derive(Clone)]
pub(crate) struct Records {
    pub(crate) assessor: Assessor,
    pub(crate) views: Views,
}

/// Cases read at once; a few such pages are in memory at a time.
const PAGE: i64 = 1_000;

/// Pages that are opened side by side.
pub(crate) const SIDE_BY_SIDE: usize = 4;

/// Cases opened before others have a turn: each takes microseconds.
const BREATH: usize = 64;

impl Records {
    /// Waits until the views show all that is in the log now; its position.
    pub(crate) async fn caught_up(&self, patience: Duration) -> Result<u64, Failure> {
        let log = self.assessor.ledger.log();
        let position = log.head().await?.position;
        for progress in self.views.progress().iter().filter(|progress| progress.source == log.name()) {
            if !progress.wait_for(position, Instant::now() + patience).await {
                return Err(Failure::Unavailable(anyhow!("the views are far behind the log")));
            }
        }
        Ok(position)
    }

    /// Whole residents, in the order of their ids.
    pub(crate) fn pages(&self, wanted: Wanted) -> impl Stream<Item = Result<Page, Failure>> + Send {
        let views = self.views.clone();
        stream::try_unfold((views, wanted, String::new()), |(views, wanted, after)| async move {
            let mut db = views.connection().await.map_err(unreadable)?;
            let page = papers::page(&mut db, &wanted, &after, PAGE).await?;
            drop(db);
            Ok(page.map(|page| {
                let to = page.to.clone();
                (page, (views, wanted, to))
            }))
        })
    }

    /// What was said and seen in each of the cases, in their order. One that does not open keeps nobody else waiting.
    pub(crate) async fn open(&self, cases: &[Filed]) -> Result<Vec<Opened>, Failure> {
        self.assessor.vault.foresee(cases.iter().flat_map(Filed::sealed)).await?;
        let mut people = Vec::with_capacity(cases.len());
        for (number, case) in cases.iter().enumerate() {
            if number % BREATH == BREATH - 1 {
                tokio::task::yield_now().await;
            }
            let Filed { as_of, phones, evidence, struck, declaration, damaged, .. } = case;
            let Some(declaration) = declaration.as_ref().filter(|_| !damaged) else {
                people.push(Opened::Unreadable);
                continue;
            };
            people.push(match self.assessor.person(*as_of, *phones, declaration, evidence, struck).await {
                Ok(person) => Opened::Person(Box::new(person)),
                // Of somebody who was erased nothing can be judged any more.
                Err(Failure::Refused(_)) => Opened::Erased,
                Err(Failure::Fault(fault)) => {
                    let error = format!("{fault:#}");
                    tracing::warn!(case_id = case.case_id, error, "what was said and seen in a case does not open");
                    Opened::Unreadable
                }
                Err(failure) => return Err(failure),
            });
        }
        Ok(people)
    }
}

/// What became of a record that was to be opened.
pub(crate) enum Opened {
    Person(Box<Person>),
    /// A key is missing, or it is no such record.
    Unreadable,
    Erased,
}

/// The rules to judge by.
pub(crate) struct Rejudging {
    pub(crate) records: Records,
    pub(crate) rules: Rules,
    /// By the version of the verdict that stands.
    differences: Mutex<HashMap<String, Arc<Difference>>>,
}

/// What became of a case.
pub(crate) enum Found {
    Same,
    /// In dispute: whoever answers it judges by the method in force then.
    Disputed,
    /// Set by hand: at its end it is judged by the method in force then.
    Overridden,
    /// It does not open.
    Unreadable,
    /// What it would say, without reasons.
    Other(Box<Assessed>),
}

impl Rejudging {
    pub(crate) fn new(records: Records, rules: Rules) -> Self {
        Self { records, rules, differences: Mutex::default() }
    }

    /// Judges each case of a page, in their order.
    pub(crate) async fn look(&self, cases: &[Filed]) -> Result<Vec<Found>, Failure> {
        let people = self.records.open(cases).await?;
        let (learned, _) = self.records.assessor.learned().await?;
        let mut found = Vec::with_capacity(cases.len());
        for (case, person) in cases.iter().zip(people) {
            let difference = self.difference(&case.verdict.method_version).await?;
            found.push(match person {
                _ if difference.is_empty() => Found::Same,
                _ if case.disputed => Found::Disputed,
                _ if case.verdict.outcome() == Outcome::Overridden => Found::Overridden,
                Opened::Person(person) if difference.touches(&Footprint::of(&person)) => {
                    self.judge(case, &person, &learned)
                }
                Opened::Unreadable => Found::Unreadable,
                Opened::Person(_) | Opened::Erased => Found::Same,
            });
        }
        Ok(found)
    }

    fn judge(&self, case: &Filed, person: &Person, learned: &Learned) -> Found {
        let other = figures(&judge_with(person, &self.rules, learned), &self.rules, case.as_of);
        if says_the_same(&case.verdict, &other) { Found::Same } else { Found::Other(Box::new(other)) }
    }

    /// From the rules of that version to these.
    pub(crate) async fn difference(&self, version: &str) -> Result<Arc<Difference>, Failure> {
        let known = || self.differences.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(difference) = known().get(version) {
            return Ok(Arc::clone(difference));
        }
        let difference = match self.records.assessor.rules(version).await {
            Ok(before) => Difference::between(&before, &self.rules),
            // Nobody can say any more what it said: everybody who was judged by it is judged again.
            Err(Failure::Refused(_) | Failure::Fault(_)) => Difference::unknown(),
            Err(failure) => return Err(failure),
        };
        let difference = Arc::new(difference);
        known().insert(version.to_owned(), Arc::clone(&difference));
        Ok(difference)
    }
}

pub(crate) fn unreadable(status: tonic::Status) -> Failure {
    Failure::Unavailable(anyhow::Error::new(status).context("reading the views"))
}
