//! Writing, row by row.

use std::path::Path;

use nir_kernels::FrameWriter;
use rayon::prelude::*;

use super::search::{Ivf, Layout};
use crate::IndexError;
use crate::codes::code::Code;
use crate::codes::kmeans::Members;

/// Writes an [`Ivf`] from rows in the order of their documents, in bounded memory: codes wait in a file of their own
/// until all are known, and twelve bytes for each document are kept.
pub struct IvfWriter<C> {
    layout: Layout<C>,
    file: FrameWriter,
    codes: FrameWriter,
    /// The list of each row so far.
    assigned: Vec<u32>,
    /// The rows that are not encoded yet.
    pending: Vec<f32>,
}

/// The number of rows that are encoded at a time.
const PENDING: usize = 8192;
/// The kind of the temporary file that holds codes until all lists are known.
const WAITING: &str = "nir-codes 1";

impl<C: Code> IvfWriter<C> {
    /// Begins an inverted file; an older one of that name is replaced in the end.
    ///
    /// # Panics
    /// If centroids and code are of another width.
    pub fn create(path: &Path, layout: Layout<C>) -> Result<Self, IndexError> {
        assert_eq!(layout.coarse.dim(), layout.code.dim(), "centroids and code have one width");
        let mut waiting = path.as_os_str().to_owned();
        waiting.push(".codes");
        let (file, codes) =
            (FrameWriter::create(path, C::KIND)?, FrameWriter::create(waiting.as_ref(), WAITING)?);
        Ok(Self { layout, file, codes, assigned: Vec::new(), pending: Vec::new() })
    }

    /// Adds the vector of the next document. Fails if it has another length or cannot be stored.
    pub fn push(&mut self, row: &[f32]) -> Result<(), IndexError> {
        let (expected, found) = (self.layout.coarse.dim(), row.len());
        if found != expected {
            let path = self.file.path().to_owned();
            return Err(IndexError::Dimension { path, expected, found });
        }
        if let Some(&value) = row.iter().find(|x| !x.is_finite()) {
            let path = self.file.path().to_owned();
            let row = self.assigned.len() + self.pending.len() / expected;
            return Err(IndexError::Component { path, row, value, most: f32::MAX });
        }
        self.pending.extend_from_slice(row);
        if self.pending.len() == PENDING * expected { self.encode() } else { Ok(()) }
    }

    /// Adds the code of the next document, found elsewhere, to a list.
    ///
    /// # Panics
    /// If the code is of another length or the list is not there.
    pub fn push_code(&mut self, list: usize, code: &[u8]) -> Result<(), IndexError> {
        assert_eq!(code.len(), self.layout.code.code_bytes(), "bytes of a code");
        assert!(list < self.layout.coarse.len(), "list {list} of {}", self.layout.coarse.len());
        self.encode()?;
        self.assigned.push(list as u32);
        Ok(self.codes.write(code)?)
    }

    fn encode(&mut self) -> Result<(), IndexError> {
        let Layout { coarse, code, residual } = &self.layout;
        let nearest = coarse.assign(&self.pending);
        if *residual {
            let rows = self.pending.par_chunks_exact_mut(coarse.dim());
            rows.zip(&nearest).for_each(|(row, found)| {
                let centroid = coarse.row(found.centroid as usize);
                row.iter_mut().zip(centroid).for_each(|(x, c)| *x -= c);
            });
        }
        self.codes.write(&code.encode(&self.pending))?;
        self.assigned.extend(nearest.iter().map(|found| found.centroid));
        self.pending.clear();
        if self.assigned.len() > u32::MAX as usize {
            let documents = self.assigned.len();
            return Err(IndexError::TooLarge { documents, most: u32::MAX as usize });
        }
        Ok(())
    }

    /// Completes the file and opens it.
    pub fn finish(mut self) -> Result<Ivf<C>, IndexError> {
        self.encode()?;
        let Self { layout, mut file, codes, assigned, .. } = self;
        let Layout { coarse, code, residual } = &layout;
        let codes = codes.finish([0; 5])?;
        let lists = Members::new(&assigned, coarse.len());
        let floats: Vec<u8> = coarse.values().iter().flat_map(|x| x.to_le_bytes()).collect();
        file.write(&floats)?;
        file.write(&code.write())?;
        let sizes = (0..coarse.len()).map(|list| lists.of(list).len() as u32);
        file.write(&sizes.flat_map(u32::to_le_bytes).collect::<Vec<_>>())?;
        lists.rows.chunks(1 << 16).try_for_each(|rows| {
            file.write(&rows.iter().flat_map(|doc| doc.to_le_bytes()).collect::<Vec<_>>())
        })?;
        for list in 0..coarse.len() {
            let of = |&doc: &u32| &codes[doc as usize * code.code_bytes()..][..code.code_bytes()];
            let codes: Vec<u8> = lists.of(list).iter().flat_map(of).copied().collect();
            file.write(&code.pack(&codes))?;
        }
        let path = file.path().to_owned();
        let fields = [coarse.dim(), assigned.len(), coarse.len(), usize::from(*residual), 0];
        file.finish(fields.map(|field| field as u64))?;
        std::fs::remove_file(codes.path()).map_err(IndexError::io(codes.path()))?;
        Ivf::open(&path)
    }
}
