//! Two sets of results beside each other: what moved between them, tested query by query where the values of queries are there.

use std::collections::BTreeMap;

use nir_catalogue::{Latency, Provenance};
use nir_eval::Measure;
use nir_eval::significance::{Differences, Settings};
use serde::{Deserialize, Serialize};

use crate::measured::Measured;
use crate::row::median_interval;
use crate::significance::Against;
use crate::verdict::{Judged, verdict};

/// A result as far as a comparison of two sets reads it: of a cell, or of a report in JSON.
#[derive(Debug, Clone)]
pub struct Known {
    /// The name of the dataset.
    pub dataset: String,
    /// The name of the method's config.
    pub method: String,
    /// The precision that its models computed in; `None` for a method without a model.
    pub precision: Option<String>,
    /// The name to show in tables.
    pub name: String,
    policy: String,
    latency: Latency,
    provenance: Provenance,
    index_bytes: Option<u64>,
    /// Measure by measure: the value, and the values of the queries where they are there.
    measures: Vec<(String, f64, Vec<f64>)>,
    queries: Vec<String>,
}

impl From<&Measured> for Known {
    fn from(of: &Measured) -> Self {
        let cell = &of.cell;
        let measure = |(name, one): (&String, &nir_catalogue::Measured)| {
            (name.clone(), one.value, of.values(name).to_vec())
        };
        Self {
            dataset: cell.dataset.clone(),
            method: cell.method.clone(),
            precision: cell.precision.clone(),
            name: cell.label(),
            policy: cell.policy.clone(),
            latency: cell.cost.latency.clone(),
            provenance: cell.provenance.clone(),
            index_bytes: cell.index_bytes(),
            measures: cell.measures.iter().map(measure).collect(),
            queries: of.per_query.queries.clone(),
        }
    }
}

/// A report as `nir report --format json` writes it, as far as it is read here.
#[derive(Deserialize)]
struct Written {
    tables: Vec<WrittenTable>,
}

#[derive(Deserialize)]
struct WrittenTable {
    dataset: String,
    policy: String,
    rows: Vec<WrittenRow>,
}

#[derive(Deserialize)]
struct WrittenRow {
    method: String,
    name: String,
    precision: Option<String>,
    values: Vec<WrittenValue>,
    latency: Latency,
    provenance: Provenance,
    #[serde(default)]
    index_bytes: Option<u64>,
    #[serde(default)]
    queries: Vec<String>,
}

#[derive(Deserialize)]
struct WrittenValue {
    measure: String,
    value: f64,
    #[serde(default)]
    per_query: Vec<f64>,
}

/// The results in a report that was written as JSON. A report from before it held the values of queries has none, and is
/// compared without tests.
pub fn known_of_report(json: &str) -> Result<Vec<Known>, serde_json::Error> {
    let written: Written = serde_json::from_str(json)?;
    let of_table = |table: WrittenTable| {
        let (dataset, policy) = (table.dataset, table.policy);
        let row = move |row: WrittenRow| Known {
            dataset: dataset.clone(),
            policy: policy.clone(),
            method: row.method,
            precision: row.precision,
            name: row.name,
            latency: row.latency,
            provenance: row.provenance,
            index_bytes: row.index_bytes,
            measures: row
                .values
                .into_iter()
                .map(|value| (value.measure, value.value, value.per_query))
                .collect(),
            queries: row.queries,
        };
        table.rows.into_iter().map(row).collect::<Vec<_>>()
    };
    Ok(written.tables.into_iter().flat_map(of_table).collect())
}

/// What differs between two sets of results.
#[derive(Debug, Clone, Serialize)]
pub struct Moved {
    /// How many results both sets have.
    pub both: usize,
    /// How many of these have the same ranking and the same measures in both sets.
    pub same: usize,
    /// Dataset and method of the results that only the first set has.
    pub only_before: Vec<(String, String)>,
    /// Dataset and method of the results that only the second set has.
    pub only_after: Vec<(String, String)>,
    /// Every measure that moved, by dataset.
    pub measures: Vec<MovedMeasure>,
    /// Results whose ranking is another though no measure moved: dataset and method.
    pub rankings: Vec<(String, String)>,
    /// Times and sizes that are clearly others, where one machine measured both.
    pub costs: Vec<MovedCost>,
    /// What the significance tests say, one sentence for each dataset.
    pub verdicts: Vec<String>,
}

/// One measure of one result, before and after.
#[derive(Debug, Clone, Serialize)]
pub struct MovedMeasure {
    /// The name of the dataset.
    pub dataset: String,
    /// The name of the method, to show.
    pub name: String,
    /// The name of the measure.
    pub measure: String,
    /// The value of the measure in the first set.
    pub before: f64,
    /// The value of the measure in the second set.
    pub after: f64,
    /// The paired test of the difference; none where one side lacks the values of queries, or has others.
    pub against: Option<Against>,
    /// Why no test was made; `None` where one was.
    pub untested: Option<&'static str>,
}

/// A cost that differs by more than its own spread.
#[derive(Debug, Clone, Serialize)]
pub struct MovedCost {
    /// The name of the dataset.
    pub dataset: String,
    /// The name of the method, to show.
    pub name: String,
    /// `ms/query` or `bytes on disk`.
    pub what: &'static str,
    /// The cost in the first set.
    pub before: f64,
    /// The cost in the second set.
    pub after: f64,
}

