//! Every structure, cut into shards, finds what it finds as one.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;

use nir_core::{Corpus, Document, Documents, Ranking};
use nir_index::codes::{Ivf, IvfWriter, KMeans, Layout, Probe, Rescore, SignBits};
use nir_index::impacts::{Clustered, Clustering, Effort};
use nir_index::late::{TokenMatrix, TokenStorage, TokenWriter};
use nir_index::{
    Flat, Graph, HnswParams, Matrix, MatrixWriter, Storage, build_hnsw, search_shards,
};
use proptest::prelude::*;

const DIM: usize = 8;

/// Names that do not rise with the rows, so that ties across shards are resolved against their order.
fn corpus(rows: usize) -> Documents {
    let name = |row: usize| (row * 7919 % 1009).to_string();
    let document = |row| Document { doc_id: name(row), ..Document::default() };
    Documents::new((0..rows).map(document)).unwrap()
}

/// Vectors of few values: ties abound.
fn vectors() -> impl Strategy<Value = Vec<Vec<f32>>> {
    let component = (-2_i8..3).prop_map(f32::from);
    prop::collection::vec(prop::collection::vec(component, DIM), 12..60)
}

fn matrix(path: &Path, rows: &[Vec<f32>]) -> Matrix {
    let mut writer = MatrixWriter::create(path, DIM, Storage::F32).unwrap();
    rows.iter().for_each(|row| writer.push(row).unwrap());
    writer.finish().unwrap()
}

fn graph(path: &Path, rows: &[Vec<f32>]) -> Graph {
    let matrix = matrix(&path.with_extension("matrix"), rows);
    build_hnsw(path, matrix, HnswParams { m: 8, ef_construction: 60, seed: 1 }).unwrap()
}

/// Lists of sign bits beside the vectors, which score all of them again.
fn lists(path: &Path, rows: &[Vec<f32>]) -> (Ivf<SignBits>, Matrix) {
    let matrix = matrix(&path.with_extension("matrix"), rows);
    let kmeans = KMeans { centroids: 3, iterations: 2, seed: 1, unit: false };
    let coarse = kmeans.train(&rows.concat(), DIM);
    let layout = Layout { coarse, code: SignBits::new(DIM), residual: false };
    let mut writer = IvfWriter::create(path, layout).unwrap();
    rows.iter().for_each(|row| writer.push(row).unwrap());
    (writer.finish().unwrap(), matrix)
}

/// Each vector as two tokens.
fn tokens(path: &Path, rows: &[Vec<f32>]) -> TokenMatrix {
    let mut writer = TokenWriter::create(path, DIM / 2, TokenStorage::F16).unwrap();
    rows.iter().for_each(|row| writer.push(row).unwrap());
    writer.finish().unwrap()
}

/// Weights above zero are terms.
fn sparse(row: &[f32]) -> Vec<(u32, f32)> {
    (0..).zip(row.iter().copied()).filter(|&(_, weight)| weight > 0.0).collect()
}

fn clustered(path: &Path, rows: &[Vec<f32>]) -> Clustered {
    let clustering =
        Clustering { postings: 100, cluster_fraction: 0.2, summary_energy: 0.5, seed: 1 };
    Clustered::build(path, clustering, rows.iter().map(|row| sparse(row))).unwrap()
}

/// What shards find, and what one index finds.
fn both<I>(
    rows: &[Vec<f32>],
    cut: usize,
    build: impl Fn(&Path, &[Vec<f32>]) -> I,
    search: impl Fn(&I, &dyn Corpus) -> Ranking,
) -> (Ranking, Ranking) {
    let (dir, corpus) = (tempfile::tempdir().unwrap(), corpus(rows.len()));
    let built = |name: &str, rows: &[Vec<f32>]| build(&dir.path().join(name), rows);
    let shards = [built("a", &rows[..cut]), built("b", &rows[cut..])];
    let one = search(&built("one", rows), &corpus);
    let sizes = [cut, rows.len() - cut];
    (search_shards(&corpus, 7, &sizes, |shard, slice| search(&shards[shard], slice)), one)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn shards_answer_as_one_index(rows in vectors(), cut in 4_usize..8, asked in 0_usize..12) {
        let query = &rows[asked];
        let build = |path: &Path, rows: &[Vec<f32>]| Flat::new(vec![matrix(path, rows)]).unwrap();
        let (shards, one) = both(&rows, cut, build, |flat, corpus| flat.search(query, 7, corpus));
        prop_assert_eq!(&shards, &one, "flat");

        let (found, one) = both(&rows, cut, tokens, |tokens, corpus| tokens.search(query, 7, corpus));
        prop_assert_eq!(found, one, "tokens");

        let effort = Effort { query_cut: DIM, heap_factor: f32::INFINITY };
        let search = |index: &Clustered, corpus: &dyn Corpus| {
            index.search(&sparse(query), effort, 7, corpus)
        };
        let (found, one) = both(&rows, cut, clustered, search);
        prop_assert_eq!(found, one, "clustered");

        // Approximate structures that look at everything are exact.
        let search = |(ivf, matrix): &(Ivf<SignBits>, Matrix), corpus: &dyn Corpus| {
            let probe = Probe { nprobe: 3, rescore: Rescore::Rows(rows.len(), matrix) };
            ivf.search(query, 7, probe, corpus)
        };
        let (found, one) = both(&rows, cut, lists, search);
        prop_assert_eq!(&found, &one, "lists");
        prop_assert_eq!(&found, &shards, "lists and flat");

        let search = |graph: &Graph, corpus: &dyn Corpus| graph.search(query, 7, 60, corpus);
        let (found, one) = both(&rows, cut, graph, search);
        prop_assert_eq!(found, one, "graph");
    }
}

#[test]
#[should_panic(expected = "shards and their corpus have the same rows")]
fn shards_that_are_too_few_are_noticed() {
    search_shards(&corpus(10), 5, &[4, 5], |_, _| Ranking::default());
}
