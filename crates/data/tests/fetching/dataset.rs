//! A fetch from end to end, against a server on this machine.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use nir_core::{DocNo, Silent};
use nir_data::{
    Cache, Dataset, DatasetError, Fetch, Fetched, ImportError, Licence, Manifests, NoCandidates,
    OriginSource, Pace, Patience, State, Sums,
};
use tempfile::TempDir;

use crate::server::{Do, Server};

const QUICK: Patience = Patience {
    answer: Duration::from_secs(2),
    silence: Duration::from_millis(300),
    pace: Pace { bytes: 1_000, within: Duration::from_millis(400) },
    attempts: 2,
    backoff: Duration::from_millis(1),
    longest: 1 << 20,
    spare: 0,
};

/// Three documents, two queries and three judgements as BEIR packs them.
fn beir_zip() -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let mut add = |name: &str, text: &str| {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    };
    add(
        "tea/corpus.jsonl",
        "{\"_id\": \"d1\", \"title\": \"Tea\", \"text\": \"is a drink\"}\n\
         {\"_id\": \"d2\", \"title\": \"\", \"text\": \"coffee wakes\"}\n\
         {\"_id\": \"d3\", \"title\": \"\", \"text\": \"water boils\"}\n",
    );
    add(
        "tea/queries.jsonl",
        "{\"_id\": \"q1\", \"text\": \"tea\\tor\\ncoffee\"}\n{\"_id\": \"q2\", \"text\": \"heat\"}\n\
         {\"_id\": \"q3\", \"text\": \"nobody judged this\"}\n",
    );
    add("tea/qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t1\nq1\td2\t2\nq2\td3\t1\n");
    zip.finish().unwrap().into_inner()
}

const CARD: &str = r#"
[card]
name = "Tea"
description = "For this test."
language = "en"
homepage = ""
scope = "full"
split = "test"
measures = ["nDCG@10"]
exclude_query_id = false

[licence]
name = "Tea licence"
url = "http://127.0.0.1/licence"
note = "Drink it while it is hot."

[citation]
key = "tea"
text = "Tea"
url = ""
"#;

const PARTS: &str = r#"
[documents]
sources = [{ file = "tea.zip", member = "tea/corpus.jsonl" }]
format = "beir-jsonl"

[queries]
sources = [{ file = "tea.zip", member = "tea/queries.jsonl" }]
format = "beir-jsonl"
select = "judged"

[qrels]
sources = [{ file = "tea.zip", member = "tea/qrels/test.tsv" }]
format = "beir-tsv"
"#;

/// A checkout with the dataset `tea` in the archive at `url`, and an empty cache.
struct World {
    root: TempDir,
    cache: Cache,
    zip: Vec<u8>,
}

