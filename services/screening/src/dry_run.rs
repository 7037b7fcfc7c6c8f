//! What a version of the method would change, for whom, and where: counted over everybody's record, page by page. Nothing
//! is written.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use anyhow::anyhow;
use chassis::{Failure, Scope};
use futures::{StreamExt as _, TryStreamExt as _};
use proto::screening::v1::{DryRunFigures, Measure, MeasureChange, NeighbourhoodDryRun};

use crate::{
    comparison::Headline,
    projections::papers::{Filed, Page, Wanted},
    rejudging::{Found, Rejudging, SIDE_BY_SIDE},
};

/// Counts of everybody within reach.
#[derive(Default)]
pub(crate) struct Counts {
    neighbourhoods: BTreeMap<String, Figures>,
    measures: BTreeMap<(Measure, Measure), i32>,
}

#[derive(Default)]
struct Figures {
    figures: DryRunFigures,
    compounds: BTreeSet<String>,
}

/// Judges all that somebody may see.
pub(crate) async fn count(rejudging: &Arc<Rejudging>, scope: &Scope) -> Result<Counts, Failure> {
    let pages = rejudging.records.pages(Wanted { scope: scope.clone(), behind: 0 });
    let judged = pages.map_ok(|page: Page| {
        let rejudging = Arc::clone(rejudging);
        // In a task of its own: it opens and judges on another core while the next page is read.
        let task = tokio::spawn(async move {
            let found = rejudging.look(&page.cases).await?;
            Ok::<_, Failure>((page.cases, found))
        });
        async move { task.await.map_err(|error| Failure::Fault(anyhow!(error).context("judging a page")))? }
    });
    let mut judged = judged.try_buffered(SIDE_BY_SIDE).boxed();
    let mut counts = Counts::default();
    while let Some((cases, found)) = judged.try_next().await? {
        counts.take(&cases, &found);
    }
    Ok(counts)
}

impl Counts {
    /// Whole people: a page has all cases of each.
    fn take(&mut self, cases: &[Filed], found: &[Found]) {
        let cases: Vec<(&Filed, &Found)> = cases.iter().zip(found).collect();
        for person in cases.chunk_by(|(one, _), (other, _)| one.resident_id == other.resident_id) {
            self.person(person);
        }
    }

    fn person(&mut self, cases: &[(&Filed, &Found)]) {
        let Some((last, _)) = cases.last() else { return };
        let of = self.neighbourhoods.entry(last.residence.neighbourhood_id.clone()).or_default();
        let before = cases
            .iter()
            .map(|(case, _)| case.verdict.measure())
            .max_by_key(|measure| strictness(*measure))
            .unwrap_or_default();
        let after = |(case, found): &(&Filed, &Found)| match found {
            Found::Other(verdict) => verdict.measure(),
            Found::Same | Found::Disputed | Found::Overridden | Found::Unreadable => case.verdict.measure(),
        };
        let after = cases.iter().map(after).max_by_key(|measure| strictness(*measure)).unwrap_or_default();
        let verdicts = cases.iter().filter(|(_, found)| matches!(found, Found::Other(_))).count();
        let disputed = cases.iter().filter(|(_, found)| matches!(found, Found::Disputed)).count();
        let overridden = cases.iter().filter(|(_, found)| matches!(found, Found::Overridden)).count();
        let unreadable = cases.iter().filter(|(_, found)| matches!(found, Found::Unreadable)).count();
        of.figures.people += 1;
        of.figures.unreadable += number(unreadable);
        of.figures.overridden += number(overridden);
        of.figures.disputed += number(disputed);
        if verdicts == 0 {
            return;
        }
        of.figures.touched += 1;
        of.figures.verdicts += number(verdicts);
        of.compounds.insert(last.residence.compound_id.clone());
        *self.measures.entry((before, after)).or_default() += 1;
        if isolates(before) && !isolates(after) {
            of.figures.released += 1;
        }
        let group = match after {
            _ if before == after => &mut of.figures.other,
            Measure::Central => &mut of.figures.central,
            Measure::Home => &mut of.figures.home,
            Measure::Watch => &mut of.figures.watch,
            Measure::Ask => &mut of.figures.ask,
            Measure::None | Measure::Unspecified => &mut of.figures.none,
        };
        *group += 1;
    }

    pub(crate) fn total(&self) -> DryRunFigures {
        let mut total = DryRunFigures::default();
        for Figures { figures, compounds } in self.neighbourhoods.values() {
            total.people += figures.people;
            total.touched += figures.touched;
            total.compounds += number(compounds.len());
            total.central += figures.central;
            total.home += figures.home;
            total.watch += figures.watch;
            total.ask += figures.ask;
            total.none += figures.none;
            total.other += figures.other;
            total.released += figures.released;
            total.verdicts += figures.verdicts;
            total.disputed += figures.disputed;
            total.overridden += figures.overridden;
            total.unreadable += figures.unreadable;
        }
        total
    }

    pub(crate) fn measures(&self) -> Vec<MeasureChange> {
        let change = |((before, after), people): (&(Measure, Measure), &i32)| MeasureChange {
            before: (*before).into(),
            after: (*after).into(),
            people: *people,
        };
        self.measures.iter().map(change).collect()
    }

