//! Drawing a sample: the names of some queries and documents of a dataset, and the rule that chose them.
//!
//! Choice by chance needs no generator and no order: the names whose digest together with the seed is smallest are
//! taken. The same seed draws the same names whatever the order of the files, and a larger sample holds a smaller one.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::io;
use std::path::Path;

use nir_core::{Digest, DocNo, Hasher, TrecRun};

use crate::cache::{CacheError, at};
use crate::dataset::Dataset;
use crate::manifest::{Citation, Licence, Manifest};
use crate::unfinished::Guard;

/// The rule by which a sample is drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleRule {
    /// The number of queries; `None` for all of them.
    pub queries: Option<usize>,
    /// Whether the sample holds every document that is judged for its queries.
    pub judged: bool,
    /// The number of further documents that are drawn at random.
    pub random: usize,
    /// The seed of all random choices.
    pub seed: u64,
}

/// A run whose best documents belong to a sample.
#[derive(Debug, Clone)]
pub struct SampleRun {
    /// The name of the run, for the description of the rule.
    pub name: String,
    /// The number of documents of each query.
    pub depth: usize,
    /// The run.
    pub run: TrecRun,
}

/// The ids of a sample, sorted by bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drawn {
    /// The ids of the documents.
    pub documents: Vec<String>,
    /// The ids of the queries.
    pub queries: Vec<String>,
    /// The number of pairs that are judged for these queries.
    pub judgements: usize,
    /// The number of these queries that have a judgement, or answers.
    pub judged_queries: usize,
    /// Documents judged for these queries that the sample does not hold.
    pub judged_outside: usize,
    /// The rule in words.
    pub rule: String,
}

/// Why a sample cannot be drawn.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    /// There are fewer queries than were asked for.
    #[error("`{dataset}` has {found} queries, {asked} were asked for")]
    Queries {
        /// The name of the dataset.
        dataset: String,
        /// The number of queries that it has.
        found: usize,
        /// The number of queries that were asked for.
        asked: usize,
    },
    /// A run was made over another collection.
    #[error("`{run}` found `{doc_id}`, which `{dataset}` does not hold")]
    Run {
        /// The name of the run.
        run: String,
        /// The id of a document that the dataset does not have.
        doc_id: String,
        /// The name of the dataset.
        dataset: String,
    },
    /// The sample would hold no documents.
    #[error(
        "the sample would hold no document: name judged documents, a run or a number of random ones"
    )]
    Empty,
}

/// Draws a sample of `dataset`. Fails if the rule cannot be met.
pub fn draw(
    dataset: &Dataset,
    rule: &SampleRule,
    runs: &[SampleRun],
) -> Result<Drawn, SampleError> {
    let queries = draw_queries(dataset, rule)?;
    let judged = judged(dataset, &queries);
    let mut documents = BTreeSet::new();
    if rule.judged {
        let here = judged.iter().filter(|doc_id| dataset.corpus.doc_no(doc_id).is_some());
        documents.extend(here.copied());
    }
    for run in runs {
        documents.extend(best(dataset, &queries, run)?);
    }
    let random = draw_documents(dataset, rule, &documents);
    documents.extend(random);
    if documents.is_empty() {
        return Err(SampleError::Empty);
    }
    let judged_outside = judged.iter().filter(|doc_id| !documents.contains(*doc_id)).count();
    let answered = queries.iter().filter(|id| dataset.answers.get(id).is_some()).count();
    let of_queries = || queries.iter().filter_map(|query_id| dataset.qrels.get(query_id));
    Ok(Drawn {
        judgements: of_queries().map(HashMap::len).sum(),
        judged_queries: of_queries().count() + answered,
        judged_outside,
        rule: in_words(dataset, rule, runs),
        documents: documents.into_iter().map(str::to_owned).collect(),
        queries: queries.into_iter().map(str::to_owned).collect(),
    })
}

fn draw_queries<'d>(
    dataset: &'d Dataset,
    rule: &SampleRule,
) -> Result<BTreeSet<&'d str>, SampleError> {
    let all = || dataset.queries.iter().map(|query| query.query_id.as_str());
    let Some(asked) = rule.queries else { return Ok(all().collect()) };
    let found = dataset.queries.len();
    if asked > found {
        return Err(SampleError::Queries { dataset: dataset.name.clone(), found, asked });
    }
    Ok(smallest(all(), asked, "query", rule.seed).into_iter().collect())
}

/// Random documents that have not been chosen yet.
fn draw_documents<'d>(
    dataset: &'d Dataset,
    rule: &SampleRule,
    chosen: &BTreeSet<&str>,
) -> Vec<&'d str> {
    let all = (0..dataset.corpus.len()).map(|row| dataset.corpus.doc_id(DocNo(row as u32)));
    let rest = all.filter(|doc_id| !chosen.contains(doc_id));
    smallest(rest, rule.random, "document", rule.seed)
}

/// The `n` names whose digest with the seed is smallest.
fn smallest<'i>(
    names: impl Iterator<Item = &'i str>,
    n: usize,
    kind: &str,
    seed: u64,
) -> Vec<&'i str> {
    let mut kept: BTreeSet<(Digest, &str)> = BTreeSet::new();
    for name in names {
        let mut hasher = Hasher::new("sample");
        hasher.part(kind).part(seed.to_le_bytes()).part(name);
        kept.insert((hasher.digest(), name));
        if kept.len() > n {
            kept.pop_last();
        }
    }
    kept.into_iter().map(|(_, name)| name).collect()
}

