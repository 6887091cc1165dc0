//! What methods that weigh whole words share: words made of word pieces, kept in shards, numbered, indexed.
//!
//! A model gives a number to each word piece, and these methods want one for each word: the first piece's. A word is a
//! string, so the dimensions of an index are not the tokenizer's numbers: they are the places of the words among all
//! words of the collection, sorted, which does not depend on the order in which documents were encoded.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nir_core::{Corpus, DocNo, EncodedTerm, Encoding, Form, Key, Query, Result, Version};
use nir_nn::heads::PerToken;
use nir_nn::{Bound, Input, Model, Role, Tokenizer, Tokens};

use crate::impacts::{Index, Searcher, SparseVector, WeighQueries, searching};
use crate::model::ModelSource;
use crate::neural::{Effort, document_token, document_tokens, per_token, pieces, shards};
use crate::{Context, Stage};

/// Words with weights above zero, each word once.
pub(super) type WeightedWords = BTreeMap<String, f32>;

/// How a method turns texts into weighted words.
pub(super) trait WeighWords: Send + Sync {
    /// The words of some documents of the collection, in order.
    fn documents(&self, corpus: &dyn Corpus, rows: Range<u32>) -> Result<Vec<WeightedWords>>;

    /// What a document takes.
    fn effort(&self) -> Effort;

    /// The words of a query.
    fn query(&self, query: &Query) -> Result<WeightedWords>;

    /// What is indexed of a document's words, given by number, once the whole collection is known.
    fn impacts(&self, _collection: &Collection, document: SparseVector) -> SparseVector {
        document
    }
}

/// What names the parts of an index in the cache.
pub(super) struct Names {
    /// What documents' weighted words are.
    pub(super) words: Key,
    /// Everything that decides what becomes of them.
    pub(super) impacts: String,
}

/// Weighs and indexes the words of the collection, and searches them.
pub(super) fn retriever(
    context: &Context<'_>,
    names: &Names,
    weigh: impl WeighWords + 'static,
    index: &Index,
    depth: usize,
) -> Result<Stage> {
    let (words, index) = build(context, names, &weigh, index)?;
    context.resources.note("impacts", "words", &words.len().to_string());
    Ok(searching(context, index, Numbered { words, weigh }, depth))
}

/// Words by their place among those of the collection, which is sorted.
struct Numbered<W> {
    words: Vec<String>,
    weigh: W,
}

impl<W: WeighWords> WeighQueries for Numbered<W> {
    fn queries(&self, queries: &[Query]) -> Result<Vec<SparseVector>> {
        let one = |query: &Query| Ok(numbered(&self.words, &self.weigh.query(query)?));
        queries.iter().map(one).collect()
    }

    fn term(&self, number: u32) -> String {
        self.words[number as usize].clone()
    }
}

/// A text as weighted words, all of them its own.
pub(super) fn encoding(tokens: Vec<String>, words: WeightedWords) -> Encoding {
    let own = |(term, weight)| EncodedTerm { term, weight, is_expansion: false };
    Encoding { tokens, form: Form::Terms(words.into_iter().map(own).collect()) }
}

fn build(
    context: &Context<'_>,
    names: &Names,
    weigh: &dyn WeighWords,
    index: &Index,
) -> Result<(Vec<String>, Searcher)> {
    let folders = encode(context, &names.words, weigh)?;
    let key = Key::of(&index.versions()).made_from(&names.words).param(&names.impacts);
    let key = key.param(index.built()).input(context.corpus_digest);
    let folder = context.resources.artifact("indexes", &key, &mut |folder| {
        let collection = Collection::of(&folders)?;
        fs::write(folder.join(VOCABULARY), collection.words.join("\n"))?;
        let mut writer = index.create(folder)?;
        each_document(&folders, |words| {
            let document = numbered(&collection.words, &words);
            writer.push(&weigh.impacts(&collection, document))
        })?;
        writer.finish()
    })?;
    let words = fs::read_to_string(folder.join(VOCABULARY))?;
    let words = words.lines().map(str::to_owned).collect();
    Ok((words, index.open(&folder)?))
}

fn encode(context: &Context<'_>, encoding: &Key, weigh: &dyn WeighWords) -> Result<Vec<PathBuf>> {
    let corpus = &*context.corpus;
    let task = context.progress.begin("weighing words", "documents", corpus.len() as u64);
    shards(context, encoding, FORMAT, weigh.effort(), &mut |folder, rows| {
        let documents = weigh.documents(corpus, rows)?;
        task.advance(documents.len() as u64);
        Ok(write(&folder.join(WORDS), &documents)?)
    })
}

const WORDS: &str = "words.tsv";
/// Of that file: see [`write`].
pub(crate) const FORMAT: Version = Version::new("methods::weighted words", 1);
const VOCABULARY: &str = "words.txt";

/// The words of a collection, and what the weights of documents say of it as a whole.
#[derive(Debug, PartialEq)]
pub(super) struct Collection {
    /// Sorted; a word's number is its place.
    words: Vec<String>,
    /// How many documents have each word.
    document_frequencies: Vec<u32>,
    /// How many documents have a word at all.
    documents: u32,
    /// The sum of all weights.
    weight: f64,
}

