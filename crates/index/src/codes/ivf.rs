//! The inverted file: codes in lists, one for each region of the space.
//! Jégou, Douze and Schmid, Product Quantization for Nearest Neighbor Search, IEEE Transactions on Pattern Analysis and
//! Machine Intelligence 33(1), 2011, section IV.
//!
//! A coarse quantiser puts each document into the list of its nearest centroid. A query reads the `nprobe` lists whose
//! centroids have the largest products with it, scores their codes, and gives the best of them a better score: from the
//! code with unrounded tables, or from the vector itself.
//!
//! ```text
//! coded whole:       q · x ≈ q · code(x)
//! coded residual:    q · x ≈ q · c + q · code(x - c)          c = the centroid of the list         (section IV-B)
//! ```
//!
//! With one list it is a flat index of codes. A file holds everything but the vectors:
//!
//! ```text
//! centroids [lists, dim] | code | rows of each list | document numbers, list by list | codes, list by list
//! ```

mod search;
mod write;

pub(crate) use search::largest;
pub use search::{Ivf, Layout, Probe, Rescore};
pub use write::IvfWriter;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use nir_core::{Document, Documents, Ranking};
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::code::Code;
    use super::super::{Centroids, FastScan, KMeans, PqTraining, ProductQuantiser};
    use super::*;
    use crate::dense::{Flat, Matrix, MatrixWriter, Storage};

    const DIM: usize = 8;
    const TRAINING: PqTraining =
        PqTraining { pieces: 4, centroids: 16, iterations: 4, rotation: None, seed: 1 };

    fn corpus(len: usize) -> Documents {
        let name = |row: usize| (row * 7919 % 10_007).to_string();
        let doc = |row| Document { doc_id: name(row), ..Document::default() };
        Documents::new((0..len).map(doc)).unwrap()
    }

    fn matrix(path: &Path, rows: &[f32]) -> Matrix {
        let mut writer = MatrixWriter::create(path, DIM, Storage::F32).unwrap();
        rows.chunks(DIM).for_each(|row| writer.push(row).unwrap());
        writer.finish().unwrap()
    }

    fn ivf<C: Code>(path: &Path, rows: &[f32], lists: usize, code: C, residual: bool) -> Ivf<C> {
        let kmeans = KMeans { centroids: lists, iterations: 3, seed: 1, unit: !residual };
        let coarse = kmeans.train(rows, DIM);
        let mut writer = IvfWriter::create(path, Layout { coarse, code, residual }).unwrap();
        rows.chunks(DIM).for_each(|row| writer.push(row).unwrap());
        writer.finish().unwrap()
    }

    fn small_values(rows: usize) -> impl Strategy<Value = Vec<f32>> {
        // Few values, so that many scores are tied.
        vec((-2..3_i8).prop_map(f32::from), rows * DIM)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn all_lists_and_all_rows_rescored_are_exact_search(
            rows in small_values(90), queries in small_values(3), depth in 0..100_usize,
            lists in 1..9_usize, residual: bool,
        ) {
            let (dir, corpus) = (tempfile::tempdir().unwrap(), corpus(90));
            let exact = Flat::new(vec![matrix(&dir.path().join("flat"), &rows)]).unwrap();
            let exact = exact.search_many(&queries, depth, &corpus);
            let rows_of = matrix(&dir.path().join("rows"), &rows);
            let probe = Probe { nprobe: lists, rescore: Rescore::Rows(90, &rows_of) };
            let quantiser = TRAINING.train(&rows, DIM);
            let eight = ivf(&dir.path().join("pq8"), &rows, lists, quantiser.clone(), residual);
            prop_assert_eq!(&eight.search_many(&queries, depth, probe, &corpus), &exact);
            let four = ivf(&dir.path().join("pq4"), &rows, lists, FastScan::new(quantiser), residual);
            prop_assert_eq!(&four.search_many(&queries, depth, probe, &corpus), &exact);
        }

        #[test]
        fn four_bits_rescored_are_the_same_codes_with_eight(
            rows in small_values(90), queries in small_values(3), depth in 0..100_usize, nprobe in 0..9_usize,
            residual: bool,
        ) {
            let (dir, corpus) = (tempfile::tempdir().unwrap(), corpus(90));
            let quantiser = TRAINING.train(&rows, DIM);
            let eight = ivf(&dir.path().join("pq8"), &rows, 5, quantiser.clone(), residual);
            let four = ivf(&dir.path().join("pq4"), &rows, 5, FastScan::new(quantiser), residual);
            let (none, codes) = (Rescore::None, Rescore::Codes(90));
            let expected = eight.search_many(&queries, depth, Probe { nprobe, rescore: none }, &corpus);
            for (index, rescore) in [(0, codes), (1, codes)] {
                let probe = Probe { nprobe, rescore };
                let found = match index {
                    0 => eight.search_many(&queries, depth, probe, &corpus),
                    _ => four.search_many(&queries, depth, probe, &corpus),
                };
                prop_assert_eq!(&found, &expected);
            }
        }
    }

    fn wave(rows: usize) -> Vec<f32> {
        (0..rows * DIM).map(|i| ((i * i) as f32 * 0.37).sin()).collect()
    }

    #[test]
    fn one_query_or_many_and_any_threads_are_the_same() {
        let (dir, corpus, rows) = (tempfile::tempdir().unwrap(), corpus(500), wave(500));
        let fast = FastScan::new(TRAINING.train(&rows, DIM));
        let index = ivf(&dir.path().join("ivf"), &rows, 20, fast, true);
        let probe = Probe { nprobe: 4, rescore: Rescore::Codes(50) };
        let single = |query| index.search(query, 10, probe, &corpus);
        let expected: Vec<Ranking> = rows.chunks(DIM).map(single).collect();
        for threads in [1, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let found = pool.install(|| index.search_many(&rows, 10, probe, &corpus));
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn codes_from_elsewhere_are_the_same_index() {
        let (dir, corpus, rows) = (tempfile::tempdir().unwrap(), corpus(100), wave(100));
        let quantiser = TRAINING.train(&rows, DIM);
        let own = ivf(&dir.path().join("own"), &rows, 1, quantiser.clone(), false);
        let coarse = Centroids::new(vec![0.0; DIM], DIM);
        let layout = Layout { coarse, code: quantiser.clone(), residual: false };
        let mut writer = IvfWriter::create(&dir.path().join("given"), layout).unwrap();
        quantiser.encode(&rows).chunks(4).for_each(|code| writer.push_code(0, code).unwrap());
        let given = writer.finish().unwrap();
        let probe = Probe { nprobe: 1, rescore: Rescore::None };
        assert_eq!(
            given.search_many(&rows, 10, probe, &corpus),
            own.search_many(&rows, 10, probe, &corpus)
        );
    }

    #[test]
    fn damage_is_found() {
        let (dir, rows) = (tempfile::tempdir().unwrap(), wave(100));
        let path = dir.path().join("ivf");
        let quantiser = TRAINING.train(&rows, DIM);
        ivf(&path, &rows, 5, quantiser, false);
        assert!(Ivf::<ProductQuantiser>::open(&path).unwrap().verify().is_ok());
        let error = Ivf::<FastScan>::open(&path).err().unwrap().to_string();
        assert!(error.contains("expected `nir-ivf-pq4 1`, found `nir-ivf-pq8 1`"), "{error}");
        let good = std::fs::read(&path).unwrap();
        std::fs::write(&path, &good[..good.len() - 1]).unwrap();
        assert!(Ivf::<ProductQuantiser>::open(&path).is_err());
        let mut changed = good.clone();
        *changed.last_mut().unwrap() ^= 1;
        std::fs::write(&path, &changed).unwrap();
        let error = Ivf::<ProductQuantiser>::open(&path).unwrap().verify().unwrap_err().to_string();
        assert!(error.contains("checksum") && error.contains("ivf"), "{error}");
    }

    #[test]
    fn a_row_that_does_not_fit_is_refused() {
        let (dir, rows) = (tempfile::tempdir().unwrap(), wave(50));
        let (coarse, code) = (Centroids::new(vec![0.0; DIM], DIM), TRAINING.train(&rows, DIM));
        let layout = Layout { coarse, code, residual: false };
        let mut writer = IvfWriter::create(&dir.path().join("ivf"), layout).unwrap();
        assert!(writer.push(&[1.0; 3]).unwrap_err().to_string().contains("expected 8 components"));
        assert!(writer.push(&[f32::NAN; DIM]).unwrap_err().to_string().contains("row 0"));
    }
}
