//! One file from the hub into the cache: resumed where it ended, named when its hash is right.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use futures_util::StreamExt;
use hf_hub::HFError;

use super::cache::remove;
use super::error::{CheckpointError, io_at};
use super::promise::Promise;
use super::remote::{Remote, Stop};

/// A file on its way.
pub(super) struct Download<'a> {
    remote: &'a Remote<'a>,
    commit: &'a str,
    name: &'a str,
    promise: &'a Promise,
    /// What is there so far.
    part: PathBuf,
    /// Where it belongs.
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

    /// Attempts until the content is there, or until too many in a row brought nothing new.
    pub(super) async fn run(&self) -> Result<(), CheckpointError> {
        let (mut fruitless, mut longest) = (0, length(&self.part).unwrap_or(0));
        loop {
            let cause = match self.attempt().await {
                Ok(()) => return Ok(()),
                Err(Stop::Fatal(error)) => return Err(error),
                Err(Stop::Again(cause)) => cause,
            };
            let received = length(&self.part).unwrap_or(0);
            fruitless = if received > longest { 0 } else { fruitless + 1 };
            longest = longest.max(received);
            if fruitless >= self.remote.patience().attempts {
                return Err(self.cut(received, cause));
            }
            self.remote.wait(fruitless).await;
        }
    }

    /// Asks once for what is missing; the content has its name afterwards if it is right.
    async fn attempt(&self) -> Result<(), Stop> {
        let have = self.resumable()?;
        self.remote.report.begin(self.name, self.promise.size);
        self.remote.report.advance(have);
        if have < self.promise.size || have == 0 {
            self.append(have).await?;
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

    /// How many bytes of the part can be kept.
    fn resumable(&self) -> Result<u64, CheckpointError> {
        match length(&self.part).unwrap_or(0) {
            len if len > self.promise.size => remove(&self.part).map(|()| 0),
            len => Ok(len),
        }
    }

    /// Appends what follows byte `have` to the part.
    async fn append(&self, have: u64) -> Result<(), Stop> {
        let stopped = |error: HFError| self.remote.stop(self.name, &error);
        let request = self.remote.model.download_file_stream();
        let request = request.filename(self.name).revision(self.commit);
        let range = (have > 0).then_some(have..self.promise.size);
        let (_, mut stream) = request.maybe_range(range).send().await.map_err(stopped)?;
        let mut part = self.open()?;
        let mut len = have;
        while let Some(bytes) = stream.next().await {
            let bytes = bytes.map_err(stopped)?;
            len += bytes.len() as u64;
            if len > self.promise.size {
                return Err(self.too_long(have)?);
            }
            part.write_all(&bytes).map_err(io_at(&self.part))?;
            self.remote.report.advance(bytes.len() as u64);
        }
        match len < self.promise.size {
            true => Err(Stop::Again("the connection was closed".to_owned())),
            false => Ok(()),
        }
    }

    fn open(&self) -> Result<File, CheckpointError> {
        let mut options = OpenOptions::new();
        options.create(true).append(true).open(&self.part).map_err(io_at(&self.part))
    }

    /// More bytes came than are missing: the server sent the whole where the rest was asked for, or it is another file.
    fn too_long(&self, have: u64) -> Result<Stop, CheckpointError> {
        remove(&self.part)?;
        Ok(match have {
            0 => {
                let problem = format!("it is longer than the {} bytes promised", self.promise.size);
                Stop::Fatal(self.remote.answer(self.name, problem))
            }
            _ => Stop::Again("the server does not resume".to_owned()),
        })
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

/// The length of a file, if there is one.
pub(super) fn length(path: &Path) -> Option<u64> {
    std::fs::metadata(path).ok().map(|data| data.len())
}
