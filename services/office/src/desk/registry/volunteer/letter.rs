use proto::registry::v1::Thanks;

use crate::paper::{Mark, Page, WIDTH};

/// Millimetres from the edges.
const MARGIN: f32 = 30.0;
const ROOM: f32 = WIDTH - 2.0 * MARGIN;

/// One page.
pub(super) fn page(thanks: &Thanks) -> Page {
    let line = |y: f32, size: f32, text: String| Mark::line(MARGIN, y, size, ROOM, text);
    let given = format!("共服务 {} 次，累计 {}。", thanks.times, spent(thanks.minutes));
    Page {
        marks: vec![
            Mark::line(WIDTH / 2.0 - 18.0, 60.0, 12.0, ROOM, "感 谢 信"),
            line(90.0, 6.0, format!("{}：", thanks.full_name)),
            line(106.0, 6.0, format!("    疫情期间，您于 {} 至 {}，", day(&thanks.first_day), day(&thanks.last_day))),
            line(118.0, 6.0, format!("志愿参加{}的防控与照料工作，", thanks.neighbourhood)),
            line(130.0, 6.0, given),
            line(148.0, 6.0, "    门里的人因为您没有被忘记。谨致谢意！".to_owned()),
            Mark::line(120.0, 190.0, 6.0, WIDTH - MARGIN - 120.0, thanks.neighbourhood.clone()),
            Mark::line(120.0, 202.0, 6.0, WIDTH - MARGIN - 120.0, day(&thanks.date)),
        ],
        ..Page::default()
    }
}

/// 3 小时 20 分钟
fn spent(minutes: i32) -> String {
    match (minutes / 60, minutes % 60) {
        (0, rest) => format!("{rest} 分钟"),
        (hours, 0) => format!("{hours} 小时"),
        (hours, rest) => format!("{hours} 小时 {rest} 分钟"),
    }
}

/// 2020年2月11日
fn day(iso: &str) -> String {
    let mut parts = iso.split('-').map(|part| part.trim_start_matches('0'));
    match (parts.next(), parts.next(), parts.next()) {
        (Some(year), Some(month), Some(day)) => format!("{year}年{month}月{day}日"),
        _ => iso.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_letter_says_who_how_often_and_how_long() {
        let thanks = Thanks {
            full_name: "王小明".into(),
            neighbourhood: "金家漕社区".into(),
            minutes: 200,
            times: 3,
            first_day: "2020-02-09".into(),
            last_day: "2020-02-11".into(),
            date: "2020-03-01".into(),
            ..Thanks::default()
        };
        let said: String = page(&thanks)
            .marks
            .into_iter()
            .map(|mark| match mark {
                Mark::Text { text, .. } => text,
                Mark::Boxes(_) | Mark::Cut { .. } => String::new(),
            })
            .collect();
        for part in ["王小明：", "2020年2月9日 至 2020年2月11日", "共服务 3 次，累计 3 小时 20 分钟", "2020年3月1日"]
        {
            assert!(said.contains(part), "{part} in {said}");
        }
    }
}
