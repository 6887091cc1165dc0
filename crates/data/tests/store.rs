//! The store: what goes in comes out, and nothing half-made is taken for whole.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nir_core::{Corpus, DocNo, Document, Silent};
use nir_data::{DocumentFormat, DocumentRef, Source, Store, StoreError, read_documents};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

fn import(dir: &Path, docs: &[Document]) -> Result<Store, StoreError> {
    Store::import(dir, docs.len() as u64, &Silent, |import| {
        for doc in docs {
            let Document { doc_id, title, text } = doc;
            import.add(DocumentRef { doc_id, title, text })?;
        }
        Ok(())
    })
}

fn document(store: &Store, doc: DocNo) -> Document {
    let [doc_id, title, text] = [store.doc_id(doc), store.title(doc), store.text(doc)];
    Document { doc_id: doc_id.into(), title: title.into(), text: text.into() }
}

/// `n` documents with names that are not in order.
fn numbered(n: u32) -> Vec<Document> {
    (0..n)
        .map(|row| Document {
            doc_id: format!("D{}", row.wrapping_mul(2_654_435_761)), // Knuth's multiplier: odd, so no repeat
            title: if row % 3 == 0 { String::new() } else { format!("Title {row}") },
            text: format!("the text of row {row}"),
        })
        .collect()
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dir = folder.path().join("store");
    (folder, dir)
}

#[test]
fn contents_is_title_space_text() {
    let (_folder, dir) = folder();
    let doc = |doc_id: &str, title: &str, text: &str| Document {
        doc_id: doc_id.into(),
        title: title.into(),
        text: text.into(),
    };
    let docs =
        [doc("a", "Tea", "is hot"), doc("ü", "", "no title"), doc("c", "", ""), doc("d", "T", "")];
    let store = import(&dir, &docs).unwrap();
    let contents: Vec<_> = (0..4).map(|row| store.contents(DocNo(row))).collect();
    assert_eq!(contents, ["Tea is hot", "no title", "", "T "]);
    assert_eq!(store.empty_texts(), 2);
    assert_eq!(store.doc_no("ü"), Some(DocNo(1)));
    assert_eq!(store.doc_no("e"), None);
}

#[test]
fn a_collection_of_nothing_is_one() {
    let (_folder, dir) = folder();
    let store = import(&dir, &[]).unwrap();
    assert!(store.is_empty());
    assert_eq!(store.doc_no("a"), None);
    store.verify().unwrap();
}

#[test]
fn names_are_found_among_many() {
    let (_folder, dir) = folder();
    let docs = numbered(100_000);
    let store = import(&dir, &docs).unwrap();
    for (row, doc) in docs.iter().enumerate().step_by(7) {
        assert_eq!(store.doc_no(&doc.doc_id), Some(DocNo(row as u32)));
        assert_eq!(document(&store, DocNo(row as u32)), *doc);
    }
    assert_eq!(store.doc_no("D"), None);
    store.verify().unwrap();
}

#[test]
fn a_repeated_name_is_refused_with_both_places_and_leaves_nothing() {
    let (folder, dir) = folder();
    let mut docs = numbered(5000);
    docs[3000].doc_id = docs[17].doc_id.clone();
    docs[4000].doc_id = docs[16].doc_id.clone();
    let error = import(&dir, &docs).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "`{}` names two documents, number 18 and number 3001 (lines, where a document is a line): \
             a doc_id must be unique",
            docs[17].doc_id
        )
    );
    assert_eq!(left_over(folder.path()), [".store.lock"]);
}

#[test]
fn the_digest_is_of_the_documents_and_not_of_the_file() {
    let (folder, _) = folder();
    let tsv = folder.path().join("docs.tsv");
    let jsonl = folder.path().join("docs.jsonl");
    fs::write(&tsv, "1\tTea\n2\tKäse\n").unwrap();
    fs::write(
        &jsonl,
        "{\"_id\":\"1\",\"text\":\"Tea\"}\n{\"text\":\"K\\u00e4se\",\"_id\":\"2\"}\n",
    )
    .unwrap();
    let store = |path: &Path, format| {
        let dir = path.with_added_extension("store");
        Store::import(&dir, 0, &Silent, |import| {
            Ok(read_documents(&Source::file(path), format, &mut |doc| Ok(import.add(doc)?))
                .map(drop)?)
        })
        .unwrap()
        .digest()
    };
    let digest = store(&tsv, DocumentFormat::Tsv);
    assert_eq!(store(&jsonl, DocumentFormat::BeirJsonl), digest);
    fs::write(&tsv, "2\tKäse\n1\tTea\n").unwrap();
    fs::remove_dir_all(tsv.with_added_extension("store")).unwrap();
    assert_ne!(store(&tsv, DocumentFormat::Tsv), digest);
}

