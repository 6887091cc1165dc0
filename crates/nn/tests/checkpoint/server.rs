//! A hub on this machine: the addresses and headers of the real one, and faults on demand.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use nir_nn::checkpoint::{Hub, Pace, Patience, Report, Settings, Token, Wanted};
use sha1::Sha1;
use sha2::{Digest, Sha256};

pub(crate) const REPO: &str = "org/tiny";
pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
pub(crate) const TOKEN: &str = "hf_good";
pub(crate) const WEIGHTS: usize = 300_000;

/// What is wrong with the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Hangs up after so many bytes of the weights, this many times.
    Cut { after: usize, times: usize },
    /// Sends so many bytes of the weights and then nothing, without hanging up, once.
    Silent { after: usize },
    /// Sends the weights a byte at a time, without end.
    Drip,
    /// Sends the listing a byte at a time, without end.
    DripList,
    /// Sends a listing of more bytes than any has.
    LongList,
    /// Sends other bytes of the same length for the weights.
    WrongWeights,
    /// Sends another `tokenizer.json` of the same length.
    WrongTokenizer,
    /// Sends all of the weights whatever was asked for.
    NoRanges,
    /// Sends a byte too many.
    TooLong,
    /// Gives files only to those with the token.
    Gated,
    /// Answers everything with this status.
    Down(u16),
    /// Gives an ETag that is no hash.
    OddEtag,
    /// The repository has another name today.
    Renamed,
    /// Sends the listing as a web page.
    Page,
    /// Sends the weights without a redirect to the storage.
    NoStorage,
}

/// A request as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) range: Option<String>,
    pub(crate) token: Option<String>,
}

struct State {
    files: BTreeMap<String, Vec<u8>>,
    faults: Mutex<Vec<Fault>>,
    requests: Mutex<Vec<Request>>,
    /// Bytes of the weights that were sent.
    served: Mutex<usize>,
    /// Where large files are; nothing for this server.
    storage: Mutex<String>,
}

/// A hub that runs until the test ends.
pub(crate) struct Server {
    pub(crate) url: String,
    state: Arc<State>,
}

/// Bytes without a pattern.
pub(crate) fn noise(len: usize) -> Vec<u8> {
    let next = |state: &mut u64| {
        *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        Some((*state >> 56) as u8)
    };
    std::iter::repeat_with(|| ()).scan(7, |state, ()| next(state)).take(len).collect()
}

/// A small model, with the files that a repository has and we do not want.
pub(crate) fn tiny() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        (".gitattributes", b"*.safetensors filter=lfs\n".to_vec()),
        ("1_Pooling/config.json", br#"{"pooling_mode_mean_tokens":true}"#.to_vec()),
        ("README.md", b"# Tiny\n".to_vec()),
        ("config.json", br#"{"model_type":"bert"}"#.to_vec()),
        ("model.safetensors", noise(WEIGHTS)),
        ("modules.json", b"[]".to_vec()),
        ("onnx/model.onnx", noise(10)),
        ("pytorch_model.bin", noise(20)),
        ("tokenizer.json", br#"{"version":"1.0"}"#.to_vec()),
    ]
}

impl Server {
    pub(crate) fn start(faults: &[Fault]) -> Self {
        Self::with(&tiny(), faults)
    }

    pub(crate) fn with(files: &[(&str, Vec<u8>)], faults: &[Fault]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let files = files.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.clone())).collect();
        let state = Arc::new(State {
            files,
            faults: Mutex::new(faults.to_vec()),
            requests: Mutex::default(),
            served: Mutex::default(),
            storage: Mutex::default(),
        });
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, state) = (stream.unwrap(), Arc::clone(&shared));
                // A client that hangs up while it is answered is part of the game.
                thread::spawn(move || drop(state.answer(stream)));
            }
        });
        Self { url, state }
    }

    pub(crate) fn set(&self, faults: &[Fault]) {
        *self.state.faults.lock().unwrap() = faults.to_vec();
    }

    /// Lets another server be its storage.
    pub(crate) fn store_at(&self, url: &str) {
        url.clone_into(&mut self.state.storage.lock().unwrap());
    }

    /// Its requests so far; forgets them.
    pub(crate) fn requests(&self) -> Vec<Request> {
        std::mem::take(&mut *self.state.requests.lock().unwrap())
    }

    /// How many bytes of the weights it sent so far.
    pub(crate) fn served(&self) -> usize {
        *self.state.served.lock().unwrap()
    }

    pub(crate) fn settings(&self, cache: &Path) -> Settings {
        settings(&self.url, cache)
    }

    pub(crate) fn hub(&self, cache: &Path) -> Hub {
        Hub::new(self.settings(cache))
    }
}

