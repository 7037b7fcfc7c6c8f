//! A report on landscape A4: a table that breaks over pages, with its headings on each of them.

use proto::command::v1::{FormColumn, Report, ReportRow};

use super::shown::{both, cells, footing, heading, named, rows};
use crate::paper::{self, Mark, Page, wrapped};

/// Millimetres.
const WIDTH: f32 = paper::HEIGHT;
const HEIGHT: f32 = paper::WIDTH;
const MARGIN: f32 = 12.0;
const ROOM: f32 = WIDTH - 2.0 * MARGIN;
const TITLE: f32 = 6.5;
const SIZE: f32 = 3.4;
const SMALL: f32 = 3.0;
const LINE: f32 = 5.4;
/// Of a heading's lines.
const HEADING: f32 = 4.2;
const ROW: f32 = 7.2;
/// Between text and line.
const PAD: f32 = 1.2;
const RULE: f32 = 0.2;
const NAMES: f32 = 34.0;
/// What is kept free for page numbers.
const BOTTOM: f32 = HEIGHT - 14.0;

pub(super) fn pages(report: &Report) -> Vec<Page> {
    let mut sheets = Sheets { report, pages: Vec::new(), y: 0.0, top: 0.0 };
    sheets.begin();
    for row in rows(report) {
        if sheets.y + ROW > BOTTOM {
            sheets.end();
            sheets.begin();
        }
        sheets.row(row);
    }
    let footing = footing(report);
    // The last words stand together, under the table or on a page of their own.
    #[expect(clippy::cast_precision_loss, reason = "a few lines")]
    let room = footing.len() as f32 * LINE + LINE;
    sheets.end();
    if sheets.y + room > BOTTOM {
        sheets.pages.push(Page { landscape: true, ..Page::default() });
        sheets.y = MARGIN;
    }
    for line in footing {
        sheets.y += LINE;
        let y = sheets.y;
        sheets.put(Mark::line(MARGIN, y, SIZE, ROOM, line));
    }
    let all = sheets.pages.len();
    for (number, page) in (1..).zip(&mut sheets.pages) {
        let text = format!("{} {}　第 {number} 页，共 {all} 页", report.title_zh, report.day);
        let x = WIDTH - MARGIN - paper::width(&text, SMALL);
        page.marks.push(Mark::Text { x, y: HEIGHT - 8.0, size: SMALL, text });
    }
    sheets.pages
}

struct Sheets<'a> {
    report: &'a Report,
    pages: Vec<Page>,
    /// How far down the page is used.
    y: f32,
    /// Where its table begins.
    top: f32,
}

impl Sheets<'_> {
    fn put(&mut self, mark: Mark) {
        if let Some(page) = self.pages.last_mut() {
            page.marks.push(mark);
        }
    }

    /// A page with the headings of the table; the first one says what it is.
    fn begin(&mut self) {
        let first = self.pages.is_empty();
        self.pages.push(Page { landscape: true, ..Page::default() });
        self.y = MARGIN;
        if first {
            self.title();
        }
        self.top = self.y;
        let headings: Vec<Vec<String>> = self.report.columns.iter().map(|column| lines(column, self.width())).collect();
        let most = headings.iter().map(Vec::len).max().unwrap_or(1);
        for (number, heading) in headings.into_iter().enumerate() {
            let x = self.x(number) + PAD;
            let mut y = self.y + PAD + HEADING - 1.0;
            for line in heading {
                self.put(Mark::line(x, y, SMALL, self.width() - 2.0 * PAD, line));
                y += HEADING;
            }
        }
        let y = self.y + PAD + HEADING - 1.0;
        self.put(Mark::line(MARGIN + PAD, y, SMALL, NAMES - 2.0 * PAD, "社区"));
        self.rule();
        #[expect(clippy::cast_precision_loss, reason = "a few lines")]
        let high = most as f32 * HEADING + 2.0 * PAD;
        self.y += high;
        self.rule();
    }

    fn title(&mut self) {
        let mut lines = heading(self.report).into_iter();
        self.y += TITLE;
        if let Some(title) = lines.next() {
            let x = (WIDTH - paper::width(&title, TITLE)).max(2.0 * MARGIN) / 2.0;
            self.put(Mark::line(x, self.y, TITLE, ROOM, title));
        }
        self.y += 3.0;
        for line in lines {
            self.y += LINE;
            self.put(Mark::line(MARGIN, self.y, SIZE, ROOM, line));
        }
        self.y += 3.0;
    }

    /// Numbers end at the right, so that digits stand under digits.
    fn row(&mut self, row: &ReportRow) {
        let y = self.y + ROW - 2.3;
        self.put(Mark::line(MARGIN + PAD, y, SIZE, NAMES - 2.0 * PAD, named(row)));
        let room = self.width() - 2.0 * PAD;
        let texts: Vec<String> = cells(self.report, row).map(|(column, cell)| both(column, cell)).collect();
        for (number, text) in texts.into_iter().enumerate() {
            let right = self.x(number) + self.width() - PAD;
            let wide = paper::width(&text, SIZE).min(room);
            self.put(Mark::line(right - wide, y, SIZE, room, text));
        }
        self.y += ROW;
        self.rule();
    }

    /// The lines from the table's top to its bottom.
    fn end(&mut self) {
        let (top, high) = (self.top, self.y - self.top + RULE);
        let inner = (0..=self.report.columns.len()).map(|number| self.x(number));
        let lines = std::iter::once(MARGIN).chain(inner).map(|x| [x, top, RULE, high]).collect();
        self.put(Mark::Boxes(lines));
    }

    fn rule(&mut self) {
        let wide = self.x(self.report.columns.len()) - MARGIN + RULE;
        self.put(Mark::Boxes(vec![[MARGIN, self.y, wide, RULE]]));
    }

    fn width(&self) -> f32 {
        #[expect(clippy::cast_precision_loss, reason = "a form has few columns")]
        let columns = self.report.columns.len().max(1) as f32;
        ((ROOM - NAMES) / columns).min(44.0)
    }

    /// Where a column begins; the one after the last is where the table ends.
    fn x(&self, column: usize) -> f32 {
        #[expect(clippy::cast_precision_loss, reason = "a form has few columns")]
        let column = column as f32;
        MARGIN + NAMES + column * self.width()
    }
}

