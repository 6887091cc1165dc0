//! Building: documents come one after another, rows go to disk at once, lists at the end.

use std::path::Path;

use nir_kernels::SectionsWriter;
use rustc_hash::FxHashMap;

use super::format::{Dimension, KIND, MOST_DIMENSIONS, Rows};
use super::lists::{Body, Clustering, heaviest_documents};
use super::search::Clustered;
use crate::IndexError;
use crate::impacts::format::MOST_DOCUMENTS;

/// A clustered index under way: documents come one after another, in the order of their rows.
///
/// Rows go to disk as they come. Memory holds at most `2 · postings` postings of 8 bytes for each dimension, then the
/// clustered lists. Lists are built on all threads of the current pool; the file is the same for any number.
pub struct ClusteredBuilder {
    clustering: Clustering,
    gathered: Gathered,
    file: SectionsWriter,
}

impl ClusteredBuilder {
    /// Begins a new file; a file of that name is replaced.
    ///
    /// # Panics
    /// If a parameter of `clustering` has no meaning.
    pub fn create(path: &Path, clustering: Clustering) -> Result<Self, IndexError> {
        clustering.assert_valid();
        let gathered = Gathered::new(clustering.postings);
        Ok(Self { clustering, gathered, file: SectionsWriter::create(path, KIND)? })
    }

    /// Adds a document: dimensions, each once, with finite weights above zero.
    pub fn push(&mut self, document: &[(u32, f32)]) -> Result<(), IndexError> {
        self.gathered.push(document, &mut self.file)
    }

    /// Clusters the lists, completes the file and opens it.
    pub fn finish(self) -> Result<Clustered, IndexError> {
        let Self { clustering, gathered, mut file } = self;
        file.end_section()?;
        let map = file.read_back()?;
        let rows = Rows { bytes: file.first_section(&map), starts: &gathered.starts };
        let body = Body::build(clustering, &gathered.lists, rows);
        drop(map);
        file.section(&gathered.starts)?;
        file.section(&gathered.dimensions())?;
        body.write(&mut file)?;
        let path = file.path().to_owned();
        file.finish()?;
        Clustered::open(&path)
    }
}

impl Clustered {
    /// Writes an index of `documents`, in the order of their rows, into the file `path`, and opens it.
    ///
    /// Documents are read one at a time, and memory is bounded as [`ClusteredBuilder`] says.
    ///
    /// # Panics
    /// If a parameter of `clustering` has no meaning.
    pub fn build<D: AsRef<[(u32, f32)]>>(
        path: &Path,
        clustering: Clustering,
        documents: impl IntoIterator<Item = D>,
    ) -> Result<Self, IndexError> {
        let mut builder = ClusteredBuilder::create(path, clustering)?;
        documents.into_iter().try_for_each(|document| builder.push(document.as_ref()))?;
        builder.finish()
    }
}

/// What is kept in memory of all documents until the lists are built.
struct Gathered {
    most: usize,
    numbers: FxHashMap<u32, u32>,
    names: Vec<u32>,
    max: Vec<f32>,
    /// For each dimension, the documents with the largest weights, and some others.
    lists: Vec<Vec<(f32, u32)>>,
    starts: Vec<u64>,
    row: Vec<(u32, f32)>,
}

impl Gathered {
    fn new(most: usize) -> Self {
        Self {
            most,
            numbers: FxHashMap::default(),
            names: Vec::new(),
            max: Vec::new(),
            lists: Vec::new(),
            starts: vec![0],
            row: Vec::new(),
        }
    }

    fn push(
        &mut self,
        document: &[(u32, f32)],
        file: &mut SectionsWriter,
    ) -> Result<(), IndexError> {
        let doc = self.starts.len() - 1;
        if doc == MOST_DOCUMENTS {
            return Err(IndexError::TooLarge { documents: doc + 1, most: MOST_DOCUMENTS });
        }
        self.row.clear();
        self.row.extend_from_slice(document);
        check(&mut self.row, doc)?;
        self.row.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let mut row = std::mem::take(&mut self.row);
        for (dimension, weight) in &mut row {
            *dimension = self.posting(*dimension, *weight, doc)?;
        }
        self.row = row;
        self.write_row(file)
    }

    /// Adds a posting to its list; returns the number of its dimension.
    fn posting(&mut self, dimension: u32, weight: f32, doc: usize) -> Result<u32, IndexError> {
        let next = self.names.len();
        let number = *self.numbers.entry(dimension).or_insert(next as u32);
        if number as usize == next {
            if next == MOST_DIMENSIONS {
                let what = format!("it is the {}th, and 16 bits number no more", next + 1);
                return Err(IndexError::Posting { document: doc, dimension, what });
            }
            self.names.push(dimension);
            self.max.push(0.0);
            self.lists.push(Vec::new());
        }
        let (max, list) = (&mut self.max[number as usize], &mut self.lists[number as usize]);
        *max = max.max(weight);
        list.push((weight, doc as u32));
        if list.len() == 2 * self.most {
            heaviest_documents(list, self.most);
        }
        Ok(number)
    }

    fn write_row(&mut self, file: &mut SectionsWriter) -> Result<(), IndexError> {
        let weights: Vec<f32> = self.row.iter().map(|&(_, weight)| weight).collect();
        let mut numbers: Vec<u16> = self.row.iter().map(|&(number, _)| number as u16).collect();
        if numbers.len() % 2 == 1 {
            numbers.push(0);
        }
        file.write(&weights)?;
        file.write(&numbers)?;
        let start = self.starts.last().expect("it begins with zero");
        self.starts.push(start + (4 * weights.len() + 2 * numbers.len()) as u64);
        Ok(())
    }

    /// The dimensions in the order of their names.
    fn dimensions(&self) -> Vec<Dimension> {
        let named = (0..).zip(&self.names).zip(&self.max);
        let mut all: Vec<Dimension> =
            named.map(|((number, &name), &max)| Dimension { name, number, max }).collect();
        all.sort_unstable_by_key(|dimension| dimension.name);
        all
    }
}

/// Refuses a document that an index cannot store.
fn check(row: &mut [(u32, f32)], document: usize) -> Result<(), IndexError> {
    row.sort_unstable_by_key(|&(dimension, _)| dimension);
    let wrong = |dimension, what| Err(IndexError::Posting { document, dimension, what });
    for (i, &(dimension, weight)) in row.iter().enumerate() {
        if !(weight > 0.0 && weight.is_finite()) {
            return wrong(dimension, format!("its weight is {weight}"));
        }
        if i > 0 && row[i - 1].0 == dimension {
            return wrong(dimension, "it is there twice".to_owned());
        }
    }
    Ok(())
}
