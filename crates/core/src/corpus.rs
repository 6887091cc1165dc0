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
    /// How many documents there are; rows are `0..len`.
    fn len(&self) -> usize;
    /// The name of a document.
    fn doc_id(&self, doc: DocNo) -> &str;
    /// The row of a document, if it is in the collection.
    fn doc_no(&self, doc_id: &str) -> Option<DocNo>;
    /// The title, empty where the collection has none.
    fn title(&self, doc: DocNo) -> &str;
    /// The text without the title.
    fn text(&self, doc: DocNo) -> &str;
    /// Title and text as one.
    fn contents(&self, doc: DocNo) -> &str;

    /// The names of a document's fields, in order: those that a template may ask for.
    fn fields(&self) -> &[&str] {
        &["title", "text"]
    }

    /// A field of a document; none where the collection has no field of this name.
    fn field(&self, doc: DocNo, name: &str) -> Option<&str> {
        match name {
            "title" => Some(self.title(doc)),
            "text" => Some(self.text(doc)),
            _ => None,
        }
    }

    /// Names all that a method can see of a document but its name: what was made of a document is found again by it, and
    /// never met by another content.
    fn digest(&self, doc: DocNo) -> Digest {
        let mut hasher = Hasher::new("document");
        for name in self.fields() {
            hasher.part(name).part(self.field(doc, name).unwrap_or_default());
        }
        hasher.digest()
    }

    /// Whether there is nothing to search.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One document as a file gives it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Document {
    /// Its name.
    pub doc_id: String,
    /// Its title, or nothing.
    pub title: String,
    /// Its text.
    pub text: String,
}

/// Two documents of one collection have the same name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{doc_id}` names two documents (rows {first} and {second}): a doc_id must be unique")]
pub struct DuplicateDocId {
    /// The name they share.
    pub doc_id: String,
    /// The row of the first.
    pub first: usize,
    /// The row of the second.
    pub second: usize,
}

/// A small collection in memory: the toy set, a test, an expanded copy.
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
    /// Takes documents in their order; refuses a repeated name.
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
