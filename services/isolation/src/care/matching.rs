//! Whom to ask for help: cleared volunteers of the neighbourhood, by what speaks for each. It suggests; a person claims.

use chassis::{CALENDAR, Call, Fields, Refuse as _};
use chrono::{DateTime, Datelike as _, Timelike as _, Utc};
use proto::{
    isolation::v1::{
        ListVolunteerStandingsRequest, ListVolunteerStandingsResponse, NeedKind, SuggestVolunteersRequest,
        SuggestVolunteersResponse, VolunteerStanding, VolunteerSuggestion,
    },
    registry::v1::VolunteerSkill,
};
use tonic::{Request, Response, Status};

use super::{Care, fault, within_reach};
use crate::{
    domain::need::Need,
    filing,
    projections::volunteers::{self as helpers, Helper},
};

/// Volunteers that are looked at, and those that are suggested: who asks reads no more.
const LOOKED_AT: i64 = 200;
const SUGGESTED: usize = 5;

pub(super) async fn suggest(
    care: &Care,
    request: Request<SuggestVolunteersRequest>,
) -> Result<Response<SuggestVolunteersResponse>, Status> {
    let call = Call::query(&request)?;
    let mut fields = Fields::new();
    let id = fields.name("need", "needs", &request.get_ref().need);
    let id = fields.read(id)?;
    let (need, _) = care.ledger.load::<Need>(&id).await?;
    let (resident, residence) = within_reach(&need, &call.principal.scope).map_err(|refused| refused.refusal())?;
    let kind = need.opened.as_ref().map(proto::isolation::v1::need_event::Opened::kind).unwrap_or_default();
    let mut db = care.views.read(&call).await?;
    let building = helpers::building(&mut db, &residence.household_id).await.map_err(fault)?;
    let place = (residence.neighbourhood_id.as_str(), residence.compound_id.as_str());
    let volunteers = helpers::available(&mut db, place, LOOKED_AT).await.map_err(fault)?;
    drop(db);
    let wanted = Wanted { kind, compound: &residence.compound_id, building: &building, now: call.now };
    let mut suggestions: Vec<VolunteerSuggestion> =
        volunteers.iter().filter(|helper| helper.resident_id != *resident).map(|helper| wanted.weigh(helper)).collect();
    // Of equals who has given least stands first: they came in that order.
    suggestions.sort_by_key(|suggestion| std::cmp::Reverse(suggestion.points));
    let mut free = Vec::new();
    for suggestion in suggestions {
        let helper = volunteers.iter().find(|helper| suggestion.volunteer.ends_with(&helper.volunteer_id));
        let isolated = match helper {
            Some(helper) => filing::isolating(&care.ledger, &helper.resident_id).await?.is_some(),
            None => true,
        };
        if !isolated {
            free.push(suggestion);
        }
        if free.len() == SUGGESTED {
            break;
        }
    }
    Ok(Response::new(SuggestVolunteersResponse { suggestions: free }))
}

/// Whom one request may ask about.
const MOST_VOLUNTEERS: usize = 1_000;

pub(super) async fn standings(
    care: &Care,
    request: Request<ListVolunteerStandingsRequest>,
) -> Result<Response<ListVolunteerStandingsResponse>, Status> {
    let call = Call::query(&request)?;
    let named = &request.get_ref().volunteers;
    let mut fields = Fields::new();
    fields.check(
        "volunteers",
        named.len() <= MOST_VOLUNTEERS,
        "最多 1000 人：请分批查询",
        "must be at most 1000: ask twice",
    );
    let named = named.iter().take(MOST_VOLUNTEERS).enumerate();
    let ids: Vec<_> =
        named.filter_map(|(at, name)| fields.name(format!("volunteers[{at}]"), "volunteers", name)).collect();
    fields.done()?;
    let mut db = care.views.read(&call).await?;
    let mut found = Vec::new();
    for id in ids {
        found.extend(helpers::standing(&mut db, &call.principal.scope, &id).await.map_err(fault)?);
    }
    drop(db);
    let mut standings = Vec::with_capacity(found.len());
    for (standing, resident) in found {
        let free = !standing.cleared || filing::isolating(&care.ledger, &resident).await?.is_none();
        standings.push(VolunteerStanding { cleared: standing.cleared && free, ..standing });
    }
    Ok(Response::new(ListVolunteerStandingsResponse { standings }))
}

