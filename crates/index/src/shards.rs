//! Indexes of consecutive slices of a corpus, searched as one.
//!
//! A collection that is too large to be built at once, or that grows, is cut into slices of consecutive rows, each with
//! an index of its own. The best documents of the whole are among the best of its slices, and the rule for ties looks at
//! names alone; so the best of those is what one index over everything finds, if the indexes are exact. An approximate
//! one finds what each of its slices does. Scores must not depend on the slice: BM25's do, through document
//! frequencies, so it is sharded after they are known, as impacts ([`crate::impacts::Sharded`]).

use nir_core::{Corpus, DocNo, Ranking, Scored};

/// A range of consecutive rows of a corpus, as a corpus of its own.
pub struct Slice<'c> {
    corpus: &'c dyn Corpus,
    first: u32,
    len: usize,
}

impl<'c> Slice<'c> {
    /// The `len` rows from `first` on.
    ///
    /// # Panics
    /// If the corpus has not so many.
    pub fn new(corpus: &'c dyn Corpus, first: usize, len: usize) -> Self {
        let rows = corpus.len();
        assert!(first + len <= rows, "a slice of rows {first}..{} of {rows}", first + len);
        Self { corpus, first: first as u32, len }
    }

    fn whole(&self, doc: DocNo) -> DocNo {
        DocNo(self.first + doc.0)
    }
}

impl Corpus for Slice<'_> {
    fn len(&self) -> usize {
        self.len
    }

    fn doc_id(&self, doc: DocNo) -> &str {
        self.corpus.doc_id(self.whole(doc))
    }

    fn doc_no(&self, doc_id: &str) -> Option<DocNo> {
        let row = self.corpus.doc_no(doc_id)?.0.checked_sub(self.first)?;
        ((row as usize) < self.len).then_some(DocNo(row))
    }

    fn title(&self, doc: DocNo) -> &str {
        self.corpus.title(self.whole(doc))
    }

    fn text(&self, doc: DocNo) -> &str {
        self.corpus.text(self.whole(doc))
    }

    fn contents(&self, doc: DocNo) -> &str {
        self.corpus.contents(self.whole(doc))
    }
}

/// The best `depth` documents of several indexes. `sizes` says how many rows each has, in order; `search` finds the best
/// `depth` of the shard of this number among the rows of its slice.
///
/// # Panics
/// If the shards together have not as many rows as the corpus.
pub fn search_shards(
    corpus: &dyn Corpus,
    depth: usize,
    sizes: &[usize],
    search: impl Fn(usize, &Slice<'_>) -> Ranking,
) -> Ranking {
    let rows: usize = sizes.iter().sum();
    assert_eq!(rows, corpus.len(), "shards and their corpus have the same rows");
    let (mut first, mut found) = (0, Vec::new());
    for (shard, &len) in sizes.iter().enumerate() {
        let slice = Slice::new(corpus, first, len);
        let ranking = search(shard, &slice);
        found.extend(ranking.iter().map(|hit| Scored { doc: slice.whole(hit.doc), ..*hit }));
        first += len;
    }
    Ranking::top(depth, found, corpus)
}
