//! What a command line names: methods, comparisons and sweeps, by name or by the path of a file.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use nir_catalogue::{Method, Source, Sweep};
use nir_engine::{Library, Models, checkpoint, method_file};

use crate::names::did_you_mean;

/// Finds a method by its name, by its path below `configs`, by its own file, or by a checkpoint that it is read from.
pub(crate) fn method_of(what: &str, library: &Library, models: &Models) -> Result<Method> {
    match checkpoint::is_checkpoint(what) {
        true => checkpoint::method(what, models),
        false => method(what, library),
    }
}

/// Finds a method by its name, by its path below `configs`, or by its own file.
pub(crate) fn method(what: &str, library: &Library) -> Result<Method> {
    let name = comparison_name(what);
    if let Some(method) = library.methods.get(name) {
        return Ok(method.clone());
    }
    if Path::new(what).is_file() {
        return method_file(Path::new(what));
    }
    if let Some(comparison) = library.comparisons.get(name) {
        let methods: Vec<&str> =
            comparison.methods.iter().map(|method| method.as_ref().as_str()).collect();
        bail!("`{what}` is a comparison: name one of its methods, {}", methods.join(", "));
    }
    if checkpoint::is_checkpoint(what) {
        bail!(
            "`{what}` is a checkpoint, and no config: `nir run`, `nir search`, `nir encode` and `nir report` take one, and \
             `nir new method dense/mine --from {what}` writes its config"
        );
    }
    let comparisons: Vec<String> =
        library.comparisons.keys().map(|name| format!("configs/{name}.toml")).collect();
    let beside = files_beside(Path::new(what));
    let known = library.methods.keys().chain(&comparisons).chain(&beside).map(String::as_str);
    let meant = did_you_mean(what, known).map(|meant| meant + " ").unwrap_or_default();
    bail!(
        "`{what}` is neither a method nor a file; {meant}`nir list --methods` shows all methods, configs/*.toml are comparisons"
    );
}

/// The configs in the folder of `path`, as a user would type them, to suggest one for a misspelling.
fn files_beside(path: &Path) -> Vec<String> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let listed = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entries = std::fs::read_dir(listed).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let configs = names.filter(|name| name.ends_with(".toml"));
    configs.map(|name| folder.join(name).display().to_string()).collect()
}

/// Finds a sweep by its name, by its path below `configs`, or by its own file.
pub(crate) fn sweep(what: &str, library: &Library) -> Result<Sweep> {
    if let Some(sweep) = library.sweeps.get(comparison_name(what)) {
        return Ok(sweep.clone());
    }
    let path = Path::new(what);
    if !path.is_file() {
        let known: Vec<String> =
            library.sweeps.keys().map(|name| format!("configs/{name}.toml")).collect();
        bail!("`{what}` is neither a sweep nor a file: expected one of {}", known.join(", "));
    }
    let text = std::fs::read_to_string(path).with_context(|| what.to_owned())?;
    let name = format!("sweeps/{}", path.file_stem().unwrap_or_default().to_string_lossy());
    Ok(Sweep::parse(&name, Source::new(what, text))?)
}

/// Whether a file is a sweep: it has points and no stages.
pub(crate) fn is_sweep(what: &str) -> bool {
    let table =
        std::fs::read_to_string(what).ok().and_then(|text| text.parse::<toml::Table>().ok());
    table.is_some_and(|table| !table.contains_key("stage"))
}

/// The name of a comparison or method that is given as a path below `configs` or as a bare name.
pub(crate) fn comparison_name(what: &str) -> &str {
    what.strip_prefix("configs/").unwrap_or(what).trim_end_matches(".toml")
}
