//! A verdict in words that a resident understands, in both languages. Each says what was seen, what follows, and what the
//! person can do.

use chrono::{Datelike, NaiveDate};
use proto::screening::v1::{Honesty, Mark, Measure, Outcome};

use super::{JudgedVisit, Person, Rules, Visit, weighing::Weighed};

#[derive(Clone, Default, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub struct Explanation {
    pub zh: String,
    pub en: String,
}

/// So many places are named; the others are counted.
const NAMED: usize = 8;

pub(crate) fn explain(
    weighed: &Weighed,
    person: &Person,
    seen_until: Option<NaiveDate>,
    judged: &[JudgedVisit],
    unresolved: &[String],
    rules: &Rules,
) -> Explanation {
    let marked = |wanted: &[Mark]| {
        let all = |visit: &&JudgedVisit| wanted.iter().all(|mark| visit.marks.contains(mark)) && !visit.is_short();
        Places::of(judged.iter().filter(all).map(|visit| &person.scans[visit.scan].visits[visit.visit]))
    };
    let appeal = Appeal { hours: rules.dispute_hours };
    let version = &rules.version;
    match weighed.outcome {
        Outcome::ConcealedKeyArea => {
            let places = marked(&[Mark::KeyArea, Mark::Undeclared]);
            let (zh, en) = consequence(weighed.measure, rules);
            let (open_zh, open_en) = still_open(unresolved);
            Explanation {
                zh: format!("行程记录显示您到过重点地区，但申报中没有说明：{}。按照排查标准 {version}，{zh}。{open_zh}{}", places.zh(), appeal.zh()),
                en: format!("The records show you in a key area that you did not declare: {}. Under the method {version} {en}.{open_en} {}", places.en(), appeal.en()),
            }
        }
        Outcome::DeclaredKeyArea => {
            let places = marked(&[Mark::KeyArea]);
            let (zh, en) = consequence(weighed.measure, rules);
            let others = marked(&[Mark::Undeclared]);
            let (also_zh, also_en) = match weighed.honesty {
                Honesty::Undeclared => (format!("另有未申报的行程：{}，请补充说明。", others.zh()), format!(" You did not declare {}: please tell us about it.", others.en())),
                // All that is left out then is a day over a border.
                _ if !others.0.is_empty() => (
                    format!("另有一次没有申报的邻市行程：{}，手机在交界处可能连到邻市的基站，请告诉工作人员您那天在哪里。", others.zh()),
                    format!(" There is one undeclared day in a neighbouring city, where a phone near the border may stray: {}. Please tell the staff where you were.", others.en()),
                ),
                _ => (String::new(), String::new()),
            };
            Explanation {
                zh: format!("您如实申报了到过重点地区：{}，谢谢您。按照排查标准 {version}，{zh}。{also_zh}{}", places.zh(), appeal.zh()),
                en: format!("Thank you for declaring that you were in a key area: {}. Under the method {version} {en}.{also_en} {}", places.en(), appeal.en()),
            }
        }
        Outcome::UndeclaredElsewhere => {
            let places = marked(&[Mark::Undeclared]);
            Explanation {
                zh: format!("行程记录显示您还到过：{}，申报中没有说明。请向工作人员说清楚去了哪里、做了什么，再决定能否办理出入证。{}", places.zh(), appeal.zh()),
                en: format!("The records show places that you did not declare: {}. Please tell the staff where you were and why; then they decide about your pass. {}", places.en(), appeal.en()),
            }
        }
        Outcome::BorderSuspect => {
            let places = marked(&[Mark::Border]);
            Explanation {
                zh: format!("行程记录中有一次没有申报的邻市行程：{}。手机在交界处有时会连到邻市的基站，所以这不能单独作为隔离的理由。请告诉工作人员您那天在哪里，由人工核实后决定。", places.zh()),
                en: format!("The records show one undeclared day in a neighbouring city: {}. Near a border a phone may use the neighbour's network, so this alone is no reason to isolate anybody. Please tell the staff where you were that day; a person decides.", places.en()),
            }
        }
        Outcome::OverDeclared => Explanation {
            zh: "您申报的一段外地行程，在行程记录中没有看到。请工作人员与您核对日期和地点，或出示车票等证明。".to_owned(),
            en: "A stay that you declared is not in the records. Please check its dates and place with the staff, or show a ticket.".to_owned(),
        },
        Outcome::InsufficientEvidence => {
            let days = rules.window_days;
            let (gap_zh, gap_en) = seen_until.map_or_else(Default::default, |until| unseen(until, person.as_of));
            Explanation {
                zh: format!("目前的行程记录还不够：您的每个手机号都要查询，并且记录要覆盖最近{days}天。{gap_zh}没有记录不等于没有去过。请补查号码，或出示车票、单位证明，由人工核实。"),
                en: format!("The records are not enough yet: each of your numbers must be looked up, over the last {days} days. {gap_en}No record does not mean that you were nowhere. Please have the missing number looked up, or show a ticket or your employer's letter."),
            }
        }
        Outcome::UnresolvedPlace => {
            let (zh, en) = (unresolved.join("、"), unresolved.join(", "));
            Explanation {
                zh: format!("有的地名说的是哪里还不能确定：{zh}。请告诉工作人员是哪个省、哪个市、哪个县区，系统不会替您猜。"),
                en: format!("We cannot tell which place is meant: {en}. Please tell the staff the province, the city and the county; nobody will guess for you."),
            }
        }
        // What is set by hand is explained by those who set it.
        Outcome::Clear | Outcome::Overridden | Outcome::Unspecified => Explanation {
            zh: format!("行程记录与您的申报一致，没有到过重点地区。按照排查标准 {version}，可以办理出入证。"),
            en: format!("The records agree with what you declared, and show no key area. Under the method {version} you can have a pass."),
        },
    }
}

