//! Ten passes on an A4 sheet. Below each a strip with the door, for whoever hands it out: it is cut off, so that a pass
//! that is found in the street tells nobody where its holder lives.

use anyhow::anyhow;
use fast_qr::{ECL, QRBuilder, QRCode};

use crate::paper::{HEIGHT, Mark, Page, WIDTH};

/// What is on one pass.
pub(super) struct Card {
    pub(super) code: String,
    pub(super) number: String,
    pub(super) compound: String,
    /// 张**
    pub(super) name: String,
    pub(super) until: String,
    pub(super) door: String,
}

const COLUMNS: usize = 2;
const ROWS: usize = 5;

/// Millimetres.
const CARD: (f32, f32) = (95.0, 54.0);
/// At the lower end of a card.
const STRIP: f32 = 6.0;
/// Of the symbol itself; around it the four modules that a reader needs are left white.
const SYMBOL: f32 = 30.0;

pub(super) fn pages(cards: &[Card]) -> anyhow::Result<Vec<Page>> {
    cards.chunks(COLUMNS * ROWS).map(page).collect()
}

fn page(cards: &[Card]) -> anyhow::Result<Page> {
    let mut page = Page::default();
    let (left, top) = ((WIDTH - CARD.0 * 2.0) / 2.0, (HEIGHT - CARD.1 * 5.0) / 2.0);
    let places = (0..ROWS).flat_map(|row| (0..COLUMNS).map(move |column| (column, row)));
    for (card, (column, row)) in cards.iter().zip(places) {
        let at = (left + CARD.0 * small(column), top + CARD.1 * small(row));
        draw(&mut page, card, at)?;
    }
    let mut cut = |from, to| page.marks.push(Mark::Cut { from, to });
    for column in 0..=COLUMNS {
        let x = left + CARD.0 * small(column);
        cut((x, top), (x, top + CARD.1 * 5.0));
    }
    for row in 0..=ROWS {
        let y = top + CARD.1 * small(row);
        cut((left, y), (WIDTH - left, y));
        if row < ROWS {
            cut((left, y + CARD.1 - STRIP), (WIDTH - left, y + CARD.1 - STRIP));
        }
    }
    Ok(page)
}

#[expect(clippy::cast_precision_loss, reason = "counts of columns, rows and modules")]
fn small(count: usize) -> f32 {
    count as f32
}

fn draw(page: &mut Page, card: &Card, (x, y): (f32, f32)) -> anyhow::Result<()> {
    let symbol = QRBuilder::new(card.code.as_str()).ecl(ECL::M).build();
    let symbol = symbol.map_err(|error| anyhow!("the code of pass {} fits into no symbol: {error:?}", card.number))?;
    page.marks.push(Mark::Boxes(boxes(&symbol, (x + 7.0, y + (CARD.1 - STRIP - SYMBOL) / 2.0))));
    let (text, room) = (x + 43.0, CARD.0 - 47.0);
    for (down, size, line) in [
        (10.0, 5.0, "出入证 PASS"),
        (16.5, 3.6, &card.compound),
        (24.5, 5.5, &card.name),
        (31.0, 2.6, "有效至 valid until"),
        (35.0, 3.6, &card.until),
        (40.0, 2.6, "证号 number"),
        (44.0, 3.6, &card.number),
    ] {
        page.marks.push(Mark::line(text, y + down, size, room, line));
    }
    let strip = format!("发放后裁下 cut off: {} {}", card.door, card.name);
    page.marks.push(Mark::line(x + 3.0, y + CARD.1 - 2.0, 2.8, CARD.0 - 6.0, strip));
    Ok(())
}

/// The dark modules, those side by side as one box.
fn boxes(symbol: &QRCode, (x, y): (f32, f32)) -> Vec<[f32; 4]> {
    let module = SYMBOL / small(symbol.size);
    let mut boxes = Vec::new();
    for row in 0..symbol.size {
        let dark: Vec<bool> = symbol[row].iter().map(|module| module.value()).collect();
        let mut column = 0;
        while column < dark.len() {
            let length = dark[column..].iter().take_while(|dark| **dark).count();
            if length > 0 {
                let at = (x + module * small(column), y + module * small(row));
                boxes.push([at.0, at.1, module * small(length), module]);
            }
            column += length.max(1);
        }
    }
    boxes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(number: usize) -> Card {
        Card {
            code: format!("MF1:{number:0>150}"),
            number: format!("{number}"),
            compound: "长丰二村".into(),
            name: "张**".into(),
            until: "2020-02-25 18:00".into(),
            door: "3幢2单元401室".into(),
        }
    }

    #[test]
    fn eleven_passes_take_two_sheets_and_nothing_lies_outside() {
        let cards: Vec<Card> = (0..11).map(card).collect();
        let pages = pages(&cards).unwrap();
        let codes = |page: &Page| page.marks.iter().filter(|mark| matches!(mark, Mark::Boxes(_))).count();
        assert_eq!(pages.iter().map(codes).collect::<Vec<_>>(), [10, 1]);
        let inside = |x: f32, y: f32| (5.0..=WIDTH - 5.0).contains(&x) && (5.0..=HEIGHT - 5.0).contains(&y);
        for mark in pages.iter().flat_map(|page| &page.marks) {
            assert!(match mark {
                Mark::Text { x, y, .. } => inside(*x, *y),
                Mark::Boxes(boxes) => boxes.iter().all(|[x, y, w, h]| inside(*x, *y) && inside(x + w, y + h)),
                Mark::Cut { from, to } => inside(from.0, from.1) && inside(to.0, to.1),
            });
        }
    }

    #[test]
    fn a_printed_code_is_read_again() {
        let page = &pages(&[card(7)]).unwrap()[0];
        let boxes = page.marks.iter().find_map(|mark| match mark {
            Mark::Boxes(boxes) => Some(boxes),
            Mark::Text { .. } | Mark::Cut { .. } => None,
        });
        // Ten dots a millimetre: 254 dpi.
        let dark = |x: usize, y: usize| {
            let (x, y) = (small(x) / 10.0, small(y) / 10.0);
            boxes
                .unwrap()
                .iter()
                .any(|[left, top, w, h]| (*left..left + w).contains(&x) && (*top..top + h).contains(&y))
        };
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(600, 700, |x, y| if dark(x, y) { 0 } else { 255 });
        let (_, text) = image.detect_grids()[0].decode().unwrap();
        assert_eq!(text, card(7).code);
    }
}