struct Wanted<'a> {
    kind: NeedKind,
    compound: &'a str,
    building: &'a str,
    now: DateTime<Utc>,
}

impl Wanted<'_> {
    /// The points are an order among volunteers and nothing else: a skill that the need asks for outweighs nearness, and
    /// having time now outweighs both halves of it.
    fn weigh(&self, helper: &Helper) -> VolunteerSuggestion {
        let mut points = 0;
        let (mut zh, mut en) = (Vec::new(), Vec::new());
        let mut speaks = |holds: bool, worth: i32, words: (String, String)| {
            if holds {
                points += worth;
                zh.push(words.0);
                en.push(words.1);
            }
        };
        let words = |zh: &str, en: &str| (zh.to_owned(), en.to_owned());
        let skills = skills(self.kind);
        let able = skills.iter().any(|skill| helper.skills.contains(&format!(",{},", *skill as i32)));
        speaks(able, 8, words("有所需的技能", "has a skill that it needs"));
        speaks(self.has_time(&helper.times), 4, words("现在有空", "has time now"));
        let near = helper.compound_id == self.compound;
        let nearest = near && !self.building.is_empty() && helper.building == self.building;
        speaks(nearest, 3, words("同一幢楼", "lives in the same building"));
        speaks(near && !nearest, 2, words("同一小区", "lives in the same compound"));
        let minutes = helper.given;
        speaks(minutes < 60, 1, (format!("已服务 {minutes} 分钟"), format!("has given {minutes} minutes so far")));
        VolunteerSuggestion {
            volunteer: format!("volunteers/{}", helper.volunteer_id),
            points,
            reasons_zh: zh,
            reasons_en: en,
        }
    }

    fn has_time(&self, times: &str) -> bool {
        let local = self.now.with_timezone(&CALENDAR);
        let (weekday, minute) = (local.weekday().number_from_monday(), local.hour() * 60 + local.minute());
        times.split_whitespace().any(|part| {
            let mut numbers = part.split(':').map(|number| number.parse::<u32>().unwrap_or(u32::MAX));
            let (day, from, to) = (numbers.next(), numbers.next(), numbers.next());
            matches!((day, from, to), (Some(day), Some(from), Some(to))
                if (day == 0 || day == weekday) && (from..to).contains(&minute))
        })
    }
}

/// Any of which a need asks for.
const fn skills(kind: NeedKind) -> &'static [VolunteerSkill] {
    match kind {
        NeedKind::Food => &[VolunteerSkill::Shopping, VolunteerSkill::Carrying],
        NeedKind::Medicine => &[VolunteerSkill::Shopping, VolunteerSkill::Medical],
        NeedKind::Rubbish => &[VolunteerSkill::Carrying],
        NeedKind::Disinfection => &[VolunteerSkill::Disinfection],
        NeedKind::Errand => &[VolunteerSkill::Shopping, VolunteerSkill::Driving],
        NeedKind::Transport => &[VolunteerSkill::Driving],
        NeedKind::Company => &[VolunteerSkill::Listening],
        NeedKind::Repair => &[VolunteerSkill::Repair],
        NeedKind::Unspecified => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn helper(skills: &str, building: &str, times: &str) -> Helper {
        Helper {
            volunteer_id: "v1".into(),
            resident_id: "r1".into(),
            compound_id: "c1".into(),
            building: building.into(),
            skills: skills.into(),
            times: times.into(),
            given: 90,
        }
    }

    fn points(helper: &Helper) -> i32 {
        // A Tuesday, ten o'clock in Shanghai.
        let now = "2020-02-11T02:00:00Z".parse().unwrap();
        Wanted { kind: NeedKind::Transport, compound: "c1", building: "3", now }.weigh(helper).points
    }

    #[test]
    fn who_can_do_it_comes_before_who_is_near() {
        assert!(points(&helper(",1,", "9", "")) > points(&helper(",3,", "3", "")));
        assert_eq!(points(&helper(",11,", "9", "")), 2, "another number that begins alike is another skill");
    }

    #[test]
    fn who_has_time_now_comes_before_who_has_not() {
        for (times, has) in [("2:540:660", true), ("0:0:1440", true), ("3:540:660", false), ("2:601:660", false)] {
            assert_eq!(points(&helper(",1,", "3", times)) - points(&helper(",1,", "3", "")), if has { 4 } else { 0 });
        }
    }
}
