//! Pages for a browser: one drawing in millimetres for each.

use std::fmt::Write as _;

use super::{Mark, Page};

/// Nothing is asked of another server: whoever prints passes may be without a line.
const STYLE: &str = "@page { size: 210mm 297mm; margin: 0 }
  @page landscape { size: 297mm 210mm; margin: 0 }
  html, body { margin: 0; background: #ddd }
  svg { display: block; width: 210mm; height: 297mm; margin: 0 auto 6mm; background: #fff; break-after: page }
  svg.landscape { page: landscape; width: 297mm; height: 210mm }
  text { font-family: 'Noto Sans CJK SC', 'Noto Sans SC', 'Microsoft YaHei', 'PingFang SC', 'WenQuanYi Micro Hei', sans-serif }
  @media print { html, body { background: none } svg { margin: 0 } }";

pub(super) fn document(title: &str, pages: &[Page]) -> String {
    let title = escaped(title);
    let mut html = format!(
        "<!doctype html>\n<html lang=\"zh-CN\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title}</title>\n\
         <style>\n  {STYLE}\n</style>\n</head>\n<body>\n"
    );
    for page in pages {
        let (width, height) = page.size();
        let class = if page.landscape { " class=\"landscape\"" } else { "" };
        writeln!(html, "<svg{class} viewBox=\"0 0 {width} {height}\" xmlns=\"http://www.w3.org/2000/svg\">")
            .expect("a string takes everything");
        for mark in &page.marks {
            html.push_str(&drawn(mark));
        }
        html.push_str("</svg>\n");
    }
    html.push_str("</body>\n</html>\n");
    html
}

fn drawn(mark: &Mark) -> String {
    match mark {
        Mark::Text { x, y, size, text } => {
            format!("<text x=\"{x:.2}\" y=\"{y:.2}\" font-size=\"{size:.2}\">{}</text>\n", escaped(text))
        }
        Mark::Boxes(boxes) => {
            let mut path = String::new();
            for [x, y, width, height] in boxes {
                write!(path, "M{x:.3} {y:.3}h{width:.3}v{height:.3}h-{width:.3}z").expect("a string takes everything");
            }
            // Edges on the printer's own dots, so that no grey seams come between two boxes.
            format!("<path shape-rendering=\"crispEdges\" d=\"{path}\"/>\n")
        }
        Mark::Cut { from, to } => format!(
            "<path d=\"M{:.2} {:.2}L{:.2} {:.2}\" stroke=\"#888\" stroke-width=\"0.15\" stroke-dasharray=\"1.5 1.5\"/>\n",
            from.0, from.1, to.0, to.1
        ),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
