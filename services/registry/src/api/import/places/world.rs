//! The places that are there, and what the rows before have added to them: so that a building finds the compound that stands
//! on an earlier sheet. Rows are decided by the same decisions that write them, on copies.

use std::collections::HashMap;

use chassis::{Aggregate as _, Call};
use chrono::NaiveDate;
use proto::registry::v1::{Refusal, Regime};
use tonic::Status;

use crate::{
    api::{Api, fault},
    domain::compound::{self, Compound},
    projections::{Asked, compounds, grids, neighbourhoods},
    sentence::Sentence,
    workbook::{Column, Kind as Rows, Listed},
};

/// What a row comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::api::import) enum Kind {
    New,
    Changed,
    Same,
}

pub(super) struct Deed {
    pub(super) kind: Kind,
    /// Of what is made or changed.
    pub(super) id: String,
    pub(super) neighbourhood: String,
    pub(super) acts: Vec<Act>,
}

pub(super) enum Act {
    OpenNeighbourhood { name: String, code: String },
    OpenGrid { name: String },
    OpenCompound { name: String, neighbourhood: String, group: String },
    AddBuilding { building: String, units: i32 },
    AddGate { id: String, name: String },
    AssignGrid { grid: String, building: String },
    SetRegime { regime: Regime, from: NaiveDate },
}

impl Act {
    /// Words of those that make something, and of those that change what is there.
    pub(super) const MAKING: &[&str] = &["open", "building", "gate"];
    pub(super) const CHANGING: &[&str] = &["grid", "regime"];

    /// Its part of the command's id.
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::OpenNeighbourhood { .. } | Self::OpenGrid { .. } | Self::OpenCompound { .. } => "open",
            Self::AddBuilding { .. } => "building",
            Self::AddGate { .. } => "gate",
            Self::AssignGrid { .. } => "grid",
            Self::SetRegime { .. } => "regime",
        }
    }

    /// About a compound; the others decide nothing about one.
    pub(super) fn decide(&self, state: &Compound) -> Result<Vec<compound::Event>, compound::Refusal> {
        match self {
            Self::OpenNeighbourhood { .. } | Self::OpenGrid { .. } => Ok(Vec::new()),
            Self::OpenCompound { name, neighbourhood, group } => state.open(name, neighbourhood, group),
            Self::AddBuilding { building, units } => state.add_building(building, *units),
            Self::AddGate { id, name } => state.add_gate(id, name),
            Self::AssignGrid { grid, building } => state.assign_grid(grid, building),
            Self::SetRegime { regime, from } => state.set_regime(*regime, *from),
        }
    }
}

/// A row's own command.
pub(super) fn call_of(call: &Call, entry: &Listed) -> Call {
    call.derive(format!("{}/{}", entry.kind.title(), entry.row))
}

pub(super) struct World {
    parent: Option<String>,
    /// Whether the caller may open neighbourhoods.
    everywhere: bool,
    /// Ids by name, and names by code.
    neighbourhoods: HashMap<String, String>,
    codes: HashMap<String, String>,
    /// Ids by neighbourhood and name.
    grids: HashMap<(String, String), String>,
    compounds: HashMap<(String, String), (String, Compound)>,
}

type Trouble = (Column, Sentence);

impl World {
    /// What the caller may see.
    pub(super) async fn look(api: &Api, call: &Call, parent: Option<String>) -> Result<Self, Status> {
        let scope = &call.principal.scope;
        let mut world = Self {
            parent,
            everywhere: scope.neighbourhood().is_none(),
            neighbourhoods: HashMap::new(),
            codes: HashMap::new(),
            grids: HashMap::new(),
            compounds: HashMap::new(),
        };
        let mut ids = Vec::new();
        {
            let mut db = api.views.connection().await?;
            let mut token = String::new();
            loop {
                let page = neighbourhoods::list(&mut db, scope, &Asked::new(1000, &token)?).await.map_err(fault)?;
                for row in page.rows {
                    let id = row.name.trim_start_matches("neighbourhoods/").to_owned();
                    world.codes.insert(row.code, row.display_name.clone());
                    world.neighbourhoods.insert(row.display_name, id);
                }
                token = page.next;
                if token.is_empty() {
                    break;
                }
            }
            loop {
                let page = grids::list(&mut db, scope, "", &Asked::new(1000, &token)?).await.map_err(fault)?;
                for row in page.rows {
                    let neighbourhood = row.neighbourhood.trim_start_matches("neighbourhoods/").to_owned();
                    let id = row.name.trim_start_matches("grids/").to_owned();
                    world.grids.insert((neighbourhood, row.display_name), id);
                }
                token = page.next;
                if token.is_empty() {
                    break;
                }
            }
            loop {
                let page = compounds::list(&mut db, scope, "", &Asked::new(1000, &token)?).await.map_err(fault)?;
                ids.extend(page.rows.into_iter().map(|row| row.name.trim_start_matches("compounds/").to_owned()));
                token = page.next;
                if token.is_empty() {
                    break;
                }
            }
        }
        for id in ids {
            let (state, _) = api.ledger.load::<Compound>(&id).await?;
            let key = (state.neighbourhood_id.clone(), state.display_name.clone());
            world.compounds.insert(key, (id, (*state).clone()));
        }
        Ok(world)
    }

