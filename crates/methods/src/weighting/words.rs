//! What methods that weigh whole words share: words made of word pieces, and their vectors, files and index.
//!
//! A model gives a number to each word piece, and these methods want one for each word: the first piece's. A word is a
//! string, so the dimensions of an index are not the tokenizer's numbers: they are the places of the words among all
//! words of the collection, sorted, which does not depend on the order in which documents were encoded.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nir_core::{Corpus, DocNo, EncodedTerm, Encoding, Form, Ranking, Result, Version};
use nir_index::structure::{
    Index, Part, SparseIndex, SparseStructure, SparseVector, Stored, Structure,
};
use nir_nn::heads::PerToken;
use nir_nn::{Model, Tokenizer, Tokens};

use crate::Context;
use crate::model::ModelSource;
use crate::reader::{Side, Texts, per_token};

/// Words with weights above zero, each word once: the vector of a text.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct WeightedWords(pub(super) BTreeMap<String, f32>);

impl WeightedWords {
    /// A text as weighted words, all of which occur in the text.
    pub(super) fn shown(self, tokens: Vec<String>) -> Encoding {
        let own = |(term, weight)| EncodedTerm { term, weight, is_expansion: false };
        Encoding { tokens, form: Form::Terms(self.0.into_iter().map(own).collect()) }
    }
}

impl FromIterator<(String, f32)> for WeightedWords {
    fn from_iter<I: IntoIterator<Item = (String, f32)>>(words: I) -> Self {
        Self(words.into_iter().collect())
    }
}

const WORDS: &str = "words.tsv";
/// The version of the format of the file with that name.
pub(crate) const FORMAT: Version = Version::new("methods::weighted words", 1);

/// The weighted words of consecutive documents, in a file: a line for each document, `word ⇥ weight ⇥ word ⇥ weight`. No
/// word has white space in it, and a weight is written so that it reads back to the last bit.
pub(super) struct WordShard(PathBuf);

impl Stored for WeightedWords {
    type Form = ();
    type Shard = WordShard;
    const FORMAT: Version = FORMAT;

    fn write(folder: &Path, documents: &[Self], _form: &()) -> Result<()> {
        let mut file = BufWriter::new(File::create_new(folder.join(WORDS))?);
        for Self(words) in documents {
            let cells: Vec<String> =
                words.iter().map(|(word, weight)| format!("{word}\t{weight}")).collect();
            writeln!(file, "{}", cells.join("\t"))?;
        }
        Ok(file.flush()?)
    }

    fn open(folder: &Path) -> Result<WordShard> {
        Ok(WordShard(folder.join(WORDS)))
    }
}

impl WordShard {
    /// Calls `take` with the words of each document, in order.
    fn each(&self, mut take: impl FnMut(WeightedWords) -> Result<()>) -> Result<()> {
        BufReader::new(File::open(&self.0)?).lines().try_for_each(|line| take(read(&line?)?))
    }
}

fn read(line: &str) -> Result<WeightedWords> {
    let mut cells = line.split('\t').filter(|cell| !cell.is_empty());
    let mut words = WeightedWords::default();
    while let (Some(word), Some(weight)) = (cells.next(), cells.next()) {
        words.0.insert(word.to_owned(), weight.parse()?);
    }
    Ok(words)
}

/// An index of words, where each word of a document has an impact that may depend on the whole collection.
pub(super) struct WordStructure<'a> {
    /// The structure in which impacts are searched.
    pub(super) impacts: &'a SparseStructure,
    /// The name of what `weigh` does, with its parameters.
    pub(super) weighing: String,
    /// The impacts of a document's words, which are given by number with their weights.
    pub(super) weigh: &'a dyn Fn(&Collection, SparseVector) -> SparseVector,
}

const VOCABULARY: &str = "words.txt";

