//! The names of measures: those of ir_measures, which read back as themselves.
//!
//! A name is a family, its parameters where they are not the usual ones, and a cut-off: `nDCG@10`, `RR(rel=2)@10`,
//! `nDCG(dcg='exp-log2')@20`, `RBP(p=0.8)`, `IPrec@0.5`. trec_eval's names (`ndcg_cut_10`, `recip_rank`) are read too.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use crate::measures::{
    Gain, average_precision, bpref, compatibility, expected_reciprocal_rank, geometric_mean,
    interpolated_precision, judged, ndcg, precision, r_precision, rank_biased_precision, recall,
    reciprocal_rank, relevant, relevant_retrieved, retrieved, success, total,
};
use crate::{GradedRanking, Policy};

/// A measure with its cut-off and parameters: `"nDCG@10".parse()`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measure {
    pub(crate) family: Family,
    /// How many documents are looked at; nothing for all.
    pub(crate) cutoff: Option<u32>,
    /// The lowest grade that is relevant.
    pub(crate) rel: i32,
    pub(crate) gain: Gain,
    /// The persistence of RBP and Compat, never outside (0, 1); IPrec's recall, never outside [0, 1].
    pub(crate) level: f64,
}

/// What a measure computes, whatever its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    Ndcg,
    Rr,
    Ap,
    Gmap,
    P,
    R,
    Success,
    Judged,
    Rprec,
    Bpref,
    Err,
    Rbp,
    Compat,
    IPrec,
    NumQ,
    NumRet,
    NumRel,
    NumRelRet,
}

/// How values of single queries become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Summary {
    Mean,
    GeometricMean,
    Sum,
}

/// What may follow an `@`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Nothing,
    /// A cut-off or nothing.
    Cutoff,
    /// A cut-off.
    CutoffNeeded,
    /// A level of recall.
    Recall,
}

