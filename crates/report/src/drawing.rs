//! The geometry of plots: where points, ticks and bars lie. Templates draw them, so that style sheets colour them.

use std::fmt::Write as _;

use serde::Serialize;

use crate::row::Row;
use crate::table::Table;

/// Units of the drawing; the page scales it.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 380.0;
/// Room for the names of the axes and the numbers beside ticks.
const LEFT: f64 = 62.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 48.0;
/// The height of one row of bars.
const STRIP: f64 = 72.0;
/// More queries than this are drawn as one shape: bars would be thinner than a line.
const BARS: usize = 200;

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
struct Tick {
    at: f64,
    text: String,
}

#[derive(Debug, Serialize)]
struct Point {
    x: f64,
    y: f64,
    row: usize,
    text_x: f64,
    text_y: f64,
    anchor: &'static str,
}

/// The differences of one row to the baseline, best query first.
#[derive(Debug, Serialize)]
pub(crate) struct Strip {
    row: usize,
    width: f64,
    height: f64,
    zero: f64,
    bars: Vec<Bar>,
    /// In place of bars, where there are many queries: what is above zero, and what is below.
    shapes: Vec<(&'static str, String)>,
}

#[derive(Debug, Serialize)]
struct Bar {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    sign: &'static str,
    query: usize,
}

/// A range of values on a range of the drawing.
struct Scale {
    from: f64,
    to: f64,
    start: f64,
    end: f64,
}

impl Scale {
    fn at(&self, value: f64) -> f64 {
        rounded(self.start + (value - self.from) / (self.to - self.from) * (self.end - self.start))
    }
}

/// A tenth of a unit is less than anyone sees, and keeps the page small.
fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// The plot of a table, if it has a measure and two rows.
pub(crate) fn pareto(table: &Table) -> Option<Pareto> {
    if table.rows.len() < 2 || table.measures.is_empty() {
        return None;
    }
    let time = |row: &Row| row.latency.p50_ms.max(1e-4).log10();
    let value = |row: &Row| row.values[0].value;
    let (fastest, slowest) = range(table.rows.iter().map(time));
    let (worst, best) = range(table.rows.iter().map(value));
    let margin = ((slowest - fastest) * 0.06).max(0.1);
    let x = Scale { from: fastest - margin, to: slowest + margin, start: LEFT, end: WIDTH - RIGHT };
    let step = nice_step(best - worst);
    let (low, high) = (below(worst, step), below(best, step) + step);
    let y = Scale { from: low, to: high, start: HEIGHT - BOTTOM, end: TOP };
    let places: Vec<(f64, f64)> =
        table.rows.iter().map(|row| (x.at(time(row)), y.at(value(row)))).collect();
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
        points: points(&places),
    })
}

fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    })
}

/// A step of 1, 2 or 5 times a power of ten that cuts a range into about five.
fn nice_step(range: f64) -> f64 {
    let rough = (range / 5.0).max(1e-3);
    let power = 10f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|factor| factor * power >= rough * 0.999);
    factor.unwrap_or(10.0) * power
}

/// The largest multiple of `step` that is less than a value, so that no point lies on the frame.
fn below(value: f64, step: f64) -> f64 {
    (value / step - 0.1).floor() * step
}

fn value_ticks(y: &Scale, step: f64) -> Vec<Tick> {
    let places = (-step.log10().floor()).max(0.0) as usize;
    let count = ((y.to - y.from) / step).round() as usize;
    let values = (0..=count).map(|i| y.from + i as f64 * step);
    values.map(|value| Tick { at: y.at(value), text: format!("{value:.places$}") }).collect()
}

/// 1, 2 and 5 of each power of ten, in milliseconds; where these are many, the powers alone.
fn time_ticks(x: &Scale) -> Vec<Tick> {
    let ticks = |factors: &[f64]| -> Vec<Tick> {
        let powers = (x.from.floor() as i32..=x.to.ceil() as i32).map(|power| 10f64.powi(power));
        let times = powers.flat_map(|power| factors.iter().map(move |factor| factor * power));
        let inside = times.filter(|time| (x.from..=x.to).contains(&time.log10()));
        inside.map(|time| Tick { at: x.at(time.log10()), text: plain(time) }).collect()
    };
    let all = ticks(&[1.0, 2.0, 5.0]);
    if all.len() <= 9 { all } else { ticks(&[1.0]) }
}

