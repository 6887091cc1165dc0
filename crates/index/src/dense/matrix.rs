//! Vectors in a file, one row for each document.
//!
//! A row begins at a multiple of 64 bytes, so that no load crosses a cache line. Behind the rows of an `int8` matrix
//! stand its scales: a row is divided by its largest component, and keeps 127 steps to either side of zero.
//!
//! ```text
//! scale = max |x_i| / 127        row_i = round(x_i / scale)        x_i ≈ scale · row_i
//! ```

use std::path::Path;

use half::{bf16, f16};
use nir_core::Digest;
use nir_kernels::{Element, Frame, FrameWriter, Simd};

use crate::IndexError;

const KIND: &str = "nir-matrix 1";
const ALIGNMENT: usize = 64;

/// The number format of a stored component.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Storage {
    /// Four bytes, exactly as encoders give them.
    F32,
    /// Two bytes: eleven significant bits, values up to 65,504.
    F16,
    /// Two bytes: eight significant bits, as large as `f32`.
    Bf16,
    /// One byte: 127 steps to either side of zero, with a scale for each row.
    Int8,
}

impl Storage {
    const ALL: [Self; 4] = [Self::F32, Self::F16, Self::Bf16, Self::Int8];

    /// The size of a component in bytes.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Int8 => 1,
        }
    }

    /// The number that stands for the format in a file's header.
    fn code(self) -> u64 {
        self as u64
    }

    fn of_code(code: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|storage| storage.code() == code)
    }

    /// The distance from one row to the next in bytes.
    fn stride(self, dim: usize) -> usize {
        (dim * self.bytes()).next_multiple_of(ALIGNMENT)
    }
}

/// Rows of one width, mapped into memory. Many threads may read it at once.
#[derive(Debug)]
pub struct Matrix {
    file: Frame,
    dim: usize,
    len: usize,
    storage: Storage,
}

impl Matrix {
    /// Maps a file that [`MatrixWriter`] wrote; takes microseconds at any size.
    ///
    /// The header is verified, the content is not: see [`Matrix::verify`].
    pub fn open(path: &Path) -> Result<Self, IndexError> {
        Self::new(Frame::open(path, KIND)?)
    }

    fn new(file: Frame) -> Result<Self, IndexError> {
        let [dim, len, code, ..] = file.fields();
        let storage =
            Storage::of_code(code).ok_or_else(|| file.damaged(format!("no storage is {code}")))?;
        let matrix = Self { dim: dim as usize, len: len as usize, storage, file };
        let scales = if storage == Storage::Int8 { 4 * matrix.len } else { 0 };
        if matrix.file.len() != matrix.rows_end() + scales {
            return Err(matrix
                .file
                .damaged(format!("{len} rows of {dim} do not fit its length"))
                .into());
        }
        Ok(matrix)
    }

    /// Reads the whole file and compares it with its checksum. Fails if it is damaged.
    pub fn verify(&self) -> Result<(), IndexError> {
        Ok(self.file.verify()?)
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The number of components of a row.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The number format of its components.
    pub fn storage(&self) -> Storage {
        self.storage
    }

    /// The size of the file in bytes.
    pub fn bytes(&self) -> u64 {
        self.file.bytes()
    }

    /// The path of the file.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// The digest of the file's content.
    pub fn digest(&self) -> Digest {
        let hex = blake3::Hash::from_bytes(self.file.digest()).to_hex();
        Digest::from_hex(&hex).expect("64 digits are a digest")
    }

    /// A row as it was pushed, up to the rounding of its storage.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, row: usize) -> Vec<f32> {
        let mut components = vec![0.0; self.dim];
        self.read(row, &mut components);
        components
    }

