//! Whether the answer depends on a name that nobody can place: it is worked out again with what the name might mean, and
//! compared.

use std::sync::Arc;

use super::{
    Named, Rules, Stay, Visit, Windows,
    weighing::{Said, Seen, Weighed, weigh},
};
use crate::places::{Code, Resolution};

/// `weighed` is the answer with those names left out.
pub(crate) fn depends_on_a_name(
    weighed: &Weighed,
    stays: &[Named<&Stay>],
    visits: &[Named<&Visit>],
    windows: &Windows,
    rules: &Rules,
) -> bool {
    let open_stays = stays.iter().any(|stay| stay.resolution.resolved().is_none());
    let open_visits: Vec<&Named<&Visit>> =
        visits.iter().filter(|visit| !visit.what.struck && visit.resolution.resolved().is_none()).collect();
    if !open_stays && open_visits.is_empty() {
        return false;
    }
    let differs = |said: &[Said], seen: &[Seen]| {
        let other = weigh(said, seen, windows, rules);
        (other.outcome, other.risk) != (weighed.outcome, weighed.risk)
    };
    let said: Vec<Said> = stays.iter().filter_map(Said::resolved).collect();
    let seen: Vec<Seen> = visits.iter().filter_map(|visit| Seen::resolved(visit, rules)).collect();

    // Every open declaration covers all that it might, or nothing that was seen.
    if open_stays && [wide(stays, &seen), nowhere(stays)].iter().any(|said| differs(said, &seen)) {
        return true;
    }
    open_visits.into_iter().any(|visit| {
        meanings(visit, &said, rules).into_iter().any(|code| {
            let mut seen = seen.clone();
            seen.push(Seen::at([code].into(), visit.what, rules));
            differs(&said, &seen)
        })
    })
}

fn wide(stays: &[Named<&Stay>], seen: &[Seen]) -> Vec<Said> {
    let everywhere: Arc<[Code]> = seen.iter().flat_map(|visit| visit.codes.iter().copied()).collect();
    said(stays, |resolution| match resolution {
        Resolution::Resolved(codes) | Resolution::Ambiguous(codes) => Arc::clone(codes),
        Resolution::Unknown => Arc::clone(&everywhere),
    })
}

fn nowhere(stays: &[Named<&Stay>]) -> Vec<Said> {
    said(stays, |resolution| match resolution {
        Resolution::Resolved(codes) => Arc::clone(codes),
        Resolution::Ambiguous(_) | Resolution::Unknown => [Code::ELSEWHERE].into(),
    })
}

fn said(stays: &[Named<&Stay>], codes: impl Fn(&Resolution) -> Arc<[Code]>) -> Vec<Said> {
    let stay = |stay: &Named<&Stay>| Said { codes: codes(&stay.resolution), from: stay.what.from, to: stay.what.to };
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
