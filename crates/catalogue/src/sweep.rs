//! A sweep: `configs/sweeps/<name>.toml`, search structures and their parameters over the vectors of methods.
//!
//! ```toml
//! dataset = "pocket"
//! depth   = 10                                                      # documents a search returns
//! rounds  = 3                                                       # searches of all queries; the median counts
//!
//! [[sweep]]
//! method = "dense/dpr-pocket"                                       # its vectors
//! exact  = { use = "flat", storage = "f32" }                        # what recall is measured against, and a point
//! index  = [
//!     { use = "flat", storage = ["f16", "int8"] },                  # a list is a choice: two points
//!     { use = "hnsw", storage = "f32", m = [8, 16], ef_construction = 100, seed = 42, ef = [10, 40] },   # four
//! ]
//! ```
//!
//! A structure is written as in a method's own `index`; wherever a list stands in place of a value there is one point
//! for each of its values, and with several lists one for each combination.

use nir_core::Digest;
use serde::Deserialize;
use toml::{Spanned, Table, Value};

use crate::{ConfigError, Method, Source};

/// The folder of sweeps below `configs`, and of their results below the folder of a dataset.
pub(crate) const FOLDER: &str = "sweeps/";

/// A sweep as its file states it.
#[derive(Debug, Clone)]
pub struct Sweep {
    /// The name, which is the path below `configs` without `.toml`: `sweeps/pocket`.
    pub name: String,
    /// The name of the dataset, which gives the collection and the queries.
    pub dataset: Spanned<String>,
    /// The number of documents that a search returns.
    pub depth: usize,
    /// The number of times that all queries are searched for; the median time counts.
    pub rounds: usize,
    /// The groups, each of which searches the vectors of one method.
    pub groups: Vec<Group>,
    /// The file.
    pub source: Source,
}

/// The search structures over the vectors of one method.
#[derive(Debug, Clone)]
pub struct Group {
    /// The method whose vectors are searched.
    pub method: Spanned<String>,
    /// The structures with their parameters; the first is the exact one.
    pub points: Vec<Point>,
}

/// One search structure with its parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// The name of its result: `sweeps/pocket/hnsw-ef=10-m=8`.
    pub name: String,
    /// Its name in tables: `hnsw ef=10 m=8`.
    pub label: String,
    /// The table that a method would have as `index`.
    pub index: Table,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    dataset: Spanned<String>,
    depth: usize,
    rounds: usize,
    sweep: Vec<Grid>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Grid {
    method: Spanned<String>,
    /// A text before the labels of its points, which is needed if the same structure occurs twice.
    label: Option<String>,
    exact: Table,
    index: Spanned<Value>,
}

impl Sweep {
    /// Reads a sweep; `name` is its path below `configs` without `.toml`. Fails at the first mistake, with file and
    /// line.
    pub fn parse(name: &str, source: Source) -> Result<Self, ConfigError> {
        let file: File = source.parse()?;
        if file.depth == 0 || file.rounds == 0 {
            return Err(source.error_at(0..0, "`depth` and `rounds` must be at least 1"));
        }
        let mut groups: Vec<Group> = Vec::new();
        for grid in file.sweep {
            let exact = grid.exact.values().map(count).fold(1, usize::saturating_mul);
            let points = count(grid.index.as_ref()).saturating_add(exact);
            if points > MOST_POINTS {
                let message = format!(
                    "this `[[sweep]]` makes {points} points, expected at most {MOST_POINTS}: leave values out of its lists"
                );
                return Err(source.error_at(grid.index.span(), message));
            }
            let group = grid.group(name);
            let known = groups.iter().flat_map(|group| &group.points).map(|point| &point.name);
            let mut names: Vec<&String> =
                known.chain(group.points.iter().map(|p| &p.name)).collect();
            names.sort_unstable();
            let repeated = |pair: &&[&String]| pair.first() == pair.last();
            if let Some(&[twice, ..]) = names.windows(2).find(repeated) {
                let message = format!(
                    "two points are called `{twice}`: leave one out, or give this `[[sweep]]` a `label`"
                );
                return Err(source.error_at(grid.index.span(), message));
            }
            groups.push(group);
        }
        let File { dataset, depth, rounds, .. } = file;
        Ok(Self { name: name.to_owned(), dataset, depth, rounds, groups, source })
    }

