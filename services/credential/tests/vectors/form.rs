use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::{Value, json};

/// Members by name, lists of plain values on one line: the same whatever features the JSON library was built with.
pub(crate) fn written(value: &Value) -> String {
    let mut text = String::new();
    write(&mut text, value, 0);
    text.push('\n');
    text
}

fn write(text: &mut String, value: &Value, depth: usize) {
    let inner = "  ".repeat(depth + 1);
    let outer = "  ".repeat(depth);
    match value {
        Value::Object(members) if !members.is_empty() => {
            let sorted: BTreeMap<&String, &Value> = members.iter().collect();
            for (at, (name, member)) in sorted.into_iter().enumerate() {
                let opening = if at == 0 { "{" } else { "," };
                write!(text, "{opening}\n{inner}{}: ", json!(name)).unwrap();
                write(text, member, depth + 1);
            }
            write!(text, "\n{outer}}}").unwrap();
        }
        Value::Array(members) if members.iter().any(Value::is_object) => {
            for (at, member) in members.iter().enumerate() {
                let opening = if at == 0 { "[" } else { "," };
                write!(text, "{opening}\n{inner}").unwrap();
                write(text, member, depth + 1);
            }
            write!(text, "\n{outer}]").unwrap();
        }
        plain => write!(text, "{plain}").unwrap(),
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

pub(crate) fn unhex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

pub(crate) fn number<T: TryFrom<i64>>(value: &Value) -> T {
    let number = value.as_i64().unwrap();
    T::try_from(number).ok().unwrap()
}
