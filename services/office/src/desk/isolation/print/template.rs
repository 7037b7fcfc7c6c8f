//! A text with places to be filled: `{{姓名}}`. `# ` begins a title, `> ` a line at the right, `---` draws a line, an empty
//! line leaves room; everything else is a paragraph. An unknown place is an error that names those that there are.

use std::{collections::BTreeMap, path::Path};

use anyhow::{Context as _, bail};

use crate::paper::{self, Mark, Page};

/// What stands in each place.
pub(super) type Words = BTreeMap<&'static str, String>;

pub(super) struct Template {
    pub(super) file: &'static str,
    pub(super) title: &'static str,
    pub(super) shipped: &'static str,
}

impl Template {
    pub(super) const ORDER: Self =
        Self { file: "order.txt", title: "告知书", shipped: include_str!("../../../../templates/order.txt") };
    pub(super) const RELEASE: Self =
        Self {
            file: "release.txt", title: "解除告知书", shipped: include_str!("../../../../templates/release.txt")
        };

    /// The office's own text, or the shipped one.
    pub(super) fn read(&self, folder: Option<&Path>) -> anyhow::Result<String> {
        let Some(folder) = folder else { return Ok(self.shipped.to_owned()) };
        let path = folder.join(self.file);
        std::fs::read_to_string(&path).with_context(|| {
            format!(
                "reading {}: `mifeng isolation templates FOLDER` writes the shipped texts to begin with",
                path.display()
            )
        })
    }
}

/// Millimetres.
const LEFT: f32 = 25.0;
const TOP: f32 = 32.0;
const BOTTOM: f32 = 24.0;
const ROOM: f32 = paper::WIDTH - 2.0 * LEFT;
const SIZE: f32 = 4.6;
const TITLE: f32 = 7.5;
/// From baseline to baseline.
const LINE: f32 = 8.0;
const RULE: f32 = 0.3;

/// The text with its places filled, on as many pages as it takes.
///
/// # Errors
/// A place that nobody knows, or one that is never closed: named with its line.
pub(super) fn pages(text: &str, words: &Words) -> anyhow::Result<Vec<Page>> {
    let mut sheets = Sheets { pages: vec![Page::default()], y: TOP };
    for (number, line) in (1..).zip(text.trim_start_matches('\u{feff}').lines()) {
        let line = filled(line.trim_end(), words).with_context(|| format!("line {number} of the template"))?;
        if let Some(title) = line.strip_prefix("# ") {
            let x = (paper::WIDTH - paper::width(title, TITLE)).max(2.0 * LEFT) / 2.0;
            sheets.put(Mark::line(x, sheets.y, TITLE, ROOM, title));
            sheets.down(LINE * 1.4);
        } else if let Some(right) = line.strip_prefix("> ") {
            let x = (paper::WIDTH - LEFT - paper::width(right, SIZE)).max(LEFT);
            sheets.put(Mark::line(x, sheets.y, SIZE, ROOM, right));
            sheets.down(LINE);
        } else if line == "---" {
            sheets.put(Mark::Boxes(vec![[LEFT, sheets.y - LINE / 2.0, ROOM, RULE]]));
            sheets.down(LINE / 2.0);
        } else if line.is_empty() {
            sheets.down(LINE / 2.0);
        } else {
            for part in paper::wrapped(&line, SIZE, ROOM) {
                sheets.put(Mark::Text { x: LEFT, y: sheets.y, size: SIZE, text: part });
                sheets.down(LINE);
            }
        }
    }
    sheets.pages.retain(|page| !page.marks.is_empty());
    Ok(sheets.pages)
}

struct Sheets {
    pages: Vec<Page>,
    y: f32,
}

impl Sheets {
    fn put(&mut self, mark: Mark) {
        if let Some(page) = self.pages.last_mut() {
            page.marks.push(mark);
        }
    }

    fn down(&mut self, by: f32) {
        self.y += by;
        if self.y > paper::HEIGHT - BOTTOM {
            self.pages.push(Page::default());
            self.y = TOP;
        }
    }
}

fn filled(line: &str, words: &Words) -> anyhow::Result<String> {
    let (mut done, mut rest) = (String::new(), line);
    while let Some((before, behind)) = rest.split_once("{{") {
        let Some((place, after)) = behind.split_once("}}") else {
            bail!("a place that begins with {{{{ is never closed by }}}}")
        };
        let Some(word) = words.get(place.trim()) else {
            let known: Vec<&str> = words.keys().copied().collect();
            bail!("there is no place {{{{{place}}}}}; there are: {}", known.join("、"));
        };
        done.push_str(before);
        done.push_str(word);
        rest = after;
    }
    done.push_str(rest);
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words() -> Words {
        Words::from([("姓名", "王**".to_owned()), ("截止日", "2020年2月22日".to_owned())])
    }

    fn texts(page: &Page) -> Vec<&str> {
        let text = |mark: &Mark| matches!(mark, Mark::Text { .. });
        page.marks
            .iter()
            .filter(|mark| text(mark))
            .map(|mark| if let Mark::Text { text, .. } = mark { text.as_str() } else { "" })
            .collect()
    }

    #[test]
    fn places_are_filled_and_lines_laid_out() {
        let pages = pages("# 告知书\n\n{{姓名}}：到{{ 截止日 }}止。\n> 社区\n---", &words()).unwrap();
        assert_eq!(pages.len(), 1);
        assert_eq!(texts(&pages[0]), ["告知书", "王**：到2020年2月22日止。", "社区"]);
    }

    #[test]
    fn an_unknown_place_is_an_error_that_names_line_and_known_ones() {
        let error = pages("# 告知书\n{{性名}}", &words()).err().map(|error| format!("{error:#}")).unwrap_or_default();
        assert!(error.contains("line 2") && error.contains("{{性名}}") && error.contains("姓名、截止日"), "{error}");
        assert!(pages("{{姓名", &words()).is_err());
    }

    #[test]
    fn long_paragraphs_are_wrapped_and_long_texts_get_pages() {
        let long = "隔".repeat(100);
        let lines = paper::wrapped(&format!("{long}，{long}"), SIZE, ROOM);
        assert!(lines.iter().all(|line| paper::width(line, SIZE) <= ROOM + SIZE), "{lines:?}");
        assert!(lines.iter().all(|line| !line.starts_with('，')));
        assert_eq!(lines.concat().chars().count(), 201);
        let text = "一行\n".repeat(80);
        assert_eq!(pages(&text, &words()).unwrap().len(), 3);
    }

    #[test]
    fn the_shipped_texts_ask_for_nothing_that_is_not_there() {
        let known = [
            "编号",
            "姓名",
            "证件号码",
            "住址",
            "小区",
            "社区",
            "隔离方式",
            "原因",
            "第0天",
            "开始日",
            "截止日",
            "同住人",
            "证据",
            "标准",
            "观察情况",
            "解除原因",
            "打印日",
        ];
        let words: Words = known.into_iter().map(|place| (place, "甲".to_owned())).collect();
        for template in [Template::ORDER, Template::RELEASE] {
            assert_eq!(pages(template.shipped, &words).unwrap().len(), 1, "{}", template.file);
        }
    }
}
