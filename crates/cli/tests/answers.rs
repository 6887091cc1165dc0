//! A comparison with a language model behind a server, published with its answers: it replays without the server.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod common;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::Nir;

/// A server that names the second passage as the best, whatever it is asked. Returns its address and the number of requests.
fn server() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/v1", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let requests = Arc::clone(&count);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let requests = Arc::clone(&requests);
            std::thread::spawn(move || {
                let mut stream = stream.unwrap();
                let (mut text, mut buffer) = (String::new(), [0; 4096]);
                while !text.ends_with('}') {
                    let read = stream.read(&mut buffer).unwrap();
                    text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
                }
                requests.fetch_add(1, Ordering::SeqCst);
                let body = r#"{"choices":[{"message":{"content":"[2] > [1]"}}],"usage":{"prompt_tokens":30,"completion_tokens":5}}"#;
                let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length";
                write!(stream, "{head}: {}\r\n\r\n{body}", body.len()).unwrap();
            });
        }
    });
    (address, count)
}

fn method(server: &str) -> String {
    format!(
        r#"
[card]
name  = "Turned round by a server"
paper = "sun2023rankgpt"

[[stage]]
use      = "bm25"
analyzer = "lucene-english"
k1       = 0.9
b        = 0.4
lengths  = "lucene-byte"
depth    = 4

[[stage]]
use    = "listwise"
window = 2
step   = 1
passes = 1
depth  = 4

[stage.ask]
model      = {{ server = "{server}", name = "turner" }}
sampling   = {{ temperature = 0.0, max_tokens = 9, seed = 1 }}
prompt     = [{{ role = "user", content = "{{query}} {{passages}}" }}]
passage    = "[{{rank}}] {{text}}"
budget     = {{ words = 20 }}
unreadable = "refuse"
"#
    )
}

#[test]
fn a_run_replays_from_its_answers_without_the_server() {
    let (server, requests) = server();
    let (first, second) = (Nir::new(), Nir::new());
    first.write("turner.toml", &method(&server));
    let run =
        ["run", "./turner.toml", "--on", "toy", "--run", "out.trec", "--answers", "answers.jsonl"];
    first.run(&run).ok();
    let asked = requests.load(Ordering::SeqCst);
    assert!(asked > 3, "{asked}");
    let answers = fs::read_to_string(first.path("answers.jsonl")).unwrap();
    assert_eq!(answers.lines().count(), asked);
    // Again: nothing is asked.
    first.run(&run).ok();
    assert_eq!(requests.load(Ordering::SeqCst), asked);

    // On another machine, where nothing listens at the address.
    second.write("turner.toml", &method("http://127.0.0.1:9/v1"));
    second.write("answers.jsonl", &answers);
    let offline = [&run[..], &["--offline"]].concat();
    second.run(&offline).ok();
    let bytes = |nir: &Nir| fs::read(nir.path("out.trec")).unwrap();
    assert_eq!(bytes(&first), bytes(&second));
    assert_eq!(fs::read_to_string(second.path("answers.jsonl")).unwrap(), answers);

    // Without the answers the query is named.
    let error = second.run(&["run", "./turner.toml", "--on", "toy", "--offline"]).error();
    assert!(
        error.contains("query `") && error.contains("no answer of `turner` is kept"),
        "{error}"
    );
    // What it cost is in the result.
    first.run(&[&run[..], &["--results", "results"]].concat()).ok();
    let cells = common::files_below(&first.path("results"));
    let cell = cells.iter().find(|path| path.extension().is_some_and(|end| end == "json")).unwrap();
    let cell = fs::read_to_string(first.path("results").join(cell)).unwrap();
    assert!(
        cell.contains("\"calls a query\"") && cell.contains("\"prompt tokens a query\""),
        "{cell}"
    );
}

#[test]
fn a_file_of_answers_that_is_none_is_refused() {
    let nir = Nir::new();
    nir.write("answers.jsonl", "{\"question\": 3}\n");
    let run = ["run", "lexical/bm25", "--on", "toy", "--answers"];
    let error = nir.run(&[&run[..], &["answers.jsonl"]].concat()).error();
    assert!(error.contains("answers.jsonl:1: "), "{error}");
    let error = nir.run(&[&run[..], &["nowhere/answers.jsonl"]].concat()).error();
    assert!(error.contains("expected a file in a folder that exists"), "{error}");
}
