//! Porter's stemmer, as Lucene's `PorterStemmer` has it.
//! Porter, Program 14(3), 1980 (`porter1980stemmer`).
//!
//! A word is a run of consonants `C` and vowels `V`: `[C](VC)^m[V]`. Its measure `m` counts the syllables that a suffix
//! would leave behind, and decides whether the suffix may go. Five steps take suffixes off, each at most one.
//!
//! Differs from the paper where Porter's own later programs do, and Lucene follows: step 2 has `bli -> ble` for
//! `abli -> able`, and `logi -> log`; words of one or two letters stay as they are.

/// Stems a lower-cased word in place. Anything that is not one of a, e, i, o, u, y counts as a consonant.
pub(crate) fn stem<L: Copy + Eq + From<u8>>(word: &mut Vec<L>) {
    if word.len() > 2 {
        let mut word = Word(word);
        word.step_1a();
        word.step_1b();
        word.step_1c();
        word.step_2();
        word.step_3();
        word.step_4();
        word.step_5();
    }
}

/// Suffixes with what replaces them where the rest has a measure above zero.
const STEP_2: [(&str, &str); 21] = [
    ("ational", "ate"),
    ("tional", "tion"),
    ("enci", "ence"),
    ("anci", "ance"),
    ("izer", "ize"),
    ("bli", "ble"),
    ("alli", "al"),
    ("entli", "ent"),
    ("eli", "e"),
    ("ousli", "ous"),
    ("ization", "ize"),
    ("ation", "ate"),
    ("ator", "ate"),
    ("alism", "al"),
    ("iveness", "ive"),
    ("fulness", "ful"),
    ("ousness", "ous"),
    ("aliti", "al"),
    ("iviti", "ive"),
    ("biliti", "ble"),
    ("logi", "log"),
];

const STEP_3: [(&str, &str); 7] = [
    ("icate", "ic"),
    ("ative", ""),
    ("alize", "al"),
    ("iciti", "ic"),
    ("ical", "ic"),
    ("ful", ""),
    ("ness", ""),
];

/// Suffixes that go where the rest has a measure above one; `ion` only after `s` or `t`.
const STEP_4: [&str; 19] = [
    "al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "ion", "ou",
    "ism", "ate", "iti", "ous", "ive", "ize",
];

/// A word under the knife: letters are bytes where all are ASCII, else UTF-16 units.
struct Word<'w, L>(&'w mut Vec<L>);

