use nir_core::Qrels;
use nir_data::{DocumentFormat, QrelsFormat, QueryFormat};

use super::{document, documents, pairs, qrels, queries};

const CRANFIELD: &str = "\
.I 1
.T
on the boiling of
water .
.A
someone,a.
.B
j. tea 25, 1958, 324.
.W
on the boiling of
water .
  an experimental study of kettles .
.. and .5 litres of them
.I 2
.T
.A
.B
.W
";

const CACM: &str = "\
.I 0007
.T
Tea by Computer
.B
CACM December, 1958
.A
Someone, A.
.X
7\t5\t7
.I 8
.T
Coffee
.W
An abstract.
";

#[test]
fn a_title_that_the_text_repeats_is_said_once() {
    assert_eq!(
        documents(DocumentFormat::Smart, CRANFIELD).unwrap(),
        [
            document(
                "1",
                "on the boiling of water .",
                "an experimental study of kettles . .. and .5 litres of them"
            ),
            document("2", "", ""),
        ]
    );
}

#[test]
fn authors_dates_and_citations_are_not_text() {
    assert_eq!(
        documents(DocumentFormat::Smart, CACM).unwrap(),
        [document("7", "Tea by Computer", ""), document("8", "Coffee", "An abstract.")]
    );
}

#[test]
fn the_query_id_is_the_position_because_the_judgements_count_positions() {
    let content = ".I 001\n.W\nwhat boils\nfirst .\n.I 004\n.W\nwhat does not .\n";
    let queries = queries(QueryFormat::Smart, content).unwrap();
    assert_eq!(pairs(&queries), [("1", "what boils first ."), ("2", "what does not .")]);
}

#[test]
fn cranfield_has_codes_and_cacm_only_relevant_documents() {
    let cranfield: Qrels = [("1", "184", 2), ("1", "29", -1)].into_iter().collect();
    assert_eq!(qrels(QrelsFormat::Smart, "1 184 2\n1  29  -1 \n").unwrap(), cranfield);
    let cacm: Qrels = [("1", "1410", 1), ("10", "46", 1)].into_iter().collect();
    assert_eq!(qrels(QrelsFormat::Smart, "01 1410  0 0\n10 0046 0 0.000000\n").unwrap(), cacm);
}

#[test]
fn malformed_records_are_named() {
    let cases = [
        ("tea\n", "docs:1: found `tea`, expected `.I number` and then a field (`.T`, `.W`, …)"),
        (
            ".I 1\ntea\n",
            "docs:2: found `tea`, expected `.I number` and then a field (`.T`, `.W`, …)",
        ),
        (".I 1\n.W\ntea\n.I one\n", "docs:4: found `one`, expected a number"),
        (".I\n", "docs:1: found ``, expected a number"),
    ];
    for (content, message) in cases {
        assert_eq!(documents(DocumentFormat::Smart, content).unwrap_err(), message);
    }
    assert_eq!(
        queries(QueryFormat::Smart, ".I 1\n.W\n.I 2\n.W\ntea\n").unwrap_err(),
        "queries:1: found query 1 without words, expected a text under `.W`"
    );
    assert_eq!(
        qrels(QrelsFormat::Smart, "1 2 3 4\n").unwrap_err(),
        "qrels:1: found `1 2 3 4`, expected `query doc code` or `query doc 0 0`"
    );
}
