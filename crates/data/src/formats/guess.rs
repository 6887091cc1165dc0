//! The format of a file that no manifest describes: told by how it begins, or else by its name.

use super::input::Input;
use super::{AnswersFormat, DocumentFormat, QrelsFormat, QueryFormat};
use crate::ReadError;
use crate::lines::BYTE_ORDER_MARK;

/// The format that a file seems to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    Parquet,
    Json,
    Smart,
    /// The mark-up of TREC.
    Tags,
    /// Columns separated by tabs.
    Tabs,
}

impl Look {
    /// How the first bytes look; none where they could be anything.
    fn of(head: &[u8]) -> Option<Self> {
        if head.starts_with(b"PAR1") {
            return Some(Self::Parquet);
        }
        let head = head.strip_prefix(BYTE_ORDER_MARK.as_bytes()).unwrap_or(head).trim_ascii_start();
        let line = head.split(|&byte| byte == b'\n').next().unwrap_or_default();
        let looks = [
            (Self::Json, is_json(head)),
            (Self::Tags, is_tag(head)),
            (Self::Smart, line.starts_with(b".I ")),
            (Self::Tabs, line.contains(&b'\t')),
        ];
        looks.into_iter().find(|(_, is)| *is).map(|(look, _)| look)
    }
}

/// Whether a text begins with `{"` or `[{`, with any white space in between.
fn is_json(head: &[u8]) -> bool {
    let after = |open: &u8| {
        head.strip_prefix(&[*open]).and_then(|rest| rest.trim_ascii_start().first().copied())
    };
    matches!(after(&b'{'), Some(b'"' | b'}')) || matches!(after(&b'['), Some(b'{' | b']'))
}

/// One of the tags that files in TREC's mark-up begin with.
fn is_tag(head: &[u8]) -> bool {
    const TAGS: [&[u8]; 4] = [b"<?xml", b"<!", b"<doc", b"<top"];
    let begins =
        |tag: &&[u8]| head.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag));
    TAGS.iter().any(begins) || is_root(head)
}

/// A tag and then nothing else on its line: the element that holds all others.
fn is_root(head: &[u8]) -> bool {
    let line = head.split(|&byte| byte == b'\n').next().unwrap_or_default().trim_ascii_end();
    let name = line.strip_prefix(b"<").and_then(|line| line.strip_suffix(b">"));
    name.is_some_and(|name| !name.is_empty() && name.iter().all(u8::is_ascii_alphanumeric))
}

impl DocumentFormat {
    /// The format of a file of documents that begins with `input`'s head.
    pub(crate) fn of(input: &Input<'_>) -> Result<Self, ReadError> {
        let name = input.source.plain_name();
        match (Look::of(input.head()), ending(&name)) {
            (Some(Look::Parquet), _) => Ok(Self::Parquet),
            (Some(Look::Json), _) => Ok(Self::BeirJsonl),
            (Some(Look::Tags), _) => Ok(Self::TrecSgml),
            (Some(Look::Smart), _) => Ok(Self::Smart),
            (_, "tsv") if name.contains("msmarco-docs") => Ok(Self::MsMarcoDocs),
            (_, "tsv") if name.contains("psgs_w100") => Ok(Self::DprPassages),
            (Some(Look::Tabs), _) => Ok(Self::Tsv),
            (None, ending) => match ending {
                "tsv" | "txt" => Ok(Self::Tsv),
                "json" | "jsonl" => Ok(Self::BeirJsonl),
                "parquet" => Ok(Self::Parquet),
                "trec" | "sgml" | "xml" => Ok(Self::TrecSgml),
                _ if name.contains(".all") => Ok(Self::Smart),
                _ => Err(unknown(input, "*.tsv, *.jsonl, *.parquet, *.trec, *.all")),
            },
        }
    }
}

