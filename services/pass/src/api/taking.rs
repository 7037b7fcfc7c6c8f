//! Why a pass is taken, and what proves it: fields that several commands read.

use chassis::Fields;
use proto::pass::v1::Reason;

/// The reasons of the closed list that are a worker's to give; the others follow from verdicts, orders and the registry.
pub(super) fn workers_reason(fields: &mut Fields, value: i32, allowed: &[Reason]) -> Option<Reason> {
    let reason = fields.one_of::<Reason>("reason", value)?;
    let known = allowed.contains(&reason);
    fields.check(
        "reason",
        known,
        "这个原因只能由核查结论、隔离令或迁出登记产生：请选择遗失、出借等社工可用的原因",
        "follows only from a verdict, an order or a move-out: choose a reason that a worker may give, such as LOST or LENT",
    );
    known.then_some(reason)
}

/// Papers that one decision can rest on.
const MOST_EVIDENCE: usize = 20;

/// R23: nobody's pass is taken on a bare word. A lost one was reported by its holder.
pub(super) fn evidence(fields: &mut Fields, reason: Option<Reason>, given: &[String]) -> Vec<String> {
    let least = usize::from(reason.is_some_and(|reason| reason != Reason::Lost));
    fields.check(
        "evidence_ids",
        (least..=MOST_EVIDENCE).contains(&given.len()),
        format!("除遗失外需要 1 至 {MOST_EVIDENCE} 份证据的编号，例如通行记录：没有证据不能收回出入证"),
        format!("must hold 1 to {MOST_EVIDENCE} ids of evidence, such as a crossing, unless the pass was lost: no pass is taken without"),
    );
    let given = given.iter().take(MOST_EVIDENCE).enumerate();
    given.map(|(at, id)| fields.required(format!("evidence_ids[{at}]"), id, 100).to_owned()).collect()
}