    pub(super) fn plan(&mut self, call: &Call, entry: &Listed, today: NaiveDate) -> Result<Deed, Trouble> {
        let own = call_of(call, entry);
        match entry.kind {
            Rows::Neighbourhoods => self.neighbourhood(&own, entry),
            Rows::Grids => self.grid(&own, entry),
            Rows::Compounds => self.compound(&own, entry, today),
            Rows::Buildings => {
                let grid = self.grid_of(entry)?;
                let (building, units) = (entry.building.clone(), entry.units);
                let mut acts = vec![Act::AddBuilding { building: building.clone(), units }];
                acts.extend(grid.map(|grid| Act::AssignGrid { grid, building: building.clone() }));
                let there = |compound: &Compound| compound.buildings.contains_key(&building);
                self.part(entry, acts, there)
            }
            Rows::Gates => {
                let there = |compound: &Compound| compound.gates.iter().any(|gate| gate.display_name == entry.gate);
                let act = Act::AddGate { id: own.derive("gate").id("gate"), name: entry.gate.clone() };
                let known = self.known(entry)?.1.gates.iter().any(|gate| gate.display_name == entry.gate);
                self.part(entry, if known { Vec::new() } else { vec![act] }, there)
            }
            Rows::Residents => Err((Column::Compound, NO_COMPOUND)),
        }
    }

    fn neighbourhood(&mut self, call: &Call, entry: &Listed) -> Result<Deed, Trouble> {
        let (name, code) = (entry.neighbourhood.clone(), entry.code.clone());
        let known = self.neighbourhoods.get(&name).cloned();
        match (known, self.codes.get(&code)) {
            (Some(id), Some(of)) if *of == name => {
                Ok(Deed { kind: Kind::Same, neighbourhood: id.clone(), id, acts: Vec::new() })
            }
            (_, Some(_)) => Err((Column::Code, OTHER_NAME)),
            (Some(_), None) => Err((Column::Code, OTHER_CODE)),
            (None, None) if !self.everywhere => Err((Column::Neighbourhood, NOT_YOURS)),
            (None, None) => {
                let id = call.derive("open").id("neighbourhood");
                self.neighbourhoods.insert(name.clone(), id.clone());
                self.codes.insert(code.clone(), name.clone());
                let acts = vec![Act::OpenNeighbourhood { name, code }];
                Ok(Deed { kind: Kind::New, neighbourhood: id.clone(), id, acts })
            }
        }
    }

    fn grid(&mut self, call: &Call, entry: &Listed) -> Result<Deed, Trouble> {
        let neighbourhood = self.neighbourhood_of(entry)?;
        let key = (neighbourhood.clone(), entry.grid.clone());
        if let Some(id) = self.grids.get(&key) {
            return Ok(Deed { kind: Kind::Same, id: id.clone(), neighbourhood, acts: Vec::new() });
        }
        let id = call.derive("open").id("grid");
        self.grids.insert(key, id.clone());
        Ok(Deed { kind: Kind::New, id, neighbourhood, acts: vec![Act::OpenGrid { name: entry.grid.clone() }] })
    }

    fn compound(&mut self, call: &Call, entry: &Listed, today: NaiveDate) -> Result<Deed, Trouble> {
        let neighbourhood = self.neighbourhood_of(entry)?;
        let grid = self.grid_of(entry)?;
        let key = (neighbourhood.clone(), entry.compound.clone());
        let known = self.compounds.get(&key).cloned();
        let kind = if known.is_some() { Kind::Changed } else { Kind::New };
        let (id, state) = known.unwrap_or_else(|| (call.derive("open").id("compound"), Compound::default()));
        let mut acts = Vec::new();
        if kind == Kind::New {
            acts.push(Act::OpenCompound {
                name: entry.compound.clone(),
                neighbourhood: neighbourhood.clone(),
                group: entry.group.clone(),
            });
        } else if !entry.group.is_empty() && entry.group != state.management_group {
            return Err((Column::Group, OTHER_GROUP));
        }
        acts.extend(grid.map(|grid| Act::AssignGrid { grid, building: String::new() }));
        match entry.regime {
            Some((regime, Some(from))) => acts.push(Act::SetRegime { regime, from }),
            // A row that says no day says nothing new where the regime is the same; and a compound begins open.
            Some((regime, None)) if regime != state.regime && !(kind == Kind::New && regime == Regime::Open) => {
                acts.push(Act::SetRegime { regime, from: today });
            }
            Some((_, None)) | None => {}
        }
        let (acts, state) = tried(acts, state).map_err(|refusal| (Column::Compound, said(refusal)))?;
        self.compounds.insert(key, (id.clone(), state));
        let kind = if acts.is_empty() { Kind::Same } else { kind };
        Ok(Deed { kind, id, neighbourhood, acts })
    }

