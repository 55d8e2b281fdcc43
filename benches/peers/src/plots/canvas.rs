//! A frame with a logarithmic axis on the left and whatever is wanted below, and lines and points in it.
//!
//! ```text
//!   0        LEFT                     LEFT + WIDTH        RIGHT
//!   |        title
//!   | 100 k  +------------------------+   o name of a line
//!   |  10 k  |                        |
//!   |   1 k  +------------------------+
//!   |          1     4     16     64
//!   |               what is below
//! ```

use std::fmt::Write;

const LEFT: f64 = 80.0;
const TOP: f64 = 44.0;
const WIDTH: f64 = 430.0;
const HEIGHT: f64 = 260.0;
const RIGHT: f64 = 790.0;
const BOTTOM: f64 = TOP + HEIGHT + 56.0;

/// One for each line: they can be told from each other in grey too, and by those who see few colours.
const COLOURS: [&str; 5] = ["#0b5cad", "#d1720a", "#1a8a5a", "#8a4fa3", "#6b6b6b"];

/// A drawing that is being made.
pub(crate) struct Canvas {
    svg: String,
    /// Powers of ten: what is at the bottom and at the top.
    decades: (i32, i32),
    columns: usize,
    lines: usize,
}

impl Canvas {
    /// A frame with so many columns below, whose left axis has room for all these values.
    pub(crate) fn new(title: &str, below: &str, columns: &[&str], values: &[f64]) -> Self {
        let positive = || values.iter().copied().filter(|value| *value > 0.0);
        let (low, high) = (positive().fold(f64::MAX, f64::min), positive().fold(f64::MIN_POSITIVE, f64::max));
        let bottom = low.log10().floor() as i32;
        let decades = (bottom, (high.log10().ceil() as i32).max(bottom + 1));
        let mut canvas = Self { svg: String::new(), decades, columns: columns.len(), lines: 0 };
        canvas.add(&format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {RIGHT} {BOTTOM}" font-family="sans-serif" font-size="13">"#
        ));
        canvas.add(r##"<rect width="100%" height="100%" fill="#ffffff"/>"##);
        canvas.text(LEFT, TOP - 18.0, "start", title);
        canvas.text(LEFT + WIDTH / 2.0, TOP + HEIGHT + 42.0, "middle", below);
        canvas.grid(columns);
        canvas
    }

    fn grid(&mut self, columns: &[&str]) {
        for decade in self.decades.0..=self.decades.1 {
            let y = self.y(10f64.powi(decade));
            self.add(&format!(
                r##"<line x1="{LEFT}" y1="{y:.1}" x2="{:.1}" y2="{y:.1}" stroke="#dddddd"/>"##,
                LEFT + WIDTH
            ));
            self.text(LEFT - 8.0, y + 4.0, "end", &short(10f64.powi(decade)));
        }
        for (column, name) in columns.iter().enumerate() {
            self.text(self.x(column), TOP + HEIGHT + 20.0, "middle", name);
        }
    }

    /// A line through the values that there are, by column, and its name beside the frame.
    pub(crate) fn line(&mut self, name: &str, values: &[Option<f64>]) {
        let colour = COLOURS[self.lines % COLOURS.len()];
        let known = values.iter().enumerate().filter_map(|(column, value)| Some((column, (*value)?)));
        let points: Vec<(f64, f64, f64)> =
            known.map(|(column, value)| (self.x(column), self.y(value), value)).collect();
        let path: Vec<String> = points.iter().map(|(x, y, _)| format!("{x:.1},{y:.1}")).collect();
        self.add(&format!(
            r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="2"/>"#,
            path.join(" ")
        ));
        for (x, y, value) in points {
            self.add(&format!(
                r#"<circle cx="{x:.1}" cy="{y:.1}" r="4" fill="{colour}"><title>{}</title></circle>"#,
                short(value)
            ));
        }
        let y = TOP + 12.0 + 24.0 * self.lines as f64;
        self.add(&format!(r#"<circle cx="{:.1}" cy="{y:.1}" r="4" fill="{colour}"/>"#, LEFT + WIDTH + 24.0));
        self.text(LEFT + WIDTH + 36.0, y + 4.0, "start", name);
        self.lines += 1;
    }

    /// The file.
    pub(crate) fn finish(mut self) -> String {
        self.add("</svg>");
        self.svg
    }

    fn x(&self, column: usize) -> f64 {
        LEFT + WIDTH * (column as f64 + 0.5) / self.columns as f64
    }

    fn y(&self, value: f64) -> f64 {
        let (bottom, top) = (f64::from(self.decades.0), f64::from(self.decades.1));
        TOP + HEIGHT * (1.0 - (value.log10() - bottom) / (top - bottom))
    }

    fn text(&mut self, x: f64, y: f64, anchor: &str, text: &str) {
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        self.add(&format!(
            r##"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" fill="#222222">{text}</text>"##
        ));
    }

    fn add(&mut self, element: &str) {
        writeln!(self.svg, "{element}").expect("a string takes everything");
    }
}

/// Two digits at most, and a unit.
fn short(value: f64) -> String {
    match value {
        1e6.. => format!("{:.1} M", value / 1e6).replace(".0", ""),
        1e3.. => format!("{:.1} k", value / 1e3).replace(".0", ""),
        10.0.. => format!("{value:.0}"),
        _ => format!("{value:.2}").replace(".00", ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_between_its_powers_of_ten_and_the_frame_has_room_for_all() {
        let canvas = Canvas::new("t", "b", &["1", "2"], &[3.0, 40.0, 1000.0]);
        assert_eq!(canvas.decades, (0, 3));
        assert_eq!((canvas.y(1.0), canvas.y(1000.0)), (TOP + HEIGHT, TOP));
        assert!(canvas.y(3.0) > canvas.y(40.0) && canvas.x(0) < canvas.x(1));
    }

    #[test]
    fn a_missing_value_is_left_out_and_names_are_escaped() {
        let mut canvas = Canvas::new("t", "b", &["1", "2", "4"], &[3.0]);
        canvas.line("a < b & c", &[Some(3.0), None, Some(5.0)]);
        let svg = canvas.finish();
        assert_eq!(svg.matches("<circle").count(), 3, "two points and one beside the name");
        assert!(svg.contains("a &lt; b &amp; c") && svg.ends_with("</svg>\n"));
    }

    #[test]
    fn numbers_are_short() {
        let shorts = [1e6, 1.5e6, 1e5, 2500.0, 25.0, 0.5, 1.0].map(short);
        assert_eq!(shorts, ["1 M", "1.5 M", "100 k", "2.5 k", "25", "0.50", "1"]);
    }
}