impl World {
    fn new(url: &str) -> Self {
        let root = TempDir::new().unwrap();
        let cache = Cache::at(root.path().join("cache"));
        let world = Self { root, cache, zip: beir_zip() };
        let zip = world.root.path().join("tea.zip");
        fs::write(&zip, &world.zip).unwrap();
        let md5 = Sums::of(&zip).unwrap().md5;
        let file = format!(
            "[[file]]\nname = \"tea.zip\"\nurls = [\"{url}\"]\nbytes = {}\nmd5 = \"{md5}\"\n",
            world.zip.len()
        );
        world.write("tea.toml", &format!("{CARD}{file}{PARTS}{}", counts(3)));
        world
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.root.path().join("datasets").join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn manifests(&self) -> Manifests {
        Manifests::load(Some(self.root.path())).unwrap()
    }

    fn fetch(&self, name: &str, options: &Options) -> Result<Fetched, ImportError> {
        with_fetch(options, |fetch| fetch.dataset(&self.manifests(), name, &self.cache))
    }

    fn fetch_candidates(
        &self,
        name: &str,
        options: &Options,
    ) -> Result<Vec<(String, Fetched)>, ImportError> {
        with_fetch(options, |fetch| fetch.candidates(&self.manifests(), name, &self.cache))
    }

    fn open(&self, name: &str) -> Result<Dataset, DatasetError> {
        Dataset::open(&self.cache, self.manifests().get(name).unwrap())
    }
}

fn with_fetch<T>(options: &Options, run: impl FnOnce(&Fetch<'_>) -> T) -> T {
    run(&Fetch {
        from: options.from.as_deref(),
        offline: options.offline,
        again: options.again,
        accept: &|_: &Licence| options.accept,
        patience: QUICK,
        progress: &Silent,
    })
}

struct Options {
    from: Option<std::path::PathBuf>,
    offline: bool,
    again: bool,
    accept: bool,
}

fn usual() -> Options {
    Options { from: None, offline: false, again: false, accept: true }
}

fn from(folder: &Path) -> Options {
    Options { from: Some(folder.to_owned()), offline: true, ..usual() }
}

fn counts(documents: usize) -> String {
    format!(
        "\n[counts]\ndocuments = {documents}\nqueries = 2\njudgements = 3\njudged_queries = 2\n"
    )
}

#[test]
fn a_dataset_is_downloaded_imported_and_opened() {
    let server = Server::start(&beir_zip(), &[Do::CutAfter(200), Do::Serve]);
    let world = World::new(&server.file());
    assert_eq!(world.fetch("tea", &usual()).unwrap(), Fetched::Imported);
    let tea = world.open("tea").unwrap();
    assert_eq!(tea.corpus.contents(DocNo(0)), "Tea is a drink");
    assert_eq!(tea.queries.len(), 2, "only judged queries were selected");
    assert_eq!(tea.queries[0].text, "tea\tor\ncoffee", "tabs and line ends of a query survive");
    assert_eq!(tea.qrels.get("q1").unwrap()["d2"], 2);
    let OriginSource::Official { files } = &tea.origin else { panic!("official files") };
    assert_eq!(files[0].sums.bytes, world.zip.len() as u64);
    assert_eq!(world.fetch("tea", &usual()).unwrap(), Fetched::AlreadyHere);
    assert_eq!(server.requests().len(), 2, "one download for documents, queries and qrels");
}

#[test]
fn the_licence_must_be_accepted_once() {
    let server = Server::start(&beir_zip(), &[Do::Serve]);
    let world = World::new(&server.file());
    let refused = world.fetch("tea", &Options { accept: false, ..usual() }).unwrap_err();
    let message = refused.to_string();
    assert!(message.contains("Tea licence") && message.contains("Drink it while it is hot."));
    assert!(message.ends_with("run `nir fetch tea --accept-licence`"));
    assert_eq!(server.requests().len(), 0);
    world.fetch("tea", &usual()).unwrap();
    world.fetch("tea", &Options { accept: false, again: true, ..usual() }).unwrap();
}

#[test]
fn official_files_on_disk_are_taken_after_their_checksum() {
    let world = World::new("http://127.0.0.1:9/archive.zip");
    let folder = world.root.path().join("mine");
    fs::create_dir(&folder).unwrap();
    // Under the name of its address, as a browser saves it.
    fs::write(folder.join("archive.zip"), &world.zip).unwrap();
    world.fetch("tea", &from(&folder)).unwrap();
    assert!(matches!(world.open("tea").unwrap().origin, OriginSource::Official { .. }));
    fs::write(folder.join("archive.zip"), "another").unwrap();
    let error = world.fetch("tea", &Options { again: true, ..from(&folder) }).unwrap_err();
    assert!(error.to_string().contains("not the official `tea.zip`: its size is 7"), "{error}");
    world.open("tea").unwrap();
}

#[test]
fn offline_says_which_file_is_missing_and_where_it_is() {
    let world = World::new("http://127.0.0.1:9/archive.zip");
    let error = world.fetch("tea", &Options { offline: true, ..usual() }).unwrap_err();
    assert!(error.to_string().starts_with("`tea.zip` is not here and --offline forbids"));
    assert!(error.to_string().contains("http://127.0.0.1:9/archive.zip"));
}

#[test]
fn wrong_counts_leave_nothing_behind() {
    let server = Server::start(&beir_zip(), &[Do::Serve]);
    let world = World::new(&server.file());
    let manifest = fs::read_to_string(world.root.path().join("datasets/tea.toml")).unwrap();
    world.write("tea.toml", &manifest.replace("documents = 3", "documents = 4"));
    let error = world.fetch("tea", &usual()).unwrap_err();
    assert!(error.to_string().starts_with("`tea` has 3 documents, its manifest says 4"), "{error}");
    assert!(matches!(world.open("tea"), Err(DatasetError::NotHere { .. })));
    assert!(!world.root.path().join("cache/corpora/tea").exists());
}

#[test]
fn a_changed_manifest_asks_for_a_new_fetch() {
    let server = Server::start(&beir_zip(), &[Do::Serve]);
    let world = World::new(&server.file());
    world.fetch("tea", &usual()).unwrap();
    let manifest = fs::read_to_string(world.root.path().join("datasets/tea.toml")).unwrap();
    world.write(
        "tea.toml",
        &manifest.replace("\"beir-tsv\"", "\"beir-tsv\"\ngrades = { \"1\" = 1, \"2\" = 1 }"),
    );
    assert!(matches!(world.open("tea"), Err(DatasetError::Stale { .. })));
    assert_eq!(world.fetch("tea", &usual()).unwrap(), Fetched::Imported);
    assert_eq!(world.open("tea").unwrap().qrels.get("q1").unwrap()["d2"], 1);
}

#[test]
fn a_code_the_manifest_does_not_know_is_an_error() {
    let server = Server::start(&beir_zip(), &[Do::Serve]);
    let world = World::new(&server.file());
    let manifest = fs::read_to_string(world.root.path().join("datasets/tea.toml")).unwrap();
    world.write(
        "tea.toml",
        &manifest.replace("\"beir-tsv\"", "\"beir-tsv\"\ngrades = { \"1\" = 1 }"),
    );
    let error = world.fetch("tea", &usual()).unwrap_err();
    assert_eq!(error.to_string(), "query `q1` has a judgement with code 2: the manifest knows [1]");
}

const SAMPLE: &str = r#"
[sample]
of = "tea"
documents = "sip.docs.txt"
queries = "sip.queries.txt"
rule = "the first two documents and the first query"

[counts]
documents = 2
queries = 1
judgements = 2
judged_queries = 1
"#;

fn with_sample(world: &World, documents: &str) {
    world.write("sip.toml", &format!("{}{SAMPLE}", CARD.replace("\"full\"", "\"sample\"")));
    world.write("sip.docs.txt", documents);
    world.write("sip.queries.txt", "q1\n");
}

#[test]
fn a_sample_is_cut_from_what_it_samples() {
    let server = Server::start(&beir_zip(), &[Do::Serve]);
    let world = World::new(&server.file());
    with_sample(&world, "d1\nd3\n");
    world.fetch("sip", &usual()).unwrap();
    let sip = world.open("sip").unwrap();
    assert_eq!((sip.corpus.len(), sip.queries.len()), (2, 1));
    assert_eq!(sip.corpus.contents(DocNo(0)), "Tea is a drink");
    assert_eq!(sip.judged_outside(), 1, "d2 is judged and not in the sample");
    let OriginSource::Sample { of, parent, .. } = &sip.corpus_origin else { panic!("a sample") };
    assert_eq!((of.as_str(), parent.kind()), ("tea", "official files"));
    assert!(matches!(
        Dataset::state(&world.cache, world.manifests().get("tea").unwrap()).unwrap(),
        State::Fetched(_)
    ));
}

#[test]
fn a_sample_of_what_is_not_there_is_refused() {
    let server = Server::start(&beir_zip(), &[Do::Serve]);
    let world = World::new(&server.file());
    with_sample(&world, "d1\nd7\nd8\n");
    let error = world.fetch("sip", &usual()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`sip` should hold document `d7`, and 1 more that are not there either"
    );
}

#[test]
fn a_plain_folder_must_hold_the_documents_of_the_sample() {
    let world = World::new("http://127.0.0.1:9/archive.zip");
    with_sample(&world, "d1\nd3\n");
    let folder = world.root.path().join("plain");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("docs.tsv"), "d1\tTea is a drink\nd4\tmilk\n").unwrap();
    fs::write(folder.join("queries.tsv"), "q1\ttea\n").unwrap();
    fs::write(folder.join("qrels.txt"), "q1 0 d1 1\nq1 0 d2 2\n").unwrap();
    let error = world.fetch("sip", &from(&folder)).unwrap_err();
    assert!(error.to_string().starts_with("`sip` should hold document `d3`"), "{error}");
    fs::write(folder.join("docs.tsv"), "d3\twater boils\nd1\tTea is a drink\n").unwrap();
    world.fetch("sip", &from(&folder)).unwrap();
    assert_eq!(world.open("sip").unwrap().corpus_origin.kind(), "plain folder");
}

#[test]
fn an_empty_folder_says_what_it_should_hold() {
    let world = World::new("http://127.0.0.1:9/archive.zip");
    let folder = TempDir::new().unwrap();
    let message = world.fetch("tea", &from(folder.path())).unwrap_err().to_string();
    assert!(message.contains("neither an official file of `tea` (tea.zip) nor a plain folder"));
}

#[test]
fn unknown_keys_are_errors_with_file_line_and_known_keys() {
    let world = World::new("http://127.0.0.1:9/archive.zip");
    let manifest = fs::read_to_string(world.root.path().join("datasets/tea.toml")).unwrap();
    world.write("tea.toml", &manifest.replace("split = ", "splits = "));
    let message = Manifests::load(Some(world.root.path())).unwrap_err().to_string();
    assert!(
        message.contains("datasets/tea.toml:8: unknown field `splits`, expected one of"),
        "{message}"
    );
    assert!(message.contains("`split`"));
}

/// A dataset with answers in place of judgements, of which every file is the archive's member at the server.
const WITH_ANSWERS: &str = r#"
[documents]
sources = [{ file = "tea.zip", member = "psgs_w100.tsv" }]
format = "dpr-passages"

[queries]
sources = [{ file = "tea.zip", member = "test.qa.csv" }]
format = "dpr-questions"
select = "all"

[answers]
sources = [{ file = "tea.zip", member = "test.qa.csv" }]
format = "dpr-questions"

[counts]
documents = 1
queries = 2
"#;

#[test]
fn a_dataset_may_have_answers_in_place_of_judgements() {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, text) in [
        ("psgs_w100.tsv", "id\ttext\ttitle\n1\t\"Tea was \"\"cha\"\" in 1911\"\tTea\n"),
        ("test.qa.csv", "when was tea\t['1911', 'in 1911']\nwhat was tea\t[\"cha\"]\n"),
    ] {
        zip.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    let zip = zip.finish().unwrap().into_inner();
    let server = Server::start(&zip, &[Do::Serve]);
    let world = World::new(&server.file());
    let file = format!("[[file]]\nname = \"tea.zip\"\nurls = [\"{}\"]\n", server.file());
    world.write("tea.toml", &format!("{CARD}{file}{WITH_ANSWERS}"));
    assert_eq!(world.fetch("tea", &usual()).unwrap(), Fetched::Imported);
    let tea = world.open("tea").unwrap();
    assert_eq!(tea.corpus.text(DocNo(0)), "Tea was \"cha\" in 1911");
    assert!(tea.is_judged() && tea.qrels.is_empty());
    assert_eq!(tea.answers.get("0").unwrap(), ["1911", "in 1911"]);
    let before = tea.digest;
    // Other answers are another dataset.
    let plain = world.root.path().join("plain");
    fs::create_dir(&plain).unwrap();
    fs::write(plain.join("docs.tsv"), "1\tTea was in 1911\n").unwrap();
    fs::write(plain.join("queries.test.tsv"), "0\twhen was tea\n1\twhat was tea\n").unwrap();
    let answers =
        "{\"query_id\": \"0\", \"answers\": [\"1912\"]}\n{\"query_id\": \"1\", \"answers\": []}\n";
    fs::write(plain.join("answers.test.jsonl"), answers).unwrap();
    world.fetch("tea", &Options { again: true, ..from(&plain) }).unwrap();
    let tea = world.open("tea").unwrap();
    assert_eq!(tea.answers.get("0").unwrap(), ["1912"]);
    assert_ne!(tea.digest, before);
}

#[test]
fn judgements_and_answers_do_not_go_together() {
    let world = World::new("http://127.0.0.1:9/archive.zip");
    let manifest = fs::read_to_string(world.root.path().join("datasets/tea.toml")).unwrap();
    let answers = "[answers]\nsources = [{ file = \"tea.zip\" }]\nformat = \"jsonl\"\n";
    world.write("tea.toml", &format!("{manifest}\n{answers}"));
    let error = Manifests::load(Some(world.root.path())).unwrap_err().to_string();
    assert!(
        error.contains("needs either `[queries]` and one of `[qrels]` and `[answers]`"),
        "{error}"
    );
}

#[test]
fn candidates_are_fetched_when_they_are_asked_for() {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(b"q2\td9\theat\tW.\nq1\td3\ttea\tW.\nq1\td1\ttea\tT.\n").unwrap();
    let packed = packed.finish().unwrap();
    let server = Server::start(&packed, &[Do::CutAfter(20), Do::Serve]);
    let world = World::new("http://127.0.0.1:9/archive.zip");
    let manifest = fs::read_to_string(world.root.path().join("datasets/tea.toml")).unwrap();
    let part = format!(
        "\n[[candidates]]\nname = \"top-2\"\ndescription = \"Two.\"\nformat = \"ms-marco\"\n\n[candidates.file]\n\
         name = \"top.tsv.gz\"\nurls = [\"{}\"]\nbytes = {}\n",
        server.file(),
        packed.len()
    );
    let official = world.root.path().join("official");
    fs::create_dir_all(&official).unwrap();
    fs::write(official.join("tea.zip"), &world.zip).unwrap();
    world.fetch("tea", &from(&official)).unwrap();
    let without = world.open("tea").unwrap();
    assert!(matches!(without.candidates.get("top-2"), Err(NoCandidates::Unknown { .. })));

    world.write("tea.toml", &format!("{manifest}{part}"));
    let tea = world.open("tea").unwrap();
    assert_eq!(tea.digest, without.digest, "the dataset is not another one for them");
    let error = tea.candidates.get("top-2").unwrap_err().to_string();
    assert!(error.ends_with("are not here yet; run `nir fetch tea --candidates`"), "{error}");

    let fetched = || world.fetch_candidates("tea", &usual()).unwrap();
    assert_eq!(fetched(), [("top-2".to_owned(), Fetched::Imported)]);
    assert_eq!(fetched(), [("top-2".to_owned(), Fetched::AlreadyHere)]);
    let tea = world.open("tea").unwrap();
    let run = nir_data::trec::read_run(&tea.candidates.get("top-2").unwrap().path).unwrap();
    let of_q1 = run.get("q1").unwrap().iter().map(|(id, hit)| (id.to_owned(), hit.score));
    assert_eq!(of_q1.collect::<Vec<_>>(), [("d3".to_owned(), -1.0), ("d1".to_owned(), -2.0)]);
    let error = tea.candidates.get("top-3").unwrap_err().to_string();
    assert!(error.starts_with("`tea` has no candidates `top-3`: expected one of top-2"), "{error}");

    // Another file under the same name is another list, which must be fetched anew.
    let other = part
        .replace("ms-marco", "trec")
        .replace("bytes = ", "md5 = \"0123456789abcdef0123456789abcdef\"\n# ");
    world.write("tea.toml", &format!("{manifest}{other}"));
    assert!(world.open("tea").unwrap().candidates.get("top-2").is_err());
    world.write("tea.toml", &manifest);
    let error = world.fetch_candidates("tea", &usual()).unwrap_err().to_string();
    assert!(error.starts_with("`tea` is handed out without candidates"), "{error}");
}
