use nir_data::read_candidates;

use super::{Sample, pairs};

#[test]
fn queries_may_be_mixed_and_candidates_keep_the_order_of_the_file() {
    let content = "2\td9\thot tea\tA.\n1\td1\tcoffee\tB.\n2\td3\thot tea\tC.\n";
    let candidates = read_candidates(&Sample::new("top1000.tsv", content).source).unwrap().value;
    assert_eq!(pairs(&candidates.queries), [("2", "hot tea"), ("1", "coffee")]);
    let found: Vec<_> = candidates.run.get("2").unwrap().iter().collect();
    assert_eq!(found.iter().map(|(doc_id, _)| *doc_id).collect::<Vec<_>>(), ["d9", "d3"]);
    assert!(found[0].1.score > found[1].1.score);
    assert_eq!((found[0].1.rank, found[1].1.rank), (1, 2));
}

#[test]
fn malformed_candidates_are_named() {
    let cases = [
        (
            "1\td1\ttea\n",
            "top:1: found 3 columns, expected `query_id TAB doc_id TAB query TAB passage`",
        ),
        (
            "1\td1\ttea\tA.\n1\td2\tcoffee\tB.\n",
            "top:2: found `coffee` for query `1`, expected `tea` as on its earlier lines",
        ),
        (
            "1\td1\ttea\tA.\n1\td1\ttea\tA.\n",
            "top:2: found `d1` twice for query `1`, expected each candidate once by the last line",
        ),
    ];
    for (content, message) in cases {
        let sample = Sample::new("top", content);
        let error = read_candidates(&sample.source).unwrap_err();
        assert_eq!(sample.say(&error), message);
    }
}