/// A family's name and what it takes: what stands in brackets, and what after the `@`.
struct Spec(Family, &'static str, &'static [&'static str], At);

/// Every family under the name it prints, in the order of documentation.
const SPECS: [Spec; 18] = [
    Spec(Family::Ndcg, "nDCG", &["dcg"], At::Cutoff),
    Spec(Family::Rr, "RR", &["rel"], At::Cutoff),
    Spec(Family::Ap, "AP", &["rel"], At::Cutoff),
    Spec(Family::P, "P", &["rel"], At::CutoffNeeded),
    Spec(Family::R, "R", &["rel"], At::CutoffNeeded),
    Spec(Family::Success, "Success", &["rel"], At::CutoffNeeded),
    Spec(Family::Judged, "Judged", &[], At::Cutoff),
    Spec(Family::Rprec, "Rprec", &["rel"], At::Nothing),
    Spec(Family::Bpref, "Bpref", &["rel"], At::Nothing),
    Spec(Family::Err, "ERR", &[], At::Cutoff),
    Spec(Family::Rbp, "RBP", &["p", "rel"], At::Cutoff),
    Spec(Family::Compat, "Compat", &["p"], At::Nothing),
    Spec(Family::IPrec, "IPrec", &["rel"], At::Recall),
    Spec(Family::Gmap, "GMAP", &["rel"], At::Nothing),
    Spec(Family::NumQ, "NumQ", &[], At::Nothing),
    Spec(Family::NumRet, "NumRet", &["rel"], At::Nothing),
    Spec(Family::NumRel, "NumRel", &["rel"], At::Nothing),
    Spec(Family::NumRelRet, "NumRelRet", &["rel"], At::Nothing),
];

/// Names that others use, and ours.
const ALIASES: [(&str, &str); 8] = [
    ("MRR", "RR"),
    ("MAP", "AP"),
    ("NDCG", "nDCG"),
    ("Precision", "P"),
    ("Recall", "R"),
    ("RPrec", "Rprec"),
    ("BPref", "Bpref"),
    ("gm_map", "GMAP"),
];

/// ir_measures' default for RBP.
const RBP_PERSISTENCE: f64 = 0.8;
/// ir_measures' default for Compat.
const COMPAT_PERSISTENCE: f64 = 0.95;

/// A text that names no measure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MeasureError {
    /// No family has this name.
    #[error("unknown measure `{name}`: expected one of {}", Measure::names().join(", "))]
    Unknown {
        /// The name as written.
        name: String,
    },
    /// The family exists and the rest of the text is wrong.
    #[error("measure `{text}`: found {found}, expected {expected}")]
    Malformed {
        /// The whole text.
        text: String,
        /// What is wrong.
        found: String,
        /// What would be right.
        expected: String,
    },
}

impl Measure {
    pub(crate) fn new(family: Family) -> Self {
        let level = match family {
            Family::Rbp => RBP_PERSISTENCE,
            Family::Compat => COMPAT_PERSISTENCE,
            _ => 0.0,
        };
        Self { family, cutoff: None, rel: 1, gain: Gain::Linear, level }
    }

    pub(crate) fn at(self, cutoff: u32) -> Self {
        Self { cutoff: Some(cutoff), ..self }
    }

    /// With a level, `NumRet` counts what `NumRelRet` does: ir_measures has both names.
    fn relevant_only(self, rel: i32) -> Self {
        let counts_all = self.family == Family::NumRet;
        Self { rel, family: if counts_all { Family::NumRelRet } else { self.family }, ..self }
    }

    /// The families that exist, each as a shortest name: `nDCG`, `P@k`, `IPrec@recall`.
    pub fn names() -> Vec<String> {
        SPECS.iter().map(|Spec(_, name, _, at)| format!("{name}{}", at.hint())).collect()
    }

    /// The lowest grade that counts as relevant, for measures that have such a level.
    pub fn relevance_level(&self) -> Option<i32> {
        let has = self.family != Family::NumRet && self.spec().2.contains(&"rel");
        has.then_some(self.rel)
    }

    /// The same measure at another relevance level; itself where it has none.
    #[must_use]
    pub fn with_relevance_level(self, rel: i32) -> Self {
        if self.relevance_level().is_some() { Self { rel, ..self } } else { self }
    }

    /// How many documents are looked at, if not all.
    pub fn cutoff(&self) -> Option<u32> {
        self.cutoff
    }

    /// Whether a larger value is better: not so for counts, which only describe.
    pub fn is_effectiveness(&self) -> bool {
        self.summary() != Summary::Sum && self.family != Family::Judged
    }

    /// Whether it counts documents or queries, so that values are whole and are summed.
    pub fn is_count(&self) -> bool {
        self.summary() == Summary::Sum
    }

    /// The value for one query. The policy decides how IPrec rounds, and nothing else here.
    pub fn of(&self, ranking: &GradedRanking, policy: Policy) -> f64 {
        let &Self { cutoff, rel, gain, level, .. } = self;
        let needed = || cutoff.expect("the parser refuses these families without a cut-off");
        match self.family {
            Family::Ndcg => ndcg(ranking, cutoff, gain),
            Family::Rr => reciprocal_rank(ranking, rel, cutoff),
            Family::Ap | Family::Gmap => average_precision(ranking, rel, cutoff),
            Family::P => precision(ranking, rel, needed()),
            Family::R => recall(ranking, rel, needed()),
            Family::Success => success(ranking, rel, needed()),
            Family::Judged => judged(ranking, cutoff),
            Family::Rprec => r_precision(ranking, rel),
            Family::Bpref => bpref(ranking, rel),
            Family::Err => expected_reciprocal_rank(ranking, cutoff),
            Family::Rbp => rank_biased_precision(ranking, level, rel, cutoff),
            Family::Compat => compatibility(ranking, level),
            Family::IPrec => interpolated_precision(ranking, rel, level, policy.rounding()),
            Family::NumQ => 1.0,
            Family::NumRet => retrieved(ranking),
            Family::NumRel => relevant(ranking, rel),
            Family::NumRelRet => relevant_retrieved(ranking, rel),
        }
    }

    /// One value for many queries.
    pub fn summarise(&self, values: &[f64]) -> f64 {
        match self.summary() {
            Summary::Mean if values.is_empty() => 0.0,
            Summary::Mean => total(values.iter().copied()) / values.len() as f64,
            Summary::GeometricMean => geometric_mean(values),
            Summary::Sum => total(values.iter().copied()),
        }
    }

    pub(crate) fn summary(&self) -> Summary {
        match self.family {
            Family::Gmap => Summary::GeometricMean,
            Family::NumQ | Family::NumRet | Family::NumRel | Family::NumRelRet => Summary::Sum,
            _ => Summary::Mean,
        }
    }

    /// The rank after which documents no longer count for this query.
    pub(crate) fn last_rank(&self, ranking: &GradedRanking) -> Option<u32> {
        match self.family {
            Family::Rprec => Some(ranking.relevant(self.rel) as u32),
            _ => self.cutoff,
        }
    }

    fn spec(&self) -> &'static Spec {
        SPECS.iter().find(|spec| spec.0 == self.family).expect("every family has its row")
    }
}

