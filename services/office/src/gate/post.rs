//! The guard's post: a line comes in, a verdict and words come out. Whoever is refused is on record at once; whoever may pass is
//! measured first, and a first reading that is a fever is taken again (R14).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use proto::pass::v1::{Decision, Direction, Finding, Verdict};

use super::{
    image,
    line::{HELP, Line, Person, Reading},
    looks::Looked,
    standing::Standing,
    station::{Spoken, Station},
    verdict::Measured,
};

pub struct Post {
    station: Arc<Mutex<Station>>,
    /// Of everybody who says no other.
    direction: Direction,
    waits: Option<Waiting>,
}

/// Somebody who may pass and is not measured yet.
struct Waiting {
    person: Person,
    vouched: Option<Verdict>,
    looked: Looked,
    direction: Direction,
    /// A fever that a second reading may correct.
    first: Option<i32>,
    no_mask: bool,
}

/// What is to be shown.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// Not on record yet.
    Looks {
        spoken: Spoken,
        glance: String,
    },
    Recorded {
        spoken: Spoken,
        glance: String,
        direction: Direction,
        sequence: u64,
    },
    /// In both languages.
    Note(String, String),
    Standing(Box<Standing>),
    Help(&'static str),
    End,
}

impl Post {
    pub fn new(station: Arc<Mutex<Station>>, direction: Direction) -> Self {
        Self { station, direction, waits: None }
    }

    /// What the centre should be asked about first: a typed number that only it knows, and whoever goes out with a household's
    /// pass, since others of it may have left by another gate (R18).
    pub fn question(&self, line: &str) -> Option<(String, Direction)> {
        let Line::Person(person, reading) = Line::read(line) else { return None };
        let direction = reading.direction.unwrap_or(self.direction);
        let station = self.station();
        let code = match &person {
            Person::Number(number) if !station.knows(*number) => return Some((number.to_string(), direction)),
            Person::Number(number) => number.to_string(),
            Person::Code(code) => code.clone(),
            Person::Slip(_) | Person::Known { .. } | Person::Visitor { .. } => return None,
        };
        let looked = station.look(&person, direction, None).ok()?;
        let counts = looked.seen.facts.as_ref().is_some_and(|facts| station.counts_outings(facts));
        (direction == Direction::Out && counts && looked.seen.decision == Decision::Allowed)
            .then_some((code, direction))
    }

    /// One line of the scanner or the keyboard. `vouched`: what the centre says of a typed number.
    pub fn take(&mut self, line: &str, vouched: Option<Verdict>) -> anyhow::Result<Vec<Said>> {
        let mut said = Vec::new();
        match Line::read(line) {
            Line::Person(person, reading) => self.person(person, vouched, &reading, &mut said)?,
            Line::Picture(path, reading) => match image::code_in(&path) {
                Ok(code) => match Line::read(&code) {
                    Line::Person(person, _) => self.person(person, None, &reading, &mut said)?,
                    Line::Update(text) => said.push(self.update(&text)?),
                    Line::Keys(text) => said.push(self.keys(&text)?),
                    _ => said.push(note("图片里的码不是我们的。", "The code in the picture is none of ours.")),
                },
                Err(error) => said.push(Said::Note(format!("读不出图片里的码：{error:#}"), format!("{error:#}"))),
            },
            Line::Reading(reading) => match self.waits.take() {
                Some(waiting) => self.measure(waiting, &reading, &mut said)?,
                None if reading.is_direction_alone() => {
                    self.direction = reading.direction.unwrap_or(self.direction);
                    said.push(match self.direction {
                        Direction::Out => note("方向：出", "direction: out"),
                        _ => note("方向：进", "direction: in"),
                    });
                }
                None => said.push(note("没有人在等量体温：请先扫码。", "Nobody waits to be measured: scan first.")),
            },
            Line::Nothing => self.close(&mut said)?,
            Line::Cancel => {
                if self.waits.take().is_some() {
                    said.push(note("已取消，没有登记。", "Cancelled: nothing is on record."));
                }
            }
            Line::Update(text) => said.push(self.update(&text)?),
            Line::Keys(text) => said.push(self.keys(&text)?),
            Line::Status => said.push(Said::Standing(Box::new(self.station().standing()))),
            Line::Help => said.push(Said::Help(HELP)),
            Line::Quit => {
                self.close(&mut said)?;
                said.push(Said::End);
            }
            Line::Unclear(zh, en) => said.push(note(zh, en)),
        }
        Ok(said)
    }

