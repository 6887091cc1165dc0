use nir_core::Qrels;
use nir_data::{DocumentFormat, QrelsFormat, QueryFormat};

use super::{document, documents, pairs, qrels, queries};

const NEWS: &str = "\
<DOC>
<DOCNO> TEA-001 </DOCNO>
<DATE>1994</DATE>
<HEADLINE>
Tea &amp;
   biscuits
</HEADLINE>
<TEXT>
<P>
The price of tea
fell by 2 < 3 pence.
</P>
</TEXT>
<TEXT>A second part.</TEXT>
</DOC>

<DOC>
<DOCNO>TEA-002</DOCNO>
</DOC>
";

#[test]
fn a_document_is_its_headline_and_its_texts_without_tags_and_layout() {
    assert_eq!(
        documents(DocumentFormat::TrecSgml, NEWS).unwrap(),
        [
            document(
                "TEA-001",
                "Tea &amp; biscuits",
                "The price of tea fell by 2 < 3 pence. A second part."
            ),
            document("TEA-002", "", ""),
        ]
    );
}

#[test]
fn malformed_documents_are_named() {
    let cases = [
        (
            "<DOC>\n<TEXT>x</TEXT>\n</DOC>\n",
            "docs:1: found a <DOC> without a <DOCNO>, expected one doc_id",
        ),
        (
            "<DOC>\n<DOCNO>1</DOCNO>\n",
            "docs:1: found <DOC> and then the end of the file, expected </DOC>",
        ),
        ("<DOC>\n<DOCNO>1</DOCNO>\n<DOC>\n", "docs:3: found <DOC>, expected </DOC>"),
        ("\n1\ttea\n", "docs:2: found `1\ttea`, expected <DOC>"),
        (
            "<DOC>\n<DOCNO>1 2</DOCNO>\n</DOC>\n",
            "docs:1: found `1 2`, expected a doc_id without white space (run files are split at it)",
        ),
    ];
    for (content, message) in cases {
        assert_eq!(documents(DocumentFormat::TrecSgml, content).unwrap_err(), message);
    }
}

const TOPICS: &str = "\
<top>
<num> Number: 301
<title> Topic: Tea
  and Organized Crime

<desc> Description:
Which gangs deal in tea?
</top>

<top>
<num>302</num>
<title>Coffee</title>
</top>
";

#[test]
fn a_topic_is_its_title() {
    let queries = queries(QueryFormat::TrecTopics, TOPICS).unwrap();
    assert_eq!(pairs(&queries), [("301", "Tea and Organized Crime"), ("302", "Coffee")]);
}

#[test]
fn malformed_topics_are_named() {
    let cases = [
        (
            "<top>\n<title> tea\n</top>\n",
            "queries:1: found a <top> without <num>, expected <num> and <title>",
        ),
        (
            "\n<top>\n<num> 1\n</top>\n",
            "queries:2: found a <top> without <title>, expected <num> and <title>",
        ),
        (
            "<top>\n<num> 1\n<title> tea\n",
            "queries:1: found <top> and then the end of the file, expected </top>",
        ),
    ];
    for (content, message) in cases {
        assert_eq!(queries(QueryFormat::TrecTopics, content).unwrap_err(), message);
    }
}

#[test]
fn judgements_have_four_columns_between_any_white_space() {
    let expected: Qrels = [("301", "TEA-001", 1), ("301", "TEA-002", -1)].into_iter().collect();
    let content = "\u{feff}301 0 TEA-001 1\n301\tQ0\tTEA-002\t-1\r\n";
    assert_eq!(qrels(QrelsFormat::Trec, content).unwrap(), expected);
}

#[test]
fn malformed_judgements_are_named() {
    assert_eq!(
        qrels(QrelsFormat::Trec, "1 0 d 1\n1 d 1\n").unwrap_err(),
        "qrels:2: found 3 columns, expected four columns (`query_id 0 doc_id grade`)"
    );
}