    /// Every point, group by group.
    pub fn points(&self) -> impl Iterator<Item = &Point> {
        self.groups.iter().flat_map(|group| &group.points)
    }

    /// The digest of the file's text.
    pub fn digest(&self) -> Digest {
        Digest::of(self.source.text())
    }

    /// The method that searches its own vectors with the structure of `point`, and keeps as many documents as the sweep
    /// says.
    pub fn applied(
        &self,
        group: &Group,
        point: &Point,
        method: &Method,
    ) -> Result<Method, ConfigError> {
        let refuse = |message| self.source.error_at(group.method.span(), message);
        let mut file: Table = method.source.parse()?;
        file.remove("claim");
        let stages = file.get_mut("stage").and_then(Value::as_array_mut).map(Vec::as_mut_slice);
        let stage = match stages {
            Some([stage]) => stage.as_table_mut().filter(|stage| stage.contains_key("index")),
            _ => None,
        };
        let Some(stage) = stage else {
            let message = format!("`{}` is not a single stage with an `index`", method.name);
            return Err(refuse(message));
        };
        stage.insert("index".to_owned(), Value::Table(point.index.clone()));
        stage.insert(
            "depth".to_owned(),
            Value::Integer(i64::try_from(self.depth).expect("it was read from an integer")),
        );
        let text = toml::to_string(&file).map_err(|error| refuse(error.to_string()))?;
        Method::parse(&point.name, Source::new(self.source.path(), text))
    }
}

impl Grid {
    fn group(&self, sweep: &str) -> Group {
        let exact = Value::Table(self.exact.clone());
        let chosen = [&exact, self.index.as_ref()].into_iter().flat_map(|value| choices("", value));
        let point = |chosen: Choice| {
            let Value::Table(index) = chosen.value else { return None };
            let kind = index.get("use").and_then(Value::as_str).unwrap_or("index").to_owned();
            let said = chosen.said.into_iter().filter(|word| *word != kind);
            let words: Vec<String> =
                self.label.iter().cloned().chain([kind.clone()]).chain(said).collect();
            let name = format!("{sweep}/{}", words.join("-").replace(['/', ' '], "_"));
            Some(Point { name, label: words.join(" "), index })
        };
        Group { method: self.method.clone(), points: chosen.filter_map(point).collect() }
    }
}

/// The largest number of points of one `[[sweep]]` table, as each is searched with all queries.
const MOST_POINTS: usize = 10_000;

/// The number of ways to take one value from each list.
fn count(value: &Value) -> usize {
    match value {
        Value::Array(list) => list.iter().map(count).fold(0, usize::saturating_add),
        Value::Table(table) => table.values().map(count).fold(1, usize::saturating_mul),
        _ => 1,
    }
}

/// A value in which each list is replaced by one of its values, and the names of these choices.
#[derive(Clone)]
struct Choice {
    value: Value,
    said: Vec<String>,
}

/// Every way to take one value from each list; `key` names the value in labels.
fn choices(key: &str, value: &Value) -> Vec<Choice> {
    match value {
        Value::Array(list) => list.iter().flat_map(|one| chosen(key, one, list.len())).collect(),
        Value::Table(table) => table.iter().fold(vec![Choice::none()], |ways, (key, value)| {
            let choices = choices(key, value);
            ways.iter().flat_map(|way| choices.iter().map(|one| way.with(key, one))).collect()
        }),
        scalar => vec![Choice { value: scalar.clone(), said: Vec::new() }],
    }
}