impl At {
    fn hint(self) -> &'static str {
        match self {
            Self::Nothing | Self::Cutoff => "",
            Self::CutoffNeeded => "@k",
            Self::Recall => "@recall",
        }
    }
}

impl Display for Measure {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.spec().1)?;
        let mut parameters = Vec::new();
        if self.gain == Gain::Exponential {
            parameters.push("dcg='exp-log2'".to_owned());
        }
        if matches!(self.family, Family::Rbp | Family::Compat) {
            parameters.push(format!("p={}", self.level));
        }
        if self.rel != 1 {
            parameters.push(format!("rel={}", self.rel));
        }
        if !parameters.is_empty() {
            write!(f, "({})", parameters.join(","))?;
        }
        match self.cutoff {
            Some(cutoff) => write!(f, "@{cutoff}"),
            None if self.family == Family::IPrec => write!(f, "@{}", self.level),
            None => Ok(()),
        }
    }
}

impl FromStr for Measure {
    type Err = MeasureError;

    fn from_str(text: &str) -> Result<Self, MeasureError> {
        if let Some(measure) = Self::from_trec_name(text) {
            return Ok(measure);
        }
        let (front, at) = match text.rsplit_once('@') {
            Some((front, at)) => (front.trim(), Some(at.trim())),
            None => (text.trim(), None),
        };
        let (name, parameters) = match front.split_once('(') {
            Some((name, rest)) => (name.trim(), Some(rest)),
            None => (front, None),
        };
        let mut parser = Parser { text, spec: spec_of(name)?, measure: None };
        parser.parameters(parameters)?;
        parser.at(at)
    }
}

fn spec_of(name: &str) -> Result<&'static Spec, MeasureError> {
    let ours = ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, ours)| ours);
    SPECS
        .iter()
        .find(|Spec(_, known, ..)| *known == ours)
        .ok_or_else(|| MeasureError::Unknown { name: name.to_owned() })
}

struct Parser<'a> {
    text: &'a str,
    spec: &'static Spec,
    measure: Option<Measure>,
}

