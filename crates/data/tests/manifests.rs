//! Every manifest that comes with the program agrees with itself and with the others.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail like a test")]

use std::collections::{BTreeMap, BTreeSet};

use nir_data::{Documents, Manifest, Manifests, PartSource, RemoteFile, Scope, Topics};

fn manifests() -> Manifests {
    Manifests::load(None).unwrap()
}

/// Every official file of every dataset, with the dataset.
fn files<'m>(manifests: &'m Manifests) -> Vec<(&'m Manifest, &'m RemoteFile)> {
    let of = |manifest: &'m Manifest| {
        let candidates = manifest.candidates.iter().map(|part| &part.file);
        let files = manifests.official_files(manifest).into_values().chain(candidates);
        files.map(move |file| (manifest, file))
    };
    manifests.iter().flat_map(of).collect()
}

fn sources(manifest: &Manifest) -> Vec<&PartSource> {
    let mut sources = Vec::new();
    if let Documents::Files(part) = &manifest.corpus.documents {
        sources.extend(&part.sources);
    }
    if let Topics::Files(parts) = &manifest.topics {
        sources.extend(parts.sources());
    }
    sources
}

#[test]
fn a_file_name_means_one_file_everywhere() {
    let manifests = manifests();
    let mut known: BTreeMap<&str, &RemoteFile> = BTreeMap::new();
    for (manifest, file) in files(&manifests) {
        let before = known.insert(&file.name, file);
        assert!(before.is_none_or(|before| before == file), "{}: {}", manifest.name, file.name);
    }
}

#[test]
fn every_official_file_has_an_address() {
    for (manifest, file) in files(&manifests()) {
        // These are given to those who sign for them, and the licence says so.
        let by_hand = ["codec_documents.jsonl", "trec-disks45-nocr.trec.gz"];
        let by_hand = by_hand.contains(&file.name.as_str());
        assert_eq!(file.is_manual(), by_hand, "{}: {}", manifest.name, file.name);
        assert!(!by_hand || manifest.licence.note.contains("--from FOLDER"), "{}", manifest.name);
        assert!(file.urls.iter().all(|url| url.starts_with("http")), "{}", manifest.name);
    }
}

#[test]
fn files_without_a_published_checksum_are_known() {
    let manifests = manifests();
    let files = files(&manifests);
    let unknown = files.iter().filter(|(_, file)| file.md5.is_none() && file.sha256.is_none());
    let unknown: BTreeSet<&str> = unknown.map(|(_, file)| file.name.as_str()).collect();
    assert_eq!(unknown, BTreeSet::from(NOT_PUBLISHED));
}

/// The files of which nobody has published a checksum: what arrived is recorded with the dataset.
const NOT_PUBLISHED: [&str; 11] = [
    "2024-retrieval-qrels.txt",
    "cacm.tar.gz",
    "codec_documents.jsonl",
    "msmarco-docs.tsv.gz",
    "nq-dev.qa.csv",
    "nq-test.qa.csv",
    "squad1-test.qa.csv",
    "trec-disks45-nocr.trec.gz",
    "trivia-dev.qa.csv.gz",
    "trivia-test.qa.csv.gz",
    "webquestions-test.qa.csv",
];

#[test]
fn archives_name_a_member_and_plain_files_none() {
    let manifests = manifests();
    for manifest in manifests.iter() {
        for source in sources(manifest) {
            let archive = [".zip", ".tar", ".tar.gz"].iter().any(|end| source.file.ends_with(end));
            assert_eq!(archive, source.member.is_some(), "{}: {}", manifest.name, source.file);
        }
    }
}

#[test]
fn families_are_complete() {
    let manifests = manifests();
    let count = |start: &str| manifests.iter().filter(|m| m.name.starts_with(start)).count();
    assert_eq!(count("nano-beir-"), 13);
    assert_eq!(count("beir-cqadupstack-"), 12);
    // 15 public sets, of which Touché has two versions, SciFact two splits and CQADupStack twelve forums.
    assert_eq!(count("beir-") - 12, 14 + 1 + 1);
}

#[test]
fn queries_are_dropped_from_their_rankings_where_they_are_documents() {
    let manifests = manifests();
    let flagged: Vec<&str> = manifests
        .iter()
        .filter(|manifest| manifest.card.exclude_query_id)
        .map(|manifest| manifest.name.as_str())
        .collect();
    assert_eq!(flagged, ["beir-arguana", "beir-quora", "nano-beir-arguana", "nano-beir-quora"]);
}

#[test]
fn every_licence_and_citation_says_something() {
    for manifest in manifests().iter() {
        let (licence, citation) = (&manifest.licence, &manifest.citation);
        for text in [&licence.name, &licence.url, &licence.note, &citation.key, &citation.text] {
            assert!(!text.is_empty(), "{}", manifest.name);
        }
    }
}

#[test]
fn what_a_dataset_samples_is_a_dataset() {
    let manifests = manifests();
    for manifest in manifests.iter() {
        assert_eq!(manifest.card.scope == Scope::Sample, manifest.sample_of().is_some());
        if let Some(whole) = manifest.sample_of() {
            assert_eq!(manifests.get(whole).unwrap().card.scope, Scope::Full, "{whole}");
        }
    }
}
