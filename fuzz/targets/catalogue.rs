//! Configs, cells and what stands beside them: `nir-catalogue`.

use nir_catalogue::{
    Comparison, Library, Method, Papers, PerQuery, Source, Sweep, leaderboard, read_cells,
};

const FILE: &str = "folder/name.toml";

/// A problem names the file.
fn named(problem: impl std::fmt::Display) {
    let problem = problem.to_string();
    assert!(problem.starts_with(FILE), "this error names no file: {problem}");
}

fn source(input: &[u8]) -> Source {
    Source::new(FILE, String::from_utf8_lossy(input))
}

/// A method, and every stage of it read as whatever it holds.
pub(crate) fn method(input: &[u8]) {
    match Method::parse("folder/name", source(input)) {
        Ok(method) => {
            method.digest();
            for stage in &method.stages {
                let read = stage.read(|table| {
                    let reader = toml::de::ValueDeserializer::from(table);
                    <toml::Table as serde::Deserialize>::deserialize(reader)
                });
                if let Err(problem) = read {
                    named(problem);
                }
                named(stage.error("no"));
            }
        }
        Err(problem) => named(problem),
    }
}

/// A comparison, and the gate of each of its methods.
pub(crate) fn comparison(input: &[u8]) {
    match Comparison::parse(source(input)) {
        Ok(comparison) => {
            for method in &comparison.methods {
                if let Err(problem) = comparison.gate(method) {
                    named(problem);
                }
            }
        }
        Err(problem) => named(problem),
    }
}

/// A sweep, and each of its points applied to a method.
pub(crate) fn sweep(input: &[u8]) {
    const METHOD: &str = "[card]\nname = 'mine'\npaper = 'key'\n[[stage]]\nuse = 'bi_encoder'\nindex = {}\ndepth = 1\n";
    let sweep = match Sweep::parse("sweeps/name", source(input)) {
        Ok(sweep) => sweep,
        Err(problem) => return named(problem),
    };
    let method = Method::parse("dense/mine", Source::new("mine.toml", METHOD)).expect("it is one");
    for group in &sweep.groups {
        for point in group.points.iter().take(8) {
            if let Err(problem) = sweep.applied(group, point, &method) {
                named(problem);
            }
        }
    }
}

/// The list of papers.
pub(crate) fn papers(input: &[u8]) {
    if let Err(problem) = Papers::parse(&source(input)) {
        named(problem);
    }
}

/// A cell in a folder of results, printed in the leaderboard.
pub(crate) fn cell(input: &[u8]) {
    let folder = tempfile::tempdir().expect("there is a folder of temporary files");
    let file = folder.path().join("cell.json");
    std::fs::write(&file, input).expect("and it can be written to");
    match read_cells(folder.path()) {
        Ok(cells) => {
            for cell in &cells {
                let (_, _) = (cell.path(), cell.label());
                cell.agrees_with(cell);
            }
            leaderboard(&Library::default(), &cells);
        }
        Err(problem) => {
            assert!(problem.to_string().starts_with(&file.display().to_string()), "{problem}");
        }
    }
}

/// Measures query by query.
pub(crate) fn per_query(input: &[u8]) {
    match PerQuery::parse(FILE, &String::from_utf8_lossy(input)) {
        Ok(table) => drop(table.get("nDCG@10").map(<[f64]>::to_vec)),
        Err(problem) => named(problem),
    }
}
