//! One repository at the hub: requests for what a revision has, with errors that name it.
//!
//! Of hf-hub only the names in the cache are used, in a release that brings neither a client nor a storage protocol. Its
//! clients bring a second HTTP client and a second TLS library (from 1.0 on also the protocol of the hub's storage), and
//! its downloads do not verify what came, nor resume in a later process. What is needed of the hub is little and documented:
//!
//! ```text
//! GET  /api/models/{repo}/revision/{revision}   the commit and the names of its files
//! HEAD /{repo}/resolve/{commit}/{file}          length and hash of a file, before any redirect to the storage
//! GET  /{repo}/resolve/{commit}/{file}          the file, or a range of it; the storage behind the redirect serves ranges
//! ```

use std::collections::BTreeSet;

use serde::Deserialize;
use ureq::Body;
use ureq::http::{HeaderMap, Response, StatusCode, Uri};

use super::client::{Client, Stop, each_piece, is_passing};
use super::error::{Asked, CheckpointError};
use super::files;
use super::location::{Revision, Wanted};
use super::promise::{Promise, header};
use super::report::Report;
use super::settings::{Patience, Settings};

/// The largest number of bytes of a listing that is read; repositories with a hundred thousand files have smaller ones.
const LISTING: usize = 32 << 20;

/// A repository on the hub.
pub(super) struct Remote<'a> {
    settings: &'a Settings,
    wanted: &'a Wanted,
    repo: &'a str,
    client: Client<'a>,
    pub(super) report: &'a dyn Report,
}

/// The part of the hub's answer about a revision that is used.
#[derive(Deserialize)]
struct Listing {
    sha: Option<String>,
    #[serde(default)]
    siblings: Vec<Sibling>,
}

/// A file of the listing.
#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
}

impl<'a> Remote<'a> {
    pub(super) fn new(
        settings: &'a Settings,
        wanted: &'a Wanted,
        repo: &'a str,
        report: &'a dyn Report,
    ) -> Result<Self, CheckpointError> {
        let client = Client::new(settings).map_err(|problem| CheckpointError::Endpoint {
            endpoint: settings.endpoint.clone(),
            problem,
        })?;
        Ok(Self { settings, wanted, repo, client, report })
    }

    pub(super) fn patience(&self) -> &Patience {
        &self.settings.patience
    }

    /// Waits before the next attempt; longer after each of the `fruitless` ones.
    pub(super) fn wait(&self, fruitless: u32) {
        std::thread::sleep(self.patience().backoff * 2u32.pow(fruitless.min(6)) / 2);
    }

    /// Asks the hub for the commit of a revision and the names of its files.
    pub(super) fn list(
        &self,
        revision: &Revision,
    ) -> Result<(String, BTreeSet<String>), CheckpointError> {
        let url = self.url(&["api", "models", self.repo, "revision"], &[revision.as_str()])?;
        // Fewer attempts than at a file: what the cache has can take its place.
        let json = self.again(2.min(self.patience().attempts), || self.read_listing(&url))?;
        let wrong = |problem: String| self.answer(LIST, problem);
        let listing: Listing =
            serde_json::from_slice(&json).map_err(|error| wrong(error.to_string()))?;
        let Some(Ok(Revision::Commit(commit))) = listing.sha.as_deref().map(str::parse) else {
            return Err(wrong("it names no commit".to_owned()));
        };
        let names = listing.siblings.into_iter().map(|file| file.rfilename);
        Ok((commit, names.filter(|name| files::is_inside(name)).collect()))
    }

    fn read_listing(&self, url: &Uri) -> Result<Vec<u8>, Stop> {
        let response = self.client.get(url, None).map_err(Stop::Again)?;
        let mut response = self.accepted(LIST, response)?;
        let mut json = Vec::new();
        each_piece(&mut response, self.patience().pace, |piece| {
            json.extend_from_slice(piece);
            match json.len() > LISTING {
                true => Err(Stop::Fatal(
                    self.answer(LIST, format!("it is longer than {LISTING} bytes")),
                )),
                false => Ok(()),
            }
        })?;
        Ok(json)
    }

    /// Asks the hub for the hash and length of a file. Follows the redirect of a renamed repository, but not the one to
    /// the storage, as the hub's headers are missing there.
    pub(super) fn promised(&self, commit: &str, name: &str) -> Result<Promise, CheckpointError> {
        self.again(self.patience().attempts, || self.ask_for_promise(commit, name))
    }

