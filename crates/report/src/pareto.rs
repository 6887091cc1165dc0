//! Effectiveness against latency: points with the interval of their time, and the frontier of what no other row beats.

use std::fmt::Write as _;

use serde::Serialize;

use crate::drawing::{Scale, Tick, WIDTH, nice_step, range, rounded, value_ticks};
use crate::row::{Row, median_interval};
use crate::table::Table;

/// Width and height in units of the drawing, which the page scales.
const HEIGHT: f64 = 400.0;
/// Room for the names of the axes and the numbers beside ticks.
const LEFT: f64 = 66.0;
const RIGHT: f64 = 26.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 58.0;
/// Half of the room that the number of a point takes at the size it has on a phone.
const LABEL: (f64, f64) = (15.0, 11.0);
/// Half of the room that a point takes.
const POINT: (f64, f64) = (7.0, 7.0);

/// Effectiveness against latency.
#[derive(Debug, Serialize)]
pub(crate) struct Pareto {
    width: f64,
    height: f64,
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    x_ticks: Vec<Tick>,
    y_ticks: Vec<Tick>,
    points: Vec<Point>,
    /// The frontier as steps: a row is the best at its latency and above, until the next.
    frontier: String,
}

#[derive(Debug, Serialize)]
struct Point {
    row: usize,
    x: f64,
    y: f64,
    /// The two ends of the interval of the time, in units of the drawing.
    low: f64,
    high: f64,
    text_x: f64,
    text_y: f64,
    /// Whether the number stands so far off that a line has to lead to its point.
    is_led: bool,
}

/// The plot of a table, if it has a measure and two rows.
pub(crate) fn pareto(table: &Table) -> Option<Pareto> {
    if table.rows.len() < 2 || table.measures.is_empty() {
        return None;
    }
    let time = |row: &Row| row.latency.p50_ms.max(1e-4).log10();
    let ends = |row: &Row| median_interval(&row.latency).map(|end| end.max(1e-4).log10());
    let value = |row: &Row| row.values[0].value;
    let (fastest, slowest) = range(table.rows.iter().flat_map(ends));
    let (worst, best) = range(table.rows.iter().map(value));
    let margin = ((slowest - fastest) * 0.05).max(0.1);
    let x = Scale { from: fastest - margin, to: slowest + margin, start: LEFT, end: WIDTH - RIGHT };
    let step = nice_step(best - worst);
    let (low, high) = (below(worst, step), below(best, step) + step);
    let y = Scale { from: low, to: high, start: HEIGHT - BOTTOM, end: TOP };
    let places: Vec<(f64, f64)> =
        table.rows.iter().map(|row| (x.at(time(row)), y.at(value(row)))).collect();
    let intervals: Vec<[f64; 2]> =
        table.rows.iter().map(|row| ends(row).map(|end| x.at(end))).collect();
    Some(Pareto {
        width: WIDTH,
        height: HEIGHT,
        left: LEFT,
        right: WIDTH - RIGHT,
        top: TOP,
        bottom: HEIGHT - BOTTOM,
        x_ticks: time_ticks(&x),
        y_ticks: value_ticks(&y, step),
        frontier: frontier(table, &places),
        points: points(&places, &intervals),
    })
}

/// The largest multiple of `step` that is less than a value, so that no point lies on the frame.
fn below(value: f64, step: f64) -> f64 {
    (value / step - 0.1).floor() * step
}

/// Powers of ten in milliseconds; where fewer than three are in sight, 1, 2 and 5 of each, or all ten parts.
fn time_ticks(x: &Scale) -> Vec<Tick> {
    let ticks = |factors: &[f64]| -> Vec<Tick> {
        let powers = (x.from.floor() as i32..=x.to.ceil() as i32).map(|power| 10f64.powi(power));
        let times = powers.flat_map(|power| factors.iter().map(move |factor| factor * power));
        let inside = times.filter(|time| (x.from..=x.to).contains(&time.log10()));
        inside.map(|time| Tick { at: x.at(time.log10()), text: duration(time) }).collect()
    };
    let choices: [&[f64]; 3] =
        [&[1.0], &[1.0, 2.0, 5.0], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]];
    let found = choices.iter().map(|factors| ticks(factors)).find(|ticks| ticks.len() >= 3);
    found.unwrap_or_else(|| ticks(choices[2]))
}

/// A time of one figure, as people write it: `20 µs`, `5 ms`, `2 s`.
fn duration(milliseconds: f64) -> String {
    const UNITS: [(f64, &str); 3] = [(1000.0, "s"), (1.0, "ms"), (1e-3, "µs")];
    let is_reached = |&&(size, _): &&(f64, &str)| milliseconds >= 0.999 * size;
    let &(size, unit) = UNITS.iter().find(is_reached).unwrap_or(&UNITS[2]);
    let value = milliseconds / size;
    if value >= 0.999 { format!("{value:.0} {unit}") } else { format!("{value:.1} {unit}") }
}

