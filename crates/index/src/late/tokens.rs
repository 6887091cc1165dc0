//! The token vectors of all documents in one file, and MaxSim over them.
//!
//! ```text
//! code | first token of each document, and how many there are | tokens
//! ```
//!
//! A token is `dim` numbers of two bytes, a scale and `dim` bytes, or a residual code of `residual.rs`. Documents
//! have as many tokens as they have; one without tokens scores minus infinity and is never found.

use std::ops::Range;
use std::path::Path;

use half::f16;
use nir_core::{Corpus, DocNo, Ranking};
use nir_kernels::{Frame, FrameWriter, Simd, Top};
use rayon::prelude::*;

use super::max_sim::MaxSim;
use super::residual::ResidualCode;
use crate::IndexError;
use crate::codes::Reader;
use crate::dense::{quantise, scale};
use crate::ranking::ranking;

const KIND: &str = "nir-tokens 1";

/// The number format of a stored token vector.
#[derive(Debug, Clone)]
pub enum TokenStorage {
    /// Two bytes for each component.
    F16,
    /// One byte for each component, and a scale for each token.
    Int8,
    /// The number of a centroid, and a few bits for each component of the difference from it.
    Residual(Box<ResidualCode>),
}

impl TokenStorage {
    fn token_bytes(&self, dim: usize) -> usize {
        match self {
            Self::F16 => 2 * dim,
            Self::Int8 => 4 + dim,
            Self::Residual(code) => code.token_bytes(),
        }
    }

    fn number(&self) -> u64 {
        match self {
            Self::F16 => 0,
            Self::Int8 => 1,
            Self::Residual(_) => 2,
        }
    }

    fn write(&self) -> Vec<u8> {
        match self {
            Self::F16 | Self::Int8 => Vec::new(),
            Self::Residual(code) => code.write(),
        }
    }

    fn read(number: u64, dim: usize, from: &mut Reader) -> Option<Self> {
        match number {
            0 => Some(Self::F16),
            1 => Some(Self::Int8),
            2 => {
                let code = ResidualCode::read(from)?;
                (code.centroids().dim() == dim).then(|| Self::Residual(Box::new(code)))
            }
            _ => None,
        }
    }

    fn encode(&self, tokens: &[f32], dim: usize) -> Vec<u8> {
        match self {
            Self::F16 => tokens.iter().flat_map(|&x| f16::from_f32(x).to_le_bytes()).collect(),
            Self::Int8 => tokens.chunks_exact(dim).flat_map(encode_int8).collect(),
            Self::Residual(code) => code.encode(tokens),
        }
    }

    /// Decodes tokens to floats, `[n, dim]`.
    fn decode(&self, tokens: &[u8], dim: usize, into: &mut [f32]) {
        let each = tokens.chunks_exact(self.token_bytes(dim)).zip(into.chunks_exact_mut(dim));
        match self {
            Self::F16 => Simd::get().widen(tokens, into),
            Self::Int8 => each.for_each(|(token, into)| decode_int8(token, into)),
            Self::Residual(code) => each.for_each(|(token, into)| code.decode(token, into)),
        }
    }
}

fn encode_int8(token: &[f32]) -> Vec<u8> {
    let scale = scale(token);
    let components = token.iter().map(|x| quantise(x / scale).cast_unsigned());
    scale.to_le_bytes().into_iter().chain(components).collect()
}

fn decode_int8(token: &[u8], into: &mut [f32]) {
    let (scale, components) = token.split_first_chunk().expect("a token begins with its scale");
    let scale = f32::from_le_bytes(*scale);
    into.iter_mut().zip(components).for_each(|(x, &c)| *x = scale * f32::from(c.cast_signed()));
}

/// The token vectors of a collection, mapped into memory. Many threads may use it at once.
pub struct TokenMatrix {
    file: Frame,
    storage: TokenStorage,
    dim: usize,
    documents: usize,
    tokens: usize,
    /// The position in the file of the numbers of the documents' first tokens.
    firsts: usize,
    /// The position in the file at which tokens begin.
    start: usize,
}

/// The number of documents that a thread scores at a time.
const DOCUMENTS: usize = 256;

impl TokenMatrix {
    /// Maps a file that [`TokenWriter`] wrote. The header is verified, the content is not: see [`TokenMatrix::verify`].
    pub fn open(path: &Path) -> Result<Self, IndexError> {
        Self::new(Frame::open(path, KIND)?)
    }