#[test]
fn a_failed_import_leaves_nothing_and_says_what_the_reader_said() {
    let (folder, dir) = folder();
    let failed = Store::import(&dir, 0, &Silent, |import| {
        import.add(DocumentRef { doc_id: "a", title: "", text: "" })?;
        Err("docs.tsv:2: no tab".into())
    });
    assert_eq!(failed.unwrap_err().to_string(), "docs.tsv:2: no tab");
    assert_eq!(left_over(folder.path()), [".store.lock"]);
}

#[test]
fn import_does_not_overwrite() {
    let (_folder, dir) = folder();
    import(&dir, &numbered(1)).unwrap();
    let message = import(&dir, &numbered(2)).unwrap_err().to_string();
    assert!(message.ends_with("store: exists already; open it, or delete it to import again"));
    assert_eq!(Store::open(&dir).unwrap().len(), 1);
}

#[test]
fn of_many_at_once_one_imports_and_all_open() {
    let (_folder, dir) = folder();
    let imports = std::sync::atomic::AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let store = Store::open_or_import(&dir, 0, &Silent, |import| {
                    imports.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    import.add(DocumentRef { doc_id: "a", title: "", text: "tea" })?;
                    Ok(())
                });
                assert_eq!(store.unwrap().text(DocNo(0)), "tea");
            });
        }
    });
    assert_eq!(imports.into_inner(), 1);
}

#[test]
fn a_shortened_file_is_refused_by_name() {
    for file in ["contents.bin", "doc_ids.bin", "rows.bin", "names.bin", "buckets.bin"] {
        let (_folder, dir) = folder();
        drop(import(&dir, &numbered(100)).unwrap());
        let path = dir.join(file);
        let content = fs::read(&path).unwrap();
        replace(&path, &content[1..]);
        let message = Store::open(&dir).unwrap_err().to_string();
        let (found, expected) = (content.len() - 1, content.len());
        assert_eq!(
            message,
            format!(
                "{}: found {found} bytes, expected {expected} bytes; delete {} and import again",
                path.display(),
                dir.display()
            )
        );
    }
}

#[test]
fn a_header_that_is_missing_cut_or_of_another_version_is_refused() {
    let (_folder, dir) = folder();
    let message = |dir: &Path| Store::open(dir).unwrap_err().to_string();
    assert!(message(&dir).contains("not a store: no such folder"));
    drop(import(&dir, &numbered(10)).unwrap());
    let header = dir.join("store.json");
    let text = fs::read_to_string(&header).unwrap();
    replace(&header, &text.as_bytes()[..text.len() / 2]);
    assert!(message(&dir).contains("store.json: found EOF while parsing"));
    replace(&header, text.replace("\"version\": 1", "\"version\": 2").as_bytes());
    assert!(
        message(&dir).contains("found `nir store`, version 2, expected `nir store`, version 1")
    );
    replace(&header, text.replace("\"documents\": 10", "\"documents\": 11").as_bytes());
    assert!(message(&dir).contains("rows.bin: found 200 bytes, expected 220 bytes"));
    fs::remove_file(&header).unwrap();
    assert!(message(&dir).contains("not a store: no `store.json` in it"));
}

#[test]
fn a_changed_byte_is_found_by_verify() {
    let (_folder, dir) = folder();
    drop(import(&dir, &numbered(10)).unwrap());
    let path = dir.join("contents.bin");
    let mut content = fs::read(&path).unwrap();
    content[3] ^= 1;
    replace(&path, &content);
    let message = Store::open(&dir).unwrap().verify().unwrap_err().to_string();
    assert!(message.contains("found digest ") && message.contains("delete"), "{message}");
}

#[test]
#[should_panic(expected = "changed since it was imported")]
fn damaged_text_is_never_handed_out_as_str() {
    let (_folder, dir) = folder();
    drop(import(&dir, &numbered(10)).unwrap());
    let path = dir.join("contents.bin");
    let mut content = fs::read(&path).unwrap();
    content[3] = 0xff;
    replace(&path, &content);
    Store::open(&dir).unwrap().contents(DocNo(0));
}

