//! Users' stories, each told against real services on a port of their own.

#![expect(clippy::unwrap_used, reason = "a journey that cannot go on has failed")]

mod abroad;
mod alarms;
mod apart;
mod carriers;
mod co_presence;
mod command_centre;
mod corn;
mod corrections;
mod disputes;
mod duplicates;
mod erasure;
mod exports;
mod first_administrator;
mod gates;
mod households;
mod imports;
mod offices;
mod orders;
mod outings;
mod overrides;
mod passes;
mod power;
mod presence;
mod privacy;
mod publications;
mod reach;
mod read_models;
mod refusals;
mod reports;
mod roster;
mod sessions;
mod set_aside;
mod sheets;
mod simulate;
mod story;
mod story_apart;
mod supervision;
mod verification;
mod visits;
mod vocabulary;