    fn new(file: Frame) -> Result<Self, IndexError> {
        let [dim, documents, tokens, storage, _] = file.fields();
        let (dim, documents, tokens) = (dim as usize, documents as usize, tokens as usize);
        let mut reader = Reader::new(&file);
        let storage = TokenStorage::read(storage, dim, &mut reader);
        let firsts = file.len() - reader.left();
        let length = documents.checked_add(1).and_then(|numbers| numbers.checked_mul(8));
        let start = reader.bytes(length.unwrap_or(usize::MAX)).map(|_| file.len() - reader.left());
        let (Some(storage), Some(start)) = (storage, start) else {
            return Err(file.damaged("its parts do not fit its length").into());
        };
        if tokens.checked_mul(storage.token_bytes(dim)) != Some(reader.left()) {
            return Err(file.damaged(format!("{tokens} tokens do not fit its length")).into());
        }
        Ok(Self { file, storage, dim, documents, tokens, firsts, start })
    }

    /// Reads the whole file and compares it with its checksum. Fails if it is damaged.
    pub fn verify(&self) -> Result<(), IndexError> {
        Ok(self.file.verify()?)
    }

    /// The number of documents.
    pub fn len(&self) -> usize {
        self.documents
    }

    /// Whether there are no documents.
    pub fn is_empty(&self) -> bool {
        self.documents == 0
    }

    /// The number of token vectors of all documents.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// The number of components of a token vector.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The number format of the token vectors.
    pub fn storage(&self) -> &TokenStorage {
        &self.storage
    }

    /// The size of the file in bytes.
    pub fn bytes(&self) -> u64 {
        self.file.bytes()
    }

    /// A number that distinguishes this content from any other.
    pub(super) fn digest_number(&self) -> u64 {
        u64::from_be_bytes(*self.file.digest().first_chunk().expect("32 bytes"))
    }

    /// The tokens of a document as they are stored: `[d_seq, token_bytes]`.
    pub(super) fn stored(&self, doc: DocNo) -> impl ExactSizeIterator<Item = &[u8]> {
        let bytes = self.storage.token_bytes(self.dim);
        self.of(self.tokens_of(doc)).chunks_exact(bytes)
    }

    fn of(&self, tokens: Range<usize>) -> &[u8] {
        let bytes = self.storage.token_bytes(self.dim);
        &self.file[self.start + tokens.start * bytes..self.start + tokens.end * bytes]
    }

    fn tokens_of(&self, doc: DocNo) -> Range<usize> {
        let numbers = &self.file[self.firsts + 8 * doc.row()..self.start];
        let (first, next) = (&numbers[..8], &numbers[8..16]);
        let number = |eight: &[u8]| u64::from_le_bytes(*eight.first_chunk().expect("eight bytes"));
        number(first) as usize..number(next) as usize
    }

    /// The tokens of a document, `[d_seq, dim]`, up to the rounding of their storage.
    pub fn document(&self, doc: DocNo) -> Vec<f32> {
        let tokens = self.tokens_of(doc);
        let mut floats = vec![0.0; tokens.len() * self.dim];
        self.storage.decode(self.of(tokens), self.dim, &mut floats);
        floats
    }

    /// The scores of some documents for a query of tokens, `[q_seq, dim]`; minus infinity for one without tokens.
    ///
    /// # Panics
    /// If the query is no whole tokens.
    pub fn score(&self, query: &[f32], docs: &[DocNo]) -> Vec<f32> {
        let scores = |docs: &[DocNo]| {
            let mut max_sim = self.max_sim(query);
            docs.iter().map(|&doc| self.score_one(&mut max_sim, doc)).collect::<Vec<_>>()
        };
        docs.par_chunks(DOCUMENTS / 8).flat_map_iter(scores).collect()
    }

    fn max_sim(&self, query: &[f32]) -> MaxSim {
        assert_eq!(query.len() % self.dim, 0, "tokens of a query have {} components", self.dim);
        MaxSim::new(query, self.dim)
    }

    fn score_one(&self, max_sim: &mut MaxSim, doc: DocNo) -> f32 {
        let tokens = self.tokens_of(doc);
        max_sim.score(tokens.len(), |first, into| {
            let first = tokens.start + first;
            let some = self.of(first..first + into.len() / self.dim);
            self.storage.decode(some, self.dim, into);
        })
    }

    /// The best `depth` of all documents that have tokens; nothing for a query without tokens.
    ///
    /// # Panics
    /// If the query is no whole tokens, or the corpus is of another size.
    pub fn search(&self, query: &[f32], depth: usize, corpus: &dyn Corpus) -> Ranking {
        assert_eq!(
            corpus.len(),
            self.documents,
            "token vectors and their corpus have the same rows"
        );
        if query.is_empty() || self.is_empty() {
            return Ranking::default();
        }
        let starts = (0..self.documents).into_par_iter().step_by(DOCUMENTS);
        let scan = |start: usize| self.scan(query, start, depth);
        let best = starts.map(scan).reduce(|| Top::new(depth), Top::merge);
        ranking(best, corpus)
    }

