//! What an encoder made of the documents, kept in shards: a run that was killed loses one of them.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nir_core::{DocNo, Hasher, Key, Result, Version};
use nir_nn::{Bound, Encoder, Tally};

use crate::{Context, texts_read};

/// Multiplications of an encoder that are kept in one shard: what a killed run loses. One core does 2 · 10^10 (AVX2) to 7 ·
/// 10^10 (AVX-512, measured) of them a second in f32, so this is less than a minute's work.
const SHARD_ON_CPU: u64 = 1_000_000_000_000;
/// The multiplications of a shard on a GPU, which does a hundred times as many in the same time and needs more texts at
/// once.
const SHARD_ON_GPU: u64 = 64 * SHARD_ON_CPU;
/// Documents in a shard at most, as all of their vectors are in memory together.
const SHARD_DOCUMENTS: usize = 4096;
/// Shards of a collection at most: each is mapped into memory, and Linux allows 65,530 mappings. Where there would be more,
/// each holds twice as much, and so on; then even one of them is a small part of the whole.
const MOST_SHARDS: u64 = 16_384;

/// The effort of encoding a document, which decides how many documents are in a shard.
#[derive(Debug, Clone)]
pub struct Effort {
    /// The multiplications of the encoder for each token.
    multiplications: u64,
    /// The largest number of tokens of a document.
    max_length: usize,
    /// Counts what is read of documents, and what is cut off.
    tally: Arc<Tally>,
}

impl Effort {
    /// The effort of an encoder for documents that are tokenized by `document`.
    pub fn new(encoder: &Encoder, document: &Bound) -> Self {
        let multiplications = encoder.multiplications();
        Self { multiplications, max_length: document.max_length(), tally: document.tally() }
    }

    /// The multiplications for a text of this many bytes, estimated as four bytes for each token, so that no tokenizer
    /// is needed.
    fn of(&self, bytes: usize) -> u64 {
        self.multiplications * bytes.div_ceil(4).clamp(1, self.max_length.max(1)) as u64
    }
}

/// Has `make` turn every shard of the collection into a folder of files, unless that shard's texts have been through the
/// same encoder before; `encoding` names what it makes of a text, and `format` the files. Returns the folders in order.
pub(crate) fn shards(
    context: &Context<'_>,
    encoding: &Key,
    format: Version,
    effort: &Effort,
    make: &mut dyn FnMut(&Path, Range<u32>) -> Result<()>,
) -> Result<Vec<PathBuf>> {
    let corpus = &*context.corpus;
    let size = |row| corpus.title(DocNo(row)).len() + corpus.text(DocNo(row)).len();
    let most = if context.backend.device().is_cpu() { SHARD_ON_CPU } else { SHARD_ON_GPU };
    let shards = cut(corpus.len() as u32, |row| effort.of(size(row)), most);
    let keys = shards.iter().map(|rows| {
        let mut texts = Hasher::new("texts");
        for doc in rows.clone().map(DocNo) {
            texts.part(corpus.digest(doc).hex());
        }
        Key::of(&[format, texts_read::FORMAT]).made_from(encoding).input(texts.digest())
    });
    let shards: Vec<(Range<u32>, Key)> = shards.iter().cloned().zip(keys).collect();
    let mut make = |folder: &Path, rows: Range<u32>| {
        let before = effort.tally.reading();
        make(folder, rows)?;
        texts_read::keep(folder, effort.tally.reading() - before)
    };
    // What other processes are at is left to them at first, so that several encode one collection together.
    for (rows, key) in &shards {
        let make = &mut |folder: &Path| make(folder, rows.clone());
        context.resources.artifact_unless_claimed("vectors", key, make)?;
    }
    let shard = |(rows, key): &(Range<u32>, Key)| {
        context.resources.artifact("vectors", key, &mut |folder| make(folder, rows.clone()))
    };
    let folders: Vec<PathBuf> = shards.iter().map(shard).collect::<Result<_>>()?;
    texts_read::note(context, &folders)?;
    Ok(folders)
}

/// Cuts rows into ranges whose efforts add up to `most`, or little more where one row alone is above it.
fn cut(rows: u32, effort: impl Fn(u32) -> u64, mut most: u64) -> Vec<Range<u32>> {
    let all: u64 = (0..rows).map(&effort).sum();
    while all / most >= MOST_SHARDS {
        most *= 2;
    }
    let (mut ranges, mut sum) = (Vec::<Range<u32>>::new(), 0);
    for row in 0..rows {
        let effort = effort(row);
        match ranges.last_mut() {
            Some(range) if sum + effort <= most && range.len() < SHARD_DOCUMENTS => {
                range.end = row + 1;
                sum += effort;
            }
            _ => {
                ranges.push(row..row + 1);
                sum = effort;
            }
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_full_when_the_next_document_would_be_too_much() {
        // 3 + 4 + 3 = 10 fits, 2 more does not; 12 alone is above 10 and stands alone.
        let efforts = [3, 4, 3, 2, 12, 1, 9];
        let found = cut(7, |row| efforts[row as usize], 10);
        assert_eq!(found, [0..3, 3..4, 4..5, 5..7]);
        assert!(cut(0, |_| 1, 10).is_empty());
    }

    #[test]
    fn a_shard_has_no_more_documents_than_memory_should_hold() {
        assert_eq!(cut(10_000, |_| 1, u64::MAX), [0..4096, 4096..8192, 8192..10_000]);
    }

    #[test]
    fn a_collection_of_too_many_shards_has_larger_ones() {
        // One row for each shard would be 40,000 of them; four are 10,000.
        let found = cut(40_000, |_| 10, 10);
        assert_eq!((found.len(), found[0].clone()), (10_000, 0..4));
    }

    #[test]
    fn an_effort_is_that_of_the_tokens_that_are_kept() {
        let effort = Effort { multiplications: 100, max_length: 8, tally: Arc::default() };
        // 5 bytes are 2 tokens; 400 bytes would be 100, of which 8 are kept; an empty text still has its special tokens.
        assert_eq!([5, 400, 0].map(|bytes| effort.of(bytes)), [200, 800, 100]);
    }

    #[test]
    fn a_shard_of_a_twelve_layer_encoder_takes_less_than_a_minute() {
        // BERT base: 12 · (4 · 768² + 2 · 768 · 3072) = 84,934,656 multiplications a token, so a shard has 45 passages of 1,024
        // bytes, 256 tokens. A core that does 2 · 10^10 a second has 48 seconds to lose, not 4,453 as with 4,096 passages.
        let bert = Effort {
            multiplications: 12 * (4 * 768 * 768 + 2 * 768 * 3072),
            max_length: 512,
            tally: Arc::default(),
        };
        assert_eq!(cut(100, |_| bert.of(1024), SHARD_ON_CPU), [0..45, 45..90, 90..100]);
        let seconds = |rows: u64| rows * bert.of(1024) / 20_000_000_000;
        assert_eq!((seconds(45), seconds(4096)), (48, 4453));
    }
}
