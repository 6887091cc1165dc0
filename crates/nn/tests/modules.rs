//! sentence-transformers models by their own files, against the vectors that sentence-transformers gives
//! (`tests/oracles/modules.py`); and configs that say otherwise than the files.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};

use nir_nn::checkpoint::{Checkpoint, Location};
use nir_nn::contract::Head;
use nir_nn::heads::{Projection, Vector};
use nir_nn::{
    Backend, Contract, Input, Model, Pooling, Poolings, Role, Similarity, Tokens, Truncation,
    check_prompt, prompt,
};
use serde::Deserialize;
use tempfile::TempDir;

#[derive(Deserialize)]
struct Expected {
    texts: Vec<String>,
    queries: Vec<Vec<f32>>,
    documents: Vec<Vec<f32>>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/modules")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(|entry| entry.unwrap()) {
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name())),
            false => drop(fs::copy(entry.path(), to.join(entry.file_name())).unwrap()),
        }
    }
}

/// The encoder with the files of one variant around it.
fn whole(name: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let over = root().join(name);
    copy(&over, folder.path());
    let inside = fs::read_to_string(over.join("move.txt")).unwrap_or_default();
    let inside = folder.path().join(inside.trim());
    copy(&root().join("base"), &inside);
    if inside != folder.path() {
        fs::remove_file(inside.join("model.safetensors")).unwrap();
        fs::rename(folder.path().join("pytorch_model.bin"), inside.join("pytorch_model.bin"))
            .unwrap();
    }
    folder
}

fn write(folder: &TempDir, name: &str, text: &str) {
    fs::create_dir_all(folder.path().join(name).parent().unwrap()).unwrap();
    fs::write(folder.path().join(name), text).unwrap();
}

fn open(folder: &TempDir) -> (Checkpoint, Location) {
    let location = Location::Folder(folder.path().to_owned());
    (Checkpoint::in_folder(folder.path()).unwrap(), location)
}

fn contract(folder: &TempDir) -> Result<Contract, String> {
    Contract::read(&open(folder).0).map_err(|error| error.to_string())
}

/// The vectors of texts, as the checkpoint says of itself.
fn vectors(folder: &TempDir, role: Role, texts: &[String]) -> Result<Vec<Vec<f32>>, nir_nn::Error> {
    let (checkpoint, location) = open(folder);
    let (contract, backend) = (Contract::read(&checkpoint)?, Backend::reference());
    let chain = contract.chain.as_ref().unwrap();
    let Head::Pooling { pooling, .. } = &chain.head else { panic!("it is no bi-encoder") };
    let model = Model::load(&checkpoint, None, &backend, &[], |architecture, tensors| {
        let head = Vector::load(architecture, tensors, pooling.clone(), None)?;
        head.with_chain(chain, &checkpoint, &backend)
    })?;
    let prompt = prompt(&checkpoint, &contract, &location, role)?.unwrap_or_default().0;
    let template = vec![format!("{prompt}{{text}}")];
    let max_length = contract.max_length.as_ref().map_or(40, |said| said.value);
    let input = Input { lower_case: false, template, special_tokens: true, max_length, fill: None };
    check_prompt(&checkpoint, &contract, &location, &input, role, &[])?;
    let bound = model.tokenizer.bind(&input, Truncation::Longest)?;
    let skipped = if contract.includes_prompt() { 0 } else { bound.prompt_length()? };
    let tokens: Vec<Tokens> =
        texts.iter().map(|text| bound.encode(|_| text.clone())).collect::<Result<_, _>>()?;
    let table = model
        .head
        .table(&model.encoder, &tokens, skipped, Similarity::Dot, |i| texts[i].clone())?;
    assert_eq!(table.width, model.head.dim());
    Ok(table.rows.chunks_exact(table.width).map(<[f32]>::to_vec).collect())
}

