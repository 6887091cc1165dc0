//! Where output goes: pipes that close, full disks, devices, links, modes, and signals on the way.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a helper of a test may fail like a test")]

mod common;

use std::fs::{self, File, Permissions};
use std::io::{Read as _, pipe};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use common::{Nir, files_below};

const OWN: [&str; 9] = [
    "run",
    "lexical/bm25",
    "--corpus",
    "docs.tsv",
    "--queries",
    "queries.tsv",
    "--qrels",
    "qrels.txt",
    "--measure=RR@10",
];

/// Every command that prints to standard output, in every way that it does. `%` is a name that is new each time.
const COMMANDS: &[&[&str]] = &[
    &["--help"],
    &["--version"],
    &["help", "run"],
    &["run", "lexical/bm25", "--on", "toy"],
    &["run", "lexical/bm25", "--on", "toy", "--plan"],
    &["run", "lexical/bm25", "--on", "toy", "--run", "-"],
    &["run", "lexical/bm25", "--on", "toy", "--run", "/dev/stdout"],
    &["search", "lexical/bm25", "tea", "--on", "toy"],
    &["search", "lexical/bm25", "tea", "--on", "toy", "--json"],
    &["encode", "lexical/bm25", "green tea"],
    &["explain", "lexical/bm25"],
    &["eval", "qrels.txt", "own.run"],
    &["eval", "--json", "qrels.txt", "own.run"],
    &["eval", "--trec", "-q", "qrels.txt", "own.run"],
    &["list"],
    &["list", "--methods"],
    &["show", "lexical/bm25"],
    &["show", "karpukhin2020dpr"],
    &["check"],
    &["datasets"],
    &["datasets", "pocket"],
    &["fetch", "toy"],
    &["sample", "toy", "--queries", "1", "--judged", "--seed", "1", "--out", "%.toml"],
    &["train", "negatives.toml", "--data", ".", "--models", "models"],
    &["tune", "lexical/bm25", "--try", "k1=1,2", "--on", "toy", "--folds", "2", "--out", "%.toml"],
    &["bench", "index", "sweep.toml", "--results", "results"],
    &["report", "lexical/bm25", "--on", "toy", "--results", "results"],
    &[
        "report",
        "lexical/bm25",
        "--on",
        "toy",
        "--results",
        "results",
        "--format",
        "html",
        "--out",
        "-",
    ],
    &["compare", "results", "results"],
    &["gate", "gate.toml", "--no-costs", "--against", "results"],
    &["coverage"],
    &["coverage", "--format", "json"],
    &["coverage", "--format", "html", "--out", "/dev/stdout"],
    &["book", "--out", "%"],
    &["new", "method", "lexical/%", "--out", "%.toml"],
    &["new", "dataset", "%", "--out", "%.toml"],
    &["doctor"],
    &["cache"],
    &["cache", "clear", "runs"],
    &["completions", "bash"],
    &["man"],
];

const GATE: &str = r#"datasets   = ["toy"]
methods    = ["lexical/bm25"]
baseline   = "lexical/bm25"
measures   = ["nDCG@10"]
test       = "randomisation"
correction = "holm"
seed       = 42

[[gate]]
methods  = ["lexical/bm25"]
rankings = "same"
slower   = 1.5
faster   = 2.0
"#;

const NEGATIVES: &str = r#"task     = "negatives"
summary  = "one of a run for each positive"
seed     = 1
qrels    = "qrels.txt"
queries  = "queries.tsv"
held_out = 0
run      = "given.trec"
from     = 1
to       = 2
count    = 1
"#;

const SWEEP: &str = r#"dataset = "toy"
depth   = 2
rounds  = 1

[[sweep]]
method = "sparse/splade-pocket"
exact  = { use = "impacts", storage = "f32" }
index  = []
"#;

