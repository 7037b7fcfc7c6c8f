//! A4 pages to print: marks at places in millimetres, written as HTML, which every browser prints, or as PDF. Both look the
//! same, since both come from the same marks.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::export;

/// Which font shows Chinese characters.
mod font;
/// Pages for a browser.
mod html;
/// Text as lines of a width.
mod lines;
/// Pages for a printer.
mod pdf;

pub use lines::wrapped;

/// Millimetres.
pub const WIDTH: f32 = 210.0;
pub const HEIGHT: f32 = 297.0;

/// One side of a sheet; from its upper left corner, in millimetres.
#[derive(Default)]
pub struct Page {
    pub marks: Vec<Mark>,
    /// Wider than high.
    pub landscape: bool,
}

impl Page {
    /// Width and height, in millimetres.
    pub const fn size(&self) -> (f32, f32) {
        if self.landscape { (HEIGHT, WIDTH) } else { (WIDTH, HEIGHT) }
    }
}

pub enum Mark {
    /// One line; its baseline begins at (x, y).
    Text { x: f32, y: f32, size: f32, text: String },
    /// Filled with black: x, y, width, height.
    Boxes(Vec<[f32; 4]>),
    /// Where scissors go.
    Cut { from: (f32, f32), to: (f32, f32) },
}

impl Mark {
    /// A line that is made smaller where it would be wider than there is room.
    pub fn line(x: f32, y: f32, size: f32, room: f32, text: impl Into<String>) -> Self {
        let text = text.into();
        let size = size.min(size * room / width(&text, size).max(f32::EPSILON));
        Self::Text { x, y, size, text }
    }
}

/// About as wide as a font makes it, in the unit of the size.
pub fn width(text: &str, size: f32) -> f32 {
    text.chars().map(|letter| if letter.is_ascii() { 0.56 } else { 1.0 }).sum::<f32>() * size
}

/// A file's name, where it says a form that we can write.
pub fn file(typed: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(typed);
    form(&path).map(|_| path.clone()).ok_or_else(|| "name a file that ends in .html or .pdf".to_owned())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Html,
    Pdf,
}

fn form(path: &Path) -> Option<Form> {
    match path.extension()?.to_ascii_lowercase().to_str()? {
        "html" => Some(Form::Html),
        "pdf" => Some(Form::Pdf),
        _ => None,
    }
}

/// A file that pages will go into: everything that could be in the way is found before anybody makes them.
pub struct Paper {
    path: PathBuf,
    font: Option<font::Font>,
}

impl Paper {
    /// `font`: a file with Chinese characters; without one, what the machine has.
    ///
    /// # Errors
    /// The file is there already, or a PDF has no font.
    pub fn prepare(path: &Path, font: Option<&Path>) -> anyhow::Result<Self> {
        if path.exists() {
            return Err(export::taken(path));
        }
        let font = match form(path) {
            Some(Form::Pdf) => Some(font::find(font)?),
            _ => None,
        };
        Ok(Self { path: path.to_owned(), font })
    }

    pub fn write(&self, title: &str, pages: &[Page]) -> anyhow::Result<()> {
        let bytes = match &self.font {
            Some(font) => {
                let making = || format!("making {}", self.path.display());
                pdf::document(title, pages, font).with_context(making)?
            }
            None => html::document(title, pages).into_bytes(),
        };
        export::create(&self.path, &bytes)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_line_without_room_is_made_smaller_and_others_are_not() {
        let size = |text: &str| match Mark::line(0.0, 0.0, 4.0, 40.0, text) {
            Mark::Text { size, .. } => size,
            Mark::Boxes(_) | Mark::Cut { .. } => panic!("no text"),
        };
        assert!((size("长丰二村") - 4.0).abs() < f32::EPSILON);
        assert!((size(&"长".repeat(20)) - 2.0).abs() < 0.01);
    }

    #[test]
    fn nothing_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passes.html");
        let paper = Paper::prepare(&path, None).unwrap();
        paper.write("one", &[Page::default()]).unwrap();
        for late in [paper.write("two", &[]).unwrap_err(), Paper::prepare(&path, None).err().unwrap()] {
            assert!(late.to_string().contains("is there already"), "{late}");
        }
        assert!(fs::read_to_string(&path).unwrap().contains("<title>one</title>"));
        assert!(file("passes.docx").is_err());
    }

    #[test]
    fn a_pdf_holds_every_page_and_names_letters_that_its_font_has_not() {
        let font = font::find(None).unwrap();
        let text = |text: &str| Mark::Text { x: 10.0, y: 10.0, size: 4.0, text: text.to_owned() };
        let page =
            |said: &str| Page { marks: vec![text(said), Mark::Boxes(vec![[1.0, 1.0, 2.0, 2.0]])], ..Page::default() };
        let bytes = pdf::document("出入证", &[page("长丰二村 2020"), page("𠮷")], &font);
        // A rare character that no usual font has.
        let missing = bytes.err().map(|error| error.to_string()).unwrap_or_default();
        let bytes = pdf::document("出入证", &[page("长丰二村 2020"), page("张**")], &font).unwrap();
        let written = String::from_utf8_lossy(&bytes);
        assert!(written.starts_with("%PDF-") && written.matches("/Type /Page\n").count() == 2, "{}", written.len());
        assert!(missing.is_empty() || missing.contains('𠮷'), "{missing}");
    }
}