/// Which days nobody saw, where the evidence ends long before the day for which it is weighed.
fn unseen(until: NaiveDate, as_of: NaiveDate) -> (String, String) {
    let first = until.succ_opt().unwrap_or(until);
    let zh = days(first, as_of, |day| format!("{}月{}日", day.month(), day.day()), "至");
    let en = days(first, as_of, |day| day.format("%-d %B").to_string(), " to ");
    let last = until.format("%-d %B");
    (
        format!("查到的记录只到{}月{}日，{zh}没有人看到您在哪里，请重新查询。", until.month(), until.day()),
        format!(
            "They end on {last}: nobody has seen where you were on {en}, so please have the number looked up again. "
        ),
    )
}

/// Who said a name that nobody knows may have meant the very place: they are asked, and not only accused.
fn still_open(names: &[String]) -> (String, String) {
    if names.is_empty() {
        return (String::new(), String::new());
    }
    let (zh, en) = (names.join("、"), names.join(", "));
    (
        format!("另有地名还不能确定：{zh}，如果说的就是这些地方，请告诉工作人员。"),
        format!(" We cannot tell which place is meant by {en}: if it is one of these, please tell the staff."),
    )
}

fn consequence(measure: Measure, rules: &Rules) -> (String, String) {
    let days = rules.isolation_days;
    match measure {
        Measure::Central => {
            (format!("需要集中隔离观察{days}天"), format!("you have to stay in central isolation for {days} days"))
        }
        Measure::Home => {
            (format!("需要居家隔离观察{days}天"), format!("you have to stay in isolation at home for {days} days"))
        }
        Measure::Watch => (format!("需要健康监测{days}天"), format!("your health is to be watched for {days} days")),
        Measure::None | Measure::Ask | Measure::Unspecified => {
            ("由工作人员与您核实".to_owned(), "the staff will check with you".to_owned())
        }
    }
}

struct Appeal {
    hours: i32,
}

impl Appeal {
    fn zh(&self) -> String {
        format!("如果您认为记录有误，可以提出申诉，{}小时内由另一位工作人员答复。", self.hours)
    }

    fn en(&self) -> String {
        format!(
            "If you think that the records are wrong, dispute it: somebody else answers within {} hours.",
            self.hours
        )
    }
}

/// Names with their days, the earliest first, each once.
struct Places(Vec<(NaiveDate, NaiveDate, String)>);

impl Places {
    fn of<'a>(visits: impl Iterator<Item = &'a Visit>) -> Self {
        let mut places: Vec<_> = visits.map(|visit| (visit.first, visit.last, visit.place.clone())).collect();
        places.sort_unstable();
        places.dedup();
        Self(places)
    }

    fn zh(&self) -> String {
        let one = |(first, last, place): &(NaiveDate, NaiveDate, String)| {
            let days = days(*first, *last, |day| format!("{}月{}日", day.month(), day.day()), "至");
            format!("{place}（{days}）")
        };
        let named = self.0.iter().take(NAMED).map(one).collect::<Vec<_>>().join("、");
        if self.0.len() > NAMED { format!("{named}等{}处", self.0.len()) } else { named }
    }

    fn en(&self) -> String {
        let one = |(first, last, place): &(NaiveDate, NaiveDate, String)| {
            let days = days(*first, *last, |day| day.format("%-d %B").to_string(), " to ");
            format!("{place} ({days})")
        };
        let named = self.0.iter().take(NAMED).map(one).collect::<Vec<_>>().join(", ");
        match self.0.len().saturating_sub(NAMED) {
            0 => named,
            more => format!("{named} and {more} more"),
        }
    }
}

fn days(first: NaiveDate, last: NaiveDate, show: impl Fn(NaiveDate) -> String, until: &str) -> String {
    if first == last { show(first) } else { format!("{}{until}{}", show(first), show(last)) }
}

impl JudgedVisit {
    fn is_short(&self) -> bool {
        self.marks.contains(&Mark::TooShort)
    }
}
