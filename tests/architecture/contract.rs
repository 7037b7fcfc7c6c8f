use std::collections::{BTreeMap, BTreeSet};

use prost_reflect::{
    DescriptorPool, EnumDescriptor, Kind as FieldKind, MessageDescriptor, MethodDescriptor, prost_types,
};
use proto::rpcs::{Kind, TABLE, find};

use crate::{
    hold,
    tree::{files, words},
};

/// The one command that carries no request id: its one-time code is one.
const CLAIM: &str = "/access.v1.AccessService/ClaimAdministrator";
/// For whoever has a one-time or short-lived code and no token.
const OPEN: [&str; 3] =
    [CLAIM, "/pass.v1.GateService/EnrolDevice", "/isolation.v1.ObservationService/ReportObservation"];

#[test]
fn every_rpc_has_exactly_one_row_and_every_row_its_rpc() {
    let mut rows: BTreeMap<&str, usize> = BTreeMap::new();
    for row in TABLE {
        *rows.entry(row.path).or_default() += 1;
    }
    let paths: BTreeSet<String> = methods().iter().map(path).collect();
    let mut violations = Vec::new();
    for path in &paths {
        match rows.get(path.as_str()) {
            Some(1) => {}
            Some(rows) => violations.push(format!("{path} has {rows} rows")),
            None => violations.push(format!("{path} has no row: who may call it?")),
        }
    }
    violations.extend(rows.keys().filter(|row| !paths.contains(**row)).map(|row| format!("{row} is no RPC")));
    hold("proto/src/rpcs.rs says of every RPC who may call it", &violations);
}

#[test]
fn only_who_brings_a_one_time_code_needs_no_token() {
    let open = TABLE.iter().filter(|row| row.roles.is_empty() && !OPEN.contains(&row.path));
    hold("an RPC without roles is open to the world", &open.map(|row| row.path.to_owned()).collect::<Vec<_>>());
}

#[test]
fn a_command_carries_a_request_id_and_a_query_none() {
    let mut violations = Vec::new();
    for method in methods() {
        let path = path(&method);
        let Some(row) = find(&path).filter(|row| row.path != CLAIM) else { continue };
        let field = method.input().get_field_by_name("request_id");
        match (row.kind, field) {
            (Kind::Command, None) => {
                violations.push(format!("{path} changes something, twice when it is sent twice"));
            }
            (Kind::Query, Some(_)) => {
                violations.push(format!("{path} changes nothing and asks for a request id"));
            }
            (Kind::Command, Some(_)) | (Kind::Query, None) => {}
        }
    }
    hold("said twice is done once", &violations);
}

#[test]
fn every_command_names_its_refusals_and_every_name_exists() {
    let of_chassis = reasons_of_the_chassis();
    let mut violations = Vec::new();
    for method in methods() {
        let path = path(&method);
        let named = refusals(&comment(method.parent_service().parent_file().file_descriptor_proto(), method.path()));
        let refusal = format!("{}.Refusal", method.parent_service().package_name());
        let known = pool().get_enum_by_name(&refusal).map(|found| names(&found)).unwrap_or_default();
        for name in named.iter().filter(|name| !known.contains(*name) && !of_chassis.contains(*name)) {
            violations.push(format!("{path}: {name} is in no list of refusals"));
        }
        if named.is_empty() && find(&path).is_some_and(|row| row.kind == Kind::Command) {
            violations.push(format!("{path}: the comment does not say \"Refuses with ...\""));
        }
    }
    hold("whoever calls can read what may be answered", &violations);
}

#[test]
fn an_enum_begins_with_nothing_said() {
    let zero =
        |choice: &EnumDescriptor| choice.get_value(0).is_some_and(|value| value.name().ends_with("_UNSPECIFIED"));
    let pool = pool();
    let wrong = pool.all_enums().filter(ours_enum).filter(|choice| !zero(choice));
    hold(
        "what was never set must not mean something",
        &wrong.map(|choice| choice.full_name().to_owned()).collect::<Vec<_>>(),
    );
}