    /// Reads a row into a slice of `dim` components.
    pub fn read(&self, row: usize, into: &mut [f32]) {
        let all = row..row + 1;
        match self.rows(all) {
            Rows::F32(rows) => into.copy_from_slice(rows.row(0)),
            Rows::F16(rows) => widen(rows.row(0), 1.0, into),
            Rows::Bf16(rows) => widen(rows.row(0), 1.0, into),
            Rows::Int8(rows, scales) => widen(rows.row(0), scales[0], into),
        }
    }

    /// The inner product `query · row`, which is the score of exact search.
    pub(crate) fn dot(&self, simd: Simd, query: &[f32], row: usize) -> f32 {
        match self.rows(row..row + 1) {
            Rows::F32(rows) => simd.dot(query, rows.row(0)),
            Rows::F16(rows) => simd.dot(query, rows.row(0)),
            Rows::Bf16(rows) => simd.dot(query, rows.row(0)),
            Rows::Int8(rows, scales) => simd.dot(query, rows.row(0)) * scales[0],
        }
    }

    /// Tells the processor that a row will be read soon.
    pub(crate) fn prefetch(&self, simd: Simd, row: usize) {
        let stride = self.storage.stride(self.dim);
        simd.prefetch(&self.file[row * stride..][..stride]);
    }

    /// A range of rows in their stored format.
    pub(crate) fn rows(&self, range: std::ops::Range<usize>) -> Rows<'_> {
        let scales = |range: &std::ops::Range<usize>| {
            &numbers::<f32>(&self.file[self.rows_end()..])[range.clone()]
        };
        match self.storage {
            Storage::F32 => Rows::F32(self.strided(range)),
            Storage::F16 => Rows::F16(self.strided(range)),
            Storage::Bf16 => Rows::Bf16(self.strided(range)),
            Storage::Int8 => Rows::Int8(self.strided(range.clone()), scales(&range)),
        }
    }

    fn strided<E: Stored>(&self, range: std::ops::Range<usize>) -> Strided<'_, E> {
        let stride = self.storage.stride(self.dim);
        let bytes = &self.file[range.start * stride..range.end * stride];
        Strided { numbers: numbers(bytes), dim: self.dim, stride: stride / size_of::<E>() }
    }

    fn rows_end(&self) -> usize {
        self.len * self.storage.stride(self.dim)
    }
}

/// Rows in their stored format.
pub(crate) enum Rows<'m> {
    F32(Strided<'m, f32>),
    F16(Strided<'m, f16>),
    Bf16(Strided<'m, bf16>),
    /// Bytes, with the scale of each row.
    Int8(Strided<'m, i8>, &'m [f32]),
}

/// Rows of one number format, with the distance between them.
#[derive(Clone, Copy)]
pub(crate) struct Strided<'m, E> {
    numbers: &'m [E],
    dim: usize,
    stride: usize,
}

impl Rows<'_> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::F32(rows) => rows.len(),
            Self::F16(rows) => rows.len(),
            Self::Bf16(rows) => rows.len(),
            Self::Int8(rows, _) => rows.len(),
        }
    }
}

impl<'m, E> Strided<'m, E> {
    pub(crate) fn dim(&self) -> usize {
        self.dim
    }

    pub(crate) fn len(&self) -> usize {
        self.numbers.len().checked_div(self.stride).unwrap_or(0)
    }

    pub(crate) fn row(&self, row: usize) -> &'m [E] {
        &self.numbers[row * self.stride..][..self.dim]
    }
}

/// Converts components to floats and multiplies them by `scale`.
pub(crate) fn widen<E: Element>(row: &[E], scale: f32, into: &mut [f32]) {
    assert_eq!(row.len(), into.len(), "a row has as many components as the matrix has columns");
    for (into, &component) in into.iter_mut().zip(row) {
        *into = component.into() * scale;
    }
}

/// A number type for which any bytes are a valid value.
pub(super) trait Stored: Copy {}
impl Stored for f32 {}
impl Stored for f16 {}
impl Stored for bf16 {}
impl Stored for i8 {}
impl Stored for u32 {}