/// Settings without patience.
pub(crate) fn settings(endpoint: &str, cache: &Path) -> Settings {
    Settings {
        endpoint: endpoint.to_owned(),
        cache: cache.to_owned(),
        token: None,
        token_file: "/home/x/.cache/huggingface/token".into(),
        offline: false,
        patience: Patience {
            connect: Duration::from_secs(5),
            silence: Duration::from_secs(5),
            pace: Pace { bytes: 1_000, within: Duration::from_millis(400) },
            attempts: 2,
            backoff: Duration::from_millis(2),
            spare: 0,
        },
    }
}

pub(crate) fn with_token(settings: Settings, token: &str) -> Hub {
    Hub::new(Settings { token: Some(Token(token.to_owned())), ..settings })
}

pub(crate) fn offline(settings: Settings) -> Hub {
    Hub::new(Settings { offline: true, ..settings })
}

pub(crate) fn at(revision: &str) -> Wanted {
    Wanted::new(format!("hf:{REPO}").parse().unwrap(), Some(revision)).unwrap()
}

pub(crate) fn pinned() -> Wanted {
    at(COMMIT)
}

/// Adds up what it is told.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) begun: Mutex<Vec<(String, u64)>>,
    pub(crate) bytes: Mutex<u64>,
}

impl Report for Told {
    fn begin(&self, what: &str, total_bytes: u64) {
        self.begun.lock().unwrap().push((what.to_owned(), total_bytes));
    }

