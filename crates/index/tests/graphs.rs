//! Graphs against exhaustive search in a few plain lines.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::path::Path;

use nir_core::{Corpus, DocNo, Document, Documents, Ranking, Scored};
use nir_index::{
    Flat, Graph, HnswParams, HnswRsParams, IndexError, Matrix, MatrixWriter, Storage, build_hnsw,
    build_hnsw_rs,
};
use proptest::prelude::*;

const DIM: usize = 20;
const PARAMS: HnswParams = HnswParams { m: 6, ef_construction: 40, seed: 1 };

/// xorshift64 (Marsaglia 2003).
struct Random(u64);

impl Random {
    /// Between -1 and 1.
    fn uniform(&mut self) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    fn unit_vector(&mut self) -> Vec<f32> {
        let vector: Vec<f32> = (0..DIM).map(|_| self.uniform()).collect();
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        vector.into_iter().map(|x| x / length).collect()
    }
}

fn vectors(count: usize, seed: u64) -> Vec<Vec<f32>> {
    let mut random = Random(seed);
    (0..count).map(|_| random.unit_vector()).collect()
}

fn matrix(dir: &Path, vectors: &[Vec<f32>], storage: Storage) -> Matrix {
    let path = dir.join(format!("{storage:?}"));
    let mut writer = MatrixWriter::create(&path, DIM, storage).unwrap();
    vectors.iter().for_each(|vector| writer.push(vector).unwrap());
    writer.finish().unwrap()
}

fn corpus(count: usize) -> Documents {
    let doc = |row: usize| Document { doc_id: (row * 31).to_string(), ..Document::default() };
    Documents::new((0..count).map(doc)).unwrap()
}

type Build = fn(&Path, Matrix) -> Result<Graph, IndexError>;

const BUILDERS: [(&str, Build); 2] = [
    ("hnsw", |path, matrix| build_hnsw(path, matrix, PARAMS)),
    ("hnsw_rs", |path, matrix| {
        build_hnsw_rs(path, matrix, HnswRsParams { m: 6, ef_construction: 40 })
    }),
];

/// Every pair in turn, and a full sort.
fn exhaustive(matrix: &Matrix, query: &[f32], depth: usize, corpus: &Documents) -> Ranking {
    let scored = |row: usize| {
        let score = nir_index::Simd::get().dot(query, &matrix.row(row));
        Scored { doc: DocNo(row as u32), score }
    };
    Ranking::top(depth, (0..corpus.len()).map(scored).collect(), corpus)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn a_walk_with_all_nodes_finds_all(count in 0..300_usize, seed in 1..u64::MAX, depth in 0..40_usize) {
        let (dir, corpus, vectors) = (tempfile::tempdir().unwrap(), corpus(count), vectors(count, seed));
        let query = Random(!seed | 1).unit_vector();
        for storage in [Storage::F32, Storage::F16] {
            for (name, build) in BUILDERS {
                let graph = build(&dir.path().join(name), matrix(dir.path(), &vectors, storage)).unwrap();
                let expected = exhaustive(graph.matrix(), &query, depth, &corpus);
                prop_assert_eq!(graph.search(&query, depth, count, &corpus), expected, "{}", name);
            }
        }
    }
}

#[test]
fn copies_of_one_vector_are_all_reached() {
    // Nothing is nearer than a copy, so that the heuristic links a node to one of them and to no other.
    let (dir, corpus) = (tempfile::tempdir().unwrap(), corpus(200));
    let vectors = vec![Random(5).unit_vector(); 200];
    for (name, build) in BUILDERS {
        let matrix = matrix(dir.path(), &vectors, Storage::F32);
        let graph = build(&dir.path().join(name), matrix).unwrap();
        let found = graph.search(&vectors[0], 200, 200, &corpus);
        assert_eq!(found.len(), 200, "{name}");
        assert_eq!(found, exhaustive(graph.matrix(), &vectors[0], 200, &corpus), "{name}");
    }
}

