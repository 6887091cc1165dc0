//! What a comparison says, in one sentence: what differs beyond chance, and what the queries could not have shown.
//!
//! A table of a dozen methods under four measures is some fifty figures, of which few mean anything. The sentence names
//! those few. Where there are none it says how large a difference would have had to be, so that "not significant" is not
//! read as "equal" (Sakai, SIGIR Forum 2014).

use nir_eval::significance::{Comparison, LEVEL};

/// One system under one measure, as a verdict sees it.
#[derive(Debug, Clone)]
pub struct Judged {
    /// The name of the system.
    pub name: String,
    /// The name of the measure.
    pub measure: String,
    /// The mean difference from the baseline.
    pub difference: f64,
    /// Whether the corrected p-value is below the level.
    pub is_significant: bool,
    /// The smallest difference that the queries could show; `None` where no query differs.
    pub detectable: Option<f64>,
}

impl Judged {
    /// Of a comparison, with the name of its system.
    pub fn new(name: String, one: &Comparison) -> Self {
        Self {
            name,
            measure: one.measure.to_string(),
            difference: one.difference,
            is_significant: one.corrected_p < LEVEL,
            detectable: one.detectable,
        }
    }
}

/// At most this many systems are named for better and for worse; of more only the number is told.
const NAMED: usize = 8;

/// The sentence for `judged`, which is one family: every system under every measure. `noun` is what a system is called, such
/// as `method`; empty where nothing is compared.
pub fn verdict(noun: &str, baseline: &str, queries: usize, judged: &[Judged]) -> String {
    let Some(first) = judged.first() else { return String::new() };
    let systems = distinct(judged.iter());
    let found = |better: bool| -> Vec<&Judged> {
        let is_found = |one: &&Judged| one.is_significant && (one.difference > 0.0) == better;
        judged.iter().filter(is_found).collect()
    };
    let (better, worse) = (found(true), found(false));
    let decided = distinct(better.iter().chain(&worse).copied());
    let open: Vec<&str> = systems.iter().copied().filter(|name| !decided.contains(name)).collect();
    let limit = detectable(&first.measure, judged, &open);
    let on = format!("on {queries} queries");
    if decided.is_empty() {
        let who = match systems.as_slice() {
            [only] => format!("{only} does not differ"),
            _ => format!("No {noun} differs"),
        };
        return format!("{who} from {baseline} beyond chance {on}{limit}.");
    }
    let of_first = judged.iter().filter(|one| one.name == first.name);
    let measures = of_first.count();
    let side = |found: &[&Judged], word: &str| {
        (!found.is_empty())
            .then(|| format!("{} {word} than {baseline}", named(found, noun, measures)))
    };
    let sides: Vec<String> =
        [side(&better, "better"), side(&worse, "worse")].into_iter().flatten().collect();
    let rest = match open.as_slice() {
        [] => String::new(),
        [only] => format!("; {only} does not differ from it{limit}"),
        _ => format!("; the other {} {noun}s do not differ from it{limit}", open.len()),
    };
    format!("Beyond chance {on}: {}{rest}.", sides.join(", "))
}

/// The names, each once, in order.
fn distinct<'a>(judged: impl Iterator<Item = &'a Judged>) -> Vec<&'a str> {
    let mut names = Vec::new();
    for one in judged {
        if !names.contains(&one.name.as_str()) {
            names.push(one.name.as_str());
        }
    }
    names
}

/// `A (nDCG@10, AP) and B (all 3 measures) are`, or `9 of the methods are`.
fn named(found: &[&Judged], noun: &str, all: usize) -> String {
    let names = distinct(found.iter().copied());
    if names.len() > NAMED {
        return format!("{} {noun}s are", names.len());
    }
    let with_measures = |name: &&str| {
        let measures = found.iter().filter(|one| one.name == *name);
        let measures: Vec<&str> = measures.map(|one| one.measure.as_str()).collect();
        match measures.len() {
            count if count > 2 && count == all => format!("{name} (all {count} measures)"),
            _ => format!("{name} ({})", measures.join(", ")),
        }
    };
    let words: Vec<String> = names.iter().map(with_measures).collect();
    let is = if words.len() == 1 { "is" } else { "are" };
    format!("{} {is}", list(&words))
}

