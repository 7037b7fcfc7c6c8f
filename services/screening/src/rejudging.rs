//! Whether somebody's record leads to another verdict under another version of the method. The same question for a dry run
//! and for the publication, so that the one says what the other does.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use chassis::{Failure, Views};
use futures::{Stream, stream};
use proto::screening::v1::{Outcome, case_event::Assessed};

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

    /// What was said and seen in each of the cases, in their order; `None` where it was erased.
    pub(crate) async fn open(&self, cases: &[Filed]) -> Result<Vec<Option<Person>>, Failure> {
        self.assessor.vault.foresee(cases.iter().flat_map(Filed::sealed)).await?;
        let mut people = Vec::with_capacity(cases.len());
        for (number, case) in cases.iter().enumerate() {
            if number % BREATH == BREATH - 1 {
                tokio::task::yield_now().await;
            }
            let Some(declaration) = &case.declaration else {
                people.push(None);
                continue;
            };
            let Filed { as_of, phones, evidence, struck, .. } = case;
            people.push(match self.assessor.person(*as_of, *phones, declaration, evidence, struck).await {
                Ok(person) => Some(person),
                // Of somebody who was erased nothing can be judged any more.
                Err(Failure::Refused(_)) => None,
                Err(failure) => return Err(failure),
            });
        }
        Ok(people)
    }
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
                Some(person) if difference.touches(&Footprint::of(&person)) => self.judge(case, &person, &learned),
                Some(_) | None => Found::Same,
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
        let difference = Arc::new(Difference::between(&self.records.assessor.rules(version).await?, &self.rules));
        known().insert(version.to_owned(), Arc::clone(&difference));
        Ok(difference)
    }
}

pub(crate) fn unreadable(status: tonic::Status) -> Failure {
    Failure::Unavailable(anyhow::Error::new(status).context("reading the views"))
}
