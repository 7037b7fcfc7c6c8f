//! The log of the command centre, where every service is a process of its own with replicas, over PostgreSQL and NATS.

use chassis::{
    access::Tokens,
    client::{Connection, new_request_id},
    secrets::Secrets,
};
use chrono::TimeDelta;
use proto::{
    access::v1::{Principal, Role},
    command::v1::{
        Alarm, AlarmKind, AlarmRules, GetAlarmRulesRequest, ListAlarmsRequest, SetAlarmRulesRequest, alarm::State,
        alarm_service_client::AlarmServiceClient,
    },
    event::v1::{VerifyLogRequest, event_log_service_client::EventLogServiceClient},
    pass::v1::{EnrolDeviceRequest, OpenEnrolmentRequest, gate_service_client::GateServiceClient},
    registry::v1::{
        AddGateRequest, Compound, CreateCompoundRequest, CreateNeighbourhoodRequest, Neighbourhood, Regime,
        SetRegimeRequest, registry_service_client::RegistryServiceClient,
    },
};
use tests::{
    apart::{Apart, nats_server},
    once, time,
};

use tonic::Code;

use super::{acknowledge, close};

const NOON: &str = "2020-02-11T12:00:00+08:00";
const AFTERNOON: &str = "2020-02-11T14:00:00+08:00";

fn somebody(apart: &Apart, role: Role, neighbourhood: &str, at: &str) -> Connection {
    let person = Principal {
        subject: format!("staff/{}", role as i32),
        role: role.into(),
        unit: if neighbourhood.is_empty() { "subdistrict" } else { neighbourhood }.into(),
        neighbourhood: neighbourhood.into(),
        gate: String::new(),
    };
    let tokens = Tokens::new(&Secrets::from_file(&apart.root_secret()).unwrap());
    let token = tokens.issue(&person, TimeDelta::days(1), time("2020-02-11T08:00:00+08:00")).unwrap().token;
    Connection::open(apart.address(), Some(token)).unwrap().at(time(at))
}

async fn neighbourhood(apart: &Apart, code: &str, at: &str) -> String {
    let neighbourhood =
        Neighbourhood { display_name: format!("社区{code}"), code: code.into(), ..Neighbourhood::default() };
    let create = CreateNeighbourhoodRequest { request_id: new_request_id(), neighbourhood: Some(neighbourhood) };
    let mut officer = RegistryServiceClient::new(somebody(apart, Role::Officer, "", at));
    officer.create_neighbourhood(create).await.unwrap().into_inner().name
}

/// A device at the gate of a compound that is closed.
async fn enrolled(apart: &Apart, neighbourhood: &str) -> String {
    let director = somebody(apart, Role::Director, neighbourhood, NOON);
    let mut registry = RegistryServiceClient::new(director.clone());
    let compound =
        Compound {
            display_name: "长丰二村".into(), neighbourhood: neighbourhood.to_owned(), ..Compound::default()
        };
    let create = CreateCompoundRequest { request_id: new_request_id(), compound: Some(compound) };
    let compound = registry.create_compound(create).await.unwrap().into_inner().name;
    let add = AddGateRequest {
        request_id: new_request_id(),
        compound: compound.clone(),
        display_name: "东门".into(),
        etag: String::new(),
    };
    let gate = registry.add_gate(add).await.unwrap().into_inner().gates.remove(0).name;
    let set = SetRegimeRequest {
        request_id: new_request_id(),
        compound,
        regime: Regime::Closed.into(),
        from: "2020-01-30".into(),
        etag: String::new(),
    };
    registry.set_regime(set).await.unwrap();
    let open = OpenEnrolmentRequest {
        request_id: new_request_id(),
        gate: gate.clone(),
        label: "北门".into(),
        device: String::new(),
    };
    let mut office = GateServiceClient::new(director);
    let opened = office.open_enrolment(open).await.unwrap().into_inner();
    let enrol = EnrolDeviceRequest { request_id: new_request_id(), code: opened.code };
    let anybody = Connection::open(apart.address(), None).unwrap().at(time(NOON));
    GateServiceClient::new(anybody).enrol_device(enrol).await.unwrap();
    gate
}

async fn listed(alarms: &mut AlarmServiceClient<Connection>) -> Vec<Alarm> {
    let request = ListAlarmsRequest { all: true, ..ListAlarmsRequest::default() };
    alarms.list_alarms(request).await.unwrap().into_inner().alarms
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_is_raised_once_by_two_replicas_and_outlives_both() {
    let Some(nats) = nats_server() else { return };
    let mut apart = Apart::start(nats, 2).await;
    let first = neighbourhood(&apart, "330212002001", NOON).await;
    let gate = enrolled(&apart, &first).await;
    let mut officer = AlarmServiceClient::new(somebody(&apart, Role::Officer, "", AFTERNOON));
    let rules = officer.get_alarm_rules(GetAlarmRulesRequest {}).await.unwrap().into_inner();
    let rules = AlarmRules { acknowledge_hours: 6, ..rules };
    let set = SetAlarmRulesRequest {
        request_id: new_request_id(),
        rules: Some(rules),
        reason: "夜班人少，多给两小时".into(),
    };
    officer.set_alarm_rules(set).await.unwrap();
    neighbourhood(&apart, "330212002002", AFTERNOON).await;
    let found =
        once("an alarm is raised", async || Some(listed(&mut officer).await).filter(|alarms| !alarms.is_empty()));
    let found = found.await;
    let [alarm] = &found[..] else { panic!("one alarm: {found:?}") };
    assert_eq!((alarm.kind(), &alarm.gate, &alarm.neighbourhood), (AlarmKind::SilentGate, &gate, &first));
    let due = alarm.due_time.as_ref().and_then(chassis::instant);
    assert_eq!(due, Some(time("2020-02-11T20:00:00+08:00")), "by the rules that were set");
    officer.acknowledge_alarm(acknowledge(alarm)).await.unwrap();

    for name in ["command-1", "command-2"] {
        apart.kill(name).await;
    }
    for name in ["command-1", "command-2"] {
        apart.run(name);
    }
    apart.ready().await;
    let mut officer = AlarmServiceClient::new(somebody(&apart, Role::Officer, "", AFTERNOON));
    let [again] = &listed(&mut officer).await[..] else { panic!("it is there once") };
    assert_eq!((&again.name, again.state()), (&alarm.name, State::Acknowledged));
    let closing = close(again, "设备断电，已恢复");
    let closed = once("a replica leads again", async || match officer.close_alarm(closing.clone()).await {
        // The lease of the one that was killed is not over yet.
        Err(status) if status.code() == Code::Unavailable => None,
        answer => Some(answer.unwrap().into_inner()),
    });
    let closed = closed.await;
    assert_eq!(closed.state(), State::Closed);
    let mut logs = EventLogServiceClient::new(somebody(&apart, Role::Administrator, "", AFTERNOON));
    let verified = logs.verify_log(VerifyLogRequest { log: "command".into() }).await.unwrap().into_inner();
    assert_eq!((verified.intact, verified.records), (true, 4), "rules, raised, acknowledged, closed");
}
