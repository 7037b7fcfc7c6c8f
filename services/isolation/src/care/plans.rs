//! What an order opens in a neighbourhood, and the hours of all clocks.

use chassis::{Call, Decision, Fields};
use proto::isolation::v1::{GetNeedPlanRequest, NeedKind, NeedPlan, SetNeedPlanRequest, StandingNeed};
use tonic::{Request, Response, Status};

use super::{Care, amount, item, not_found};
use crate::domain::need_plan::{Plan, Refused};

/// More than all kinds there are.
const MOST_STANDING: usize = 20;

pub(super) async fn set(care: &Care, request: Request<SetNeedPlanRequest>) -> Result<Response<NeedPlan>, Status> {
    let call = Call::command(&request, &request.get_ref().request_id)?;
    let given = request.into_inner().plan.unwrap_or_default();
    let mut fields = Fields::new();
    let id = fields.name("plan.neighbourhood", "neighbourhoods", &given.neighbourhood);
    for (name, hours) in [
        ("urgent_hours", given.urgent_hours),
        ("soon_hours", given.soon_hours),
        ("normal_hours", given.normal_hours),
        ("claim_hours", given.claim_hours),
        ("confirm_hours", given.confirm_hours),
        ("escalation_hours", given.escalation_hours),
    ] {
        fields.number(format!("plan.{name}"), hours, 1..=240);
    }
    fields.check(
        "plan.standing",
        given.standing.len() <= MOST_STANDING,
        format!("最多 {MOST_STANDING} 项：请合并"),
        format!("must be at most {MOST_STANDING}: put some together"),
    );
    for (at, standing) in given.standing.iter().take(MOST_STANDING).enumerate() {
        let field = format!("plan.standing[{at}]");
        fields.one_of::<NeedKind>(format!("{field}.kind"), standing.kind);
        fields.number(format!("{field}.every_days"), standing.every_days, 1..=60);
        fields.number(format!("{field}.within_hours"), standing.within_hours, 1..=240);
        if !standing.item.is_empty() || standing.quantity.is_some() {
            item(&mut fields, &format!("{field}.item"), &standing.item);
            amount(&mut fields, &format!("{field}.quantity"), standing.quantity.as_ref());
        }
        let first =
            given.standing.iter().position(|other| (other.kind, &other.item) == (standing.kind, &standing.item));
        fields.check(
            format!("{field}.kind"),
            first == Some(at),
            "与前面的一项重复：每种需求和物资只写一次",
            "is there already: say each kind with each item once",
        );
    }
    let id = fields.read(id)?;
    if !call.principal.scope.allows(&id) {
        return Err(not_found());
    }
    let (etag, standing) = (given.etag.clone(), given.standing.iter().map(tidy).collect());
    let plan = NeedPlan { neighbourhood: String::new(), etag: String::new(), standing, ..given };
    let decide = |known: &Plan, version: u64| {
        let events = known.set(&plan, version, &etag)?;
        Ok::<_, Refused>(Decision::new(events).office(&id))
    };
    Ok(care.ledger.transact(&call, &id, decide, shown(&id)).await?.into_response())
}

pub(super) async fn get(care: &Care, request: Request<GetNeedPlanRequest>) -> Result<Response<NeedPlan>, Status> {
    let call = Call::query(&request)?;
    let mut fields = Fields::new();
    let id = fields.name("neighbourhood", "neighbourhoods", &request.get_ref().neighbourhood);
    let id = fields.read(id)?;
    if !call.principal.scope.allows(&id) {
        return Err(not_found());
    }
    let (plan, version) = care.ledger.load::<Plan>(&id).await?;
    Ok(Response::new(shown(&id)(&plan, version)))
}

fn tidy(standing: &StandingNeed) -> StandingNeed {
    let item = standing.item.split_whitespace().collect::<Vec<_>>().join(" ");
    StandingNeed { item, ..standing.clone() }
}

fn shown(id: &str) -> impl Fn(&Plan, u64) -> NeedPlan + Send + Sync {
    move |plan, version| NeedPlan {
        neighbourhood: format!("neighbourhoods/{id}"),
        etag: version.to_string(),
        ..plan.content()
    }
}