#[expect(unsafe_code, reason = "billions of numbers are read where they lie")]
pub(super) fn numbers<E: Stored>(bytes: &[u8]) -> &[E] {
    const { assert!(cfg!(target_endian = "little"), "files are little-endian") }
    // SAFETY: every bit pattern is a number of each `Stored` kind.
    let (before, numbers, after) = unsafe { bytes.align_to::<E>() };
    assert!(before.is_empty() && after.is_empty(), "rows are aligned in the file");
    numbers
}

/// Writes a [`Matrix`] row by row. Until [`MatrixWriter::finish`], there is no file of that name.
pub struct MatrixWriter {
    file: FrameWriter,
    dim: usize,
    len: usize,
    storage: Storage,
    /// The scale of each row of an `int8` matrix.
    scales: Vec<f32>,
    row: Vec<u8>,
}

impl MatrixWriter {
    /// Begins a matrix of `dim` columns; an older one of that name is replaced in the end.
    pub fn create(path: &Path, dim: usize, storage: Storage) -> Result<Self, IndexError> {
        if dim == 0 {
            return Err(IndexError::Dimension { path: path.to_owned(), expected: 1, found: 0 });
        }
        let file = FrameWriter::create(path, KIND)?;
        Ok(Self { file, dim, len: 0, storage, scales: Vec::new(), row: Vec::new() })
    }

    /// Adds a row of `dim` components. Fails if it has another length or a component cannot be stored.
    pub fn push(&mut self, row: &[f32]) -> Result<(), IndexError> {
        self.check(row)?;
        self.row.clear();
        let bytes = &mut self.row;
        match self.storage {
            Storage::F32 => bytes.extend(row.iter().flat_map(|x| x.to_le_bytes())),
            Storage::F16 => bytes.extend(row.iter().flat_map(|&x| f16::from_f32(x).to_le_bytes())),
            Storage::Bf16 => {
                bytes.extend(row.iter().flat_map(|&x| bf16::from_f32(x).to_le_bytes()));
            }
            Storage::Int8 => {
                let scale = scale(row);
                self.scales.push(scale);
                bytes.extend(row.iter().map(|x| quantise(x / scale) as u8));
            }
        }
        self.len += 1;
        self.file.write(&self.row)?;
        Ok(self.file.align()?)
    }

    /// A row has `dim` finite components that stay finite as they are stored.
    fn check(&self, row: &[f32]) -> Result<(), IndexError> {
        let path = || self.file.path().to_owned();
        if row.len() != self.dim {
            let (expected, found) = (self.dim, row.len());
            return Err(IndexError::Dimension { path: path(), expected, found });
        }
        let most = match self.storage {
            Storage::F16 => f16::MAX.to_f32(),
            Storage::Bf16 => bf16::MAX.to_f32(),
            Storage::F32 | Storage::Int8 => f32::MAX,
        };
        match row.iter().find(|x| !(-most..=most).contains(*x)) {
            Some(&value) => Err(IndexError::Component { path: path(), row: self.len, value, most }),
            None => Ok(()),
        }
    }

    /// Completes the file and opens it.
    pub fn finish(mut self) -> Result<Matrix, IndexError> {
        let scales: Vec<u8> = self.scales.iter().flat_map(|scale| scale.to_le_bytes()).collect();
        self.file.write(&scales)?;
        let fields = [self.dim as u64, self.len as u64, self.storage.code(), 0, 0];
        Matrix::new(self.file.finish(fields)?)
    }
}

/// The step that brings the largest component to 127; a row of zeros has none, and any will do.
pub(crate) fn scale(row: &[f32]) -> f32 {
    let largest = row.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
    // The smallest steps would be zero after the division.
    (largest / 127.0).max(f32::MIN_POSITIVE)
}