impl QueryFormat {
    /// The format of a file of queries that begins with `input`'s head.
    pub(crate) fn of(input: &Input<'_>) -> Result<Self, ReadError> {
        let name = input.source.plain_name();
        match (Look::of(input.head()), ending(&name)) {
            (Some(Look::Parquet), _) => Ok(Self::Parquet),
            (Some(Look::Json), _) => Ok(Self::BeirJsonl),
            (Some(Look::Tags), _) => Ok(Self::TrecTopics),
            (Some(Look::Smart), _) => Ok(Self::Smart),
            (Some(Look::Tabs), _) if name.ends_with(".qa.csv") => Ok(Self::DprQuestions),
            (Some(Look::Tabs), _) => Ok(Self::Tsv),
            (None, ending) => match ending {
                "tsv" => Ok(Self::Tsv),
                _ if name.starts_with("topics") => Ok(Self::TrecTopics),
                "txt" => Ok(Self::Tsv),
                "json" | "jsonl" => Ok(Self::BeirJsonl),
                "parquet" => Ok(Self::Parquet),
                "trec" | "topics" | "xml" => Ok(Self::TrecTopics),
                "qry" => Ok(Self::Smart),
                _ if name == "query.text" => Ok(Self::Smart),
                _ => Err(unknown(input, "*.tsv, *.jsonl, *.parquet, topics*, *.qry, query.text")),
            },
        }
    }
}

impl AnswersFormat {
    /// The format of a file of answers that begins with `input`'s head.
    pub(crate) fn of(input: &Input<'_>) -> Self {
        match Look::of(input.head()) {
            Some(Look::Tabs) => Self::DprQuestions,
            _ => Self::Jsonl,
        }
    }
}

impl QrelsFormat {
    /// The format of a file of judgements that begins with `input`'s head. Those of the SMART system look like others
    /// and have names of their own; a header tells BEIR's from TREC's when they are read.
    pub(crate) fn of(input: &Input<'_>) -> Self {
        let name = input.source.plain_name();
        let of_smart = name == "cranqrel" || name == "qrels.text" || ending(&name) == "rel";
        match Look::of(input.head()) {
            Some(Look::Parquet) => Self::Parquet,
            _ if of_smart => Self::Smart,
            _ if ending(&name) == "parquet" => Self::Parquet,
            _ => Self::Trec,
        }
    }
}

/// The text after the last dot of a name.
fn ending(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or_default()
}

