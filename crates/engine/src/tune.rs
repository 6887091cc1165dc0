//! Tuning: a method's parameters chosen by a measure on training queries.
//!
//! A config is what one already has, with a list where one value stood (`k1 = [0.9, 1.2]`): every combination of listed
//! values is a **point**. A point is chosen by the mean of a measure over queries, and what it is worth is told on queries
//! that it was not chosen on, by cross-validation:
//!
//! ```text
//! point(F)  = argmax_p mean_{q ∉ F} m(p, q)          chosen on all folds but F
//! worth     = mean_F mean_{q ∈ F} m(point(F), q)     every query measured once, by a point chosen without it
//! ```
//!
//! Of points with the same mean the first counts, in the order of the file.

use anyhow::{Context as _, Result, bail, ensure};
use nir_catalogue::{Method, Source};
use nir_core::did_you_mean;
use rand::SeedableRng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;
use toml::{Table, Value};

use crate::library::Library;

/// A step on the way to a value of a config: a key of a table, or a row of an array.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Key(String),
    Row(usize),
}

type Path = Vec<Step>;

/// A parameter and the values that are tried for it. Several places of a config may take the same value together.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// What it is called: `k1`, `index.ef`.
    pub name: String,
    places: Vec<Path>,
    /// What is tried, in order.
    pub values: Vec<Value>,
}

/// A method and all that is tried of it.
#[derive(Debug, Clone)]
pub struct Grid {
    method: Method,
    file: Table,
    /// The parameters, in the order of the file, then of the command line.
    pub choices: Vec<Choice>,
}

/// One combination of values.
#[derive(Debug, Clone)]
pub struct Point {
    /// One value for each choice.
    pub values: Vec<Value>,
    /// The method with these values.
    pub method: Method,
}

/// The table of a config that says where tuned parameters come from.
pub const TUNED: &str = "tuned";

/// No more points than this are made, each is a run over all queries.
const MOST_POINTS: usize = 10_000;

impl Grid {
    /// What is tried of `method`: the lists in it that stand for one value each, and `tried` (`k1=0.9,1.2`).
    ///
    /// # Errors
    ///
    /// Where nothing is tried, a name is no parameter of the method, or the method cannot be read with the first values.
    pub fn new(method: &Method, tried: &[String], library: &Library) -> Result<Self> {
        let mut file: Table = method.source.parse()?;
        file.remove(TUNED); // it is tuned anew
        let mut grid = Self { method: method.clone(), file, choices: Vec::new() };
        tried.iter().try_for_each(|words| grid.try_words(words))?;
        grid.take_lists(library)?;
        ensure!(
            !grid.choices.is_empty(),
            "`{}` has no list to choose from: write one in place of a value (k1 = [0.9, 1.2]), or say --try k1=0.9,1.2",
            method.source.path()
        );
        let points = grid.choices.iter().map(|choice| choice.values.len());
        let points = points.fold(1, usize::saturating_mul);
        ensure!(
            points <= MOST_POINTS,
            "this makes {points} points, expected at most {MOST_POINTS}"
        );
        Ok(grid)
    }

    /// `k1=0.9,1.2`, or `b=0.1..0.9:0.2` for values at equal steps; sets every parameter of that name.
    fn try_words(&mut self, words: &str) -> Result<()> {
        let (name, values) = words
            .split_once('=')
            .with_context(|| format!("`{words}`: expected NAME=VALUES, as k1=0.9,1.2"))?;
        let wanted: Vec<&str> = name.split('.').collect();
        let known = scalars(&self.file);
        let is_meant = |path: &&Path| full_name(&self.file, path).ends_with(&wanted);
        let places: Vec<Path> = known.iter().filter(is_meant).cloned().collect();
        if places.is_empty() {
            let names: Vec<String> = known.iter().map(|path| keys(path).join(".")).collect();
            let meant = did_you_mean(name, names.iter().map(String::as_str));
            bail!(
                "`{name}` is no parameter of `{}`{}; it has {}",
                self.method.name,
                meant.map_or(String::new(), |meant| format!(", {meant}")),
                names.join(", ")
            );
        }
        let values = tried_values(values).with_context(|| format!("`{words}`"))?;
        for path in &places {
            *at(&mut self.file, path) = values[0].clone();
        }
        self.choices.push(Choice { name: name.to_owned(), places, values });
        Ok(())
    }

