//! The model card that is written beside the weights.

use crate::recipe::{Head, Recipe};
use crate::watch::Outcome;

/// The text of the model card: what the model is, how it was made, and what it was measured at.
pub(crate) fn write(recipe: &Recipe, vocab: usize, outcome: &Outcome) -> String {
    let model = &recipe.model;
    let kind = match &recipe.head {
        Head::Dense(_) => "a dense encoder",
        Head::Sparse(_) => "a sparse encoder",
        Head::TermWeights(_) => "an encoder of term weights",
        Head::Late(_) => "an encoder for late interaction",
        Head::CrossEncoder(_) => "a cross-encoder",
        Head::MaskedLm(_) => "a masked language model",
    };
    let measured = match (&recipe.validation, outcome.best) {
        (Some(validation), Some((value, step))) => format!(
            "{} {value:.4} on the validation pool (`{}`, the first {} queries) after {step} steps; these weights were kept.",
            validation.measure,
            validation.queries.display(),
            validation.limit
        ),
        _ => "Not measured while it was trained; the last weights were kept.".to_owned(),
    };
    let recipe_text = serde_json::to_string_pretty(recipe).unwrap_or_default();
    format!(
        "# {summary}\n\n\
         Trained by `nir train`: {kind} of {parameters} parameters, {layers} blocks of width {hidden}, {vocab} word pieces.\n\n\
         ## Figures\n\n{measured}\nA small pool says which weights to keep, not how good a model is: measure it with `nir run`.\n\n\
         ## Recipe\n\nThe same recipe on the same data and kind of processor gives the same weights.\n\n\
         ```json\n{recipe_text}\n```\n",
        summary = recipe.summary,
        parameters = outcome.parameters,
        layers = model.layers,
        hidden = model.hidden,
    )
}
