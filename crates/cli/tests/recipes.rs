//! Every recipe of configs/training, cut down and made twice from nothing: in two processes, with other numbers of
//! threads, and once more with a kill between. Whatever they write is the same, byte for byte.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{Finished, Nir, files_below};
use toml::{Table, Value};

/// In the order in which they need one another.
const RECIPES: [&str; 26] = [
    "vocabulary",
    "teacher-minilm",
    "bag",
    "backbone",
    "negatives-bm25",
    "dense",
    "late",
    "pocket-dense",
    "vocabulary-msmarco",
    "teacher-msmarco",
    "bag-msmarco",
    "backbone-msmarco",
    "splade",
    "cross-encoder",
    "cross-encoder-pointwise",
    "cross-encoder-ranknet",
    "pocket-splade",
    "pocket-cross-encoder",
    "backbone-mlm",
    "dense-in-batch",
    "dense-bm25-negatives",
    "negatives-ance",
    "dense-ance",
    "dense-margin-mse",
    "clusters",
    "dense-tas",
];

/// What is left of the recipes.
struct Cut {
    steps: i64,
    batch: i64,
    /// Of a network: its width, its heads and the width inside.
    width: Option<(i64, i64, i64)>,
    pieces: i64,
    held_out: i64,
    clusters: i64,
    validated: i64,
    /// The teacher: a checkpoint and how wide its vectors are.
    teacher: (String, i64),
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

impl Cut {
    /// The text of a recipe, cut.
    fn recipe(&self, name: &str) -> String {
        let path = root().join("configs/training").join(name).with_extension("toml");
        let mut recipe: Table = fs::read_to_string(path).unwrap().parse().unwrap();
        match recipe["task"].as_str().unwrap() {
            "vocabulary" => set(&mut recipe, &["size"], self.pieces),
            "negatives" => set(&mut recipe, &["held_out"], self.held_out),
            "clusters" => set(&mut recipe, &["count"], self.clusters),
            "vectors" => {
                set(&mut recipe, &["checkpoint"], self.teacher.0.as_str());
                recipe.remove("revision");
                self.shorten(&mut recipe, &["query", "document"]);
            }
            "train" => self.training(&mut recipe),
            "pack" => {}
            other => panic!("{name}: how is the task `{other}` cut?"),
        }
        recipe.to_string()
    }

    fn training(&self, recipe: &mut Table) {
        set(recipe, &["optimiser", "steps"], self.steps);
        set(recipe, &["optimiser", "batch"], self.batch);
        set(recipe, &["optimiser", "checkpoint_every"], 2);
        set(recipe, &["optimiser", "warm_up"], 2);
        if recipe.contains_key("validation") {
            set(recipe, &["validation", "every"], self.steps - 1);
            set(recipe, &["validation", "limit"], self.validated);
        }
        if let Some((hidden, heads, intermediate)) = self.width {
            set(recipe, &["model", "hidden"], hidden);
            set(recipe, &["model", "heads"], heads);
            set(recipe, &["model", "intermediate"], intermediate);
        }
        let head = recipe["head"].as_table().unwrap().keys().next().unwrap().clone();
        let head = recipe["head"][&head].as_table_mut().unwrap();
        self.shorten(head, &["query", "document", "pair", "text"]);
        if head.get("projection").is_some_and(|projection| projection.as_integer() != Some(0)) {
            set(head, &["projection"], self.teacher.1);
        }
    }

    /// A tiny teacher reads few tokens.
    fn shorten(&self, of: &mut Table, inputs: &[&str]) {
        for input in inputs {
            if self.width.is_some() && of.contains_key(*input) {
                set(of, &[input, "max_length"], 32);
            }
        }
    }
}

/// Replaces a value that must be there.
fn set(table: &mut Table, path: &[&str], value: impl Into<Value>) {
    let (last, tables) = path.split_last().unwrap();
    let table = tables.iter().fold(table, |table, name| table[*name].as_table_mut().unwrap());
    let old = table.insert((*last).to_owned(), value.into());
    assert!(old.is_some(), "a recipe has no {}", path.join("."));
}

/// Texts, the cut recipes, and a run for training sets.
struct Shop {
    nir: Nir,
}

impl Shop {
    fn new(cut: &Cut) -> Self {
        let nir = Nir::new();
        for name in RECIPES {
            nir.write(&format!("recipes/{name}.toml"), &cut.recipe(name));
        }
        Self { nir }
    }

