//! The subdistrict as the simulation makes it up: its places, its homes, and the people in them. Pure, and the same for the same
//! seed and numbers.

use std::{collections::HashSet, ops::Range};

use chrono::NaiveDate;
use rand::{RngExt as _, rngs::StdRng, seq::SliceRandom as _};

use super::{
    dice::{dice, happens},
    numbers::Numbers,
};

/// All of it.
pub struct World {
    pub seed: u32,
    pub numbers: Numbers,
    pub neighbourhoods: Vec<Neighbourhood>,
    pub compounds: Vec<Compound>,
    pub gates: Vec<Gate>,
    pub homes: Vec<Home>,
    pub people: Vec<Someone>,
    /// The first simulated day.
    pub first_day: NaiveDate,
    /// In which order people are screened, household by household.
    pub(super) order: Vec<u32>,
}

pub struct Neighbourhood {
    pub name: String,
    /// Of the statistics.
    pub code: String,
}

pub struct Compound {
    /// Index into `World::neighbourhoods`.
    pub neighbourhood: usize,
    pub name: String,
    /// Into `World::gates`.
    pub gates: Range<usize>,
    /// Into `World::homes`.
    pub homes: Range<usize>,
}

pub struct Gate {
    /// Index into `World::compounds`.
    pub compound: usize,
    pub name: &'static str,
    /// Of the compound's crossings, per cent.
    pub share: u32,
}

pub struct Home {
    pub compound: usize,
    pub building: usize,
    pub unit: usize,
    pub room: usize,
    /// Name and number of the landlord of a rented one.
    pub landlord: Option<(String, String)>,
    /// Into `World::people`.
    pub people: Range<usize>,
}

pub struct Someone {
    /// Index into `World::homes`.
    pub home: usize,
    pub name: String,
    pub document: String,
    /// One or two.
    pub phones: Vec<String>,
}

/// Of the main gate and of those after it (DOMAIN section 6).
const GATES: [(&str, u32); 4] = [("东门", 45), ("南门", 30), ("西门", 15), ("北门", 10)];
const NEIGHBOURHOODS: [&str; 25] = [
    "金家漕",
    "长丰",
    "钟公庙",
    "泰安",
    "惠风",
    "铜盆浦",
    "芝兰",
    "后庙",
    "慧灯寺",
    "繁裕",
    "九曲",
    "宋诏桥",
    "嘉和",
    "东裕",
    "凌江",
    "史家码",
    "傅家",
    "桑菊",
    "三里",
    "堇山",
    "四明",
    "学府",
    "嵩江",
    "都市",
    "万达",
];
const SURNAMES: [char; 32] = [
    '王', '李', '张', '刘', '陈', '杨', '黄', '赵', '吴', '周', '徐', '孙', '马', '朱', '胡', '郭', '何', '林', '罗',
    '高', '郑', '梁', '谢', '宋', '唐', '许', '韩', '冯', '邓', '曹', '沈', '俞',
];
const GIVEN: [char; 32] = [
    '伟', '芳', '娜', '敏', '静', '丽', '强', '磊', '军', '洋', '勇', '艳', '杰', '娟', '涛', '明', '超', '兰', '霞',
    '平', '刚', '桂', '英', '华', '玉', '萍', '红', '建', '国', '志', '文', '海',
];
const AREAS: [&str; 8] = ["330212", "330227", "330204", "341202", "522401", "361102", "411402", "513001"];
/// Rooms of a unit, units of a building.
const ROOMS: usize = 12;
const UNITS: usize = 3;

impl World {
    pub fn new(seed: u32, numbers: Numbers) -> Self {
        let mut world = Self {
            seed,
            neighbourhoods: (0..numbers.neighbourhoods as usize).map(neighbourhood).collect(),
            compounds: Vec::new(),
            gates: Vec::new(),
            homes: Vec::new(),
            people: Vec::new(),
            order: Vec::new(),
            first_day: first_day(),
            numbers,
        };
        world.places();
        world.crowd();
        world.order = world.screening_order();
        world
    }

    /// Compounds of unlike sizes, dealt out to the neighbourhoods in turn.
    fn places(&mut self) {
        let count = self.numbers.compounds as usize;
        let mut dice = dice(self.seed, "compounds", 0);
        let sizes: Vec<usize> = (0..count).map(|_| dice.random_range(50..=150)).collect();
        let (all, households) = (sizes.iter().sum::<usize>(), self.numbers.households as usize);
        let (mut sum, mut begin) = (0, 0);
        for (index, size) in sizes.into_iter().enumerate() {
            sum += size;
            let end = households * sum / all;
            let neighbourhood = index % self.neighbourhoods.len();
            let number = index / self.neighbourhoods.len() + 1;
            let stem = self.neighbourhoods[neighbourhood].name.trim_end_matches("社区");
            let name = format!("{stem}{number}村");
            let first = self.gates.len();
            let gates = dice.random_range(1..=GATES.len());
            self.gates.extend(GATES.iter().take(gates).map(|(name, share)| Gate {
                compound: index,
                name,
                share: *share,
            }));
            self.compounds.push(Compound { neighbourhood, name, gates: first..first + gates, homes: begin..end });
            begin = end;
        }
    }