/// Everything that [`COMMANDS`] reads.
fn prepared() -> Nir {
    let nir = Nir::new();
    nir.write("docs.tsv", "1\tgreen tea\n3\tcoffee\n");
    nir.write("queries.tsv", "q1\tgreen tea\n");
    nir.write("qrels.txt", "q1 0 1 1\n");
    nir.write("own.run", "q1 Q0 1 1 2 t\n");
    nir.write("gate.toml", GATE);
    nir.write("negatives.toml", NEGATIVES);
    nir.write("models/given.trec", "q1 Q0 1 1 2 t\nq1 Q0 3 2 1 t\n");
    nir.write("sweep.toml", SWEEP);
    nir.run(&["run", "lexical/bm25", "--on", "toy", "--results", "results"]).ok();
    let first = ["--update", "--reason", "the first"];
    nir.run(&[&["gate", "gate.toml", "--no-costs", "--against", "results"][..], &first].concat())
        .ok();
    nir
}

/// The command with a name in place of `%`.
fn named(nir: &Nir, command: &[&str], name: &str) -> Command {
    let arguments: Vec<String> =
        command.iter().map(|argument| argument.replace('%', name)).collect();
    nir.command(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

/// A pipe that nobody reads any more.
fn closed() -> Stdio {
    let (reader, writer) = pipe().unwrap();
    drop(reader);
    writer.into()
}

#[test]
fn every_command_is_among_those_tried() {
    let nir = Nir::new();
    let help = nir.run(&["--help"]).ok();
    let listed = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names = listed.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let names: Vec<&str> = names.filter(|name| !name.is_empty()).collect();
    assert!(names.len() > 20, "{names:?}");
    for name in names {
        // It writes a page and prints nothing.
        let is_tried = name == "results" || COMMANDS.iter().any(|command| command[0] == name);
        assert!(is_tried, "`{name}` is not in the table of this file");
    }
}

#[test]
fn a_closed_pipe_ends_every_command_without_a_word() {
    let nir = prepared();
    for (number, command) in COMMANDS.iter().enumerate() {
        let usual = named(&nir, command, &format!("a{number}")).output().unwrap();
        assert!(usual.status.success() && !usual.stdout.is_empty(), "{command:?}: {usual:?}");

        let ended = named(&nir, command, &format!("b{number}")).stdout(closed()).output().unwrap();
        assert_eq!(ended.status.code(), Some(141), "{command:?}: {ended:?}");
        let told = String::from_utf8(ended.stderr).unwrap();
        assert!(!told.contains("panicked") && !told.contains("rror"), "{command:?}: {told}");

        // As `2>&1 | head -1` has it.
        let name = format!("c{number}");
        let both = named(&nir, command, &name).stdout(closed()).stderr(closed()).status().unwrap();
        assert_eq!(both.code(), Some(141), "{command:?}: {both:?}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_device_is_one_error_in_every_command() {
    let nir = prepared();
    for (number, command) in COMMANDS.iter().enumerate() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let ended = named(&nir, command, &format!("d{number}")).stdout(full).output().unwrap();
        let told = String::from_utf8(ended.stderr).unwrap();
        assert!(ended.status.code().is_some_and(|code| code != 0), "{command:?}: {told}");
        assert!(!told.contains("panicked"), "{command:?}: {told}");
        assert_eq!(told.matches("error: ").count(), 1, "{command:?}: {told}");
        assert!(told.contains(": No space left on device"), "{command:?}: {told}");
    }
}

#[test]
fn what_is_told_beside_the_result_may_go_nowhere() {
    let nir = prepared();
    let told_nowhere =
        nir.command(&[&OWN[..], &["--run", "new.run"]].concat()).stderr(closed()).output().unwrap();
    assert!(told_nowhere.status.success(), "{told_nowhere:?}");
    assert!(nir.path("new.run").is_file());
}

/// Every option that names a file to write, and the name of the file.
const WRITERS: &[&[&str]] = &[
    &["run", "lexical/bm25", "--on", "toy", "--run", "OUT"],
    &["report", "lexical/bm25", "--on", "toy", "--results", "results", "--out", "OUT"],
    &["coverage", "--out", "OUT"],
    &["gate", "gate.toml", "--no-costs", "--against", "results", "--junit", "OUT"],
];

fn into(nir: &Nir, command: &[&str], out: &str) -> Command {
    let arguments: Vec<&str> =
        command.iter().map(|&argument| if argument == "OUT" { out } else { argument }).collect();
    nir.command(&arguments)
}

#[test]
fn every_output_follows_links_keeps_modes_and_writes_to_pipes() {
    let nir = prepared();
    for (number, command) in WRITERS.iter().enumerate() {
        let (plain, link, real) =
            (format!("plain{number}.md"), format!("link{number}.md"), format!("real{number}.md"));
        let done = into(&nir, command, &plain).output().unwrap();
        assert!(done.status.success(), "{command:?}: {done:?}");
        // Dates and times may stand in it.
        let first = fs::read_to_string(nir.path(&plain)).unwrap();
        let first = &first[..first.len().min(20)];
        assert!(!first.is_empty());

        nir.write(&real, "old");
        fs::set_permissions(nir.path(&real), Permissions::from_mode(0o640)).unwrap();
        symlink(&real, nir.path(&link)).unwrap();
        let done = into(&nir, command, &link).output().unwrap();
        assert!(done.status.success(), "{command:?}: {done:?}");
        assert!(nir.path(&link).is_symlink(), "{command:?}");
        assert!(fs::read_to_string(nir.path(&real)).unwrap().starts_with(first), "{command:?}");
        let mode = fs::metadata(nir.path(&real)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640, "{command:?}");

        let fifo = format!("fifo{number}.md");
        assert!(Command::new("mkfifo").arg(nir.path(&fifo)).status().unwrap().success());
        let reader = thread::spawn({
            let path = nir.path(&fifo);
            move || fs::read_to_string(path).unwrap()
        });
        let done = into(&nir, command, &fifo).output().unwrap();
        assert!(done.status.success(), "{command:?}: {done:?}");
        assert!(reader.join().unwrap().starts_with(first), "{command:?}");
        assert!(fs::symlink_metadata(nir.path(&fifo)).unwrap().file_type().is_fifo());

        // What `>(a program)` is: a pipe by the name of a descriptor; this one is open for writing.
        let (mut read, write) = pipe().unwrap();
        let reader = thread::spawn(move || {
            let mut text = String::new();
            read.read_to_string(&mut text).map(|_| text).unwrap()
        });
        let done = into(&nir, command, "/dev/fd/0").args(format_of(command)).stdin(write).output();
        let done = done.unwrap();
        assert!(done.status.success(), "{command:?}: {done:?}");
        assert!(reader.join().unwrap().starts_with(first), "{command:?}");
    }
    assert!(files_below(nir.folder.path()).iter().all(|path| !is_neighbour(path)));
}

/// Where a name does not tell how to write.
fn format_of(command: &[&str]) -> &'static [&'static str] {
    if command[0] == "report" { &["--format", "markdown"] } else { &[] }
}

fn is_neighbour(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_string_lossy();
    name.starts_with(".nir-") || name.ends_with(".tmp")
}

#[test]
fn a_folder_where_a_file_is_to_be_written_is_one_error_before_any_work() {
    let nir = prepared();
    fs::create_dir(nir.path("folder")).unwrap();
    for command in WRITERS.iter().filter(|command| !takes_folders(command)) {
        let error = common::Finished(into(&nir, command, "folder").output().unwrap()).error();
        assert!(error.contains("folder: this is a folder: expected the name of a file"), "{error}");
        assert!(!error.contains("documents  queries"), "it began to work: {error}");
    }
    let arguments = ["run", "lexical/bm25", "--on", "toy", "--runs", "qrels.txt"];
    let error = nir.run(&arguments).error();
    assert!(error.contains("qrels.txt: this is a file: expected a folder"), "{error}");
}

/// A report is written to a folder in every format.
fn takes_folders(command: &[&str]) -> bool {
    command[0] == "report"
}

#[test]
fn the_ending_of_a_run_is_what_it_says() {
    let nir = prepared();
    nir.run(&[&OWN[..], &["--run", "out.run.gz"]].concat()).ok();
    assert!(fs::read(nir.path("out.run.gz")).unwrap().starts_with(&[0x1f, 0x8b]));
    let table = nir.run(&["eval", "-m", "RR@10", "qrels.txt", "out.run.gz"]).ok();
    assert!(table.contains("1.0000"), "{table}");
}

/// Through a shell, as people do it. `$NIR` is the program.
fn shell(nir: &Nir, script: &str) -> common::Finished {
    let mut command = Command::new("bash");
    command.arg("-c").arg(script).current_dir(nir.folder.path());
    command.env("NIR", env!("CARGO_BIN_EXE_nir")).env("NIR_CACHE", nir.path("cache"));
    common::Finished(command.output().unwrap())
}

#[test]
fn pipes_are_read_wherever_files_are() {
    let nir = prepared();
    let (docs, queries, qrels) = ("docs.tsv", "queries.tsv", "qrels.txt");
    nir.write(
        "docs.jsonl",
        "{\"_id\": \"1\", \"text\": \"green tea\"}\n{\"_id\": \"3\", \"text\": \"coffee\"}\n",
    );
    let expected = fs::read_to_string(nir.path("queries.tsv")).unwrap();
    assert_eq!(expected, "q1\tgreen tea\n");
    let scripts = [
        format!("cat {docs} | $NIR run lexical/bm25 --corpus - --queries {queries} --run -"),
        format!("cat docs.jsonl | $NIR run lexical/bm25 --corpus - --queries {queries} --run -"),
        format!(
            "gzip -c {docs} | $NIR run lexical/bm25 --corpus /dev/stdin --queries {queries} --run -"
        ),
        format!("$NIR run lexical/bm25 --corpus <(cat {docs}) --queries <(cat {queries}) --run -"),
        format!("$NIR run lexical/bm25 --corpus {docs} --queries - --run - < {queries}"),
        format!(
            "$NIR run lexical/bm25 --corpus {docs} --queries <(gzip -c {queries}) --qrels <(cat {qrels}) -m RR@10 --run -"
        ),
        format!("$NIR run lexical/bm25 --corpus {docs} --queries {queries} --run >(cat) | cat"),
    ];
    for script in scripts {
        let run = shell(&nir, &script).ok();
        assert!(run.starts_with("q1 Q0 1 1 "), "{script}: {run}");
        assert_eq!(run.lines().count(), 1, "{script}: {run}");
    }
    let table = shell(&nir, &format!("$NIR eval -m RR@10 <(gzip -c {qrels}) - < own.run")).ok();
    assert!(table.contains("1.0000"), "{table}");
}

#[test]
fn a_wrong_line_of_a_pipe_is_told_under_the_name_that_was_given() {
    let nir = prepared();
    let script = "printf '1\\tgreen tea\\nno tab\\n' | $NIR run lexical/bm25 --corpus - --queries queries.tsv --run -";
    let error = shell(&nir, script).error();
    assert!(error.contains("-:2:"), "{error}");
}

#[test]
fn standard_input_in_two_places_is_refused() {
    let nir = prepared();
    let scripts = [
        "$NIR eval - - < qrels.txt",
        "$NIR eval - /dev/stdin < qrels.txt",
        "$NIR run lexical/bm25 --corpus - --queries - --run - < docs.tsv",
        "$NIR run lexical/bm25 --corpus docs.tsv --queries /dev/fd/0 --qrels - < queries.tsv",
        "$NIR sample toy --queries 1 --run=-:1 --run /dev/stdin:1 --seed 1 --out new.toml < own.run",
    ];
    for script in scripts {
        let error = shell(&nir, script).error();
        assert!(error.contains("standard input can be read once"), "{script}: {error}");
    }
}

fn kill(process: u32, signal: &str) {
    let sent = Command::new("kill").args([signal, &process.to_string()]).status().unwrap();
    assert!(sent.success());
}

#[test]
fn a_signal_ends_the_program_with_its_own_status() {
    let nir = prepared();
    for (name, number) in [("-INT", 2), ("-TERM", 15), ("-HUP", 1)] {
        // Nobody reads this: the program waits.
        let fifo = format!("fifo{number}");
        assert!(Command::new("mkfifo").arg(nir.path(&fifo)).status().unwrap().success());
        let arguments = [&OWN[..], &["--run", &fifo]].concat();
        let mut child = nir.command(&arguments).stderr(Stdio::null()).spawn().unwrap();
        thread::sleep(Duration::from_millis(700));
        assert!(child.try_wait().unwrap().is_none(), "it should wait for a reader");
        kill(child.id(), name);
        assert_eq!(child.wait().unwrap().signal(), Some(number));

        let status = format!(
            "mkfifo s{fifo}; $NIR {} --run s{fifo} 2> /dev/null & sleep 0.7; kill {name} $!; wait $!; echo $?",
            OWN.join(" ")
        );
        // A shell without jobs starts what it does not wait for with SIGINT ignored, and ignored it stays.
        if number != 2 {
            assert_eq!(shell(&nir, &status).ok().trim(), (128 + number).to_string());
        }
    }
}

#[test]
fn what_is_ignored_stays_ignored() {
    let nir = prepared();
    let script = format!(
        "trap '' INT HUP; mkfifo fifo; $NIR {} --run fifo 2> /dev/null & sleep 0.7; kill -INT $!; kill -HUP $!; sleep 0.2; cat fifo > read; wait $!; echo $?",
        OWN.join(" ")
    );
    assert_eq!(shell(&nir, &script).ok().lines().last(), Some("0"));
    assert!(!fs::read(nir.path("read")).unwrap().is_empty());
}

#[test]
fn a_program_that_is_told_to_end_leaves_nothing_half_made() {
    let nir = prepared();
    let commands: [&[&str]; 3] = [
        &[
            "run",
            "lexical/bm25",
            "feedback/bm25-rm3",
            "--on",
            "pocket",
            "--runs",
            "out/runs",
            "--results",
            "out/results",
        ],
        &["book", "--out", "out/book"],
        &["sample", "toy", "--queries", "1", "--judged", "--seed", "1", "--out", "out/sample.toml"],
    ];
    for command in commands {
        for wait in (0..20).map(|step| step * 13) {
            let _ = fs::remove_dir_all(nir.path("out"));
            let _ = fs::remove_dir_all(nir.path("cache"));
            let mut child =
                nir.command(command).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            thread::sleep(Duration::from_millis(wait));
            kill(child.id(), "-TERM");
            let status = child.wait().unwrap();
            assert!(status.success() || status.signal() == Some(15), "{command:?}: {status:?}");
            let left = files_below(nir.folder.path());
            assert!(!left.iter().any(|path| is_neighbour(path)), "{command:?}: {left:?}");
            // Locks stay for the next program to find that nobody holds them.
            let work = left.iter().filter(|path| path.starts_with("cache/work"));
            let half = work.filter(|path| path.extension().is_none_or(|end| end != "lock"));
            assert_eq!(half.count(), 0, "{command:?}: {left:?}");
            let samples = left
                .iter()
                .filter(|path| {
                    path.starts_with("out/sample.toml")
                        || path.to_string_lossy().contains("sample.")
                })
                .count();
            assert!([0, 3].contains(&samples), "a sample in part: {left:?}");
            assert!(!left.iter().any(|path| path.to_string_lossy().contains(".src-")), "{left:?}");
        }
    }
}
