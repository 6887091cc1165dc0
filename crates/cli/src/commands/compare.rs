//! `nir compare`: what moved between two sets of results.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use nir_catalogue::{Cell, GATE, PerQuery, read_cells};
use nir_eval::significance::{Correction, LEVEL, Settings, Test};
use nir_report::{Known, Measured, Moved, MovedMeasure, known_of_report, p_value};

use crate::app::App;
use crate::output::print;
use crate::table::Table;

/// Compare two sets of results: what moved, and whether by more than chance.
///
/// A and B are each a folder of results, a report in JSON (`nir report … --out a.json`), or a commit (a branch, a tag, HEAD~3)
/// whose results/ are read with git, in a checkout or in your own folder under git. Every measure that moved is printed with
/// a paired test over the queries, where both sides have the values of the queries; times are compared where both were taken
/// on one kind of processor, and listed where they are clearly others.
#[derive(clap::Args)]
#[command(after_help = "Examples:
  nir compare HEAD~1 HEAD
  nir compare main results/                     what the results here change
  nir compare before.json after.json            two reports
  nir compare results/ /tmp/other-results/")]
pub(crate) struct Args {
    /// The results before: a folder, a report in JSON, or a commit.
    #[arg(value_name = "A")]
    before: String,
    /// The results after: a folder, a report in JSON, or a commit.
    #[arg(value_name = "B")]
    after: String,
    /// The test of differences: randomisation, t or wilcoxon.
    #[arg(long, default_value_t = Settings::default().test)]
    test: Test,
    /// How p-values are corrected for the number of measures that moved: holm, bonferroni or none.
    #[arg(long, default_value_t = Settings::default().correction)]
    correction: Correction,
    /// Print JSON instead of tables.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &Args, app: &App) -> Result<ExitCode> {
    let (before, after) = (known(&args.before, app)?, known(&args.after, app)?);
    let settings = Settings { test: args.test, correction: args.correction, ..Settings::default() };
    let moved = Moved::between(&before, &after, &settings);
    ensure!(
        moved.both > 0,
        "`{}` and `{}` have no result in common: expected the same datasets and methods in both",
        args.before,
        args.after
    );
    if args.json {
        print(serde_json::to_string_pretty(&moved)? + "\n")?;
    } else {
        print(page(args, &moved))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The results that a word of the command line names.
fn known(what: &str, app: &App) -> Result<Vec<Known>> {
    let path = Path::new(what);
    let known = if path.is_dir() {
        of_folder(path)?
    } else if path.is_file() {
        let text = std::fs::read_to_string(path).with_context(|| what.to_owned())?;
        known_of_report(&text).with_context(|| {
            format!("{what}: no report: expected what `nir report … --out {what}` writes as JSON")
        })?
    } else {
        of_commit(what, app.home.folder().unwrap_or(Path::new(".")))?
    };
    ensure!(!known.is_empty(), "`{what}`: there are no results in it");
    Ok(known)
}

fn of_folder(folder: &Path) -> Result<Vec<Known>> {
    let read = |cell| Ok(Known::from(&Measured::read(folder, cell)?));
    read_cells(folder)?.into_iter().map(read).collect()
}

/// The results below results/ of a commit.
fn of_commit(commit: &str, folder: &Path) -> Result<Vec<Known>> {
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.arg("-C").arg(folder).args(arguments).stderr(Stdio::null());
        git
    };
    let verified = git(&["rev-parse", "--verify", "--quiet", &format!("{commit}^{{commit}}")]);
    if !output(verified).is_ok_and(|(_, found)| found) {
        bail!(
            "`{commit}`: expected a folder of results, a report in JSON, or a commit of the repository in {}",
            folder.display()
        );
    }
    let (listed, _) = output(git(&["ls-tree", "-r", "--name-only", commit, "--", "results"]))?;
    let listed = String::from_utf8(listed).context("git: names that are not UTF-8")?;
    let gate = Path::new("results").join(GATE);
    let cells: Vec<&str> = listed
        .lines()
        .filter(|path| path.ends_with(".json") && !Path::new(path).starts_with(&gate))
        .collect();
    let tables: Vec<String> =
        cells.iter().map(|path| path.replace(".json", ".queries.tsv")).collect();
    let wanted = cells.iter().copied().chain(tables.iter().map(String::as_str));
    let names: String = wanted.map(|path| format!("{commit}:./{path}\n")).collect();
    let files = contents(git(&["cat-file", "--batch"]), names)?;
    let (cell_files, table_files) = files.split_at(cells.len());
    let mut known = Vec::new();
    for ((path, cell), table) in cells.iter().zip(cell_files).zip(table_files) {
        let at = format!("{commit}:{path}");
        let cell: Cell = serde_json::from_slice(cell.as_deref().unwrap_or_default())
            .with_context(|| format!("{at}: no result of this version"))?;
        let per_query = match table {
            Some(table) => PerQuery::parse(&at, &String::from_utf8_lossy(table))?,
            None => PerQuery::default(),
        };
        known.push(Known::from(&Measured { cell, per_query }));
    }
    Ok(known)
}

/// What a command writes, and whether it succeeds.
fn output(mut command: Command) -> Result<(Vec<u8>, bool)> {
    let output = command.output().context("git: cannot be started")?;
    Ok((output.stdout, output.status.success()))
}

/// The files that `git cat-file --batch` gives for `names`, a line each; none for a name that there is not.
fn contents(mut batch: Command, names: String) -> Result<Vec<Option<Vec<u8>>>> {
    let mut child = batch
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("git: cannot be started")?;
    let mut stdin = child.stdin.take().context("git reads names")?;
    // Another thread writes, as git writes while it reads.
    let writer = std::thread::spawn(move || stdin.write_all(names.as_bytes()));
    let written = child.wait_with_output().context("git")?.stdout;
    writer.join().expect("writing does not panic").context("git")?;
    let mut rest = written.as_slice();
    let mut files = Vec::new();
    while !rest.is_empty() {
        let end = rest.iter().position(|&byte| byte == b'\n').context("git: a head without end")?;
        let head = String::from_utf8_lossy(&rest[..end]).into_owned();
        rest = &rest[end + 1..];
        if head.ends_with(" missing") {
            files.push(None);
            continue;
        }
        let size = head.rsplit(' ').next().and_then(|size| size.parse().ok());
        let size: usize = size.with_context(|| format!("git: unexpected head `{head}`"))?;
        files.push(Some(rest.get(..size).context("git: a file is cut")?.to_vec()));
        rest = rest.get(size + 1..).unwrap_or_default();
    }
    Ok(files)
}

fn page(args: &Args, moved: &Moved) -> String {
    let mut page = format!(
        "{} -> {}: {} results on both sides, {} of them the same\n",
        args.before, args.after, moved.both, moved.same
    );
    let names = |pairs: &[(String, String)]| {
        pairs
            .iter()
            .map(|(dataset, name)| format!("{name} on {dataset}"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    for (pairs, what) in [
        (&moved.only_before, "only before"),
        (&moved.only_after, "only after"),
        (&moved.rankings, "ranked otherwise, with the same measures"),
    ] {
        if !pairs.is_empty() {
            let _ = writeln!(page, "{what}: {}", names(pairs));
        }
    }
    if !moved.measures.is_empty() {
        let corrected = format!("p ({})", args.correction);
        let mut table = Table::new([
            "dataset",
            "method",
            "measure",
            "before",
            "after",
            "difference",
            "95 % interval",
            "p",
            &corrected,
            "won/tied/lost",
            "detectable",
        ]);
        moved.measures.iter().for_each(|one| table.row(line(one)));
        let _ = write!(
            page,
            "\nmeasures ({}; * p ({}) < {LEVEL})\n\n{table}",
            args.test, args.correction
        );
    }
    if !moved.costs.is_empty() {
        let mut table = Table::new(["dataset", "method", "cost", "before", "after", "ratio"]);
        for one in &moved.costs {
            let places = usize::from(one.what == "ms/query") * 3;
            table.row([
                one.dataset.clone(),
                one.name.clone(),
                one.what.to_owned(),
                format!("{:.places$}", one.before),
                format!("{:.places$}", one.after),
                format!("{:.2}", one.after / one.before),
            ]);
        }
        let _ = write!(page, "\ncosts that are clearly others\n\n{table}");
    }
    if !moved.verdicts.is_empty() {
        let _ = write!(page, "\n{}\n", moved.verdicts.join("\n"));
    }
    page
}

fn line(one: &MovedMeasure) -> Vec<String> {
    let mut cells = vec![
        one.dataset.clone(),
        one.name.clone(),
        one.measure.clone(),
        format!("{:.4}", one.before),
        format!("{:.4}", one.after),
        format!("{:+.4}", one.after - one.before),
    ];
    let Some(against) = &one.against else {
        let why = one.untested.unwrap_or("not tested: a count").to_owned();
        cells.extend([why, String::new(), String::new(), String::new(), String::new()]);
        return cells;
    };
    cells.extend([
        format!("{:+.4} {:+.4}", against.low, against.high),
        p_value(against.p),
        p_value(against.corrected_p) + if against.is_significant { "*" } else { " " },
        against.tally.map(|count| count.to_string()).join("/"),
        against.detectable.map_or_else(String::new, |limit| format!("{limit:.4}")),
    ]);
    cells
}