    /// Whoever still waits is recorded as they are.
    pub fn close(&mut self, said: &mut Vec<Said>) -> anyhow::Result<()> {
        let Some(waiting) = self.waits.take() else { return Ok(()) };
        let first = waiting.first;
        self.record(waiting, first, None, said)
    }

    fn person(
        &mut self,
        person: Person,
        vouched: Option<Verdict>,
        reading: &Reading,
        said: &mut Vec<Said>,
    ) -> anyhow::Result<()> {
        self.close(said)?;
        let direction = reading.direction.unwrap_or(self.direction);
        let looked = self.station().look(&person, direction, vouched.as_ref())?;
        let waiting = Waiting { person, vouched, looked, direction, first: None, no_mask: false };
        self.measure(waiting, reading, said)
    }

    /// Takes what was measured; asks for what is missing.
    fn measure(&mut self, mut waiting: Waiting, reading: &Reading, said: &mut Vec<Said>) -> anyhow::Result<()> {
        waiting.no_mask |= reading.no_mask;
        if let Some(direction) = reading.direction.filter(|direction| *direction != waiting.direction) {
            waiting.direction = direction;
            waiting.looked = self.station().look(&waiting.person, direction, waiting.vouched.as_ref())?;
        }
        let refused = waiting.looked.seen.decision == Decision::Refused;
        let mut typed = reading.temperatures.iter().copied();
        match (waiting.first.or_else(|| typed.next()), typed.next()) {
            (Some(first), Some(second)) => self.record(waiting, Some(second), Some(first), said),
            (Some(only), None) if refused || !self.station().is_fever(only) => {
                self.record(waiting, Some(only), None, said)
            }
            (Some(only), None) => {
                waiting.first = Some(only);
                self.waits = Some(waiting);
                said.push(note(
                    "体温偏高：请稍等片刻再量一次，输入第二次体温；直接回车则以第一次为准。",
                    "A raised temperature: wait a little, measure again and type the second reading; Enter alone: the first one stands.",
                ));
                Ok(())
            }
            (None, _) if refused => self.record(waiting, None, None, said),
            (None, _) => {
                let (spoken, glance) = (self.station().say(&waiting.looked), waiting.looked.glance.clone());
                self.waits = Some(waiting);
                said.push(Said::Looks { spoken, glance });
                said.push(note("体温？（例如 36.5）", "Temperature? (such as 36.5)"));
                Ok(())
            }
        }
    }

    fn record(
        &self,
        waiting: Waiting,
        decicelsius: Option<i32>,
        first: Option<i32>,
        said: &mut Vec<Said>,
    ) -> anyhow::Result<()> {
        let Waiting { looked, direction, no_mask, .. } = waiting;
        let measured = Measured { decicelsius, mask: !no_mask };
        let (spoken, sequence) = self.station().record(&looked, direction, measured, first)?;
        said.push(Said::Recorded { spoken, glance: looked.glance, direction, sequence });
        Ok(())
    }

    fn update(&self, text: &str) -> anyhow::Result<Said> {
        Ok(match self.station().take_update(text)? {
            Ok(_) => note("名单已更新。", "The list is taken."),
            Err(reason) => note(reason.zh(), reason.en()),
        })
    }

    fn keys(&self, text: &str) -> anyhow::Result<Said> {
        Ok(match self.station().take_keys(text)? {
            Ok(()) => note("钥匙已更新。", "The keys are taken."),
            Err(reason) => note(reason.zh(), reason.en()),
        })
    }

    fn station(&self) -> MutexGuard<'_, Station> {
        self.station.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Said {
    /// What was decided, where this tells of somebody.
    pub fn verdict(&self) -> Option<(Decision, &[Finding])> {
        match self {
            Self::Looks { spoken, .. } | Self::Recorded { spoken, .. } => Some((spoken.decision, &spoken.findings)),
            Self::Note(..) | Self::Standing(_) | Self::Help(_) | Self::End => None,
        }
    }
}

fn note(zh: &str, en: &str) -> Said {
    Said::Note(zh.to_owned(), en.to_owned())
}
