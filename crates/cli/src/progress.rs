//! Progress on standard error: bars on a terminal, a line for each step elsewhere.

use std::io::IsTerminal;

use crate::output::errln;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use nir_core::{Progress, Task};

/// Progress bars on standard error, one for each step that is under way.
#[derive(Debug, Default)]
pub(crate) struct Bars {
    bars: MultiProgress,
}

struct Bar(ProgressBar);

impl Progress for Bars {
    fn begin(&self, what: &str, unit: &'static str, total: u64) -> Box<dyn Task> {
        if !std::io::stderr().is_terminal() {
            announce(what, unit, total);
            return Box::new(nir_core::Silent);
        }
        let bar = if total == 0 { ProgressBar::new_spinner() } else { ProgressBar::new(total) };
        let bar = self.bars.add(bar.with_style(style(unit, total)).with_message(what.to_owned()));
        Box::new(Bar(bar))
    }
}

fn announce(what: &str, unit: &str, total: u64) {
    if total == 0 {
        errln!("{what}");
    } else {
        errln!("{what}: {total} {unit}");
    }
}

fn style(unit: &str, total: u64) -> ProgressStyle {
    let template = match (unit, total) {
        ("bytes", 0) => "{msg} {bytes} {bytes_per_sec}".to_owned(),
        ("bytes", _) => "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}".to_owned(),
        (_, 0) => format!("{{msg}} {{human_pos}} {unit} {{per_sec}}"),
        _ => format!("{{msg}} {{wide_bar}} {{human_pos}}/{{human_len}} {unit} {{eta}}"),
    };
    ProgressStyle::with_template(&template).expect("the templates above are well formed")
}

impl Task for Bar {
    fn advance(&self, units: u64) {
        self.0.inc(units);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
