//! Text as lines of a width.

use super::width;

/// Signs that begin no line.
const NEVER_FIRST: &str = "，。；：、！？）》”’％℃";

/// Lines that fit. Between Chinese characters a line may end anywhere, words and numbers stay whole where they can.
pub fn wrapped(text: &str, size: f32, room: f32) -> Vec<String> {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for piece in pieces(text) {
        let over = width(&line, size) + width(&piece, size) > room;
        let sticks = piece.starts_with(|letter| NEVER_FIRST.contains(letter));
        if over && !line.is_empty() && !sticks {
            lines.push(std::mem::take(&mut line));
        }
        for letter in piece.chars() {
            // A word that is longer than a line is cut.
            if width(&line, size) > room && !NEVER_FIRST.contains(letter) {
                lines.push(std::mem::take(&mut line));
            }
            line.push(letter);
        }
    }
    lines.push(line);
    lines
}

/// Single characters, and runs of letters and digits.
fn pieces(text: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    for letter in text.chars() {
        match pieces.last_mut() {
            Some(run) if letter.is_ascii_graphic() && run.ends_with(|last: char| last.is_ascii_graphic()) => {
                run.push(letter);
            }
            _ => pieces.push(letter.to_string()),
        }
    }
    pieces
}
