//! Downloads that end in the right file or in an error that says what every mirror answered.
//!
//! Bytes go to `<name>.part` first. A cut connection is resumed where it ended (`Range`, guarded by `If-Range` where the
//! server gave a validator), also by a later process: `<name>.part.json` remembers where the part came from. Only a file
//! that passed its checksums gets its name. Two processes take turns by a lock file.
//!
//! Nothing goes on for ever, whatever a server does: [`Patience`] says how slow it may be, how long a file may be whose
//! length nobody has said, and how much of the disk stays free.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nir_core::{Progress, Task};
use serde::{Deserialize, Serialize};
use ureq::http::{Response, header};
use ureq::{Agent, Body};

use crate::checksum::{Mismatch, Sums};
use crate::manifest::RemoteFile;

/// The limits of a download: how long it waits, how often it is tried, how much it writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// The longest wait for a connection, and again for the first byte of an answer.
    pub answer: Duration,
    /// The longest wait for the next bytes of a file.
    pub silence: Duration,
    /// The lowest speed that is accepted.
    pub pace: Pace,
    /// Attempts at one mirror in a row that each bring fewer bytes than the pace asks of one window.
    pub attempts: u32,
    /// The wait before the second attempt; it doubles with each further one.
    pub backoff: Duration,
    /// Bytes of a file whose length the manifest does not say.
    pub longest: u64,
    /// The number of bytes on the disk that must remain free.
    pub spare: u64,
}

/// The lowest speed of a download: at least `bytes` in each window. Without it, a server that sends a byte now and then
/// would never time out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// The number of bytes in each window.
    pub bytes: u64,
    /// The length of a window.
    pub within: Duration,
}

impl Patience {
    /// The limits for servers on the internet.
    pub const INTERNET: Self = Self {
        answer: Duration::from_secs(30),
        silence: Duration::from_mins(1),
        // 1 KiB a second: a collection of 1 GB would take eleven days.
        pace: Pace { bytes: 60 << 10, within: Duration::from_mins(1) },
        attempts: 5,
        backoff: Duration::from_secs(1),
        // MS MARCO's documents, the largest file of a known collection, are 8 GB packed.
        longest: 64 << 30,
        spare: 256 << 20,
    };
}

/// Why a file could not be downloaded.
#[derive(Debug, thiserror::Error)]
pub enum DownloadError {
    /// No mirror gave the file.
    #[error("could not download `{file}`:{}", list(attempts))]
    Mirrors {
        /// The name of the file.
        file: String,
        /// Each mirror with its last answer.
        attempts: Vec<(String, Answer)>,
    },
    /// The file has no address; the user must obtain it in person.
    #[error("`{file}` must be obtained in person; then name its folder with `--from`")]
    Manual {
        /// The name of the file.
        file: String,
    },
    /// The disk has less free space than the file needs.
    #[error(
        "{path}: {needed} more bytes are to come, and the disk has {free} free, of which {spare} stay so; free some space \
         and start again, or let `NIR_CACHE` name a folder on another disk"
    )]
    NoRoom {
        /// The path of the partial file.
        path: PathBuf,
        /// The number of bytes still to be downloaded.
        needed: u64,
        /// The number of free bytes on the disk.
        free: u64,
        /// The number of bytes that must remain free.
        spare: u64,
    },
    /// The disk became full while the file was written.
    #[error("{path}: the disk is full; free some space and start again, what is there is kept")]
    DiskFull {
        /// The path of the partial file.
        path: PathBuf,
    },
    /// An operation on a file failed.
    #[error("{path}: {source}")]
    Io {
        /// The path of the file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
}

