//! The English chain that tantivy offers as `en_stem`.
//!
//! Runs of letters and digits, none longer than 40 bytes, lower case, Snowball's English stemmer (Porter 2). It keeps
//! stop words and cuts `can't` in two: reason enough for other scores than Lucene's on the same text.

use tantivy::tokenizer::{
    Language, LowerCaser, RemoveLongFilter, SimpleTokenizer, Stemmer, TextAnalyzer,
};

use super::Analyzer;

/// The filters of tantivy's `en_stem`, in the same order.
pub(crate) struct TantivyEnglish(TextAnalyzer);

impl Default for TantivyEnglish {
    fn default() -> Self {
        Self(
            TextAnalyzer::builder(SimpleTokenizer::default())
                .filter(RemoveLongFilter::limit(40)) // as tantivy's TokenizerManager has it
                .filter(LowerCaser)
                .filter(Stemmer::new(Language::English))
                .build(),
        )
    }
}

impl Analyzer for TantivyEnglish {
    fn name(&self) -> &'static str {
        "tantivy-english@1"
    }

    fn analyze(&self, text: &str, emit: &mut dyn FnMut(&str)) {
        let mut chain = self.0.clone();
        chain.token_stream(text).process(&mut |token| emit(&token.text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stop_words_stay_and_apostrophes_cut() {
        let terms = TantivyEnglish::default().terms("The dogs can't eat");
        assert_eq!(terms, ["the", "dog", "can", "t", "eat"]);
    }
}