fn frontier(table: &Table, places: &[(f64, f64)]) -> String {
    let rows = table.rows.iter().zip(places).filter(|(row, _)| row.on_frontier);
    let mut steps: Vec<(f64, f64)> = rows.map(|(_, &place)| place).collect();
    steps.sort_by(|a, b| a.0.total_cmp(&b.0));
    let Some(&(first_x, _)) = steps.first() else { return String::new() };
    let mut path = format!("M{first_x} {}", HEIGHT - BOTTOM);
    for (x, y) in steps {
        let _ = write!(path, "H{x}V{y}");
    }
    path + &format!("H{}", WIDTH - RIGHT)
}

/// Directions in which a number may stand off its point, and how far; the first free place is taken.
const DISTANCES: [f64; 5] = [20.0, 34.0, 50.0, 68.0, 88.0];
const DIRECTIONS: u32 = 12;

/// Points with a number each; no number lies over a point or another number while there is a free place around.
fn points(places: &[(f64, f64)], intervals: &[[f64; 2]]) -> Vec<Point> {
    let mut taken: Vec<((f64, f64), (f64, f64))> =
        places.iter().map(|&place| (place, POINT)).collect();
    let mut points = Vec::new();
    for (row, (&(x, y), &[low, high])) in places.iter().zip(intervals).enumerate() {
        let around = |&distance: &f64| {
            (0..DIRECTIONS).map(move |turn| {
                let angle = f64::from(turn) / f64::from(DIRECTIONS) * std::f64::consts::TAU;
                (distance, (x + distance * angle.cos(), y - distance * angle.sin()))
            })
        };
        let candidates: Vec<(f64, (f64, f64))> = DISTANCES.iter().flat_map(around).collect();
        let is_free = |&&(_, place): &&(f64, (f64, f64))| {
            is_inside(place) && !taken.iter().any(|&(at, room)| overlap(place, at, room))
        };
        let &(distance, place) = candidates.iter().find(is_free).unwrap_or(&candidates[0]);
        taken.push((place, LABEL));
        let (text_x, text_y) = (rounded(place.0), rounded(place.1));
        let is_led = distance > DISTANCES[0];
        points.push(Point { row, x, y, low, high, text_x, text_y, is_led });
    }
    points
}

fn is_inside((x, y): (f64, f64)) -> bool {
    (LEFT + LABEL.0..=WIDTH - LABEL.0).contains(&x)
        && (TOP + LABEL.1 - 8.0..=HEIGHT - BOTTOM - LABEL.1).contains(&y)
}

/// Whether a number at `place` lies over what takes `room` at `at`.
fn overlap(place: (f64, f64), at: (f64, f64), room: (f64, f64)) -> bool {
    (place.0 - at.0).abs() < LABEL.0 + room.0 && (place.1 - at.1).abs() < LABEL.1 + room.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_people_write_them() {
        let written = [0.005, 0.2, 1.0, 50.0, 1000.0, 20_000.0].map(duration);
        assert_eq!(written, ["5 µs", "200 µs", "1 ms", "50 ms", "1 s", "20 s"]);
    }

    #[test]
    fn an_axis_has_three_ticks_or_more_and_no_crowd() {
        let texts = |from: f64, to: f64| -> Vec<String> {
            let x = Scale { from: from.log10(), to: to.log10(), start: 0.0, end: 100.0 };
            time_ticks(&x).into_iter().map(|tick| tick.text).collect()
        };
        assert_eq!(texts(0.01, 300.0), ["10 µs", "100 µs", "1 ms", "10 ms", "100 ms"]);
        assert_eq!(texts(0.9, 12.0), ["1 ms", "2 ms", "5 ms", "10 ms"]);
        assert_eq!(texts(2.5, 6.5), ["3 ms", "4 ms", "5 ms", "6 ms"]);
    }

    #[test]
    fn no_number_lies_over_another_or_over_a_point() {
        // Nine rows of one speed and quality, and a tenth beside them.
        let mut places = vec![(300.0, 200.0); 9];
        places.push((330.0, 200.0));
        let points = points(&places, &[[290.0, 310.0]; 10]);
        for (i, point) in points.iter().enumerate() {
            let place = (point.text_x, point.text_y);
            for (j, other) in points.iter().enumerate() {
                assert!(!overlap(place, (other.x, other.y), POINT), "{i} lies over point {j}");
                let apart = i == j || !overlap(place, (other.text_x, other.text_y), LABEL);
                assert!(apart, "{i} lies over {j}");
            }
        }
        assert!(!points[0].is_led && points[8].is_led);
    }
}