/// Why a mirror did not give the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Answer {
    /// It refused with this HTTP status.
    #[error("answered {0}")]
    Status(u16),
    /// It offers a file of another size.
    #[error("offers {offered} bytes, the manifest says {expected}")]
    Size {
        /// The size that it offers.
        offered: u64,
        /// The size in the manifest.
        expected: u64,
    },
    /// The connection ended too early, in every attempt.
    #[error("ended after {received} of {total} bytes")]
    Cut {
        /// The number of bytes that arrived.
        received: u64,
        /// The number of bytes that it announced.
        total: u64,
    },
    /// The server does not announce the length of the file, and sends more than is plausible.
    #[error(
        "sends more than {longest} bytes, and neither it nor the manifest says how many there are; if they are right, \
         add `bytes` to the file in the manifest"
    )]
    Endless {
        /// The number of bytes that were waited for.
        longest: u64,
    },
    /// It sent too slowly, in every attempt.
    #[error("sent {received} bytes in {within:?}, fewer than {fewest}; what came is kept")]
    Slow {
        /// The number of bytes that arrived in the last window of time.
        received: u64,
        /// The length of the window.
        within: Duration,
        /// The smallest number of bytes that was accepted.
        fewest: u64,
    },
    /// It resumed at another place than was asked.
    #[error("resumed at another place than asked")]
    Resumed,
    /// It gave another file.
    #[error("gave another file: {0}")]
    Wrong(#[from] Mismatch),
    /// It gave a file that is no archive although the name says so; the text is the expected kind.
    #[error("gave something that is no {0} file, perhaps a web page")]
    Kind(&'static str),
    /// It could not be reached or stopped answering.
    #[error("{0}")]
    Transport(String),
}

fn list(attempts: &[(String, Answer)]) -> String {
    attempts.iter().fold(String::new(), |list, (url, answer)| list + &format!("\n  {url} {answer}"))
}

/// Downloads `file` into `folder`, or does nothing if the right file is there already. Returns its path and its sums.
pub fn download(
    file: &RemoteFile,
    folder: &Path,
    patience: &Patience,
    progress: &dyn Progress,
) -> Result<(PathBuf, Sums), DownloadError> {
    let target = folder.join(&file.name);
    std::fs::create_dir_all(folder).map_err(io_at(folder))?;
    let _lock = lock(&folder.join(format!(".{}.lock", file.name)))?;
    if let Some(sums) = right(file, &target)? {
        return Ok((target, sums));
    }
    if file.is_manual() {
        return Err(DownloadError::Manual { file: file.name.clone() });
    }
    let mut attempts = Vec::new();
    for url in &file.urls {
        let part = Part::new(file, &target, url, patience);
        match part.fetch(&agent(patience), progress) {
            Ok(sums) => return Ok((target, sums)),
            Err(Stop::Mirror(answer)) => attempts.push((url.clone(), answer)),
            Err(Stop::Fatal(error)) => return Err(error),
        }
    }
    Err(DownloadError::Mirrors { file: file.name.clone(), attempts })
}

/// The sums of the right file at `path`; a wrong one is removed.
fn right(file: &RemoteFile, path: &Path) -> Result<Option<Sums>, DownloadError> {
    match Sums::of(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(DownloadError::Io { path: path.to_owned(), source }),
        Ok(sums) if sums.check(file).is_ok() => Ok(Some(sums)),
        Ok(_) => std::fs::remove_file(path).map(|()| None).map_err(io_at(path)),
    }
}

/// Waits until no other process downloads the same file. The lock ends with the process, however it ends.
fn lock(path: &Path) -> Result<File, DownloadError> {
    let file = File::create(path).map_err(io_at(path))?;
    file.lock().map_err(io_at(path))?;
    Ok(file)
}

fn io_at(path: &Path) -> impl FnOnce(io::Error) -> DownloadError {
    let path = path.to_owned();
    |source| match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => DownloadError::DiskFull { path },
        _ => DownloadError::Io { path, source },
    }
}

/// Proxies are taken from the environment, as ureq does.
fn agent(patience: &Patience) -> Agent {
    Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(patience.answer))
        .timeout_recv_response(Some(patience.answer))
        .timeout_per_read(Some(patience.silence))
        .user_agent(concat!("nir/", env!("CARGO_PKG_VERSION")))
        // What is compressed on the way can be neither resumed nor compared with a size.
        .accept_encoding("identity")
        .build()
        .new_agent()
}

/// Why an attempt ended without the file.
enum Stop {
    /// This mirror cannot give the file.
    Mirror(Answer),
    /// No mirror can give the file.
    Fatal(DownloadError),
}

/// Why an answer brought no file, and whether asking again may.
struct Failure {
    answer: Answer,
    again: bool,
}

impl From<DownloadError> for Stop {
    fn from(error: DownloadError) -> Self {
        Self::Fatal(error)
    }
}

