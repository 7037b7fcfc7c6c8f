use std::{
    io::IsTerminal as _,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use chassis::client::Connection;
use chrono::{DateTime, Utc};
use clap::Args;
use credential::list::Colour as Freshness;
use proto::pass::v1::{Direction, Verdict};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    sync::Notify,
};

use super::{
    centre::{Line, exchange, keep_in_touch},
    command,
    post::{Post, Said},
    standing::Standing,
    station::{Spoken, Station},
    verdict::Colour,
    watch::Watch,
};
use crate::{
    desk::typed,
    output::{Output, on_the_clock, print, word},
};

pub(super) const EXAMPLES: &str = "\
Examples:
  mifeng gate run --folder /var/lib/mifeng-gate
  mifeng gate run --folder /var/lib/mifeng-gate --direction out --image photo.png

One scan is one line. While it runs, type help for the short forms: `36.5`, `37.5/36.6 out`, `nomask`,
`known NUMBER REASON 36.5`, `visit service NUMBER 36.5`, `status`. A person who may pass is recorded once the temperature is
typed; who is refused, at once. Nothing typed for the direction means the one of --direction.";

#[derive(Args)]
pub struct Run {
    /// The gate's own folder
    #[arg(long, env = "MIFENG_GATE", value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// The direction of whoever says no other
    #[arg(long, value_parser = typed::word(Direction::as_str_name), default_value = "in")]
    direction: Direction,
    /// A picture of a code, in place of the first scan
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// Speaks to no centre, and keeps everything in the queue
    #[arg(long)]
    offline: bool,
    /// On a demonstration server: when this happens, for example 2020-02-11T14:00:00+08:00
    #[arg(long, value_name = "TIME")]
    at: Option<DateTime<Utc>>,
    #[command(flatten)]
    output: Output,
}

impl Run {
    pub async fn run(self) -> anyhow::Result<()> {
        let folder = command::folder(self.folder)?;
        let station = Station::open(&folder, Watch::of_this_machine())?;
        let line = connect(&station, self.at)?;
        let station = Arc::new(Mutex::new(station));
        let recorded = Arc::new(Notify::new());
        let mut background = None;
        if !self.offline {
            background = Some(tokio::spawn(keep_in_touch(Arc::clone(&station), line.clone(), Arc::clone(&recorded))));
        }
        let mut desk = Desk { post: Post::new(Arc::clone(&station), self.direction), output: self.output, station };
        if let Some(image) = &self.image {
            desk.take(&format!("image {}", image.display()), None)?;
        } else {
            desk.say(&Said::Standing(Box::new(desk.standing())))?;
        }
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        let mut over = false;
        while !over && let Some(typed) = lines.next_line().await? {
            let vouched = match desk.post.question(&typed) {
                Some((code, direction)) if !self.offline => line.vouch(desk.standing().gate, code, direction).await,
                _ => None,
            };
            over = desk.take(&typed, vouched)?;
            recorded.notify_one();
        }
        let mut said = Vec::new();
        desk.post.close(&mut said)?;
        said.iter().try_for_each(|said| desk.say(said))?;
        if let Some(background) = background {
            background.abort();
            // What is left is sent if the centre is there; else it waits for the next start.
            drop(exchange(&desk.station, &mut line.clone()).await);
        }
        Ok(())
    }
}

fn connect(station: &Station, at: Option<DateTime<Utc>>) -> anyhow::Result<Line> {
    let settings = station.settings();
    let authority = settings.authority.as_ref().map(std::fs::read).transpose()?;
    let connection = Connection::open_trusting(&settings.address, Some(settings.token.clone()), authority.as_deref())?;
    Ok(Line(at.map_or_else(|| connection.clone(), |time| connection.at(time))))
}

struct Desk {
    post: Post,
    station: Arc<Mutex<Station>>,
    output: Output,
}

impl Desk {
    /// Whether the guard has ended.
    fn take(&mut self, line: &str, vouched: Option<Verdict>) -> anyhow::Result<bool> {
        let said = self.post.take(line, vouched)?;
        said.iter().try_for_each(|said| self.say(said))?;
        Ok(said.contains(&Said::End))
    }

    fn standing(&self) -> Standing {
        self.station.lock().unwrap_or_else(PoisonError::into_inner).standing()
    }

    fn say(&self, said: &Said) -> anyhow::Result<()> {
        if self.output.is_json() {
            return match to_json(said, &self.standing()) {
                Some(json) => print(&json.to_string()),
                None => Ok(()),
            };
        }
        match said {
            Said::Looks { spoken, glance } => print(&shown(spoken, glance)),
            Said::Recorded { spoken, glance, direction, sequence } => {
                let direction = word(direction.as_str_name());
                print(&format!(
                    "{}\n  {direction}, recorded as {sequence} · {}",
                    shown(spoken, glance),
                    footer(&self.standing())
                ))
            }
            Said::Note(zh, en) => print(&format!("  {zh} {en}")),
            Said::Standing(standing) => show_standing(self.output, standing),
            Said::Help(help) => print(help),
            Said::End => Ok(()),
        }
    }
}

