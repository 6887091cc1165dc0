//! Who is told how far a download is.

/// Told about downloads, one file after the other.
pub trait Report {
    /// A file begins, or begins again after its connection broke.
    fn begin(&self, what: &str, total_bytes: u64);
    /// This many bytes more are there.
    fn advance(&self, bytes: u64);
}

/// Tells nobody.
impl Report for () {
    fn begin(&self, _what: &str, _total_bytes: u64) {}
    fn advance(&self, _bytes: u64) {}
}