/// The origin of a partial file, kept for a later process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct PartState {
    url: String,
    /// A strong `ETag`, or the `Last-Modified` date; `None` if the server sent neither.
    validator: Option<String>,
}

/// A file that is being downloaded from one mirror.
struct Part<'a> {
    file: &'a RemoteFile,
    url: &'a str,
    target: &'a Path,
    patience: &'a Patience,
    /// The path of what has arrived so far.
    bytes: PathBuf,
    /// The path of the record of its origin.
    state: PathBuf,
}

impl<'a> Part<'a> {
    fn new(file: &'a RemoteFile, target: &'a Path, url: &'a str, patience: &'a Patience) -> Self {
        let beside = |end: &str| target.with_file_name(format!("{}.{end}", file.name));
        let (bytes, state) = (beside("part"), beside("part.json"));
        Self { file, url, target, patience, bytes, state }
    }

    /// Attempts until the file is there, or until this mirror brought too little too often.
    fn fetch(&self, agent: &Agent, progress: &dyn Progress) -> Result<Sums, Stop> {
        let (mut fruitless, mut longest) = (0, self.len());
        loop {
            let failure = match self.attempt(agent, progress)? {
                Ok(sums) => return Ok(sums),
                Err(failure) => failure,
            };
            let enough = longest + self.patience.pace.bytes.max(1);
            fruitless = if self.len() >= enough { 0 } else { fruitless + 1 };
            longest = longest.max(self.len());
            if !failure.again || fruitless >= self.patience.attempts {
                return Err(Stop::Mirror(failure.answer));
            }
            std::thread::sleep(self.patience.backoff * 2u32.pow(fruitless.min(6)) / 2);
        }
    }

    /// Asks once for what is missing; the file has its name afterwards if all went well.
    fn attempt(
        &self,
        agent: &Agent,
        progress: &dyn Progress,
    ) -> Result<Result<Sums, Failure>, DownloadError> {
        let have = self.resumable()?;
        if have > 0 && Some(have) == self.file.bytes {
            return self.complete(true);
        }
        let mut response = match self.request(agent, have) {
            Ok(response) => response,
            Err(error) => return Ok(Err(again(Answer::Transport(error.to_string())))),
        };
        match self.receive(&mut response, have, progress)? {
            Ok(()) => self.complete(have > 0),
            Err(failure) => Ok(Err(failure)),
        }
    }

    fn request(&self, agent: &Agent, have: u64) -> Result<Response<Body>, ureq::Error> {
        let mut request = agent.get(self.url);
        if have > 0 {
            request = request.header(header::RANGE, format!("bytes={have}-"));
            if let Some(validator) = self.validator() {
                request = request.header(header::IF_RANGE, validator);
            }
        }
        request.call()
    }

    /// Appends what the server sends to the part, or starts it anew where the server does.
    fn receive(
        &self,
        response: &mut Response<Body>,
        have: u64,
        progress: &dyn Progress,
    ) -> Result<Result<(), Failure>, DownloadError> {
        let start = match self.start(response, have)? {
            Ok(start) => start,
            Err(failure) => return Ok(Err(failure)),
        };
        let total = number(response, header::CONTENT_LENGTH.as_str()).map(|rest| start + rest);
        if let Some(offered) = total
            && let Some(answer) = self.wrong_length(offered)
        {
            return Ok(Err(stop(answer)));
        }
        self.check_room(total.or(self.file.bytes).map_or(1, |total| total - start))?;
        self.remember(response)?;
        let task = progress.begin(&self.file.name, "bytes", total.or(self.file.bytes).unwrap_or(0));
        task.advance(start);
        let received = self.append(response, start, &*task)?;
        Ok(received.and_then(|received| match total {
            Some(total) if received < total => Err(again(Answer::Cut { received, total })),
            _ => Ok(()),
        }))
    }

    /// The position at which the bytes of a response belong.
    fn start(
        &self,
        response: &Response<Body>,
        have: u64,
    ) -> Result<Result<u64, Failure>, DownloadError> {
        let status = response.status().as_u16();
        let resumed = range_start(response) == Some(have) && !self.changed(response);
        match status {
            200 => Ok(Ok(0)),
            206 if resumed => Ok(Ok(have)),
            // A part that is no part of this file: forget it and ask for the whole.
            206 | 416 => self.forget().map(|()| Err(again(Answer::Resumed))),
            408 | 425 | 429 | 500..=599 => Ok(Err(again(Answer::Status(status)))),
            _ => Ok(Err(stop(Answer::Status(status)))),
        }
    }