#[test]
fn a_short_walk_finds_nearly_all_of_the_best() {
    let (dir, corpus) = (tempfile::tempdir().unwrap(), corpus(3000));
    let vectors = vectors(3000, 3);
    let flat = Flat::new(vec![matrix(dir.path(), &vectors, Storage::F32)]).unwrap();
    let queries: Vec<f32> = self::vectors(100, 4).concat();
    let exact = flat.search_many(&queries, 10, &corpus);
    for (name, build) in BUILDERS {
        let matrix = matrix(dir.path(), &vectors, Storage::F32);
        let graph = build(&dir.path().join(name), matrix).unwrap();
        let found = graph.search_many(&queries, 10, 100, &corpus);
        let both = |(a, b): (&Ranking, &Ranking)| a.iter().filter(|hit| b.contains(hit)).count();
        let recalled: usize = exact.iter().zip(&found).map(both).sum();
        assert!(recalled >= 950, "{name}: {recalled} of 1000");
    }
}

#[test]
fn any_number_of_threads_builds_the_same_file() {
    let (dir, vectors) = (tempfile::tempdir().unwrap(), vectors(3000, 9));
    let build = |threads: usize| {
        let path = dir.path().join(format!("graph-{threads}"));
        let matrix = matrix(dir.path(), &vectors, Storage::F32);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| build_hnsw(&path, matrix, PARAMS)).unwrap();
        std::fs::read(path).unwrap()
    };
    let one = build(1);
    assert!(one == build(2), "two threads build another graph than one");
    assert!(one == build(3), "three threads build another graph than one");
}

#[test]
fn a_build_repeats() {
    let (dir, vectors) = (tempfile::tempdir().unwrap(), vectors(500, 9));
    for (name, build) in BUILDERS {
        let file = |copy: u32| {
            let path = dir.path().join(format!("{name}-{copy}"));
            build(&path, matrix(dir.path(), &vectors, Storage::F32)).unwrap();
            std::fs::read(path).unwrap()
        };
        assert!(file(1) == file(2), "{name}");
    }
}

#[test]
fn a_damaged_graph_is_refused() {
    let (dir, vectors) = (tempfile::tempdir().unwrap(), vectors(50, 2));
    let path = dir.path().join("graph");
    let matrix = || matrix(dir.path(), &vectors, Storage::F32);
    build_hnsw(&path, matrix(), PARAMS).unwrap().verify().unwrap();
    let good = std::fs::read(&path).unwrap();
    for at in (0..good.len()).step_by(97) {
        let mut bad = good.clone();
        bad[at] ^= 1;
        std::fs::write(&path, bad).unwrap();
        let verified = Graph::open(&path, matrix()).and_then(|graph| graph.verify());
        assert!(verified.is_err(), "byte {at}");
    }
    for length in [0, 1, 127, 128, 200, good.len() - 1] {
        std::fs::write(&path, &good[..length]).unwrap();
        let error = Graph::open(&path, matrix()).err().unwrap().to_string();
        assert!(error.contains(path.to_str().unwrap()), "{error}");
    }
}

#[test]
fn a_graph_of_another_matrix_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("graph");
    let of = |seed| matrix(dir.path(), &vectors(50, seed), Storage::F32);
    build_hnsw(&path, of(1), PARAMS).unwrap();
    let error = Graph::open(&path, of(2)).err().unwrap().to_string();
    assert!(error.contains("built from another matrix"), "{error}");
}

#[test]
fn vectors_longer_than_one_have_no_distance_in_hnsw_rs() {
    let dir = tempfile::tempdir().unwrap();
    let matrix = matrix(dir.path(), &[vec![1.0; DIM]], Storage::F32);
    let params = HnswRsParams { m: 6, ef_construction: 40 };
    let error = build_hnsw_rs(&dir.path().join("graph"), matrix, params).err().unwrap().to_string();
    assert!(error.contains("row 0 is longer than one"), "{error}");
}