    fn advance(&self, bytes: u64) {
        *self.bytes.lock().unwrap() += bytes;
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

pub(crate) fn git_sha1(bytes: &[u8]) -> String {
    let start = format!("blob {}\0", bytes.len());
    hex(&Sha1::new_with_prefix(start).chain_update(bytes).finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the hub keeps in its storage, and not in git.
fn is_large(name: &str) -> bool {
    [".safetensors", ".bin", ".onnx"].iter().any(|end| name.ends_with(end))
}

struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
    /// How many bytes of the body are sent before it hangs up.
    until: Option<usize>,
    /// How long it waits before it hangs up.
    pause: Duration,
    /// How long it waits after each byte.
    drip: Option<Duration>,
}

impl Reply {
    fn new(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            until: None,
            pause: Duration::ZERO,
            drip: None,
        }
    }

    fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn error(status: u16, code: &str) -> Self {
        Self::new(status)
            .header("x-error-code", code)
            .header("x-error-message", format!("about {code}"))
    }

    fn send(&self, mut stream: TcpStream, with_body: bool) -> std::io::Result<()> {
        write!(stream, "HTTP/1.1 {} So\r\nconnection: close\r\n", self.status)?;
        for (name, value) in &self.headers {
            write!(stream, "{name}: {value}\r\n")?;
        }
        write!(stream, "content-length: {}\r\n\r\n", self.body.len())?;
        if let Some(pause) = self.drip.filter(|_| with_body) {
            for byte in self.body.chunks(1) {
                stream.write_all(byte)?;
                thread::sleep(pause);
            }
        } else if with_body {
            stream.write_all(&self.body[..self.until.unwrap_or(self.body.len())])?;
            thread::sleep(self.pause);
        }
        Ok(())
    }
}

impl State {
    fn answer(&self, stream: TcpStream) -> std::io::Result<()> {
        let Some(request) = read(&stream) else { return Ok(()) };
        self.requests.lock().unwrap().push(request.clone());
        let reply = self.reply(&request);
        reply.send(stream, request.method != "HEAD")
    }

    fn has(&self, fault: Fault) -> bool {
        self.faults.lock().unwrap().contains(&fault)
    }

    fn reply(&self, request: &Request) -> Reply {
        let down = |fault: &Fault| match fault {
            Fault::Down(status) => Some(*status),
            _ => None,
        };
        if let Some(status) = self.faults.lock().unwrap().iter().find_map(down) {
            return Reply::new(status);
        }
        let parts: Vec<&str> = request.path.trim_start_matches('/').split('/').collect();
        match parts[..] {
            ["api", "models", org, name, "revision", revision] => {
                check(org, name, revision).unwrap_or_else(|| self.list())
            }
            [org, name, "resolve", revision, ref file @ ..] => {
                check(org, name, revision).unwrap_or_else(|| self.resolve(request, &file.join("/")))
            }
            ["storage", hash] => self.storage(request, hash),
            _ => Reply::new(404),
        }
    }

    fn list(&self) -> Reply {
        let names = self.files.keys().map(|name| format!(r#"{{"rfilename":"{name}"}}"#));
        let siblings = names.collect::<Vec<_>>().join(",");
        let json = format!(r#"{{"id":"{REPO}","sha":"{COMMIT}","siblings":[{siblings}]}}"#);
        let body = match () {
            () if self.has(Fault::Page) => "<html>".to_owned(),
            () if self.has(Fault::LongList) => " ".repeat(33 << 20),
            () => json,
        };
        Reply { body: body.into(), drip: self.drip(Fault::DripList), ..Reply::new(200) }
    }

    fn resolve(&self, request: &Request, name: &str) -> Reply {
        let good = format!("Bearer {TOKEN}");
        if self.has(Fault::Gated) && request.token.as_deref() != Some(&good) {
            let status = if request.token.is_some() { 403 } else { 401 };
            return Reply::error(status, "GatedRepo");
        }
        if self.has(Fault::Renamed) && request.path.starts_with("/org/") {
            let path = request.path.replacen("org", "new", 1);
            return Reply::new(307).header("location", path);
        }
        match self.files.get(name) {
            None => Reply::error(404, "EntryNotFound"),
            Some(bytes) if is_large(name) => self.large(request, bytes),
            Some(bytes) => {
                let odd = self.has(Fault::OddEtag);
                let etag = if odd { "\"../x\"".into() } else { format!("\"{}\"", git_sha1(bytes)) };
                let reply = self.content(request, name, bytes);
                reply.header("etag", etag).header("x-repo-commit", COMMIT)
            }
        }
    }

    fn large(&self, request: &Request, bytes: &[u8]) -> Reply {
        let hash = sha256(bytes);
        let reply = if self.has(Fault::NoStorage) {
            self.content(request, "large", bytes)
        } else {
            let storage = self.storage.lock().unwrap();
            Reply::new(302).header("location", format!("{storage}/storage/{hash}"))
        };
        reply
            .header("x-linked-etag", format!("\"{hash}\""))
            .header("x-linked-size", bytes.len().to_string())
            .header("etag", "\"of-the-redirect\"")
            .header("x-repo-commit", COMMIT)
    }

    fn storage(&self, request: &Request, hash: &str) -> Reply {
        match self.files.values().find(|bytes| sha256(bytes) == hash) {
            None => Reply::new(404),
            Some(bytes) => {
                self.content(request, "large", bytes).header("etag", "\"of-the-storage\"")
            }
        }
    }

    /// The bytes that were asked for, as far as the faults let them.
    fn content(&self, request: &Request, name: &str, bytes: &[u8]) -> Reply {
        let mut bytes = bytes.to_vec();
        let (weights, total) = (name == "large", bytes.len());
        let wrong = (weights && self.has(Fault::WrongWeights))
            || (name == "tokenizer.json" && self.has(Fault::WrongTokenizer));
        if wrong {
            bytes.iter_mut().for_each(|byte| *byte ^= 1);
        }
        if weights && self.has(Fault::TooLong) {
            bytes.push(0);
        }
        let asked = request.range.as_deref().filter(|_| !self.has(Fault::NoRanges));
        let range = asked.map_or(0..bytes.len(), |range| parse(range, total));
        let mut reply = Reply::new(if asked.is_some() { 206 } else { 200 });
        if asked.is_some() {
            let text = format!("bytes {}-{}/{total}", range.start, range.end - 1);
            reply = reply.header("content-range", text);
        }
        reply.body = bytes[range].to_vec();
        if weights && request.method == "GET" {
            let (until, pause) = self.cut().unwrap_or((usize::MAX, Duration::ZERO));
            let sent = until.min(reply.body.len());
            (reply.until, reply.pause) = (Some(sent), pause);
            reply.drip = self.drip(Fault::Drip);
            *self.served.lock().unwrap() += sent;
        }
        reply
    }

    fn drip(&self, fault: Fault) -> Option<Duration> {
        self.has(fault).then_some(Duration::from_millis(10))
    }

    /// Where this answer is cut, and what is waited then; one time less is left.
    fn cut(&self) -> Option<(usize, Duration)> {
        self.faults.lock().unwrap().iter_mut().find_map(|fault| match *fault {
            Fault::Cut { after, times } if times > 0 => {
                *fault = Fault::Cut { after, times: times - 1 };
                Some((after, Duration::ZERO))
            }
            Fault::Silent { after } => {
                *fault = Fault::Cut { after, times: 0 };
                Some((after, Duration::from_secs(20)))
            }
            _ => None,
        })
    }
}

fn check(org: &str, name: &str, revision: &str) -> Option<Reply> {
    match (format!("{org}/{name}").as_str(), revision) {
        (REPO | "new/tiny", "main" | COMMIT) => None,
        (REPO, _) => Some(Reply::error(404, "RevisionNotFound")),
        // As the real hub answers strangers.
        _ => Some(Reply::error(401, "RepoNotFound")),
    }
}

fn parse(range: &str, total: usize) -> Range<usize> {
    let (from, to) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
    from.parse().unwrap()..to.parse::<usize>().map_or(total, |to| to + 1)
}

fn read(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next()?.ok()?;
    let (method, rest) = first.split_once(' ')?;
    let path = rest.split([' ', '?']).next()?.to_owned();
    let mut request = Request { method: method.to_owned(), path, range: None, token: None };
    for line in lines.map_while(Result::ok).take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(": ")?;
        match name.to_lowercase().as_str() {
            "range" => request.range = Some(value.to_owned()),
            "authorization" => request.token = Some(value.to_owned()),
            _ => {}
        }
    }
    Some(request)
}
