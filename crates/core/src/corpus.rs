//! A collection of documents, addressed by row.

use std::collections::HashMap;

use crate::{Digest, Hasher};

/// The row of a document in its collection, and so in every matrix and index built over it.
///
/// A `doc_id` is a name in files and in evaluation; a `DocNo` is a position. They are never interchangeable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DocNo(pub u32);

impl DocNo {
    /// The row as an index into a slice.
    pub fn row(self) -> usize {
        self.0 as usize
    }
}

/// A collection that can be read by row without copying a byte.
///
/// A document has an optional title and a text. Methods that see one field see `contents`: the title, one space and
/// the text, as Anserini's flat BEIR index has it; without a title it is the text alone.
pub trait Corpus: Send + Sync {
    /// The number of documents in the collection; their rows are `0..len`.
    fn len(&self) -> usize;
    /// The `doc_id` of the document in row `doc`.
    ///
    /// # Panics
    ///
    /// Implementations may panic where `doc` is not below [`Corpus::len`].
    fn doc_id(&self, doc: DocNo) -> &str;
    /// The row of the document with this `doc_id`, or `None` where the collection has no such document.
    fn doc_no(&self, doc_id: &str) -> Option<DocNo>;
    /// The title of the document, or an empty text where it has none.
    fn title(&self, doc: DocNo) -> &str;
    /// The text of the document without its title.
    fn text(&self, doc: DocNo) -> &str;
    /// The title, one space and the text of the document, or the text alone where there is no title.
    fn contents(&self, doc: DocNo) -> &str;

    /// The names of the fields that every document of the collection has, in order. A template of a config may ask for each
    /// of them (`{title} {text}`).
    fn fields(&self) -> &[&str] {
        &["title", "text"]
    }

    /// The content of the field `name` of a document, or `None` where the collection has no field of this name.
    fn field(&self, doc: DocNo, name: &str) -> Option<&str> {
        match name {
            "title" => Some(self.title(doc)),
            "text" => Some(self.text(doc)),
            _ => None,
        }
    }

    /// The digest of everything that a method can see of a document except its `doc_id`. The cache uses it as the key of what
    /// was computed from the document, so that a changed document is never given the vector of its former content.
    fn digest(&self, doc: DocNo) -> Digest {
        let mut hasher = Hasher::new("document");
        for name in self.fields() {
            hasher.part(name).part(self.field(doc, name).unwrap_or_default());
        }
        hasher.digest()
    }

    /// Whether the collection has no documents.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One document as a file gives it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Document {
    /// The name of the document in files and in evaluation; unique in its collection.
    pub doc_id: String,
    /// The title of the document; empty where it has none.
    pub title: String,
    /// The text of the document, without its title.
    pub text: String,
}

/// The error of a collection in which two documents have the same `doc_id`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{doc_id}` names two documents (rows {first} and {second}): a doc_id must be unique")]
pub struct DuplicateDocId {
    /// The `doc_id` that both documents have.
    pub doc_id: String,
    /// The row of the first document with this `doc_id`, from 0.
    pub first: usize,
    /// The row of the second document with this `doc_id`, from 0.
    pub second: usize,
}

/// A collection that is held in memory: small datasets, tests, and copies of a collection with expanded documents.
///
/// ```
/// use nir_core::{Corpus, DocNo, Document, Documents};
///
/// let tea = Document { doc_id: "d1".into(), title: "Tea".into(), text: "Pour when it boils.".into() };
/// let corpus = Documents::new([tea.clone()])?;
/// assert_eq!(corpus.doc_no("d1"), Some(DocNo(0)));
/// assert_eq!(corpus.contents(DocNo(0)), "Tea Pour when it boils.");
///
/// let problem = Documents::new([tea.clone(), tea]).unwrap_err();
/// assert_eq!((problem.first, problem.second), (0, 1));
/// # Ok::<(), nir_core::DuplicateDocId>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Documents {
    docs: Vec<InMemory>,
    rows: HashMap<String, DocNo>,
}

#[derive(Debug, Clone)]
struct InMemory {
    doc_id: String,
    contents: String,
    text_start: usize,
}

impl Documents {
    /// Makes a collection of `docs`; the first of them is in row 0, the next in row 1, and so on.
    ///
    /// # Errors
    ///
    /// [`DuplicateDocId`] where two of them have the same `doc_id`.
    pub fn new(docs: impl IntoIterator<Item = Document>) -> Result<Self, DuplicateDocId> {
        let mut all = Self::default();
        for doc in docs {
            all.push(doc)?;
        }
        Ok(all)
    }

    fn push(&mut self, doc: Document) -> Result<(), DuplicateDocId> {
        let second = self.docs.len();
        if let Some(first) = self.rows.insert(doc.doc_id.clone(), DocNo(second as u32)) {
            return Err(DuplicateDocId { doc_id: doc.doc_id, first: first.row(), second });
        }
        let text_start = if doc.title.is_empty() { 0 } else { doc.title.len() + 1 };
        let contents =
            if doc.title.is_empty() { doc.text } else { format!("{} {}", doc.title, doc.text) };
        self.docs.push(InMemory { doc_id: doc.doc_id, contents, text_start });
        Ok(())
    }
}

impl Corpus for Documents {
    fn len(&self) -> usize {
        self.docs.len()
    }

    fn doc_id(&self, doc: DocNo) -> &str {
        &self.docs[doc.row()].doc_id
    }

    fn doc_no(&self, doc_id: &str) -> Option<DocNo> {
        self.rows.get(doc_id).copied()
    }

    fn title(&self, doc: DocNo) -> &str {
        let doc = &self.docs[doc.row()];
        &doc.contents[..doc.text_start.saturating_sub(1)]
    }

    fn text(&self, doc: DocNo) -> &str {
        let doc = &self.docs[doc.row()];
        &doc.contents[doc.text_start..]
    }

    fn contents(&self, doc: DocNo) -> &str {
        &self.docs[doc.row()].contents
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doc(doc_id: &str, title: &str, text: &str) -> Document {
        Document { doc_id: doc_id.into(), title: title.into(), text: text.into() }
    }

    #[test]
    fn contents_is_title_space_text() {
        let corpus =
            Documents::new([doc("a", "Tea", "is a drink"), doc("b", "", "no title")]).unwrap();
        assert_eq!(corpus.contents(DocNo(0)), "Tea is a drink");
        assert_eq!((corpus.title(DocNo(0)), corpus.text(DocNo(0))), ("Tea", "is a drink"));
        assert_eq!((corpus.title(DocNo(1)), corpus.text(DocNo(1))), ("", "no title"));
        assert_eq!(corpus.doc_no("b"), Some(DocNo(1)));
    }

    #[test]
    fn a_digest_is_that_of_all_fields_and_of_no_name() {
        let digest = |title: &str, text: &str, doc_id: &str| {
            Documents::new([doc(doc_id, title, text)]).unwrap().digest(DocNo(0))
        };
        assert_eq!(digest("Tea", "is a drink", "a"), digest("Tea", "is a drink", "b"));
        // The contents are the same, and a template may tell them apart.
        assert_ne!(digest("Tea", "is a drink", "a"), digest("", "Tea is a drink", "a"));
    }

    #[test]
    fn a_repeated_doc_id_is_refused() {
        let error = Documents::new([doc("a", "", "x"), doc("a", "", "y")]).unwrap_err();
        assert_eq!(error, DuplicateDocId { doc_id: "a".into(), first: 0, second: 1 });
    }
}
