//! A run with `query_id`s and `doc_id`s, as run files hold it and as evaluation reads it.

use indexmap::IndexMap;

/// The score and rank of one line of a run file; [`RankedList::iter`] gives them with the `doc_id`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Entry {
    /// The score that the file gives the document.
    pub score: f64,
    /// The rank column as the file gives it; only the official MS MARCO script looks at it.
    pub rank: u32,
    /// The end of the `doc_id` of this line in the bytes of all `doc_id`s of the list.
    id_end: u32,
}

/// The documents of one query in the order of the file, which need not be the order of the scores.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RankedList {
    ids: String,
    entries: Vec<Entry>,
}

impl RankedList {
    /// Adds a line at the end.
    #[inline]
    pub fn push(&mut self, doc_id: &str, score: f64, rank: u32) {
        self.ids.push_str(doc_id);
        let id_end =
            u32::try_from(self.ids.len()).expect("the doc_ids of one query take less than 4 GiB");
        self.entries.push(Entry { score, rank, id_end });
    }

    /// The scores and ranks of all lines, in the order of the file.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The `doc_id` of line `i`, from 0.
    #[inline]
    pub fn doc_id(&self, i: usize) -> &str {
        let start = if i == 0 { 0 } else { self.entries[i - 1].id_end as usize };
        &self.ids[start..self.entries[i].id_end as usize]
    }

    /// All lines in the order of the file, each as its `doc_id` and its score and rank.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Entry)> {
        (0..self.entries.len()).map(|i| (self.doc_id(i), self.entries[i]))
    }

    /// The number of lines.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the list has no lines.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Removes all lines and keeps the allocated memory for new ones.
    pub fn clear(&mut self) {
        self.ids.clear();
        self.entries.clear();
    }

    /// Frees memory that was allocated for more lines than there are.
    pub fn shrink_to_fit(&mut self) {
        self.ids.shrink_to_fit();
        self.entries.shrink_to_fit();
    }
}

/// A run: for each query, named documents with scores. One line costs 16 bytes and its `doc_id`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TrecRun {
    /// The name the run gives itself in its last column; empty where it has none.
    pub tag: String,
    lists: IndexMap<String, RankedList>,
}

impl TrecRun {
    /// The list of a query, to be changed; an empty list is added where the query had none.
    pub fn list_mut(&mut self, query_id: &str) -> &mut RankedList {
        if !self.lists.contains_key(query_id) {
            self.lists.insert(query_id.to_owned(), RankedList::default());
        }
        self.lists.get_mut(query_id).expect("inserted above")
    }

    /// Gives a query a whole list, and returns the list that it had before, if any.
    pub fn insert(&mut self, query_id: &str, list: RankedList) -> Option<RankedList> {
        self.lists.insert(query_id.to_owned(), list)
    }

    /// The list of a query, or `None` where the run has none for it.
    pub fn get(&self, query_id: &str) -> Option<&RankedList> {
        self.lists.get(query_id)
    }

    /// The list of a query, to be changed, or `None` where the run has none for it.
    pub fn get_mut(&mut self, query_id: &str) -> Option<&mut RankedList> {
        self.lists.get_mut(query_id)
    }

    /// All queries in the order of their first line.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &RankedList)> {
        self.lists.iter().map(|(query_id, list)| (query_id.as_str(), list))
    }

    /// The number of queries that have a list.
    pub fn len(&self) -> usize {
        self.lists.len()
    }

    /// Whether no query has a list.
    pub fn is_empty(&self) -> bool {
        self.lists.is_empty()
    }
}
