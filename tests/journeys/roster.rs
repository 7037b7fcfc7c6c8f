//! A week at four gates: nights shared fairly, two who will not come, a stand-in, a swap by consent of both, no gap that is not
//! known before it happens; and the rounds of the day.

use chassis::{client::new_request_id, refusal::Spoken};
use proto::{
    access::v1::Role,
    registry::v1::{
        AddGateRequest, AnswerSwapRequest, AssignDutiesRequest, Assignment, EnrolStaffRequest, GetRosterRequest,
        ListGapsRequest, ListRostersRequest, ListRoundsRequest, OpenRosterRequest, PlanRoundRequest, Post,
        ProposeSwapRequest, ReportAbsenceRequest, Roster, RoundKind, Shift, StaffKind, SuggestDutiesRequest,
        TickRoundRequest, registry_service_client::RegistryServiceClient, roster_service_client::RosterServiceClient,
        round_service_client::RoundServiceClient, swap::State,
    },
};
use tests::{House, time, village::Village};
use tonic::Status;

const SUNDAY: &str = "2020-02-09T20:00:00+08:00";

type Rosters = RosterServiceClient<chassis::client::Connection>;

fn reason<T>(answer: Result<T, Status>) -> String {
    answer.err().map(|status| Spoken::from(&status).reason).unwrap_or_default()
}

async fn enrol(house: &House, village: &Village, kind: StaffKind, number: u32) -> String {
    let enrol = EnrolStaffRequest {
        request_id: new_request_id(),
        kind: kind.into(),
        neighbourhood: village.neighbourhood.clone(),
        full_name: "特保".into(),
        phone: format!("139000001{number:02}"),
    };
    let director = house.local("staff/director", Role::Director, &village.neighbourhood);
    RegistryServiceClient::new(director).enrol_staff(enrol).await.unwrap().into_inner().name
}

/// Two gates, each with a guard, three shifts a day, eight guards.
async fn opened(house: &House, village: &Village, rosters: &mut Rosters) -> (OpenRosterRequest, Roster) {
    let director = house.local("staff/director", Role::Director, &village.neighbourhood);
    let west = AddGateRequest {
        request_id: new_request_id(),
        compound: village.compound.clone(),
        display_name: "西门".into(),
        etag: String::new(),
    };
    let gates = RegistryServiceClient::new(director).add_gate(west).await.unwrap().into_inner().gates;
    let mut members = Vec::new();
    for number in 0..8 {
        members.push(enrol(house, village, StaffKind::Guard, number).await);
    }
    let shift =
        |label: &str, hour: i32, night| Shift { label: label.into(), start_minute: hour * 60, minutes: 480, night };
    let open = OpenRosterRequest {
        request_id: new_request_id(),
        compound: village.compound.clone(),
        from: "2020-02-10".into(),
        shifts: vec![shift("夜班", 0, true), shift("早班", 8, false), shift("中班", 16, false)],
        posts: gates
            .iter()
            .map(|gate| Post { gate: gate.name.clone(), kind: StaffKind::Guard.into(), people: 1 })
            .collect(),
        members,
        rest_hours: Some(8),
    };
    let roster = rosters.open_roster(open.clone()).await.unwrap().into_inner();
    (open, roster)
}

