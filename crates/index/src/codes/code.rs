//! What an inverted file asks of a code.

/// A way to store a vector in few bytes, and to score it there.
pub trait Code: Send + Sync + Sized {
    /// Kind and version of files with such codes, at most sixteen bytes.
    const KIND: &'static str;
    /// A query in the form in which it is compared with many codes.
    type Query: Send + Sync;

    /// The number of components of a vector.
    fn dim(&self) -> usize;

    /// The size of one code in bytes.
    fn code_bytes(&self) -> usize;

    /// Encodes `rows`, `[n, dim]`, as codes, `[n, code_bytes]`.
    fn encode(&self, rows: &[f32]) -> Vec<u8>;

    /// The size in bytes of a list of `rows` codes.
    fn list_bytes(&self, rows: usize) -> usize {
        rows * self.code_bytes()
    }

    /// Arranges `codes`, `[n, code_bytes]`, as a list keeps them.
    fn pack(&self, codes: &[u8]) -> Vec<u8> {
        codes.to_vec()
    }

    /// Prepares `queries`, `[n, dim]`, for comparison with codes.
    fn queries(&self, queries: &[f32]) -> Vec<Self::Query>;

    /// The scores of the first rows of a list, one for each of `scores`: fast, and as good as candidates need.
    fn scan(&self, query: &Self::Query, list: &[u8], scores: &mut [f32]);

    /// The product of the query, unrounded, with what the code of a row stands for.
    fn score(&self, query: &Self::Query, list: &[u8], row: usize) -> f32;

    /// The code's own parameters, such as its centroids, as bytes.
    fn write(&self) -> Vec<u8>;

    /// Reads what [`Code::write`] wrote, if that is what it is.
    fn read(from: &mut Reader) -> Option<Self>;
}

/// Reads little-endian numbers from bytes, one after the other.
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The number of bytes that are left.
    pub fn left(&self) -> usize {
        self.0.len()
    }

    /// The next `count` bytes; `None` if there are fewer.
    pub fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    /// The next `N` numbers of four bytes each; `None` if there are fewer.
    pub fn numbers<const N: usize>(&mut self) -> Option<[usize; N]> {
        let bytes = self.bytes(4 * N)?.as_chunks::<4>().0;
        Some(std::array::from_fn(|number| u32::from_le_bytes(bytes[number]) as usize))
    }

    /// The next `count` floats; `None` if there are fewer.
    pub fn floats(&mut self, count: usize) -> Option<Vec<f32>> {
        let bytes = self.bytes(count.checked_mul(4)?)?.as_chunks::<4>().0;
        Some(bytes.iter().map(|&four| f32::from_le_bytes(four)).collect())
    }
}
