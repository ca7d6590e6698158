//! The plot: how the difficulty follows the hash power, one panel a change, one line a seed.

use std::fmt::Write as _;

use crate::cases::Change;

/// Sizes in SVG units.
const PANEL: (f64, f64) = (400.0, 240.0);
const MARGIN: (f64, f64) = (56.0, 44.0);
/// Lines of one panel have at most this many points.
const POINTS_MAX: usize = 200;
/// What is read in the light and in the dark.
const STYLE: &str = "text{font:12px system-ui,sans-serif;fill:#333}.t{font-weight:600;font-size:13px}\
.run{fill:none;stroke:#2563a8;stroke-width:1;opacity:.45}.axis{stroke:#888;fill:none}.grid{stroke:#8884}\
.suits{stroke:#b3541e;stroke-width:1.5;stroke-dasharray:5 3}.back{fill:#fff}\
@media(prefers-color-scheme:dark){text{fill:#ddd}.run{stroke:#7fb4ea}.suits{stroke:#f0a06a}.back{fill:#161a20}}";

/// The plot as the text of an SVG file.
pub(super) fn svg(changes: &[Change]) -> String {
    let (width, height) = (2.0 * (PANEL.0 + MARGIN.0) + 24.0, 2.0 * (PANEL.1 + 2.0 * MARGIN.1) + 8.0);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" role=\"img\" \
         aria-label=\"Difficulty after changes of hash power\">\n<style>{STYLE}</style>\n\
         <rect class=\"back\" width=\"{width}\" height=\"{height}\"/>\n"
    );
    for (at, change) in changes.iter().enumerate() {
        let (column, row) = ((at % 2) as f64, (at / 2) as f64);
        let x = MARGIN.0 + column * (PANEL.0 + MARGIN.0 + 8.0);
        let y = MARGIN.1 + row * (PANEL.1 + 2.0 * MARGIN.1);
        panel(&mut out, change, x, y);
    }
    out + "</svg>\n"
}

fn panel(out: &mut String, change: &Change, x: f64, y: f64) {
    let blocks = || change.runs.iter().flatten();
    let end_s = change.length_ms as f64 / 1_000.0;
    let levels = || blocks().map(|block| block.difficulty).chain([change.suits]);
    let low = levels().fold(f64::INFINITY, f64::min).log10().floor();
    let high = levels().fold(0.0, f64::max).log10().ceil();
    let across = |seconds: f64| x + seconds / end_s * PANEL.0;
    let up = |difficulty: f64| y + (high - difficulty.log10()) / (high - low) * PANEL.1;
    put(out, format_args!("<text class=\"t\" x=\"{x}\" y=\"{:.0}\">{}</text>", y - 12.0, change.title));
    let mut power = low;
    while power <= high {
        let (level, label) = (up(10_f64.powf(power)), 10_f64.powf(power));
        put(out, format_args!("<path class=\"grid\" d=\"M{x} {level:.1}h{}\"/>", PANEL.0));
        let (left, base) = (x - 6.0, level + 4.0);
        put(out, format_args!("<text x=\"{left}\" y=\"{base:.1}\" text-anchor=\"end\">{label}</text>"));
        power += 1.0;
    }
    for quarter in 0..=4 {
        let seconds = end_s * f64::from(quarter) / 4.0;
        let (at, base) = (across(seconds), y + PANEL.1 + 18.0);
        let anchor = if quarter == 4 { "end" } else { "middle" };
        let unit = if quarter == 4 { " s" } else { "" };
        let text = format_args!(
            "<text x=\"{at:.1}\" y=\"{base}\" text-anchor=\"{anchor}\">{seconds:.0}{unit}</text>"
        );
        put(out, text);
    }
    for run in &change.runs {
        let each = run.len().div_ceil(POINTS_MAX).max(1);
        let mut line = String::new();
        for block in run.iter().step_by(each) {
            let (at, level) = (across(block.time_ms as f64 / 1_000.0), up(block.difficulty));
            let command = if line.is_empty() { 'M' } else { 'L' };
            let _ = write!(line, "{command}{at:.1} {level:.1}");
        }
        put(out, format_args!("<path class=\"run\" d=\"{line}\"/>"));
    }
    let suits = up(change.suits);
    put(out, format_args!("<path class=\"suits\" d=\"M{x} {suits:.1}h{}\"/>", PANEL.0));
    put(out, format_args!("<path class=\"axis\" d=\"M{x} {y}v{}h{}\"/>", PANEL.1, PANEL.0));
}

fn put(out: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{line}");
}
