//! Names that were nearly typed.

/// The largest number of names that a suggestion lists.
const PROPOSED: usize = 5;

/// The suggestion `did you mean A or B?` with the nearest names first; empty if no name is near.
pub fn did_you_mean<'a>(typed: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let mut near: Vec<(usize, &str)> =
        known.into_iter().filter_map(|name| Some((distance(typed, name)?, name))).collect();
    near.sort_unstable();
    let names: Vec<&str> = near.into_iter().take(PROPOSED).map(|(_, name)| name).collect();
    match names.split_last()? {
        (one, []) => Some(format!("did you mean {one}?")),
        (last, first) => Some(format!("did you mean {} or {last}?", first.join(", "))),
    }
}

/// The edit distance of two names; `None` if they are too far apart for a misspelling. A name that contains the other
/// is near, and so is one that differs only in its family.
fn distance(typed: &str, known: &str) -> Option<usize> {
    let last = folded(typed.rsplit('/').next().unwrap_or(typed));
    let (typed, known) = (folded(typed), folded(known));
    let distance = strsim::damerau_levenshtein(&typed, &known);
    let is_near = distance <= (typed.len() / 4).max(1);
    (is_near || (last.len() > 2 && known.contains(&last))).then_some(distance)
}

/// The name in lower case, letters and digits only, without folder and extension, so that `ColBERTv2` equals
/// `colbert-v2`.
fn folded(name: &str) -> String {
    let name = name.strip_prefix("configs/").unwrap_or(name);
    let name = name.strip_suffix(".toml").unwrap_or(name);
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 5] = [
        "lexical/bm25",
        "feedback/bm25-rm3",
        "sparse/splade-max",
        "configs/quickstart.toml",
        "late/colbert-v2",
    ];

    #[track_caller]
    fn assert_meant(typed: &str, expected: &str) {
        assert_eq!(did_you_mean(typed, KNOWN).as_deref().unwrap_or("nothing"), expected);
    }

    #[test]
    fn a_mistake_is_near_what_was_meant() {
        assert_meant("lexical/bm52", "did you mean lexical/bm25?");
        assert_meant("sparse/splade-v2-max", "did you mean sparse/splade-max?");
        assert_meant("quikstart", "did you mean configs/quickstart.toml?");
        assert_meant("ColBERTv2", "did you mean late/colbert-v2?");
        assert_meant("dense/bm25", "did you mean lexical/bm25 or feedback/bm25-rm3?");
        assert_meant("tea", "nothing");
    }
}