    /// Every file that the recipes read: those of MS MARCO, and no more than a few texts in place of each of the others.
    fn write_data(&self, [queries, qrels, documents]: &[&str; 3]) {
        let first = |text: &str| text.lines().take(3).collect::<Vec<_>>().join("\n") + "\n";
        for path in self.files() {
            let whole = path.starts_with("data/msmarco-mini");
            let part = |text: &str| if whole { text.to_owned() } else { first(text) };
            match path.rsplit_once('/').unwrap().1 {
                "queries.train.tsv" => drop(self.nir.write(&path, &part(queries))),
                "qrels.train.txt" => drop(self.nir.write(&path, qrels)),
                "collection.tsv.gz" => {
                    write_gzip(&self.nir.write(&path, ""), &part(documents));
                }
                other => panic!("what is in {other}?"),
            }
        }
    }

    /// The files of texts and judgements that the recipes name.
    fn files(&self) -> BTreeSet<String> {
        let text = |name: &&str| {
            fs::read_to_string(self.nir.path(&format!("recipes/{name}.toml"))).unwrap()
        };
        let all = RECIPES.iter().map(text).collect::<String>();
        let words = all.split('"').filter(|word| word.contains('/'));
        let is_read = |word: &&str| {
            ["/collection.tsv.gz", "/queries.train.tsv", "/qrels.train.txt"]
                .iter()
                .any(|end| word.ends_with(end))
        };
        words.filter(is_read).map(|word| format!("data/{word}")).collect()
    }

    /// The runs that `nir run` is to make: BM25's, in place of both.
    fn run_bm25(&self) {
        let files = [
            "--corpus",
            "data/msmarco-mini/collection.tsv.gz",
            "--queries",
            "data/msmarco-mini/queries.train.tsv",
        ];
        let run = [&["run", "lexical/bm25"], &files[..], &["--run", "bm25.trec"]].concat();
        self.nir.run(&run).ok();
    }

    /// Makes everything in a folder of its own.
    fn make(&self, models: &str, threads: &str) {
        fs::create_dir_all(self.nir.path(models)).unwrap();
        for run in ["bm25.train.trec", "dense-bm25-negatives.train.trec"] {
            fs::copy(self.nir.path("bm25.trec"), self.nir.path(models).join(run)).unwrap();
        }
        for name in RECIPES {
            self.train(name, models, threads).output().map(Finished).unwrap().ok();
        }
    }

    fn train(&self, name: &str, models: &str, threads: &str) -> Command {
        let recipe = format!("recipes/{name}.toml");
        let folders = ["--data", "data", "--models", models];
        self.nir.command(&[&["train", &recipe], &folders[..], &["--threads", threads]].concat())
    }