    /// Takes the lists that stand for one value: those without which the method can be read, or is wrong elsewhere.
    fn take_lists(&mut self, library: &Library) -> Result<()> {
        while let Err(error) = self.read(&self.file, library) {
            let problem = format!("{error:#}");
            let Some(path) = self.list_behind(&problem, library) else { return Err(error) };
            let list = at(&mut self.file, &path);
            let Value::Array(values) = list.clone() else { unreachable!("only lists are taken") };
            *list = values[0].clone();
            let name = keys(&path).join(".");
            self.choices.push(Choice { name, places: vec![path], values });
        }
        Ok(())
    }

    /// The list that a problem goes away with when its first value stands in its place.
    fn list_behind(&self, problem: &str, library: &Library) -> Option<Path> {
        lists(&self.file).into_iter().find(|path| {
            let mut file = self.file.clone();
            let list = at(&mut file, path);
            let Some(first) = list.as_array().and_then(|values| values.first()).cloned() else {
                return false;
            };
            *list = first;
            match self.read(&file, library) {
                Ok(_) => true,
                // A list that must be one is no choice, and one that leaves the problem as it is neither.
                Err(other) => {
                    let other = format!("{other:#}");
                    other != problem && !other.contains("expected a sequence")
                }
            }
        })
    }

    /// The method that a file says, if it can be read.
    fn read(&self, file: &Table, library: &Library) -> Result<Method> {
        let source = &self.method.source;
        let made = Source::made(source.path(), toml::to_string(file)?);
        let made = match source.folder() {
            Some(folder) => made.in_folder(folder),
            None => made,
        };
        let method = Method::parse(&self.method.name, made)?;
        library.read(&method)?;
        Ok(method)
    }

    /// The method before anything is tried: as its file has it, or with the first values of the lists in it.
    ///
    /// # Errors
    ///
    /// Where a method cannot be read with the first values.
    pub fn base(&self, library: &Library) -> Result<Method> {
        if library.read(&self.method).is_ok() {
            return Ok(self.method.clone());
        }
        let first = self.choices.iter().map(|choice| choice.values[0].clone()).collect();
        Ok(self.point(first, library)?.method)
    }

    /// Every point, the last choice changing fastest; `random` of them, drawn from `seed`, if that many are asked for.
    ///
    /// # Errors
    ///
    /// Where a method cannot be read with some values.
    pub fn points(&self, random: Option<(usize, u64)>, library: &Library) -> Result<Vec<Point>> {
        let mut all: Vec<Vec<Value>> = vec![Vec::new()];
        for choice in &self.choices {
            let longer = |begun: &Vec<Value>| {
                let begun = begun.clone();
                choice.values.iter().map(move |value| [begun.clone(), vec![value.clone()]].concat())
            };
            all = all.iter().flat_map(longer).collect();
        }
        if let Some((most, seed)) = random {
            let mut order: Vec<usize> = (0..all.len()).collect();
            order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
            order.truncate(most);
            order.sort_unstable();
            all = order.into_iter().map(|at| all[at].clone()).collect();
        }
        all.into_iter().map(|values| self.point(values, library)).collect()
    }

    fn point(&self, values: Vec<Value>, library: &Library) -> Result<Point> {
        let mut file = self.file.clone();
        for (choice, value) in self.choices.iter().zip(&values) {
            choice.places.iter().for_each(|path| *at(&mut file, path) = value.clone());
        }
        let method = self.read(&file, library).with_context(|| self.words(&values))?;
        Ok(Point { values, method })
    }

    /// `k1 = 0.9, b = 0.4`.
    pub fn words(&self, values: &[Value]) -> String {
        let word = |(choice, value): (&Choice, &Value)| format!("{} = {value}", choice.name);
        self.choices.iter().zip(values).map(word).collect::<Vec<_>>().join(", ")
    }
}