    pub(crate) fn neighbourhoods(&self) -> Vec<NeighbourhoodDryRun> {
        let row = |(id, of): (&String, &Figures)| NeighbourhoodDryRun {
            neighbourhood: format!("neighbourhoods/{id}"),
            figures: Some(DryRunFigures { compounds: number(of.compounds.len()), ..of.figures }),
        };
        self.neighbourhoods.iter().map(row).collect()
    }
}

/// "adding 台州 from 8 February touches 214 people in 31 compounds: 12 central, 88 home; 9 released"
pub(crate) fn sentence(headline: &Headline, figures: &DryRunFigures) -> Headline {
    let DryRunFigures { touched, compounds, .. } = figures;
    if *touched == 0 {
        return Headline {
            zh: format!("{}：不影响任何人", headline.zh),
            en: format!("{} touches nobody", headline.en),
        };
    }
    let groups = [
        (figures.central, "集中隔离", "central"),
        (figures.home, "居家隔离", "home"),
        (figures.watch, "健康监测", "watched"),
        (figures.ask, "待核实", "to ask"),
        (figures.none, "无需措施", "free"),
        (figures.other, "措施不变", "with the same measure"),
    ];
    let told = groups.iter().filter(|(count, ..)| *count > 0);
    let mut zh: Vec<String> = told.clone().map(|(count, zh, _)| format!("{zh}{count}人")).collect();
    let en: Vec<String> = told.map(|(count, _, en)| format!("{count} {en}")).collect();
    let mut en = en.join(", ");
    if figures.released > 0 {
        zh.push(format!("其中解除隔离{}人", figures.released));
        en = format!("{en}; {} released", figures.released);
    }
    let (people, places) =
        (if *touched == 1 { "person" } else { "people" }, if *compounds == 1 { "compound" } else { "compounds" });
    Headline {
        zh: format!("{}，涉及{compounds}个小区{touched}人：{}", headline.zh, zh.join("、")),
        en: format!("{} touches {touched} {people} in {compounds} {places}: {en}", headline.en),
    }
}

fn isolates(measure: Measure) -> bool {
    matches!(measure, Measure::Home | Measure::Central)
}

/// What a person is held to, of several measures.
fn strictness(measure: Measure) -> u8 {
    match measure {
        Measure::Unspecified | Measure::None => 0,
        Measure::Watch => 1,
        Measure::Ask => 2,
        Measure::Home => 3,
        Measure::Central => 4,
    }
}

fn number(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use proto::{registry::v1::Residence, screening::v1::case_event::Assessed};

    use super::*;

    fn filed(resident: &str, compound: &str, measure: Measure) -> Filed {
        let mut verdict = Assessed::default();
        verdict.set_measure(measure);
        Filed {
            case_id: format!("case of {resident}"),
            resident_id: resident.to_owned(),
            residence: Residence {
                compound_id: compound.to_owned(),
                neighbourhood_id: "n1".to_owned(),
                ..Default::default()
            },
            phones: 1,
            disputed: false,
            position: 0,
            verdict,
            as_of: chrono::NaiveDate::default(),
            declaration: None,
            evidence: Vec::new(),
            struck: Vec::new(),
            damaged: false,
        }
    }

    fn other(measure: Measure) -> Found {
        let mut verdict = Assessed::default();
        verdict.set_measure(measure);
        Found::Other(Box::new(verdict))
    }

    #[test]
    fn people_are_counted_once_by_what_holds_them_most() {
        let cases = [
            filed("r1", "c1", Measure::Ask),
            filed("r2", "c1", Measure::None),
            filed("r2", "c1", Measure::Ask),
            filed("r3", "c2", Measure::Home),
            filed("r4", "c2", Measure::None),
            filed("r5", "c3", Measure::Central),
        ];
        let found = [
            other(Measure::Home),
            other(Measure::Central),
            other(Measure::Home),
            other(Measure::Ask),
            Found::Same,
            other(Measure::Central),
        ];
        let mut counts = Counts::default();
        counts.take(&cases, &found);
        let total = counts.total();
        assert_eq!((total.people, total.touched, total.compounds, total.verdicts), (5, 4, 3, 5));
        assert_eq!((total.central, total.home, total.ask, total.other, total.released), (1, 1, 1, 1, 1));
        let groups = [total.central, total.home, total.watch, total.ask, total.none, total.other];
        assert_eq!(groups.iter().sum::<i32>(), total.touched);
        assert_eq!(counts.measures().iter().map(|change| change.people).sum::<i32>(), total.touched);
    }

    #[test]
    fn the_sentence_is_that_of_the_street() {
        let headline =
            Headline { zh: "自2月8日起增列台州".to_owned(), en: "adding 台州 from 8 February".to_owned() };
        let figures = DryRunFigures {
            touched: 109,
            compounds: 31,
            central: 12,
            home: 88,
            none: 9,
            released: 9,
            ..Default::default()
        };
        let told = sentence(&headline, &figures);
        assert_eq!(
            told.en,
            "adding 台州 from 8 February touches 109 people in 31 compounds: 12 central, 88 home, 9 free; 9 released"
        );
        assert_eq!(
            told.zh,
            "自2月8日起增列台州，涉及31个小区109人：集中隔离12人、居家隔离88人、无需措施9人、其中解除隔离9人"
        );
        assert_eq!(sentence(&headline, &DryRunFigures::default()).en, "adding 台州 from 8 February touches nobody");
    }
}