    /// Writes the body after byte `start`; returns how long the part is now.
    fn append(
        &self,
        response: &mut Response<Body>,
        start: u64,
        task: &dyn Task,
    ) -> Result<Result<u64, Failure>, DownloadError> {
        let mut part = self.open_at(start)?;
        let mut meter = Meter::new(self.patience.pace);
        let mut body = response.body_mut().as_reader();
        let mut buffer = vec![0; 1 << 16];
        let mut len = start;
        loop {
            let read = match body.read(&mut buffer) {
                Ok(0) => return Ok(Ok(len)),
                Ok(read) => read as u64,
                Err(error) => return Ok(Err(again(Answer::Transport(error.to_string())))),
            };
            if let Some(answer) = self.too_long(len + read) {
                self.forget()?;
                return Ok(Err(stop(answer)));
            }
            // Others write on the disk too.
            if len / LOOK != (len + read) / LOOK {
                self.check_room(1)?;
            }
            len += read;
            part.write_all(&buffer[..read as usize]).map_err(io_at(&self.bytes))?;
            task.advance(read);
            if let Some(answer) = meter.slow(read) {
                return Ok(Err(again(answer)));
            }
        }
    }

    /// Whether a file of this length cannot be the right one.
    fn wrong_length(&self, offered: u64) -> Option<Answer> {
        match self.file.bytes {
            Some(expected) if offered != expected => Some(Answer::Size { offered, expected }),
            _ => self.too_long(offered),
        }
    }

    /// Whether a file of at least this length cannot be the right one.
    fn too_long(&self, offered: u64) -> Option<Answer> {
        let longest = self.patience.longest;
        match self.file.bytes {
            Some(expected) => (offered > expected).then_some(Answer::Size { offered, expected }),
            None => (offered > longest).then_some(Answer::Endless { longest }),
        }
    }

    /// Fails if `needed` more bytes would leave less free space on the disk than must remain.
    fn check_room(&self, needed: u64) -> Result<(), DownloadError> {
        let folder = self.target.parent().unwrap_or(Path::new("."));
        let free = fs4::available_space(folder).map_err(io_at(folder))?;
        let spare = self.patience.spare;
        match needed <= free.saturating_sub(spare) {
            true => Ok(()),
            false => Err(DownloadError::NoRoom { path: self.bytes.clone(), needed, free, spare }),
        }
    }

    fn open_at(&self, start: u64) -> Result<File, DownloadError> {
        let mut options = OpenOptions::new();
        if start == 0 {
            options.write(true).create(true).truncate(true);
        } else {
            options.append(true);
        }
        options.open(&self.bytes).map_err(io_at(&self.bytes))
    }

    /// Checks the part and gives it its name. A wrong part is removed; one that was resumed may be right next time.
    fn complete(&self, resumed: bool) -> Result<Result<Sums, Failure>, DownloadError> {
        let sums = Sums::of(&self.bytes).map_err(io_at(&self.bytes))?;
        let wrong = match sums.check(self.file) {
            Err(mismatch) => Some(Answer::Wrong(mismatch)),
            Ok(()) => self.wrong_kind()?,
        };
        if let Some(answer) = wrong {
            self.forget()?;
            return Ok(Err(Failure { answer, again: resumed }));
        }
        File::open(&self.bytes).and_then(|part| part.sync_all()).map_err(io_at(&self.bytes))?;
        std::fs::rename(&self.bytes, self.target).map_err(io_at(self.target))?;
        self.forget()?;
        Ok(Ok(sums))
    }

