//! Who is told how far a download is.

/// Receives the progress of downloads, which happen one after the other.
pub trait Report {
    /// The download of `what` begins, or begins again after its connection broke; the file has `total_bytes`.
    fn begin(&self, what: &str, total_bytes: u64);
    /// `bytes` more have arrived.
    fn advance(&self, bytes: u64);
}

/// Ignores all progress.
impl Report for () {
    fn begin(&self, _what: &str, _total_bytes: u64) {}
    fn advance(&self, _bytes: u64) {}
}