/// The choices that take `value`, which is one of the `of` values of a list.
fn chosen(key: &str, value: &Value, of: usize) -> Vec<Choice> {
    let word = match value {
        Value::Table(table) => table.get("use").and_then(Value::as_str).unwrap_or(key).to_owned(),
        Value::String(word) => word.clone(),
        other => format!("{key}={other}"),
    };
    let mut ways = choices(key, value);
    if of > 1 {
        ways.iter_mut().for_each(|way| way.said.insert(0, word.clone()));
    }
    ways
}

impl Choice {
    fn none() -> Self {
        Self { value: Value::Table(Table::new()), said: Vec::new() }
    }

    fn with(&self, key: &str, one: &Self) -> Self {
        let mut way = self.clone();
        if let Value::Table(table) = &mut way.value {
            table.insert(key.to_owned(), one.value.clone());
        }
        way.said.extend(one.said.iter().cloned());
        way
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SWEEP: &str = r#"
dataset = "toy"
depth = 10
rounds = 1

[[sweep]]
method = "dense/mine"
exact = { use = "flat", storage = "f32" }
index = [
    { use = "hnsw", ef = [10, 20], m = [8, 16], seed = 1 },
    { use = "ivf", code = [{ use = "int8" }, { use = "pq", pieces = [4, 8] }] },
]
"#;

    const METHOD: &str = r#"
[card]
name = "mine"
paper = "karpukhin2020dpr"

[[stage]]
use = "bi_encoder"
index = { use = "flat", storage = "f16" }
depth = 100
"#;

    fn parsed(text: &str) -> Result<Sweep, ConfigError> {
        Sweep::parse("sweeps/s", Source::new("configs/sweeps/s.toml", text))
    }

    #[test]
    fn there_is_a_point_for_each_combination() {
        let sweep = parsed(SWEEP).unwrap();
        let labels: Vec<&str> = sweep.points().map(|point| point.label.as_str()).collect();
        assert_eq!(
            labels,
            [
                "flat",
                "hnsw ef=10 m=8",
                "hnsw ef=10 m=16",
                "hnsw ef=20 m=8",
                "hnsw ef=20 m=16",
                "ivf int8",
                "ivf pq pieces=4",
                "ivf pq pieces=8",
            ]
        );
        let last = sweep.points().last().unwrap();
        assert_eq!(last.name, "sweeps/s/ivf-pq-pieces=8");
        let index: Table =
            toml::from_str("use = \"ivf\"\ncode = { use = \"pq\", pieces = 8 }").unwrap();
        assert_eq!(last.index, index);
    }

    #[test]
    fn a_point_takes_the_place_of_the_methods_index() {
        let sweep = parsed(SWEEP).unwrap();
        let method = Method::parse("dense/mine", Source::new("mine.toml", METHOD)).unwrap();
        let group = &sweep.groups[0];
        let applied = sweep.applied(group, &group.points[1], &method).unwrap();
        assert_eq!(applied.name, "sweeps/s/hnsw-ef=10-m=8");
        let file: Table = applied.source.parse().unwrap();
        let stage = &file["stage"][0];
        assert_eq!((&stage["index"]["ef"], &stage["depth"]), (&Value::from(10), &Value::from(10)));

        let bare = METHOD.replace("index = { use = \"flat\", storage = \"f16\" }", "");
        let method = Method::parse("dense/mine", Source::new("mine.toml", bare)).unwrap();
        let error = sweep.applied(group, &group.points[1], &method).unwrap_err().to_string();
        let expected =
            "configs/sweeps/s.toml:7:10: `dense/mine` is not a single stage with an `index`";
        assert_eq!(error, expected);
    }

    #[test]
    fn points_of_one_name_are_refused() {
        let error = parsed(&SWEEP.replace("[10, 20]", "[10, 10]")).unwrap_err().to_string();
        assert!(error.contains("two points are called `sweeps/s/hnsw-ef=10-m=16`"), "{error}");
    }
}