impl<L: Copy + Eq + From<u8>> Word<'_, L> {
    fn letter(&self, i: usize) -> L {
        self.0[i]
    }

    fn is(&self, i: usize, letter: u8) -> bool {
        self.0[i] == L::from(letter)
    }

    /// Which letters are consonants, in one pass: y is a vowel after a consonant, `toy` has one vowel, `syzygy` three.
    fn consonants(&self) -> impl Iterator<Item = bool> {
        (0..self.0.len()).scan(false, |before, i| {
            *before = !(self.is_vowel(i) || self.is(i, b'y') && *before);
            Some(*before)
        })
    }

    fn is_consonant(&self, i: usize) -> bool {
        match self.is(i, b'y') {
            true => self.consonants().nth(i).expect("there is a letter at `i`"),
            false => !self.is_vowel(i),
        }
    }

    /// Whether the letter is a, e, i, o or u; whether y is a vowel is decided elsewhere.
    fn is_vowel(&self, i: usize) -> bool {
        b"aeiou".iter().any(|&vowel| self.is(i, vowel))
    }

    /// `m` of the first `len` letters: how often a vowel is followed by a consonant.
    fn measure(&self, len: usize) -> usize {
        let mut m = 0;
        let mut after_vowel = false;
        for consonant in self.consonants().take(len) {
            m += usize::from(consonant && after_vowel);
            after_vowel = !consonant;
        }
        m
    }

    fn has_vowel(&self, len: usize) -> bool {
        self.consonants().take(len).any(|consonant| !consonant)
    }

    /// Whether the word ends in a doubled consonant: `*d` in the paper.
    fn ends_doubled(&self) -> bool {
        let n = self.0.len();
        n >= 2 && self.letter(n - 1) == self.letter(n - 2) && self.is_consonant(n - 1)
    }

    /// `*o`: the first `len` letters end consonant, vowel, consonant, the last not w, x or y.
    fn ends_cvc(&self, len: usize) -> bool {
        len >= 3
            && self.is_consonant(len - 3)
            && !self.is_consonant(len - 2)
            && self.is_consonant(len - 1)
            && !b"wxy".iter().any(|&letter| self.is(len - 1, letter))
    }

    /// How many letters stand before `suffix`, if the word ends in it.
    fn before(&self, suffix: &str) -> Option<usize> {
        let len = self.0.len().checked_sub(suffix.len())?;
        let matches = suffix.bytes().enumerate().rev().all(|(i, byte)| self.is(len + i, byte));
        matches.then_some(len)
    }

    /// Replaces the letters from `len` on by `ending`.
    fn replace_from(&mut self, len: usize, ending: &str) {
        self.0.truncate(len);
        self.0.extend(ending.bytes().map(L::from));
    }

    /// Plurals: `caresses -> caress`, `ponies -> poni`, `cats -> cat`.
    fn step_1a(&mut self) {
        if let Some(len) = self.before("sses") {
            self.replace_from(len, "ss");
        } else if let Some(len) = self.before("ies") {
            self.replace_from(len, "i");
        } else if self.before("ss").is_none()
            && let Some(len) = self.before("s")
        {
            self.0.truncate(len);
        }
    }

    /// `agreed -> agree`, `plastered -> plaster`, `motoring -> motor`.
    fn step_1b(&mut self) {
        if let Some(len) = self.before("eed") {
            if self.measure(len) > 0 {
                self.replace_from(len, "ee");
            }
        } else if let Some(len) = self.before("ed").or_else(|| self.before("ing"))
            && self.has_vowel(len)
        {
            self.0.truncate(len);
            self.mend();
        }
    }

    /// Adds an `e` to what step 1b left, or removes a doubled letter: `conflat` becomes `conflate`, `hopp` becomes
    /// `hop`.
    fn mend(&mut self) {
        let n = self.0.len();
        let wants_e = ["at", "bl", "iz"].iter().any(|suffix| self.before(suffix).is_some());
        if wants_e {
            self.replace_from(n, "e");
        } else if self.ends_doubled() {
            if !b"lsz".iter().any(|&letter| self.is(n - 1, letter)) {
                self.0.truncate(n - 1);
            }
        } else if self.measure(n) == 1 && self.ends_cvc(n) {
            self.replace_from(n, "e");
        }
    }

    /// Step 1c: `happy` becomes `happi`, but `sky` stays.
    fn step_1c(&mut self) {
        if let Some(len) = self.before("y")
            && self.has_vowel(len)
        {
            self.replace_from(len, "i");
        }
    }

    fn step_2(&mut self) {
        self.first_match(&STEP_2);
    }

    fn step_3(&mut self) {
        self.first_match(&STEP_3);
    }

    /// The first suffix that matches decides, also where the measure then forbids it.
    fn first_match(&mut self, rules: &[(&str, &str)]) {
        let found = rules.iter().find_map(|(suffix, ending)| Some((self.before(suffix)?, ending)));
        if let Some((len, ending)) = found
            && self.measure(len) > 0
        {
            self.replace_from(len, ending);
        }
    }

    fn step_4(&mut self) {
        let found = STEP_4.iter().find_map(|suffix| {
            let len = self.before(suffix)?;
            let allowed =
                *suffix != "ion" || len > 0 && (self.is(len - 1, b's') || self.is(len - 1, b't'));
            allowed.then_some(len)
        });
        if let Some(len) = found
            && self.measure(len) > 1
        {
            self.0.truncate(len);
        }
    }

    /// `probate -> probat`, `rate` stays; `controll -> control`.
    fn step_5(&mut self) {
        if let Some(len) = self.before("e") {
            let m = self.measure(len);
            if m > 1 || m == 1 && !self.ends_cvc(len) {
                self.0.truncate(len);
            }
        }
        let n = self.0.len();
        if n > 0 && self.is(n - 1, b'l') && self.ends_doubled() && self.measure(n) > 1 {
            self.0.truncate(n - 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stemmed(word: &str) -> String {
        let mut letters: Vec<char> = word.chars().collect();
        stem(&mut letters);
        letters.into_iter().collect()
    }

    #[test]
    fn examples_of_the_paper() {
        for (word, expected) in [
            ("caresses", "caress"),
            ("ponies", "poni"),
            ("agreed", "agre"),
            ("plastered", "plaster"),
            ("hopping", "hop"),
            ("filing", "file"),
            ("sky", "sky"),
            ("relational", "relat"),
            ("triplicate", "triplic"),
            ("adoption", "adopt"),
            ("rate", "rate"),
            ("controll", "control"),
        ] {
            assert_eq!(stemmed(word), expected, "{word}");
        }
    }

    #[test]
    fn two_letters_stay() {
        assert_eq!((stemmed("is").as_str(), stemmed("as").as_str()), ("is", "as"));
    }

    /// The definition, letter by letter back to the first.
    fn consonant_by_the_paper(word: &[u8], i: usize) -> bool {
        !b"aeiou".contains(&word[i])
            && (word[i] != b'y' || i == 0 || !consonant_by_the_paper(word, i - 1))
    }

    #[test]
    fn consonants_are_those_of_the_paper() {
        for word in ["toy", "syzygy", "yyyyy", "ayyy", "yay", "rhythm", "by", "y"] {
            let mut letters = word.as_bytes().to_vec();
            let knife = Word(&mut letters);
            for (i, consonant) in knife.consonants().enumerate() {
                assert_eq!(consonant, consonant_by_the_paper(word.as_bytes(), i), "{word} {i}");
                assert_eq!(consonant, knife.is_consonant(i), "{word} {i}");
            }
        }
    }

    #[test]
    fn bytes_and_chars_agree() {
        for word in ["generalizations", "oscillators", "yyyy", "syzygies", "3rd", "x"] {
            let mut bytes = word.as_bytes().to_vec();
            stem(&mut bytes);
            assert_eq!(String::from_utf8(bytes).unwrap(), stemmed(word));
        }
    }
}