async fn shown(rosters: &mut Rosters, name: &str) -> Roster {
    rosters.get_roster(GetRosterRequest { name: name.into() }).await.unwrap().into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_week_with_two_absences_has_no_gap_that_nobody_knew_of() {
    let house = House::new().await;
    let village = Village::found(&house, "330212002001").await;
    let director = house.local("staff/director", Role::Director, &village.neighbourhood);
    let mut rosters = RosterServiceClient::new(director.at(time(SUNDAY)));
    let (open, roster) = opened(&house, &village, &mut rosters).await;
    assert_eq!((roster.gaps, roster.rest_hours), (42, 8));
    assert_eq!(
        reason(
            rosters
                .open_roster(OpenRosterRequest { request_id: new_request_id(), from: "2020-02-11".into(), ..open })
                .await
        ),
        "FIELD_INVALID"
    );
    let gaps = |within_hours| ListGapsRequest { within_hours, ..ListGapsRequest::default() };
    assert_eq!(
        rosters.list_gaps(gaps(28)).await.unwrap().into_inner().gaps.len(),
        8,
        "the next four shifts of both gates"
    );

    // A suggestion for the week, twice the same, nights shared.
    let name = roster.name.clone();
    let ask = || SuggestDutiesRequest { roster: name.clone() };
    let suggested = rosters.suggest_duties(ask()).await.unwrap().into_inner();
    assert_eq!(rosters.suggest_duties(ask()).await.unwrap().into_inner(), suggested);
    assert!(suggested.unfilled.is_empty(), "{:?}", suggested.unfilled);
    let assign = |assignments| AssignDutiesRequest { request_id: new_request_id(), roster: name.clone(), assignments };
    let full = rosters.assign_duties(assign(suggested.assignments)).await.unwrap().into_inner();
    assert_eq!(full.gaps, 0);
    let week = shown(&mut rosters, &name).await;
    let nights: Vec<i32> = week.loads.iter().map(|load| load.nights).collect();
    assert_eq!(nights.iter().sum::<i32>(), 14);
    assert!(nights.iter().max().unwrap() - nights.iter().min().unwrap() <= 1, "{nights:?}");
    assert!(rosters.list_gaps(gaps(336)).await.unwrap().into_inner().gaps.is_empty());

    // Two will not come: who says so of another is refused; the gaps are known a day before.
    let on = |date: &str, staff: &str| {
        let theirs = |duty: &&proto::registry::v1::Duty| duty.date == date && duty.staff == staff;
        week.duties.iter().filter(theirs).count()
    };
    let ill: Vec<String> =
        week.duties.iter().filter(|duty| duty.date == "2020-02-12").map(|duty| duty.staff.clone()).take(2).collect();
    let absent = |staff: &str| ReportAbsenceRequest {
        request_id: new_request_id(),
        roster: name.clone(),
        staff: staff.into(),
        date: "2020-02-12".into(),
    };
    let guard = |subject: &str| {
        RosterServiceClient::new(house.guard(subject, &village.neighbourhood, &village.gate).at(time(SUNDAY)))
    };
    assert_eq!(reason(guard(&ill[1]).report_absence(absent(&ill[0])).await), "NOT_YOURS");
    guard(&ill[0]).report_absence(absent(&ill[0])).await.unwrap();
    let told = rosters.report_absence(absent(&ill[1])).await.unwrap().into_inner();
    let freed = on("2020-02-12", &ill[0]) + on("2020-02-12", &ill[1]);
    assert_eq!(usize::try_from(told.gaps).unwrap(), freed);
    assert!(rosters.list_gaps(gaps(24)).await.unwrap().into_inner().gaps.is_empty());
    let tuesday = director.at(time("2020-02-11T20:00:00+08:00"));
    let mut rosters = RosterServiceClient::new(tuesday);
    let known = rosters.list_gaps(gaps(28)).await.unwrap().into_inner().gaps;
    assert_eq!(known.len(), freed);
    assert!(known.iter().all(|gap| ill.contains(&gap.instead_of)));

    // Stand-ins: not who is absent, not who comes from a shift; the suggestion knows.
    let back = Assignment { duty: known[0].name.clone(), staff: ill[0].clone() };
    assert_eq!(reason(rosters.assign_duties(assign(vec![back])).await), "ABSENT");
    let stand_ins = rosters.suggest_duties(ask()).await.unwrap().into_inner();
    assert!(stand_ins.unfilled.is_empty(), "{:?}", stand_ins.unfilled);
    rosters.assign_duties(assign(stand_ins.assignments)).await.unwrap();
    let week = shown(&mut rosters, &name).await;
    assert_eq!(week.gaps, 0);
    assert_eq!(week.duties.iter().filter(|duty| !duty.instead_of.is_empty()).count(), freed);

    // A swap takes two.
    let (own, other, swap) = swap_of(&week, &guard).await;
    let answer = |agree| AnswerSwapRequest { request_id: new_request_id(), name: swap.clone(), agree };
    assert_eq!(reason(guard(&own.1).answer_swap(answer(true)).await), "NOT_YOURS");
    let agreed = guard(&other.1).answer_swap(answer(true)).await.unwrap().into_inner();
    assert_eq!(agreed.state(), State::Agreed);
    let after = shown(&mut rosters, &name).await;
    let holder = |duty: &str| after.duties.iter().find(|held| held.name == duty).unwrap().staff.clone();
    assert_eq!((holder(&own.0), holder(&other.0)), (other.1, own.1));

    // Another neighbourhood sees none of it.
    let there = Village::found(&house, "330212002002").await;
    let stranger = house.local("staff/stranger", Role::Director, &there.neighbourhood);
    let mut stranger = RosterServiceClient::new(stranger);
    assert_eq!(reason(stranger.suggest_duties(ask()).await), "NOT_FOUND");
    assert!(stranger.list_rosters(ListRostersRequest::default()).await.unwrap().into_inner().rosters.is_empty());
    assert!(stranger.list_gaps(gaps(336)).await.unwrap().into_inner().gaps.is_empty());
}

/// Duty and holder of both, and the swap that the first one proposed.
async fn swap_of(week: &Roster, guard: &impl Fn(&str) -> Rosters) -> ((String, String), (String, String), String) {
    for own in &week.duties {
        for other in week.duties.iter().filter(|other| other.staff != own.staff) {
            let propose = ProposeSwapRequest {
                request_id: new_request_id(),
                own_duty: own.name.clone(),
                other_duty: other.name.clone(),
            };
            if let Ok(proposed) = guard(&own.staff).propose_swap(propose).await {
                let swap = proposed.into_inner().name;
                return ((own.name.clone(), own.staff.clone()), (other.name.clone(), other.staff.clone()), swap);
            }
        }
    }
    panic!("no two duties of the week can be swapped");
}

#[tokio::test(flavor = "multi_thread")]
async fn rounds_are_ticked_off_with_time_and_person() {
    let house = House::new().await;
    let village = Village::found(&house, "330212002001").await;
    let director = house.local("staff/director", Role::Director, &village.neighbourhood);
    let mut rounds = RoundServiceClient::new(director.at(time("2020-02-11T08:00:00+08:00")));
    let plan = |spot: &str, times_per_day| PlanRoundRequest {
        request_id: new_request_id(),
        compound: village.compound.clone(),
        kind: RoundKind::Disinfection.into(),
        spot: spot.into(),
        times_per_day,
    };
    // R21: the compound daily, key places twice.
    rounds.plan_round(plan("", 1)).await.unwrap();
    let lift = rounds.plan_round(plan("电梯厅", 2)).await.unwrap().into_inner();
    let guard = house.guard("staff/guard", &village.neighbourhood, &village.gate);
    let tick = |at: &str| TickRoundRequest {
        request_id: new_request_id(),
        round: lift.name.clone(),
        by: String::new(),
        time: Some(chassis::timestamp(time(at))),
    };
    let mut noon = RoundServiceClient::new(guard.at(time("2020-02-11T12:00:00+08:00")));
    let said = tick("2020-02-11T09:00:00+08:00");
    noon.tick_round(said.clone()).await.unwrap();
    noon.tick_round(said).await.unwrap();
    assert_eq!(reason(noon.tick_round(tick("2020-02-11T13:00:00+08:00")).await), "FIELD_INVALID");
    let list = |missing_only| ListRoundsRequest { missing_only, ..ListRoundsRequest::default() };
    let missing = noon.list_rounds(list(true)).await.unwrap().into_inner().rounds;
    let done: Vec<(&str, i32)> = missing.iter().map(|round| (round.spot.as_str(), round.done)).collect();
    assert_eq!(done.len(), 2);
    assert!(done.contains(&("电梯厅", 1)) && done.contains(&("", 0)), "{done:?}");
    noon.tick_round(tick("2020-02-11T11:59:00+08:00")).await.unwrap();
    let left = noon.list_rounds(list(true)).await.unwrap().into_inner().rounds;
    assert_eq!(left.iter().map(|round| round.spot.as_str()).collect::<Vec<_>>(), [""]);
    let all = noon.list_rounds(list(false)).await.unwrap().into_inner().rounds;
    let lift = all.iter().find(|round| round.spot == "电梯厅").unwrap();
    assert_eq!((lift.done, lift.last_by.as_str()), (2, "staff/guard"));
    assert_eq!(lift.last_time.unwrap(), chassis::timestamp(time("2020-02-11T11:59:00+08:00")));
}
