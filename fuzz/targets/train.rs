//! Recipes, and the files that one recipe makes for another: `nir-train`.

use std::fs;
use std::ops::ControlFlow;

use candle_core::Device;
use nir_train::vectors::Stored;
use nir_train::{
    Folders, Kind, Recipe, Task, clusters, negatives, pack, train, vectors, vocabulary,
};

const DOCUMENTS: &str =
    "d1\tthe cat sat on the mat\nd2\ta dog ran in the park\nd3\tbirds sing at dawn\n";
const QUERIES: &str = "q1\twhere did the cat sit\nq2\twhat sings at dawn\n";
const QRELS: &str = "q1 0 d1 1\nq2 0 d3 1\n";
const EXAMPLES: &str = "q1\td1\td2\td3\nq2\td3\td1\td2\n";
const RUN: &str = "q1 Q0 d1 1 3 t\nq1 Q0 d2 2 2 t\nq1 Q0 d3 3 1 t\nq2 Q0 d3 1 3 t\nq2 Q0 d1 2 2 t\nq2 Q0 d2 3 1 t\n";
const CLUSTERS: &str = "q1\t0\nq2\t1\n";
const TOKENIZER: &[u8] = include_bytes!("../corpus/tokenizer/tiny.json");

/// A folder with what recipes of the corpus read.
struct Shop(tempfile::TempDir);

impl Shop {
    fn new() -> Self {
        let shop = Self(tempfile::tempdir().expect("there is a folder of temporary files"));
        for (name, text) in [
            ("documents.tsv", DOCUMENTS),
            ("queries.tsv", QUERIES),
            ("qrels.txt", QRELS),
            ("models/examples.tsv", EXAMPLES),
            ("models/run.trec", RUN),
            ("models/clusters.tsv", CLUSTERS),
        ] {
            shop.write(name, text.as_bytes());
        }
        shop.write("models/vocabulary/tokenizer.json", TOKENIZER);
        shop
    }

    fn write(&self, name: &str, content: &[u8]) {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().expect("it lies in the folder"))
            .expect("that is writable");
        fs::write(path, content).expect("and so are files in it");
    }

    fn make(&self, recipe: &str) -> Result<(), String> {
        let (models, output) = (self.0.path().join("models"), self.0.path().join("models/made"));
        let folders = Folders {
            data: self.0.path(),
            models: &models,
            output: &output,
            progress: &nir_core::Silent,
        };
        let made = match read::<Kind>(recipe)?.task {
            Task::Vocabulary => read::<vocabulary::Recipe>(recipe)?.make(&folders).map(drop),
            Task::Negatives => read::<negatives::Recipe>(recipe)?.make(&folders).map(drop),
            Task::Clusters => read::<clusters::Recipe>(recipe)?.make(&folders).map(drop),
            Task::Pack => read::<pack::Recipe>(recipe)?.make(&folders).map(drop),
            Task::Vectors => read::<vectors::Recipe>(recipe).map(|_| Ok(()))?, // it would ask the hub
            Task::Train => {
                let recipe = read::<Recipe>(recipe)?;
                match recipe.optimiser.steps <= 4 && recipe.optimiser.batch <= 16 {
                    true => train(&recipe, &folders, &Device::Cpu, &mut ()).map(drop),
                    false => recipe.check(), // as long as it says, which is not what is looked at here
                }
            }
        };
        made.map_err(|error| error.to_string())
    }
}

fn read<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    toml::from_str(text).map_err(|error| error.to_string())
}

const TRAINING: &str = include_str!("../corpus/recipe/dense.toml");

/// A recipe of any task, made over three documents.
pub(crate) fn recipe(input: &[u8]) {
    Shop::new().make(&String::from_utf8_lossy(input)).ok();
}

/// Something that a recipe reads is the input; a problem names a file.
fn read_by_training(name: &str, recipe: &str, input: &[u8]) {
    let shop = Shop::new();
    shop.write(name, input);
    if let Err(problem) = shop.make(recipe) {
        let folder = shop.0.path().display().to_string();
        assert!(problem.contains(&folder), "this error names no file: {problem}");
    }
}

/// A training set.
pub(crate) fn examples(input: &[u8]) {
    read_by_training("models/examples.tsv", TRAINING, input);
}

/// Clusters of queries.
pub(crate) fn query_clusters(input: &[u8]) {
    let clustered = TRAINING.replace("random = 0", "random = 0\nclusters = \"clusters.tsv\"");
    read_by_training("models/clusters.tsv", &clustered, input);
}

/// A teacher's vectors.
pub(crate) fn teacher(input: &[u8]) {
    let folder = tempfile::tempdir().expect("there is a folder of temporary files");
    let file = folder.path().join("vectors.safetensors");
    fs::write(&file, input).expect("and it can be written to");
    if let Err(problem) = Stored::load(&file, &Device::Cpu) {
        assert!(
            problem.to_string().contains("vectors.safetensors"),
            "this error names no file: {problem}"
        );
    }
}

/// Ends a training after its first step, as a kill would.
struct OneStep;

impl nir_train::Watch for OneStep {
    fn step(&mut self, _: &nir_train::Step) -> ControlFlow<()> {
        ControlFlow::Break(())
    }

    fn validated(&mut self, _: usize, _: f64, _: bool) {}
}

/// What a training of [`TRAINING`] leaves after one step: the corpus of [`state`].
pub(crate) fn state_after_one_step() -> Vec<u8> {
    let shop = Shop::new();
    let (models, output) = (shop.0.path().join("models"), shop.0.path().join("models/made"));
    let folders = Folders {
        data: shop.0.path(),
        models: &models,
        output: &output,
        progress: &nir_core::Silent,
    };
    let recipe = read::<Recipe>(TRAINING).expect("it is a recipe");
    train(&recipe, &folders, &Device::Cpu, &mut OneStep).expect("and it trains");
    fs::read(output.join("training.safetensors")).expect("a checkpoint was written")
}

/// A training that is to go on.
pub(crate) fn state(input: &[u8]) {
    read_by_training("models/made/training.safetensors", TRAINING, input);
}
