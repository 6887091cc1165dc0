//! One file from the hub into the cache: resumed where it ended, named when its hash is right.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use ureq::Body;
use ureq::http::Response;
use ureq::http::header::CONTENT_RANGE;

use super::cache::remove;
use super::client::{Stop, each_piece};
use super::error::{CheckpointError, io_at};
use super::promise::{Promise, header};
use super::remote::Remote;

/// The download of one file.
pub(super) struct Download<'a> {
    remote: &'a Remote<'a>,
    commit: &'a str,
    name: &'a str,
    promise: &'a Promise,
    /// The path of what has arrived so far.
    part: PathBuf,
    /// The path of the complete file.
    target: PathBuf,
}

impl<'a> Download<'a> {
    pub(super) fn new(
        remote: &'a Remote<'a>,
        commit: &'a str,
        name: &'a str,
        promise: &'a Promise,
        target: PathBuf,
    ) -> Self {
        Self { remote, commit, name, promise, part: target.with_extension("incomplete"), target }
    }

    /// Tries until the file is complete; fails after too many attempts in a row that brought too few bytes.
    pub(super) fn run(&self) -> Result<(), CheckpointError> {
        let (mut fruitless, mut longest) = (0, length(&self.part).unwrap_or(0));
        loop {
            let cause = match self.attempt() {
                Ok(()) => return Ok(()),
                Err(Stop::Fatal(error)) => return Err(error),
                Err(Stop::Again(cause)) => cause,
            };
            let received = length(&self.part).unwrap_or(0);
            let enough = longest + self.remote.patience().pace.bytes.max(1);
            fruitless = if received >= enough { 0 } else { fruitless + 1 };
            longest = longest.max(received);
            if fruitless >= self.remote.patience().attempts {
                return Err(self.cut(received, cause));
            }
            self.remote.wait(fruitless);
        }
    }

    /// Requests the missing bytes once. If the content is complete and has the right hash, it gets its name.
    fn attempt(&self) -> Result<(), Stop> {
        let have = self.resumable()?;
        self.remote.report.begin(self.name, self.promise.size);
        self.remote.report.advance(have);
        if have < self.promise.size || have == 0 {
            self.append(have)?;
        }
        let actual = self.promise.hash(&self.part).map_err(io_at(&self.part))?;
        if actual == self.promise.etag {
            return Ok(self.complete()?);
        }
        remove(&self.part)?;
        match have {
            0 => Err(Stop::Fatal(self.damaged(actual))),
            // Perhaps the start was not of this file.
            _ => Err(Stop::Again("what was there before did not belong to it".to_owned())),
        }
    }

    /// The number of bytes that have arrived already and can be kept.
    fn resumable(&self) -> Result<u64, CheckpointError> {
        match length(&self.part).unwrap_or(0) {
            len if len > self.promise.size => remove(&self.part).map(|()| 0),
            len => Ok(len),
        }
    }

    /// Appends what follows byte `have` to the partial file, or starts the file again if the server starts at its
    /// beginning.
    fn append(&self, have: u64) -> Result<(), Stop> {
        let range = (have > 0).then(|| format!("bytes={have}-{}", self.promise.size - 1));
        let mut response = self.remote.get(self.commit, self.name, range.as_deref())?;
        let start = self.start(&response, have)?;
        self.check_room(self.promise.size - start)?;
        let mut part = self.open(start)?;
        let mut len = start;
        each_piece(&mut response, self.remote.patience().pace, |piece| {
            len += piece.len() as u64;
            if len > self.promise.size {
                return Err(self.too_long()?);
            }
            part.write_all(piece).map_err(io_at(&self.part))?;
            self.remote.report.advance(piece.len() as u64);
            Ok(())
        })?;
        match len < self.promise.size {
            true => Err(Stop::Again("the connection was closed".to_owned())),
            false => Ok(()),
        }
    }

    /// The position at which the bytes of a response belong.
    fn start(&self, response: &Response<Body>, have: u64) -> Result<u64, Stop> {
        let range = header(response.headers(), CONTENT_RANGE.as_str());
        let from = range.and_then(|range| range.trim().strip_prefix("bytes ")?.split('-').next());
        match (response.status().as_u16(), from.and_then(|from| from.trim().parse::<u64>().ok())) {
            (206, Some(from)) if from == have => Ok(have),
            (206, _) => {
                remove(&self.part)?;
                Err(Stop::Again("it resumed at another place than asked".to_owned()))
            }
            _ => Ok(0),
        }
    }

    fn check_room(&self, needed: u64) -> Result<(), CheckpointError> {
        let folder = self.part.parent().expect("a file of the cache is in a folder");
        let free = fs4::available_space(folder).map_err(io_at(folder))?;
        let spare = self.remote.patience().spare;
        if needed <= free.saturating_sub(spare) {
            return Ok(());
        }
        let (asked, file) = (self.remote.asked(), self.name.to_owned());
        Err(CheckpointError::NoRoom { asked, file, needed, free, spare })
    }

    fn open(&self, start: u64) -> Result<File, CheckpointError> {
        let mut options = OpenOptions::new();
        match start {
            0 => options.write(true).create(true).truncate(true),
            _ => options.append(true),
        };
        options.open(&self.part).map_err(io_at(&self.part))
    }

    /// Handles more bytes than the hub announced: the content is another file, so what arrived is removed.
    fn too_long(&self) -> Result<Stop, CheckpointError> {
        remove(&self.part)?;
        let problem = format!("it is longer than the {} bytes promised", self.promise.size);
        Ok(Stop::Fatal(self.remote.answer(self.name, problem)))
    }

    fn complete(&self) -> Result<(), CheckpointError> {
        File::open(&self.part).and_then(|part| part.sync_all()).map_err(io_at(&self.part))?;
        std::fs::rename(&self.part, &self.target).map_err(io_at(&self.target))
    }

    fn cut(&self, received: u64, cause: String) -> CheckpointError {
        CheckpointError::Cut {
            asked: self.remote.asked(),
            file: self.name.to_owned(),
            received,
            total: self.promise.size,
            cause,
        }
    }

    fn damaged(&self, actual: String) -> CheckpointError {
        CheckpointError::Damaged {
            asked: self.remote.asked(),
            file: self.name.to_owned(),
            hash: self.promise.kind(),
            actual,
            expected: self.promise.etag.clone(),
        }
    }
}

/// The length of a file in bytes; `None` if there is no file.
pub(super) fn length(path: &Path) -> Option<u64> {
    std::fs::metadata(path).ok().map(|data| data.len())
}