/// Rounds to the nearest of the 255 steps of a byte.
pub(crate) fn quantise(steps: f32) -> i8 {
    steps.round_ties_even().clamp(-127.0, 127.0) as i8
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn write(rows: &[Vec<f32>], dim: usize, storage: Storage) -> (tempfile::TempDir, Matrix) {
        let dir = tempfile::tempdir().unwrap();
        let mut writer = MatrixWriter::create(&dir.path().join("matrix"), dim, storage).unwrap();
        rows.iter().for_each(|row| writer.push(row).unwrap());
        (dir, writer.finish().unwrap())
    }

    /// How far a component may be from what was pushed.
    fn tolerance(storage: Storage, row: &[f32], x: f32) -> f32 {
        let largest = row.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
        match storage {
            Storage::F32 => 0.0,
            Storage::F16 => x.abs() / 2048.0 + 6e-8,
            Storage::Bf16 => x.abs() / 256.0,
            Storage::Int8 => largest / 254.0 * 1.001,
        }
    }

    proptest! {
        #[test]
        fn rows_read_back_within_the_rounding_of_their_storage(
            dim in 1..70_usize, rows in vec(vec(-3.0_f32..3.0, 70), 0..6)
        ) {
            let rows: Vec<Vec<f32>> = rows.into_iter().map(|row| row[..dim].to_vec()).collect();
            for storage in Storage::ALL {
                let (_dir, matrix) = write(&rows, dim, storage);
                let matrix = Matrix::open(matrix.path()).unwrap();
                matrix.verify().unwrap();
                prop_assert_eq!((matrix.len(), matrix.dim(), matrix.storage()), (rows.len(), dim, storage));
                for (number, row) in rows.iter().enumerate() {
                    for (&x, y) in row.iter().zip(matrix.row(number)) {
                        prop_assert!((x - y).abs() <= tolerance(storage, row, x), "{storage:?}: {x} {y}");
                    }
                }
            }
        }
    }

    #[test]
    fn an_int8_row_has_its_own_scale() {
        let (_dir, matrix) =
            write(&[vec![127.0, -1.0], vec![0.0, 0.0], vec![0.5, 0.25]], 2, Storage::Int8);
        assert_eq!(matrix.row(0), [127.0, -1.0]);
        assert_eq!(matrix.row(1), [0.0, 0.0]);
        // 0.25 is 63.5 steps of 0.5 / 127: a tie goes to 64.
        assert_eq!(matrix.row(2), [0.5, 64.0 * (0.5 / 127.0)]);
    }

    #[test]
    fn a_row_of_another_width_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("matrix");
        let mut writer = MatrixWriter::create(&path, 3, Storage::F32).unwrap();
        let error = writer.push(&[1.0]).unwrap_err().to_string();
        assert!(error.contains("expected 3 components, found 1"), "{error}");
    }

    #[test]
    fn what_is_no_number_or_too_large_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for (storage, bad) in
            [(Storage::F32, f32::NAN), (Storage::Int8, f32::INFINITY), (Storage::F16, 65_505.0)]
        {
            let mut writer = MatrixWriter::create(&dir.path().join("matrix"), 1, storage).unwrap();
            writer.push(&[1.0]).unwrap();
            let error = writer.push(&[bad]).unwrap_err().to_string();
            assert!(error.contains("row 1"), "{error}");
        }
    }

    #[test]
    fn a_foreign_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("matrix.npy");
        std::fs::write(&path, [b'x'; 500]).unwrap();
        let error = Matrix::open(&path).unwrap_err().to_string();
        assert!(
            error.contains("matrix.npy") && error.contains("expected `nir-matrix 1`"),
            "{error}"
        );
    }

    #[test]
    fn rows_begin_at_cache_lines() {
        let (_dir, matrix) = write(&vec![vec![1.0; 17]; 3], 17, Storage::F16);
        let Rows::F16(rows) = matrix.rows(0..3) else { panic!("it is stored as f16") };
        assert!((0..3).all(|row| rows.row(row).as_ptr().addr().is_multiple_of(64)));
        assert_eq!(matrix.bytes(), 128 + 3 * 64);
    }
}
