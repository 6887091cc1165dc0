//! trec_eval's names for measures, for those who come from it and for its layout.

use crate::Measure;
use crate::measure::Family;

/// Families with a name of their own in trec_eval: without a cut-off, and before one.
const NAMES: [(Family, &str, &str); 14] = [
    (Family::NumQ, "num_q", ""),
    (Family::NumRet, "num_ret", ""),
    (Family::NumRel, "num_rel", ""),
    (Family::NumRelRet, "num_rel_ret", ""),
    (Family::Ap, "map", "map_cut"),
    (Family::Gmap, "gm_map", ""),
    (Family::Rprec, "Rprec", ""),
    (Family::Bpref, "bpref", ""),
    (Family::Rr, "recip_rank", ""),
    (Family::IPrec, "", "iprec_at_recall"),
    (Family::P, "", "P"),
    (Family::R, "", "recall"),
    (Family::Success, "", "success"),
    (Family::Ndcg, "ndcg", "ndcg_cut"),
];

const CUTOFFS: [u32; 9] = [5, 10, 15, 20, 30, 100, 200, 500, 1000];

impl Measure {
    /// What trec_eval run with `-l rel` calls this measure, if it has it.
    pub fn trec_name(&self, rel: i32) -> Option<String> {
        let known = self.relevance_level().is_none_or(|level| level == rel);
        let &(_, alone, cut) = NAMES.iter().find(|name| name.0 == self.family)?;
        if !known || self.gain != crate::measures::Gain::Linear {
            return None;
        }
        match self.cutoff {
            _ if self.family == Family::IPrec => Some(format!("{cut}_{:.2}", self.level)),
            Some(_) if cut.is_empty() => None,
            Some(cutoff) => Some(format!("{cut}_{cutoff}")),
            None => Some(alone.to_owned()),
        }
    }

    /// Reads a name of trec_eval with at most one cut-off, after a dot or a low line.
    pub(crate) fn from_trec_name(text: &str) -> Option<Self> {
        if let Some(name) = NAMES.iter().find(|name| name.1 == text && !text.is_empty()) {
            return Some(Self::new(name.0));
        }
        let (family, at) = NAMES.iter().find_map(|name| {
            let at = text.strip_prefix(name.2)?.strip_prefix(['_', '.'])?;
            (!name.2.is_empty()).then_some((name.0, at))
        })?;
        if family == Family::IPrec {
            let level = at.parse().ok().filter(|level| (0.0..=1.0).contains(level))?;
            return Some(Self { level, ..Self::new(family) });
        }
        at.parse().ok().filter(|&cutoff| cutoff > 0).map(|cutoff| Self::new(family).at(cutoff))
    }

    /// What trec_eval prints when it is not told what to print, in its order.
    pub fn trec_defaults() -> Vec<Self> {
        let alone = NAMES.iter().take(9).map(|name| Self::new(name.0));
        let levels = (0..=10).map(f64::from).map(|tenths| tenths / 10.0);
        let curve = levels.map(|level| Self { level, ..Self::new(Family::IPrec) });
        let cuts = CUTOFFS.map(|cutoff| Self::new(Family::P).at(cutoff));
        alone.chain(curve).chain(cuts).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
