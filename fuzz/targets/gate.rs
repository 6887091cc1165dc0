//! Baselines: `nir-gate`.

use std::path::Path;

use nir_catalogue::Gate;
use nir_gate::{Baseline, annotations, compare, junit};

/// A baseline, held against itself and printed in every form.
pub(crate) fn baseline(input: &[u8]) {
    const GATE: &str = "methods = []\nrankings = 'same'\nslower = 1.5\nfaster = 2.0";
    let baseline = match Baseline::parse(Path::new("gate/ci.json"), &String::from_utf8_lossy(input))
    {
        Ok(baseline) => baseline,
        Err(problem) => {
            return assert!(problem.to_string().starts_with("gate/ci.json"), "{problem}");
        }
    };
    let gate: Gate = toml::from_str(GATE).expect("it is a gate");
    let rows: Vec<_> = baseline.rows.iter().map(|row| (row.clone(), &gate)).collect();
    for build in ["debug x86_64", "release x86_64"] {
        let Ok(checks) = compare(&baseline, &rows, build) else { continue };
        junit("ci", &checks).ok();
        annotations(&checks, str::to_owned);
    }
    let again = Baseline::parse(Path::new("gate/ci.json"), &baseline.text());
    assert!(again.is_ok(), "what was read reads back: {again:?}");
}
