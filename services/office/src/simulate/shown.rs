//! What the simulation tells at its end.

use comfy_table::Table;

use super::{Outcome, report::Column};
use crate::output::{print, table};

/// All of it as tables.
pub(super) fn show(outcome: &Outcome) -> anyhow::Result<()> {
    print(&load(outcome).to_string())?;
    print(&format!(
        "{} days in {:.1} s: {} calls, {:.0} a second; {} were refused or failed",
        outcome.days, outcome.seconds, outcome.calls, outcome.calls_per_s, outcome.errors
    ))?;
    if !outcome.report.is_empty() {
        print(&truth(&outcome.report).to_string())?;
    }
    let equal = if outcome.recount_equal { "the same numbers" } else { "OTHER NUMBERS" };
    print(&format!("A recount of {} records of the four logs gives {equal}.", outcome.records))
}

fn load(outcome: &Outcome) -> Table {
    let mut table = table();
    table.set_header(["call", "calls", "p50 ms", "p99 ms", "max ms", "said again", "refused or failed"]);
    for row in &outcome.load {
        let errors: Vec<String> = row.errors.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
        let number = |wait: f64| format!("{wait:.1}");
        table.add_row([
            row.call.to_owned(),
            row.calls.to_string(),
            number(row.p50_ms),
            number(row.p99_ms),
            number(row.max_ms),
            row.repeated.to_string(),
            errors.join("\n"),
        ]);
    }
    table
}

/// A row for each number, a column for each method.
fn truth(columns: &[Column]) -> Table {
    let mut table = table();
    let names = columns.iter().map(|column| column.method.trim_start_matches("methods/").to_owned());
    table.set_header(std::iter::once("truth against verdicts".to_owned()).chain(names));
    let mut row = |name: &str, of: &dyn Fn(&Column) -> String| {
        table.add_row(std::iter::once(name.to_owned()).chain(columns.iter().map(of)));
    };
    row("已筛查 screened", &|c| c.screened.to_string());
    row("  一致 clear", &|c| c.clear.to_string());
    row("  已申报重点地区 declared key area", &|c| c.declared_key_area.to_string());
    row("  隐瞒重点地区 concealed key area", &|c| c.concealed.to_string());
    row("  未申报 undeclared", &|c| c.undeclared.to_string());
    row("  待核实 to ask", &|c| c.to_ask.to_string());
    row("    无数据 without data", &|c| c.without_data.to_string());
    row("隐瞒者 who left a place out", &|c| c.concealments.people.to_string());
    row("  本标准重点地区 in a key area of this method", &|c| c.concealments.in_key_areas.to_string());
    row("    查出 caught", &|c| c.concealments.caught.to_string());
    row("    漏：无数据 missed: no data", &|c| c.concealments.missed_no_data.to_string());
    row("    漏：超出查询时段 missed: before the window", &|c| c.concealments.missed_window.to_string());
    row("    另行核实 asked about something else", &|c| c.concealments.missed_otherwise.to_string());
    row("  不在本标准 not in this method", &|c| c.concealments.not_in_method.to_string());
    row("    待核实 asked again", &|c| c.concealments.asked.to_string());
    row("    未见 not seen", &|c| c.concealments.not_seen.to_string());
    row("被误判 wronged by a carrier", &|c| c.wronged.people.to_string());
    row("  被隔离 isolated for it", &|c| c.wronged.isolated.to_string());
    row("  被要求核实 asked, without a pass", &|c| c.wronged.asked.to_string());
    row("  申诉 disputed", &|c| c.wronged.disputed.to_string());
    row("  成立 upheld", &|c| c.wronged.upheld.to_string());
    row("  仍受影响 still held", &|c| c.wronged.held_now.to_string());
    row("  受影响时长（中位） held for, median", &|c| format!("{:.1} h", c.wronged.hours_median));
    row("  受影响时长（最长） held for, longest", &|c| format!("{:.1} h", c.wronged.hours_longest));
    row("有效出入证 passes", &|c| c.passes.to_string());
    row("隔离中 isolated", &|c| c.isolated.to_string());
    row("解除隔离 released", &|c| c.released.to_string());
    table
}