impl Collection {
    fn of(folders: &[PathBuf]) -> Result<Self> {
        let (mut frequencies, mut documents, mut weight) = (BTreeMap::new(), 0, 0.0);
        each_document(folders, |words| {
            documents += u32::from(!words.is_empty());
            weight += words.values().copied().map(f64::from).sum::<f64>();
            words.into_keys().for_each(|word| *frequencies.entry(word).or_insert(0) += 1);
            Ok(())
        })?;
        let (words, document_frequencies) = frequencies.into_iter().unzip();
        Ok(Self { words, document_frequencies, documents, weight })
    }

    /// How many documents have a word at all.
    pub(super) fn documents(&self) -> u32 {
        self.documents
    }

    /// How many documents have the word of this number.
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
        write(&folder.path().join(WORDS), &documents).unwrap();
        Self::of(&[folder.path().to_owned()]).unwrap()
    }
}

/// Words by their place in a sorted vocabulary; a word that it lacks is left out.
fn numbered(vocabulary: &[String], words: &WeightedWords) -> SparseVector {
    let number = |word: &String| vocabulary.binary_search(word).ok().map(|place| place as u32);
    words.iter().filter_map(|(word, &weight)| Some((number(word)?, weight))).collect()
}

/// A line for each document: `word ⇥ weight ⇥ word ⇥ weight`. No word has white space in it, and a weight is written so
/// that it reads back to the last bit.
fn write(path: &Path, documents: &[WeightedWords]) -> io::Result<()> {
    let mut file = BufWriter::new(File::create_new(path)?);
    for words in documents {
        let line: Vec<String> =
            words.iter().map(|(word, weight)| format!("{word}\t{weight}")).collect();
        writeln!(file, "{}", line.join("\t"))?;
    }
    file.flush()
}

/// The documents of all shards, in order.
fn each_document(
    folders: &[PathBuf],
    mut each: impl FnMut(WeightedWords) -> Result<()>,
) -> Result<()> {
    for folder in folders {
        for line in BufReader::new(File::open(folder.join(WORDS))?).lines() {
            each(read(&line?)?)?;
        }
    }
    Ok(())
}

fn read(line: &str) -> Result<WeightedWords> {
    let mut cells = line.split('\t').filter(|cell| !cell.is_empty());
    let mut words = WeightedWords::new();
    while let (Some(word), Some(weight)) = (cells.next(), cells.next()) {
        words.insert(word.to_owned(), weight.parse()?);
    }
    Ok(words)
}

/// A word of a text, and the number of its first piece.
pub(super) type Word = (String, f32);

/// A model that gives a number to each word of a document.
pub(super) struct WordModel {
    model: Arc<Model<PerToken>>,
    tokens: Bound,
}

impl WordModel {
    /// Loads the linear layers of these names, the last of which has one output.
    pub(super) fn load(
        context: &Context<'_>,
        source: &ModelSource,
        head: &[String],
        document: &Input,
    ) -> Result<Self> {
        let model = source
            .load(context, |architecture, tensors| PerToken::load(architecture, tensors, head))?;
        if model.head.dim() != 1 {
            let (location, found) = (&source.weights, model.head.dim());
            let head = head.join("`, `");
            return Err(format!("{location}: `{head}` has {found} outputs, expected 1").into());
        }
        let tokens = source.bind(context, &model, document, Role::Document)?;
        Ok(Self { model, tokens })
    }

    /// Its tokenizer, bound to another way of writing texts.
    pub(super) fn bind(
        &self,
        context: &Context<'_>,
        source: &ModelSource,
        input: &Input,
        role: Role,
    ) -> Result<Bound> {
        source.bind(context, &self.model, input, role)
    }

    /// What a document takes.
    pub(super) fn effort(&self) -> Effort {
        Effort::new(&self.model.encoder, &self.tokens)
    }

    /// The model's tokenizer.
    pub(super) fn tokenizer(&self) -> &Tokenizer {
        &self.model.tokenizer
    }

    /// The pieces of a document.
    pub(super) fn pieces(&self, corpus: &dyn Corpus, doc: DocNo) -> Result<Vec<String>> {
        Ok(pieces(self.tokenizer(), &document_token(&self.tokens, corpus, doc)?))
    }

    /// The words of documents, each as often as it occurs.
    pub(super) fn documents(
        &self,
        corpus: &dyn Corpus,
        rows: Range<u32>,
    ) -> Result<Vec<Vec<Word>>> {
        let tokens = document_tokens(&self.tokens, corpus, rows.clone())?;
        let text = |i: usize| corpus.contents(DocNo(rows.start + i as u32)).to_owned();
        let numbers = per_token(&self.model, &tokens, text)?;
        let one =
            |(tokens, numbers): (&Tokens, &Vec<f32>)| words(self.tokenizer(), tokens, numbers);
        Ok(tokens.iter().zip(&numbers).map(one).collect())
    }
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
        write(&folder.path().join(WORDS), &documents).unwrap();
        let mut found = Vec::new();
        each_document(&[folder.path().to_owned()], |words| {
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
