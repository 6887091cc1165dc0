//! The collection `pocket` is what its README says it is, as far as a program can tell.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use nir_index::analyzer;

const SPLITS: [&str; 2] = ["", ".train"];

/// Words that say nothing of a subject. The analyzer leaves out some of them itself.
const FUNCTION_WORDS: &str = "a about above after again against all am an and any are as at be been before being below \
    between both but by can could did do does doing done down during each few for from further get got had has have \
    having he her here him his how i if in into is it its just may me might mine more most must my need no nor not of off \
    on only or other ought our out over own s same shall she should so some such t than that the their them then there \
    these they this those through to too under up us versus very vs was we were what when where which who whom whose why \
    will with would you your yours don";

fn lines(file: &str) -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets/pocket").join(file);
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.is_ascii() && text.ends_with('\n'), "{file}");
    let separator = if file.starts_with("qrels") { ' ' } else { '\t' };
    text.lines().map(|line| line.split(separator).map(str::to_owned).collect()).collect()
}

/// The second column by the first, which is unique.
fn pairs(file: &str) -> BTreeMap<String, String> {
    let all: BTreeMap<_, _> =
        lines(file).into_iter().map(|line| <[String; 2]>::try_from(line).unwrap().into()).collect();
    assert_eq!(all.len(), lines(file).len(), "{file} repeats an id");
    all
}

/// The grades of each query's documents.
fn qrels(split: &str) -> BTreeMap<String, BTreeMap<String, u8>> {
    let mut all: BTreeMap<String, BTreeMap<String, u8>> = BTreeMap::new();
    for line in lines(&format!("qrels{split}.txt")) {
        let [query_id, iteration, doc_id, grade] = <[String; 4]>::try_from(line).unwrap();
        assert_eq!(iteration, "0");
        let grade: u8 = grade.parse().unwrap();
        assert!(grade <= 3);
        let before = all.entry(query_id).or_default().insert(doc_id, grade);
        assert!(before.is_none(), "judged twice");
    }
    all
}

#[test]
fn passages_are_a_thousand_of_like_length_and_no_two_share_eight_words() {
    let passages = pairs("collection.tsv");
    assert_eq!(passages.len(), 1000);
    let mut seen: HashMap<Vec<String>, &str> = HashMap::new();
    for (doc_id, text) in &passages {
        let count = text.split(' ').count();
        assert!((40..=90).contains(&count), "{doc_id} has {count} words");
        let clean = text.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), " ");
        let words: Vec<String> = clean.split_whitespace().map(str::to_owned).collect();
        for eight in words.windows(8) {
            if let Some(other) = seen.insert(eight.to_vec(), doc_id) {
                assert_eq!(other, doc_id, "both say {eight:?}");
            }
        }
    }
}

#[test]
fn queries_are_split_judged_and_labelled() {
    let passages = pairs("collection.tsv");
    let mut all = BTreeSet::new();
    for (split, count) in SPLITS.into_iter().zip([120, 80]) {
        let (queries, qrels) = (pairs(&format!("queries{split}.tsv")), qrels(split));
        assert_eq!(queries.len(), count);
        assert!(queries.keys().eq(qrels.keys()));
        assert!(queries.keys().eq(pairs(&format!("labels{split}.tsv")).keys()));
        for (query_id, text) in queries {
            let grades = &qrels[&query_id];
            assert_eq!(text, text.to_lowercase());
            assert!(grades.len() >= 20, "{query_id} was judged over its topic");
            assert!(grades.values().any(|grade| *grade >= 2), "{query_id} has no answer");
            assert!(grades.keys().all(|doc_id| passages.contains_key(doc_id)));
            assert!(all.insert(query_id), "a query is in one split");
        }
    }
}

/// The stems of content words.
fn stems(text: &str) -> BTreeSet<String> {
    let function: BTreeSet<&str> = FUNCTION_WORDS.split(' ').collect();
    let clean =
        text.to_lowercase().replace("'s", "").replace(|c: char| !c.is_ascii_alphanumeric(), " ");
    let content: Vec<&str> =
        clean.split_whitespace().filter(|word| !function.contains(word)).collect();
    analyzer("lucene-english").unwrap().terms(&content.join(" ")).into_iter().collect()
}

/// The most stems that a query shares with one of its best passages.
fn overlap(
    query: &str,
    grades: &BTreeMap<String, u8>,
    passages: &BTreeMap<String, String>,
) -> usize {
    let (query, best) = (stems(query), grades.values().max().unwrap());
    let best = grades.iter().filter(|(_, grade)| *grade == best);
    best.map(|(doc_id, _)| query.intersection(&stems(&passages[doc_id])).count()).max().unwrap()
}

#[test]
fn labels_are_known_and_a_paraphrase_shares_no_content_word_with_its_answer() {
    const LABELS: &str =
        "exact-term paraphrase synonym ambiguous negation-or-number rare-entity how-to comparison";
    let passages = pairs("collection.tsv");
    let mut low = 0;
    let mut used = BTreeSet::new();
    for split in SPLITS {
        let (queries, qrels) = (pairs(&format!("queries{split}.tsv")), qrels(split));
        for (query_id, labels) in pairs(&format!("labels{split}.tsv")) {
            let shared = overlap(&queries[&query_id], &qrels[&query_id], &passages);
            low += usize::from(shared <= 1);
            let labels: Vec<&str> = labels.split(',').collect();
            assert!(labels.iter().all(|label| LABELS.split(' ').any(|known| known == *label)));
            assert!(!labels.contains(&"paraphrase") || shared == 0, "{query_id} shares {shared}");
            used.extend(labels.into_iter().map(str::to_owned));
        }
    }
    assert_eq!(used.len(), 8);
    assert!(low >= 60, "only {low} queries share at most one word with their answer");
}