impl Structure for WordStructure<'_> {
    type Vector = WeightedWords;
    type Index = WordIndex;
    const NAME: &'static str = SparseStructure::NAME;

    fn versions(&self) -> Vec<Version> {
        self.impacts.versions()
    }

    fn built(&self) -> Option<String> {
        Some(format!("{} {}", self.weighing, self.impacts.written()))
    }

    fn build(&self, folder: &Path, documents: &[WordShard]) -> Result<()> {
        let collection = Collection::of(documents)?;
        fs::write(folder.join(VOCABULARY), collection.words.join("\n"))?;
        let mut writer = self.impacts.create(folder)?;
        for shard in documents {
            shard.each(|words| {
                let document = numbered(&collection.words, &words);
                writer.push(&(self.weigh)(&collection, document))
            })?;
        }
        writer.finish()
    }

    fn open(&self, folder: Option<&Path>, _documents: Vec<WordShard>) -> Result<WordIndex> {
        let folder = folder.expect("an index of words is always built");
        let words = fs::read_to_string(folder.join(VOCABULARY))?;
        let words = words.lines().map(str::to_owned).collect();
        Ok(WordIndex { words, impacts: self.impacts.open_in(folder)? })
    }
}

/// An open index whose dimensions are words.
pub(super) struct WordIndex {
    /// Sorted; the number of a dimension is the place of its word.
    words: Vec<String>,
    impacts: SparseIndex,
}

impl WordIndex {
    fn numbered(&self, queries: &[WeightedWords]) -> Vec<SparseVector> {
        queries.iter().map(|words| numbered(&self.words, words)).collect()
    }
}

impl Index for WordIndex {
    type Vector = WeightedWords;

    fn search(&self, queries: &[WeightedWords], depth: usize, corpus: &dyn Corpus) -> Vec<Ranking> {
        self.impacts.search(&self.numbered(queries), depth, corpus)
    }

    fn is_exact(&self) -> bool {
        self.impacts.is_exact()
    }

    fn exhaust(
        &self,
        queries: &[WeightedWords],
        depth: usize,
        corpus: &dyn Corpus,
    ) -> Vec<Ranking> {
        self.impacts.exhaust(&self.numbered(queries), depth, corpus)
    }

    fn bytes(&self) -> u64 {
        self.impacts.bytes()
    }

    fn facts(&self) -> Vec<(&'static str, String)> {
        let words = ("words", self.words.len().to_string());
        std::iter::once(words).chain(self.impacts.facts()).collect()
    }

    fn parts(&self, query: &WeightedWords, doc: DocNo) -> Vec<Part> {
        let named = |part| match part {
            Part::Dimension { number, query, document } => {
                Part::Word { word: self.words[number as usize].clone(), query, document }
            }
            other => other,
        };
        let query = numbered(&self.words, query);
        self.impacts.parts(&query, doc).into_iter().map(named).collect()
    }
}

/// The words of a collection, and what the weights of documents say of it as a whole.
#[derive(Debug, PartialEq)]
pub(super) struct Collection {
    /// The words, sorted; the number of a word is its position.
    words: Vec<String>,
    /// The number of documents that have each word.
    document_frequencies: Vec<u32>,
    /// The number of documents that have at least one word.
    documents: u32,
    /// The sum of all weights.
    weight: f64,
}

impl Collection {
    fn of(documents: &[WordShard]) -> Result<Self> {
        let (mut frequencies, mut with_words, mut weight) = (BTreeMap::new(), 0, 0.0);
        for shard in documents {
            shard.each(|WeightedWords(words)| {
                with_words += u32::from(!words.is_empty());
                weight += words.values().copied().map(f64::from).sum::<f64>();
                words.into_keys().for_each(|word| *frequencies.entry(word).or_insert(0) += 1);
                Ok(())
            })?;
        }
        let (words, document_frequencies) = frequencies.into_iter().unzip();
        Ok(Self { words, document_frequencies, documents: with_words, weight })
    }

    /// The number of documents that have at least one word.
    pub(super) fn documents(&self) -> u32 {
        self.documents
    }

    /// The number of documents that have the word with this number.
    pub(super) fn document_frequency(&self, word: u32) -> u32 {
        self.document_frequencies[word as usize]
    }

    /// The mean, over documents that have a word, of the sum of a document's weights.
    pub(super) fn mean_length(&self) -> f32 {
        (self.weight / f64::from(self.documents.max(1))) as f32
    }

    #[cfg(test)]
    pub(super) fn of_words(documents: &[&[(&str, f32)]]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let words = |document: &&[(&str, f32)]| {
            document.iter().map(|&(word, weight)| (word.to_owned(), weight)).collect()
        };
        let documents: Vec<WeightedWords> = documents.iter().map(words).collect();
        WeightedWords::write(folder.path(), &documents, &()).unwrap();
        Self::of(&[WeightedWords::open(folder.path()).unwrap()]).unwrap()
    }
}

