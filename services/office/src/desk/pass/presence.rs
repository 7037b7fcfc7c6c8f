//! Who is inside, how many cross at which hour, what to expect.

use std::collections::HashMap;

use chrono::NaiveDate;
use clap::Args;
use comfy_table::Table;
use proto::{
    pass::v1::{
        Forecast, GateHours, GetForecastRequest, GetGateHoursRequest, GetOccupancyRequest, HourCount,
        ListPresencesRequest, Occupancy, Presence, Whereabouts, presence_service_client::PresenceServiceClient,
    },
    registry::v1::{
        GetCompoundRequest, GetResidentRequest, ListResidentsRequest, Resident,
        registry_service_client::RegistryServiceClient,
    },
};

use crate::{
    desk::{
        ask::{Ask, Listing, every},
        typed,
    },
    output::{local_time, print, table, word},
};

#[derive(Args)]
pub struct Inside {
    #[arg(long, value_parser = typed::name("compounds"))]
    compound: String,
    /// The residents one by one, with masked names, in place of the numbers
    #[arg(long)]
    names: bool,
    /// Only those who were seen last at this gate
    #[arg(long, value_parser = typed::gate, requires = "names")]
    gate: Option<String>,
    /// Only those who are there
    #[arg(long, value_parser = typed::word(Whereabouts::as_str_name), requires = "names")]
    whereabouts: Option<Whereabouts>,
    #[command(flatten)]
    listing: Listing,
    #[command(flatten)]
    ask: Ask,
}

#[derive(Args)]
pub struct Hours {
    #[arg(long, value_parser = typed::name("compounds"))]
    compound: String,
    /// By default today
    #[arg(long, value_parser = typed::date)]
    day: Option<NaiveDate>,
    #[command(flatten)]
    ask: Ask,
}

#[derive(Args)]
pub struct ShowForecast {
    /// By default the gate of the token
    #[arg(long, value_parser = typed::gate)]
    gate: Option<String>,
    /// At most 14 days ahead; by default tomorrow. Of a day gone by: what was to be expected the evening before
    #[arg(long, value_parser = typed::date)]
    day: Option<NaiveDate>,
    #[command(flatten)]
    ask: Ask,
}

impl Inside {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        if self.names || self.listing.exports() {
            return self.names().await;
        }
        let mut client = PresenceServiceClient::new(self.ask.connection()?);
        let request = GetOccupancyRequest { compound: self.compound };
        let occupancy = client.get_occupancy(request).await?.into_inner();
        if self.ask.output.is_json() {
            return self.ask.show(&occupancy);
        }
        print(&counted(&occupancy))?;
        let names = gate_names(&self.ask, &occupancy.compound).await;
        print(&gates(&occupancy, &names).to_string())
    }

    async fn names(self) -> anyhow::Result<()> {
        let mut client = PresenceServiceClient::new(self.ask.connection()?);
        let (parent, gate) = (self.compound, self.gate.unwrap_or_default());
        let whereabouts = self.whereabouts.unwrap_or_default().into();
        let all = self.listing.collect(async |page_size, page_token| {
            let (parent, gate) = (parent.clone(), gate.clone());
            let request = ListPresencesRequest { parent, gate, whereabouts, page_size, page_token };
            let page = client.list_presences(request).await?.into_inner();
            Ok((page.presences, page.next_page_token))
        });
        let presences: Vec<Presence> = all.await?;
        if self.ask.output.is_json() || self.listing.exports() {
            return self.listing.show(&self.ask, &presences, &COLUMNS);
        }
        let known = residents(&self.ask, &parent, &presences).await?;
        print(&rows(&presences, &known).to_string())?;
        print(&format!("{} in all", presences.len()))
    }
}

const COLUMNS: [&str; 6] = ["resident", "household", "whereabouts", "gate", "cross_time", "by_hand"];

/// Up to so many are asked for one by one; more come with all of their compound.
const ONE_BY_ONE: usize = 50;

/// Residents as the registry masks them.
async fn residents(ask: &Ask, compound: &str, presences: &[Presence]) -> anyhow::Result<HashMap<String, Resident>> {
    let mut registry = RegistryServiceClient::new(ask.connection()?);
    if presences.len() <= ONE_BY_ONE {
        let mut known = HashMap::new();
        for Presence { resident: name, .. } in presences {
            let resident = registry.get_resident(GetResidentRequest { name: name.clone() }).await?.into_inner();
            known.insert(name.clone(), resident);
        }
        return Ok(known);
    }
    let all = every(async |page_size, page_token| {
        let request = ListResidentsRequest { parent: compound.to_owned(), page_size, page_token };
        let page = registry.list_residents(request).await?.into_inner();
        Ok((page.residents, page.next_page_token))
    });
    Ok(all.await?.into_iter().map(|resident| (resident.name.clone(), resident)).collect())
}