    /// Two and a half to a home: the same number of people, however many homes.
    fn crowd(&mut self) {
        let (households, people) = (self.numbers.households as usize, self.numbers.people as usize);
        let mut dice = dice(self.seed, "people", 0);
        let mut register = Register::default();
        let weights: Vec<usize> =
            (0..households).map(|_| *[1, 2, 2, 3, 3, 4].get(dice.random_range(0..6)).unwrap_or(&2)).collect();
        let all: usize = weights.iter().sum();
        let (mut sum, mut begin) = (0, 0);
        for (compound, homes) in self.compounds.iter().map(|compound| compound.homes.clone()).enumerate() {
            for (place, home) in homes.enumerate() {
                sum += weights[home];
                let end = people * sum / all.max(1);
                let rented = happens(&mut dice, self.numbers.rented);
                let landlord = rented.then(|| (name(&mut dice), register.phone()));
                let (mut seen, mut names) = (HashSet::new(), HashSet::new());
                for _ in begin..end {
                    let document = register.document(&mut dice, &mut seen);
                    let second = happens(&mut dice, self.numbers.second_numbers);
                    let phones = (0..=usize::from(second)).map(|_| register.phone()).collect();
                    // Two of one name in one room are taken for one person.
                    let mut called = name(&mut dice);
                    while !names.insert(called.clone()) {
                        called = name(&mut dice);
                    }
                    self.people.push(Someone { home, name: called, document, phones });
                }
                self.homes.push(Home {
                    compound,
                    building: place / (ROOMS * UNITS) + 1,
                    unit: place / ROOMS % UNITS + 1,
                    room: (place % ROOMS / 2 + 1) * 100 + place % 2 + 1,
                    landlord,
                    people: begin..end,
                });
                begin = end;
            }
        }
    }

    fn screening_order(&self) -> Vec<u32> {
        let mut homes: Vec<usize> = (0..self.homes.len()).collect();
        homes.shuffle(&mut dice(self.seed, "order", 0));
        let people = homes.into_iter().flat_map(|home| self.homes[home].people.clone());
        people.filter_map(|person| u32::try_from(person).ok()).collect()
    }

    /// Who is screened before the first day.
    pub fn first_wave(&self) -> &[u32] {
        &self.order[..self.order.len().min(self.numbers.first_wave_people() as usize)]
    }

    /// Who comes back on a day, counted from 0.
    pub fn back_on(&self, day: u32) -> &[u32] {
        let (wave, daily) = (self.first_wave().len(), self.numbers.returns_a_day() as usize);
        let end = |days: usize| self.order.len().min(wave + days * daily);
        let day = day as usize;
        &self.order[end(day)..end(day + 1)]
    }

    pub fn compound_of(&self, person: u32) -> usize {
        self.homes[self.people[person as usize].home].compound
    }

    pub fn neighbourhood_of(&self, person: u32) -> usize {
        self.compounds[self.compound_of(person)].neighbourhood
    }

    /// Whether a computer stands at the gate: at main gates, of the first compounds.
    pub fn has_computer(&self, gate: usize) -> bool {
        let compound = self.gates[gate].compound;
        compound < self.numbers.gate_computers as usize && self.compounds[compound].gates.start == gate
    }
}

/// The day on which the demonstration's clock begins.
fn first_day() -> NaiveDate {
    NaiveDate::from_ymd_opt(2020, 2, 11).unwrap_or_default()
}

fn neighbourhood(index: usize) -> Neighbourhood {
    let stem = NEIGHBOURHOODS[index % NEIGHBOURHOODS.len()];
    let again = index / NEIGHBOURHOODS.len();
    let name = if again == 0 { format!("{stem}社区") } else { format!("{stem}{}社区", again + 1) };
    Neighbourhood { name, code: format!("330212{:06}", 2_001 + index) }
}

/// Gives everybody a number of their own.
#[derive(Default)]
struct Register {
    taken: HashSet<String>,
    phones: u64,
}

impl Register {
    fn phone(&mut self) -> String {
        self.phones += 1;
        // Spread over the number space, still one each: 7,919 and 10^8 have no common factor.
        format!("1{}{:08}", 37 + self.phones % 3, self.phones * 7_919 % 100_000_000)
    }

    /// GB 11643 with its check digit. Within a home they differ as they are shown: by the area and the last four characters.
    fn document(&mut self, dice: &mut StdRng, at_home: &mut HashSet<String>) -> String {
        const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
        loop {
            let area = AREAS[dice.random_range(0..AREAS.len())];
            let year = dice.random_range(1948..=2003);
            let born = NaiveDate::from_yo_opt(year, dice.random_range(1..=365)).unwrap_or_default();
            let body = format!("{area}{}{:03}", born.format("%Y%m%d"), dice.random_range(1..=999));
            let sum: u32 = body.chars().filter_map(|c| c.to_digit(10)).zip(WEIGHTS).map(|(d, w)| d * w).sum();
            let check = "10X98765432".as_bytes()[(sum % 11) as usize] as char;
            let number = format!("{body}{check}");
            // The import points at numbers that end in 000 as Excel's doing; a real one may, the simulation's do not.
            if !number.ends_with("000") && at_home.insert(shown(&number)) && self.taken.insert(number.clone()) {
                return number;
            }
        }
    }
}

/// A document as the register shows it.
pub(super) fn shown(document: &str) -> String {
    format!("{}********{}", &document[..6], &document[document.len() - 4..])
}

pub(super) fn name(dice: &mut StdRng) -> String {
    let mut name = String::from(SURNAMES[dice.random_range(0..SURNAMES.len())]);
    for _ in 0..dice.random_range(1..=2) {
        name.push(GIVEN[dice.random_range(0..GIVEN.len())]);
    }
    name
}

#[cfg(test)]
mod tests;