/// A number of at most one figure, without binary dust: `0.005`, `20`.
fn plain(value: f64) -> String {
    let places = (-value.log10().floor()).max(0.0) as usize;
    format!("{value:.places$}")
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

/// Half of the room that a point or its number takes.
const ROOM: (f64, f64) = (9.0, 8.0);

/// Points with a number each, in the first free place around it.
fn points(places: &[(f64, f64)]) -> Vec<Point> {
    const AROUND: [(f64, f64, &str); 8] = [
        (11.0, 0.0, "start"),
        (-11.0, 0.0, "end"),
        (0.0, -15.0, "middle"),
        (0.0, 15.0, "middle"),
        (11.0, -15.0, "start"),
        (11.0, 15.0, "start"),
        (-11.0, -15.0, "end"),
        (-11.0, 15.0, "end"),
    ];
    let mut taken: Vec<(f64, f64)> = places.to_vec();
    let mut points = Vec::new();
    for (row, &(x, y)) in places.iter().enumerate() {
        let middle = |&(dx, dy, _): &(f64, f64, &str)| {
            (x + dx + dx.signum() * f64::from(dx != 0.0) * 5.0, y + dy)
        };
        let is_free = |place: &&(f64, f64, &str)| {
            let (mx, my) = middle(place);
            taken.iter().all(|&(tx, ty)| {
                (tx - mx).abs() > ROOM.0 || (ty - my).abs() > ROOM.1 || (tx, ty) == (x, y)
            })
        };
        let place = AROUND.iter().find(is_free).unwrap_or(&AROUND[0]);
        taken.push(middle(place));
        let &(dx, dy, anchor) = place;
        points.push(Point {
            x,
            y,
            row,
            text_x: rounded(x + dx),
            text_y: rounded(y + dy + 4.0),
            anchor,
        });
    }
    points
}

/// One strip for each row that has differences; all rows of a table share one scale.
pub(crate) fn strips(table: &Table) -> Vec<Strip> {
    let all = table.rows.iter().flat_map(|row| &row.differences);
    let largest = all.map(|one| one.difference.abs()).fold(0.0, f64::max).max(1e-9);
    let rows = table.rows.iter().enumerate().filter(|(_, row)| !row.differences.is_empty());
    rows.map(|(i, row)| strip(i, row, largest)).collect()
}

fn strip(number: usize, row: &Row, largest: f64) -> Strip {
    let y = Scale { from: -largest, to: largest, start: STRIP, end: 0.0 };
    let zero = y.at(0.0);
    let heights: Vec<f64> = row.differences.iter().map(|one| y.at(one.difference)).collect();
    let width = WIDTH / heights.len() as f64;
    let empty = Strip {
        row: number,
        width: WIDTH,
        height: STRIP,
        zero,
        bars: Vec::new(),
        shapes: Vec::new(),
    };
    if heights.len() > BARS {
        return Strip { shapes: shapes(&heights, zero, width), ..empty };
    }
    let gap = if width > 6.0 { 2.0 } else { 0.5 };
    let bar = |(i, &top): (usize, &f64)| Bar {
        x: rounded(i as f64 * width),
        y: top.min(zero),
        width: rounded(width - gap),
        height: rounded((top - zero).abs()),
        sign: if top < zero { "up" } else { "down" },
        query: i,
    };
    let bars = heights.iter().enumerate().map(bar).filter(|bar| bar.height > 0.0).collect();
    Strip { bars, ..empty }
}

/// Sorted differences as two outlines: those above zero from the left, those below to the right.
fn shapes(heights: &[f64], zero: f64, width: f64) -> Vec<(&'static str, String)> {
    let outline = |from: usize, to: usize| {
        let mut path = format!("M{} {zero}", rounded(from as f64 * width));
        let mut last = f64::NAN;
        for (i, &height) in heights.iter().enumerate().take(to).skip(from) {
            if height != last {
                let _ = write!(path, "H{}V{height}", rounded(i as f64 * width));
                last = height;
            }
        }
        path + &format!("H{}V{zero}Z", rounded(to as f64 * width))
    };
    let won = heights.iter().take_while(|&&height| height < zero).count();
    let lost = heights.iter().rev().take_while(|&&height| height > zero).count();
    vec![("up", outline(0, won)), ("down", outline(heights.len() - lost, heights.len()))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_one_two_or_five_times_a_power_of_ten() {
        for (range, step) in [(0.3, 0.1), (0.05, 0.01), (0.09, 0.02), (1.0, 0.2), (0.24, 0.05)] {
            assert!((nice_step(range) - step).abs() < 1e-12, "{range}: {}", nice_step(range));
        }
    }

    #[test]
    fn times_are_written_without_binary_dust() {
        assert_eq!([0.005, 0.2, 1.0, 50.0].map(plain), ["0.005", "0.2", "1", "50"]);
    }

    #[test]
    fn equal_points_get_their_numbers_in_different_places() {
        let points = points(&[(100.0, 100.0), (100.0, 100.0), (101.0, 100.0)]);
        let places: Vec<_> = points.iter().map(|point| (point.text_x, point.text_y)).collect();
        assert!(places[0] != places[1] && places[1] != places[2] && places[0] != places[2]);
    }

    #[test]
    fn a_shape_begins_and_ends_at_zero() {
        let drawn = shapes(&[10.0, 20.0, 36.0, 60.0], 36.0, 10.0);
        assert_eq!(drawn[0].1, "M0 36H0V10H10V20H20V36Z");
        assert_eq!(drawn[1].1, "M30 36H30V60H40V36Z");
    }
}
