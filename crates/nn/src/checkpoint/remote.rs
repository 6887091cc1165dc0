//! One repository at the hub: what a revision has, and downloads that end in the right file.
//!
//! hf-hub finds the repository, sends the token, follows redirects and speaks the hub's storage protocols. Three things
//! it does not do, as of 1.0.0, so they are done here:
//!
//! - **Resume.** Its `download_file` creates `<etag>.incomplete` anew at every attempt (`repository/download.rs`,
//!   `stream_response_to_file_with_progress`), so a cut at 99 % costs everything. Its `download_file_stream` takes a
//!   range of bytes; appending that to the same `.incomplete` resumes, also what an earlier process began. The stream
//!   exists in the asynchronous interface only, hence the small runtime here instead of the feature `blocking`.
//! - **Verify.** It compares neither length nor hash, and stores what an error page says under the file's name. Here
//!   a content gets its name when its hash is the one that the hub promised.
//! - **Say the hash first.** Its `get_file_metadata` follows the redirect of a large file to the storage, where the
//!   hub's headers are gone, and its listings drop the sha256. One `HEAD` of our own reads them.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;

use hf_hub::repository::ModelInfo;
use hf_hub::{HFClient, HFError, HFRepository, RepoTypeModel};
use reqwest::header::{ACCEPT_ENCODING, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Client, Response, StatusCode, Url, redirect};

use super::cache::{RepoCache, make_folder_of};
use super::download::{Download, length};
use super::error::{Asked, CheckpointError, io_at};
use super::files::{self, Format};
use super::location::{Revision, Wanted};
use super::promise::{Promise, header};
use super::report::Report;
use super::settings::{Patience, Settings};

/// A repository at the hub.
pub(super) struct Remote<'a> {
    settings: &'a Settings,
    wanted: &'a Wanted,
    repo: &'a str,
    pub(super) model: HFRepository<RepoTypeModel>,
    /// Follows no redirect: the hub's own headers are wanted.
    direct: Client,
    cache: &'a RepoCache,
    pub(super) report: &'a dyn Report,
}

/// Why an attempt brought no file.
pub(super) enum Stop {
    /// Another may.
    Again(String),
    /// None will.
    Fatal(CheckpointError),
}

impl From<CheckpointError> for Stop {
    fn from(error: CheckpointError) -> Self {
        Self::Fatal(error)
    }
}

impl<'a> Remote<'a> {
    pub(super) fn new(
        settings: &'a Settings,
        wanted: &'a Wanted,
        repo: &'a str,
        cache: &'a RepoCache,
        report: &'a dyn Report,
    ) -> Result<Self, CheckpointError> {
        let wrong = |error: HFError| CheckpointError::Endpoint {
            endpoint: settings.endpoint.clone(),
            problem: error.to_string(),
        };
        let hub = hub(settings).map_err(wrong)?;
        let direct = client(settings, redirect::Policy::none()).map_err(HFError::from);
        let (org, name) = hf_hub::split_id(repo);
        let model = hub.model(org, name);
        Ok(Self { settings, wanted, repo, model, direct: direct.map_err(wrong)?, cache, report })
    }

    pub(super) fn patience(&self) -> &Patience {
        &self.settings.patience
    }

    /// Before the next attempt, after so many in vain.
    pub(super) async fn wait(&self, fruitless: u32) {
        tokio::time::sleep(self.patience().backoff * 2u32.pow(fruitless.min(6)) / 2).await;
    }

