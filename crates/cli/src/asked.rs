//! What `nir run` and `nir report` are asked: methods over datasets, by name or by the path of a file.

use std::path::Path;

use anyhow::{Result, bail};
use nir_catalogue::{Comparison, Config, Method, Sweep};
use nir_data::{ManifestError, Manifests};
use nir_engine::{Library, Models};
use nir_report::Question;
use toml::Spanned;

use crate::named::{config, method_of};

/// Methods, datasets and measures on a command line.
#[derive(clap::Args)]
#[group(id = "asked")]
pub(crate) struct Args {
    /// A comparison, or one or more methods; the first method is the baseline of the others.
    #[arg(required = true)]
    pub(crate) what: Vec<String>,
    /// The datasets, by name or by the path of a manifest, separated by commas; required where WHAT names methods.
    #[arg(long, value_delimiter = ',', value_name = "DATASET")]
    pub(crate) on: Vec<String>,
    /// A measure to compute and show instead of the dataset's own, such as nDCG@10 (repeatable).
    #[arg(long = "measure", short, value_name = "MEASURE")]
    pub(crate) measures: Vec<String>,
}

/// What is asked, with all that it names.
pub(crate) struct Asked {
    pub(crate) question: Question,
    /// In the order of the rows; empty where a sweep is asked for.
    pub(crate) methods: Vec<Method>,
    /// With the datasets that were named by path.
    pub(crate) manifests: Manifests,
}

impl Args {
    /// Finds what the words name; `over` are the arguments that name a user's own files in place of datasets.
    pub(crate) fn asked(
        &self,
        library: &Library,
        models: &Models,
        mut manifests: Manifests,
        over: &[String],
    ) -> Result<Asked> {
        if let [what] = &self.what[..]
            && let Some(found) = self.whole(what, library, &mut manifests, over)?
        {
            let (question, methods) = found;
            return Ok(Asked { question, methods, manifests });
        }
        if self.on.is_empty() && over.is_empty() {
            bail!(
                "on which dataset? Add --on pocket, or --corpus with your own documents; `nir datasets` lists what there is"
            );
        }
        let methods = self.what.iter().map(|what| method_of(what, library, models));
        let methods = methods.collect::<Result<Vec<Method>>>()?;
        check_names(&methods)?;
        let named = self.on.iter().map(|name| manifests.resolve(name, Path::new("")));
        let datasets = named.collect::<Result<Vec<_>, _>>()?;
        let names = methods.iter().map(|method| method.name.clone()).collect();
        let measures = self.measures.iter().map(|name| name.parse()).collect::<Result<_, _>>()?;
        let on = match over {
            [] => vec!["--on".to_owned(), self.on.join(",")],
            over => over.to_vec(),
        };
        let question = Question::by_hand(&self.what, names, &on, datasets, measures);
        Ok(Asked { question, methods, manifests })
    }

    /// A file that says all of it: a comparison or a sweep.
    fn whole(
        &self,
        what: &str,
        library: &Library,
        manifests: &mut Manifests,
        over: &[String],
    ) -> Result<Option<(Question, Vec<Method>)>> {
        let found = match nir_engine::checkpoint::is_checkpoint(what) {
            true => return Ok(None),
            false => config(what, library)?,
        };
        let asked = match found {
            Config::Method(_) => return Ok(None),
            Config::Comparison(comparison) => {
                let (mut comparison, methods) = library.rows(comparison)?;
                resolve_datasets(&mut comparison, manifests)?;
                (Question::of(&comparison)?, methods)
            }
            Config::Sweep(mut sweep) => {
                resolve_dataset(&mut sweep, manifests)?;
                (Question::of_sweep(&sweep), Vec::new())
            }
        };
        if !self.on.is_empty() || !over.is_empty() || !self.measures.is_empty() {
            bail!(
                "`{what}` says itself which datasets and measures it takes; --on, --corpus and --measure are for methods"
            );
        }
        Ok(Some(asked))
    }
}

/// Calls the datasets that a comparison names by the path of a manifest by their names.
pub(crate) fn resolve_datasets(
    comparison: &mut Comparison,
    manifests: &mut Manifests,
) -> Result<()> {
    let source = comparison.source.clone();
    for name in &mut comparison.datasets {
        resolve(name, &source, manifests)?;
    }
    Ok(())
}

/// The same for the dataset of a sweep.
pub(crate) fn resolve_dataset(sweep: &mut Sweep, manifests: &mut Manifests) -> Result<()> {
    resolve(&mut sweep.dataset, &sweep.source, manifests)
}

fn resolve(
    name: &mut Spanned<String>,
    source: &nir_catalogue::Source,
    manifests: &mut Manifests,
) -> Result<()> {
    let folder = source.folder().unwrap_or(Path::new(""));
    let found = manifests.resolve(name.as_ref(), folder).map_err(|error| match error {
        ManifestError::UnknownDataset { .. } => {
            anyhow::Error::from(source.error_at(name.span(), error.to_string()))
        }
        other => other.into(),
    })?;
    *name.get_mut() = found;
    Ok(())
}

/// Two files of one name would be one row.
fn check_names(methods: &[Method]) -> Result<()> {
    for (at, method) in methods.iter().enumerate() {
        if let Some(before) = methods[..at].iter().find(|before| before.name == method.name) {
            let (one, two) = (before.source.path(), method.source.path());
            bail!("two methods are called `{}` ({one}, {two}): rename one file", method.name);
        }
    }
    Ok(())
}
