//! A tuned method is not measured on the queries that its parameters were chosen on.

use std::collections::HashSet;

use anyhow::{Context as _, Result, bail};
use nir_catalogue::Tuned;
use nir_core::Digest;
use nir_data::Dataset;

use crate::pipeline::Pipeline;

/// What a query's text is known by: the same words in another case or with other spaces are the same query.
pub fn fingerprint(text: &str) -> String {
    let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
    Digest::of(words.join(" ")).hex()[..16].to_owned()
}

/// Refuses a method, or one that it fuses, that was tuned on a query of `dataset`.
///
/// # Errors
///
/// Where a query is one of the training queries, or their file is not beside the config.
pub fn check_not_tuned_on(pipeline: &Pipeline, dataset: &Dataset) -> Result<()> {
    if let Some(tuned) = &pipeline.method.tuned {
        let shared = shared(tuned, pipeline, dataset)?;
        if shared > 0 {
            bail!(
                "{}: {shared} of {} queries of {} are those that its parameters were chosen on ({}), so a figure would flatter it: \
                 measure it on other queries",
                pipeline.method.source.path(),
                dataset.queries.len(),
                dataset.name,
                tuned.on
            );
        }
    }
    pipeline.inputs.iter().try_for_each(|input| check_not_tuned_on(input, dataset))
}

/// How many queries of a dataset are training queries.
fn shared(tuned: &Tuned, pipeline: &Pipeline, dataset: &Dataset) -> Result<usize> {
    if tuned.dataset == dataset.digest.hex() {
        return Ok(dataset.queries.len());
    }
    let folder = pipeline.method.source.folder().unwrap_or(std::path::Path::new(""));
    let path = folder.join(&tuned.queries);
    let text = std::fs::read_to_string(&path).with_context(|| {
        format!(
            "{}: `[tuned]` names the training queries in {}, which cannot be read: put the file back, or tune anew",
            pipeline.method.source.path(),
            path.display()
        )
    })?;
    let known: HashSet<&str> =
        text.lines().skip(1).filter_map(|line| line.split('\t').nth(1)).collect();
    let is_known = |text: &str| known.contains(fingerprint(text).as_str());
    Ok(dataset.queries.iter().filter(|query| is_known(&query.text)).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_spaces_do_not_make_another_query() {
        assert_eq!(fingerprint("Green  tea"), fingerprint("green tea"));
        assert_ne!(fingerprint("green tea"), fingerprint("green teas"));
    }
}
