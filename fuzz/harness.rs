//! Runs a fuzz target for a while as an ordinary test: every file of a corpus as it is, then mutations of them.
//!
//! The mutations are the same at every run; a longer run only goes further. `NIR_FUZZ_SECONDS` says how long each target
//! runs. An input that panics, takes longer than [`SLOWEST`] or more memory than [`MOST_BYTES`] is written to the folder
//! of temporary files, and the test fails with its name: put the file into `fuzz/corpus/TARGET`, where it stays.

use std::alloc::{GlobalAlloc, Layout, System};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs};

/// How long a target runs where `NIR_FUZZ_SECONDS` says nothing.
const SECONDS: f64 = 2.0;
/// The longest that one input may take: builds of tests are slow, and so is a machine with other work.
const SLOWEST: Duration = Duration::from_secs(10);
/// The most memory that one input may take beside what was in use.
const MOST_BYTES: usize = 256 << 20;
/// Files of a corpus that are larger teach nothing more, and slow down everything.
const LARGEST_SEED: u64 = 128 << 10;
/// The longest input that mutations grow to.
const LARGEST_INPUT: usize = 256 << 10;

/// The path of something in the repository.
pub(crate) fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// Runs `target` over the corpus of its name, over the files with `extension` below `seeds`, and over mutations of both.
pub(crate) fn run(name: &str, seeds: &[&str], extension: &str, target: fn(&[u8])) {
    // Memory is counted over all threads, so one target runs at a time.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut corpus = Vec::new();
    collect(&repository("fuzz/corpus").join(name), None, &mut corpus);
    for folder in seeds {
        collect(&repository(folder), Some(extension), &mut corpus);
    }
    assert!(!corpus.is_empty(), "{name}: there is no corpus");
    corpus.iter().for_each(|input| check(name, target, input));
    let seconds = env::var("NIR_FUZZ_SECONDS").ok();
    let seconds =
        seconds.map_or(SECONDS, |text| text.parse().expect("NIR_FUZZ_SECONDS is a number"));
    let (begun, mut random, mut inputs) =
        (Instant::now(), Random(0x9e37_79b9_7f4a_7c15), corpus.len());
    while begun.elapsed().as_secs_f64() < seconds {
        check(name, target, &random.mutation(&corpus));
        inputs += 1;
    }
    println!("{name}: {inputs} inputs, {} files in the corpus", corpus.len());
}

/// Reads the files below a folder, or the one file, in the order of their names.
fn collect(path: &Path, extension: Option<&str>, corpus: &mut Vec<Vec<u8>>) {
    if path.is_dir() {
        let entries = fs::read_dir(path).expect("a folder can be read");
        let mut entries: Vec<PathBuf> =
            entries.map(|entry| entry.expect("so can its entries").path()).collect();
        entries.sort();
        entries.iter().for_each(|entry| collect(entry, extension, corpus));
        return;
    }
    let fits = extension.is_none_or(|extension| path.extension().is_some_and(|it| it == extension));
    if fits && path.metadata().is_ok_and(|it| it.len() <= LARGEST_SEED) {
        corpus.push(fs::read(path).expect("a file of the corpus can be read"));
    }
}

fn check(name: &str, target: fn(&[u8]), input: &[u8]) {
    let (before, begun) = (IN_USE.load(Ordering::Relaxed), Instant::now());
    MOST.store(before, Ordering::Relaxed);
    let outcome = catch_unwind(AssertUnwindSafe(|| target(input)));
    let taken = begun.elapsed();
    let bytes = MOST.load(Ordering::Relaxed).saturating_sub(before);
    let problem = match outcome {
        Err(_) => "panics".to_owned(),
        Ok(()) if taken > SLOWEST => format!("takes {taken:?}"),
        Ok(()) if bytes > MOST_BYTES => format!("takes {bytes} bytes of memory"),
        Ok(()) => return,
    };
    let file = env::temp_dir().join(format!("nir-fuzz-{name}-{}", input.len()));
    fs::write(&file, input).expect("the folder of temporary files can be written to");
    panic!("{name}: an input {problem}: {}", file.display());
}

/// xorshift64 (Marsaglia, 2003).
struct Random(u64);

/// What breaks readers of text: limits of numbers, marks, quotes, nesting, letters of several bytes.
const WORDS: [&str; 40] = [
    "",
    "\0",
    "\n",
    "\r\n",
    "\t",
    " ",
    "\u{feff}",
    "é",
    "\u{1f600}",
    "\u{202e}",
    "{",
    "}",
    "[",
    "]",
    "[[",
    "]]",
    "\"",
    "'",
    "\"\"\"",
    "\\",
    "\\u0000",
    "\\ud800",
    "#",
    "=",
    ":",
    ",",
    "-",
    "0",
    "-1",
    "1e999",
    "-1e999",
    "nan",
    "inf",
    "4294967296",
    "9223372036854775807",
    "18446744073709551616",
    "null",
    "true",
    "..",
    "/",
];

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() >> 11) as usize % end.max(1)
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    /// A file of the corpus with up to eight changes.
    fn mutation(&mut self, corpus: &[Vec<u8>]) -> Vec<u8> {
        let mut input = corpus[self.below(corpus.len())].clone();
        for _ in 0..=self.below(8) {
            self.change(&mut input, corpus);
        }
        input.truncate(LARGEST_INPUT);
        input
    }

    fn change(&mut self, input: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        let (start, end) = self.range(input.len());
        let replacement = match self.below(8) {
            0 => Vec::new(),
            1 => vec![self.next() as u8],
            2 => input[start..end].repeat(2),
            3 => input[start..end].repeat(1 + self.below(60)),
            4 => self.pick(&WORDS).repeat(1 + self.below(3)).into_bytes(),
            5 => self.pick(&WORDS).repeat(self.below(3000)).into_bytes(),
            6 => self.next().to_le_bytes()[..=self.below(8)].to_vec(),
            _ => {
                let other = &corpus[self.below(corpus.len())];
                let (start, end) = self.range(other.len());
                other[start..end].to_vec()
            }
        };
        match self.below(4) {
            0 => drop(input.splice(start..start, replacement)),
            _ => drop(input.splice(start..end, replacement)),
        }
    }

    /// Part of something: mostly short.
    fn range(&mut self, length: usize) -> (usize, usize) {
        let start = self.below(length + 1);
        let most = if self.below(4) == 0 { length } else { 16 };
        (start, (start + self.below(most)).min(length))
    }
}

/// The system's allocator, which counts.
struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;
static IN_USE: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every request is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = IN_USE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        MOST.fetch_max(now, Ordering::Relaxed);
        // SAFETY: the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's.
        unsafe { System.dealloc(pointer, layout) }
    }
}
