//! The geometry of plots: scales, ticks, and strips of bars. Templates draw them, so that style sheets colour them.

use std::fmt::Write as _;

use serde::Serialize;

use crate::row::Row;
use crate::table::Table;

/// Width and height in units of the drawing, which the page scales.
pub(crate) const WIDTH: f64 = 720.0;
/// The height of one row of bars.
const STRIP: f64 = 72.0;
/// More queries than this are drawn as one shape: bars would be thinner than a line.
const BARS: usize = 200;

/// A tick of an axis: its place, and the label beside it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Tick {
    pub(crate) at: f64,
    pub(crate) text: String,
}

/// The differences of one row to the baseline, best query first.
#[derive(Debug, Serialize)]
pub(crate) struct Strip {
    row: usize,
    width: f64,
    height: f64,
    zero: f64,
    bars: Vec<Bar>,
    /// Whether the row differs significantly from the baseline: only then do its bars have a colour.
    is_significant: bool,
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
pub(crate) struct Scale {
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) start: f64,
    pub(crate) end: f64,
}

impl Scale {
    pub(crate) fn at(&self, value: f64) -> f64 {
        rounded(self.start + (value - self.from) / (self.to - self.from) * (self.end - self.start))
    }
}

/// A tenth of a unit is less than anyone sees, and keeps the page small.
pub(crate) fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

pub(crate) fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    })
}

/// A step of 1, 2 or 5 times a power of ten that cuts a range into about five.
pub(crate) fn nice_step(range: f64) -> f64 {
    let rough = (range / 5.0).max(1e-3);
    let power = 10f64.powf(rough.log10().floor());
    let factor = [1.0, 2.0, 5.0, 10.0].into_iter().find(|factor| factor * power >= rough * 0.999);
    factor.unwrap_or(10.0) * power
}

/// The multiples of `step` from the scale's beginning to its end, with as many decimals as they need.
pub(crate) fn value_ticks(scale: &Scale, step: f64) -> Vec<Tick> {
    let places = (-step.log10().floor()).max(0.0) as usize;
    let first = (scale.from / step - 1e-9).ceil() as i64;
    let last = (scale.to / step + 1e-9).floor() as i64;
    let values = (first..=last).map(|i| i as f64 * step);
    values.map(|value| Tick { at: scale.at(value), text: format!("{value:.places$}") }).collect()
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
    let against = row.values.first().and_then(|value| value.against.as_ref());
    let empty = Strip {
        is_significant: against.is_some_and(|one| one.is_significant),
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
    fn ticks_are_multiples_without_binary_dust() {
        let scale = Scale { from: -0.1, to: 0.2, start: 0.0, end: 300.0 };
        let ticks = value_ticks(&scale, 0.1);
        let found: Vec<_> = ticks.iter().map(|tick| (tick.at, tick.text.as_str())).collect();
        assert_eq!(found, [(0.0, "-0.1"), (100.0, "0.0"), (200.0, "0.1"), (300.0, "0.2")]);
    }

    #[test]
    fn a_shape_begins_and_ends_at_zero() {
        let drawn = shapes(&[10.0, 20.0, 36.0, 60.0], 36.0, 10.0);
        assert_eq!(drawn[0].1, "M0 36H0V10H10V20H20V36Z");
        assert_eq!(drawn[1].1, "M30 36H30V60H40V36Z");
    }
}
