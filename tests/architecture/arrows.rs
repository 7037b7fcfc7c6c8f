use crate::{
    hold,
    tree::{File, files, root, sources, words},
};

/// The crates of the house, each with those that it may use.
const ARROWS: &[(&str, &[&str])] = &[
    ("proto", &[]),
    ("credential", &[]),
    ("chassis", &["proto"]),
    ("registry", &["chassis", "proto"]),
    ("screening", &["chassis", "proto"]),
    ("pass", &["chassis", "credential", "proto"]),
    ("isolation", &["chassis", "proto"]),
    ("command", &["chassis", "proto"]),
    ("office", &["chassis", "credential", "proto"]),
    ("mifeng", &["chassis", "proto", "registry", "screening", "pass", "isolation", "command", "office"]),
    (
        "tests",
        &[
            "chassis",
            "credential",
            "proto",
            "registry",
            "screening",
            "pass",
            "isolation",
            "command",
            "office",
            "mifeng",
        ],
    ),
    ("xtask", &[]),
];

/// Crates that never speak SQL.
const WITHOUT_SQL: &[&str] = &["proto", "credential", "office", "mifeng", "xtask"];

/// What the chassis may know of the contract: what is the same for every service.
const OF_THE_CHASSIS: &[&str] = &["event", "access", "rpcs", "Fact", "UnreadableFact", "DESCRIPTORS"];

/// What a decision must not see: it is a function of the state, the request and the time it was told.
const IMPURE: &[&str] = &[
    "async",
    "await",
    "tokio",
    "futures",
    "sqlx",
    "tonic",
    "tracing",
    "Clock",
    "Instant",
    "SystemTime",
    "Ledger",
    "Vault",
    "rand",
    "getrandom",
    "fs",
    "net",
    "env",
    "println",
    "eprintln",
];

/// A second TLS stack: two providers in one process panic when the first connection is made.
const OTHER_TLS: &[&str] = &["aws-lc-rs", "aws-lc-sys", "native-tls", "openssl", "openssl-sys"];

#[test]
fn a_crate_uses_only_what_stands_below_it() {
    let mut violations = Vec::new();
    for manifest in manifests() {
        let name = crate_name(&manifest);
        let Some((_, allowed)) = ARROWS.iter().find(|(of, _)| *of == name) else {
            violations.push(format!("{}: the crate {name} has no place in the house yet", manifest.path));
            continue;
        };
        for used in dependencies(&manifest.text) {
            let ours = ARROWS.iter().any(|(of, _)| *of == used.name);
            if ours && !allowed.contains(&used.name) {
                violations.push(format!("{}: {name} must not use {}", manifest.path, used.name));
            }
            if used.name.starts_with("sqlx") && WITHOUT_SQL.contains(&name) {
                violations.push(format!("{}: {name} has no business with SQL", manifest.path));
            }
        }
    }
    hold("services stand on chassis, credential and proto alone", &violations);
}

#[test]
fn a_dependency_is_declared_once_at_the_top() {
    let mut violations = Vec::new();
    for manifest in manifests() {
        for used in dependencies(&manifest.text).filter(|used| !used.inherited) {
            violations.push(format!("{}: {} is not inherited from the workspace", manifest.path, used.name));
        }
        if !manifest.text.contains("[lints]\nworkspace = true") {
            violations.push(format!("{}: the lints are not inherited from the workspace", manifest.path));
        }
    }
    hold("versions and lints stand in the Cargo.toml at the top", &violations);
}

#[test]
fn there_is_one_tls_stack() {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let found = OTHER_TLS.iter().filter(|name| lock.contains(&format!("name = \"{name}\"\n")));
    hold("ring is the one provider", &found.map(|name| format!("Cargo.lock: {name}")).collect::<Vec<_>>());
}

#[test]
fn the_chassis_knows_no_service() {
    let mut violations = Vec::new();
    for file in sources().iter().filter(|file| file.path.starts_with("services/chassis/")) {
        for module in of_proto(&file.code()).into_iter().filter(|module| !OF_THE_CHASSIS.contains(&module.as_str())) {
            violations.push(format!("{}: proto::{module}", file.path));
        }
    }
    hold("no word of the domain in the chassis", &violations);
}