fn lines(column: &FormColumn, width: f32) -> Vec<String> {
    wrapped(&column.heading_zh, SMALL, width - 2.0 * PAD)
}

#[cfg(test)]
mod tests {
    use proto::command::v1::{ReportCell, report_cell::Value};

    use super::*;

    fn report(rows: i64, columns: usize) -> Report {
        let row = |number: i64, neighbourhood: &str| ReportRow {
            neighbourhood: neighbourhood.into(),
            display_name: format!("社区{number}"),
            cells: (0..columns)
                .map(|_| ReportCell { value: Some(Value::Number(number)), ..ReportCell::default() })
                .collect(),
        };
        Report {
            title_zh: "疫情防控日报".into(),
            day: "2020-02-11".into(),
            columns: (0..columns)
                .map(|number| FormColumn { heading_zh: format!("居家隔离人数{number}"), ..FormColumn::default() })
                .collect(),
            rows: (1..=rows).map(|number| row(number, "neighbourhoods/n")).collect(),
            sum: Some(row(rows, "")),
            ..Report::default()
        }
    }

    fn texts(page: &Page) -> Vec<&str> {
        page.marks
            .iter()
            .filter_map(|mark| match mark {
                Mark::Text { text, .. } => Some(text.as_str()),
                Mark::Boxes(_) | Mark::Cut { .. } => None,
            })
            .collect()
    }

    #[test]
    fn a_long_table_breaks_over_pages_that_all_have_headings_and_loses_no_row() {
        let pages = pages(&report(60, 12));
        assert_eq!(pages.len(), 3);
        for page in &pages {
            assert!(page.landscape && texts(page).contains(&"社区"));
        }
        let rows: Vec<&str> =
            pages.iter().flat_map(texts).filter(|text| text.starts_with("社区") && text.len() > 6).collect();
        assert_eq!(rows.len(), 60);
        assert!(texts(&pages[2]).contains(&"合计"));
    }

    #[test]
    fn nothing_stands_beside_the_paper() {
        for (rows, columns) in [(1, 1), (25, 12), (60, 24)] {
            for mark in pages(&report(rows, columns)).iter().flat_map(|page| &page.marks) {
                let (right, bottom) = match mark {
                    Mark::Text { x, y, size, text } => (x + paper::width(text, *size), *y),
                    Mark::Boxes(boxes) => boxes.iter().fold((0.0, 0.0), |(right, bottom), [x, y, width, height]| {
                        (f32::max(right, x + width), f32::max(bottom, y + height))
                    }),
                    Mark::Cut { to, .. } => *to,
                };
                assert!(
                    right <= WIDTH - 5.0 && bottom <= HEIGHT - 5.0,
                    "{rows} rows, {columns} columns: {right} {bottom}"
                );
            }
        }
    }
}