    fn scan(&self, query: &[f32], start: usize, depth: usize) -> Top {
        let (mut best, mut max_sim) = (Top::new(depth), self.max_sim(query));
        for doc in start..(start + DOCUMENTS).min(self.documents) {
            let score = self.score_one(&mut max_sim, DocNo(doc as u32));
            if score > f32::NEG_INFINITY {
                best.offer(doc as u32, score);
            }
        }
        best
    }

    /// Searches for several queries.
    pub fn search_many(
        &self,
        queries: &[&[f32]],
        depth: usize,
        corpus: &dyn Corpus,
    ) -> Vec<Ranking> {
        queries.par_iter().map(|query| self.search(query, depth, corpus)).collect()
    }
}

/// Writes a [`TokenMatrix`] document by document, in bounded memory: tokens wait in a file of their own until all
/// are known, and eight bytes for each document are kept.
pub struct TokenWriter {
    file: FrameWriter,
    waiting: FrameWriter,
    storage: TokenStorage,
    dim: usize,
    firsts: Vec<u64>,
    tokens: u64,
    pending: Vec<f32>,
}

/// The kind of the temporary file that holds tokens until all of them are known.
const WAITING: &str = "nir-waiting 1";
/// The number of components that are encoded at a time.
const PENDING: usize = 1 << 22;

impl TokenWriter {
    /// Begins a file for tokens of `dim` components; an older one of that name is replaced in the end.
    pub fn create(path: &Path, dim: usize, storage: TokenStorage) -> Result<Self, IndexError> {
        if dim == 0 {
            return Err(IndexError::Dimension { path: path.to_owned(), expected: 1, found: 0 });
        }
        let mut waiting = path.as_os_str().to_owned();
        waiting.push(".tokens");
        Ok(Self {
            file: FrameWriter::create(path, KIND)?,
            waiting: FrameWriter::create(waiting.as_ref(), WAITING)?,
            storage,
            dim,
            firsts: vec![0],
            tokens: 0,
            pending: Vec::new(),
        })
    }

    /// Adds the tokens of the next document, `[d_seq, dim]`; there may be none.
    pub fn push(&mut self, tokens: &[f32]) -> Result<(), IndexError> {
        self.check(tokens)?;
        self.pending.extend_from_slice(tokens);
        self.tokens += (tokens.len() / self.dim) as u64;
        self.firsts.push(self.tokens);
        if self.pending.len() >= PENDING { self.encode() } else { Ok(()) }
    }

    /// Tokens are whole, and their components stay finite as they are stored.
    fn check(&self, tokens: &[f32]) -> Result<(), IndexError> {
        let path = || self.file.path().to_owned();
        if !tokens.len().is_multiple_of(self.dim) {
            let (expected, found) = (self.dim, tokens.len() % self.dim);
            return Err(IndexError::Dimension { path: path(), expected, found });
        }
        let most = if let TokenStorage::F16 = self.storage { f16::MAX.to_f32() } else { f32::MAX };
        match tokens.iter().find(|x| !(-most..=most).contains(*x)) {
            Some(&value) => {
                let row = self.firsts.len() - 1;
                Err(IndexError::Component { path: path(), row, value, most })
            }
            None => Ok(()),
        }
    }

    fn encode(&mut self) -> Result<(), IndexError> {
        self.waiting.write(&self.storage.encode(&self.pending, self.dim))?;
        self.pending.clear();
        Ok(())
    }

    /// Completes the file and opens it.
    pub fn finish(mut self) -> Result<TokenMatrix, IndexError> {
        self.encode()?;
        let Self { mut file, waiting, storage, dim, firsts, tokens, .. } = self;
        let waiting = waiting.finish([0; 5])?;
        file.write(&storage.write())?;
        file.write(&firsts.iter().flat_map(|first| first.to_le_bytes()).collect::<Vec<_>>())?;
        waiting.chunks(1 << 20).try_for_each(|bytes| file.write(bytes))?;
        std::fs::remove_file(waiting.path()).map_err(IndexError::io(waiting.path()))?;
        let documents = (firsts.len() - 1) as u64;
        TokenMatrix::new(file.finish([dim as u64, documents, tokens, storage.number(), 0])?)
    }
}
