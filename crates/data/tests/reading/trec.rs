use nir_core::Qrels;
use nir_data::{DocumentFormat, QrelsFormat, QueryFormat};

use super::{document, documents, pairs, qrels, queries, said_of_documents};

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
                "Tea & biscuits",
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
        ("<DOC><DOCNO>1</DOCNO>x <DOC><DOCNO>2</DOCNO>", "docs:1: found <DOC>, expected </DOC>"),
        ("<DOCS>\ntea\n</DOCS>", "docs:2: found `tea`, expected <DOC>"),
        ("\n1\ttea\n", "docs:2: found `1\\ttea`, expected <DOC>"),
        (
            "<DOC>\n<DOCNO>1 2</DOCNO>\n</DOC>\n",
            "docs:1: found `1 2`, expected a doc_id without white space or control characters (run files are split at them)",
        ),
    ];
    for (content, message) in cases {
        assert_eq!(documents(DocumentFormat::TrecSgml, content).unwrap_err(), message);
    }
}

/// The only document of a file.
#[track_caller]
fn only(content: &str) -> nir_core::Document {
    let docs = documents(DocumentFormat::TrecSgml, content).unwrap();
    assert_eq!(docs.len(), 1, "{content}");
    docs.into_iter().next().unwrap()
}

#[test]
fn layout_and_case_of_the_tags_mean_nothing() {
    let tea = document("A-1", "", "green tea");
    for content in [
        "<DOC><DOCNO>A-1</DOCNO><TEXT>green tea</TEXT></DOC>",
        "<doc>\n<docno> A-1 </docno>\n<text>green\ntea</text>\n</doc>\n",
        "<DOC\n id='A-1' type=\"story\">\n<Text><p>green</p> <P>tea</Text></DOC >",
        "<?xml version=\"1.0\"?>\n<!-- ours\n -->\n<!DOCTYPE docs>\n<DOCS>\n<DOC>\n<DOCNO>A-1</DOCNO>\n<TEXT>green tea</TEXT>\n</DOC>\n</DOCS>\n",
        "\u{feff}<DOC>\r\n<DOCNO>A-1</DOCNO>\r\n<TEXT>\r\ngreen tea\r\n</TEXT>\r\n</DOC>\r\n",
        "<DOC><DOCNO>A-1</DOCNO><DOCID>7</DOCID><TEXT>green<!-- hot --> tea</TEXT></DOC>",
    ] {
        assert_eq!(only(content), tea, "{content}");
    }
    let two = "<DOC><DOCNO>1</DOCNO><TEXT>a</TEXT></DOC><DOC><DOCNO>2</DOCNO><TEXT>b</TEXT></DOC>";
    assert_eq!(documents(DocumentFormat::TrecSgml, two).unwrap().len(), 2);
}

#[test]
fn a_text_is_found_wherever_it_stands() {
    let cases = [
        ("green tea", "", "green tea"),
        ("<TITLE>green</TITLE><BODY>tea</BODY>", "green", "tea"),
        ("<HL> green </HL><LP>\ntea\n</LP><TEXT>leaf</TEXT>", "green", "tea leaf"),
        ("<TEXT>green</TEXT>\n<TEXT>tea</TEXT>", "", "green tea"),
        ("<ABSTRACT>green tea</ABSTRACT><DATE>1994</DATE>", "", "green tea"),
        ("<SUBJECT>drinks</SUBJECT><TEXT>green tea</TEXT>", "", "green tea"),
        ("green <TEXT>tea</TEXT>", "", "green tea"),
        ("<P>green<P>tea", "", "green tea"),
        (
            "<DOCHDR>HTTP 200</DOCHDR><html><head><title>Tea</title></head><body><p>green</body></html>",
            "Tea",
            "green",
        ),
        ("<TEXT>the tag <doc> and 2 <3</TEXT>", "", "the tag and 2 <3"),
        ("<TEXT>caf&eacute; AT&amp;T &hyph; R&D</TEXT>", "", "café AT&T &hyph; R&D"),
        ("<TEXT>Über <B>größe</B> 茶</TEXT>", "", "Über größe 茶"),
    ];
    for (inside, title, text) in cases {
        let doc = only(&format!("<DOC>\n<DOCNO>A-1</DOCNO>\n{inside}\n</DOC>\n"));
        assert_eq!(doc, document("A-1", title, text), "{inside}");
    }
}

#[test]
fn documents_without_a_word_are_counted() {
    let content = "<DOC><DOCNO>1</DOCNO><TEXT> <P> </TEXT></DOC><DOC><DOCNO>2</DOCNO></DOC>";
    assert_eq!(
        said_of_documents(DocumentFormat::TrecSgml, content),
        ["docs: 2 documents have neither title nor text, the first is `1`"]
    );
}

#[test]
fn topics_are_read_in_every_layout() {
    for content in [
        "<top><num>Number: 34</num><title>tea</title></top>",
        "<TOP>\n<NUM>number: 34\n<TITLE>Topic: tea\n<DESC>Description: hot\n</TOP>\n",
        "<?xml version=\"1.0\"?>\n<topics task=\"x\">\n<topic number=\"34\">\n<query>tea</query>\n<description>hot</description></topic>\n</topics>\n",
        "<topics><topic><num>34</num><title><b>tea</b></title></topic></topics>",
        "<topics>\n<topic number=\"34\">\n tea\n</topic>\n</topics>",
    ] {
        let queries = queries(QueryFormat::TrecTopics, content).unwrap();
        assert_eq!(pairs(&queries), [("34", "tea")], "{content}");
    }
    let other = "<top>\n<num> Number: 1\n<title> Größe von Tee & Kaffee\n<desc> é\n</top>\n";
    assert_eq!(
        pairs(&queries(QueryFormat::TrecTopics, other).unwrap()),
        [("1", "Größe von Tee & Kaffee")]
    );
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
fn a_name_may_begin_with_a_number_sign() {
    let expected: Qrels = [("#tea", "d1", 1), ("#", "#d2", 0)].into_iter().collect();
    assert_eq!(qrels(QrelsFormat::Trec, "#tea 0 d1 1\n# 0 #d2 0\n").unwrap(), expected);
}

#[test]
fn malformed_judgements_are_named() {
    assert_eq!(
        qrels(QrelsFormat::Trec, "1 0 d 1\n1 d 1\n").unwrap_err(),
        "qrels:2: found 3 columns, expected four columns (`query_id 0 doc_id grade`), or on the first line a header such as `query-id corpus-id score`"
    );
}
