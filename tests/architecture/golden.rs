use std::{fs, path::PathBuf};

use prost::Message as _;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage as _, Value};

use crate::{contract::pool, hold, tree::root};

/// An event type of a service's log.
struct Type {
    log: String,
    /// "<category>.<event>"
    name: String,
    envelope: MessageDescriptor,
    aggregate: FieldDescriptor,
    event: FieldDescriptor,
}

#[test]
fn every_event_type_has_a_file_that_is_readable_for_ever() {
    let mut violations = Vec::new();
    for event in types() {
        let file = event.file();
        if !file.exists() && std::env::var_os("MIFENG_BLESS").is_some() {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, event.sample().encode_to_vec()).unwrap();
        }
        match fs::read(&file) {
            Ok(bytes) => violations.extend(event.differences(&bytes)),
            Err(_) => {
                violations.push(format!("{}/{}.bin is missing: cargo xtask contract freeze", event.log, event.name));
            }
        }
    }
    hold("what was written once can be read always", &violations);
}

#[test]
fn every_golden_file_still_has_its_event_type() {
    let known: Vec<PathBuf> = types().iter().map(Type::file).collect();
    let folders = fs::read_dir(root().join("tests/golden")).unwrap().map(|entry| entry.unwrap().path());
    let files = folders.flat_map(|folder| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()));
    let orphans = files.filter(|file| !known.contains(file)).map(|file| file.display().to_string());
    hold("an event type may fall out of use, never out of the contract", &orphans.collect::<Vec<_>>());
}

impl Type {
    fn file(&self) -> PathBuf {
        root().join("tests/golden").join(&self.log).join(format!("{}.bin", self.name))
    }

    /// The event with every field set, to a value that follows from the field's name alone: whoever swaps two numbers or
    /// changes a kind reads something else.
    fn sample(&self) -> DynamicMessage {
        let Kind::Message(aggregate) = self.aggregate.kind() else { panic!("an aggregate is a message") };
        let mut inner = DynamicMessage::new(aggregate);
        inner.set_field(&self.event, value(&self.event));
        let mut outer = DynamicMessage::new(self.envelope.clone());
        outer.set_field(&self.aggregate, Value::Message(inner));
        outer
    }

    fn differences(&self, bytes: &[u8]) -> Vec<String> {
        let place = format!("{}/{}", self.log, self.name);
        let found = match DynamicMessage::decode(self.envelope.clone(), bytes) {
            Ok(found) => found,
            Err(error) => return vec![format!("{place}: {error}")],
        };
        let mut differences = Vec::new();
        compare(&place, &self.sample(), &found, &mut differences);
        // The generated types read it too, and lose nothing of it.
        let again = generated(&self.log, bytes).map(|bytes| DynamicMessage::decode(self.envelope.clone(), &*bytes));
        if !matches!(again, Some(Ok(again)) if again == found) {
            differences.push(format!("{place}: the generated types lose something of it"));
        }
        differences
    }
}

/// Every event of every service's event message, from the descriptors.
fn types() -> Vec<Type> {
    let mut types = Vec::new();
    for envelope in pool().all_messages() {
        let Some(oneof) = envelope.oneofs().find(|oneof| oneof.name() == "aggregate") else {
            continue;
        };
        let log = envelope.package_name().split('.').next().unwrap().to_owned();
        for aggregate in oneof.fields() {
            let Kind::Message(message) = aggregate.kind() else { panic!("an aggregate is a message") };
            for event in message.oneofs().find(|oneof| oneof.name() == "event").unwrap().fields() {
                let name = format!("{}.{}", aggregate.name(), event.name());
                types.push(Type {
                    log: log.clone(),
                    name,
                    envelope: envelope.clone(),
                    aggregate: aggregate.clone(),
                    event,
                });
            }
        }
    }
    assert!(types.len() > 20, "the event messages were not found");
    types
}

