//! The format of a file that no manifest describes, told by its name.

use super::lines::Lines;
use super::{DocumentFormat, QrelsFormat, QueryFormat, beir};
use crate::{ReadError, Source};

impl DocumentFormat {
    /// What the name says, whatever it is compressed with.
    ///
    /// ```
    /// # use nir_data::{DocumentFormat, Source};
    /// assert_eq!(DocumentFormat::guess(&Source::file("docs.tsv.gz")).unwrap(), DocumentFormat::Tsv);
    /// assert_eq!(DocumentFormat::guess(&Source::file("cran.all.1400")).unwrap(), DocumentFormat::Smart);
    /// ```
    pub fn guess(source: &Source) -> Result<Self, ReadError> {
        let name = source.plain_name();
        match ending(&name) {
            _ if name.contains("msmarco-docs") && ending(&name) == "tsv" => Ok(Self::MsMarcoDocs),
            "tsv" | "txt" => Ok(Self::Tsv),
            "jsonl" => Ok(Self::BeirJsonl),
            "parquet" => Ok(Self::Parquet),
            "trec" | "sgml" => Ok(Self::TrecSgml),
            _ if name.contains(".all") => Ok(Self::Smart),
            _ => Err(unknown(source, &["*.tsv", "*.jsonl", "*.parquet", "*.trec", "*.all"])),
        }
    }
}

impl QueryFormat {
    /// What the name says, whatever it is compressed with.
    pub fn guess(source: &Source) -> Result<Self, ReadError> {
        let name = source.plain_name();
        match ending(&name) {
            _ if name.starts_with("topics") => Ok(Self::TrecTopics),
            "tsv" | "txt" => Ok(Self::Tsv),
            "jsonl" => Ok(Self::BeirJsonl),
            "parquet" => Ok(Self::Parquet),
            "trec" | "topics" => Ok(Self::TrecTopics),
            "qry" => Ok(Self::Smart),
            _ if name == "query.text" => Ok(Self::Smart),
            _ => Err(unknown(
                source,
                &["*.tsv", "*.jsonl", "*.parquet", "topics*", "*.qry", "query.text"],
            )),
        }
    }
}

impl QrelsFormat {
    /// What the name says; `.tsv` may be BEIR or MS MARCO, and there the first line tells.
    pub fn guess(source: &Source) -> Result<Self, ReadError> {
        let name = source.plain_name();
        match ending(&name) {
            "parquet" => Ok(Self::Parquet),
            "tsv" => Self::of_first_line(source),
            _ if name == "cranqrel" || name == "qrels.text" || ending(&name) == "rel" => {
                Ok(Self::Smart)
            }
            _ => Ok(Self::Trec),
        }
    }

    fn of_first_line(source: &Source) -> Result<Self, ReadError> {
        let mut lines = Lines::open(source)?;
        let beir = lines.next_line()?.is_some_and(|line| line.text == beir::QRELS_HEADER);
        Ok(if beir { Self::BeirTsv } else { Self::Trec })
    }
}

/// What follows the last dot.
fn ending(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or_default()
}

fn unknown(source: &Source, expected: &'static [&'static str]) -> ReadError {
    ReadError::UnknownFormat { from: source.clone(), expected }
}