fn judged<'d>(dataset: &'d Dataset, queries: &BTreeSet<&str>) -> HashSet<&'d str> {
    let docs = queries.iter().filter_map(|query_id| dataset.qrels.get(query_id));
    docs.flat_map(|docs| docs.keys().map(String::as_str)).collect()
}

/// The best documents of a run for the sampled queries: by score, ties to the larger doc_id.
fn best<'d>(
    dataset: &'d Dataset,
    queries: &BTreeSet<&str>,
    run: &SampleRun,
) -> Result<Vec<&'d str>, SampleError> {
    let mut found = Vec::new();
    for list in queries.iter().filter_map(|query_id| run.run.get(query_id)) {
        let mut hits: Vec<(&str, f64)> = list.iter().map(|(id, hit)| (id, hit.score)).collect();
        hits.sort_by(|a, b| b.1.total_cmp(&a.1).then_with(|| b.0.cmp(a.0)));
        for (doc_id, _) in hits.into_iter().take(run.depth) {
            let doc = dataset.corpus.doc_no(doc_id).ok_or_else(|| SampleError::Run {
                run: run.name.clone(),
                doc_id: doc_id.to_owned(),
                dataset: dataset.name.clone(),
            })?;
            found.push(dataset.corpus.doc_id(doc));
        }
    }
    Ok(found)
}

fn in_words(dataset: &Dataset, rule: &SampleRule, runs: &[SampleRun]) -> String {
    let mut parts = vec![match rule.queries {
        None => format!("all queries of {}", dataset.name),
        Some(n) => format!("{n} queries of {} by chance", dataset.name),
    }];
    if rule.judged {
        parts.push("every document judged for them".into());
    }
    parts.extend(runs.iter().map(|run| format!("the best {} of {}", run.depth, run.name)));
    if rule.random > 0 {
        parts.push(format!("{} other documents by chance", rule.random));
    }
    format!("{}; seed {}", parts.join(", "), rule.seed)
}

/// Writes the manifest of a sample and its two lists: `<name>.toml`, `<name>.docs.txt`, `<name>.queries.txt`, all of
/// them or none.
pub fn write_sample(
    folder: &Path,
    name: &str,
    parent: &Manifest,
    drawn: &Drawn,
) -> Result<(), CacheError> {
    fs::create_dir_all(folder).map_err(at(folder))?;
    let write = |file: String, text: String| {
        let path = folder.join(file);
        write_new(&path, &text).map_err(at(&path))
    };
    let files = [
        write(format!("{name}.docs.txt"), drawn.documents.join("\n") + "\n")?,
        write(format!("{name}.queries.txt"), drawn.queries.join("\n") + "\n")?,
        write(format!("{name}.toml"), manifest(name, parent, drawn))?,
    ];
    files.into_iter().for_each(Guard::keep);
    Ok(())
}

/// Results name a sample: one that is there already is never written over. The file stays if its guard is told so:
/// a sample is all of its files or none.
fn write_new(path: &Path, text: &str) -> io::Result<Guard> {
    let (guard, mut file) = Guard::making(path, |path| fs::File::create_new(path))?;
    io::Write::write_all(&mut file, text.as_bytes())?;
    file.sync_all()?;
    Ok(guard)
}

fn manifest(name: &str, parent: &Manifest, drawn: &Drawn) -> String {
    let card = &parent.card;
    let measures: Vec<String> = card.measures.iter().map(|measure| quoted(measure)).collect();
    [
        "[card]".to_owned(),
        line("name", &format!("{} (sample {name})", card.name)),
        line("description", &format!("A sample of {}. {}", parent.name, card.description)),
        line("language", &card.language),
        line("homepage", &card.homepage),
        line("scope", "sample"),
        line("split", &card.split),
        format!("measures = [{}]", measures.join(", ")),
        format!("exclude_query_id = {}", card.exclude_query_id),
        licence(&parent.licence),
        citation(&parent.citation),
        sample(name, parent, drawn),
    ]
    .join("\n")
}

fn licence(licence: &Licence) -> String {
    let Licence { name, url, note } = licence;
    format!("\n[licence]\n{}\n{}\n{}", line("name", name), line("url", url), line("note", note))
}

fn citation(citation: &Citation) -> String {
    let Citation { key, text, url } = citation;
    format!("\n[citation]\n{}\n{}\n{}", line("key", key), line("text", text), line("url", url))
}

fn sample(name: &str, parent: &Manifest, drawn: &Drawn) -> String {
    let of = line("of", &parent.name);
    let documents = line("documents", &format!("{name}.docs.txt"));
    let queries = line("queries", &format!("{name}.queries.txt"));
    let rule = line("rule", &drawn.rule);
    format!(
        "\n[sample]\n{of}\n{documents}\n{queries}\n{rule}\n\n[counts]\ndocuments = {}\nqueries = {}\n\
         judgements = {}\njudged_queries = {}\n",
        drawn.documents.len(),
        drawn.queries.len(),
        drawn.judgements,
        drawn.judged_queries
    )
}

fn line(key: &str, value: &str) -> String {
    format!("{key} = {}", quoted(value))
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}
