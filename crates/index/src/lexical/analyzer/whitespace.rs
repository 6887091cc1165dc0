//! Terms that stand between white space, for text that was cut already.

use super::Analyzer;

/// Splits at Unicode white space and changes nothing else.
pub(crate) struct Whitespace;

impl Analyzer for Whitespace {
    fn name(&self) -> &'static str {
        "whitespace@1"
    }

    fn analyze(&self, text: &str, emit: &mut dyn FnMut(&str)) {
        text.split_whitespace().for_each(emit);
    }
}
