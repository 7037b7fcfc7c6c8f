//! Whether somebody's record leads to another verdict under another version of the method. The same question for a dry run
//! and for the publication, so that the one says what the other does.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context as _;
use chassis::{Failure, Views};
use proto::screening::v1::case_event::Assessed;
use sqlx::{Any, pool::PoolConnection};

use crate::{
    assessor::{Assessor, figures},
    difference::Difference,
    domain::case::says_the_same,
    projections::papers::{self, Filed, Page, Wanted},
    verdict::{Rules, judge},
};

/// The rules to judge by.
pub(crate) struct Rejudging {
    assessor: Assessor,
    views: Views,
    pub(crate) rules: Rules,
    /// By the version of the verdict that stands.
    differences: Mutex<HashMap<String, Arc<Difference>>>,
}

/// What became of a case.
pub(crate) enum Found {
    Same,
    /// In dispute: whoever answers it judges by the method in force then.
    Disputed,
    /// What it would say, without reasons.
    Other(Box<Assessed>),
}

/// Cases read at once; a few such pages are in memory at a time.
pub(crate) const PAGE: i64 = 1_000;

/// Cases judged before others have a turn: each takes microseconds.
const BREATH: usize = 64;

impl Rejudging {
    pub(crate) fn new(assessor: Assessor, views: Views, rules: Rules) -> Self {
        Self { assessor, views, rules, differences: Mutex::default() }
    }

    pub(crate) fn assessor(&self) -> &Assessor {
        &self.assessor
    }

    /// The residents behind one; `None` behind the last.
    pub(crate) async fn page(&self, wanted: &Wanted, after: &str) -> Result<Option<Page>, Failure> {
        let mut db = self.db().await?;
        Ok(papers::page(&mut db, wanted, after, PAGE).await?)
    }

    pub(crate) async fn db(&self) -> Result<PoolConnection<Any>, Failure> {
        let db = self.views.connection().await;
        db.map_err(|status| Failure::Unavailable(anyhow::Error::new(status).context("reading the views")))
    }

    /// Judges each case of a page, in their order.
    pub(crate) async fn look(&self, cases: &[Filed]) -> Result<Vec<Found>, Failure> {
        let mut touched = HashMap::new();
        for case in cases {
            if !touched.contains_key(case.verdict.method_version.as_str()) {
                touched.insert(case.verdict.method_version.as_str(), self.difference(&case.verdict).await?);
            }
        }
        let open = |case: &&Filed| {
            touched.get(case.verdict.method_version.as_str()).is_some_and(|difference| !difference.is_empty())
        };
        self.assessor.vault.foresee(cases.iter().filter(open).flat_map(Filed::sealed)).await?;
        let mut found = Vec::with_capacity(cases.len());
        for (number, case) in cases.iter().enumerate() {
            if number % BREATH == BREATH - 1 {
                tokio::task::yield_now().await;
            }
            let difference =
                touched.get(case.verdict.method_version.as_str()).context("every version was looked up")?;
            found.push(match (difference.is_empty(), case.disputed) {
                (true, _) => Found::Same,
                (false, true) => Found::Disputed,
                (false, false) => self.judge(case, difference).await?,
            });
        }
        Ok(found)
    }

    async fn judge(&self, case: &Filed, difference: &Difference) -> Result<Found, Failure> {
        let Some(declaration) = &case.declaration else { return Ok(Found::Same) };
        let opened = self.assessor.person(case.as_of, case.phones, declaration, &case.evidence, &case.struck).await;
        let person = match opened {
            Ok(person) => person,
            // Of somebody who was erased nothing can be judged any more.
            Err(Failure::Refused(_)) => return Ok(Found::Same),
            Err(failure) => return Err(failure),
        };
        if !difference.touches(&person) {
            return Ok(Found::Same);
        }
        let other = figures(&judge(&person, &self.rules), &self.rules, case.as_of);
        Ok(if says_the_same(&case.verdict, &other) { Found::Same } else { Found::Other(Box::new(other)) })
    }

    async fn difference(&self, verdict: &Assessed) -> Result<Arc<Difference>, Failure> {
        let version = &verdict.method_version;
        let known = || self.differences.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(difference) = known().get(version) {
            return Ok(Arc::clone(difference));
        }
        let difference = Arc::new(Difference::between(&self.assessor.rules(version).await?, &self.rules));
        known().insert(version.clone(), Arc::clone(&difference));
        Ok(difference)
    }
}
