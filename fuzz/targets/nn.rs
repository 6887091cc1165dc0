//! Checkpoints: `nir-nn`.

use std::fs;
use std::path::Path;

use nir_nn::checkpoint::Checkpoint;
use nir_nn::heads::Vector;
use nir_nn::{Backend, Input, Model, Pooling, Tokenizer, Truncation};

const CONFIG: &[u8] = include_bytes!("../corpus/architecture/tiny.json");
const WEIGHTS: &[u8] = include_bytes!("../corpus/weights/tiny.safetensors");
const TOKENIZER: &[u8] = include_bytes!("../corpus/tokenizer/tiny.json");

/// Loads a checkpoint whose file `name` is the input, and encodes a text with it. A problem names the folder.
fn checkpoint(name: &str, input: &[u8]) {
    let folder = tempfile::tempdir().expect("there is a folder of temporary files");
    let folder = folder.path();
    for (file, content) in
        [("config.json", CONFIG), ("model.safetensors", WEIGHTS), ("tokenizer.json", TOKENIZER)]
    {
        let content = if file == name { input } else { content };
        fs::write(folder.join(file), content).expect("and it can be written to");
    }
    if let Err(problem) = encode(folder) {
        assert!(
            problem.contains(&folder.display().to_string()),
            "this error names no file: {problem}"
        );
    }
}

fn encode(folder: &Path) -> Result<(), String> {
    let checkpoint = Checkpoint::in_folder(folder).map_err(|error| error.to_string())?;
    let backend = Backend::reference();
    let load = Model::load(&checkpoint, None, &backend, &[], |architecture, tensors| {
        Vector::load(architecture, tensors, Pooling::Mean, None)
    });
    let model = load.map_err(|error| error.to_string())?;
    let tokens = tokens(&model.tokenizer)?;
    let rows = model.head.rows();
    model.encoder.hidden(&tokens, rows).map_err(|error| error.to_string())?;
    Ok(())
}

fn tokens(tokenizer: &Tokenizer) -> Result<Vec<nir_nn::Tokens>, String> {
    let mut all = Vec::new();
    for template in
        [vec!["{text}".to_owned()], vec!["query: {text}".to_owned(), "{text}".to_owned()]]
    {
        let input =
            Input { template, lower_case: false, special_tokens: true, max_length: 8, fill: None };
        let bound =
            tokenizer.bind(&input, Truncation::Longest).map_err(|error| error.to_string())?;
        for text in
            ["", "a text", "Ünïcödé \u{1f600} \0 and a_very_long_word_that_no_vocabulary_has"]
        {
            all.push(bound.encode(|_| text.to_owned()).map_err(|error| error.to_string())?);
        }
    }
    Ok(all)
}

/// `config.json`.
pub(crate) fn architecture(input: &[u8]) {
    checkpoint("config.json", input);
}

/// `model.safetensors`.
pub(crate) fn weights(input: &[u8]) {
    checkpoint("model.safetensors", input);
}

/// `tokenizer.json`.
pub(crate) fn tokenizer(input: &[u8]) {
    checkpoint("tokenizer.json", input);
}
