//! Where everybody was seen, in the memory of the replica that leads, so that a publication opens only the records that it
//! touches: a subdistrict's sealed itineraries take seconds to open, and their places a moment to go through. On a disk
//! this must not stand: blinded codes of places, of which there are a few thousand, could be guessed under a secret that no
//! erasure destroys. It is made anew from the sealed records after each start, in the background.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::anyhow;
use chassis::{Failure, Scope};
use chrono::NaiveDate;
use futures::{StreamExt as _, TryStreamExt as _};
use proto::registry::v1::Residence;

use crate::{
    difference::Footprint,
    places::Vocabulary,
    projections::papers::{Page, Wanted},
    rejudging::{Opened, Records, Rejudging, SIDE_BY_SIDE},
};

#[derive(Default)]
pub(crate) struct Footprints(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    /// By case.
    tracks: HashMap<String, Track>,
    /// Verdicts up to here are in.
    seen: i64,
    /// Residents who were erased or have moved out: whoever is opening their record meanwhile must not bring it back.
    gone: HashSet<String>,
    /// Names of versions, each once.
    versions: HashSet<Arc<str>>,
}

struct Track {
    resident_id: Box<str>,
    residence: Residence,
    /// Of the method, by which the verdict was given.
    version: Arc<str>,
    as_of: NaiveDate,
    /// Where the verdict stands in the log.
    position: i64,
    footprint: Footprint,
}

/// A case that is to be judged again.
#[derive(Clone, Debug)]
pub(crate) struct Touched {
    pub(crate) resident_id: String,
    pub(crate) case_id: String,
    pub(crate) as_of: NaiveDate,
    pub(crate) residence: Residence,
}

impl Footprints {
    /// Takes in what was judged since the last time.
    pub(crate) async fn catch_up(&self, records: &Records) -> Result<(), Failure> {
        // What comes behind this one is seen next time.
        let shown = records
            .views
            .progress()
            .iter()
            .filter(|progress| progress.source == crate::SERVICE)
            .fold(0, |shown, progress| shown.max(i64::try_from(progress.standing().position).unwrap_or(i64::MAX)));
        let behind = self.lock().seen;
        if shown <= behind {
            return Ok(());
        }
        let opened = records.pages(Wanted { scope: Scope::Everywhere, behind }).map_ok(|page: Page| {
            let records = records.clone();
            let task = tokio::spawn(async move {
                let people = records.open(&page.cases).await?;
                let prints: Vec<_> = people.iter().map(print).collect();
                Ok::<_, Failure>((page, prints))
            });
            async move { task.await.map_err(|error| Failure::Fault(anyhow!(error).context("opening a page")))? }
        });
        let mut opened = opened.try_buffered(SIDE_BY_SIDE).boxed();
        while let Some((page, prints)) = opened.try_next().await? {
            self.take(page, prints);
        }
        self.lock().seen = shown;
        Ok(())
    }

    fn take(&self, page: Page, prints: Vec<Option<Footprint>>) {
        let mut inner = self.lock();
        for (case, footprint) in page.cases.into_iter().zip(prints) {
            let Some(footprint) = footprint.filter(|_| !inner.gone.contains(&case.resident_id)) else { continue };
            let version = inner.version(&case.verdict.method_version);
            let track = Track {
                resident_id: case.resident_id.into(),
                residence: case.residence,
                version,
                as_of: case.as_of,
                position: case.position,
                footprint,
            };
            inner.tracks.insert(case.case_id, track);
        }
    }

    /// Nothing is known of an erased person, and nobody judges again who has moved out.
    pub(crate) fn forget(&self, resident_id: &str) {
        let mut inner = self.lock();
        inner.gone.insert(resident_id.to_owned());
        inner.tracks.retain(|_, track| &*track.resident_id != resident_id);
    }

    /// Whoever does not lead hears of no erasure, and keeps nothing.
    pub(crate) fn clear(&self) {
        let mut inner = self.lock();
        if inner.seen > 0 {
            *inner = Inner::default();
        }
    }

    /// Cases behind a position of the log that the method may say something else about, in the order of residents.
    pub(crate) async fn touched(&self, rejudging: &Rejudging, behind: i64) -> Result<Vec<Touched>, Failure> {
        let versions: Vec<Arc<str>> = self.lock().versions.iter().cloned().collect();
        let mut differences = HashMap::new();
        for version in versions {
            let difference = rejudging.difference(&version).await?;
            differences.insert(version, difference);
        }
        let touches = |track: &&Track| {
            let difference = differences.get(&track.version);
            track.position > behind && difference.is_some_and(|difference| difference.touches(&track.footprint))
        };
        Ok(self.find(touches))
    }

    /// Cases that were judged by a version already.
    pub(crate) fn judged_by(&self, version: &str) -> Vec<Touched> {
        self.find(|track| &*track.version == version)
    }

    /// Cases in which this source has used a name that no table places.
    pub(crate) fn asking_about(&self, words: Vocabulary, spelling: &str) -> Vec<Touched> {
        self.find(|track| track.footprint.asks_about(words, spelling))
    }

    fn find(&self, wanted: impl Fn(&&Track) -> bool) -> Vec<Touched> {
        let inner = self.lock();
        let found = inner.tracks.iter().filter(|(_, track)| wanted(track)).map(|(case_id, track)| Touched {
            resident_id: track.resident_id.to_string(),
            case_id: case_id.clone(),
            as_of: track.as_of,
            residence: track.residence.clone(),
        });
        let mut found: Vec<Touched> = found.collect();
        found
            .sort_unstable_by(|one, other| (&one.resident_id, &one.case_id).cmp(&(&other.resident_id, &other.case_id)));
        found
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where somebody was seen; `None` where it was erased.
fn print(opened: &Opened) -> Option<Footprint> {
    match opened {
        Opened::Person(person) => Some(Footprint::of(person)),
        Opened::Unreadable => Some(Footprint::unreadable()),
        Opened::Erased => None,
    }
}

impl Inner {
    fn version(&mut self, name: &str) -> Arc<str> {
        if let Some(version) = self.versions.get(name) {
            return Arc::clone(version);
        }
        let version: Arc<str> = name.into();
        self.versions.insert(Arc::clone(&version));
        version
    }
}