    fn ask_for_promise(&self, commit: &str, name: &str) -> Result<Promise, Stop> {
        let url = self.file_url(commit, name)?;
        let read = |response: &Response<Body>| {
            Promise::read(response.headers(), response.status().is_redirection())
        };
        let response = self.client.head(&url, |response| read(response).is_some());
        let response = self.accepted(name, response.map_err(Stop::Again)?)?;
        read(&response).ok_or_else(|| Stop::Fatal(self.answer(name, unchecked(response.headers()))))
    }

    /// Requests a file or a range of it.
    pub(super) fn get(
        &self,
        commit: &str,
        name: &str,
        range: Option<&str>,
    ) -> Result<Response<Body>, Stop> {
        let url = self.file_url(commit, name)?;
        self.accepted(name, self.client.get(&url, range).map_err(Stop::Again)?)
    }

    /// Repeats `attempt` until it succeeds, fails for good, or was made `attempts` times.
    fn again<T>(
        &self,
        attempts: u32,
        attempt: impl Fn() -> Result<T, Stop>,
    ) -> Result<T, CheckpointError> {
        let mut fruitless = 0;
        loop {
            let cause = match attempt() {
                Ok(found) => return Ok(found),
                Err(Stop::Fatal(error)) => return Err(error),
                Err(Stop::Again(cause)) => cause,
            };
            fruitless += 1;
            if fruitless >= attempts {
                return Err(self.unreachable(cause));
            }
            self.wait(fruitless);
        }
    }

    /// The response if its status is a success, else the reason to stop.
    fn accepted(&self, what: &str, response: Response<Body>) -> Result<Response<Body>, Stop> {
        let (status, headers) = (response.status(), response.headers());
        if status.is_success() || status.is_redirection() {
            return Ok(response);
        }
        if is_passing(status) {
            return Err(Stop::Again(format!("it answered {status}")));
        }
        let message = header(headers, "x-error-message").unwrap_or_default();
        Err(Stop::Fatal(self.refusal(what, status, header(headers, "x-error-code"), message)))
    }

    fn file_url(&self, commit: &str, name: &str) -> Result<Uri, CheckpointError> {
        let parts: Vec<&str> = name.split('/').collect();
        self.url(&[self.repo, "resolve", commit], &parts)
    }

    /// An address below the endpoint. Parts in `foreign` may contain any character and are escaped.
    fn url(&self, own: &[&str], foreign: &[&str]) -> Result<Uri, CheckpointError> {
        let foreign = foreign.iter().map(|part| escaped(part));
        let parts: Vec<String> = own.iter().map(ToString::to_string).chain(foreign).collect();
        let url = format!("{}/{}", self.settings.endpoint, parts.join("/"));
        url.parse().map_err(|problem| CheckpointError::Endpoint {
            endpoint: self.settings.endpoint.clone(),
            problem: format!("`{url}` is no address: {problem}"),
        })
    }

    /// The error for a refused request. The hub says in `X-Error-Code` what is wrong; without a token, a missing
    /// repository gets the same status 401 as a private one.
    fn refusal(
        &self,
        what: &str,
        status: StatusCode,
        code: Option<&str>,
        message: &str,
    ) -> CheckpointError {
        let asked = self.asked();
        match (status.as_u16(), code) {
            (_, Some("RepoNotFound")) => CheckpointError::NoRepository(asked),
            (_, Some("RevisionNotFound")) => CheckpointError::NoRevision(asked),
            (status @ (401 | 403), _) => {
                CheckpointError::Refused { asked, status, message: message.to_owned() }
            }
            _ => self.answer(what, format!("it answered {status} {message}").trim().to_owned()),
        }
    }

    pub(super) fn asked(&self) -> Box<Asked> {
        Asked::new(self.wanted, self.settings)
    }

    fn unreachable(&self, cause: String) -> CheckpointError {
        CheckpointError::Unreachable { asked: self.asked(), cause }
    }

    pub(super) fn answer(&self, file: &str, problem: String) -> CheckpointError {
        CheckpointError::Answer { asked: self.asked(), file: file.to_owned(), problem }
    }
}

/// How messages name the listing of a revision.
const LIST: &str = "list of files";

/// The text with all bytes except RFC 3986's unreserved ones replaced by `%` and their number.
fn escaped(part: &str) -> String {
    let byte = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    };
    part.bytes().map(byte).collect()
}

fn unchecked(headers: &HeaderMap) -> String {
    let (etag, size) = (header(headers, "etag"), header(headers, "content-length"));
    format!("nothing to check it by: its ETag {etag:?} is no hash, or its size {size:?} is none")
}
