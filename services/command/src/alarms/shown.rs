use chassis::timestamp;
use proto::command::v1::{Alarm as Resource, AlarmKind, AlarmText, alarm::State, alarm_event::Raised};

use crate::domain::alarm::{Alarm, Standing};

/// Of the collection in names.
pub(super) const ALARMS: &str = "alarms";

/// As a list shows it, without what was done about it.
pub(super) fn listed(id: &str) -> impl Fn(&Alarm, u64) -> Resource + Send + Sync {
    let name = format!("{ALARMS}/{id}");
    move |alarm, version| {
        let raised = alarm.raised.clone().unwrap_or_default();
        let state = match alarm.standing {
            Standing::Open => State::Open,
            Standing::Acknowledged => State::Acknowledged,
            Standing::Over => State::Over,
            Standing::Closed => State::Closed,
        };
        let neighbourhood = match raised.neighbourhood_id.as_str() {
            "" => String::new(),
            id => format!("neighbourhoods/{id}"),
        };
        Resource {
            name: name.clone(),
            kind: raised.kind,
            state: state.into(),
            level: alarm.level.into(),
            subject: raised.subject.clone(),
            neighbourhood,
            gate: raised.gate.clone(),
            owner: alarm.owner.clone(),
            begin_time: raised.begin_time,
            raise_time: raised.time,
            end_time: alarm.ended.map(timestamp),
            count: alarm.count,
            text: Some(text(&raised, alarm.count)),
            matters: raised.matters,
            due_time: alarm.due.map(timestamp),
            history: Vec::new(),
            etag: version.to_string(),
        }
    }
}

/// With what was done about it.
pub(super) fn whole(id: &str) -> impl Fn(&Alarm, u64) -> Resource + Send + Sync {
    let listed = listed(id);
    move |alarm, version| Resource { history: alarm.steps.clone(), ..listed(alarm, version) }
}

/// What is wrong and what to look at, in both languages.
fn text(raised: &Raised, count: i32) -> AlarmText {
    let (zh, en) = match raised.kind() {
        AlarmKind::VerdictBatch => (
            format!("同一单位在短时间内作出 {count} 个限制性或人工结论：请核对每一例的依据，并由其他单位的人员处理"),
            format!(
                "{count} verdicts of one unit within a short time hold people or were set by hand: look at the evidence of each"
            ),
        ),
        AlarmKind::SilentOffice => (
            format!("该社区在平时有记录的 {count} 个小时里没有任何记录：请联系社区，确认人员、网络和设备"),
            format!(
                "nothing was recorded by this neighbourhood in {count} hours that usually have records: call the office, and check people, line and machines"
            ),
        ),
        AlarmKind::SilentGate => (
            format!("门岗设备 {count} 分钟没有上传记录，小区正在封闭管理：请到门岗查看设备和网络，排队的记录不会丢失"),
            format!(
                "nothing has arrived of this gate's device for {count} minutes and the compound is guarded: look at the device and its line; what waits in its queue is not lost"
            ),
        ),
        AlarmKind::LateDisputes => (
            format!("{count} 件申诉已上报到街道，超过时限仍无人答复：请指定负责人"),
            format!("{count} disputes lie at the subdistrict and nobody answers them: name somebody who does"),
        ),
        AlarmKind::LateReadings => (
            format!("{count} 份告知书的体温无人测量，已上报到街道，超过时限仍无人处理：请指定负责人"),
            format!("readings of {count} orders lie at the subdistrict and nobody takes them: name somebody who does"),
        ),
        AlarmKind::LateNeeds => (
            format!("{count} 项需求已上报到街道，超过时限仍无人认领：请指定负责人"),
            format!("{count} needs lie at the subdistrict and nobody claims them: name somebody who does"),
        ),
        AlarmKind::Unspecified => (String::new(), String::new()),
    };
    AlarmText { zh, en }
}
