use chassis::{Decision, Fields};
use proto::pass::v1::{Mark, RecordCrossingsRequest, RecordCrossingsResponse, Unfiled, device_event, gate_day_event};
use tonic::Status;

use crate::{
    arrivals::Filed,
    domain::device::{Arrived, Device, Refused},
};

/// Crossings of one request.
const MOST: usize = 500;

pub(super) fn read(request: &RecordCrossingsRequest) -> Result<(), Status> {
    let mut fields = Fields::new();
    let legible = |boot: &str| {
        (8..=64).contains(&boot.len()) && boot.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    fields.check(
        "crossings",
        request.crossings.len() <= MOST,
        format!("一次最多 {MOST} 条：请分批发送"),
        format!("must be {MOST} at most: send them in several"),
    );
    let boots = request.crossings.iter().map(|crossing| &crossing.boot).chain([&request.boot]);
    fields.check(
        "boot",
        boots.into_iter().all(|boot| legible(boot)),
        "每条的 boot 应为 8 至 64 个字母、数字或 -：请更新门岗程序",
        "must have 8 to 64 letters, digits or -, in each crossing too: update the gate's program",
    );
    fields.done()
}

/// Those that are new are put on record together with the marks that say so. Another replica may have taken some since they
/// were prepared.
pub(super) fn take(state: &Device, filed: &[Filed], office: &str) -> Result<Decision<device_event::Event>, Refused> {
    let new = state.new_of(filed.iter().map(|filed| (filed.arrived.boot.as_str(), filed.arrived.sequence)));
    let arrived: Vec<&Arrived> = new.iter().map(|at| &filed[*at].arrived).collect();
    let mut decision = Decision::new(state.report(&arrived)?).office(office);
    for at in new {
        if let Some((day, crossed)) = &filed[at].day {
            let crossed = Decision::new(crossed.events.clone()).office(office).subject(subject(crossed));
            decision = decision.besides(day, crossed);
        }
    }
    Ok(decision)
}

fn subject(crossed: &Decision<gate_day_event::Event>) -> String {
    let events = crossed.events.iter();
    let of = |gate_day_event::Event::Crossed(crossed): &_| crossed.resident_id.clone();
    events.map(of).next().unwrap_or_default()
}

pub(super) fn answer(state: &Device, request: &RecordCrossingsRequest, filed: &[Filed]) -> RecordCrossingsResponse {
    let mut boots: Vec<&str> = request.crossings.iter().map(|crossing| crossing.boot.as_str()).collect();
    boots.sort_unstable();
    boots.dedup();
    let marks = boots.into_iter().map(|boot| Mark { boot: boot.to_owned(), sequence: state.mark(boot) });
    let unfiled = filed.iter().filter_map(|filed| {
        let kept = filed.arrived.kept.as_ref()?;
        Some(Unfiled {
            boot: filed.arrived.boot.clone(),
            sequence: filed.arrived.sequence,
            reason_zh: kept.reason_zh.clone(),
            reason_en: kept.reason_en.clone(),
        })
    });
    RecordCrossingsResponse { marks: marks.collect(), unfiled: unfiled.collect(), server_time: None }
}
