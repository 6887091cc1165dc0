//! A teacher's vectors in a file, to learn from.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use nir_core::Progress;
use nir_nn::checkpoint::{Hub, Location, Wanted};
use nir_nn::heads::Vector;
use nir_nn::{Backend, Input, Model, Pooling, Similarity, Tokens, Truncation, normalise};
use serde::{Deserialize, Serialize};

use crate::recipe::{Data, Task};
use crate::texts::Texts;
use crate::{Error, Folders, Result, tensor_file};

/// The name of the file that the recipe writes, in the recipe's folder.
pub const FILE: &str = "vectors.safetensors";

/// A recipe that encodes texts with a published checkpoint, the teacher.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// The task: always `vectors`.
    pub task: Task,
    /// One sentence that says what the recipe makes.
    pub summary: String,
    /// The teacher: `hf:org/name` or `file:path`.
    pub checkpoint: Location,
    /// The commit of the teacher on the hub; a folder has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Patterns of the checkpoint's tensors that are not needed for vectors.
    pub ignore: Vec<String>,
    /// How hidden states are pooled to a vector.
    pub pooling: Pooling,
    /// How vectors are compared; for `cosine` they are scaled to length 1.
    pub similarity: Similarity,
    /// How a query is turned into tokens.
    pub query: Input,
    /// How a document is turned into tokens.
    pub document: Input,
    /// The files of texts.
    pub data: Data,
}

/// The ids and vectors, `[texts, dim]`, of queries and of documents.
#[derive(Debug)]
pub struct Stored {
    /// The ids and vectors of queries.
    pub queries: (Vec<String>, Tensor),
    /// The ids and vectors of documents.
    pub documents: (Vec<String>, Tensor),
}

impl Recipe {
    /// Encodes all texts, writes the vectors and returns the path of the file.
    ///
    /// # Errors
    ///
    /// If the checkpoint or the texts cannot be read, do not fit the recipe, or the file cannot be written.
    pub fn make(&self, folders: &Folders<'_>, backend: &Backend) -> Result<PathBuf> {
        let wanted = Wanted::new(self.checkpoint.clone(), self.revision.as_deref())
            .map_err(|error| Error::Unfit(error.to_string()))?;
        let checkpoint = Hub::from_env().open(&wanted, &())?;
        let teacher =
            Model::load(&checkpoint, None, backend, &self.ignore, |architecture, tensors| {
                Vector::load(architecture, tensors, self.pooling, None)
            })?;
        let queries = Texts::queries(&folders.data(&self.data.queries))?;
        let documents = Texts::documents(&folders.data(&self.data.documents))?;
        let stored = Stored {
            queries: self.encode(&teacher, &self.query, &queries, folders.progress)?,
            documents: self.encode(&teacher, &self.document, &documents, folders.progress)?,
        };
        stored.save(folders.output)
    }

    fn encode(
        &self,
        teacher: &Model<Vector>,
        input: &Input,
        texts: &Texts,
        progress: &dyn Progress,
    ) -> Result<(Vec<String>, Tensor)> {
        let _task = progress.begin("texts to encode", "texts", texts.len() as u64);
        let bound = teacher.tokenizer.bind(input, Truncation::Longest)?;
        let tokens: Vec<Tokens> = texts
            .iter()
            .map(|text| bound.encode(|_| text.to_owned()))
            .collect::<nir_nn::Result<_>>()?;
        let text = |row: usize| texts.text(row).to_owned();
        let head = |hidden: &nir_nn::Hidden| {
            let vectors = teacher.head.forward(hidden)?;
            match self.similarity {
                Similarity::Dot => Ok(vectors),
                Similarity::Cosine => normalise(&vectors),
            }
        };
        let table = teacher.encoder.table(&tokens, teacher.head.rows(), head, text)?;
        let names = (0..texts.len()).map(|row| texts.name(row).to_owned()).collect();
        Ok((names, Tensor::from_vec(table.rows, (texts.len(), teacher.head.dim()), &Device::Cpu)?))
    }
}

impl Stored {
    /// Writes `vectors.safetensors` into `folder`; returns its path.
    pub fn save(&self, folder: &Path) -> Result<PathBuf> {
        let mut all = HashMap::new();
        for (kind, (names, vectors)) in [("queries", &self.queries), ("documents", &self.documents)]
        {
            let names = names.join("\n").into_bytes();
            let count = names.len();
            all.insert(format!("{kind}.names"), Tensor::from_vec(names, count, &Device::Cpu)?);
            all.insert(kind.to_owned(), vectors.clone());
        }
        std::fs::create_dir_all(folder).map_err(|source| Error::io(folder, source))?;
        let path = folder.join(FILE);
        tensor_file::write(&path, &all)?;
        Ok(path)
    }

    /// Reads a file that [`save`](Self::save) wrote.
    pub fn load(path: &Path, device: &Device) -> Result<Self> {
        let mut all = tensor_file::read(path, device)?;
        let unfit = |problem: &str| {
            let path = path.display();
            Error::Unfit(format!("{path}: {problem}: make it with a recipe of the task `vectors`"))
        };
        let mut take = |name: &str, rank: usize, dtype: DType| match all.remove(name) {
            Some(tensor) if tensor.rank() == rank && tensor.dtype() == dtype => Ok(tensor),
            Some(_) => Err(unfit(&format!("`{name}` has another shape or type"))),
            None => Err(unfit(&format!("has no `{name}`"))),
        };
        let mut one = |kind: &str| {
            let names = take(&format!("{kind}.names"), 1, DType::U8)?.to_vec1::<u8>()?;
            let names = String::from_utf8(names)
                .map_err(|_| unfit(&format!("`{kind}.names` is no text in UTF-8")))?;
            let names: Vec<String> = names.lines().map(str::to_owned).collect();
            let vectors = take(kind, 2, DType::F32)?;
            match vectors.dim(0)? == names.len() {
                true => Ok((names, vectors)),
                false => Err(unfit(&format!(
                    "{} names and {} vectors of {kind}",
                    names.len(),
                    vectors.dim(0)?
                ))),
            }
        };
        Ok(Self { queries: one("queries")?, documents: one("documents")? })
    }
}
