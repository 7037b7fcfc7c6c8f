//! Pages for a printer.

use std::collections::BTreeSet;

use anyhow::{Context as _, anyhow, bail};
use krilla::{
    Document,
    color::rgb,
    geom::{PathBuilder, Point, Rect},
    metadata::Metadata,
    page::PageSettings,
    paint::{Fill, Stroke, StrokeDash},
    surface::Surface,
    text::{Font, TextDirection},
};

use super::{Mark, Page};

/// Points of a millimetre.
const POINTS: f32 = 72.0 / 25.4;

/// # Errors
/// The font lacks a character; it is named.
pub(super) fn document(title: &str, pages: &[Page], font: &super::font::Font) -> anyhow::Result<Vec<u8>> {
    let face = Font::new(font.bytes.as_ref().clone().into(), font.index).context("the font cannot be used")?;
    all_there(pages, font)?;
    let mut document = Document::new();
    document.set_metadata(Metadata::new().title(title.to_owned()));
    for page in pages {
        let (width, height) = page.size();
        let size = PageSettings::from_wh(width * POINTS, height * POINTS).context("a page of no size")?;
        let mut sheet = document.start_page_with(size);
        let mut surface = sheet.surface();
        for mark in &page.marks {
            draw(&mut surface, &face, mark).context("a mark outside all measure")?;
        }
        surface.finish();
        sheet.finish();
    }
    document.finish().map_err(|error| anyhow!("the PDF cannot be made: {error:?}"))
}

/// A hollow box in the place of somebody's name would be found at the gate.
fn all_there(pages: &[Page], font: &super::font::Font) -> anyhow::Result<()> {
    let face = ttf_parser::Face::parse(&font.bytes, font.index).context("reading the font")?;
    let texts = pages.iter().flat_map(|page| &page.marks).filter_map(|mark| match mark {
        Mark::Text { text, .. } => Some(text),
        Mark::Boxes(_) | Mark::Cut { .. } => None,
    });
    let missing: BTreeSet<char> =
        texts.flat_map(|text| text.chars()).filter(|letter| face.glyph_index(*letter).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let missing: String = missing.into_iter().collect();
    bail!("the font has not got these characters: {missing}. Name another font with --font, or write an .html file")
}

fn draw(surface: &mut Surface<'_>, font: &Font, mark: &Mark) -> Option<()> {
    let mut path = PathBuilder::new();
    match mark {
        Mark::Text { x, y, size, text } => {
            let start = Point::from_xy(x * POINTS, y * POINTS);
            surface.draw_text(start, font.clone(), size * POINTS, text, false, TextDirection::LeftToRight);
        }
        Mark::Boxes(boxes) => {
            for [x, y, width, height] in boxes {
                path.push_rect(Rect::from_xywh(x * POINTS, y * POINTS, width * POINTS, height * POINTS)?);
            }
            surface.set_fill(Some(Fill::default()));
            surface.draw_path(&path.finish()?);
        }
        Mark::Cut { from, to } => {
            path.move_to(from.0 * POINTS, from.1 * POINTS);
            path.line_to(to.0 * POINTS, to.1 * POINTS);
            let dash = StrokeDash { array: vec![4.0, 4.0], offset: 0.0 };
            let paint = rgb::Color::new(136, 136, 136).into();
            surface.set_stroke(Some(Stroke { paint, width: 0.4, dash: Some(dash), ..Stroke::default() }));
            surface.set_fill(None);
            surface.draw_path(&path.finish()?);
            surface.set_stroke(None);
            surface.set_fill(Some(Fill::default()));
        }
    }
    Some(())
}
