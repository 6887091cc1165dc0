//! Where documents, queries and judgements come from: files, texts of the program, or a sample of another dataset.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::files::PartSource;
use crate::formats::{AnswersFormat, DocumentFormat, QrelsFormat, QueryFormat, TopicField};

/// Where documents come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Documents {
    /// From official files.
    Files(DocumentsPart),
    /// From texts that come with the program.
    Embedded(DocumentsPart),
    /// From another corpus.
    Sample(DocumentSample),
}

impl Documents {
    /// Everything that decides the documents, as one text for digests.
    pub(super) fn recipe(&self) -> String {
        serde_json::to_string(self).expect("names and formats are JSON")
    }
}

/// Files of documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocumentsPart {
    /// The files, which are read one after the other.
    pub sources: Vec<PartSource>,
    /// The format of the files.
    pub format: DocumentFormat,
    /// How a doc_id is made of the number in the files, where it does not stand there as it is.
    pub doc_id: Option<DocIdPattern>,
}

/// Some documents of another corpus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DocumentSample {
    /// The name of the corpus that they are taken from.
    pub of: String,
    /// The file of their names beside the manifest, one a line.
    pub documents: String,
    /// How they were chosen, in words.
    pub rule: String,
}

/// Where queries and judgements come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Topics {
    /// From official files.
    Files(TopicParts),
    /// From texts that come with the program.
    Embedded(TopicParts),
    /// From another dataset.
    Sample(QuerySample),
}

impl TopicParts {
    /// All files of them.
    pub fn sources(&self) -> impl Iterator<Item = &PartSource> {
        let qrels = self.qrels.iter().flat_map(|part| &part.sources);
        let answers = self.answers.iter().flat_map(|part| &part.sources);
        self.queries.sources.iter().chain(qrels).chain(answers)
    }
}

impl Topics {
    /// Everything that decides queries and judgements, as one text for digests.
    pub(super) fn recipe(&self) -> String {
        serde_json::to_string(self).expect("names and formats are JSON")
    }
}

/// Files of queries, and of judgements or of answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TopicParts {
    /// The files of queries.
    pub queries: QueriesPart,
    /// The files of judgements; none where there are answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub qrels: Option<QrelsPart>,
    /// The files of answers; none where there are judgements.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answers: Option<AnswersPart>,
    /// The labels of queries, if there are any.
    pub labels: Option<LabelsPart>,
}

/// Some queries of another dataset, with their judgements.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QuerySample {
    /// The name of the dataset that they are taken from.
    pub of: String,
    /// The file of their names beside the manifest, one a line.
    pub queries: String,
    /// How they were chosen, in words.
    pub rule: String,
}

/// Files of queries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueriesPart {
    /// The files, which are read one after the other.
    pub sources: Vec<PartSource>,
    /// The format of the files.
    pub format: QueryFormat,
    /// The fields of TREC topics that make the text of a query; the title where none are named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<TopicField>,
    /// Which of the queries belong to the dataset.
    pub select: Select,
}

/// Which queries of a file belong to the dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Select {
    /// All queries.
    All,
    /// Queries with a judgement, relevant or not, or with answers.
    Judged,
}

/// Files of judgements.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QrelsPart {
    /// The files, which are read one after the other.
    pub sources: Vec<PartSource>,
    /// The format of the files.
    pub format: QrelsFormat,
    /// How a `doc_id` is made from a number, as for the documents.
    pub doc_id: Option<DocIdPattern>,
    /// The grade for each code of the file, where its codes are not grades. Codes left out are errors.
    #[serde(default, deserialize_with = "grades")]
    pub grades: Option<BTreeMap<i32, i32>>,
}

/// Files of answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswersPart {
    /// The files, which are read one after the other.
    pub sources: Vec<PartSource>,
    /// The format of the files.
    pub format: AnswersFormat,
}

/// Labels of queries in a file: `query_id TAB label,label`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LabelsPart {
    /// The file, as a path in the folder of the manifest.
    pub file: String,
}

/// How a doc_id is made of the number in a file: `{ prefix = "CACM-", digits = 4 }` makes `CACM-0012` of `12`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DocIdPattern {
    /// The text before the number.
    pub prefix: String,
    /// The smallest number of digits of the number.
    pub digits: usize,
}

impl DocIdPattern {
    /// The `doc_id` for a number.
    pub fn apply(&self, number: &str) -> String {
        format!("{}{number:0>digits$}", self.prefix, digits = self.digits)
    }
}

/// TOML writes every key as a string; codes are numbers.
fn grades<'de, D>(deserializer: D) -> Result<Option<BTreeMap<i32, i32>>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    let written = BTreeMap::<String, i32>::deserialize(deserializer)?;
    let number = |(code, grade): (String, i32)| match code.parse() {
        Ok(code) => Ok((code, grade)),
        Err(_) => Err(serde::de::Error::custom(format_args!("`{code}` is not a whole number"))),
    };
    written.into_iter().map(number).collect::<Result<_, _>>().map(Some)
}