#[test]
fn every_module_computes_what_sentence_transformers_does() {
    let mut names: Vec<String> = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "base")
        .collect();
    names.sort();
    assert_eq!(names.len(), 13);
    for name in names {
        let folder = whole(&name);
        let expected: Expected =
            serde_json::from_slice(&fs::read(root().join(&name).join("expected.json")).unwrap())
                .unwrap();
        for (role, expected_rows) in
            [(Role::Query, &expected.queries), (Role::Document, &expected.documents)]
        {
            let found = vectors(&folder, role, &expected.texts)
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            for ((found, expected), text) in found.iter().zip(expected_rows).zip(&expected.texts) {
                assert_eq!(found.len(), expected.len(), "{name}");
                let off =
                    found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(
                    off <= 1e-5,
                    "{name}, {role:?}, `{text}`: off by {off}: {found:?} {expected:?}"
                );
            }
        }
    }
}

#[track_caller]
fn assert_says(error: &str, parts: &[&str]) {
    for part in parts {
        assert!(error.contains(part), "`{part}` is not in: {error}");
    }
}

/// What a config that says this hears of the checkpoint.
fn held(
    folder: &TempDir,
    pooling: Pooling,
    projection: Option<&str>,
    similarity: Similarity,
    overrides: &[&str],
) -> Result<bool, String> {
    let projection = projection.map(|linear| Projection { linear: linear.to_owned(), norm: None });
    let overrides: Vec<String> = overrides.iter().map(|&one| one.to_owned()).collect();
    let contract = contract(folder)?;
    let held = contract.hold_vector(&pooling.into(), projection.as_ref(), similarity, &overrides);
    held.map(|chain| chain.is_some()).map_err(|error| error.to_string())
}

