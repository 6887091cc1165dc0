//! What a measure declares: its name, its parameters, its place among trec_eval's names, and its formula.

use crate::{GradedRanking, Policy};

/// A measure: one file in `measures/`, one line in the table of `measures/mod.rs`. Names, parsing, errors, documentation and
/// trec_eval's names follow from what is declared here.
pub(crate) trait Definition: Sync {
    /// The name that it is printed with, such as `nDCG`.
    fn name(&self) -> &'static str;

    /// Other names that are read and print as [`Definition::name`].
    fn aliases(&self) -> &'static [&'static str] {
        &[]
    }

    /// The parameters that may stand in brackets, in the order in which they are printed; at most two.
    fn parameters(&self) -> &'static [Parameter] {
        &[]
    }

    /// What may follow the `@` in its name.
    fn at(&self) -> At {
        At::Nothing
    }

    /// Its names in trec_eval.
    fn trec_names(&self) -> TrecNames {
        TrecNames { alone: None, before_at: None }
    }

    /// The measure that is meant if this parameter is given: ir_measures has one name for two measures.
    fn when_given(&self, _parameter: &str) -> Option<&'static dyn Definition> {
        None
    }

    /// Whether values are whole and are summed over queries: how many documents or queries there are.
    fn is_count(&self) -> bool {
        false
    }

    /// Whether a larger value is better. Counts only describe.
    fn is_effectiveness(&self) -> bool {
        !self.is_count()
    }

    /// What the documents of a ranking must be judged by.
    fn judged_by(&self) -> JudgedBy {
        JudgedBy::Grades
    }

    /// The highest grade for which it has a value; a higher one is an error.
    fn highest_grade(&self) -> Option<i32> {
        None
    }

    /// The rank after which documents have no effect on the value; `None` if all have.
    fn last_rank(&self, _ranking: &GradedRanking, given: &Given) -> Option<u32> {
        given.cutoff
    }

    /// The value for one query.
    fn of(&self, ranking: &GradedRanking, given: &Given, policy: Policy) -> f64;

    /// One value for many queries: the mean, or the sum of counts.
    fn summarise(&self, values: &[f64]) -> f64 {
        let total = total(values.iter().copied());
        if self.is_count() || values.is_empty() { total } else { total / values.len() as f64 }
    }
}

/// A sum that is 0 where there is nothing: the standard library's is -0 there, and prints so.
pub(crate) fn total(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(0.0, |sum, value| sum + value)
}

/// A parameter that may stand in the brackets of a measure's name.
pub(crate) struct Parameter {
    /// The name of the parameter, such as `rel`.
    pub(crate) name: &'static str,
    /// The value if none is given.
    pub(crate) usual: f64,
    /// Whether the usual value is printed too.
    pub(crate) is_always_printed: bool,
    /// The values that are accepted, in words.
    pub(crate) expected: &'static str,
    /// Reads the value from a text.
    pub(crate) read: fn(&str) -> Option<f64>,
    /// Prints the value as a text.
    pub(crate) print: fn(f64) -> String,
}

/// The lowest grade that is relevant. It stands in the tables of all measures that have such a level.
pub(crate) const REL: Parameter = Parameter {
    name: "rel",
    usual: 1.0,
    is_always_printed: false,
    expected: "a grade, 0 or more",
    read: |text| text.parse::<i32>().ok().filter(|&rel| rel >= 0).map(f64::from),
    print: |rel| rel.to_string(),
};

/// The persistence of a user, who looks at the next document with this chance; `usual` where none is given.
pub(crate) const fn persistence(usual: f64) -> Parameter {
    Parameter {
        name: "p",
        usual,
        is_always_printed: true,
        expected: "a number between 0 and 1",
        read: |text| text.parse().ok().filter(|&p| 0.0 < p && p < 1.0),
        print: |p| p.to_string(),
    }
}

/// What may follow the `@` in a measure's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    /// Nothing: the name has no `@`.
    Nothing,
    /// A cutoff; without one, all documents are counted.
    Cutoff,
    /// A cutoff, which must be given.
    CutoffNeeded,
    /// A level of recall from 0 to 1.
    Recall,
}

/// What a measure needs documents to be judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JudgedBy {
    /// The grades of judgements, all of which are known.
    Grades,
    /// Answers in the texts of what was found.
    Answers,
}

/// The names that trec_eval has for a measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TrecNames {
    /// The name without a cutoff, such as `map`.
    pub(crate) alone: Option<&'static str>,
    /// The name before a cutoff or a level of recall, such as `map_cut`.
    pub(crate) before_at: Option<&'static str>,
}

/// The values that a measure's name gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Given {
    /// The number of documents that are counted; `None` for all.
    pub(crate) cutoff: Option<u32>,
    /// The level of recall, if the measure asks for one.
    pub(crate) recall: f64,
    /// The values of [`Definition::parameters`], in that order; 0 beyond them.
    pub(crate) values: [f64; 2],
}

impl Given {
    /// The values of a name without brackets and `@`.
    pub(crate) fn usual(definition: &dyn Definition) -> Self {
        let mut values = [0.0; 2];
        for (value, parameter) in values.iter_mut().zip(definition.parameters()) {
            *value = parameter.usual;
        }
        Self { cutoff: None, recall: 0.0, values }
    }

    /// The cutoff of a measure that must have one.
    pub(crate) fn needed_cutoff(&self) -> u32 {
        self.cutoff.expect("the parser refuses a measure that needs a cut-off without one")
    }

    /// The first parameter, read as a grade.
    pub(crate) fn first_as_grade(&self) -> i32 {
        self.values[0] as i32
    }
}
