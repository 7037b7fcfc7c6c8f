//! The sentences of the refusals, in both languages: what is in the way and what to do.

use chassis::{Fields, Refusal, Refuse, reason};
use chrono::NaiveDate;
use proto::isolation::v1::Refusal as Reason;

use super::Refused;
use crate::domain::period::{Slot, zh};

impl Refuse for Refused {
    fn refusal(&self) -> Refusal {
        use chassis::Kind::{AlreadyExists, Denied, NotFound, Precondition};
        let refuse = |kind, name: Reason, zh: &str, en: &str| Refusal::new(kind, reason(name.as_str_name()), zh, en);
        match self {
            Self::NotFound => refuse(
                NotFound,
                Reason::NotFound,
                "没有找到，或者不在您的权限范围内：请核对编号",
                "there is no such record within your reach: check the name",
            ),
            Self::AlreadyIsolated => refuse(
                AlreadyExists,
                Reason::AlreadyIsolated,
                "此人已有生效的隔离或观察：请查看现有的隔离令，不要重复开具",
                "the person is under an order already: see that order instead of writing another",
            ),
            Self::NotProposed => refuse(
                Precondition,
                Reason::NotProposed,
                "这份隔离令不在待复核状态：请刷新后查看",
                "the order does not wait for a second signature: read it again",
            ),
            Self::SamePerson => refuse(
                Denied,
                Reason::SamePerson,
                "提出人不能自己复核：请另一单位的另一人复核",
                "who proposed it cannot also approve it: ask somebody of another unit",
            ),
            Self::SameUnit => refuse(
                Denied,
                Reason::SameUnit,
                "复核人与提出人属于同一单位：请另一单位的人复核",
                "both signatures would be of one unit: ask somebody of another unit",
            ),
            Self::NotInForce => refuse(
                Precondition,
                Reason::NotInForce,
                "这份隔离令没有生效或者已经解除：请刷新后查看",
                "the order is not in force or was released: read it again",
            ),
            Self::OutsidePeriod { from, until } => refuse(
                Precondition,
                Reason::OutsidePeriod,
                &format!("日期不在观察期内（{}至{}）：请核对日期", zh(*from), zh(*until)),
                &format!("the day is outside the period of observation, {from} to {until}: check the date"),
            ),
            Self::NotBegun(slot) => not_begun(*slot),
            Self::NotCentral => refuse(
                Precondition,
                Reason::NotCentral,
                "只有集中隔离才移交卫生队：请核对隔离令",
                "only central isolation is handed over to the health team: check the order",
            ),
            Self::AlreadyHandedOver => refuse(
                Precondition,
                Reason::AlreadyHandedOver,
                "此人已经移交，移交记录不能改写：请查看现有记录",
                "the person was handed over already, and that record stands: read it",
            ),
            Self::BeforeTheOrder => before_the_order(),
            Self::PeriodNotComplete { last_day } => refuse(
                Precondition,
                Reason::PeriodNotComplete,
                &format!("隔离期未满：{}起可以解除", zh(*last_day)),
                &format!("the period is not complete: release from {last_day} on"),
            )
            .about("last_day", last_day.to_string()),
            Self::Symptoms { until } => refuse(
                Precondition,
                Reason::Symptoms,
                &format!("最后几天有发热或症状：继续观察到{}，其间没有症状才可以解除", zh(*until)),
                &format!("fever or symptoms in the last days: observe until {until}, and release when none came again"),
            )
            .about("until", until.to_string()),
            Self::ObservationsMissing(missing) => observations_missing(missing),
            Self::NoMethod => refuse(
                Precondition,
                Reason::NoMethod,
                "还没有发布排查标准，无法确定隔离天数和发热界限：请先发布标准",
                "no method is published, so the days of isolation and the limit of fever are unknown: publish one first",
            ),
            Self::CodeSpent => refuse(
                Denied,
                Reason::CodeSpent,
                "上报码不对或已过期：请社工重新开一个上报码",
                "the reporting code is wrong or too old: ask your worker for another one",
            ),
            Self::NoSuchMatter => refuse(
                NotFound,
                Reason::NoSuchMatter,
                "没有待处置的这一事项：请用 mifeng isolation tasks 查看现有事项",
                "nothing like that waits to be acknowledged: see the tasks for what does",
            ),
            Self::Stale { changed, .. } => stale(changed),
            Self::ChangePending => refuse(
                Precondition,
                Reason::ChangePending,
                "已有一项变更在等待复核：请先复核或驳回它",
                "a change waits for its second signature already: approve or decline that one first",
            ),
            Self::NotPending => refuse(
                Precondition,
                Reason::NotPending,
                "没有待决定的这一变更或移交：请刷新后查看",
                "no such change or transfer waits for a decision: read the order again",
            ),
            Self::NotIsolating => refuse(
                Precondition,
                Reason::NotIsolating,
                "健康观察不隔离，也不转送：需要隔离的，请另行开具隔离令",
                "a health watch isolates nobody and moves nobody: propose an order of isolation",
            ),
            Self::ThereAlready => refuse(
                Precondition,
                Reason::ThereAlready,
                "此人已经在那里：请核对去向",
                "the person is there already: check where they are to go",
            ),
            Self::NoExtension { last_day } => no_extension(*last_day),
        }
    }
}