fn rows(presences: &[Presence], known: &HashMap<String, Resident>) -> Table {
    let mut table = table();
    table.set_header(["name", "door", "whereabouts", "since", "gate", "by hand", "resident"]);
    for presence in presences {
        let resident = known.get(&presence.resident).cloned().unwrap_or_default();
        let door = [resident.building, resident.unit, resident.room].join("-");
        table.add_row([
            resident.masked_name,
            door.trim_matches('-').to_owned(),
            word(presence.whereabouts().as_str_name()).to_owned(),
            local_time(presence.cross_time.as_ref()),
            presence.gate.clone(),
            if presence.by_hand { "yes" } else { "" }.to_owned(),
            presence.resident.clone(),
        ]);
    }
    table
}

/// Each number with what it is part of.
fn counted(occupancy: &Occupancy) -> String {
    let Occupancy { residents, inside, outside, unknown, by_hand, .. } = occupancy;
    let mut lines =
        vec![format!("of {residents} residents: {inside} inside, {outside} outside, {unknown} never seen at a gate")];
    if *by_hand > 0 {
        lines.push(format!("of {} seen, {by_hand} were let through by hand the last time", inside + outside));
    }
    for nameless in &occupancy.nameless {
        let (kind, entered) = (word(nameless.kind().as_str_name()), nameless.entered);
        lines.push(format!("{kind}, without a name: of {entered} who entered, {} have not left", nameless.inside));
    }
    lines.join("\n")
}

fn gates(occupancy: &Occupancy, names: &HashMap<String, String>) -> Table {
    let mut table = table();
    table.set_header(["gate", "came in last here", "went out last here"]);
    for share in &occupancy.gates {
        table.add_row([called(&share.gate, names), share.inside.to_string(), share.outside.to_string()]);
    }
    table
}

/// What people call the compound's gates; nothing for those who may not ask the registry.
async fn gate_names(ask: &Ask, compound: &str) -> HashMap<String, String> {
    let Ok(connection) = ask.connection() else { return HashMap::new() };
    let request = GetCompoundRequest { name: compound.to_owned() };
    let Ok(found) = RegistryServiceClient::new(connection).get_compound(request).await else { return HashMap::new() };
    found.into_inner().gates.into_iter().map(|gate| (gate.name, gate.display_name)).collect()
}

fn called(gate: &str, names: &HashMap<String, String>) -> String {
    names.get(gate).cloned().unwrap_or_else(|| gate.rsplit('/').next().unwrap_or(gate).to_owned())
}

impl Hours {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let day = self.day.map(|day| day.to_string()).unwrap_or_default();
        let request = GetGateHoursRequest { compound: self.compound, day };
        let hours = PresenceServiceClient::new(self.ask.connection()?).get_gate_hours(request).await?.into_inner();
        if self.ask.output.is_json() {
            return self.ask.show(&hours);
        }
        let names = gate_names(&self.ask, &hours.compound).await;
        print(&by_hour(&hours, &names).to_string())
    }
}

/// A row for each hour, a column for each gate: in and out.
fn by_hour(hours: &GateHours, names: &HashMap<String, String>) -> Table {
    let mut table = table();
    let gates = hours.gates.iter().map(|gate| format!("{}\nin / out", called(&gate.gate, names)));
    let header: Vec<String> = [hours.day.clone()].into_iter().chain(gates).chain(TOTALS.map(str::to_owned)).collect();
    table.set_header(header);
    for (place, hour) in hours.hours.iter().enumerate() {
        let of_gates = hours.gates.iter().map(|gate| gate.hours.get(place).copied().unwrap_or_default());
        table.add_row(row(&format!("{:02}:00", hour.hour), of_gates, hour));
    }
    let of_gates = hours.gates.iter().map(|gate| gate.total.unwrap_or_default());
    table.add_row(row("all day", of_gates, &hours.total.unwrap_or_default()));
    table
}

const TOTALS: [&str; 4] = ["in", "out", "refused", "fever"];

