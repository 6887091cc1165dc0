//! Byte-pair merges over counted words, with every tie decided.
//!
//! ```text
//! pieces  =  special tokens, characters, characters inside words (`##c`), then one more for each merge
//! merge   =  the pair of neighbouring pieces with the largest Σ_words count · occurrences
//!            of equally frequent ones, the pair with the smaller (number on the left, number on the right)
//! ```
//!
//! Of equally frequent characters at the limit of the alphabet, those of smaller code points are kept; characters beyond it
//! are passed over. Counts are sums of whole numbers and the queue orders everything that differs, so neither the order of
//! words nor that of a hash map can be seen in the pieces.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use rustc_hash::{FxHashMap, FxHashSet};

/// The prefix of a piece that continues a word.
const CONTINUES: &str = "##";

/// When merging stops.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// The number of pieces, including special tokens. All characters are pieces, even if that makes more.
    pub(super) size: usize,
    /// The smallest number of occurrences of a pair that is merged; at least 1.
    pub(super) min_frequency: u64,
    /// The number of characters that are pieces of their own.
    pub(super) alphabet: usize,
}

/// Two neighbouring pieces, by their ids.
type Pair = (u32, u32);

/// A word, cut into the pieces that exist so far, with the number of its occurrences.
struct Word {
    pieces: Vec<u32>,
    count: u64,
}

/// The pieces so far, and the counts that decide the next merge.
pub(super) struct Merges {
    limits: Limits,
    pieces: Vec<String>,
    numbers: FxHashMap<String, u32>,
    words: Vec<Word>,
    counts: FxHashMap<Pair, u64>,
    /// The words in which a pair has occurred; it may have disappeared from some of them.
    places: FxHashMap<Pair, Vec<u32>>,
    /// Pairs with the count that they had when they were added; an entry is out of date if the count has changed since.
    queue: BinaryHeap<(u64, Reverse<Pair>)>,
}

impl Merges {
    /// Cuts `words`, each of which is named once with its count, into characters.
    pub(super) fn new(special: &[&str], words: &[(String, u64)], limits: Limits) -> Self {
        let mut merges = Self {
            limits,
            pieces: Vec::new(),
            numbers: FxHashMap::default(),
            words: Vec::new(),
            counts: FxHashMap::default(),
            places: FxHashMap::default(),
            queue: BinaryHeap::new(),
        };
        let alphabet = alphabet(words, limits.alphabet);
        let inner: BTreeSet<char> =
            words.iter().flat_map(|(word, _)| word.chars().skip(1)).collect();
        let special = special.iter().map(|token| (*token).to_owned());
        let characters = alphabet.iter().map(char::to_string);
        let inside = inner.intersection(&alphabet).map(|c| format!("{CONTINUES}{c}"));
        for piece in special.chain(characters).chain(inside) {
            merges.number(piece);
        }
        for (word, count) in words {
            let kept = word.char_indices().filter(|(_, c)| alphabet.contains(c));
            let pieces = kept.map(|(at, c)| merges.character(at == 0, c)).collect();
            merges.words.push(Word { pieces, count: *count });
        }
        (0..merges.words.len()).for_each(|word| merges.add(word as u32));
        merges.queue = merges.counts.iter().map(|(&pair, &count)| (count, Reverse(pair))).collect();
        merges
    }

    /// Merges pairs until there are enough pieces or no pair is frequent enough; returns all pieces in the order of
    /// their ids.
    pub(super) fn pieces(mut self) -> Vec<String> {
        while self.pieces.len() < self.limits.size {
            let Some(pair) = self.most_frequent() else { break };
            self.join(pair);
        }
        self.pieces
    }

    /// The id of a piece; a piece that has none gets the next one.
    fn number(&mut self, piece: String) -> u32 {
        let next = self.pieces.len() as u32;
        *self.numbers.entry(piece).or_insert_with_key(|piece| {
            self.pieces.push(piece.clone());
            next
        })
    }

    fn character(&self, is_first: bool, c: char) -> u32 {
        let piece = if is_first { c.to_string() } else { format!("{CONTINUES}{c}") };
        self.numbers[&piece]
    }

    fn most_frequent(&mut self) -> Option<Pair> {
        while let Some((count, Reverse(pair))) = self.queue.pop() {
            if self.counts.get(&pair) == Some(&count) {
                return (count >= self.limits.min_frequency.max(1)).then_some(pair);
            }
        }
        None
    }

    fn join(&mut self, pair: Pair) {
        let [left, right] = [pair.0, pair.1].map(|piece| &self.pieces[piece as usize]);
        let joined = format!("{left}{}", right.strip_prefix(CONTINUES).unwrap_or(right));
        let joined = self.number(joined);
        let mut places = self.places.remove(&pair).unwrap_or_default();
        places.sort_unstable();
        places.dedup();
        let mut changed = FxHashSet::default();
        for place in places {
            let (before, after) = {
                let pieces = &self.words[place as usize].pieces;
                (pairs(pieces).collect::<Vec<_>>(), replaced(pieces, pair, joined))
            };
            if after.len() > before.len() {
                continue; // the pair has gone from this word
            }
            self.remove(place, &before);
            self.words[place as usize].pieces = after;
            self.add(place);
            changed.extend(before);
            changed.extend(pairs(&self.words[place as usize].pieces));
        }
        let counted = changed.into_iter().filter_map(|pair| Some((*self.counts.get(&pair)?, pair)));
        self.queue.extend(counted.map(|(count, pair)| (count, Reverse(pair))));
    }