fn unknown(input: &Input<'_>, expected: &'static str) -> ReadError {
    ReadError::UnknownFormat { from: input.source.clone(), expected }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Source;

    /// An open file of that name that begins so.
    fn look<T>(name: &str, content: &str, of: impl Fn(&Input<'_>) -> T) -> T {
        let folder = tempfile::tempdir().unwrap();
        let source = Source::file(folder.path().join(name));
        std::fs::write(&source.path, content).unwrap();
        of(&Input::open(&source).unwrap())
    }

    fn documents(name: &str, content: &str) -> DocumentFormat {
        look(name, content, |input| DocumentFormat::of(input).unwrap())
    }

    fn queries(name: &str, content: &str) -> QueryFormat {
        look(name, content, |input| QueryFormat::of(input).unwrap())
    }

    #[test]
    fn content_tells_the_format_of_documents_whatever_the_name() {
        for (content, format) in [
            ("1\ttea\n", DocumentFormat::Tsv),
            ("\u{feff}1\ttea\n", DocumentFormat::Tsv),
            ("{\"_id\": \"1\"}\n", DocumentFormat::BeirJsonl),
            ("\n { \"_id\": \"1\"}\n", DocumentFormat::BeirJsonl),
            ("[{\"_id\": \"1\"}]", DocumentFormat::BeirJsonl),
            ("<DOC>\n", DocumentFormat::TrecSgml),
            ("\u{feff}<doc id=\"1\">", DocumentFormat::TrecSgml),
            ("<?xml version=\"1.0\"?>\n<DOCS>", DocumentFormat::TrecSgml),
            ("<collection>\n<DOC>", DocumentFormat::TrecSgml),
            (".I 1\n.T\n", DocumentFormat::Smart),
            ("PAR1\0\t", DocumentFormat::Parquet),
            ("<1>\ttea", DocumentFormat::Tsv),
            ("{1}\ttea", DocumentFormat::Tsv),
        ] {
            for name in ["docs", "docs.txt", "docs.jsonl", "docs.trec"] {
                assert_eq!(documents(name, content), format, "{name} {content:?}");
            }
        }
        assert_eq!(documents("msmarco-docs.tsv", "D1\tu\tt\tb"), DocumentFormat::MsMarcoDocs);
        assert_eq!(documents("psgs_w100.tsv", "id\ttext\ttitle"), DocumentFormat::DprPassages);
    }

    #[test]
    fn the_name_tells_the_format_of_documents_that_look_like_nothing() {
        for (name, format) in [
            ("docs.tsv", DocumentFormat::Tsv),
            ("antique-collection.txt", DocumentFormat::Tsv),
            ("corpus.jsonl", DocumentFormat::BeirJsonl),
            ("train-00000-of-00001.parquet", DocumentFormat::Parquet),
            ("msmarco-docs.trec", DocumentFormat::TrecSgml),
            ("cran.all.1400", DocumentFormat::Smart),
        ] {
            assert_eq!(documents(name, ""), format, "{name}");
        }
    }

    #[test]
    fn topics_between_tabs_are_no_mark_up_whatever_their_name() {
        for name in ["topics.dev-subset.tsv", "topics.dev-subset.txt", "topics.dl19", "queries.tsv"]
        {
            assert_eq!(queries(name, "-12\tgreen tea\n"), QueryFormat::Tsv, "{name}");
            assert_eq!(queries(name, "<top>\n"), QueryFormat::TrecTopics, "{name}");
            assert_eq!(queries(name, "<topics task=\"x\">\n"), QueryFormat::TrecTopics, "{name}");
            assert_eq!(queries(name, "{\"_id\":1}\n"), QueryFormat::BeirJsonl, "{name}");
        }
        for (name, format) in [
            ("queries.dev.tsv", QueryFormat::Tsv),
            ("topics.robust04.txt", QueryFormat::TrecTopics),
            ("cran.qry", QueryFormat::Smart),
            ("query.text", QueryFormat::Smart),
            ("queries.parquet", QueryFormat::Parquet),
        ] {
            assert_eq!(queries(name, "one two\n"), format, "{name}");
        }
        assert_eq!(queries("nq-test.qa.csv", "who\t['me']\n"), QueryFormat::DprQuestions);
    }

    #[test]
    fn answers_are_objects_or_lists_behind_questions() {
        let format = |content| look("answers", content, AnswersFormat::of);
        assert_eq!(format("{\"query_id\": \"q1\", \"answers\": []}\n"), AnswersFormat::Jsonl);
        assert_eq!(format("who\t['me']\n"), AnswersFormat::DprQuestions);
    }

    #[test]
    fn judgements_of_the_smart_system_have_names_of_their_own() {
        let format = |name, content| look(name, content, QrelsFormat::of);
        assert_eq!(format("test.tsv", "query-id\tcorpus-id\tscore\n"), QrelsFormat::Trec);
        assert_eq!(format("cranqrel", "1 184 2\n"), QrelsFormat::Smart);
        assert_eq!(format("qrels.text", "1 2 0 0\n"), QrelsFormat::Smart);
        assert_eq!(format("qrels.txt", "PAR1"), QrelsFormat::Parquet);
    }

    #[test]
    fn a_file_that_looks_like_nothing_under_a_name_that_tells_nothing_is_refused() {
        let error =
            look("data.bin", "id,text\n1,tea\n", |input| DocumentFormat::of(input).unwrap_err());
        assert!(
            error.to_string().ends_with(
                "data.bin: neither content nor name tells the format: expected one of *.tsv, *.jsonl, *.parquet, *.trec, *.all"
            ),
            "{error}"
        );
    }
}