fn shown(spoken: &Spoken, glance: &str) -> String {
    let (mark, ansi) = match spoken.colour {
        Colour::Green => ("[ 通行 PASS ]", "\u{1b}[1;30;42m"),
        Colour::Amber => ("[ 注意 LOOK ]", "\u{1b}[1;30;43m"),
        Colour::Red => ("[ 拦下 STOP ]", "\u{1b}[1;37;41m"),
    };
    let mark = if std::io::stdout().is_terminal() { format!("{ansi}{mark}\u{1b}[0m") } else { mark.to_owned() };
    let because: Vec<&str> = spoken.findings.iter().map(|finding| word(finding.as_str_name())).collect();
    format!("{mark} {glance} ({})\n  {}\n  {}", because.join(", "), spoken.zh, spoken.en)
}

/// Said where the machine's own clock is wrong.
fn clock(slow_seconds: i64) -> String {
    match slow_seconds {
        -60..=60 => String::new(),
        61.. => format!(" (this machine's clock is {slow_seconds} s slow)"),
        _ => format!(" (this machine's clock is {} s fast)", -slow_seconds),
    }
}

/// Always to be seen: how old the list is, and how many wait.
fn footer(standing: &Standing) -> String {
    format!("{} · {} waiting", list(standing), standing.waiting)
}

fn list(standing: &Standing) -> String {
    let Some(age) = standing.list_age else { return "NO LIST 没有名单".to_owned() };
    let colour = match age.colour() {
        Freshness::Green => "",
        Freshness::Amber => " (amber)",
        Freshness::Stale => " (STALE 过旧)",
    };
    let minutes = age.seconds / 60;
    let old = match minutes {
        ..1 => "just now".to_owned(),
        1..120 => format!("{minutes} min old"),
        _ => format!("{} h old", minutes / 60),
    };
    format!("list {} {old}{colour}", standing.list_sequence.unwrap_or(0))
}

pub(super) fn show_standing(output: Output, standing: &Standing) -> anyhow::Result<()> {
    if output.is_json() {
        return print(&standing_json(standing).to_string());
    }
    let heard = standing.heard.map_or_else(|| "never".to_owned(), on_the_clock);
    let line = standing.trouble.as_ref().map_or_else(String::new, |trouble| format!(" · {trouble}"));
    print(&format!("{} at {}", standing.device, standing.gate))?;
    print(&format!(
        "{}{} · {} · centre heard {heard}{line}",
        on_the_clock(standing.now),
        clock(standing.clock_slow_seconds),
        footer(standing)
    ))
}

fn standing_json(standing: &Standing) -> Value {
    json!({
        "gate": standing.gate,
        "device": standing.device,
        "time": standing.now,
        "clock_slow_seconds": standing.clock_slow_seconds,
        "list_sequence": standing.list_sequence,
        "list_age_seconds": standing.list_age.map(|age| age.seconds),
        "waiting": standing.waiting,
        "heard": standing.heard,
        "trouble": standing.trouble,
    })
}

fn to_json(said: &Said, standing: &Standing) -> Option<Value> {
    let verdict = |spoken: &Spoken, glance: &str| {
        let findings: Vec<&str> = spoken.findings.iter().map(|finding| word(finding.as_str_name())).collect();
        json!({
            "colour": match spoken.colour {
                Colour::Green => "green",
                Colour::Amber => "amber",
                Colour::Red => "red",
            },
            "decision": word(spoken.decision.as_str_name()),
            "findings": findings,
            "say_zh": spoken.zh,
            "say_en": spoken.en,
            "holder": glance,
            "list_age_seconds": standing.list_age.map(|age| age.seconds),
            "waiting": standing.waiting,
        })
    };
    let mut value = match said {
        Said::Looks { spoken, glance } => verdict(spoken, glance),
        Said::Recorded { spoken, glance, direction, sequence } => {
            let mut value = verdict(spoken, glance);
            value["direction"] = word(direction.as_str_name()).into();
            value["sequence"] = (*sequence).into();
            value
        }
        Said::Note(zh, en) => json!({ "say_zh": zh, "say_en": en }),
        Said::Standing(standing) => standing_json(standing),
        Said::Help(_) | Said::End => return None,
    };
    value["said"] = match said {
        Said::Looks { .. } => "looks",
        Said::Recorded { .. } => "recorded",
        Said::Standing(_) => "status",
        Said::Note(..) | Said::Help(_) | Said::End => "note",
    }
    .into();
    Some(value)
}

/// Tenths of a degree as people read them.
pub(super) fn degrees(decicelsius: i32) -> String {
    if decicelsius == 0 { String::new() } else { format!("{}.{}", decicelsius / 10, decicelsius % 10) }
}
