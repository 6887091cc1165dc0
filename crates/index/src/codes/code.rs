//! What an inverted file asks of a code.

/// A way to store a vector in few bytes, and to score it there.
pub trait Code: Send + Sync + Sized {
    /// Kind and version of files with such codes, at most sixteen bytes.
    const KIND: &'static str;
    /// A query, prepared for many documents.
    type Query: Send + Sync;

    /// Components of a vector.
    fn dim(&self) -> usize;

    /// Bytes of one code.
    fn code_bytes(&self) -> usize;

    /// The codes of `rows`, `[n, dim]`: `[n, code_bytes]`.
    fn encode(&self, rows: &[f32]) -> Vec<u8>;

    /// Bytes that a list of `rows` codes takes.
    fn list_bytes(&self, rows: usize) -> usize {
        rows * self.code_bytes()
    }

    /// Arranges `codes`, `[n, code_bytes]`, as a list keeps them.
    fn pack(&self, codes: &[u8]) -> Vec<u8> {
        codes.to_vec()
    }

    /// Prepares `queries`, `[n, dim]`.
    fn queries(&self, queries: &[f32]) -> Vec<Self::Query>;

    /// The scores of the first rows of a list, one for each of `scores`: fast, and as good as candidates need.
    fn scan(&self, query: &Self::Query, list: &[u8], scores: &mut [f32]);

    /// The product of the query, unrounded, with what the code of a row stands for.
    fn score(&self, query: &Self::Query, list: &[u8], row: usize) -> f32;

    /// All of it as bytes.
    fn write(&self) -> Vec<u8>;

    /// Reads what [`Code::write`] wrote, if that is what it is.
    fn read(from: &mut Reader) -> Option<Self>;
}

/// Little-endian numbers, one after the other.
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Begins at the front.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// How many bytes are left.
    pub fn left(&self) -> usize {
        self.0.len()
    }

    /// The next bytes.
    pub fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    /// The next numbers of four bytes.
    pub fn numbers<const N: usize>(&mut self) -> Option<[usize; N]> {
        let bytes = self.bytes(4 * N)?.as_chunks::<4>().0;
        Some(std::array::from_fn(|number| u32::from_le_bytes(bytes[number]) as usize))
    }

    /// The next floats.
    pub fn floats(&mut self, count: usize) -> Option<Vec<f32>> {
        let bytes = self.bytes(count.checked_mul(4)?)?.as_chunks::<4>().0;
        Some(bytes.iter().map(|&four| f32::from_le_bytes(four)).collect())
    }
}
