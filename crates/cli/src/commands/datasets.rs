//! `nir datasets`: what there is to run over.

use std::process::ExitCode;

use anyhow::Result;
use nir_data::{Cache, Dataset, Manifest, Manifests, State};

use crate::app::App;
use crate::output::outln;
use crate::table::grouped;

/// List all datasets with their sizes, licences and whether they are fetched, or describe one of them.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The name of the dataset to describe; if not given, all datasets are listed.
    #[arg(value_name = "DATASET")]
    name: Option<String>,
}

/// Prints the list, or the description of the dataset that `args` names.
pub(crate) fn run(args: &Args, app: &App) -> Result<ExitCode> {
    let (manifests, cache) = (app.home.datasets()?, Cache::of_user()?);
    match &args.name {
        Some(name) => describe(&manifests, &cache, manifests.get(name)?)?,
        None => list(&manifests, &cache)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(manifests: &Manifests, cache: &Cache) -> Result<()> {
    let mut rows = vec![["dataset", "documents", "queries", "licence", "state"].map(str::to_owned)];
    for manifest in manifests.iter() {
        rows.push([
            manifest.name.clone(),
            count(documents(manifest)),
            count(manifest.counts.queries),
            manifest.licence.name.clone(),
            state(manifests, cache, manifest)?,
        ]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths = std::array::from_fn::<usize, 5, _>(|column| width(column).unwrap_or(0));
    for [name, documents, queries, licence, state] in &rows {
        let [a, b, c, d, _] = widths;
        outln!("{name:<a$}  {documents:>b$}  {queries:>c$}  {licence:<d$}  {state}")?;
    }
    Ok(())
}

fn documents(manifest: &Manifest) -> Option<usize> {
    manifest.counts.documents.or(manifest.corpus.count)
}

/// The number as text; empty where the manifest does not state it.
fn count(number: Option<usize>) -> String {
    number.map(grouped).unwrap_or_default()
}

fn state(manifests: &Manifests, cache: &Cache, manifest: &Manifest) -> Result<String> {
    let by_hand = || manifests.official_files(manifest).values().any(|file| file.is_manual());
    Ok(match Dataset::state(cache, manifest)? {
        State::Embedded => "embedded".to_owned(),
        State::Fetched(origin) => format!("fetched ({})", origin.kind()),
        State::Stale => "fetched under an older manifest".to_owned(),
        State::NotFetched if by_hand() => "needs manual download".to_owned(),
        State::NotFetched => "not fetched".to_owned(),
    })
}

/// Prints what a dataset's manifest says, and whether it is here.
pub(super) fn describe(manifests: &Manifests, cache: &Cache, manifest: &Manifest) -> Result<()> {
    let card = &manifest.card;
    outln!("{} ({})\n{}\n", manifest.name, card.name, card.description)?;
    outln!("state      {}", state(manifests, cache, manifest)?)?;
    outln!("documents  {}", count(documents(manifest)))?;
    outln!("queries    {}", count(manifest.counts.queries))?;
    outln!("judgements {}", count(manifest.counts.judgements))?;
    outln!("measures   {}", card.measures.join(", "))?;
    if let Some(whole) = manifest.sample_of() {
        outln!("sample of  {whole}")?;
    }
    if card.exclude_query_id {
        outln!("note       a document named as the query is dropped from its ranking")?;
    }
    outln!("licence    {} ({})", manifest.licence.name, manifest.licence.url)?;
    outln!("           {}", manifest.licence.note)?;
    outln!("cite       {} {}", manifest.citation.text, manifest.citation.url)?;
    outln!("homepage   {}", card.homepage)?;
    for file in manifests.official_files(manifest).values() {
        let bytes = file.bytes.map_or("size not published".to_owned(), |bytes| {
            format!("{} bytes", grouped(bytes as usize))
        });
        outln!("file       {} ({bytes}) {}", file.name, file.urls.join(" "))?;
    }
    Ok(())
}