fn row(name: &str, gates: impl Iterator<Item = HourCount>, total: &HourCount) -> Vec<String> {
    let number = |number: i64| if number == 0 { String::new() } else { number.to_string() };
    let both = |count: HourCount| match (count.entered, count.left) {
        (0, 0) => String::new(),
        (entered, left) => format!("{entered} / {left}"),
    };
    let totals = [total.entered, total.left, total.refused, total.fevers].map(number);
    [name.to_owned()].into_iter().chain(gates.map(both)).chain(totals).collect()
}

impl ShowForecast {
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let gate = self.ask.gate(self.gate).await?;
        let day = self.day.map(|day| day.to_string()).unwrap_or_default();
        let mut client = PresenceServiceClient::new(self.ask.connection()?);
        let forecast = client.get_forecast(GetForecastRequest { gate, day }).await?.into_inner();
        if self.ask.output.is_json() {
            return self.ask.show(&forecast);
        }
        print(&expected(&forecast).to_string())?;
        print(&stands_on(&forecast))
    }
}

fn expected(forecast: &Forecast) -> Table {
    let mut table = table();
    table.set_header([forecast.day.as_str(), "in", "seen", "out", "seen"]);
    let total = forecast.total.iter().map(|total| ("all day".to_owned(), total));
    for (name, hour) in forecast.hours.iter().map(|hour| (format!("{:02}:00", hour.hour), hour)).chain(total) {
        table.add_row([
            name,
            format!("{:.1}", hour.entered),
            format!("{} to {}", hour.entered_least, hour.entered_most),
            format!("{:.1}", hour.left),
            format!("{} to {}", hour.left_least, hour.left_most),
        ]);
    }
    table
}

fn stands_on(forecast: &Forecast) -> String {
    let Forecast { days, same_weekdays, first_day, last_day, .. } = forecast;
    format!("a weighted mean; days: {days} ({first_day} to {last_day}), of the same weekday: {same_weekdays}")
}

#[cfg(test)]
mod tests {
    use proto::pass::v1::{ForecastHour, GateDay, Nameless, nameless::Kind};

    use super::*;

    #[test]
    fn every_number_names_what_it_is_part_of() {
        let nameless = Nameless { kind: Kind::Carer.into(), entered: 5, left: 3, inside: 2 };
        let occupancy = Occupancy {
            residents: 12,
            inside: 7,
            outside: 2,
            unknown: 3,
            by_hand: 1,
            nameless: vec![nameless],
            ..Occupancy::default()
        };
        let expected = "of 12 residents: 7 inside, 2 outside, 3 never seen at a gate\n\
                        of 9 seen, 1 were let through by hand the last time\n\
                        carer, without a name: of 5 who entered, 2 have not left";
        assert_eq!(counted(&occupancy), expected);
    }

    #[test]
    fn an_hour_is_a_row_and_a_gate_a_column() {
        let three = HourCount { hour: 3, entered: 1, left: 9, refused: 2, fevers: 0 };
        let gate = |name: &str, hour| GateDay { gate: name.to_owned(), hours: vec![hour], total: Some(hour) };
        let gates = vec![gate("compounds/c/gates/1", three), gate("compounds/c/gates/2", HourCount::default())];
        let hours = GateHours { gates, hours: vec![three], total: Some(three), ..GateHours::default() };
        let names = HashMap::from([("compounds/c/gates/1".to_owned(), "东门".to_owned())]);
        let shown = by_hour(&hours, &names);
        let cells = shown.row(0).unwrap().cell_iter().map(comfy_table::Cell::content).collect::<Vec<_>>();
        assert_eq!(cells, ["03:00", "1 / 9", "", "1", "9", "2", ""]);
        assert!(shown.to_string().contains("东门"), "{shown}");
    }

    #[test]
    fn a_forecast_shows_the_range_that_it_comes_from() {
        let three = ForecastHour {
            hour: 3,
            entered: 1.25,
            entered_least: 0,
            entered_most: 4,
            left: 9.0,
            left_least: 8,
            left_most: 11,
        };
        let forecast =
            Forecast { hours: vec![three], total: Some(three), days: 10, same_weekdays: 4, ..Forecast::default() };
        let shown = expected(&forecast).to_string();
        for part in ["03:00", "1.2", "0 to 4", "9.0", "8 to 11", "all day"] {
            assert!(shown.contains(part), "{part} in\n{shown}");
        }
        assert!(stands_on(&forecast).contains("days: 10"));
    }
}
