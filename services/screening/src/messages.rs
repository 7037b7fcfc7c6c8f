//! Messages of the contract in the forms that the verdict takes, and back. What is in the log was checked at the edge; what
//! cannot be read all the same is a fault, never a guess.

use anyhow::Context as _;
use chrono::NaiveDate;
use proto::screening::v1::{
    self, Declaration, Itinerary, MethodContent, Reasons, StruckVisit, case_event::EvidenceRecorded,
};

use crate::{
    places::Code,
    verdict::{Judgement, KeyArea, Rules, Scan, Stay, Visit},
};

/// The rules of a version of the method.
pub fn rules(version: &str, content: &MethodContent) -> anyhow::Result<Rules> {
    let area = |area: &v1::KeyArea| {
        Ok(KeyArea {
            place: code(&area.place)?,
            from: open_day(&area.from)?,
            to: open_day(&area.to)?,
            level: area.level(),
            measure: area.measure(),
        })
    };
    let pair = |pair: &v1::BorderPair| Ok((code(&pair.place)?, code(&pair.neighbour)?));
    let areas = content.key_areas.iter().map(area).collect::<anyhow::Result<_>>();
    let pairs = content.border_pairs.iter().map(pair).collect::<anyhow::Result<_>>();
    Ok(Rules {
        version: version.to_owned(),
        home: code(&content.home)?,
        min_hours: content.min_hours,
        window_days: u32::try_from(content.window_days).context("the window of a method is negative")?,
        lag_days: u32::try_from(content.lag_days).context("the lag of a method is negative")?,
        isolation_days: content.isolation_days,
        dispute_hours: content.dispute_hours,
        key_areas: areas.context("reading the key areas of a method")?,
        border_pairs: pairs.context("reading the border pairs of a method")?,
    })
}

pub fn stays(declaration: &Declaration) -> anyhow::Result<Vec<Stay>> {
    let stay =
        |stay: &v1::DeclaredStay| Ok(Stay { place: stay.place.clone(), from: day(&stay.from)?, to: day(&stay.to)? });
    declaration.stays.iter().map(stay).collect::<anyhow::Result<_>>().context("reading a declaration")
}

/// A scan with what it brought; `None` where the carrier had no data.
pub fn scan(
    evidence: &EvidenceRecorded,
    itinerary: Option<&Itinerary>,
    struck: &[StruckVisit],
) -> anyhow::Result<Scan> {
    let visits = itinerary.map(|itinerary| itinerary.visits.as_slice()).unwrap_or_default();
    let is_struck = |index: usize| {
        struck.iter().any(|struck| {
            struck.evidence_id == evidence.evidence_id
                && usize::try_from(struck.index).is_ok_and(|struck| struck == index)
        })
    };
    let visit = |(index, visit): (usize, &v1::Visit)| {
        Ok(Visit {
            place: visit.place.clone(),
            first: day(&visit.first)?,
            last: day(&visit.last)?,
            hours: visit.hours,
            struck: is_struck(index),
        })
    };
    let visits: anyhow::Result<_> = visits.iter().enumerate().map(visit).collect();
    Ok(Scan {
        source: evidence.source(),
        phone: Some(evidence.phone),
        from: day(&evidence.window_from)?,
        to: day(&evidence.window_to)?,
        visits: visits.context("reading an itinerary")?,
    })
}

/// What a judgement says in detail; `evidence_ids` and `scans` are of one order.
pub fn reasons(judgement: &Judgement, evidence_ids: &[String], scans: &[Scan]) -> Reasons {
    let visits = judgement.visits.iter().map(|judged| {
        let visit = &scans[judged.scan].visits[judged.visit];
        v1::JudgedVisit {
            visit: Some(v1::Visit {
                place: visit.place.clone(),
                first: visit.first.to_string(),
                last: visit.last.to_string(),
                hours: visit.hours,
            }),
            codes: judged.codes.iter().map(ToString::to_string).collect(),
            marks: judged.marks.iter().map(|mark| i32::from(*mark)).collect(),
            evidence_id: evidence_ids[judged.scan].clone(),
        }
    });
    let explanation = v1::Explanation { zh: judgement.explanation.zh.clone(), en: judgement.explanation.en.clone() };
    Reasons { visits: visits.collect(), unresolved: judgement.unresolved.clone(), explanation: Some(explanation) }
}

/// Positions in the reasons' visits as visits of their scans; `None` for a position that is not there.
pub fn struck_visits(reasons: &Reasons, positions: &[i32]) -> Option<Vec<StruckVisit>> {
    let mut struck = Vec::with_capacity(positions.len());
    for position in positions {
        let position = usize::try_from(*position).ok()?;
        let evidence_id = &reasons.visits.get(position)?.evidence_id;
        let before = reasons.visits[..position].iter().filter(|visit| visit.evidence_id == *evidence_id).count();
        let visit = StruckVisit { evidence_id: evidence_id.clone(), index: i32::try_from(before).ok()? };
        if !struck.contains(&visit) {
            struck.push(visit);
        }
    }
    Some(struck)
}

fn code(digits: &str) -> anyhow::Result<Code> {
    Code::parse(digits).with_context(|| format!("{digits:?} is no code of a place"))
}

fn open_day(text: &str) -> anyhow::Result<Option<NaiveDate>> {
    if text.is_empty() { Ok(None) } else { day(text).map(Some) }
}

fn day(text: &str) -> anyhow::Result<NaiveDate> {
    text.parse().context("a recorded date cannot be read")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_method_reads_the_same_as_a_file_and_as_a_message() {
        let content = crate::method_file::sample_content();
        assert_eq!(rules("2020-02-09", &content).unwrap(), crate::method_file::sample().rules(None).unwrap());
    }

    #[test]
    fn a_struck_visit_is_named_by_its_scan_and_its_place_in_it() {
        let visit = |evidence_id: &str| v1::JudgedVisit { evidence_id: evidence_id.to_owned(), ..Default::default() };
        let reasons = Reasons { visits: vec![visit("a"), visit("a"), visit("b"), visit("b")], ..Default::default() };
        let struck = struck_visits(&reasons, &[3, 0, 3]).unwrap();
        let shown: Vec<(&str, i32)> = struck.iter().map(|visit| (visit.evidence_id.as_str(), visit.index)).collect();
        assert_eq!(shown, [("b", 1), ("a", 0)]);
        assert!(struck_visits(&reasons, &[4]).is_none());
        assert!(struck_visits(&reasons, &[-1]).is_none());
    }
}
