//! Reading the names of measures: those of ir_measures, which read back as themselves, and those of trec_eval.
//!
//! A name is a measure, its parameters where they are not the usual ones, and a cut-off: `nDCG@10`, `RR(rel=2)@10`,
//! `nDCG(dcg='exp-log2')@20`, `RBP(p=0.8)`, `IPrec@0.5`.

use std::str::FromStr;

use crate::definition::{At, Definition};
use crate::measure::Measure;
use crate::measures::ALL;

/// Why a text is no measure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MeasureError {
    /// No measure has this name.
    #[error("unknown measure `{name}`: expected one of {}", Measure::names().join(", "))]
    Unknown {
        /// The name as it was written.
        name: String,
    },
    /// The family exists and the rest of the text is wrong.
    #[error("measure `{text}`: found {found}, expected {expected}")]
    Malformed {
        /// The whole text.
        text: String,
        /// What is wrong.
        found: String,
        /// What is expected.
        expected: String,
    },
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
        let mut parser = Parser { text, measure: Measure::new(find(name)?) };
        parser.parameters(parameters)?;
        parser.at(at)
    }
}

fn find(name: &str) -> Result<&'static dyn Definition, MeasureError> {
    let is_named =
        |known: &&&'static dyn Definition| known.name() == name || known.aliases().contains(&name);
    let unknown = || MeasureError::Unknown { name: name.to_owned() };
    ALL.iter().find(is_named).copied().ok_or_else(unknown)
}

struct Parser<'a> {
    text: &'a str,
    measure: Measure,
}

impl Parser<'_> {
    fn wrong<T>(&self, found: impl Into<String>, expected: &str) -> Result<T, MeasureError> {
        Err(MeasureError::Malformed {
            text: self.text.to_owned(),
            found: found.into(),
            expected: expected.to_owned(),
        })
    }

    /// Reads the parameters `key=value, key=value)`.
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
        if let Some(meant) = self.measure.definition.when_given(key) {
            self.measure = Measure::new(meant);
        }
        let known = self.measure.definition.parameters();
        let Some(place) = known.iter().position(|parameter| parameter.name == key) else {
            let known: Vec<&str> = known.iter().map(|parameter| parameter.name).collect();
            let expected = match known[..] {
                [] => "no parameters".to_owned(),
                _ => format!("one of {}", known.join(", ")),
            };
            return self.wrong(format!("parameter `{key}`"), &expected);
        };
        match (known[place].read)(value) {
            Some(value) => self.measure.given.values[place] = value,
            None => return self.wrong(format!("{key} `{value}`"), known[place].expected),
        }
        Ok(())
    }

    fn at(mut self, at: Option<&str>) -> Result<Measure, MeasureError> {
        match (self.measure.definition.at(), at) {
            (At::Nothing | At::Cutoff, None) => {}
            (At::Nothing, Some(at)) => return self.wrong(format!("`@{at}`"), "no cut-off"),
            (At::CutoffNeeded, None) => return self.wrong("no cut-off", "one, as in `P@10`"),
            (At::Recall, None) => return self.wrong("no recall", "one, as in `IPrec@0.5`"),
            (At::Recall, Some(at)) => match recall(at) {
                Some(recall) => self.measure.given.recall = recall,
                None => return self.wrong(format!("recall `{at}`"), "a number from 0 to 1"),
            },
            (_, Some(at)) => match cutoff(at) {
                Some(cutoff) => self.measure.given.cutoff = Some(cutoff),
                None => return self.wrong(format!("cut-off `{at}`"), "a whole number from 1"),
            },
        }
        Ok(self.measure)
    }
}

fn recall(text: &str) -> Option<f64> {
    text.parse().ok().filter(|recall| (0.0..=1.0).contains(recall))
}

fn cutoff(text: &str) -> Option<u32> {
    text.parse().ok().filter(|&cutoff| cutoff > 0)
}

/// The measures that trec_eval prints when it is not told what to print, in its order; after them come the eleven points
/// of its curve and precision at its cut-offs.
const TREC_DEFAULTS: [&str; 9] =
    ["num_q", "num_ret", "num_rel", "num_rel_ret", "map", "gm_map", "Rprec", "bpref", "recip_rank"];

