//! Texts that were written elsewhere for queries or documents, and stored in a file.

/// A text of a file, with the query or the document that it was written for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredText {
    /// The `query_id` or `doc_id` that the text is for. Several texts may have the same.
    pub id: String,
    /// The text, as the file has it; it may be empty.
    pub text: String,
    /// The line of the file where the text stands, from 1; `None` where the file has no lines, as Parquet has none.
    pub line: Option<u64>,
}