    /// Brings all that belongs to the checkpoint into the cache; returns the commit.
    pub(super) fn fetch(&self, revision: &Revision) -> Result<String, CheckpointError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(io_at(Path::new("the runtime")))?.block_on(self.fetch_all(revision))
    }

    async fn fetch_all(&self, revision: &Revision) -> Result<String, CheckpointError> {
        let (commit, names) = self.list(revision).await?;
        let format = Format::check(&names, &self.wanted.to_string())?;
        for name in files::beside_weights(&names) {
            self.fetch_file(&commit, &name).await?;
        }
        // The index of shards is here by now.
        let folder = self.cache.snapshot(&commit);
        for name in files::weights(format, &folder, |name| names.contains(name))? {
            self.fetch_file(&commit, &name).await?;
        }
        self.cache.settle(&commit)?;
        self.cache.remember(revision, &commit)?;
        Ok(commit)
    }

    /// The commit of a revision and the names of its files.
    async fn list(
        &self,
        revision: &Revision,
    ) -> Result<(String, BTreeSet<String>), CheckpointError> {
        let answer = self.model.info().revision(revision.as_str()).send().await;
        let ModelInfo { sha, siblings, .. } =
            answer.map_err(|error| self.explain("list of files", &error))?;
        let Some(Ok(Revision::Commit(commit))) = sha.as_deref().map(str::parse) else {
            return Err(self.answer("list of files", "it names no commit".to_owned()));
        };
        let names = siblings.unwrap_or_default().into_iter().map(|file| file.rfilename);
        Ok((commit, names.filter(|name| files::is_inside(name)).collect()))
    }

    /// Brings one file into the snapshot.
    async fn fetch_file(&self, commit: &str, name: &str) -> Result<(), CheckpointError> {
        if self.cache.snapshot(commit).join(name).exists() {
            return Ok(());
        }
        let promise = self.promised(commit, name).await?;
        let target = self.cache.blob(&promise.etag);
        let _lock = self.cache.lock(&promise.etag)?;
        // A content that several commits share is there once.
        if length(&target) != Some(promise.size) {
            make_folder_of(&target)?;
            Download::new(self, commit, name, &promise, target).run().await?;
        }
        self.cache.link(commit, name, &promise.etag)
    }

    /// What the hub promises of a file.
    async fn promised(&self, commit: &str, name: &str) -> Result<Promise, CheckpointError> {
        let mut fruitless = 0;
        loop {
            let cause = match self.ask(commit, name).await {
                Ok(promise) => return Ok(promise),
                Err(Stop::Fatal(error)) => return Err(error),
                Err(Stop::Again(cause)) => cause,
            };
            fruitless += 1;
            if fruitless >= self.patience().attempts {
                return Err(self.unreachable(cause));
            }
            self.wait(fruitless).await;
        }
    }

    /// `HEAD` of a file. What leads elsewhere at the hub is followed, as for a renamed repository; the storage is not.
    async fn ask(&self, commit: &str, name: &str) -> Result<Promise, Stop> {
        let mut url = self.url(commit, name)?;
        for _ in 0..5 {
            let mut request = self.direct.head(url.clone());
            if let Some(token) = &self.settings.token {
                request = request.bearer_auth(&token.0);
            }
            let response = request.send().await.map_err(|error| Stop::Again(chain(&error)))?;
            match self.follow(name, &url, &response)? {
                ControlFlow::Break(promise) => return Ok(promise),
                ControlFlow::Continue(next) => url = next,
            }
        }
        Err(Stop::Fatal(self.answer(name, "too many redirects".to_owned())))
    }

    /// The promise of an answer, or where to ask else.
    fn follow(
        &self,
        name: &str,
        url: &Url,
        response: &Response,
    ) -> Result<ControlFlow<Promise, Url>, Stop> {
        let (status, headers) = (response.status(), response.headers());
        if !status.is_success() && !status.is_redirection() {
            return Err(self.no_file(name, status, headers));
        }
        if let Some(promise) = Promise::read(headers, status.is_redirection()) {
            return Ok(ControlFlow::Break(promise));
        }
        let next = header(headers, LOCATION.as_str()).and_then(|next| url.join(next).ok());
        // The token must not leave the hub.
        match next.filter(|next| next.origin() == url.origin()) {
            Some(next) => Ok(ControlFlow::Continue(next)),
            None => Err(Stop::Fatal(self.answer(name, unchecked(headers)))),
        }
    }

    fn no_file(&self, name: &str, status: StatusCode, headers: &HeaderMap) -> Stop {
        if is_passing(status) {
            return Stop::Again(format!("it answered {status}"));
        }
        let message = header(headers, "x-error-message").unwrap_or_default();
        Stop::Fatal(self.refusal(name, status, header(headers, "x-error-code"), message))
    }

    fn url(&self, commit: &str, name: &str) -> Result<Url, CheckpointError> {
        let base = format!("{}/{}/resolve/{commit}", self.settings.endpoint, self.repo);
        let wrong = |problem: String| self.answer(name, problem);
        let mut url = Url::parse(&base).map_err(|error| wrong(error.to_string()))?;
        url.path_segments_mut()
            .map_err(|()| wrong("the endpoint is no address of a server".to_owned()))?
            .extend(name.split('/'));
        Ok(url)
    }

    /// Whether an error of hf-hub ends a download.
    pub(super) fn stop(&self, name: &str, error: &HFError) -> Stop {
        match error {
            HFError::Request { source, .. } => Stop::Again(chain(source)),
            HFError::Xet { .. } | HFError::RateLimited { .. } => Stop::Again(error.to_string()),
            HFError::Http { context } if is_passing(context.status) => {
                Stop::Again(format!("it answered {}", context.status))
            }
            error => Stop::Fatal(self.explain(name, error)),
        }
    }

    /// An error of hf-hub in our words.
    fn explain(&self, what: &str, error: &HFError) -> CheckpointError {
        let context = match error {
            HFError::Request { source, .. } if source.is_decode() => {
                return self.answer(what, chain(source));
            }
            HFError::Request { source, .. } => return self.unreachable(chain(source)),
            HFError::Http { context }
            | HFError::AuthRequired { context }
            | HFError::Forbidden { context }
            | HFError::RateLimited { context, .. }
            | HFError::RepoNotFound { context: Some(context), .. }
            | HFError::RevisionNotFound { context: Some(context), .. }
            | HFError::EntryNotFound { context: Some(context), .. } => context,
            other => return self.answer(what, other.to_string()),
        };
        let message = context.server_message.as_deref().unwrap_or_default();
        self.refusal(what, context.status, context.error_code.as_deref(), message)
    }

    /// The hub says what is wrong in `X-Error-Code`; for strangers a missing repository is a 401 like a private one.
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
            _ if is_passing(status) => self.unreachable(format!("it answered {status}")),
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

