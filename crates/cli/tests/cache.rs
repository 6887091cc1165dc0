//! The cache under attack: damaged files, killed and paused programs, and programs that see neither each other's
//! processes nor their numbers.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::{Nir, files_below};

/// Draws numbers that are the same at every run of the test.
struct Dice(u64);

impl Dice {
    /// A number below `end` (splitmix64).
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end as u64) as usize
    }
}

fn dense(name: &str, index: &str) -> (String, String) {
    let text = format!(
        r#"[card]
name  = "{name}"
paper = "karpukhin2020dpr"

[[stage]]
use        = "bi_encoder"
model.weights  = "pocket:dense"
model.ignore   = ["linear.weight"]
pooling    = "mean"
projection = {{ linear = "projection" }}
similarity = "cosine"
query      = {{ template = ["{{text}}"], special_tokens = true, max_length = 32 }}
document   = {{ template = ["{{text}}"], special_tokens = true, max_length = 64 }}
index      = {index}
depth      = 10
"#
    );
    (format!("mine/{name}.toml"), text)
}

/// Methods whose artifacts are of every kind: inverted indexes, impacts, matrices, graphs, codes, rankings between two
/// stages, rankings that are fused, imported documents.
const NAMED: [&str; 7] = [
    "lexical/bm25",
    "lexical/bm25-tantivy",
    "lexical/bm25-impacts",
    "hybrid/rrf-bm25-dpr-pocket",
    "sparse/splade-pocket",
    "sparse/splade-pocket-clustered",
    "cross_encoder/monobert-pocket",
];
const STRUCTURES: [(&str, &str); 3] = [
    ("flat", r#"{ use = "flat", storage = "f16" }"#),
    (
        "hnsw",
        r#"{ use = "hnsw", storage = "f32", m = 4, ef_construction = 20, seed = 1, ef = 20 }"#,
    ),
    (
        "sign",
        r#"{ use = "ivf", storage = "f16", lists = 1, probe = 1, code = { use = "sign" }, candidates = 4, sample = 4, seed = 1 }"#,
    ),
];

/// A cache that some methods filled, and what is right.
struct Filled {
    nir: Nir,
    methods: Vec<String>,
    /// The ranking of each method.
    right: BTreeMap<String, Vec<u8>>,
    /// The method that first needed each file of the cache.
    files: Vec<(PathBuf, String)>,
}

fn filled() -> Filled {
    let nir = Nir::new();
    nir.write("docs.tsv", "d1\tgreen tea\nd2\tblack tea\nd3\tcoffee with milk\nd4\tred leaf tea\n");
    nir.write("queries.tsv", "q1\tgreen tea\nq2\tcoffee\n");
    let mut methods: Vec<String> = NAMED.map(str::to_owned).to_vec();
    for (name, index) in STRUCTURES {
        let (path, text) = dense(name, index);
        nir.write(&path, &text);
        methods.push(path);
    }
    let mut filled = Filled { nir, methods, right: BTreeMap::new(), files: Vec::new() };
    for method in filled.methods.clone() {
        let ranking = filled.run(&method).unwrap();
        filled.right.insert(method.clone(), ranking);
        for path in files_below(&filled.nir.path("cache")) {
            if !filled.files.iter().any(|(known, _)| *known == path) {
                filled.files.push((path, method.clone()));
            }
        }
    }
    filled
}

impl Filled {
    /// The ranking that a method gives now, or why it gives none.
    fn run(&self, method: &str) -> Result<Vec<u8>, String> {
        let _ = fs::remove_file(self.nir.path("out.trec"));
        let own = ["--corpus", "docs.tsv", "--queries", "queries.tsv", "--run", "out.trec"];
        let run = self.nir.run(&[&["run", method], &own[..]].concat());
        match run.0.status.success() {
            true => Ok(fs::read(self.nir.path("out.trec")).unwrap()),
            false => Err(run.stderr()),
        }
    }

    fn copy_from(&self, pristine: &Path) {
        let _ = fs::remove_dir_all(self.nir.path("cache"));
        let copied =
            Command::new("cp").arg("-a").arg(pristine).arg(self.nir.path("cache")).status();
        assert!(copied.unwrap().success());
    }

    /// Damages one file in one way, and gives the method that needs it and the damage in words.
    fn damage(&self, dice: &mut Dice) -> (String, String) {
        let (file, method) = &self.files[dice.below(self.files.len())];
        let path = self.nir.path("cache").join(file);
        let mut bytes = fs::read(&path).unwrap_or_default();
        let mut way = ["a bit", "cut", "empty", "gone", "swapped", "longer"][dice.below(6)];
        match way {
            "a bit" | "cut" if bytes.is_empty() => way = "longer",
            _ => {}
        }
        match way {
            "a bit" => {
                let at = dice.below(bytes.len());
                bytes[at] ^= 1 << dice.below(8);
            }
            "cut" => bytes.truncate(dice.below(bytes.len())),
            "empty" => bytes.clear(),
            "longer" => bytes.push(b'x'),
            "swapped" => bytes = self.sibling(file, dice),
            _ => {}
        }
        let _ = fs::remove_file(&path); // files of a store are read-only
        if way != "gone" {
            fs::write(&path, bytes).unwrap();
        }
        // What was computed from the file would hide it.
        if !file.starts_with("runs") {
            for kind in ["runs", "stages"].iter().filter(|kind| !file.starts_with(kind)) {
                let _ = fs::remove_dir_all(self.nir.path("cache").join(kind));
            }
        }
        (method.clone(), format!("{} ({way})", file.display()))
    }

    /// The content of another file, of the same name if there is one: what a stale or mixed-up file holds.
    fn sibling(&self, file: &Path, dice: &mut Dice) -> Vec<u8> {
        let others = || self.files.iter().map(|(path, _)| path).filter(|path| *path != file);
        let mut choice: Vec<_> =
            others().filter(|path| path.file_name() == file.file_name()).collect();
        if choice.is_empty() {
            choice = others().collect();
        }
        fs::read(self.nir.path("cache").join(choice[dice.below(choice.len())])).unwrap_or_default()
    }
}

/// After each damage a method gives the right ranking or says what is wrong, and never panics.
fn damages(rounds: usize, seed: u64) {
    let filled = filled();
    let pristine = filled.nir.path("pristine");
    fs::rename(filled.nir.path("cache"), &pristine).unwrap();
    let mut dice = Dice(seed);
    let (mut anew, mut refused) = (0, 0);
    for round in 0..rounds {
        filled.copy_from(&pristine);
        let (method, what) = filled.damage(&mut dice);
        match filled.run(&method) {
            Ok(ranking) => {
                assert!(
                    ranking == filled.right[&method],
                    "round {round}: {what}: {method} is wrong"
                );
                anew += 1;
            }
            Err(error) => {
                assert!(!error.contains("panicked"), "round {round}: {what}: {error}");
                assert_eq!(error.matches("error:").count(), 1, "round {round}: {what}: {error}");
                refused += 1;
            }
        }
    }
    println!("{rounds} damages: {anew} times the right ranking, {refused} times a refusal");
}

#[test]
fn no_damaged_file_gives_a_wrong_ranking() {
    damages(60, 1);
}

#[test]
#[ignore = "takes ten minutes; the same with 60 damages runs always"]
fn no_damaged_file_of_a_thousand_gives_a_wrong_ranking() {
    damages(1_000, 2);
}

#[test]
fn what_is_damaged_is_named_set_aside_and_made_anew() {
    let nir = Nir::new();
    nir.run(&["run", "lexical/bm25", "--on", "toy", "--run", "a.trec"]).ok();
    let runs = nir.path("cache/runs");
    let run = files_below(&runs).into_iter().find(|path| path.ends_with("run.trec")).unwrap();
    fs::write(runs.join(run), "").unwrap();
    let again = nir.run(&["run", "lexical/bm25", "--on", "toy", "--run", "b.trec"]);
    again.ok();
    assert!(again.stderr().contains("is damaged: `run.trec` has 0 bytes"), "{}", again.stderr());
    assert_eq!(fs::read(nir.path("a.trec")).unwrap(), fs::read(nir.path("b.trec")).unwrap());
    assert!(nir.run(&["cache"]).ok().contains("\ndamaged "));
    nir.run(&["cache", "clear", "damaged"]).ok();
    assert!(!nir.run(&["cache"]).ok().contains("\ndamaged "));
}

#[test]
fn verify_reads_everything_and_fails_if_something_was_damaged() {
    let nir = Nir::new();
    nir.run(&["run", "lexical/bm25", "--on", "toy"]).ok();
    assert!(
        nir.run(&["cache", "verify"])
            .ok()
            .ends_with("2 things are as they were written, 0 were damaged\n")
    );
    let indexes = nir.path("cache/indexes");
    let largest = files_below(&indexes)
        .into_iter()
        .max_by_key(|path| fs::metadata(indexes.join(path)).unwrap().len())
        .unwrap();
    let mut bytes = fs::read(indexes.join(&largest)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(indexes.join(&largest), bytes).unwrap();
    let verified = nir.run(&["cache", "verify"]);
    assert_eq!(verified.0.status.code(), Some(1));
    assert!(verified.stdout().ends_with("1 things are as they were written, 1 were damaged\n"));
    assert!(nir.run(&["cache", "verify"]).0.status.success(), "it was set aside");
}

#[test]
fn the_cache_lists_and_clears_all_that_it_holds() {
    let nir = Nir::new();
    nir.write("docs.tsv", "d1\tgreen tea\nd2\tcoffee\n");
    nir.write("queries.tsv", "q1\ttea\n");
    let run = ["run", "dense/dpr-pocket", "--corpus", "docs.tsv", "--queries", "queries.tsv"];
    nir.run(&[&run[..], &["--run", "-"]].concat()).ok();
    let list = nir.run(&["cache"]).ok();
    for kind in ["vectors", "runs", "own", "models", "verified"] {
        assert!(list.lines().any(|line| line.starts_with(kind)), "{kind} is not in:\n{list}");
    }
    nir.run(&["cache", "clear"]).ok();
    assert_eq!(files_below(&nir.path("cache")), Vec::<PathBuf>::new());
    let wrong = nir.run(&["cache", "clear", "vectorz"]).error();
    assert!(wrong.contains("vectors"), "{wrong}");
}

#[test]
#[cfg(unix)]
fn files_of_the_cache_are_readable_as_the_umask_says() {
    use std::os::unix::fs::PermissionsExt as _;
    let nir = Nir::new();
    nir.run(&["run", "lexical/bm25", "--on", "toy"]).ok();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o444;
    let plain = mode(&nir.write("plain", ""));
    for path in files_below(&nir.path("cache")) {
        assert_eq!(mode(&nir.path("cache").join(&path)), plain, "{}", path.display());
    }
}

/// A collection that takes long enough to build to be met at it.
fn collection(nir: &Nir, name: &str, seed: u64) {
    const WORDS: [&str; 12] = [
        "green", "tea", "leaf", "mountain", "water", "river", "bank", "clock", "coffee", "milk",
        "bread", "yeast",
    ];
    let mut dice = Dice(seed);
    let mut word = || WORDS[dice.below(WORDS.len())];
    let text: String = (0..4_000)
        .map(|row| {
            let words: Vec<&str> = (0..30).map(|_| word()).collect();
            format!("{name}{row}\t{}\n", words.join(" "))
        })
        .collect();
    nir.write(&format!("{name}.tsv"), &text);
    nir.write("queries.tsv", "q1\tgreen tea\n");
}

fn arguments(name: &str) -> Vec<String> {
    let own = ["run", "lexical/bm25", "--queries", "queries.tsv", "--threads", "1", "--corpus"];
    let mut all: Vec<String> = own.map(str::to_owned).to_vec();
    all.extend([format!("{name}.tsv"), "--run".to_owned(), format!("{name}.trec")]);
    all
}

fn start(command: &mut Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// `nir` as the first process of a world of processes of its own, as in a container.
#[cfg(target_os = "linux")]
fn alone(nir: &Nir, arguments: &[String]) -> Command {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let inner = nir.command(&arguments);
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--mount-proc", "--kill-child"]).arg(inner.get_program());
    command.args(inner.get_args()).current_dir(nir.folder.path());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
}

/// Whether this user may make such worlds; says so where not.
#[cfg(target_os = "linux")]
fn can_be_alone() -> bool {
    let tried = Command::new("unshare").args(["--pid", "--fork", "--mount-proc", "true"]).output();
    let can = tried.is_ok_and(|tried| tried.status.success());
    if !can {
        println!("skipped: `unshare --pid` is not allowed here");
    }
    can
}

/// Two programs, each process 1 of its world, build two collections in one cache, and a third clears up meanwhile.
#[cfg(target_os = "linux")]
fn two_containers(rounds: usize) {
    if !can_be_alone() {
        return;
    }
    let clean = Nir::new();
    let names = ["a", "b"];
    for (seed, name) in names.iter().enumerate() {
        collection(&clean, name, seed as u64);
        clean.run(&arguments(name).iter().map(String::as_str).collect::<Vec<_>>()).ok();
    }
    for round in 0..rounds {
        let nir = Nir::new();
        for (seed, name) in names.iter().enumerate() {
            collection(&nir, name, seed as u64);
        }
        let builders = names.map(|name| start(&mut alone(&nir, &arguments(name))));
        thread::sleep(Duration::from_millis(17 * (round as u64 % 20)));
        assert!(alone(&nir, &["cache".to_owned()]).output().unwrap().status.success());
        for mut builder in builders {
            assert!(builder.wait().unwrap().success(), "round {round}");
        }
        for name in names {
            let file = format!("{name}.trec");
            assert!(
                fs::read(nir.path(&file)).unwrap() == fs::read(clean.path(&file)).unwrap(),
                "round {round}: {name} has another ranking"
            );
        }
        assert!(nir.run(&["cache", "verify"]).0.status.success());
        assert_eq!(files_below(&nir.path("cache/work")), Vec::<PathBuf>::new());
    }
}

#[test]
#[cfg(target_os = "linux")]
fn two_containers_share_a_cache() {
    two_containers(3);
}

#[test]
#[cfg(target_os = "linux")]
#[ignore = "takes several minutes; the same with 3 rounds runs always"]
fn two_containers_share_a_cache_two_hundred_times() {
    two_containers(200);
}

fn wait_for(what: &str, is_there: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_there() {
        assert!(start.elapsed() < Duration::from_mins(2), "{what} did not come");
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn the_work_of_a_paused_program_is_left_alone() {
    let nir = Nir::new();
    collection(&nir, "a", 1);
    let arguments = arguments("a");
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut builder = start(&mut nir.command(&arguments));
    wait_for("work", || !files_below(&nir.path("cache/work")).is_empty());
    let signal = |name: &str| {
        let sent = Command::new("kill").args([name, &builder.id().to_string()]).status();
        assert!(sent.unwrap().success());
    };
    signal("-STOP");
    let paused = files_below(&nir.path("cache/work"));
    nir.run(&["cache"]).ok();
    nir.run(&["cache", "clear", "work"]).ok();
    assert_eq!(files_below(&nir.path("cache/work")), paused);
    signal("-CONT");
    assert!(builder.wait().unwrap().success());
}

#[test]
fn four_programs_import_one_collection_once() {
    let nir = Nir::new();
    collection(&nir, "a", 1);
    let runs = |i: usize| {
        let mut all = arguments("a");
        *all.last_mut().unwrap() = format!("{i}.trec");
        all
    };
    let children: Vec<Child> = (0..4)
        .map(|i| {
            let all = runs(i);
            start(&mut nir.command(&all.iter().map(String::as_str).collect::<Vec<_>>()))
        })
        .collect();
    let made = || fs::read_dir(nir.path("cache/own")).map_or(0, Iterator::count);
    wait_for("a store", || made() > 0);
    let store = fs::read_dir(nir.path("cache/own")).unwrap().next().unwrap().unwrap().path();
    let inode = || {
        #[cfg(unix)]
        return std::os::unix::fs::MetadataExt::ino(&fs::metadata(&store).unwrap());
        #[cfg(not(unix))]
        return 0;
    };
    let first = inode();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(inode(), first, "the store was replaced under its readers");
    let rankings: Vec<Vec<u8>> =
        (0..4).map(|i| fs::read(nir.path(&format!("{i}.trec"))).unwrap()).collect();
    assert!(rankings.iter().all(|ranking| *ranking == rankings[0]));
}