/// The algorithm of the stage that a path leads into, and the names on it: `["rm3", "terms"]`.
fn full_name<'f>(file: &'f Table, path: &'f Path) -> Vec<&'f str> {
    let stage = match &path[..] {
        [_, Step::Row(row), ..] => file["stage"].get(*row),
        _ => None,
    };
    let algorithm = stage.and_then(|stage| stage.get("use")).and_then(Value::as_str);
    algorithm.into_iter().chain(keys(path)).collect()
}

/// The names on a path; a stage is named by its place only where nothing else tells it.
fn keys(path: &Path) -> Vec<&str> {
    fn key(step: &Step) -> Option<&str> {
        match step {
            Step::Key(key) if key != "stage" => Some(key),
            _ => None,
        }
    }
    path.iter().filter_map(key).collect()
}

fn at<'f>(file: &'f mut Table, path: &Path) -> &'f mut Value {
    let [Step::Key(first), rest @ ..] = &path[..] else { unreachable!("a path begins with a key") };
    let mut value = file.get_mut(first).expect("the path was found in this file");
    for step in rest {
        value = match step {
            Step::Key(key) => &mut value[key.as_str()],
            Step::Row(row) => &mut value[*row],
        };
    }
    value
}

/// The paths of all parameters of the stages that are no tables: numbers, words, and lists as wholes.
fn scalars(file: &Table) -> Vec<Path> {
    let mut found = Vec::new();
    walk(file, &mut |path, value| {
        if !value.is_table() {
            found.push(path.clone());
        }
    });
    found
}

/// The paths of all lists of the stages, outer ones first.
fn lists(file: &Table) -> Vec<Path> {
    let mut found = Vec::new();
    walk(file, &mut |path, value| {
        if value.is_array() {
            found.push(path.clone());
        }
    });
    found
}

/// Visits every parameter of every stage but `use`, each before what is in it.
fn walk(file: &Table, visit: &mut impl FnMut(&Path, &Value)) {
    let Some(Value::Array(stages)) = file.get("stage") else { return };
    for (row, stage) in stages.iter().enumerate() {
        let path = vec![Step::Key("stage".to_owned()), Step::Row(row)];
        below(&path, stage, visit);
    }
}

fn below(path: &Path, value: &Value, visit: &mut impl FnMut(&Path, &Value)) {
    let Value::Table(table) = value else { return };
    for (key, value) in table.iter().filter(|(key, _)| *key != "use") {
        let path = [&path[..], &[Step::Key(key.clone())]].concat();
        visit(&path, value);
        below(&path, value, visit);
    }
}

/// Values with commas between them, or from one to another in steps.
fn tried_values(words: &str) -> Result<Vec<Value>> {
    if let Some((from, rest)) = words.split_once("..") {
        let (to, step) = rest.split_once(':').context("expected FROM..TO:STEP")?;
        let number =
            |word: &str| word.parse::<f64>().with_context(|| format!("`{word}` is no number"));
        let (from, to, step) = (number(from)?, number(to)?, number(step)?);
        ensure!(
            step > 0.0 && to >= from,
            "expected FROM..TO:STEP with TO at least FROM and STEP above 0"
        );
        let steps = ((to - from) / step + 1e-9).floor() as usize;
        ensure!(steps < MOST_POINTS, "these are {} values: expected fewer", steps + 1);
        let is_whole = words.split(['.', ':']).filter(|word| !word.is_empty()).count() == 3
            && [from, to, step].iter().all(|number| number.fract() == 0.0);
        let value = |at: usize| {
            let value = from + at as f64 * step;
            match is_whole {
                true => Value::Integer(value as i64),
                // 0.1 + 2 · 0.1 is written 0.3
                false => Value::Float((value * 1e9).round() / 1e9),
            }
        };
        return Ok((0..=steps).map(value).collect());
    }
    let list: Table = format!("values = [{words}]")
        .parse()
        .or_else(|_| format!("values = [\"{}\"]", words.replace(',', "\", \"")).parse())
        .context("expected values with commas between them, as in a config")?;
    match &list["values"] {
        Value::Array(values) if !values.is_empty() => Ok(values.clone()),
        _ => bail!("expected at least one value"),
    }
}

