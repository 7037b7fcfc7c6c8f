//! Alarms of the command centre: a batch of verdicts by hand, which its own office cannot close, and a gate of which nothing
//! arrives. Each is raised once, seen, answered for and closed on record.

mod apart;

use chassis::{
    client::{Connection, new_request_id},
    refusal::Spoken,
};
use chrono::TimeDelta;
use proto::{
    access::v1::Role,
    command::v1::{
        AcknowledgeAlarmRequest, Alarm, AlarmKind, AlarmLevel, AlarmRules, AlarmStep, AssignAlarmRequest,
        CloseAlarmRequest, GetAlarmRequest, GetAlarmRulesRequest, ListAlarmsRequest, OpenAlarms, SetAlarmRulesRequest,
        alarm::State, alarm_service_client::AlarmServiceClient, alarm_step::Deed,
    },
    registry::v1::{
        CreateNeighbourhoodRequest, Neighbourhood, Regime, SetRegimeRequest,
        registry_service_client::RegistryServiceClient,
    },
    screening::v1::{
        ApproveOverrideRequest, Measure, OverrideReason, ProposeOverrideRequest,
        override_service_client::OverrideServiceClient,
    },
};
use tests::{House, guard::Guard, once, time, village::Village};
use tonic::Status;

const HOME: &[(&str, &str, &str)] = &[("宁波", "2020-01-01", "2020-02-10")];
const SIGNED: &str = "2020-02-11T16:00:00+08:00";
const LATER: &str = "2020-02-11T16:30:00+08:00";

struct Street {
    house: House,
    village: Village,
}

impl Street {
    async fn open() -> Self {
        let house = House::new().await;
        let village = Village::found(&house, "330212002001").await;
        village.publish_method(&house).await;
        Self { house, village }
    }

    fn officer(&self, at: &str) -> AlarmServiceClient<Connection> {
        AlarmServiceClient::new(self.house.central("staff/officer", Role::Officer, "subdistrict").at(time(at)))
    }

    fn director(&self, at: &str) -> AlarmServiceClient<Connection> {
        let director = self.house.local("staff/director", Role::Director, &self.village.neighbourhood);
        AlarmServiceClient::new(director.at(time(at)))
    }

    /// A verdict of somebody is set by hand, by the office and the health team.
    async fn set_by_hand(&self, number: u32) {
        let phone = format!("1390000000{number}");
        let resident = self.village.resident(&self.house, &format!("{number}幢"), "王小明", &phone).await;
        self.house.settled().await;
        let case = self.village.screened(&self.house, &resident, HOME).await.name;
        self.house.settled().await;
        let propose = ProposeOverrideRequest {
            request_id: new_request_id(),
            case,
            reason: OverrideReason::MedicalNeed.into(),
            measure: Measure::Home.into(),
            evidence_ids: Vec::new(),
            document: "李惠利医院证明，存社区档案柜".into(),
            expire_time: Some(chassis::timestamp(time("2020-02-13T12:00:00+08:00"))),
        };
        let worker = self.village.worker(&self.house).at(time(SIGNED));
        let name = OverrideServiceClient::new(worker).propose_override(propose).await.unwrap().into_inner().name;
        let health = self.house.central("staff/health", Role::Health, "health").at(time(SIGNED));
        let approve = ApproveOverrideRequest { request_id: new_request_id(), name };
        OverrideServiceClient::new(health).approve_override(approve).await.unwrap();
        self.house.settled().await;
    }

    /// Something happens somewhere at that time, so that everybody knows that it has come.
    async fn passes(&self, at: &str, code: &str) {
        let neighbourhood =
            Neighbourhood { display_name: format!("社区{code}"), code: code.into(), ..Neighbourhood::default() };
        let create = CreateNeighbourhoodRequest { request_id: new_request_id(), neighbourhood: Some(neighbourhood) };
        let officer = self.house.central("staff/officer", Role::Officer, "subdistrict").at(time(at));
        RegistryServiceClient::new(officer).create_neighbourhood(create).await.unwrap();
    }
}

async fn listed(alarms: &mut AlarmServiceClient<Connection>, all: bool) -> (Vec<Alarm>, Vec<OpenAlarms>) {
    let list = alarms.list_alarms(ListAlarmsRequest { all, ..ListAlarmsRequest::default() }).await.unwrap();
    let list = list.into_inner();
    (list.alarms, list.open)
}