    /// Checks, for a file without a checksum, that an archive is one.
    fn wrong_kind(&self) -> Result<Option<Answer>, DownloadError> {
        if self.file.md5.is_some() || self.file.sha256.is_some() {
            return Ok(None);
        }
        let mut start = Vec::new();
        let part = File::open(&self.bytes).map_err(io_at(&self.bytes))?;
        part.take(4).read_to_end(&mut start).map_err(io_at(&self.bytes))?;
        let kinds: [(&str, &'static str, &[u8]); 4] = [
            (".gz", "gzip", b"\x1f\x8b"),
            (".tgz", "gzip", b"\x1f\x8b"),
            (".zip", "zip", b"PK"),
            (".parquet", "parquet", b"PAR1"),
        ];
        let wrong = kinds
            .iter()
            .find(|(end, _, magic)| self.file.name.ends_with(end) && !start.starts_with(magic));
        Ok(wrong.map(|(_, kind, _)| Answer::Kind(kind)))
    }

    /// The number of bytes that have arrived already and can be kept.
    fn resumable(&self) -> Result<u64, DownloadError> {
        let known = self.file.md5.is_some() || self.file.sha256.is_some();
        let len = self.len();
        let too_long = self.file.bytes.is_some_and(|bytes| len > bytes);
        // Without a checksum at the end, only the server can tell that the rest belongs to this part.
        if too_long || (!known && self.validator().is_none()) {
            self.forget()?;
            return Ok(0);
        }
        Ok(len)
    }

    fn len(&self) -> u64 {
        std::fs::metadata(&self.bytes).map_or(0, |data| data.len())
    }

    fn remember(&self, response: &Response<Body>) -> Result<(), DownloadError> {
        let state = PartState { url: self.url.to_owned(), validator: validator(response) };
        let json = serde_json::to_vec(&state).expect("two strings are JSON");
        std::fs::write(&self.state, json).map_err(io_at(&self.state))
    }

    /// The validator in the record of the partial file, if it came from this mirror.
    fn validator(&self) -> Option<String> {
        let json = std::fs::read(&self.state).ok()?;
        let state: PartState = serde_json::from_slice(&json).ok()?;
        state.validator.filter(|_| state.url == self.url)
    }

    /// Whether the server has another file now than when the part was begun. Some ignore `If-Range`.
    fn changed(&self, response: &Response<Body>) -> bool {
        matches!((self.validator(), validator(response)), (Some(then), Some(now)) if then != now)
    }

    fn forget(&self) -> Result<(), DownloadError> {
        for path in [&self.bytes, &self.state] {
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(io_at(path)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The number of bytes after which the free space is checked again.
const LOOK: u64 = 16 << 20;

/// Measures how fast bytes arrive.
struct Meter {
    pace: Pace,
    since: Instant,
    bytes: u64,
}

impl Meter {
    fn new(pace: Pace) -> Self {
        Self { pace, since: Instant::now(), bytes: 0 }
    }

    /// Counts `bytes` more; returns an answer if too few arrived within a whole window of time.
    fn slow(&mut self, bytes: u64) -> Option<Answer> {
        self.bytes += bytes;
        if self.since.elapsed() < self.pace.within {
            return None;
        }
        let Self { pace, bytes: received, .. } = *self;
        *self = Self::new(pace);
        let (within, fewest) = (pace.within, pace.bytes);
        (received < fewest).then_some(Answer::Slow { received, within, fewest })
    }
}

fn again(answer: Answer) -> Failure {
    Failure { answer, again: true }
}

fn stop(answer: Answer) -> Failure {
    Failure { answer, again: false }
}

fn text<'r>(response: &'r Response<Body>, name: &str) -> Option<&'r str> {
    response.headers().get(name).and_then(|value| value.to_str().ok())
}

fn number(response: &Response<Body>, name: &str) -> Option<u64> {
    text(response, name).and_then(|value| value.trim().parse().ok())
}

/// The first byte of a range in `Content-Range: bytes 10-99/100`.
fn range_start(response: &Response<Body>) -> Option<u64> {
    let range = text(response, header::CONTENT_RANGE.as_str())?.trim().strip_prefix("bytes ")?;
    range.split('-').next()?.trim().parse().ok()
}

/// The value for `If-Range`; a weak `ETag` must not be used (RFC 9110, section 13.1.5).
fn validator(response: &Response<Body>) -> Option<String> {
    let etag = text(response, header::ETAG.as_str()).filter(|etag| !etag.starts_with("W/"));
    etag.or_else(|| text(response, header::LAST_MODIFIED.as_str())).map(str::to_owned)
}
