//! What trec_eval and the MS MARCO script decide in silence, by name.

use std::fmt::{self, Display, Formatter};
use std::str::FromStr;

use crate::measures::Rounding;

/// How documents of a run are ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Order {
    /// trec_eval 9: scores as `f32`, descending; ties to the larger `doc_id` in byte order; the rank column unread.
    #[default]
    TrecEval9,
    /// trec_eval 10: the same with scores as `f64`; IPrec rounds to the nearest document.
    TrecEval10,
    /// The official MS MARCO passage script: a document stands at the rank its line says; scores unread.
    MsMarco,
}

/// Which queries a mean is over. Queries without judgements are never among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Average {
    /// All judged queries; one without results counts 0 (`trec_eval -c`).
    #[default]
    Judged,
    /// Judged queries with results (trec_eval without `-c`): a run that drops its hard queries gains by it.
    Returned,
}

/// Everything that decides a value besides qrels, run and measure. It prints as a name with a version, which changes
/// when any value could.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Policy {
    /// How documents are ordered.
    pub order: Order,
    /// The queries that a mean is taken over.
    pub average: Average,
    /// How many documents of each ranking are kept before anything is measured (`trec_eval -M`); all without.
    pub depth: Option<u32>,
}

/// The names of the orders.
const NAMES: [(Order, &str); 3] = [
    (Order::TrecEval9, "trec_eval-9"),
    (Order::TrecEval10, "trec_eval-10"),
    (Order::MsMarco, "msmarco"),
];

/// The version of all policies: METHODOLOGY.md says what it stands for.
const VERSION: &str = "v1";

impl Policy {
    /// trec_eval 9 with `-c`: what published figures were measured with. The default.
    pub const TREC_EVAL_9: Self =
        Self { order: Order::TrecEval9, average: Average::Judged, depth: None };
    /// trec_eval 10 with `-c`.
    pub const TREC_EVAL_10: Self =
        Self { order: Order::TrecEval10, average: Average::Judged, depth: None };
    /// The official MS MARCO passage script.
    pub const MSMARCO: Self = Self { order: Order::MsMarco, average: Average::Judged, depth: None };

    /// The names that can be parsed.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|&(_, name)| name)
    }

    /// How IPrec turns a level of recall into a number of documents.
    pub(crate) fn rounding(self) -> Rounding {
        if self.order == Order::TrecEval10 { Rounding::Nearest } else { Rounding::Up }
    }

    /// The same policy, with means over the queries that have results.
    #[must_use]
    pub fn returned_only(self) -> Self {
        Self { average: Average::Returned, ..self }
    }

    /// The same policy, which reads only the first `depth` documents of each ranking.
    #[must_use]
    pub fn to_depth(self, depth: u32) -> Self {
        Self { depth: Some(depth), ..self }
    }
}

impl Display for Policy {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let name =
            NAMES.iter().find(|(order, _)| *order == self.order).map_or("", |(_, name)| name);
        write!(f, "{name}/{VERSION}")?;
        if self.average == Average::Returned {
            f.write_str(" returned-only")?;
        }
        self.depth.map_or(Ok(()), |depth| write!(f, " depth={depth}"))
    }
}

/// The error for a name that no policy has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown policy `{name}`: expected one of trec_eval-9, trec_eval-10, msmarco")]
pub struct UnknownPolicy {
    /// The name as it was written.
    pub name: String,
}

impl FromStr for Policy {
    type Err = UnknownPolicy;

    fn from_str(name: &str) -> Result<Self, UnknownPolicy> {
        let bare = name.strip_suffix(VERSION).and_then(|name| name.strip_suffix('/'));
        NAMES
            .iter()
            .find(|(_, known)| *known == bare.unwrap_or(name))
            .map(|&(order, _)| Self { order, ..Self::default() })
            .ok_or_else(|| UnknownPolicy { name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_reads_back_from_what_results_print() {
        for policy in [Policy::TREC_EVAL_9, Policy::TREC_EVAL_10, Policy::MSMARCO] {
            assert_eq!(policy.to_string().parse(), Ok(policy));
        }
        assert_eq!("trec_eval-9".parse(), Ok(Policy::default()));
        let narrow = Policy::TREC_EVAL_9.returned_only().to_depth(100);
        assert_eq!(narrow.to_string(), "trec_eval-9/v1 returned-only depth=100");
        assert!("trec_eval".parse::<Policy>().is_err());
    }
}
