use std::{ffi::OsStr, fs, path::Path};

use crate::{
    hold,
    tree::{File, files, root, words},
};

/// What `ls` shows: the house of the README's picture. Tools' own files begin with a dot.
const TOP: &[&str] = &[
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "deploy",
    "docker-compose.yml",
    "proto",
    "services",
    "target",
    "tests",
];

/// Names that say nothing collect everything.
const SAY_NOTHING: &[&str] =
    &["common", "helper", "helpers", "manager", "managers", "misc", "types", "util", "utilities", "utils"];

/// Lines from which a file asks a question, and from which it must have been answered.
const LONG: usize = 400;
const TOO_LONG: usize = 600;

/// What betrays the machine that somebody worked on. In pieces, so that this file does not betray itself.
const TRACES: &[&str] = &[
    concat!("/", "root/"),
    concat!("/", "work/"),
    concat!("/", "farm/"),
    concat!("crates", ".io"),
    concat!("npmjs", "."),
    concat!("pypi", ".org"),
    concat!("debian", ".org"),
];

#[test]
fn the_top_folder_shows_the_house_and_nothing_else() {
    let names = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let strange = names.filter(|name| !name.starts_with('.') && !TOP.contains(&name.as_str()));
    hold("the top folder holds what the README's picture shows", &strange.collect::<Vec<_>>());
}

#[test]
fn every_top_folder_says_what_it_holds() {
    let mut violations = Vec::new();
    for folder in ["deploy", "proto", "services", "tests"] {
        let lines = fs::read_to_string(root().join(folder).join("README.md")).map(|text| text.lines().count());
        match lines {
            Ok(10..=40) => {}
            Ok(lines) => violations.push(format!("{folder}/README.md has {lines} lines; ten to forty are read")),
            Err(_) => violations.push(format!("{folder}/README.md is missing")),
        }
    }
    hold("a reader finds the way from folder to folder", &violations);
}

/// A file that nobody declares is compiled by nobody: its tests pass for ever.
#[test]
fn every_file_is_part_of_its_crate() {
    let mut files = files();
    files.retain(|file| file.is("rs"));
    let declares = |path: String, module: &str| {
        let declaration = format!("mod {module};");
        files.iter().any(|file| file.path == path && file.text.lines().any(|line| line.trim().ends_with(&declaration)))
    };
    let mut violations = Vec::new();
    for file in &files {
        let (folder, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
        let module = name.trim_end_matches(".rs");
        if ["main", "lib", "build"].contains(&module) {
            continue;
        }
        let above = folder.rsplit_once('/').map_or("", |(above, _)| above);
        // Beside it, above it, or in a block of the crate's first file.
        let parents =
            [folder, above].into_iter().flat_map(|folder| [format!("{folder}/lib.rs"), format!("{folder}/main.rs")]);
        if !parents.chain([format!("{folder}.rs")]).any(|parent| declares(parent, module)) {
            violations.push(file.path.clone());
        }
    }
    hold("every file is declared by the one above it", &violations);
}

#[test]
fn a_module_has_a_name_that_says_something() {
    let mut violations = Vec::new();
    for file in files().iter().filter(|file| file.is("rs")) {
        if file.name() == "mod.rs" {
            violations.push(format!("{}: a module is named after itself, not mod.rs", file.path));
        }
        let stem = file.name().trim_end_matches(".rs");
        let code = file.code();
        let words: Vec<&str> = words(&code).collect();
        let inline = words.windows(2).filter(|pair| pair[0] == "mod").map(|pair| pair[1]);
        for name in inline.chain([stem]).filter(|name| SAY_NOTHING.contains(name)) {
            violations.push(format!("{}: {name}", file.path));
        }
    }
    hold("names say what is inside", &violations);
}

#[test]
fn a_file_can_be_read_in_one_sitting() {
    let kinds = ["rs", "proto", "ts", "vue"];
    let files = files();
    let mut long: Vec<(usize, &File)> = files
        .iter()
        .filter(|file| kinds.iter().any(|kind| file.is(kind)))
        .map(|file| (file.text.lines().count(), file))
        .filter(|(lines, _)| *lines > LONG)
        .collect();
    long.sort_by_key(|(lines, _)| std::cmp::Reverse(*lines));
    for (lines, file) in &long {
        println!("{} has {lines} lines: what are its two halves?", file.path);
    }
    let violations = long.iter().filter(|(lines, _)| *lines > TOO_LONG);
    hold(
        "a file past 600 lines is several",
        &violations.map(|(lines, file)| format!("{}: {lines}", file.path)).collect::<Vec<_>>(),
    );
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    let mut violations = Vec::new();
    for file in files().iter().filter(|file| !["Cargo.lock", "package-lock.json"].contains(&file.name())) {
        for trace in traces(&file.text) {
            violations.push(format!("{}: {trace}", file.path));
        }
    }
    hold("paths and registries of one machine are nobody else's", &violations);
}

#[test]
fn every_crate_and_every_aggregate_opens_with_what_it_is() {
    let is_front = |file: &&File| {
        let folder = Path::new(&file.path).parent().and_then(Path::file_name).and_then(OsStr::to_str);
        match folder {
            Some("src") => ["lib.rs", "main.rs"].contains(&file.name()),
            Some("domain") => true,
            _ => false,
        }
    };
    let files = files();
    let silent =
        files.iter().filter(|file| file.is("rs")).filter(is_front).filter(|file| !file.text.starts_with("//!"));
    hold("the first lines say what the file is for", &silent.map(|file| file.path.clone()).collect::<Vec<_>>());
}

#[test]
fn no_test_is_switched_off() {
    let files = files();
    let off = files
        .iter()
        .filter(|file| file.is("rs") && file.text.lines().any(|line| line.trim_start().starts_with("#[ignore")));
    hold("a test that does not run proves nothing", &off.map(|file| file.path.clone()).collect::<Vec<_>>());
}

fn traces(text: &str) -> Vec<&'static str> {
    TRACES.iter().copied().filter(|trace| text.contains(trace)).collect()
}

#[test]
fn a_trace_is_found_in_the_middle_of_a_line() {
    assert_eq!(traces(concat!("see /", "root/x and https://static.crates", ".io/y")), [TRACES[0], TRACES[3]]);
}
