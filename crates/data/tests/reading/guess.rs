use nir_data::{DocumentFormat, QrelsFormat, QueryFormat, Source};

use super::Sample;

#[test]
fn the_name_tells_the_format_of_documents() {
    let cases = [
        ("docs.tsv.gz", DocumentFormat::Tsv),
        ("antique-collection.txt", DocumentFormat::Tsv),
        ("msmarco-docs.tsv.gz", DocumentFormat::MsMarcoDocs),
        ("scifact.zip!scifact/corpus.jsonl", DocumentFormat::BeirJsonl),
        ("train-00000-of-00001.parquet", DocumentFormat::Parquet),
        ("msmarco-docs.trec.gz", DocumentFormat::TrecSgml),
        ("cran.tar.gz!cran.all.1400", DocumentFormat::Smart),
        ("cacm.tar.gz!cacm.all", DocumentFormat::Smart),
    ];
    for (name, format) in cases {
        let source: Source = name.parse().unwrap();
        assert_eq!(DocumentFormat::guess(&source).unwrap(), format, "{name}");
    }
}

#[test]
fn the_name_tells_the_format_of_queries() {
    let cases = [
        ("queries.dev.tsv", QueryFormat::Tsv),
        ("queries.jsonl.zst", QueryFormat::BeirJsonl),
        ("queries.parquet", QueryFormat::Parquet),
        ("topics.robust04.txt", QueryFormat::TrecTopics),
        ("cran.qry", QueryFormat::Smart),
        ("query.text", QueryFormat::Smart),
    ];
    for (name, format) in cases {
        assert_eq!(QueryFormat::guess(&Source::file(name)).unwrap(), format, "{name}");
    }
}

#[test]
fn the_first_line_tells_beir_judgements_from_those_of_ms_marco() {
    let beir = Sample::new("test.tsv", "query-id\tcorpus-id\tscore\nq\td\t1\n");
    let ms_marco = Sample::new("qrels.dev.tsv", "q\t0\td\t1\n");
    assert_eq!(QrelsFormat::guess(&beir.source).unwrap(), QrelsFormat::BeirTsv);
    assert_eq!(QrelsFormat::guess(&ms_marco.source).unwrap(), QrelsFormat::Trec);
    for (name, format) in [
        ("qrels.txt", QrelsFormat::Trec),
        ("cranqrel", QrelsFormat::Smart),
        ("qrels.text", QrelsFormat::Smart),
        ("qrels.parquet", QrelsFormat::Parquet),
    ] {
        assert_eq!(QrelsFormat::guess(&Source::file(name)).unwrap(), format, "{name}");
    }
}

#[test]
fn a_name_that_tells_nothing_is_refused() {
    assert_eq!(
        DocumentFormat::guess(&Source::file("data.bin")).unwrap_err().to_string(),
        "data.bin: the name does not tell the format: expected one of *.tsv, *.jsonl, *.parquet, *.trec, *.all"
    );
}
