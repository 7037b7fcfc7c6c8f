//! Tables for people, JSON for programs: any message of the contract, by its descriptor.

use std::{
    collections::HashMap,
    io::{self, Write as _},
    sync::LazyLock,
};

use anyhow::Context as _;
use chrono::{DateTime, FixedOffset};
use clap::{Args, ValueEnum};
use comfy_table::{ContentArrangement, Table, presets::UTF8_FULL_CONDENSED};
use prost::{Message, Name};
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};

#[derive(Args, Clone, Copy)]
pub struct Output {
    /// How the answer is shown
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Table,
    Json,
}

static CONTRACT: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(proto::DESCRIPTORS).expect("the descriptors were made from the contract that compiled")
});

/// The contract's enumerated values as the short words that people read and type.
static WORDS: LazyLock<HashMap<String, String>> = LazyLock::new(|| {
    let mut words = HashMap::new();
    for enumeration in CONTRACT.all_enums() {
        let zero = enumeration.default_value();
        let Some(prefix) = zero.name().strip_suffix("UNSPECIFIED") else { continue };
        for value in enumeration.values() {
            let short = value.name().strip_prefix(prefix).unwrap_or(value.name());
            words.insert(value.name().to_owned(), short.to_lowercase().replace('_', "-"));
        }
        words.insert(zero.name().to_owned(), String::new());
    }
    words
});

impl Output {
    pub fn is_json(self) -> bool {
        self.output == Format::Json
    }

    /// One message: as JSON, or a line for each of its fields.
    pub fn show<M: Message + Name>(self, message: &M) -> anyhow::Result<()> {
        let json = json(message)?;
        match self.output {
            Format::Json => print(&serde_json::to_string_pretty(&json)?),
            Format::Table => {
                let mut table = table();
                for (name, value) in json.as_object().into_iter().flatten() {
                    table.add_row([name.clone(), cell(value)]);
                }
                print(&table.to_string())
            }
        }
    }

    /// Many of one kind: as JSON lines, or a row each with these fields as columns.
    pub fn list<M: Message + Name>(self, messages: &[M], columns: &[&str]) -> anyhow::Result<()> {
        let rows = messages.iter().map(json).collect::<anyhow::Result<Vec<_>>>()?;
        match self.output {
            Format::Json => {
                let lines: Vec<String> = rows.iter().map(ToString::to_string).collect();
                if lines.is_empty() { Ok(()) } else { print(&lines.join("\n")) }
            }
            Format::Table => {
                let mut table = table();
                table.set_header(headings(columns));
                for row in &rows {
                    table.add_row(columns.iter().map(|column| field(row, column).map(cell).unwrap_or_default()));
                }
                print(&table.to_string())?;
                print(&format!("{} in all", rows.len()))
            }
        }
    }
}

/// A message as JSON with the contract's field names.
pub fn json<M: Message + Name>(message: &M) -> anyhow::Result<serde_json::Value> {
    let dynamic = DynamicMessage::decode(descriptor::<M>()?, &*message.encode_to_vec())?;
    let options = SerializeOptions::new().use_proto_field_name(true).skip_default_fields(false);
    Ok(dynamic.serialize_with_options(serde_json::value::Serializer, &options)?)
}

/// What the contract says of a message.
pub fn descriptor<M: Name>() -> anyhow::Result<MessageDescriptor> {
    CONTRACT.get_message_by_name(&M::full_name()).with_context(|| format!("{} is not in the contract", M::full_name()))
}

/// An enumerated value as a short word: REGIME_CLOSED is `closed`; any other text as it is.
pub fn word(name: &str) -> &str {
    WORDS.get(name).map_or(name, String::as_str)
}

/// What stands in a column: `door.room` is the room of the door.
pub fn field<'a>(row: &'a serde_json::Value, column: &str) -> Option<&'a serde_json::Value> {
    column.split('.').try_fold(row, |value, name| value.get(name))
}

/// What stands above each column: of `door.room`, room; door room where there is another room.
pub fn headings(columns: &[&str]) -> Vec<String> {
    let short = |column: &str| column.rsplit('.').next().unwrap_or(column).to_owned();
    let heading = |column: &&str| {
        let same = columns.iter().filter(|other| short(other) == short(column)).count();
        if same == 1 { short(column) } else { column.replace('.', " ") }
    };
    columns.iter().map(heading).collect()
}

/// A value of a table: short, without quotes, times as the clocks in Ningbo show them.
pub fn cell(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(text) => match DateTime::parse_from_rfc3339(text) {
            Ok(time) => on_the_clock(time),
            Err(_) => word(text).to_owned(),
        },
        serde_json::Value::Array(items) => items.iter().map(cell).collect::<Vec<_>>().join("\n"),
        serde_json::Value::Object(fields) => {
            let parts = fields.iter().map(|(name, value)| (name, cell(value))).filter(|(_, value)| !value.is_empty());
            parts.map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join("\n")
        }
        other => other.to_string(),
    }
}

/// A time as the clocks in Ningbo show it; nothing where there is none.
pub fn local_time(time: Option<&prost_types::Timestamp>) -> String {
    time.and_then(chassis::instant).map(on_the_clock).unwrap_or_default()
}

/// A time as the clocks in Ningbo show it.
pub fn on_the_clock(time: impl Into<DateTime<FixedOffset>>) -> String {
    time.into().with_timezone(&chassis::CALENDAR).format("%Y-%m-%d %H:%M").to_string()
}

pub fn table() -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    table
}

pub fn print(text: &str) -> anyhow::Result<()> {
    written(writeln!(std::io::stdout(), "{text}"))
}

/// Text that is a proof: not a byte more.
pub fn print_raw(text: &str) -> anyhow::Result<()> {
    written(write!(std::io::stdout(), "{text}"))
}

/// Whoever reads has read enough, as `head` has: no more is said, and nothing has failed.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads the answer any more")]
pub struct ReadEnough;

fn written(outcome: io::Result<()>) -> anyhow::Result<()> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(ReadEnough.into()),
        outcome => outcome.context("writing the answer"),
    }
}