/// The one alarm that there is, once it is in that state.
async fn the_one(alarms: &mut AlarmServiceClient<Connection>, state: State) -> Alarm {
    once("the alarm is not as expected", async || {
        let (mut found, _) = listed(alarms, true).await;
        assert!(found.len() <= 1, "one condition is one alarm: {found:?}");
        found.pop().filter(|alarm| alarm.state() == state)
    })
    .await
}

fn reason<T>(answer: Result<T, Status>) -> String {
    answer.err().map(|status| Spoken::from(&status).reason).unwrap_or_default()
}

fn acknowledge(alarm: &Alarm) -> AcknowledgeAlarmRequest {
    AcknowledgeAlarmRequest { request_id: new_request_id(), name: alarm.name.clone(), etag: String::new() }
}

fn close(alarm: &Alarm, note: &str) -> CloseAlarmRequest {
    CloseAlarmRequest {
        request_id: new_request_id(),
        name: alarm.name.clone(),
        note: note.into(),
        etag: alarm.etag.clone(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_verdicts_by_hand_is_looked_into_by_others_than_those_who_gave_them() {
    let street = Street::open().await;
    let mut officer = street.officer(LATER);
    let rules = officer.get_alarm_rules(GetAlarmRulesRequest {}).await.unwrap().into_inner();
    assert_eq!((rules.manual_verdicts, rules.by.as_str()), (5, ""), "the shipped ones");
    let set = |number, reason: &str| SetAlarmRulesRequest {
        request_id: new_request_id(),
        rules: Some(AlarmRules { manual_verdicts: number, ..rules.clone() }),
        reason: reason.into(),
    };
    let mut early = street.officer("2020-02-11T12:00:00+08:00");
    let refused = Spoken::from(&early.set_alarm_rules(set(1_000, "不想看到")).await.unwrap_err());
    assert_eq!(refused.fields[0].field, "rules.manual_verdicts", "nobody switches an alarm off");
    let set_rules = early.set_alarm_rules(set(3, "两个社区试用更早的提醒")).await.unwrap().into_inner();
    assert_eq!((set_rules.manual_verdicts, set_rules.by.as_str()), (3, "staff/officer"));

    street.set_by_hand(1).await;
    street.set_by_hand(2).await;
    assert_eq!(listed(&mut officer, true).await, (Vec::new(), Vec::new()), "two are no batch");
    street.set_by_hand(3).await;
    let alarm = the_one(&mut officer, State::Open).await;
    assert_eq!((alarm.kind(), alarm.level(), alarm.count), (AlarmKind::VerdictBatch, AlarmLevel::Subdistrict, 3));
    assert_eq!((&alarm.subject, &alarm.neighbourhood), (&street.village.neighbourhood, &street.village.neighbourhood));
    let text = alarm.text.clone().unwrap();
    assert!(text.zh.contains('3') && text.en.contains('3') && alarm.matters.len() == 3);

    // Its office sees it and cannot make it go away; nor can who signed with it.
    let mut director = street.director(LATER);
    let (seen, open) = listed(&mut director, false).await;
    assert_eq!((seen.len(), open[0].alarms), (1, 1));
    assert_eq!(reason(director.acknowledge_alarm(acknowledge(&alarm)).await), "NOT_YOURS");
    assert_eq!(reason(director.close_alarm(close(&alarm, "没有问题，均有证明")).await), "NOT_YOURS");
    let health = street.house.central("staff/health", Role::Health, "health").at(time(LATER));
    assert_eq!(
        reason(AlarmServiceClient::new(health).close_alarm(close(&alarm, "没有问题，均有证明")).await),
        "NOT_YOURS"
    );
    let elsewhere = street.house.local("staff/stranger", Role::Director, "neighbourhoods/elsewhere").at(time(LATER));
    let mut elsewhere = AlarmServiceClient::new(elsewhere);
    assert_eq!(listed(&mut elsewhere, true).await, (Vec::new(), Vec::new()));
    assert_eq!(reason(elsewhere.get_alarm(GetAlarmRequest { name: alarm.name.clone() }).await), "NOT_FOUND");
    assert_eq!(reason(elsewhere.close_alarm(close(&alarm, "没有问题，均有证明")).await), "NOT_FOUND");

    let seen = officer.acknowledge_alarm(acknowledge(&alarm)).await.unwrap().into_inner();
    assert_eq!((seen.state(), seen.owner.as_str()), (State::Acknowledged, "staff/officer"));
    let behind = AssignAlarmRequest {
        request_id: new_request_id(),
        name: alarm.name.clone(),
        owner: "staff/12".into(),
        etag: alarm.etag.clone(),
    };
    assert_eq!(reason(officer.assign_alarm(behind.clone()).await), "STALE_ETAG");
    let assign = AssignAlarmRequest { request_id: new_request_id(), etag: seen.etag, ..behind };
    let assigned = officer.assign_alarm(assign.clone()).await.unwrap().into_inner();
    let again = officer.assign_alarm(assign).await.unwrap().into_inner();
    assert_eq!((assigned.owner.as_str(), &assigned), ("staff/12", &again), "said again it is the same answer");
    for (note, field) in [("好", "note"), ("联系 13900000001 核实", "note")] {
        let refused = Spoken::from(&officer.close_alarm(close(&assigned, note)).await.unwrap_err());
        assert_eq!(refused.fields[0].field, field, "{note}");
    }
    let closed = officer.close_alarm(close(&assigned, "三例均有透析证明，已抽查原件")).await.unwrap().into_inner();
    let deeds: Vec<Deed> = closed.history.iter().map(AlarmStep::deed).collect();
    assert_eq!(deeds, [Deed::Raised, Deed::Acknowledged, Deed::Assigned, Deed::Closed]);
    assert_eq!(listed(&mut officer, false).await, (Vec::new(), Vec::new()));

    // Neither a look nor a start raises it again.
    let house = street.house.restarted().await;
    let token = house.token("staff/officer", Role::Officer, "subdistrict", "", "");
    house.settled().await;
    let street = Street { house, ..street };
    street.set_by_hand(4).await;
    let mut officer = street.officer(LATER);
    assert_eq!(the_one(&mut officer, State::Closed).await.count, 3, "one more is not twice as many");
    let (done, said) = street.house.desk(&token, &["command", "alarm", "show", &alarm.name]).await;
    assert!(done && said.contains("已抽查原件") && said.contains("verdict-batch"), "{said}");
    let (done, said) = street.house.desk(&token, &["command", "alarms", "--all", "-o", "json"]).await;
    assert!(done && said.contains(&alarm.name), "{said}");
    let (done, said) = street.house.desk(&token, &["command", "alarm", "rules", "-o", "json"]).await;
    assert!(done && said.contains("两个社区试用更早的提醒"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gate_of_which_nothing_arrives_is_missed_goes_up_and_is_over_when_it_sends_again() {
    let street = Street::open().await;
    let director = street.house.local("staff/director", Role::Director, &street.village.neighbourhood);
    let set = SetRegimeRequest {
        request_id: new_request_id(),
        compound: street.village.compound.clone(),
        regime: Regime::Closed.into(),
        from: "2020-01-30".into(),
        etag: String::new(),
    };
    RegistryServiceClient::new(director).set_regime(set).await.unwrap();
    street.house.settled().await;
    let noon = time("2020-02-11T12:00:00+08:00");
    let mut guard = Guard::enrolled(&street.house, &street.village, noon, TimeDelta::zero()).await;
    guard.records("visit inspector 36.5");
    guard.exchanges().await.unwrap();

    street.passes("2020-02-11T13:59:00+08:00", "330212002002").await;
    street.house.settled().await;
    let mut desk = street.director("2020-02-11T14:00:00+08:00");
    assert_eq!(listed(&mut desk, true).await.0, [], "a minute before");
    street.passes("2020-02-11T14:00:00+08:00", "330212002003").await;
    let alarm = the_one(&mut desk, State::Open).await;
    assert_eq!((alarm.kind(), alarm.level()), (AlarmKind::SilentGate, AlarmLevel::Neighbourhood));
    assert_eq!((&alarm.gate, alarm.count), (&street.village.gate, 120));

    // Nobody looks.
    street.passes("2020-02-11T18:00:00+08:00", "330212002004").await;
    let up = once("nobody is told", async || {
        let alarm = the_one(&mut desk, State::Open).await;
        (alarm.level() == AlarmLevel::Subdistrict).then_some(alarm)
    });
    assert!(up.await.due_time.is_some(), "and it would go on to the health team");

    guard.wait(TimeDelta::hours(6));
    guard.records("visit inspector 36.5");
    guard.exchanges().await.unwrap();
    let over = the_one(&mut desk, State::Over).await;
    let mut desk = street.director("2020-02-11T18:10:00+08:00");
    let closed = desk.close_alarm(close(&over, "网线松动，已更换接头")).await.unwrap().into_inner();
    let deeds: Vec<Deed> = closed.history.iter().map(AlarmStep::deed).collect();
    assert_eq!(deeds, [Deed::Raised, Deed::WentUp, Deed::Over, Deed::Closed]);
    assert_eq!(listed(&mut desk, false).await.0, []);
}
