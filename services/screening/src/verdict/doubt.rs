//! Whether the answer depends on a name that nobody can place: it is worked out again with what the name might mean, and
//! compared.

use std::sync::Arc;

use super::{
    Named, Rules, Stay, Visit, Windows,
    weighing::{Said, Seen, Weighed, weigh},
};
use crate::places::{Code, Resolution};

/// `weighed` is the answer in which open declarations cover nothing and open visits are left out.
pub(crate) fn depends_on_a_name(
    weighed: &Weighed,
    (stays, said): (&[Named<&Stay>], &[Said]),
    (visits, seen): (&[Named<&Visit>], &[Seen]),
    windows: &Windows,
    rules: &Rules,
) -> bool {
    let differs = |said: &[Said], seen: &[Seen]| {
        let other = weigh(said, seen, windows, rules);
        (other.outcome, other.risk) != (weighed.outcome, weighed.risk)
    };
    if stays.iter().any(|stay| stay.resolution.resolved().is_none()) && differs(&widely(stays, seen), seen) {
        return true;
    }
    let mut open = visits.iter().filter(|visit| !visit.what.struck && visit.resolution.resolved().is_none());
    open.any(|visit| {
        meanings(visit, said, rules).into_iter().any(|code| {
            let mut seen = seen.to_vec();
            seen.push(Seen { paper: visit.paper, ..Seen::at([code].into(), visit.what, rules) });
            differs(said, &seen)
        })
    })
}

/// Every open declaration covers all that it might.
fn widely(stays: &[Named<&Stay>], seen: &[Seen]) -> Vec<Said> {
    let everywhere: Arc<[Code]> = seen.iter().flat_map(|visit| visit.codes.iter().copied()).collect();
    let stay = |stay: &Named<&Stay>| {
        let codes = match &stay.resolution {
            Resolution::Resolved(codes) | Resolution::Ambiguous(codes) => Arc::clone(codes),
            Resolution::Unknown => Arc::clone(&everywhere),
        };
        Said { codes, from: stay.what.from, to: stay.what.to }
    };
    stays.iter().map(stay).collect()
}

/// Where the phone may have been: one of the places of that name, or for an unknown name any place that matters.
fn meanings(visit: &Named<&Visit>, said: &[Said], rules: &Rules) -> Vec<Code> {
    if let Resolution::Ambiguous(codes) = &visit.resolution {
        return codes.to_vec();
    }
    let mut codes: Vec<Code> = rules.key_areas.iter().map(|area| area.place).collect();
    codes.extend(said.iter().flat_map(|stay| stay.codes.iter().copied()));
    codes.extend([rules.home, Code::ELSEWHERE]);
    codes.sort_unstable();
    codes.dedup();
    codes
}