/// What names a result in both sets; f32 is the arithmetic of a method that says none.
type Name = (String, String, Option<String>);

fn by_name(known: &[Known]) -> BTreeMap<Name, &Known> {
    let name = |one: &Known| (one.dataset.clone(), one.method.clone(), one.precision.clone());
    known.iter().map(|one| (name(one), one)).collect()
}

impl Moved {
    /// Compares two sets; all measures that moved are one family of tests.
    pub fn between(before: &[Known], after: &[Known], settings: &Settings) -> Self {
        let (before, after) = (by_name(before), by_name(after));
        let only = |these: &BTreeMap<Name, &Known>, those: &BTreeMap<Name, &Known>| {
            let alone = these.iter().filter(|(name, _)| !those.contains_key(*name));
            alone.map(|(_, one)| (one.dataset.clone(), one.name.clone())).collect()
        };
        let (only_before, only_after) = (only(&before, &after), only(&after, &before));
        let pairs: Vec<(&Known, &Known)> =
            before.iter().filter_map(|(name, was)| Some((*was, *after.get(name)?))).collect();
        let mut moved = Self {
            both: pairs.len(),
            same: 0,
            only_before,
            only_after,
            measures: Vec::new(),
            rankings: Vec::new(),
            costs: Vec::new(),
            verdicts: Vec::new(),
        };
        let mut family = Vec::new();
        for (was, is) in pairs {
            moved.add_result(was, is, &mut family);
        }
        moved.judge(&family, settings);
        moved.say(&after);
        moved
    }

    /// Adds what moved of one result; what can be tested goes to `family`, under its place among the measures.
    fn add_result(&mut self, was: &Known, is: &Known, family: &mut Vec<Differences>) {
        let others = self.measures.len();
        for (name, after, values) in &is.measures {
            let Some((_, before, values_before)) =
                was.measures.iter().find(|(known, ..)| known == name)
            else {
                continue;
            };
            if before == after {
                continue;
            }
            let untested = untested(was, is, values_before, values);
            let measure = name.parse::<Measure>().ok().filter(Measure::is_effectiveness);
            if let (None, Some(measure)) = (untested, measure) {
                let pairs = values.iter().zip(values_before);
                let values = pairs.map(|(after, before)| after - before).collect();
                family.push(Differences { system: self.measures.len(), measure, values });
            }
            self.measures.push(MovedMeasure {
                dataset: is.dataset.clone(),
                name: is.name.clone(),
                measure: name.clone(),
                before: *before,
                after: *after,
                against: None,
                untested,
            });
        }
        let is_ranked_anew = was.provenance.run != is.provenance.run;
        match (self.measures.len() == others, is_ranked_anew) {
            (true, true) => self.rankings.push((is.dataset.clone(), is.name.clone())),
            (true, false) => self.same += 1,
            (false, _) => {}
        }
        self.add_costs(was, is);
    }

    /// Times whose intervals do not overlap, and other sizes, if both were measured on one kind of machine.
    fn add_costs(&mut self, was: &Known, is: &Known) {
        let machine = |one: &Known| (one.provenance.cpu.clone(), one.provenance.device.clone());
        let mut add = |what, before, after| {
            let (dataset, name) = (is.dataset.clone(), is.name.clone());
            self.costs.push(MovedCost { dataset, name, what, before, after });
        };
        let [[low, high], [low_now, high_now]] = [was, is].map(|one| median_interval(&one.latency));
        if machine(was) == machine(is) && (high < low_now || high_now < low) {
            add("ms/query", was.latency.p50_ms, is.latency.p50_ms);
        }
        if let (Some(before), Some(after)) = (was.index_bytes, is.index_bytes)
            && before != after
        {
            add("bytes on disk", before as f64, after as f64);
        }
    }

    fn judge(&mut self, family: &[Differences], settings: &Settings) {
        for judged in settings.judge(family) {
            self.measures[judged.system].against = Some(Against::of(&judged));
        }
    }

    /// A sentence for each dataset on which something was tested.
    fn say(&mut self, after: &BTreeMap<Name, &Known>) {
        let mut datasets: Vec<&String> = self.measures.iter().map(|one| &one.dataset).collect();
        datasets.dedup();
        for dataset in datasets {
            let tested = self.measures.iter().filter(|one| &one.dataset == dataset);
            let judged: Vec<Judged> = tested
                .filter_map(|one| {
                    let against = one.against.as_ref()?;
                    Some(Judged {
                        name: one.name.clone(),
                        measure: one.measure.clone(),
                        difference: against.difference,
                        is_significant: against.is_significant,
                        detectable: against.detectable,
                    })
                })
                .collect();
            let queries = after.values().find(|one| &one.dataset == dataset);
            let queries = queries.map_or(0, |one| one.queries.len());
            if !judged.is_empty() {
                self.verdicts
                    .push(format!("{dataset}: {}", verdict("method", "before", queries, &judged)));
            }
        }
    }
}

/// Why two columns of values cannot be tested; none where they can.
fn untested(was: &Known, is: &Known, before: &[f64], after: &[f64]) -> Option<&'static str> {
    match () {
        () if before.is_empty() || after.is_empty() => Some("no values query by query"),
        () if was.provenance.dataset != is.provenance.dataset => Some("other data"),
        () if was.policy != is.policy => Some("another policy"),
        () if was.queries != is.queries => Some("other queries"),
        () => None,
    }
}
