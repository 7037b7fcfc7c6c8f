use std::collections::BTreeSet;

use chassis::{Call, Fields};
use proto::registry::v1::{
    OpenRosterRequest, Post, Roster as Resource, Shift, StaffKind,
    roster_event::{Member, Opened},
};
use tonic::{Request, Status};

use super::{bare, file, id_of, is_monday};
use crate::{
    api::{Answer, Api, refused},
    domain::{compound::Compound, not_found, roster::Roster, staff::Staff},
};

const MOST_SHIFTS: usize = 6;
const MOST_POSTS: usize = 40;
const MOST_MEMBERS: usize = 200;
/// Hours between two shifts where the request names none: who had the late shift sleeps at home and does not open the gate in
/// the morning. A planning figure of ours; no rule of 2020 names one.
const USUAL_REST: i32 = 12;

pub(super) async fn open(api: &Api, request: Request<OpenRosterRequest>) -> Answer<Resource> {
    let call = Call::command(&request, &request.get_ref().request_id)?;
    let given = request.into_inner();
    let mut fields = Fields::new();
    let compound_id = fields.name("compound", "compounds", &given.compound);
    let from = fields.date("from", &given.from);
    fields.check(
        "from",
        from.is_none_or(is_monday),
        "应为星期一：值班表按周编排",
        "must be a Monday: a roster is a week",
    );
    shifts(&mut fields, &given.shifts);
    let gates = posts(&mut fields, &given.posts);
    let rest_hours = given.rest_hours.unwrap_or(USUAL_REST);
    fields.number("rest_hours", rest_hours, 0..=48);
    let ids = members(&mut fields, &given.members);
    let (compound_id, from) = fields.read(compound_id.zip(from))?;
    let compound = api.compound(&call, &compound_id).await?;
    known_gates(&compound, &compound_id, &gates)?;
    let mut members = Vec::with_capacity(ids.len());
    for id in ids {
        let kind = kind(api, &id, &compound.neighbourhood_id).await?;
        members.push(Member { staff_id: id, kind: kind.into() });
    }
    let opened = Opened {
        neighbourhood_id: compound.neighbourhood_id.clone(),
        compound_id: compound_id.clone(),
        from: given.from,
        shifts: given.shifts,
        posts: given.posts,
        members,
        rest_hours,
    };
    let id = id_of(&compound_id, from);
    let decide = |roster: &Roster, _| {
        let events = roster.open(&opened).map_err(refused)?;
        Ok(file(roster, events).office(&opened.neighbourhood_id))
    };
    Ok(api.decide(&call, &id, decide, bare(&id)).await?.into_response())
}

fn shifts(fields: &mut Fields, given: &[Shift]) {
    fields.check("shifts", (1..=MOST_SHIFTS).contains(&given.len()), "需要 1 至 6 个班次", "must be 1 to 6");
    for (at, shift) in given.iter().take(MOST_SHIFTS).enumerate() {
        fields.required(format!("shifts[{at}].label"), &shift.label, 10);
        fields.number(format!("shifts[{at}].start_minute"), shift.start_minute, 0..=1_439);
        fields.number(format!("shifts[{at}].minutes"), shift.minutes, 60..=1_440);
    }
}

/// Compound and gate of each.
fn posts(fields: &mut Fields, given: &[Post]) -> Vec<[String; 2]> {
    fields.check("posts", (1..=MOST_POSTS).contains(&given.len()), "需要 1 至 40 个岗位", "must be 1 to 40");
    let mut gates = Vec::new();
    for (at, post) in given.iter().take(MOST_POSTS).enumerate() {
        gates.extend(fields.path(format!("posts[{at}].gate"), ["compounds", "gates"], &post.gate));
        fields.one_of::<StaffKind>(format!("posts[{at}].kind"), post.kind);
        fields.number(format!("posts[{at}].people"), post.people, 1..=9);
    }
    gates
}

fn members(fields: &mut Fields, given: &[String]) -> BTreeSet<String> {
    fields.check("members", (1..=MOST_MEMBERS).contains(&given.len()), "需要 1 至 200 人", "must be 1 to 200 people");
    let mut ids = BTreeSet::new();
    for (at, name) in given.iter().take(MOST_MEMBERS).enumerate() {
        ids.extend(fields.name(format!("members[{at}]"), "staff", name));
    }
    ids
}

fn known_gates(compound: &Compound, compound_id: &str, named: &[[String; 2]]) -> Result<(), Status> {
    let known = |[of, id]: &[String; 2]| of == compound_id && compound.gates.iter().any(|gate| gate.id == *id);
    if named.iter().all(known) { Ok(()) } else { Err(not_found("gate").into()) }
}

/// Somebody of the neighbourhood, or of the whole subdistrict.
async fn kind(api: &Api, id: &str, neighbourhood_id: &str) -> Result<StaffKind, Status> {
    let (member, _) = api.ledger.load::<Staff>(id).await?;
    let serves = member
        .enrolled()
        .filter(|enrolled| enrolled.neighbourhood_id.is_empty() || enrolled.neighbourhood_id == neighbourhood_id);
    serves.map(proto::registry::v1::staff_event::Enrolled::kind).ok_or_else(|| not_found("staff").into())
}