    /// Makes a longer training twice, the second time with a kill after its first checkpoint.
    fn kill(&self, models: &str) {
        let text = fs::read_to_string(self.nir.path("recipes/splade.toml")).unwrap();
        let mut recipe: Table = text.parse().unwrap();
        set(&mut recipe, &["optimiser", "steps"], 60);
        let folder = |name: &str| {
            self.nir.write(&format!("recipes/{name}.toml"), &recipe.to_string());
            self.nir.path(models).join(name)
        };
        let (whole, killed) = (folder("whole"), folder("killed"));
        self.train("whole", models, "1").output().map(Finished).unwrap().ok();
        let mut process = self.train("killed", models, "1").stderr(Stdio::null()).spawn().unwrap();
        let begun = Instant::now();
        while !killed.join("training.safetensors").exists() {
            assert!(begun.elapsed() < Duration::from_mins(2), "no checkpoint was written");
            assert!(process.try_wait().unwrap().is_none(), "it ended before it was killed");
            std::thread::sleep(Duration::from_millis(1));
        }
        process.kill().unwrap();
        process.wait().unwrap();
        assert!(!killed.join("model.safetensors").exists(), "it was killed on its way");
        self.train("killed", models, "1").output().map(Finished).unwrap().ok();
        assert_same(&contents(&whole), &contents(&killed), "a killed training");
    }
}

/// Every file below a folder.
fn contents(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let read = |path: PathBuf| (path.clone(), fs::read(folder.join(path)).unwrap());
    files_below(folder).into_iter().map(read).collect()
}

fn assert_same(one: &[(PathBuf, Vec<u8>)], other: &[(PathBuf, Vec<u8>)], what: &str) {
    let names =
        |of: &[(PathBuf, Vec<u8>)]| of.iter().map(|(path, _)| path.clone()).collect::<Vec<_>>();
    assert_eq!(names(one), names(other), "{what}");
    let differ: Vec<&PathBuf> =
        one.iter().zip(other).filter(|(a, b)| a.1 != b.1).map(|(a, _)| &a.0).collect();
    assert!(differ.is_empty(), "{what}: {differ:?} differ");
}

#[test]
fn all_recipes_are_in_the_list() {
    let mut named: Vec<PathBuf> =
        RECIPES.iter().map(|name| PathBuf::from(name).with_extension("toml")).collect();
    named.sort();
    let mut there = files_below(&root().join("configs/training"));
    there.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    assert_eq!(named, there);
}

/// On pocket's texts, with the network narrowed and a teacher of random weights.
#[test]
fn every_recipe_gives_the_same_bytes_twice() {
    let teacher = root().join("crates/nn/tests/fixtures/bert");
    let shop = Shop::new(&Cut {
        steps: 5,
        batch: 4,
        width: Some((32, 2, 64)),
        pieces: 600,
        held_out: 8,
        clusters: 4,
        validated: 2,
        teacher: (format!("file:{}", teacher.display()), 32),
    });
    let pocket = root().join("datasets/pocket");
    let read = |name: &str| fs::read_to_string(pocket.join(name)).unwrap();
    let texts = [read("queries.train.tsv"), read("qrels.train.txt"), read("collection.tsv")];
    shop.write_data(&texts.each_ref().map(String::as_str));
    shop.run_bm25();
    shop.make("one", "1");
    shop.make("two", "3");
    assert_same(&contents(&shop.nir.path("one")), &contents(&shop.nir.path("two")), "3 threads");
    shop.kill("two");
}

fn write_gzip(path: &Path, text: &str) {
    let file = fs::File::create(path).unwrap();
    let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap();
}

/// On MS MARCO's texts, with the network, the batches and the teacher of the recipes themselves: large enough that
/// products are shared among threads.
#[test]
#[ignore = "minutes, and needs NIR_DATA with msmarco-mini and NIR_MODELS with all-MiniLM-L6-v2"]
fn every_recipe_gives_the_same_bytes_at_full_width() {
    let [data, models] =
        ["NIR_DATA", "NIR_MODELS"].map(|name| PathBuf::from(std::env::var(name).unwrap()));
    let shop = Shop::new(&Cut {
        steps: 3,
        batch: 8,
        width: None,
        pieces: 8192,
        held_out: 10,
        clusters: 10,
        validated: 1,
        teacher: (format!("file:{}", models.join("all-MiniLM-L6-v2").display()), 384),
    });
    write_sample(&data.join("msmarco-mini"), &shop);
    shop.run_bm25();
    shop.make("one", "1");
    shop.make("two", "2");
    assert_same(&contents(&shop.nir.path("one")), &contents(&shop.nir.path("two")), "2 threads");
    shop.make("four", "4");
    assert_same(&contents(&shop.nir.path("one")), &contents(&shop.nir.path("four")), "4 threads");
    shop.kill("four");
}

/// The first questions, the passages that answer them, and the first passages.
fn write_sample(from: &Path, shop: &Shop) {
    const QUESTIONS: usize = 80;
    const PASSAGES: usize = 200;
    let column = |line: &str, n: usize| line.split_whitespace().nth(n).unwrap().to_owned();
    let queries = fs::read_to_string(from.join("queries.train.tsv")).unwrap();
    let queries: Vec<&str> = queries.lines().take(QUESTIONS).collect();
    let asked: HashSet<String> = queries.iter().map(|line| column(line, 0)).collect();
    let qrels = fs::read_to_string(from.join("qrels.train.txt")).unwrap();
    let qrels: Vec<&str> = qrels.lines().filter(|line| asked.contains(&column(line, 0))).collect();
    let answers: HashSet<String> = qrels.iter().map(|line| column(line, 2)).collect();
    let mut texts = String::new();
    let file = fs::File::open(from.join("collection.tsv.gz")).unwrap();
    flate2::read::GzDecoder::new(file).read_to_string(&mut texts).unwrap();
    let texts = texts.lines().enumerate();
    let texts = texts.filter(|(i, line)| *i < PASSAGES || answers.contains(&column(line, 0)));
    let texts: Vec<&str> = texts.map(|(_, line)| line).collect();
    let joined = [queries, qrels, texts].map(|lines| lines.join("\n") + "\n");
    shop.write_data(&joined.each_ref().map(String::as_str));
}
