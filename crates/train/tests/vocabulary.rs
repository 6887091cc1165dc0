//! The vocabulary: the same at any number of threads, and the library's wherever that one is not undecided.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use nir_train::vocabulary::Recipe;
use tokenizers::models::wordpiece::{WordPiece, WordPieceTrainerBuilder};
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::{
    AddedToken, DecoderWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper,
    TokenizerBuilder,
};

const SPECIAL: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

fn recipe(size: usize) -> Recipe {
    toml::from_str(&format!(
        "task = \"vocabulary\"\nsummary = \"\"\nsize = {size}\nmin_frequency = 2\nalphabet = 400\n\
         data = {{ documents = [], queries = [] }}"
    ))
    .unwrap()
}

fn ours(texts: &[&str], size: usize) -> String {
    recipe(size).learn(texts.iter().copied()).unwrap()
}

/// The pieces of a `tokenizer.json`, by their numbers.
fn pieces(json: &str) -> Vec<String> {
    let tokenizer: serde_json::Value = serde_json::from_str(json).unwrap();
    let vocabulary = tokenizer["model"]["vocab"].as_object().unwrap();
    let mut pieces: Vec<(u64, String)> =
        vocabulary.iter().map(|(piece, id)| (id.as_u64().unwrap(), piece.clone())).collect();
    pieces.sort();
    assert!(pieces.iter().map(|(id, _)| *id).eq(0..pieces.len() as u64), "numbers without gaps");
    pieces.into_iter().map(|(_, piece)| piece).collect()
}

/// What the trainer of the `tokenizers` crate makes of the same texts.
fn library(texts: &[&str], size: usize) -> Vec<String> {
    let special = SPECIAL.iter().map(|token| AddedToken::from((*token).to_owned(), true)).collect();
    let mut trainer = WordPieceTrainerBuilder::new()
        .vocab_size(size)
        .min_frequency(2)
        .limit_alphabet(400)
        .special_tokens(special)
        .show_progress(false)
        .build();
    let mut tokenizer =
        TokenizerBuilder::<_, _, _, PostProcessorWrapper, DecoderWrapper>::default()
            .with_model(WordPiece::default())
            .with_normalizer(Some(NormalizerWrapper::from(BertNormalizer::default())))
            .with_pre_tokenizer(Some(PreTokenizerWrapper::from(BertPreTokenizer)))
            .build()
            .unwrap();
    tokenizer.train(&mut trainer, texts.iter()).unwrap();
    pieces(&tokenizer.to_string(false).unwrap())
}

fn set(pieces: &[String]) -> BTreeSet<&str> {
    pieces.iter().map(String::as_str).collect()
}

fn pocket() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets/pocket/collection.tsv");
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_pieces_are_the_librarys_where_no_tie_decides() {
    let text = pocket();
    let texts: Vec<&str> = text.lines().map(|line| line.split_once('\t').unwrap().1).collect();
    for size in [150, 200] {
        let (ours, library) = (pieces(&ours(&texts, size)), library(&texts, size));
        assert_eq!(ours.len(), size);
        assert_eq!(set(&ours), set(&library));
    }
    // Now counts are small enough that many are equal, and the library takes either.
    let (ours, library) = (pieces(&ours(&texts, 1000)), library(&texts, 1000));
    let others = set(&ours).difference(&set(&library)).count();
    assert!(others < 30, "{others} others than the library's");
}

#[test]
fn the_file_is_the_same_at_any_number_of_threads_and_in_any_order() {
    let text = pocket();
    let mut texts: Vec<&str> = text.lines().collect();
    let one = ours(&texts, 1000);
    assert_eq!(pieces(&one).len(), 1000);
    for threads in [1, 2, 4] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert!(pool.install(|| ours(&texts, 1000)) == one, "{threads} threads");
    }
    texts.reverse();
    assert!(ours(&texts, 1000) == one, "another order of texts");
}

/// The texts of the recipe in configs/training.
#[test]
fn the_recipe_gives_one_file_and_nearly_the_pieces_that_are_in_the_program() {
    let Some(data) = std::env::var_os("NIR_DATA").map(PathBuf::from) else {
        return println!("skipped: NIR_DATA names no folder of data");
    };
    let data = data.join("msmarco-mini");
    let mut documents = String::new();
    let file = std::fs::File::open(data.join("collection.tsv.gz")).unwrap();
    flate2::read::GzDecoder::new(file).read_to_string(&mut documents).unwrap();
    let queries = std::fs::read_to_string(data.join("queries.train.tsv")).unwrap();
    let lines = documents.lines().chain(queries.lines());
    let texts: Vec<&str> = lines.map(|line| line.split_once('\t').unwrap().1).collect();
    let begun = std::time::Instant::now();
    let json = ours(&texts, 8192);
    println!("{:?}", begun.elapsed());
    let ours = pieces(&json);
    let committed = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../datasets/pocket/models/splade/tokenizer.json");
    let committed = pieces(&std::fs::read_to_string(committed).unwrap());
    let others = set(&ours).difference(&set(&committed)).count();
    println!("{others} of {} pieces are not those in the program", ours.len());
    println!("blake3 {}", nir_core::Digest::of(&json).hex());
    assert!(ours.len() == 8192 && others < 60, "{others}");
}