/// `A`, `A and B`, `A, B and C`.
pub(crate) fn list(words: &[impl AsRef<str>]) -> String {
    let words: Vec<&str> = words.iter().map(AsRef::as_ref).collect();
    match words.as_slice() {
        [most @ .., last] if !most.is_empty() => format!("{} and {last}", most.join(", ")),
        _ => words.concat(),
    }
}

/// What the queries could have shown of the systems `of` under the first measure.
fn detectable(measure: &str, judged: &[Judged], of: &[&str]) -> String {
    let of_open = |one: &&Judged| one.measure == measure && of.contains(&one.name.as_str());
    let open = || judged.iter().filter(of_open);
    let limits: Vec<f64> = open().filter_map(|one| one.detectable).collect();
    let (low, high) = limits
        .iter()
        .fold((f64::INFINITY, 0.0f64), |(low, high), &one| (low.min(one), high.max(one)));
    let (from, to) = (format!("{low:.3}"), format!("{high:.3}"));
    let limit = match (limits.as_slice(), from == to) {
        ([], _) if open().all(|one| one.difference == 0.0) => {
            return format!(": no value of {measure} differs at all");
        }
        ([], _) => return String::new(),
        (_, true) => from,
        (_, false) => format!("{from} to {to}, depending on the system"),
    };
    format!("; the smallest difference in {measure} that they could show is {limit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(name: &str, measure: &str, difference: f64, found: bool, limit: f64) -> Judged {
        Judged {
            name: name.to_owned(),
            measure: measure.to_owned(),
            difference,
            is_significant: found,
            detectable: (limit > 0.0).then_some(limit),
        }
    }

    #[test]
    fn where_nothing_is_found_it_says_what_could_have_been() {
        let one = judged("RM3", "AP", 0.01, false, 0.0312);
        assert_eq!(
            verdict("method", "BM25", 120, std::slice::from_ref(&one)),
            "RM3 does not differ from BM25 beyond chance on 120 queries; the smallest difference in AP that they could \
             show is 0.031."
        );
        let two =
            [one, judged("RM3", "P@5", 0.2, false, 0.4), judged("DPR", "AP", -0.1, false, 0.05)];
        assert_eq!(
            verdict("method", "BM25", 120, &two),
            "No method differs from BM25 beyond chance on 120 queries; the smallest difference in AP that they could show \
             is 0.031 to 0.050, depending on the system."
        );
    }

    #[test]
    fn what_is_found_is_named_with_its_measures() {
        let all = [
            judged("A", "AP", 0.1, true, 0.02),
            judged("A", "P@5", 0.1, true, 0.02),
            judged("B", "AP", 0.2, true, 0.02),
            judged("C", "AP", -0.2, true, 0.02),
            judged("D", "AP", 0.001, false, 0.03),
        ];
        assert_eq!(
            verdict("run", "X", 50, &all),
            "Beyond chance on 50 queries: A (AP, P@5) and B (AP) are better than X, C (AP) is worse than X; D does not \
             differ from it; the smallest difference in AP that they could show is 0.030."
        );
        assert_eq!(
            verdict("run", "X", 50, &all[..3]),
            "Beyond chance on 50 queries: A (AP, P@5) and B (AP) are better than X."
        );
    }

    #[test]
    fn a_system_that_differs_in_every_measure_needs_no_list() {
        let all = ["AP", "P@5", "RR"].map(|measure| judged("A", measure, 0.1, true, 0.02));
        let expected = "Beyond chance on 50 queries: A (all 3 measures) is better than X.";
        assert_eq!(verdict("run", "X", 50, &all), expected);
    }

    #[test]
    fn equal_values_are_called_so() {
        assert_eq!(
            verdict("run", "X", 5, &[judged("A", "AP", 0.0, false, 0.0)]),
            "A does not differ from X beyond chance on 5 queries: no value of AP differs at all."
        );
        assert_eq!(verdict("run", "X", 5, &[]), "");
    }
}