const TREC_CUTOFFS: [u32; 9] = [5, 10, 15, 20, 30, 100, 200, 500, 1000];

impl Measure {
    /// The name that trec_eval, run with `-l rel`, gives this measure; `None` if it does not have it.
    pub fn trec_name(&self, rel: i32) -> Option<String> {
        let names = self.definition.trec_names();
        let parameters = self.definition.parameters().iter().zip(self.given.values);
        let is_known = parameters.into_iter().all(|(parameter, value)| match parameter.name {
            "rel" => value == f64::from(rel),
            _ => value == parameter.usual,
        });
        match self.given.cutoff {
            _ if !is_known => None,
            Some(cutoff) => names.before_at.map(|name| format!("{name}_{cutoff}")),
            None if self.definition.at() == At::Recall => {
                names.before_at.map(|name| format!("{name}_{:.2}", self.given.recall))
            }
            None => names.alone.map(str::to_owned),
        }
    }

    /// Reads a name of trec_eval with at most one cut-off, after a dot or a low line.
    fn from_trec_name(text: &str) -> Option<Self> {
        ALL.iter().find_map(|&definition| {
            let names = definition.trec_names();
            let mut measure = Self::new(definition);
            if names.alone == Some(text) {
                return Some(measure);
            }
            let at = text.strip_prefix(names.before_at?)?.strip_prefix(['_', '.'])?;
            match definition.at() {
                At::Recall => measure.given.recall = recall(at)?,
                _ => measure.given.cutoff = Some(cutoff(at)?),
            }
            Some(measure)
        })
    }

    /// The measures that trec_eval prints by default, in its order.
    pub fn trec_defaults() -> Vec<Self> {
        let curve = (0..=10).map(|tenth| format!("iprec_at_recall_{}", f64::from(tenth) / 10.0));
        let cuts = TREC_CUTOFFS.map(|cutoff| format!("P_{cutoff}"));
        let names = TREC_DEFAULTS.iter().map(ToString::to_string).chain(curve).chain(cuts);
        names.map(|name| name.parse().expect("trec_eval's own names are read")).collect()
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

    #[test]
    fn the_default_set_is_trec_evals() {
        let names: Vec<_> =
            Measure::trec_defaults().iter().map(|measure| measure.trec_name(1).unwrap()).collect();
        assert_eq!(names.len(), 29);
        assert_eq!(names[..5], ["num_q", "num_ret", "num_rel", "num_rel_ret", "map"]);
        assert_eq!(names[8..11], ["recip_rank", "iprec_at_recall_0.00", "iprec_at_recall_0.10"]);
        assert_eq!(names[28], "P_1000");
    }

    #[test]
    fn a_name_is_only_given_at_the_level_it_stands_for() {
        let measure: Measure = "AP(rel=2)".parse().unwrap();
        assert_eq!(measure.trec_name(1), None);
        assert_eq!(measure.trec_name(2).unwrap(), "map");
        assert_eq!("RR@10".parse::<Measure>().unwrap().trec_name(1), None);
    }

    /// A measure has no more parameters than there are places for, and each name means one measure.
    #[test]
    fn every_declaration_is_sound() {
        for measure in ALL {
            let parameters = measure.parameters();
            assert!(parameters.len() <= 2, "{}", measure.name());
            for parameter in parameters {
                let printed = (parameter.print)(parameter.usual);
                assert_eq!((parameter.read)(&printed), Some(parameter.usual), "{}", measure.name());
            }
        }
        let ours = ALL.iter().flat_map(|measure| {
            [measure.name()].into_iter().chain(measure.aliases().iter().copied())
        });
        let trec = ALL.iter().map(|measure| measure.trec_names());
        let trec = trec.flat_map(|names| names.alone.into_iter().chain(names.before_at));
        for mut names in [ours.collect::<Vec<_>>(), trec.collect()] {
            let all = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), all);
        }
    }
}
