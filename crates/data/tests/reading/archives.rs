use std::io::{Cursor, Write};

use nir_core::Document;
use nir_data::{DocumentFormat, Source};
use zip::write::SimpleFileOptions;

use super::{Sample, document, fixture, gather};

const DOCS: &str = "1\tTea is hot.\n2\tCoffee too.\n";

fn expected() -> [Document; 2] {
    [document("1", "", "Tea is hot."), document("2", "", "Coffee too.")]
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(content).expect("memory takes everything");
    encoder.finish().expect("memory takes everything")
}

fn zstd(content: &[u8]) -> Vec<u8> {
    zstd::encode_all(content, 1).expect("memory takes everything")
}

fn bzip2(content: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(content).expect("memory takes everything");
    encoder.finish().expect("memory takes everything")
}

fn xz(content: &[u8]) -> Vec<u8> {
    let options = lzma_rust2::XzOptions::with_preset(1);
    let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), options).expect("a usual preset");
    encoder.write_all(content).expect("memory takes everything");
    encoder.finish().expect("memory takes everything")
}

fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        builder.append_data(&mut header, name, *content).expect("memory takes everything");
    }
    builder.into_inner().expect("memory takes everything")
}

fn zip(members: &[(&str, &[u8])], method: zip::CompressionMethod) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(method);
    for (name, content) in members {
        writer.start_file(*name, options).expect("memory takes everything");
        writer.write_all(content).expect("memory takes everything");
    }
    writer.finish().expect("memory takes everything").into_inner()
}

/// The documents of a member of `content`, or what is wrong.
fn member(name: &str, content: &[u8], member: &str) -> Result<Vec<Document>, String> {
    let sample = Sample::new(name, content);
    let source = Source::member(&sample.source.path, member);
    gather(&source, DocumentFormat::Tsv).map_err(|error| sample.say(&error))
}

#[test]
fn compression_is_told_by_content_not_by_name() {
    let (first, second) = DOCS.as_bytes().split_at(5);
    let packers = [gzip, zstd, bzip2, xz];
    let parts = packers.map(|pack| [pack(first), pack(second)].concat());
    let whole = packers.map(|pack| pack(DOCS.as_bytes()));
    for content in [DOCS.as_bytes().to_vec()].into_iter().chain(parts).chain(whole) {
        let sample = Sample::new("docs.tsv", content);
        assert_eq!(gather(&sample.source, DocumentFormat::Tsv).unwrap(), expected());
    }
}

#[test]
fn a_text_that_begins_like_a_packed_file_is_a_text() {
    let sample = Sample::new("docs.tsv", "BZh9\ttea\n");
    assert_eq!(gather(&sample.source, DocumentFormat::Tsv).unwrap(), [document("BZh9", "", "tea")]);
}

#[test]
fn a_member_of_a_tar_archive_however_compressed() {
    let long_name = format!("{}/docs.tsv", "folder".repeat(30));
    for name in ["./data/docs.tsv", "docs.tsv", &long_name] {
        let archive = tar(&[("other.tsv", b"x"), (name, DOCS.as_bytes()), ("z.tsv", b"y\tz\n")]);
        for packed in
            [archive.clone(), gzip(&archive), zstd(&archive), bzip2(&archive), xz(&archive)]
        {
            assert_eq!(member("all.tar.gz", &packed, name).unwrap(), expected());
        }
    }
}

#[test]
fn a_member_of_a_zip_archive_stored_or_deflated() {
    for method in [zip::CompressionMethod::Stored, zip::CompressionMethod::Deflated] {
        let archive = zip(&[("a/other.tsv", b"x"), ("a/docs.tsv", DOCS.as_bytes())], method);
        assert_eq!(member("all.zip", &archive, "a/docs.tsv").unwrap(), expected());
    }
}

#[test]
fn a_member_may_itself_be_compressed() {
    let packed = gzip(DOCS.as_bytes());
    assert_eq!(member("a.tar", &tar(&[("d.tsv.gz", &packed)]), "d.tsv.gz").unwrap(), expected());
    let archive = zip(&[("d.tsv.gz", &packed)], zip::CompressionMethod::Stored);
    assert_eq!(member("a.zip", &archive, "d.tsv.gz").unwrap(), expected());
}

