//! A comparison: which methods on which datasets, against which baseline; and what `nir gate` holds fast of it.

use indexmap::IndexMap;
use nir_core::Digest;
use serde::Deserialize;
use toml::Spanned;

use crate::{ConfigError, Source};

/// A comparison as its file states it. Names have spans, so that an error can point at one.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// The names of the datasets, which are the columns.
    pub datasets: Vec<Spanned<String>>,
    /// The names of the methods, which are the rows.
    pub methods: Vec<Spanned<String>>,
    /// The method that every other is tested against: the first one, where the file names none.
    pub baseline: Spanned<String>,
    /// The names of the measures; empty for those that each dataset states as its own.
    pub measures: Vec<Spanned<String>>,
    /// Which of them are tested against the baseline, where not all are: each test more makes every p-value larger.
    pub tested: Vec<Spanned<String>>,
    /// The name of the paired significance test; `None` for the one that every command takes.
    pub test: Option<Spanned<String>>,
    /// The name of the correction for multiple comparisons; `None` likewise.
    pub correction: Option<Spanned<String>>,
    /// The seed of the randomisation test and of the intervals; `None` likewise.
    pub seed: Option<u64>,
    /// Statements of papers about two methods.
    pub hypotheses: Vec<Hypothesis>,
    /// What `nir gate` checks; empty if the comparison is no gate.
    pub gates: Vec<Gate>,
    /// The file.
    pub source: Source,
}

/// A statement of a paper that one method is better than another. It is tested on rows that differ in nothing else.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hypothesis {
    /// The statement in words: "hard negatives beat in-batch negatives".
    pub says: String,
    /// The key of the paper.
    pub paper: String,
    /// The method that is said to be better.
    pub better: Spanned<String>,
    /// The method that is said to be worse.
    pub than: Spanned<String>,
}

/// One `[[gate]]` table: what must not change about some methods.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// The methods, which are among those of the comparison.
    pub methods: Vec<Spanned<String>>,
    /// Whether rankings may change.
    pub rankings: Rankings,
    /// By how much each measure may change, up or down; a measure that is not named must not change.
    #[serde(default)]
    pub tolerance: IndexMap<Spanned<String>, Spanned<f64>>,
    /// The check fails if a stage costs more than this factor times its former cost; above 1.
    pub slower: Spanned<f64>,
    /// The check fails if a stage costs less than its former cost divided by this factor, as work may have been left
    /// out; above 1.
    pub faster: Spanned<f64>,
}

/// Whether rankings may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rankings {
    /// They must not: the same documents with the same scores in the same order, for every query.
    Same,
    /// They may, as the arithmetic of models differs between processors.
    Free,
}

impl Gate {
    /// By how much a measure may change, up or down.
    pub fn tolerance(&self, measure: &str) -> f64 {
        let named = self.tolerance.iter().find(|(name, _)| name.as_ref() == measure);
        named.map_or(0.0, |(_, tolerance)| *tolerance.as_ref())
    }

    /// The place and the text of the first mistake, given the methods and measures of the comparison; `None` if there
    /// is none.
    fn problem(
        &self,
        methods: &[Spanned<String>],
        measures: &[Spanned<String>],
    ) -> Option<(std::ops::Range<usize>, String)> {
        let beyond = |value: &Spanned<f64>, name: &str, least: f64| {
            let (found, span) = (*value.as_ref(), value.span());
            let fits = found.is_finite() && if least == 0.0 { found >= 0.0 } else { found > least };
            let expected = if least == 0.0 { "0 or more" } else { "above 1" };
            (!fits).then(|| (span, format!("{name} must be {expected}, found {found}")))
        };
        let strangers = self.methods.iter().find_map(|name| stranger(methods, name, "methods"));
        strangers
            .or_else(|| self.tolerance.keys().find_map(|name| stranger(measures, name, "measures")))
            .or_else(|| self.tolerance.values().find_map(|one| beyond(one, "a tolerance", 0.0)))
            .or_else(|| beyond(&self.slower, "`slower`", 1.0))
            .or_else(|| beyond(&self.faster, "`faster`", 1.0))
    }
}

