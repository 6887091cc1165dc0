//! A long text has the tokens that it would have if it were tokenized whole and cut afterwards, and takes no longer for
//! being long.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail like a test")]

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use nir_nn::{Bound, Input, Reading, Tokenizer, Truncation};
use proptest::collection::vec;
use proptest::prelude::*;
use tokenizers::{PostProcessor as _, TruncationParams, TruncationStrategy, truncate_encodings};

/// WordPiece, byte-level BPE and Unigram.
const KINDS: [&str; 3] = ["bert", "roberta", "xlm-roberta"];

/// What stands at some boundary of some tokenizer, or reaches over it, or vanishes.
const PIECES: [&str; 54] = [
    "a",
    "b",
    "tea",
    "Zürich",
    "0",
    "42",
    " ",
    "  ",
    "\n",
    "\t",
    "\r\n",
    "!",
    ",",
    ".",
    "-",
    "'",
    "'s",
    "''",
    "``",
    "_",
    "é",
    "e\u{301}",
    "\u{301}",
    "漢",
    "字",
    "。",
    "，",
    "か",
    "が",
    "か\u{3099}",
    "ⓐ",
    "²",
    "½",
    "Ⅷ",
    "[MASK]",
    "<mask>",
    " <mask>",
    "[SEP]",
    "</s>",
    "\u{0}",
    "\u{200d}",
    "😀",
    "<\u{338}",
    "=\u{338}",
    "ﬁ",
    "\u{3000}",
    "\u{d4e}",
    "नि",
    "ที่",
    "한",
    "İ",
    "ß",
    "\u{feff}",
    "▁",
];

fn path(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(kind).join("tokenizer.json")
}

/// Both libraries' tokenizers of one kind, read once.
struct Read {
    kind: &'static str,
    ours: Tokenizer,
    reference: tokenizers::Tokenizer,
}

static READ: LazyLock<Vec<Read>> = LazyLock::new(|| {
    let read = |kind| {
        let mut reference = tokenizers::Tokenizer::from_file(path(kind)).unwrap();
        reference.with_padding(None).with_truncation(None).unwrap();
        Read { kind, ours: Tokenizer::in_file(&path(kind), 512).unwrap().0, reference }
    };
    KINDS.map(read).into()
});

impl Read {
    fn of(kind: &str) -> &'static Self {
        READ.iter().find(|read| read.kind == kind).unwrap()
    }

    fn bound(&self, pair: bool, max_length: usize, truncation: Truncation) -> Bound {
        let template = if pair { vec!["{title}", "{text}"] } else { vec!["{text}"] };
        let input = Input {
            template: template.into_iter().map(str::to_owned).collect(),
            lower_case: false,
            special_tokens: true,
            max_length,
            fill: None,
        };
        self.ours.bind(&input, truncation).unwrap()
    }

    /// The ids by the reference library alone, and the bytes behind the last token of each text that it keeps: texts whole,
    /// then its own truncation to what its special tokens leave. None where it cannot truncate.
    fn whole(
        &self,
        texts: &[&str],
        max_length: usize,
        truncation: Truncation,
    ) -> Option<(Vec<u32>, u64)> {
        let mut encoded = texts.iter().map(|text| self.reference.encode(*text, false).unwrap());
        let (first, second) = (encoded.next().unwrap(), encoded.next());
        let post = self.reference.get_post_processor().unwrap();
        let max_length = max_length - post.added_tokens(second.is_some());
        let strategy = match truncation {
            Truncation::Longest => TruncationStrategy::LongestFirst,
            Truncation::Second => TruncationStrategy::OnlySecond,
        };
        let params = TruncationParams { max_length, strategy, ..Default::default() };
        let lengths = [Some(first.len()), second.as_ref().map(tokenizers::Encoding::len)];
        let (mut first, mut second) = truncate_encodings(first, second, &params).ok()?;
        // What was cut off would otherwise be combined, each piece of one text with each of the other.
        first.take_overflowing();
        second.as_mut().map(tokenizers::Encoding::take_overflowing);
        let kept = [Some(&first), second.as_ref()].into_iter().flatten();
        let lengths = lengths.into_iter().flatten();
        let cut_off = texts.iter().zip(lengths).zip(kept).map(|((text, length), kept)| {
            let end = kept.get_offsets().last().map_or(0, |&(_, end)| end);
            if kept.len() < length { text.len() - end } else { 0 }
        });
        let cut_off = cut_off.sum::<usize>() as u64;
        let ids = self.reference.post_process(first, second, true).unwrap().get_ids().to_vec();
        Some((ids, cut_off))
    }
}

fn ids(bound: &Bound, title: &str, text: &str) -> Option<Vec<u32>> {
    ids_and_cut_off(bound, title, text).map(|(ids, _)| ids)
}

/// The ids, and how many bytes it counts as cut off.
fn ids_and_cut_off(bound: &Bound, title: &str, text: &str) -> Option<(Vec<u32>, u64)> {
    let field = |name: &str| if name == "title" { title.to_owned() } else { text.to_owned() };
    let before = bound.tally().reading();
    let ids = bound.encode(field).ok()?.ids;
    let read = bound.tally().reading() - before;
    assert_eq!((read.texts, read.cut), (1, u64::from(read.cut_off > 0)));
    Some((ids, read.cut_off))
}