#[test]
fn parquet_is_read_from_an_archive_too() {
    let content = std::fs::read(fixture("corpus.parquet").path).unwrap();
    let archive = zip(&[("c.parquet", &content)], zip::CompressionMethod::Deflated);
    let sample = Sample::new("nano.zip", archive);
    let source = Source::member(&sample.source.path, "c.parquet");
    assert_eq!(gather(&source, DocumentFormat::Parquet).unwrap().len(), 3);
    let packed = Sample::new("c.parquet.gz", gzip(&content));
    assert_eq!(gather(&packed.source, DocumentFormat::Parquet).unwrap().len(), 3);
}

#[test]
fn an_error_names_archive_member_and_line() {
    let bad: &[(&str, &[u8])] = &[("d.tsv", b"1\ta\n2\n")];
    let message = "!d.tsv:2: found no tab, expected `doc_id TAB text`; if there are more columns, a first line must name \
                   them: `id TAB text TAB title`";
    assert_eq!(
        member("a.zip", &zip(bad, zip::CompressionMethod::Deflated), "d.tsv").unwrap_err(),
        format!("a.zip{message}")
    );
    assert_eq!(
        member("a.tar.gz", &gzip(&tar(bad)), "d.tsv").unwrap_err(),
        format!("a.tar.gz{message}")
    );
}

#[test]
fn a_missing_member_is_named_with_those_there_are() {
    let members: &[(&str, &[u8])] = &[("a.tsv", b""), ("b.tsv", b"")];
    let message = "no member `c.tsv`: expected one of `a.tsv`, `b.tsv`";
    assert_eq!(
        member("x.zip", &zip(members, zip::CompressionMethod::Stored), "c.tsv").unwrap_err(),
        format!("x.zip: {message}")
    );
    assert_eq!(member("x.tar", &tar(members), "c.tsv").unwrap_err(), format!("x.tar: {message}"));
}

#[test]
fn an_archive_is_not_taken_for_a_file() {
    let members: &[(&str, &[u8])] = &[("d.tsv", DOCS.as_bytes())];
    let archives = [
        ("x.zip", zip(members, zip::CompressionMethod::Deflated)),
        ("x.tar", tar(members)),
        ("x.tar.gz", gzip(&tar(members))),
    ];
    for (name, archive) in archives {
        let sample = Sample::new(name, archive);
        let error = gather(&sample.source, DocumentFormat::Tsv).unwrap_err();
        assert_eq!(
            sample.say(&error),
            format!("{name}: an archive holds several files: name one as `{name}!d.tsv`")
        );
    }
}

#[test]
fn a_cut_or_damaged_file_is_an_error_and_not_a_short_collection() {
    let many: Vec<String> = (0..5000).map(|n| format!("{n}\ttext number {n}\n")).collect();
    let many = many.concat();
    for pack in [gzip, zstd, bzip2, xz] {
        let packed = pack(many.as_bytes());
        let cut = Sample::new("docs.tsv", &packed[..packed.len() / 2]);
        let error = gather(&cut.source, DocumentFormat::Tsv).unwrap_err();
        assert!(cut.say(&error).ends_with("delete it and fetch it again"), "{error}");
    }

    let archive = tar(&[("d.tsv", many.as_bytes())]);
    let error = member("a.tar", &archive[..archive.len() / 2], "d.tsv").unwrap_err();
    assert!(error.contains("the member ends ") && error.contains("a.tar!d.tsv:"), "{error}");

    let mut archive = zip(&[("d.tsv", many.as_bytes())], zip::CompressionMethod::Stored);
    let place = archive.windows(9).position(|bytes| bytes == b"number 42").unwrap();
    archive[place] = b'N';
    let error = member("a.zip", &archive, "d.tsv").unwrap_err();
    assert!(error.contains("the member's checksum is wrong"), "{error}");
}