    /// Something of a compound that is there.
    fn part(&mut self, entry: &Listed, acts: Vec<Act>, there: impl Fn(&Compound) -> bool) -> Result<Deed, Trouble> {
        let (id, state) = self.known(entry)?.clone();
        let neighbourhood = state.neighbourhood_id.clone();
        let kind = if there(&state) { Kind::Changed } else { Kind::New };
        let (acts, after) = tried(acts, state).map_err(|refusal| {
            let column = if refusal == compound::Refusal::BuildingOtherwise { Column::Units } else { Column::Compound };
            (column, said(refusal))
        })?;
        self.compounds.insert((neighbourhood.clone(), entry.compound.clone()), (id.clone(), after));
        let kind = if acts.is_empty() { Kind::Same } else { kind };
        Ok(Deed { kind, id, neighbourhood, acts })
    }

    fn known(&self, entry: &Listed) -> Result<&(String, Compound), Trouble> {
        let key = (self.neighbourhood_of(entry)?, entry.compound.clone());
        self.compounds.get(&key).ok_or((Column::Compound, NO_COMPOUND))
    }

    fn neighbourhood_of(&self, entry: &Listed) -> Result<String, Trouble> {
        match (&self.parent, entry.neighbourhood.as_str()) {
            (Some(parent), "") => Ok(parent.clone()),
            (None, "") => match self.neighbourhoods.values().next() {
                Some(only) if self.neighbourhoods.len() == 1 => Ok(only.clone()),
                _ => Err((Column::Neighbourhood, WHICH)),
            },
            (_, name) => self.neighbourhoods.get(name).cloned().ok_or((Column::Neighbourhood, NO_NEIGHBOURHOOD)),
        }
    }

    fn grid_of(&self, entry: &Listed) -> Result<Option<String>, Trouble> {
        if entry.grid.is_empty() {
            return Ok(None);
        }
        let key = (self.neighbourhood_of(entry)?, entry.grid.clone());
        self.grids.get(&key).cloned().map(Some).ok_or((Column::Grid, NO_GRID))
    }
}

/// The acts that change something, and the state after them.
fn tried(acts: Vec<Act>, mut state: Compound) -> Result<(Vec<Act>, Compound), compound::Refusal> {
    let mut kept = Vec::with_capacity(acts.len());
    for act in acts {
        let events = act.decide(&state)?;
        for event in &events {
            state.evolve(event);
        }
        if !events.is_empty() {
            kept.push(act);
        }
    }
    Ok((kept, state))
}

fn said(refusal: compound::Refusal) -> Sentence {
    let refusal = chassis::Refuse::refusal(&refusal);
    Sentence::made(refusal.zh, refusal.en)
}

/// The contract's word for a trouble.
pub(super) fn refusal_of(sentence: &Sentence) -> Refusal {
    match sentence {
        sentence if *sentence == WHICH => Refusal::FieldInvalid,
        sentence if [NO_COMPOUND, NO_GRID, NO_NEIGHBOURHOOD, NOT_YOURS].contains(sentence) => Refusal::NotFound,
        _ => Refusal::AlreadyExists,
    }
}

const OTHER_NAME: Sentence = Sentence::new(
    "该代码已用于另一个社区：请核对代码和名称",
    "is the code of another neighbourhood: check code and name",
);
const OTHER_CODE: Sentence = Sentence::new(
    "该社区已登记，代码与此不同：请核对",
    "differs from the code that this neighbourhood is registered with: find out which is right",
);
const NOT_YOURS: Sentence = Sentence::new(
    "没有这个社区，或者不属于您的管辖范围；新社区由街道登记",
    "there is no such neighbourhood, or it is not yours to see; the subdistrict registers new ones",
);
const NO_NEIGHBOURHOOD: Sentence = Sentence::new(
    "没有这个社区：请核对名称，或先在“社区”表中登记",
    "is no neighbourhood: check the name, or put it on the sheet 社区 first",
);
const WHICH: Sentence = Sentence::new(
    "没有填写社区，而社区不止一个：请补填",
    "is empty, and there is more than one: say which neighbourhood",
);
const NO_GRID: Sentence = Sentence::new(
    "本社区没有这个网格：请核对名称，或先在“网格”表中登记",
    "is no grid of this neighbourhood: check the name, or put it on the sheet 网格 first",
);
const NO_COMPOUND: Sentence = Sentence::new(
    "本社区没有这个小区：请核对名称，或先在“小区”表中登记",
    "is no compound of this neighbourhood: check the name, or put it on the sheet 小区 first",
);
const OTHER_GROUP: Sentence = Sentence::new(
    "该小区登记在另一个管理组：请核实",
    "differs from the management group that this compound is registered with: find out which is right",
);
