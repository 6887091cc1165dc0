//! Requests to the hub and to its storage.

use std::io::Read;
use std::time::Instant;

use ureq::http::{HeaderMap, Request, Response, StatusCode, Uri, header};
use ureq::{Agent, Body};

use super::error::CheckpointError;
use super::promise;
use super::settings::{Pace, Patience, Settings};

/// An HTTP client for the hub. It sends the token to the hub's own address only.
pub(super) struct Client<'a> {
    agent: Agent,
    settings: &'a Settings,
    hub: Uri,
}

/// The largest number of redirects to follow: for a renamed repository, to the storage, and within the storage.
const REDIRECTS: usize = 5;

impl<'a> Client<'a> {
    /// Makes a client; the error says what is wrong with the endpoint. Proxies are read from the environment by ureq.
    pub(super) fn new(settings: &'a Settings) -> Result<Self, String> {
        let hub: Uri = settings.endpoint.parse().map_err(|error| format!("{error}"))?;
        if !matches!(hub.scheme_str(), Some("http" | "https")) {
            return Err("it is no address that begins with https:// or http://".to_owned());
        }
        Ok(Self { agent: agent(&settings.patience), settings, hub })
    }

    /// Sends one request and follows no redirect.
    pub(super) fn send(&self, method: &str, url: &Uri, range: Option<&str>) -> Answer {
        let mut request = Request::builder().method(method).uri(url);
        if let Some(token) =
            self.settings.token.as_ref().filter(|_| origin(url) == origin(&self.hub))
        {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.0));
        }
        if let Some(range) = range {
            request = request.header(header::RANGE, range);
        }
        let request = request.body(()).map_err(|error| error.to_string())?;
        self.agent.run(request).map_err(|error| error.to_string())
    }

    /// Sends a `GET` and follows redirects to any server.
    pub(super) fn get(&self, url: &Uri, range: Option<&str>) -> Answer {
        let mut url = url.clone();
        for _ in 0..=REDIRECTS {
            let response = self.send("GET", &url, range)?;
            match response.status().is_redirection() {
                true => url = next(&url, response.headers()).ok_or("a redirect leads nowhere")?,
                false => return Ok(response),
            }
        }
        Err("too many redirects".to_owned())
    }

    /// Sends a `HEAD` and follows redirects, as long as they stay on the hub and `enough` does not hold for an answer.
    pub(super) fn head(&self, url: &Uri, enough: impl Fn(&Response<Body>) -> bool) -> Answer {
        let mut url = url.clone();
        for _ in 0..=REDIRECTS {
            let response = self.send("HEAD", &url, None)?;
            let next = next(&url, response.headers()).filter(|next| origin(next) == origin(&url));
            match next.filter(|_| response.status().is_redirection() && !enough(&response)) {
                Some(next) => url = next,
                None => return Ok(response),
            }
        }
        Err("too many redirects".to_owned())
    }
}

/// A response, or the reason why there is none; a later attempt may succeed.
pub(super) type Answer = Result<Response<Body>, String>;

/// Why an attempt did not succeed.
pub(super) enum Stop {
    /// Another attempt may succeed; the text says what happened.
    Again(String),
    /// No other attempt can succeed.
    Fatal(CheckpointError),
}

impl From<CheckpointError> for Stop {
    fn from(error: CheckpointError) -> Self {
        Self::Fatal(error)
    }
}

fn agent(patience: &Patience) -> Agent {
    Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_connect(Some(patience.connect))
        .timeout_recv_response(Some(patience.silence))
        .timeout_per_read(Some(patience.silence))
        .user_agent(concat!("nir/", env!("CARGO_PKG_VERSION")))
        // What is compressed on the way can be neither resumed nor compared with a size.
        .accept_encoding("identity")
        .build()
        .new_agent()
}

/// The scheme, host and port of an address: the token is sent only where these are the hub's.
fn origin(url: &Uri) -> (Option<&str>, Option<&str>, Option<u16>) {
    (url.scheme_str(), url.host(), url.port_u16())
}

/// The target of a redirect: a complete address, or another path on the same server.
fn next(url: &Uri, headers: &HeaderMap) -> Option<Uri> {
    let location = promise::header(headers, header::LOCATION.as_str())?;
    if location.starts_with('/') && !location.starts_with("//") {
        return format!("{}://{}{location}", url.scheme_str()?, url.authority()?).parse().ok();
    }
    location.parse::<Uri>().ok().filter(|next| next.scheme().is_some())
}

/// Whether a request with this answer may succeed later.
pub(super) fn is_passing(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429)
}

/// Calls `take` with the pieces of a body as they arrive; fails when they arrive too slowly.
pub(super) fn each_piece(
    response: &mut Response<Body>,
    pace: Pace,
    mut take: impl FnMut(&[u8]) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let mut body = response.body_mut().as_reader();
    let mut meter = Meter { pace, since: Instant::now(), bytes: 0 };
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = body.read(&mut buffer).map_err(|error| Stop::Again(error.to_string()))?;
        if read == 0 {
            return Ok(());
        }
        take(&buffer[..read])?;
        meter.advance(read as u64)?;
    }
}

/// Measures how fast bytes arrive.
struct Meter {
    pace: Pace,
    since: Instant,
    bytes: u64,
}

impl Meter {
    /// Counts `bytes` more; fails if too few arrived within a whole window of time.
    fn advance(&mut self, bytes: u64) -> Result<(), Stop> {
        self.bytes += bytes;
        if self.since.elapsed() < self.pace.within {
            return Ok(());
        }
        if self.bytes < self.pace.bytes {
            let Pace { bytes, within } = self.pace;
            let cause = format!("{} bytes came in {within:?}, fewer than {bytes}", self.bytes);
            return Err(Stop::Again(cause));
        }
        *self = Self { pace: self.pace, since: Instant::now(), bytes: 0 };
        Ok(())
    }
}