/// Queries in `count` parts of nearly one size, drawn from `seed`: `folds[i]` holds positions of queries, in order.
pub fn folds(queries: usize, count: usize, seed: u64) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..queries).collect();
    order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    let part = |fold: usize| {
        let mut part: Vec<usize> = order.iter().skip(fold).step_by(count).copied().collect();
        part.sort_unstable();
        part
    };
    (0..count).map(part).collect()
}

/// The point with the best mean over some queries: the first of those that have it. `values[p][q]` is what point `p` is worth
/// for query `q`.
pub fn best(values: &[Vec<f64>], queries: &[usize]) -> usize {
    let mean = |point: &Vec<f64>| queries.iter().map(|&query| point[query]).sum::<f64>();
    let means: Vec<f64> = values.iter().map(mean).collect();
    (0..means.len()).fold(0, |best, point| if means[point] > means[best] { point } else { best })
}

/// What cross-validation says.
#[derive(Debug, Clone, PartialEq)]
pub struct Validated {
    /// The point chosen without each fold.
    pub chosen: Vec<usize>,
    /// For each query what the point is worth that was chosen without its fold.
    pub values: Vec<f64>,
}

/// Chooses a point without each fold, and measures it on the fold.
pub fn cross_validate(values: &[Vec<f64>], folds: &[Vec<usize>]) -> Validated {
    let queries = folds.iter().map(Vec::len).sum();
    let mut validated = Validated { chosen: Vec::new(), values: vec![0.0; queries] };
    for (number, fold) in folds.iter().enumerate() {
        let others = folds.iter().enumerate().filter(|(other, _)| *other != number);
        let others: Vec<usize> = others.flat_map(|(_, queries)| queries.clone()).collect();
        let chosen = best(values, &others);
        fold.iter().for_each(|&query| validated.values[query] = values[chosen][query]);
        validated.chosen.push(chosen);
    }
    validated
}

#[cfg(test)]
mod tests {
    use nir_methods::Registry;

    use super::*;
    use crate::Home;

    fn library() -> Library {
        Home::carried().library(Registry::builtin()).unwrap()
    }

    fn grid(text: &str, tried: &[&str]) -> Result<Vec<String>> {
        let library = library();
        let method = Method::parse("lexical/mine", Source::new("mine.toml", text))?;
        let tried: Vec<String> = tried.iter().map(|words| (*words).to_owned()).collect();
        let grid = Grid::new(&method, &tried, &library)?;
        let points = grid.points(None, &library)?;
        Ok(points.iter().map(|point| grid.words(&point.values)).collect())
    }

    const BM25: &str = "[card]\nname = \"Mine\"\npaper = \"robertson1994okapi\"\n[[stage]]\nuse = \"bm25\"\nanalyzer = \"lucene-english\"\n\
                        k1 = 0.9\nb = 0.4\nlengths = \"lucene-byte\"\ndepth = 100\n";

    #[test]
    fn a_list_stands_for_its_values() {
        let text = BM25
            .replace("k1 = 0.9", "k1 = [0.9, 1.2]")
            .replace("\"lucene-byte\"", "[\"lucene-byte\", \"exact\"]");
        assert_eq!(
            grid(&text, &[]).unwrap(),
            [
                "k1 = 0.9, lengths = \"lucene-byte\"",
                "k1 = 0.9, lengths = \"exact\"",
                "k1 = 1.2, lengths = \"lucene-byte\"",
                "k1 = 1.2, lengths = \"exact\"",
            ]
        );
    }

    #[test]
    fn a_parameter_that_is_a_list_is_chosen_from_lists() {
        let text = "[card]\nname = \"L\"\npaper = \"bruch2023fusion\"\n[[stage]]\nuse = \"linear\"\ninputs = [\"lexical/bm25\", \"feedback/bm25-rm3\"]\n\
                    weights = [[0.5, 0.5], [0.2, 0.8]]\nnormalise = \"min-max\"\ndepth = 10\n";
        assert_eq!(grid(text, &[]).unwrap(), ["weights = [0.5, 0.5]", "weights = [0.2, 0.8]"]);
    }

