use std::{
    fs,
    path::{Path, PathBuf},
};

/// A text file of the house, its path as seen from the top and with `/` between folders.
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    pub(crate) fn is(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|found| found == extension)
    }

    /// The Rust code before its tests, without comments and without what stands in literals.
    pub(crate) fn code(&self) -> String {
        let mut code = code(&self.text);
        if let Some(tests) = code.find("#[cfg(test)]") {
            code.truncate(tests);
        }
        code
    }
}

/// Built, installed or left behind: no part of the house.
const NOT_OURS: &[&str] = &["target", ".git", "node_modules", "dist", "data"];

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every text file of the house.
pub(crate) fn files() -> Vec<File> {
    let mut files = Vec::new();
    gather(&root(), "", &mut files);
    assert!(files.iter().any(|file| file.path == "Cargo.toml"), "the top of the house was not found");
    files
}

/// The source files of the services and of the contract, less those that only test.
pub(crate) fn sources() -> Vec<File> {
    let ours = |path: &str| path.starts_with("services/") || path.starts_with("proto/src/");
    let files = files();
    let only_test: Vec<String> = files.iter().filter(|file| file.is("rs")).flat_map(declared_for_tests).collect();
    let kept = |file: &File| {
        let tests = file.name() == "tests.rs" || file.path.contains("/tests/") || only_test.contains(&file.path);
        file.is("rs") && ours(&file.path) && !tests
    };
    files.into_iter().filter(kept).collect()
}

/// The files of the modules that a file declares behind `#[cfg(test)]`.
fn declared_for_tests(file: &File) -> Vec<String> {
    let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let lines: Vec<&str> = file.text.lines().map(str::trim).collect();
    let modules =
        lines.windows(2).filter(|pair| pair[0] == "#[cfg(test)]").filter_map(|pair| pair[1].strip_prefix("mod "));
    modules.map(|module| format!("{folder}/{}.rs", module.trim_end_matches(';'))).collect()
}

fn gather(folder: &Path, path: &str, files: &mut Vec<File>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        let path = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
        let kind = entry.file_type().unwrap();
        // In a second working tree of the repository `.git` is a file.
        if NOT_OURS.contains(&name.as_str()) {
            continue;
        }
        if kind.is_dir() {
            gather(&entry.path(), &path, files);
        } else if kind.is_file() {
            // What is no text (a golden event, a workbook) says nothing that a rule could read.
            if let Ok(text) = fs::read_to_string(entry.path()) {
                files.push(File { path, text });
            }
        }
    }
}

/// The identifiers in a piece of code.
pub(crate) fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|letter: char| !letter.is_alphanumeric() && letter != '_').filter(|word| !word.is_empty())
}

/// Rust without comments and with empty literals. Good for searching, not for compiling.
fn code(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let skipped = literal(rest);
        if skipped == 0 {
            code.push(letter);
            rest = &rest[letter.len_utf8()..];
        } else {
            code.push(' ');
            rest = &rest[skipped..];
        }
    }
    code
}

/// How many bytes of comment or literal `rest` begins with.
fn literal(rest: &str) -> usize {
    let until = |opened: usize, end: &str| rest[opened..].find(end).map_or(rest.len(), |at| opened + at + end.len());
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return until(2, "*/");
    }
    if rest.starts_with("r\"") || rest.starts_with("r#") {
        let fence = rest[1..].chars().take_while(|letter| *letter == '#').count();
        // `r#type` is a name, not a literal.
        return if rest[1 + fence..].starts_with('"') {
            until(2 + fence, &format!("\"{}", "#".repeat(fence)))
        } else {
            0
        };
    }
    if rest.starts_with('"') {
        return closed(rest, '"');
    }
    // A letter in quotes, as opposed to a lifetime.
    if rest.starts_with("'\\") || (rest.starts_with('\'') && rest.chars().nth(2) == Some('\'')) {
        return closed(rest, '\'');
    }
    0
}

fn closed(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, letter) in rest.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if letter == quote => return at + letter.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

#[test]
fn a_word_in_a_comment_or_a_literal_is_not_code() {
    let text =
        "let a = \"tokio \\\" sqlx\"; // tonic\nlet b: &'static str = r#\"async \"# /* await */; '\\''; 'x'; 'ä'";
    let found = code(text);
    assert_eq!(words(&found).collect::<Vec<_>>(), ["let", "a", "let", "b", "static", "str"]);
}