fn hub(settings: &Settings) -> Result<HFClient, HFError> {
    HFClient::builder()
        .endpoint(&settings.endpoint)
        .cache_dir(&settings.cache)
        // Without a token hf-hub would look into the environment itself. A line feed cannot be sent in a header, so
        // this one is not.
        .token(settings.token.as_ref().map_or("\n", |token| &token.0))
        .client(client(settings, redirect::Policy::default())?)
        // Downloads are repeated here, and the listing soon gives way to what the cache has.
        .retry_max_attempts(2)
        .retry_base_delay(settings.patience.backoff / 2)
        .build()
}

fn client(settings: &Settings, redirects: redirect::Policy) -> reqwest::Result<Client> {
    // What is compressed on the way can be neither resumed nor compared with a size.
    let identity = (ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    Client::builder()
        .default_headers(HeaderMap::from_iter([identity]))
        .connect_timeout(settings.patience.connect)
        .read_timeout(settings.patience.silence)
        .user_agent(concat!("nir/", env!("CARGO_PKG_VERSION")))
        .redirect(redirects)
        .build()
}

fn unchecked(headers: &HeaderMap) -> String {
    let (etag, size) = (header(headers, "etag"), header(headers, "content-length"));
    format!("nothing to check it by: its ETag {etag:?} is no hash, or its size {size:?} is none")
}

/// Whether asking again may help.
fn is_passing(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429)
}

/// The causes of an error: reqwest's own words say only that something failed at an address, which is known.
fn chain(error: &reqwest::Error) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    let causes: Vec<String> = causes.map(ToString::to_string).collect();
    if causes.is_empty() { error.to_string() } else { causes.join(": ") }
}