#[test]
fn a_config_that_says_otherwise_is_refused_unless_its_card_names_it() {
    use Similarity::{Cosine, Dot};
    let dense = whole("dense-normalize");
    assert_eq!(held(&dense, Pooling::Mean, None, Cosine, &[]), Ok(true));
    let error = held(&dense, Pooling::Cls, None, Cosine, &[]).unwrap_err();
    assert_says(
        &error,
        &[
            "1_Pooling/config.json: says pooling = \"mean\", and the config says pooling = \"cls\"",
            "overrides = [\"pooling\"]",
        ],
    );
    assert_eq!(held(&dense, Pooling::Cls, None, Cosine, &["pooling"]), Ok(true));
    let error = held(&dense, Pooling::Mean, Some("linear"), Cosine, &[]).unwrap_err();
    assert_says(
        &error,
        &[
            "modules.json: says projection = `2_Dense`, `3_Dense`, Normalize, and the config says projection = { linear = \"linear\" }",
            "without `projection` its own layers are applied",
        ],
    );
    assert_eq!(held(&dense, Pooling::Mean, None, Cosine, &["projection"]), Ok(false));

    let dot = whole("cls-layer-norm");
    assert_eq!(held(&dot, Pooling::Cls, None, Dot, &[]), Ok(true));
    let error = held(&dot, Pooling::Cls, None, Cosine, &[]).unwrap_err();
    assert_says(
        &error,
        &[
            "config_sentence_transformers.json: says similarity = \"dot\", and the config says similarity = \"cosine\"",
        ],
    );
    write(&dot, "config_sentence_transformers.json", r#"{"similarity_fn_name": "euclidean"}"#);
    assert!(held(&dot, Pooling::Cls, None, Dot, &[]).unwrap_err().contains("\"euclidean\""));
    assert_eq!(held(&dot, Pooling::Cls, None, Dot, &["similarity"]), Ok(true));
    write(&dot, "config_sentence_transformers.json", r#"{"similarity_fn_name": "dot_product"}"#);
    assert_eq!(held(&dot, Pooling::Cls, None, Dot, &[]), Ok(true));
    // Vectors of length 1 have one product.
    write(&dense, "config_sentence_transformers.json", r#"{"similarity_fn_name": "cosine"}"#);
    assert_eq!(held(&dense, Pooling::Mean, None, Dot, &[]), Ok(true));
}

#[test]
fn a_text_is_read_as_far_as_the_checkpoint_reads_it() {
    let contract = contract(&whole("lower-case-short")).unwrap();
    let hold = |length, exactly, overrides: &[String]| {
        contract.hold_length(length, exactly, overrides).map_err(|error| error.to_string())
    };
    assert_eq!(hold(9, true, &[]), Ok(()));
    assert_eq!(hold(5, false, &[]), Ok(()), "a query may be cut sooner");
    for (length, exactly) in [(128, true), (5, true), (10, false)] {
        let error = hold(length, exactly, &[]).unwrap_err();
        let expected = format!(
            "sentence_bert_config.json: says max_length = 9, and the config says max_length = {length}"
        );
        assert_says(&error, &[&expected]);
        assert_eq!(hold(length, exactly, &["max_length".to_owned()]), Ok(()));
    }
}

#[test]
fn a_module_that_nobody_knows_is_refused() {
    let folder = whole("weighted-mean");
    let modules = fs::read_to_string(folder.path().join("modules.json")).unwrap();
    for (from, to, parts) in [
        (
            "models.Pooling",
            "models.CNN",
            ["module `sentence_transformers.models.CNN` in `1_Pooling`", "expected Pooling, Dense"],
        ),
        (
            "sentence_transformers.models.Pooling",
            "custom.Pooling",
            ["module `custom.Pooling`", "not known here"],
        ),
        (
            "models.Transformer",
            "models.BoW",
            ["begins with the module `sentence_transformers.models.BoW`", "modules.json"],
        ),
        (
            "models.Pooling",
            "models.Dense",
            ["`sentence_transformers.models.Dense` before pooling", "every token"],
        ),
        (
            "\"path\": \"1_Pooling\"",
            "\"path\": \"7_Pooling\"",
            ["names `7_Pooling`", "there is no 7_Pooling/config.json"],
        ),
        (
            "\"path\": \"\"",
            "\"path\": \"0_Transformer\"",
            ["the encoder lies in `0_Transformer`", "it lies in ``"],
        ),
    ] {
        assert!(modules.contains(from), "{modules}");
        write(&folder, "modules.json", &modules.replace(from, to));
        assert_says(&contract(&folder).unwrap_err(), &parts);
    }
    write(&folder, "modules.json", &modules);
    for (text, part) in [
        (
            r#"{"pooling_mode": "median"}"#,
            "`pooling_mode` is \"median\": expected one of cls, max, mean",
        ),
        (
            r#"{"pooling_mode_attention": true}"#,
            "has `pooling_mode_attention` = true, which is not known here",
        ),
    ] {
        write(&folder, "1_Pooling/config.json", text);
        assert_says(&contract(&folder).unwrap_err(), &["1_Pooling/config.json", part]);
    }
}

#[test]
fn a_layer_that_does_not_fit_is_refused() {
    let texts = ["bread".to_owned()];
    let config = "2_Dense/config.json";
    let file = root().join("dense-normalize").join(config);
    let text = fs::read_to_string(file).unwrap();
    for (from, to, parts) in [
        ("\"in_features\": 16", "\"in_features\": 24", ["`in_features` is 24", "gives 16 numbers"]),
        (
            "activation.Tanh",
            "activation.Softmax",
            ["`torch.nn.modules.activation.Softmax`", "expected one of"],
        ),
        ("\"bias\": true", "\"bias\": false", ["2_Dense", "does not use"]),
        (
            "\"bias\": true",
            "\"bias\": true, \"depth\": 2",
            ["unknown field `depth`", "2_Dense/config.json"],
        ),
    ] {
        let folder = whole("dense-normalize");
        assert!(text.contains(from), "{text}");
        write(&folder, config, &text.replace(from, to));
        let error = vectors(&folder, Role::Query, &texts).unwrap_err().to_string();
        assert_says(&error, &parts);
    }
    let folder = whole("dense-normalize");
    fs::remove_file(folder.path().join("2_Dense/model.safetensors")).unwrap();
    let error = vectors(&folder, Role::Query, &texts).unwrap_err().to_string();
    assert_says(&error, &["2_Dense: has no weights"]);
}

/// A prefix that a model card demands is looked for by every name that a folder has.
#[test]
fn a_forgotten_prefix_is_refused_in_a_folder_too() {
    let check = |folder: &Path, template: &str| {
        let checkpoint = Checkpoint::in_folder(folder).unwrap();
        let contract = Contract::read(&checkpoint).unwrap();
        let input = Input {
            lower_case: false,
            template: vec![template.to_owned()],
            special_tokens: true,
            max_length: 9,
            fill: None,
        };
        let location = Location::Folder(folder.to_owned());
        check_prompt(&checkpoint, &contract, &location, &input, Role::Query, &[])
            .map_err(|error| error.to_string())
    };
    let folder = tempfile::tempdir().unwrap();
    let e5 = folder.path().join("e5-small-v2");
    copy(&root().join("base"), &e5);
    let error = check(&e5, "{text}").unwrap_err();
    assert_says(
        &error,
        &[
            "prefix `query: ` before queries (the model card of e5-small-v2)",
            "overrides = [\"prompt\"]",
        ],
    );
    assert_eq!(check(&e5, "query: {text}"), Ok(()));
    let renamed = folder.path().join("mine");
    copy(&root().join("base"), &renamed);
    assert_eq!(check(&renamed, "{text}"), Ok(()));
    let config = fs::read_to_string(renamed.join("config.json")).unwrap();
    let saved = config.replacen('{', r#"{"_name_or_path": "BAAI/bge-base-en-v1.5","#, 1);
    fs::write(renamed.join("config.json"), saved).unwrap();
    assert_says(&check(&renamed, "{text}").unwrap_err(), &["bge-base-en-v1.5"]);
}

#[test]
fn several_ways_to_pool_are_joined_in_the_librarys_order() {
    let contract = contract(&whole("cls-and-mean")).unwrap();
    let Head::Pooling { pooling, .. } = &contract.chain.as_ref().unwrap().head else { panic!() };
    assert_eq!(pooling.iter().collect::<Vec<_>>(), [Pooling::Cls, Pooling::Mean]);
    let written: Poolings = serde_json::from_str(&pooling.to_string()).unwrap();
    assert_eq!(&written, pooling);
}

/// model2vec's folders name one module that pools by itself, and Normalize behind it.
#[test]
fn static_embeddings_are_a_mean() {
    let folder = tempfile::tempdir().unwrap();
    copy(&root().join("../static"), folder.path());
    let (first, second) = (
        r#"{"idx": 0, "name": "0", "path": ".", "type": "sentence_transformers.models.StaticEmbedding"}"#,
        r#"{"idx": 1, "name": "1", "path": "1_Normalize", "type": "sentence_transformers.models.Normalize"}"#,
    );
    write(&folder, "modules.json", &format!("[{first}, {second}]"));
    let chain = contract(&folder).unwrap().chain.unwrap();
    let Head::Pooling { pooling, .. } = &chain.head else { panic!("{chain:?}") };
    assert!(pooling == &Pooling::Mean.into() && chain.is_normalised());
    let error = held(&folder, Pooling::Cls, None, Similarity::Cosine, &[]).unwrap_err();
    assert_says(&error, &["modules.json: says pooling = \"mean\""]);
    let alone = contract_of(&folder, first);
    assert!(!alone.is_normalised());
}

/// The chain of a folder whose only module this is.
fn contract_of(folder: &TempDir, module: &str) -> nir_nn::contract::Chain {
    write(folder, "modules.json", &format!("[{module}]"));
    contract(folder).unwrap().chain.unwrap()
}