#[test]
fn what_is_sealed_never_prints_what_it_holds() {
    let build = files().into_iter().find(|file| file.path == "proto/build.rs").expect("the contract is built").text;
    let mut sealed = BTreeSet::new();
    for message in pool().all_messages() {
        let comment = comment(message.parent_file_descriptor_proto(), message.path());
        if words(&comment).any(|word| word.eq_ignore_ascii_case("sealed")) {
            within(&message, &mut sealed);
        }
    }
    assert!(sealed.contains("registry.v1.Person"), "the personal messages were not found");
    let open = sealed.iter().filter(|name| !build.contains(&format!("\"{name}\"")));
    hold("PERSONAL in proto/build.rs keeps people out of logs and panics", &open.cloned().collect::<Vec<_>>());
}

/// All messages, services and events, as servers hand them out by reflection.
pub(crate) fn pool() -> DescriptorPool {
    DescriptorPool::decode(proto::DESCRIPTORS).unwrap()
}

fn methods() -> Vec<MethodDescriptor> {
    let methods: Vec<MethodDescriptor> =
        pool().services().flat_map(|service| service.methods().collect::<Vec<_>>()).collect();
    assert!(!methods.is_empty(), "the contract has no RPC");
    methods
}

fn path(method: &MethodDescriptor) -> String {
    format!("/{}/{}", method.parent_service().full_name(), method.name())
}

fn ours_enum(choice: &EnumDescriptor) -> bool {
    !choice.package_name().starts_with("google.")
}

fn names(refusal: &EnumDescriptor) -> BTreeSet<String> {
    refusal.values().map(|value| value.name().trim_start_matches("REFUSAL_").to_owned()).collect()
}

/// Reasons that stand in the chassis as text: they are the same for every service.
fn reasons_of_the_chassis() -> BTreeSet<String> {
    let mut reasons = BTreeSet::new();
    for file in files().iter().filter(|file| file.path.starts_with("services/chassis/src/")) {
        let literals = file.text.split('"').filter(|text| !text.is_empty());
        let reason = |text: &&str| text.bytes().all(|letter| letter.is_ascii_uppercase() || letter == b'_');
        reasons.extend(literals.filter(reason).map(str::to_owned));
    }
    reasons
}

/// The names in "Refuses with A, B and C."
fn refusals(comment: &str) -> Vec<String> {
    let Some((_, rest)) = comment.split_once("Refuses with ") else { return Vec::new() };
    let sentence = rest.split('.').next().unwrap_or(rest);
    words(sentence).filter(|word| word.bytes().any(|letter| letter.is_ascii_uppercase())).map(str::to_owned).collect()
}

/// What stands above a declaration, as one line.
fn comment(file: &prost_types::FileDescriptorProto, path: &[i32]) -> String {
    let locations = file.source_code_info.as_ref().map(|info| info.location.as_slice()).unwrap_or_default();
    let location = locations.iter().find(|location| location.path == path);
    location.map(|location| location.leading_comments().replace('\n', " ")).unwrap_or_default()
}

/// A message and all of ours that it can hold.
fn within(message: &MessageDescriptor, found: &mut BTreeSet<String>) {
    if message.package_name().starts_with("google.") || !found.insert(message.full_name().to_owned()) {
        return;
    }
    for field in message.fields() {
        if let FieldKind::Message(inner) = field.kind() {
            within(&inner, found);
        }
    }
}

#[test]
fn refusals_are_read_from_a_comment_of_two_lines() {
    assert_eq!(
        refusals(" Once. Refuses with FIELD_INVALID,\n NOT_FOUND and FROZEN. More."),
        ["FIELD_INVALID", "NOT_FOUND", "FROZEN"]
    );
    assert!(refusals(" Says nothing.").is_empty());
}