    #[test]
    fn values_on_the_command_line_are_listed_or_in_steps() {
        let words = |tried: &[&str]| grid(BM25, tried).unwrap();
        assert_eq!(words(&["k1=0.9,1.2"]), ["k1 = 0.9", "k1 = 1.2"]);
        assert_eq!(words(&["b=0.1..0.3:0.1"]), ["b = 0.1", "b = 0.2", "b = 0.3"]);
        assert_eq!(words(&["depth=10..30:10"]), ["depth = 10", "depth = 20", "depth = 30"]);
        assert_eq!(words(&["lengths=lucene-byte,exact"]).len(), 2);
    }

    #[test]
    fn one_name_in_two_stages_takes_one_value() {
        let text = format!(
            "{BM25}[[stage]]\nuse = \"rm3\"\nanalyzer = \"lucene-english\"\ndocuments = 10\nterms = 10\noriginal_weight = 0.5\n\
                            [[stage]]\nuse = \"bm25\"\nanalyzer = \"lucene-english\"\nk1 = 0.9\nb = 0.4\nlengths = \"lucene-byte\"\ndepth = 100\n"
        );
        let library = library();
        let method = Method::parse("feedback/mine", Source::new("mine.toml", text)).unwrap();
        let grid = Grid::new(&method, &["k1=1.5".to_owned()], &library).unwrap();
        let point = &grid.points(None, &library).unwrap()[0];
        assert_eq!(point.method.source.text().matches("k1 = 1.5").count(), 2);
        // The algorithm tells one stage's parameter from another's of the same name.
        let places = |tried: &str| {
            Grid::new(&method, &[tried.to_owned()], &library).unwrap().choices[0].places.len()
        };
        assert_eq!(
            (places("analyzer=lucene-english"), places("rm3.analyzer=lucene-english")),
            (3, 1)
        );
    }

    #[test]
    fn what_cannot_be_tried_is_told() {
        let error = |text: &str, tried: &[&str]| format!("{:#}", grid(text, tried).unwrap_err());
        assert!(error(BM25, &[]).contains("has no list to choose from"));
        assert!(error(BM25, &["k=1"]).contains("`k` is no parameter of `lexical/mine`"));
        assert!(error(BM25, &["k1"]).contains("expected NAME=VALUES"));
        assert!(error(BM25, &["k1=2..1:1"]).contains("TO at least FROM"));
        let wrong = BM25.replace("k1 = 0.9", "k1 = [0.9, 1.2]").replace("b = 0.4", "b = \"x\"");
        assert!(error(&wrong, &[]).contains("invalid type: string"));
    }

    #[test]
    fn a_random_part_of_the_points_is_the_same_for_a_seed() {
        let library = library();
        let method = Method::parse("lexical/mine", Source::new("mine.toml", BM25)).unwrap();
        let grid = Grid::new(&method, &["k1=0.1..2.0:0.1".to_owned()], &library).unwrap();
        let words = |seed| {
            let points = grid.points(Some((5, seed)), &library).unwrap();
            points.iter().map(|point| grid.words(&point.values)).collect::<Vec<_>>()
        };
        assert_eq!((words(1), words(1).len()), (words(1), 5));
        assert_ne!(words(1), words(2));
    }

    #[test]
    fn folds_hold_every_query_once() {
        let folds = folds(7, 3, 42);
        assert_eq!(folds.iter().map(Vec::len).collect::<Vec<_>>(), [3, 2, 2]);
        let mut all = folds.concat();
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn a_query_is_measured_by_a_point_that_was_chosen_without_it() {
        // Point 0 is best for queries 0 and 1, point 1 for 2 and 3 and by more.
        let values = [vec![1.0, 1.0, 0.0, 0.0], vec![0.5, 0.5, 0.9, 0.9]];
        assert_eq!(best(&values, &[0, 1, 2, 3]), 1); // 2.0 against 2.8
        assert_eq!(best(&values, &[0, 1]), 0);
        let validated = cross_validate(&values, &[vec![0, 1], vec![2, 3]]);
        assert_eq!(validated.chosen, [1, 0]); // chosen on {2, 3}, and on {0, 1}
        assert_eq!(validated.values, [0.5, 0.5, 0.0, 0.0]);
    }
}