    /// Adds the pairs of a word to the counts.
    fn add(&mut self, place: u32) {
        let Word { pieces, count } = &self.words[place as usize];
        for pair in pairs(pieces) {
            *self.counts.entry(pair).or_default() += count;
            self.places.entry(pair).or_default().push(place);
        }
    }

    /// Subtracts the pairs that a word had before from the counts.
    fn remove(&mut self, place: u32, before: &[Pair]) {
        let count = self.words[place as usize].count;
        for pair in before {
            let left = self.counts.get_mut(pair).expect("every pair of a word was counted");
            *left -= count;
            if *left == 0 {
                self.counts.remove(pair);
            }
        }
    }
}

/// The `most` most frequent characters.
fn alphabet(words: &[(String, u64)], most: usize) -> BTreeSet<char> {
    let mut counts: FxHashMap<char, u64> = FxHashMap::default();
    for (word, count) in words {
        word.chars().for_each(|c| *counts.entry(c).or_default() += count);
    }
    let mut characters: Vec<(char, u64)> = counts.into_iter().collect();
    characters.sort_unstable_by_key(|&(c, count)| (Reverse(count), c));
    characters.into_iter().take(most).map(|(c, _)| c).collect()
}

fn pairs(pieces: &[u32]) -> impl Iterator<Item = Pair> {
    pieces.windows(2).map(|pair| (pair[0], pair[1]))
}

/// The pieces of a word with every occurrence of a pair merged, from the left.
fn replaced(pieces: &[u32], pair: Pair, joined: u32) -> Vec<u32> {
    let mut after = Vec::with_capacity(pieces.len());
    let mut rest = pieces;
    while let [first, others @ ..] = rest {
        let is_pair = others.first().is_some_and(|second| (*first, *second) == pair);
        after.push(if is_pair { joined } else { *first });
        rest = &others[usize::from(is_pair)..];
    }
    after
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(words: &[(&str, u64)], size: usize, alphabet: usize) -> Vec<String> {
        let words: Vec<(String, u64)> =
            words.iter().map(|&(word, count)| (word.to_owned(), count)).collect();
        Merges::new(&["[PAD]"], &words, Limits { size, min_frequency: 2, alphabet }).pieces()
    }

    /// Sennrich, Haddow and Birch's example: low 5, lower 2, newest 6, widest 3.
    #[test]
    fn pairs_are_joined_by_their_counts() {
        let words = [("low", 5), ("lower", 2), ("newest", 6), ("widest", 3)];
        // 1 special token, l n w d e i o r s t as characters (10 of them), ##d ##e ##i ##o ##r ##s ##t ##w inside words.
        let all = pieces(&words, 100, 100);
        assert_eq!(all[..11].concat(), "[PAD]deilnorstw");
        assert_eq!(all[11..19].concat(), "##d##e##i##o##r##s##t##w");
        // es: 6 + 3 = 9, and st too: es has the smaller number on the left (##e before ##s). Then est: 9.
        // l ow: lo and ow are 5 + 2 = 7 each: (l, ##o) before (##o, ##w), as l was numbered first. Then low: 7.
        // ne, ew, we(s)t: 6 each; (n, ##e) first, then (ne, ##w) or (##w, ##est): ##w was numbered before ne.
        assert_eq!(all[19..23], ["##es", "##est", "lo", "low"]);
        assert_eq!(all[23..26], ["ne", "##west", "newest"]);
        // wi, id, dest: 3 each, (w, ##i), (##d, ##est), (##i, ##d): by numbers w, ##d, ##i.
        assert_eq!(all[26..29], ["wi", "##dest", "widest"]);
        // lower: low ##e ##r, 2 each.
        assert_eq!(all[29..], ["##er", "lower"]);
    }

    #[test]
    fn there_are_as_many_pieces_as_asked_for() {
        assert_eq!(pieces(&[("aab", 3)], 5, 9), ["[PAD]", "a", "b", "##a", "##b"]);
        // (a, ##a) and (##a, ##b) 3 each: a has the smaller number.
        assert_eq!(pieces(&[("aab", 3)], 6, 9)[5..], ["aa"]);
        assert_eq!(pieces(&[("aab", 1)], 6, 9).len(), 5, "too rare to be joined");
    }

    #[test]
    fn a_pair_that_overlaps_itself_is_joined_from_the_left() {
        // a ##a ##a ##a: (##a, ##a) twice, so 4; (a, ##a) once, so 2. Then a ##aa ##a, with (a, ##aa) and (##aa, ##a) 2 each.
        assert_eq!(pieces(&[("aaaa", 2)], 100, 9)[3..], ["##aa", "aaa", "aaaa"]);
    }

    #[test]
    fn the_rarest_characters_are_passed_over_and_of_equally_rare_ones_the_later() {
        // a 3, c and b 2 each: b is kept. `cab` is `##ab` then.
        let kept = pieces(&[("ab", 1), ("cab", 1), ("c", 1), ("a", 1)], 100, 2);
        assert_eq!(kept, ["[PAD]", "a", "b", "##a", "##b"]);
    }

    #[test]
    fn the_order_of_words_is_not_seen() {
        let mut words: Vec<(String, u64)> =
            (0..400_u64).map(|i| (format!("{:b}{:o}", i * 37 % 400, i), 1 + i % 3)).collect();
        words.sort();
        let limits = Limits { size: 300, min_frequency: 1, alphabet: 50 };
        let forward = Merges::new(&["[PAD]"], &words, limits).pieces();
        words.reverse();
        assert_eq!(forward.len(), 300);
        assert_eq!(Merges::new(&["[PAD]"], &words, limits).pieces(), forward);
    }
}