/// Words by their place in a sorted vocabulary; a word that it lacks is left out.
fn numbered(vocabulary: &[String], words: &WeightedWords) -> SparseVector {
    let number = |word: &String| vocabulary.binary_search(word).ok().map(|place| place as u32);
    words.0.iter().filter_map(|(word, &weight)| Some((number(word)?, weight))).collect()
}

/// A word of a text, and the number of its first piece.
pub(super) type Word = (String, f32);

/// Loads the linear layers of these names, the last of which has one output.
pub(super) fn load(
    context: &Context<'_>,
    source: &ModelSource,
    head: &[String],
) -> Result<Arc<Model<PerToken>>> {
    let model = source
        .load(context, |architecture, tensors| PerToken::load(architecture, tensors, head))?;
    match model.head.dim() {
        1 => Ok(model),
        found => {
            let (location, head) = (&source.weights, head.join("`, `"));
            Err(format!("{location}: `{head}` has {found} outputs, expected 1").into())
        }
    }
}

/// The words of texts, each as often as it occurs, with what the model gives to its first piece.
pub(super) fn read_words(side: &Side<PerToken>, texts: Texts<'_>) -> Result<Vec<Vec<Word>>> {
    let tokens = side.tokens(texts)?;
    let numbers = per_token(&side.model, &tokens, texts)?;
    let tokenizer = &side.model.tokenizer;
    let one = |(tokens, numbers): (&Tokens, &Vec<f32>)| words(tokenizer, tokens, numbers);
    Ok(tokens.iter().zip(&numbers).map(one).collect())
}

/// The words of a text whose pieces have these numbers; special tokens are no words.
pub(super) fn words(tokenizer: &Tokenizer, tokens: &Tokens, numbers: &[f32]) -> Vec<Word> {
    let pieces = tokens.ids.iter().zip(numbers).filter(|&(&id, _)| !tokenizer.is_special(id));
    let piece = |id| tokenizer.token(id).expect("the tokenizer has the token that it gave");
    joined(pieces.map(|(&id, &number)| (piece(id), number)))
}

/// Puts the pieces of words together; one that begins with `##` continues a word.
fn joined(pieces: impl Iterator<Item = Word>) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    for (piece, number) in pieces {
        match (piece.strip_prefix("##"), words.last_mut()) {
            (Some(rest), Some((word, _))) => word.push_str(rest),
            _ => words.push((piece, number)),
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weighted(words: &[(&str, f32)]) -> WeightedWords {
        words.iter().map(|&(word, weight)| (word.to_owned(), weight)).collect()
    }

    #[test]
    fn a_word_has_the_number_of_its_first_piece() {
        let pieces = [("light", 0.5), ("##house", 9.0), ("#", 0.25), ("keep", 1.0), ("##er", 7.0)];
        let words = joined(pieces.iter().map(|&(piece, number)| (piece.to_owned(), number)));
        let expected = [("lighthouse", 0.5), ("#", 0.25), ("keeper", 1.0)];
        assert_eq!(words, expected.map(|(word, number)| (word.to_owned(), number)));
    }

    #[test]
    fn words_come_back_from_their_file() {
        let folder = tempfile::tempdir().unwrap();
        let third = 1.0 / 3.0;
        let documents =
            [weighted(&[("sea", third), ("\"", 2.0)]), weighted(&[]), weighted(&[("東", 1e-9)])];
        WeightedWords::write(folder.path(), &documents, &()).unwrap();
        let mut found = Vec::new();
        let shard = WeightedWords::open(folder.path()).unwrap();
        shard
            .each(|words| {
                found.push(words);
                Ok(())
            })
            .unwrap();
        assert_eq!(found, documents);
    }

    #[test]
    fn words_are_numbered_in_sorted_order_wherever_they_stand() {
        let collection =
            Collection::of_words(&[&[("sea", 2.0)], &[], &[("sea", 3.0), ("fog", 1.0)]]);
        assert_eq!(collection.words, ["fog", "sea"]);
        assert_eq!((collection.document_frequency(0), collection.document_frequency(1)), (1, 2));
        // The empty document has no part in the mean: (2 + 3 + 1) / 2.
        assert_eq!((collection.documents(), collection.mean_length()), (2, 3.0));
        let query = weighted(&[("sea", 1.0), ("moon", 1.0), ("fog", 2.0)]);
        assert_eq!(numbered(&collection.words, &query), [(0, 2.0), (1, 1.0)]);
    }
}