/// Pieces in a row, some of them many times.
fn text() -> impl Strategy<Value = String> {
    let run = (vec(0..PIECES.len(), 1..5), prop_oneof![4 => 1..4usize, 1 => 1..150usize]);
    vec(run, 0..12).prop_map(|runs| {
        let run = |(pieces, times): (Vec<usize>, usize)| {
            pieces.iter().map(|&piece| PIECES[piece]).collect::<String>().repeat(times)
        };
        runs.into_iter().map(run).collect()
    })
}

proptest! {
    #[test]
    fn a_text_is_cut_as_if_it_were_tokenized_whole(text in text(), max_length in 4..24usize) {
        prop_assume!(!text.is_empty());
        for read in &*READ {
            let bound = read.bound(false, max_length, Truncation::Longest);
            let expected = read.whole(&[&text], max_length, Truncation::Longest);
            prop_assert_eq!(ids_and_cut_off(&bound, "", &text), expected, "{}", read.kind);
        }
    }

    #[test]
    fn a_pair_is_cut_as_if_both_were_tokenized_whole(
        first in text(), second in text(), max_length in 6..24usize, longest in any::<bool>(),
    ) {
        prop_assume!(!first.is_empty() && !second.is_empty());
        let truncation = if longest { Truncation::Longest } else { Truncation::Second };
        for read in &*READ {
            let bound = read.bound(true, max_length, truncation);
            let expected = read.whole(&[&first, &second], max_length, truncation);
            prop_assert_eq!(ids_and_cut_off(&bound, &first, &second), expected, "{}", read.kind);
        }
    }
}

#[test]
fn what_is_cut_off_is_counted_in_bytes() {
    // `[CLS] a a a [SEP]`: 5 of 9 bytes are read of one text, and all 3 of another.
    let bound = Read::of("bert").bound(false, 5, Truncation::Longest);
    for text in ["a a a a a", "a a"] {
        bound.encode(|_| text.to_owned()).unwrap();
    }
    let reading = bound.tally().reading();
    assert_eq!(reading, Reading { texts: 2, cut: 1, bytes: 12, cut_off: 4 });
    assert_eq!(reading.share_cut_off(), 4.0 / 12.0);
}

/// 12 tokens, of which BERT's pair has 3 special ones: 9 are shared, and the longer text gets 5 of them.
#[test]
fn the_longer_of_two_long_texts_gets_the_odd_token() {
    let (long, longer) = ("tea ".repeat(3_000), "tea ".repeat(3_001));
    for read in &*READ {
        for texts in [[&long, &longer], [&longer, &long], [&long, &long]] {
            let texts = texts.map(String::as_str);
            for max_length in [12, 13] {
                let bound = read.bound(true, max_length, Truncation::Longest);
                let expected = read.whole(&texts, max_length, Truncation::Longest);
                assert_eq!(
                    ids_and_cut_off(&bound, texts[0], texts[1]),
                    expected,
                    "{} {max_length}",
                    read.kind
                );
            }
        }
    }
}

/// Whole, these take gigabytes.
#[test]
fn a_document_of_a_hundred_megabytes_has_the_tokens_of_its_start() {
    for (kind, sentence) in [
        ("bert", "The tea is green, and so is the cup.\n"),
        ("bert", "茶是绿色的杯子也是"),
        ("bert", "Zm9v/YmFy+"),
        ("roberta", "The tea is green, and so is the cup.\n"),
        ("roberta", "茶是绿色的，杯子也是。"),
        ("xlm-roberta", "The tea is green, and so is the cup. "),
    ] {
        let long = sentence.repeat(100_000_000 / sentence.len());
        let start = sentence.repeat(1_000);
        let one = Read::of(kind).bound(false, 128, Truncation::Longest);
        assert_eq!(ids(&one, "", &long), ids(&one, "", &start), "{kind} {sentence}");
        let pair = Read::of(kind).bound(true, 127, Truncation::Longest);
        assert_eq!(
            ids(&pair, "green tea", &long),
            ids(&pair, "green tea", &start),
            "{kind} {sentence}"
        );
        assert_eq!(
            ids(&pair, &long, "green tea"),
            ids(&pair, &start, "green tea"),
            "{kind} {sentence}"
        );
    }
}

#[test]
fn a_word_of_a_megabyte_is_tokenized_and_one_of_ten_is_refused() {
    for read in &*READ {
        let bound = read.bound(false, 128, Truncation::Longest);
        assert!(ids(&bound, "", &"x".repeat(1 << 20)).is_some(), "{}", read.kind);
        for piece in ["x", " ", "\u{301}"] {
            let long = piece.repeat((10 << 20) / piece.len());
            let error = bound.encode(|_| long.clone()).unwrap_err().to_string();
            assert!(error.contains("a text of 10485760 bytes that begins `"), "{error}");
            assert!(
                error.contains("tokenized beyond 2097152 bytes: it has no end of a word"),
                "{error}"
            );
        }
    }
}