/// A name that is not among the known ones: where it stands, and what is known.
fn stranger(
    known: &[Spanned<String>],
    name: &Spanned<String>,
    what: &str,
) -> Option<(std::ops::Range<usize>, String)> {
    let known: Vec<&str> = known.iter().map(|name| name.as_ref().as_str()).collect();
    let is_missing = !known.contains(&name.as_ref().as_str());
    is_missing.then(|| {
        let known = match known.is_empty() {
            true => format!("this file has no `{what}` that names it"),
            false => known.join(", "),
        };
        (name.span(), format!("`{}` is not among the {what}: {known}", name.as_ref()))
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    datasets: Vec<Spanned<String>>,
    methods: Vec<Spanned<String>>,
    baseline: Option<Spanned<String>>,
    #[serde(default)]
    measures: Vec<Spanned<String>>,
    #[serde(default)]
    tested: Vec<Spanned<String>>,
    test: Option<Spanned<String>>,
    correction: Option<Spanned<String>>,
    seed: Option<u64>,
    #[serde(default)]
    hypothesis: Vec<Hypothesis>,
    #[serde(default)]
    gate: Vec<Gate>,
}

impl Comparison {
    /// Reads a comparison: `datasets` and `methods` must be there. Fails if one of them is empty, a key is unknown, the
    /// baseline or the methods of hypotheses are not among its methods, or a gate names methods or measures that it does
    /// not have.
    pub fn parse(source: Source) -> Result<Self, ConfigError> {
        let file: File = source.parse()?;
        let baseline = file.check(&source)?;
        let File { datasets, methods, measures, test, correction, seed, .. } = file;
        let (tested, hypotheses, gates) = (file.tested, file.hypothesis, file.gate);
        Ok(Self {
            datasets,
            methods,
            baseline,
            measures,
            tested,
            test,
            correction,
            seed,
            hypotheses,
            gates,
            source,
        })
    }

    /// The same with other names for its methods: `name` gives one for each that the file has.
    #[must_use]
    pub fn renamed(mut self, name: impl Fn(&str) -> String) -> Self {
        let rename = |old: &mut Spanned<String>| *old.get_mut() = name(old.as_ref());
        self.methods.iter_mut().for_each(rename);
        rename(&mut self.baseline);
        for hypothesis in &mut self.hypotheses {
            rename(&mut hypothesis.better);
            rename(&mut hypothesis.than);
        }
        self.gates.iter_mut().flat_map(|gate| &mut gate.methods).for_each(rename);
        self
    }

    /// The gate of a method; an error that points at the method if it has none.
    pub fn gate(&self, method: &Spanned<String>) -> Result<&Gate, ConfigError> {
        let holds = |gate: &&Gate| gate.methods.iter().any(|name| name.as_ref() == method.as_ref());
        self.gates.iter().find(holds).ok_or_else(|| {
            let message = format!(
                "`{}` is in no [[gate]]: expected one that names it under `methods`, with `rankings`, `slower` and `faster`",
                method.as_ref()
            );
            self.source.error_at(method.span(), message)
        })
    }

    /// The digest of the file's text.
    pub fn digest(&self) -> Digest {
        Digest::of(self.source.text())
    }
}

impl File {
    /// Checks what the file names, and gives the baseline.
    fn check(&self, source: &Source) -> Result<Spanned<String>, ConfigError> {
        let Some(first) = self.methods.first().filter(|_| !self.datasets.is_empty()) else {
            let message = "found none under `datasets` or `methods`, expected at least one of each";
            return Err(source.error_at(0..0, message));
        };
        let baseline = self.baseline.as_ref().unwrap_or(first);
        self.is_a_row(source, "the baseline", baseline)?;
        for hypothesis in &self.hypothesis {
            self.is_a_row(source, "the row", &hypothesis.better)?;
            self.is_a_row(source, "the row", &hypothesis.than)?;
        }
        if let Some((span, message)) =
            self.tested.iter().find_map(|name| stranger(&self.measures, name, "measures"))
        {
            return Err(source.error_at(span, message));
        }
        let problem = self.gate.iter().find_map(|gate| gate.problem(&self.methods, &self.measures));
        match problem.or_else(|| gated_twice(&self.gate)) {
            Some((span, message)) => Err(source.error_at(span, message)),
            None => Ok(baseline.clone()),
        }
    }

    fn is_a_row(
        &self,
        source: &Source,
        what: &str,
        name: &Spanned<String>,
    ) -> Result<(), ConfigError> {
        let rows: Vec<&str> = self.methods.iter().map(|method| method.as_ref().as_str()).collect();
        if rows.contains(&name.as_ref().as_str()) {
            return Ok(());
        }
        let known = rows.join(", ");
        let message = format!("{what} `{}` is not among the methods: {known}", name.as_ref());
        Err(source.error_at(name.span(), message))
    }
}

/// The first method that two gates name.
fn gated_twice(gates: &[Gate]) -> Option<(std::ops::Range<usize>, String)> {
    let mut names: Vec<&Spanned<String>> = gates.iter().flat_map(|gate| &gate.methods).collect();
    names.sort_by(|a, b| a.as_ref().cmp(b.as_ref())); // stable: the later of two stays the later
    let twice = names.windows(2).find(|pair| pair[0].as_ref() == pair[1].as_ref())?;
    Some((twice[1].span(), format!("`{}` is gated twice", twice[1].as_ref())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMPARISON: &str = r#"datasets = ["pocket"]
methods = ["lexical/bm25", "feedback/bm25-rm3"]
baseline = "lexical/bm25"
measures = ["nDCG@10", "RR@10"]
test = "randomisation"
correction = "holm"
seed = 42

[[gate]]
methods = ["lexical/bm25"]
rankings = "same"
tolerance = { "RR@10" = 0.01 }
slower = 1.5
faster = 2.0
"#;

    fn parse(part: &str, by: &str) -> Result<Comparison, ConfigError> {
        assert!(COMPARISON.contains(part));
        Comparison::parse(Source::new("ci.toml", COMPARISON.replacen(part, by, 1)))
    }

    #[track_caller]
    fn assert_refused(part: &str, by: &str, expected: &str) {
        assert_eq!(parse(part, by).unwrap_err().to_string(), expected);
    }

    #[test]
    fn datasets_and_methods_are_enough() {
        let file = "datasets = [\"pocket\"]\nmethods = [\"lexical/bm25\", \"feedback/bm25-rm3\"]\n";
        let comparison = Comparison::parse(Source::new("mine.toml", file)).unwrap();
        assert_eq!(comparison.baseline.as_ref(), "lexical/bm25");
        assert!(comparison.measures.is_empty() && comparison.test.is_none());
        assert_refused(
            "[\"pocket\"]",
            "[]",
            "ci.toml:1:1: found none under `datasets` or `methods`, expected at least one of each",
        );
        assert_refused(
            "measures = [\"nDCG@10\", \"RR@10\"]\n",
            "",
            "ci.toml:11:15: `RR@10` is not among the measures: this file has no `measures` that names it",
        );
    }

    #[test]
    fn what_is_tested_is_among_the_measures() {
        let with =
            |tested: &str| parse("seed = 42", &format!("tested = [\"{tested}\"]\nseed = 42"));
        assert_eq!(with("RR@10").unwrap().tested[0].as_ref(), "RR@10");
        assert_eq!(
            with("AP").unwrap_err().to_string(),
            "ci.toml:7:11: `AP` is not among the measures: nDCG@10, RR@10"
        );
    }

    #[test]
    fn a_measure_without_tolerance_may_not_move() {
        let gates = parse("", "").unwrap().gates;
        assert_eq!([gates[0].tolerance("RR@10"), gates[0].tolerance("nDCG@10")], [0.01, 0.0]);
    }

    #[test]
    fn a_gate_that_cannot_be_meant_is_shown_with_its_line() {
        assert_refused(
            "methods = [\"lexical/bm25\"]",
            "methods = [\"lexical/bm52\"]",
            "ci.toml:10:12: `lexical/bm52` is not among the methods: lexical/bm25, feedback/bm25-rm3",
        );
        assert_refused(
            "\"RR@10\" =",
            "\"RR@20\" =",
            "ci.toml:12:15: `RR@20` is not among the measures: nDCG@10, RR@10",
        );
        assert_refused(
            "0.01",
            "-0.01",
            "ci.toml:12:25: a tolerance must be 0 or more, found -0.01",
        );
        assert_refused("1.5", "1.0", "ci.toml:13:10: `slower` must be above 1, found 1");
        assert_refused("2.0", "nan", "ci.toml:14:10: `faster` must be above 1, found NaN");
        assert_refused(
            "[\"lexical/bm25\"]",
            "[\"lexical/bm25\", \"lexical/bm25\"]",
            "ci.toml:10:28: `lexical/bm25` is gated twice",
        );
        assert_refused(
            "same",
            "equal",
            "ci.toml:11:12: unknown variant `equal`, expected `same` or `free`",
        );
        assert_refused(
            "tolerance",
            "tolerence",
            "ci.toml:12:1: unknown field `tolerence`, expected one of `methods`, `rankings`, `tolerance`, `slower`, `faster`",
        );
    }

    #[test]
    fn a_method_that_no_gate_holds_is_shown_where_it_stands() {
        let comparison = parse("", "").unwrap();
        assert!(comparison.gate(&comparison.methods[0]).is_ok());
        let error = comparison.gate(&comparison.methods[1]).unwrap_err().to_string();
        assert!(
            error.starts_with("ci.toml:2:28: `feedback/bm25-rm3` is in no [[gate]]"),
            "{error}"
        );
    }
}