impl Parser<'_> {
    fn measure(&mut self) -> &mut Measure {
        let family = self.spec.0;
        self.measure.get_or_insert_with(|| Measure::new(family))
    }

    fn wrong<T>(&self, found: impl Into<String>, expected: &str) -> Result<T, MeasureError> {
        Err(MeasureError::Malformed {
            text: self.text.to_owned(),
            found: found.into(),
            expected: expected.to_owned(),
        })
    }

    /// `key=value, key=value)`
    fn parameters(&mut self, list: Option<&str>) -> Result<(), MeasureError> {
        let Some(list) = list else { return Ok(()) };
        let Some(list) = list.strip_suffix(')') else {
            return self.wrong("an open bracket", "`)` before `@` or the end");
        };
        for parameter in list.split(',').filter(|parameter| !parameter.trim().is_empty()) {
            let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            self.parameter(key.trim(), value.trim())?;
        }
        Ok(())
    }

    fn parameter(&mut self, key: &str, value: &str) -> Result<(), MeasureError> {
        if !self.spec.2.contains(&key) {
            let known = match self.spec.2 {
                [] => "no parameters".to_owned(),
                known => format!("one of {}", known.join(", ")),
            };
            return self.wrong(format!("parameter `{key}`"), &known);
        }
        match key {
            "rel" => self.rel(value),
            "p" => self.persistence(value),
            _ => self.gain(value),
        }
    }

    fn rel(&mut self, value: &str) -> Result<(), MeasureError> {
        match value.parse() {
            Ok(rel) if rel >= 0 => *self.measure() = self.measure().relevant_only(rel),
            _ => return self.wrong(format!("rel `{value}`"), "a grade, 0 or more"),
        }
        Ok(())
    }

    fn persistence(&mut self, value: &str) -> Result<(), MeasureError> {
        match value.parse() {
            Ok(p) if 0.0 < p && p < 1.0 => self.measure().level = p,
            _ => return self.wrong(format!("p `{value}`"), "a number between 0 and 1"),
        }
        Ok(())
    }

    fn gain(&mut self, value: &str) -> Result<(), MeasureError> {
        self.measure().gain = match value.trim_matches(['\'', '"']) {
            "log2" => Gain::Linear,
            "exp-log2" => Gain::Exponential,
            _ => return self.wrong(format!("dcg {value}"), "'log2' or 'exp-log2'"),
        };
        Ok(())
    }

    fn at(mut self, at: Option<&str>) -> Result<Measure, MeasureError> {
        match (self.spec.3, at) {
            (At::Nothing | At::Cutoff, None) => Ok(*self.measure()),
            (At::Nothing, Some(at)) => self.wrong(format!("`@{at}`"), "no cut-off"),
            (At::CutoffNeeded, None) => self.wrong("no cut-off", "one, as in `P@10`"),
            (At::Recall, None) => self.wrong("no recall", "one, as in `IPrec@0.5`"),
            (At::Recall, Some(at)) => self.recall(at),
            (_, Some(at)) => self.cut(at),
        }
    }

    fn recall(mut self, at: &str) -> Result<Measure, MeasureError> {
        match at.parse() {
            Ok(recall) if (0.0..=1.0).contains(&recall) => self.measure().level = recall,
            _ => return self.wrong(format!("recall `{at}`"), "a number from 0 to 1"),
        }
        Ok(*self.measure())
    }

    fn cut(mut self, at: &str) -> Result<Measure, MeasureError> {
        match at.parse() {
            Ok(cutoff) if cutoff > 0 => Ok(self.measure().at(cutoff)),
            _ => self.wrong(format!("cut-off `{at}`"), "a whole number from 1"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn printed(text: &str) -> String {
        text.parse::<Measure>().unwrap().to_string()
    }

    #[test]
    fn a_name_reads_back_as_itself() {
        for name in [
            "nDCG",
            "nDCG@10",
            "nDCG(dcg='exp-log2')@20",
            "RR",
            "RR(rel=2)@10",
            "AP",
            "AP(rel=2)@100",
            "P(rel=3)@5",
            "R@1000",
            "Success@5",
            "Judged@10",
            "Judged",
            "Rprec",
            "Bpref(rel=2)",
            "ERR@20",
            "RBP(p=0.8)",
            "RBP(p=0.95,rel=2)@10",
            "Compat(p=0.95)",
            "IPrec@0.1",
            "IPrec(rel=2)@0",
            "GMAP",
            "NumQ",
            "NumRet",
            "NumRel(rel=2)",
            "NumRelRet",
        ] {
            assert_eq!(printed(name), name);
        }
    }

    #[test]
    fn other_names_are_read_and_print_as_ours() {
        for (other, ours) in [
            ("MRR@10", "RR@10"),
            ("MAP", "AP"),
            ("RBP", "RBP(p=0.8)"),
            ("NumRet(rel=1)", "NumRelRet"),
            ("R( rel = 2 )@ 100", "R(rel=2)@100"),
            ("nDCG(dcg=\"log2\")@5", "nDCG@5"),
            ("ndcg_cut_10", "nDCG@10"),
            ("ndcg_cut.10", "nDCG@10"),
            ("recip_rank", "RR"),
            ("map", "AP"),
            ("P_5", "P@5"),
            ("iprec_at_recall_0.10", "IPrec@0.1"),
        ] {
            assert_eq!(printed(other), ours, "{other}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_what_is_right() {
        let error = |text: &str| text.parse::<Measure>().unwrap_err().to_string();
        assert!(
            error("nDGC@10")
                .starts_with("unknown measure `nDGC`: expected one of nDCG, RR, AP, P@k,")
        );
        assert_eq!(error("P"), "measure `P`: found no cut-off, expected one, as in `P@10`");
        assert_eq!(
            error("P@0"),
            "measure `P@0`: found cut-off `0`, expected a whole number from 1"
        );
        assert_eq!(error("RR(p=2)"), "measure `RR(p=2)`: found parameter `p`, expected one of rel");
        assert_eq!(
            error("RR(rel=x)"),
            "measure `RR(rel=x)`: found rel `x`, expected a grade, 0 or more"
        );
        assert_eq!(
            error("RBP(p=1)"),
            "measure `RBP(p=1)`: found p `1`, expected a number between 0 and 1"
        );
        assert_eq!(
            error("RR(rel=1"),
            "measure `RR(rel=1`: found an open bracket, expected `)` before `@` or the end"
        );
        assert_eq!(error("Rprec@5"), "measure `Rprec@5`: found `@5`, expected no cut-off");
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "[a-zA-Z]{0,6}[(]?[a-z=0-9.,' ]{0,9}[)]?@?[0-9.]{0,4}") {
            if let Ok(measure) = text.parse::<Measure>() {
                prop_assert_eq!(measure.to_string().parse::<Measure>().unwrap(), measure);
            }
        }
    }
}