fn documents() -> impl Strategy<Value = Vec<Document>> {
    let texts = prop_oneof![
        4 => "\\PC{0,40}",
        1 => Just(String::new()),
        1 => "(ä|\t|\n|𝄞|tea ){0,3}",
        1 => Just("a long text ".repeat(2000)),
    ];
    btree_set("[^\\s\\p{C}]{1,12}", 0..60).prop_flat_map(move |names| {
        let names: Vec<String> = names.into_iter().collect();
        let fields = vec(("\\PC{0,8}", texts.clone()), names.len());
        (Just(names).prop_shuffle(), fields).prop_map(|(names, fields)| {
            let documents = names.into_iter().zip(fields);
            documents.map(|(doc_id, (title, text))| Document { doc_id, title, text }).collect()
        })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_store_equals_its_source(docs in documents(), picks in vec(any::<prop::sample::Index>(), 10)) {
        let (_folder, dir) = folder();
        drop(import(&dir, &docs).unwrap());
        let store = Store::open(&dir).unwrap();
        prop_assert_eq!(store.len(), docs.len());
        for pick in picks.iter().filter(|_| !docs.is_empty()) {
            let row = pick.index(docs.len());
            let doc = DocNo(row as u32);
            prop_assert_eq!(&document(&store, doc), &docs[row]);
            prop_assert_eq!(store.doc_no(&docs[row].doc_id), Some(doc));
            let memory = nir_core::Documents::new([docs[row].clone()]).unwrap();
            prop_assert_eq!(store.contents(doc), memory.contents(DocNo(0)));
        }
        store.verify().unwrap();
    }

    #[test]
    fn ten_random_lines_of_a_file_are_found_in_its_store(
        texts in vec("[^\t\n\r\u{feff}]{0,60}", 10..200),
        picks in vec(any::<prop::sample::Index>(), 10),
    ) {
        let (folder, dir) = folder();
        let path = folder.path().join("docs.tsv");
        let lines = texts.iter().enumerate().map(|(n, text)| format!("doc{n}\t{text}\n"));
        fs::write(&path, lines.collect::<String>()).unwrap();
        let store = Store::import(&dir, 0, &Silent, |import| {
            let source = Source::file(&path);
            Ok(read_documents(&source, DocumentFormat::Tsv, &mut |doc| Ok(import.add(doc)?)).map(drop)?)
        }).unwrap();
        for pick in picks {
            let row = pick.index(texts.len());
            let doc = store.doc_no(&format!("doc{row}")).unwrap();
            prop_assert_eq!(doc, DocNo(row as u32));
            prop_assert_eq!(store.text(doc), &texts[row]);
        }
    }
}

const CHILD: &str = "NIR_TEST_IMPORT_INTO";
const CHILD_DOCUMENTS: u32 = 60_000;

/// Not a test of its own: the process that the next test kills.
#[test]
fn import_in_a_child() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    import(Path::new(&dir), &numbered(CHILD_DOCUMENTS)).unwrap();
}

#[test]
fn a_killed_import_is_never_taken_for_complete() {
    let (_folder, dir) = folder();
    let start = Instant::now();
    import_in_another_process(&dir).wait().unwrap();
    let whole_import = start.elapsed();
    fs::remove_dir_all(&dir).unwrap();
    let (mut whole, mut nothing) = (0, 0);
    for step in 0..40 {
        kill_an_import(&dir, whole_import * step / 36);
        match Store::open(&dir) {
            Ok(store) => {
                whole += 1;
                assert_eq!(store.len(), CHILD_DOCUMENTS as usize);
                store.verify().unwrap();
                fs::remove_dir_all(&dir).unwrap();
            }
            Err(error) => {
                nothing += 1;
                assert!(matches!(error, StoreError::NotAStore { .. }), "{error}");
                assert!(!dir.exists());
            }
        }
    }
    println!("of 40 imports killed, {whole} had finished and {nothing} had not");
    assert!(nothing > 0, "every child finished before it was killed");
    import(&dir, &numbered(10)).unwrap();
}

fn kill_an_import(dir: &Path, after: Duration) {
    let mut child = import_in_another_process(dir);
    std::thread::sleep(after);
    child.kill().expect("a child can be killed");
    child.wait().expect("a killed child ends");
}

fn import_in_another_process(dir: &Path) -> Child {
    Command::new(std::env::current_exe().expect("this test has a file"))
        .args(["--exact", "import_in_a_child"])
        .env(CHILD, dir)
        .stdout(Stdio::null())
        .spawn()
        .expect("this test can start itself")
}

/// Puts another file in the place of a read-only one.
fn replace(path: &Path, content: &[u8]) {
    fs::remove_file(path).expect("the folder is writable");
    fs::write(path, content).expect("the folder is writable");
}

fn left_over(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("the folder is there").flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