fn generated(log: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    fn again<M: prost::Message + Default>(bytes: &[u8]) -> Option<Vec<u8>> {
        M::decode(bytes).ok().map(|message| message.encode_to_vec())
    }
    match log {
        "command" => again::<proto::command::v1::CommandEvent>(bytes),
        "registry" => again::<proto::registry::v1::RegistryEvent>(bytes),
        "screening" => again::<proto::screening::v1::ScreeningEvent>(bytes),
        "pass" => again::<proto::pass::v1::PassEvent>(bytes),
        "isolation" => again::<proto::isolation::v1::IsolationEvent>(bytes),
        _ => None,
    }
}

/// A file may lack fields that were added after it was written. What it has must be what it was.
fn compare(place: &str, expected: &DynamicMessage, found: &DynamicMessage, differences: &mut Vec<String>) {
    for unknown in found.unknown_fields() {
        differences.push(format!("{place}: field {} is gone from the contract", unknown.number()));
    }
    for (field, value) in found.fields() {
        same(&format!("{place}.{}", field.name()), &expected.get_field(&field), value, differences);
    }
}

fn same(place: &str, expected: &Value, found: &Value, differences: &mut Vec<String>) {
    match (expected, found) {
        (Value::Message(expected), Value::Message(found)) => {
            compare(place, expected, found, differences);
        }
        (Value::List(expected), Value::List(found)) if expected.len() == found.len() => {
            for (expected, found) in expected.iter().zip(found) {
                same(place, expected, found, differences);
            }
        }
        _ if expected == found => {}
        _ => differences.push(format!("{place} reads {found}")),
    }
}

fn filled(message: &MessageDescriptor) -> DynamicMessage {
    let mut filled = DynamicMessage::new(message.clone());
    for field in message.fields() {
        // Of alternatives the one with the lowest number: a later one does not change the sample.
        let first = field
            .containing_oneof()
            .is_none_or(|oneof| oneof.fields().map(|other| other.number()).min() == Some(field.number()));
        if first {
            filled.set_field(&field, value(&field));
        }
    }
    filled
}

fn value(field: &FieldDescriptor) -> Value {
    let name = field.name();
    if field.is_map() {
        let Kind::Message(entry) = field.kind() else { panic!("a map has entries") };
        let key = match one(&entry.map_entry_key_field(), name) {
            Value::String(key) => MapKey::String(key),
            Value::U64(key) => MapKey::U64(key),
            other => panic!("{name} has keys like {other}"),
        };
        return Value::Map([(key, one(&entry.map_entry_value_field(), name))].into());
    }
    let value = one(field, name);
    if field.is_list() { Value::List(vec![value]) } else { value }
}

fn one(field: &FieldDescriptor, name: &str) -> Value {
    let number = name.bytes().fold(7_u16, |sum, letter| (sum * 31 + u16::from(letter)) % 997) + 1;
    match field.kind() {
        Kind::Message(message) => Value::Message(filled(&message)),
        Kind::Enum(choice) => {
            let lowest = choice.values().map(|value| value.number()).filter(|number| *number > 0).min();
            Value::EnumNumber(lowest.expect("an enum has a second value"))
        }
        Kind::String => Value::String(name.to_owned()),
        Kind::Bytes => Value::Bytes(name.to_owned().into_bytes().into()),
        Kind::Bool => Value::Bool(true),
        Kind::Double => Value::F64(f64::from(number)),
        Kind::Float => Value::F32(f32::from(number)),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(number.into()),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(number.into()),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(number.into()),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(number.into()),
    }
}

#[test]
fn a_golden_file_notices_a_changed_meaning() {
    let event = types().into_iter().find(|event| event.name == "compound.gate_added").unwrap();
    let mut swapped = event.sample();
    let compound = swapped.get_field_by_name_mut("compound").unwrap().as_message_mut().unwrap();
    let added = compound.get_field_by_name_mut("gate_added").unwrap().as_message_mut().unwrap();
    added.set_field_by_name("gate_id", Value::String("display_name".to_owned()));
    let differences = event.differences(&swapped.encode_to_vec());
    assert_eq!(differences, ["registry/compound.gate_added.compound.gate_added.gate_id reads \"display_name\""]);
    assert!(event.differences(&event.sample().encode_to_vec()).is_empty());
    assert_eq!(event.sample().descriptor(), event.envelope);
}