#[test]
fn a_decision_is_pure() {
    let mut violations = Vec::new();
    for file in sources().iter().filter(|file| file.path.contains("/src/domain/") || file.name() == "domain.rs") {
        let code = file.code();
        let mut impure: Vec<&str> = words(&code).filter(|word| IMPURE.contains(word)).collect();
        impure.sort_unstable();
        impure.dedup();
        violations.extend(impure.into_iter().map(|word| format!("{}: {word}", file.path)));
    }
    hold("domain/ is pure: no async, no clock, no chance, no input or output", &violations);
}

#[test]
fn an_aggregate_lives_in_the_domain() {
    let elsewhere = |file: &&File| {
        !file.path.starts_with("services/chassis/")
            && !file.path.contains("/src/domain/")
            && file.code().contains("Aggregate for ")
    };
    let violations: Vec<String> = sources().iter().filter(elsewhere).map(|file| file.path.clone()).collect();
    hold("what decides stands in domain/, where it is kept pure", &violations);
}

struct Dependency<'a> {
    name: &'a str,
    inherited: bool,
}

fn manifests() -> Vec<File> {
    files().into_iter().filter(|file| file.name() == "Cargo.toml" && file.path != "Cargo.toml").collect()
}

fn crate_name(manifest: &File) -> &str {
    let line = manifest.text.lines().find_map(|line| line.strip_prefix("name = "));
    line.map(|name| name.trim_matches('"')).expect("a crate has a name")
}

/// Of every kind: what a crate needs for its tests or its build is an arrow too.
fn dependencies(manifest: &str) -> impl Iterator<Item = Dependency<'_>> {
    let mut inside = false;
    manifest.lines().filter_map(move |line| {
        if let Some(section) = line.strip_prefix('[') {
            inside = section.trim_end().ends_with("dependencies]");
            return None;
        }
        let key = line.split(['=', ' ']).next().filter(|key| inside && !key.is_empty() && !key.starts_with('#'))?;
        let name = key.split('.').next().unwrap_or(key);
        Some(Dependency { name, inherited: line.contains("workspace = true") })
    })
}

/// What code names right behind `proto::`, also within braces.
fn of_proto(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("proto::") {
        // `my_proto::` is somebody else's.
        if code[..at].ends_with(|letter: char| letter.is_alphanumeric() || letter == '_') {
            continue;
        }
        let rest = code[at + "proto::".len()..].trim_start();
        match rest.strip_prefix('{') {
            Some(group) => found.extend(heads(group)),
            None => found.extend(words(rest).next().map(str::to_owned)),
        }
    }
    found
}

/// The first word of each item of a `{a::b, c::{d, e}}`, whose opening brace is already read.
fn heads(group: &str) -> Vec<String> {
    let mut heads = Vec::new();
    let mut depth = 0;
    let mut item = String::new();
    for letter in group.chars() {
        match letter {
            '}' if depth == 0 => break,
            ',' if depth == 0 => heads.push(std::mem::take(&mut item)),
            '{' => depth += 1,
            '}' => depth -= 1,
            _ if depth == 0 => item.push(letter),
            _ => {}
        }
    }
    heads.push(item);
    heads.iter().filter_map(|item| words(item).next()).map(str::to_owned).collect()
}

#[test]
fn what_code_takes_from_the_contract_is_seen_in_every_spelling() {
    let code = "use proto::{Fact, event::v1::{Record, Head}, registry::v1 as r}; fn f(_: proto::pass::v1::Pass, _: other_proto::x) {}";
    assert_eq!(of_proto(code), ["Fact", "event", "registry", "pass"]);
}

#[test]
fn dependencies_are_read_from_every_section() {
    let manifest = "[package]\nname = \"x\"\n[dependencies]\na.workspace = true\n# b\n\n[dev-dependencies]\nc = { version = \"1\" }\n[[test]]\nd = 1\n";
    let found: Vec<(&str, bool)> = dependencies(manifest).map(|found| (found.name, found.inherited)).collect();
    assert_eq!(found, [("a", true), ("c", false)]);
}
