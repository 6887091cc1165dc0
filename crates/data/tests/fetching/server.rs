//! A web server on this machine that behaves as badly as it is told.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What the server does with one request; the last of a list is repeated.
#[derive(Debug, Clone)]
pub(crate) enum Do {
    /// Sends the body, or the range of it that was asked for.
    Serve,
    /// Sends all of the body whatever was asked for.
    IgnoreRange,
    /// Sends so many bytes of what was asked for and hangs up.
    CutAfter(usize),
    /// Sends a few bytes at a time with pauses.
    Slowly,
    /// Sends a byte now and then.
    Drip,
    /// Says no length, and sends for as long as somebody listens.
    Endless,
    /// Sends so many bytes and then nothing, without hanging up.
    FallSilentAfter(usize),
    /// Sends other bytes of the same length.
    Wrong,
    /// Sends a page instead.
    Page(&'static str),
    /// Answers with a status and no body.
    Status(u16),
    /// Points to another path of this server.
    Redirect(&'static str),
    /// Claims to resume, but from the first byte.
    ResumeElsewhere,
    /// Serves ranges of a file that has changed since: its ETag is another.
    Changed,
}

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) range: Option<String>,
    pub(crate) if_range: Option<String>,
}

/// A server that runs until the test ends.
pub(crate) struct Server {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    pub(crate) fn start(body: &[u8], script: &[Do]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (body, script, log) = (body.to_vec(), script.to_vec(), Arc::clone(&requests));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                let (body, script, log) = (body.clone(), script.clone(), Arc::clone(&log));
                thread::spawn(move || answer(stream, &body, &script, &log));
            }
        });
        Self { url, requests }
    }

    pub(crate) fn file(&self) -> String {
        format!("{}/file.bin", self.url)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }
}

fn answer(stream: TcpStream, body: &[u8], script: &[Do], log: &Mutex<Vec<Request>>) {
    let Some(request) = read_request(&stream) else { return };
    let number = {
        let mut log = log.lock().unwrap();
        log.push(request.clone());
        log.len() - 1
    };
    // A client that hangs up while it is answered is part of the game.
    let _ = act(stream, body, &script[number.min(script.len() - 1)], &request);
}

fn read_request(stream: &TcpStream) -> Option<Request> {
    let mut lines = BufReader::new(stream).lines();
    let path = lines.next()?.ok()?.split(' ').nth(1)?.to_owned();
    let mut request = Request { path, range: None, if_range: None };
    for line in lines.map_while(Result::ok).take_while(|line| !line.is_empty()) {
        let (name, value) = line.split_once(": ")?;
        match name.to_lowercase().as_str() {
            "range" => request.range = Some(value.to_owned()),
            "if-range" => request.if_range = Some(value.to_owned()),
            _ => {}
        }
    }
    Some(request)
}

fn act(mut stream: TcpStream, body: &[u8], what: &Do, request: &Request) -> std::io::Result<()> {
    let asked = request
        .range
        .as_deref()
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    let from = asked.unwrap_or(0);
    match what {
        Do::Redirect(to) if request.path != *to => write!(
            stream,
            "HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        ),
        Do::Serve | Do::Redirect(_) => send(&mut stream, body, asked, "\"one\"", body.len()),
        Do::IgnoreRange => send(&mut stream, body, None, "\"one\"", body.len()),
        Do::CutAfter(bytes) => send(&mut stream, body, asked, "\"one\"", from + bytes),
        Do::Slowly => pieces(&mut stream, body, asked, body.len() / 8, Duration::from_millis(60)),
        Do::Drip => pieces(&mut stream, body, asked, 1, Duration::from_millis(10)),
        Do::Endless => {
            write!(stream, "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")?;
            while stream.write_all(&[b'x'; 1 << 14]).is_ok() {}
            Ok(())
        }
        Do::FallSilentAfter(bytes) => {
            send(&mut stream, body, asked, "\"one\"", from + bytes)?;
            thread::sleep(Duration::from_secs(20));
            Ok(())
        }
        Do::Wrong => {
            let wrong: Vec<u8> = body.iter().map(|byte| byte ^ 1).collect();
            send(&mut stream, &wrong, asked, "\"one\"", body.len())
        }
        Do::Page(page) => send(&mut stream, page.as_bytes(), None, "\"page\"", page.len()),
        Do::Status(status) => {
            write!(stream, "HTTP/1.1 {status} No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        }
        Do::ResumeElsewhere => {
            let end = body.len() - 1;
            write!(
                stream,
                "HTTP/1.1 206 Partial Content\r\ncontent-range: bytes 0-{end}/{}\r\n\
                 content-length: {}\r\nconnection: close\r\n\r\n",
                body.len(),
                body.len()
            )?;
            stream.write_all(body)
        }
        Do::Changed => send(&mut stream, body, asked, "\"two\"", body.len()),
    }
}

/// Sends `body` from where it was asked for up to byte `until`, and always claims to send all of it.
fn send(
    stream: &mut TcpStream,
    body: &[u8],
    asked: Option<usize>,
    etag: &str,
    until: usize,
) -> std::io::Result<()> {
    head(stream, body, asked, etag)?;
    let from = asked.unwrap_or(0);
    stream.write_all(&body[from..until.min(body.len())])
}

fn head(
    stream: &mut TcpStream,
    body: &[u8],
    asked: Option<usize>,
    etag: &str,
) -> std::io::Result<()> {
    let rest = body.len() - asked.unwrap_or(0);
    match asked {
        Some(from) => write!(
            stream,
            "HTTP/1.1 206 Partial Content\r\ncontent-range: bytes {from}-{}/{}\r\n",
            body.len() - 1,
            body.len()
        )?,
        None => write!(stream, "HTTP/1.1 200 OK\r\n")?,
    }
    write!(stream, "etag: {etag}\r\ncontent-length: {rest}\r\nconnection: close\r\n\r\n")
}

fn pieces(
    stream: &mut TcpStream,
    body: &[u8],
    asked: Option<usize>,
    bytes: usize,
    pause: Duration,
) -> std::io::Result<()> {
    head(stream, body, asked, "\"one\"")?;
    for piece in body[asked.unwrap_or(0)..].chunks(bytes) {
        stream.write_all(piece)?;
        stream.flush()?;
        thread::sleep(pause);
    }
    Ok(())
}