/// How many of the missing readings a sentence names; the metadata name more.
const NAMED: usize = 8;
const LISTED: usize = 120;

fn observations_missing(missing: &[Slot]) -> Refusal {
    let count = missing.len();
    let zh: Vec<String> = missing.iter().take(NAMED).map(|slot| slot.zh()).collect();
    let en: Vec<String> = missing.iter().take(NAMED).map(Slot::to_string).collect();
    let (and_zh, and_en) = if count > NAMED { ("等", " and more") } else { ("", "") };
    let all: Vec<String> = missing.iter().take(LISTED).map(Slot::to_string).collect();
    Refusal::new(
        chassis::Kind::Precondition,
        reason(Reason::ObservationsMissing.as_str_name()),
        format!("缺少{count}次观察记录（{}{and_zh}）：请补录后再解除", zh.join("、")),
        format!("{count} readings are missing ({}{and_en}): record them, then release", en.join(", ")),
    )
    .about("missing", all.join(", "))
}

/// The one who came second reads what the first one did.
fn stale(changed: &[(String, String)]) -> Refusal {
    let (zh, en): (Vec<&str>, Vec<&str>) = changed.iter().map(|(zh, en)| (zh.as_str(), en.as_str())).unzip();
    Refusal::new(
        chassis::Kind::Stale,
        reason(Reason::Stale.as_str_name()),
        format!("其间有人改动了这份隔离令（{}）：请刷新，核对后再改", zh.join("；")),
        format!("somebody edited the order meanwhile ({}): read it again, then decide", en.join("; ")),
    )
    .about("changed", en.join("; "))
}

fn no_extension(last_day: NaiveDate) -> Refusal {
    let mut fields = Fields::new();
    fields.refuse(
        "last_day",
        format!("应晚于现在的截止日{}，且最多延长28天：请核对日期", zh(last_day)),
        format!("must be later than the present last day, {last_day}, by at most 28 days: check the date"),
    );
    fields.refusal().expect("a field was refused just above")
}

fn before_the_order() -> Refusal {
    let mut fields = Fields::new();
    fields.refuse(
        "leave_time",
        "早于隔离令开始的日子：请核对离开时间",
        "lies before the day on which the order began: check when the vehicle left",
    );
    fields.refusal().expect("a field was refused just above")
}

fn not_begun(slot: Slot) -> Refusal {
    let mut fields = Fields::new();
    fields.refuse(
        "date",
        format!("{}还没有到：只能记录已经开始的半天", slot.zh()),
        format!("must not be in the future: {slot} has not begun"),
    );
    fields.refusal().expect("a field was refused just above")
}
