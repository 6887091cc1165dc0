//! Language models behind servers, and their answers, which are kept.
//!
//! A server may be slow, busy or gone, and the same question may be answered otherwise tomorrow. So every answer is kept, in
//! `answers.jsonl` of the cache, under the digest of the whole question: a run that was stopped asks only what it has not asked, and
//! a second run asks nothing. `nir run --answers FILE` reads answers from a file before anything is asked, and writes all that the
//! run used into it: a comparison can be published with it, and replays without the server.
//!
//! A line of either file has the digest of the question, the model's name and the answer; it has no word of the prompt, which may
//! hold texts of a collection that may not be passed on.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use nir_core::{BoxError, Digest};
use nir_methods::language_model::{Answer, LanguageModel, Question, Served, in_parallel};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use ureq::http::StatusCode;
use ureq::{Agent, Body, http};

use crate::cache::{self, Cache};

/// How often a question is asked before it is given up.
const ATTEMPTS: u32 = 6;

/// The longest that a server may ask to wait.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

/// The most tokens whose probabilities a server tells, by the interface's own limit.
const TOLD: u8 = 20;

/// A line of a file of answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    /// The digest of the question, in hexadecimal.
    question: String,
    model: String,
    answer: Answer,
}

/// The servers that stages ask, and what they have answered.
pub(crate) struct Servers {
    kept: Arc<Kept>,
    /// The servers, by their addresses: how many requests each is working on.
    busy: Mutex<HashMap<String, Arc<Busy>>>,
    offline: bool,
    /// The pause before the second attempt; each further one is twice as long.
    pause: Duration,
}

impl Servers {
    /// Keeps answers in the cache.
    ///
    /// - `file`: the user's own file of answers, which need not exist yet
    /// - `offline`: whether no server may be asked
    ///
    /// # Errors
    ///
    /// If the user's file cannot be read, has a line that is none, or cannot be written later as its folder does not exist.
    pub(crate) fn new(cache: &Cache, file: Option<PathBuf>, offline: bool) -> Result<Self> {
        let kept = Arc::new(Kept::new(cache.folder().join("answers.jsonl"), file)?);
        Ok(Self { kept, busy: Mutex::default(), offline, pause: Duration::from_secs(1) })
    }

    /// The model behind a server.
    ///
    /// # Errors
    ///
    /// If the environment lacks the key that the config names.
    pub(crate) fn open(&self, served: &Served) -> Result<Arc<dyn LanguageModel>> {
        let key = match &served.key {
            Some(name) if !self.offline => Some(std::env::var(name).with_context(|| {
                format!(
                    "the key of {} is looked for in the environment variable `{name}`: set it",
                    served.server
                )
            })?),
            _ => None,
        };
        let mut busy = self.busy.lock().expect("no thread died opening a server");
        let busy = Arc::clone(busy.entry(served.server.clone()).or_default());
        Ok(Arc::new(Endpoint {
            served: served.clone(),
            key,
            agent: agent(Duration::from_secs(served.timeout)),
            busy,
            kept: Arc::clone(&self.kept),
            offline: self.offline,
            pause: self.pause,
        }))
    }

    /// The digest of the user's file of answers as it was read; `None` if there is no such option.
    pub(crate) fn answers_digest(&self) -> Option<Digest> {
        self.kept.file.as_ref().map(|file| file.digest)
    }

    /// Writes the user's file of answers, with those that were given since it was read.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub(crate) fn write_answers(&self) -> Result<()> {
        self.kept.write_file()
    }
}

/// Answers by the digests of their questions.
struct Kept {
    path: PathBuf,
    /// Those of the cache, read when the first is asked for, and the file to which new ones are added.
    cache: Mutex<Option<(HashMap<String, Line>, File)>>,
    file: Option<Own>,
}

/// The user's own file of answers.
struct Own {
    path: PathBuf,
    digest: Digest,
    lines: Mutex<BTreeMap<String, Line>>,
}

impl Kept {
    fn new(path: PathBuf, file: Option<PathBuf>) -> Result<Self> {
        let file = file.map(Own::read).transpose()?;
        Ok(Self { path, cache: Mutex::new(None), file })
    }

    fn get(&self, question: &str) -> Result<Option<Answer>> {
        if let Some(own) = &self.file {
            let lines = own.lines.lock().expect("no thread died reading answers");
            if let Some(line) = lines.get(question) {
                return Ok(Some(line.answer.clone()));
            }
        }
        let mut cache = self.cache.lock().expect("no thread died reading answers");
        let (lines, _) = self.opened(&mut cache)?;
        let found = lines.get(question).cloned();
        if let Some(line) = &found {
            self.note(line);
        }
        Ok(found.map(|line| line.answer))
    }

    fn put(&self, line: Line) -> Result<()> {
        self.note(&line);
        let mut cache = self.cache.lock().expect("no thread died writing answers");
        let (lines, file) = self.opened(&mut cache)?;
        file.write_all(line.text().as_bytes()).with_context(|| self.path.display().to_string())?;
        lines.insert(line.question.clone(), line);
        Ok(())
    }

    /// Adds an answer to those that the user's file will have.
    fn note(&self, line: &Line) {
        if let Some(own) = &self.file {
            let mut lines = own.lines.lock().expect("no thread died writing answers");
            lines.insert(line.question.clone(), line.clone());
        }
    }

    /// The answers of the cache. A line that was cut short by a kill is passed over.
    fn opened<'a>(
        &self,
        cache: &'a mut Option<(HashMap<String, Line>, File)>,
    ) -> Result<&'a mut (HashMap<String, Line>, File)> {
        let at = || self.path.display().to_string();
        if cache.is_none() {
            let text = or_empty(&self.path)?;
            let lines = text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok());
            let lines = lines.map(|line| (line.question.clone(), line)).collect();
            fs::create_dir_all(self.path.parent().expect("it lies in the cache"))
                .with_context(at)?;
            let mut file =
                File::options().create(true).append(true).open(&self.path).with_context(at)?;
            if !text.is_empty() && !text.ends_with('\n') {
                file.write_all(b"\n").with_context(at)?;
            }
            *cache = Some((lines, file));
        }
        Ok(cache.as_mut().expect("it was opened"))
    }

    fn write_file(&self) -> Result<()> {
        let Some(own) = &self.file else { return Ok(()) };
        let lines = own.lines.lock().expect("no thread died writing answers");
        let text: String = lines.values().map(Line::text).collect();
        match Digest::of(&text) == own.digest {
            true => Ok(()),
            false => cache::write(&own.path, text),
        }
    }
}

impl Line {
    fn text(&self) -> String {
        serde_json::to_string(self).expect("an answer is plain data") + "\n"
    }
}

impl Own {
    fn read(path: PathBuf) -> Result<Self> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        if folder.is_some_and(|folder| !folder.is_dir()) {
            bail!("{}: expected a file in a folder that exists", path.display());
        }
        let text = or_empty(&path)?;
        let mut lines = BTreeMap::new();
        for (number, line) in text.lines().enumerate() {
            let line: Line = serde_json::from_str(line).map_err(|error| {
                let at = format!("{}:{}", path.display(), number + 1);
                anyhow::anyhow!("{at}: {error}: expected a line with `question`, `model` and `answer`, as `nir run --answers` writes it")
            })?;
            lines.insert(line.question.clone(), line);
        }
        Ok(Self { path, digest: Digest::of(&text), lines: Mutex::new(lines) })
    }
}

/// The text of a file, which is empty where there is none.
fn or_empty(path: &Path) -> Result<String> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        read => read.with_context(|| path.display().to_string()),
    }
}

/// How many requests a server is working on.
#[derive(Default)]
struct Busy {
    requests: Mutex<usize>,
    freed: Condvar,
}

/// A place among the requests of a server, until it is dropped.
struct Place<'a>(&'a Busy);

impl Busy {
    /// Waits for a place among `most`.
    fn place(&self, most: usize) -> Place<'_> {
        let mut requests = self.requests.lock().expect("no thread died counting requests");
        while *requests >= most {
            requests = self.freed.wait(requests).expect("no thread died counting requests");
        }
        *requests += 1;
        Place(self)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        *self.0.requests.lock().expect("no thread died counting requests") -= 1;
        self.0.freed.notify_one();
    }
}

/// A model behind a server.
struct Endpoint {
    served: Served,
    key: Option<String>,
    agent: Agent,
    busy: Arc<Busy>,
    kept: Arc<Kept>,
    offline: bool,
    pause: Duration,
}

/// Why an attempt has no answer.
#[derive(Debug)]
enum Stop {
    /// Another attempt may have one, after this time if the server names it.
    Again(String, Option<Duration>),
    /// None will.
    Fatal(String),
}

impl LanguageModel for Endpoint {
    fn answers(&self, query_id: &str, questions: &[Question]) -> nir_core::Result<Vec<Answer>> {
        in_parallel(self.at_once(), questions, |question| {
            let answer = self.answer(question);
            answer.map_err(|error| BoxError::from(format!("query `{query_id}`: {error:#}")))
        })
    }

    fn at_once(&self) -> usize {
        self.served.parallel
    }
}

impl Endpoint {
    /// The kept answer to a question, or that of the server.
    fn answer(&self, question: &Question) -> Result<Answer> {
        let digest = question.digest().hex();
        if let Some(answer) = self.kept.get(&digest)? {
            return Ok(answer);
        }
        let Served { server, name, .. } = &self.served;
        if self.offline {
            bail!(
                "no answer of `{name}` is kept, and --offline forbids to ask {server}: run once without it, or give the file of answers with --answers FILE"
            );
        }
        let answer = self.asked(question)?;
        let line = Line { question: digest, model: name.clone(), answer: answer.clone() };
        self.kept.put(line)?;
        Ok(answer)
    }

    /// Asks until there is an answer.
    fn asked(&self, question: &Question) -> Result<Answer> {
        let server = &self.served.server;
        let mut pause = self.pause;
        let mut attempt = 1;
        loop {
            let asked = {
                let _place = self.busy.place(self.served.parallel);
                self.ask(question)
            };
            match asked {
                Ok(answer) => return Ok(answer),
                Err(Stop::Fatal(why)) => bail!("{server}: {why}"),
                Err(Stop::Again(why, _)) if attempt == ATTEMPTS => bail!(
                    "{server} has not answered in {ATTEMPTS} attempts: {why}. Is the server there? What has been answered is kept, and the same command goes on from there"
                ),
                Err(Stop::Again(_, wait)) => {
                    std::thread::sleep(wait.unwrap_or(pause).min(LONGEST_PAUSE));
                    (attempt, pause) = (attempt + 1, pause * 2);
                }
            }
        }
    }

    /// One request.
    fn ask(&self, question: &Question) -> Result<Answer, Stop> {
        let again = |why: String| Stop::Again(why, None);
        let address = format!("{}/chat/completions", self.served.server.trim_end_matches('/'));
        let mut request = self.agent.post(&address).header("Content-Type", "application/json");
        if let Some(key) = &self.key {
            request = request.header("Authorization", format!("Bearer {key}"));
        }
        let sent = request.send(body(question).to_string());
        let mut response = sent.map_err(|error| again(error.to_string()))?;
        let (status, wait) = (response.status(), retry_after(&response));
        let text = response.body_mut().read_to_string();
        let text = text.map_err(|error| again(format!("the answer was cut short: {error}")))?;
        match status {
            StatusCode::OK => read(&text, question).map_err(again),
            _ if is_passing(status) => Err(Stop::Again(refusal(status, &text), wait)),
            _ => Err(Stop::Fatal(refusal(status, &text))),
        }
    }
}

fn agent(timeout: Duration) -> Agent {
    Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(timeout))
        .user_agent(concat!("nir/", env!("CARGO_PKG_VERSION")))
        .build()
        .new_agent()
}

/// What a request says.
fn body(question: &Question) -> Value {
    let sampling = &question.sampling;
    let mut body = json!({
        "model": question.model,
        "messages": question.messages,
        "temperature": sampling.temperature,
        "max_tokens": sampling.max_tokens,
        "seed": sampling.seed,
    });
    if let Some(top_p) = sampling.top_p {
        body["top_p"] = top_p.into();
    }
    if !sampling.stop.is_empty() {
        body["stop"] = json!(sampling.stop);
    }
    if !question.choices.is_empty() {
        body["logprobs"] = true.into();
        body["top_logprobs"] = TOLD.into();
    }
    body
}

/// Whether a later request may be answered: there were too many, or the server failed.
fn is_passing(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS
        || status == StatusCode::REQUEST_TIMEOUT
        || status.is_server_error()
}

fn refusal(status: StatusCode, text: &str) -> String {
    let said = text.split_whitespace().collect::<Vec<_>>().join(" ");
    format!("answered {status}: {}", said.chars().take(300).collect::<String>())
}

fn retry_after(response: &http::Response<Body>) -> Option<Duration> {
    let seconds = response.headers().get("Retry-After")?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// Reads the answer to a question; the error says what is wrong with it.
fn read(text: &str, question: &Question) -> Result<Answer, String> {
    let said = || text.chars().take(120).collect::<String>();
    let answer: Value = serde_json::from_str(text)
        .map_err(|error| format!("the answer is no JSON ({error}): `{}`", said()))?;
    let choice = &answer["choices"][0];
    let count = |name: &str| answer["usage"][name].as_u64().unwrap_or_default();
    let (prompt_tokens, generated_tokens) = (count("prompt_tokens"), count("completion_tokens"));
    let content = choice["message"]["content"].as_str();
    if question.choices.is_empty() {
        let text = content.ok_or_else(|| format!("the answer has no text: `{}`", said()))?;
        let (text, choices) = (text.to_owned(), Vec::new());
        return Ok(Answer { text, choices, prompt_tokens, generated_tokens });
    }
    let told = choice["logprobs"]["content"][0]["top_logprobs"].as_array();
    let told = told.ok_or_else(|| {
        format!("the answer has no probabilities, which `top_logprobs` asks for: `{}`", said())
    })?;
    let choices = question.choices.iter().map(|choice| logarithm(choice, told)).collect();
    let text = content.unwrap_or_default().to_owned();
    Ok(Answer { text, choices, prompt_tokens, generated_tokens })
}

/// The largest logarithm that a server tells of a token that is this choice, spaces around it aside.
fn logarithm(choice: &str, told: &[Value]) -> Option<f64> {
    let is_choice =
        |token: &&Value| token["token"].as_str().is_some_and(|text| text.trim() == choice.trim());
    told.iter().filter(is_choice).filter_map(|token| token["logprob"].as_f64()).reduce(f64::max)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::{TcpListener, TcpStream};

    use nir_methods::language_model::Sampling;
    use nir_nn::Message;

    use super::*;

    /// A server that gives these replies one after the other, and the last one again and again; each is what is written into the
    /// connection before it is closed. Returns its address and what it was sent.
    fn server(replies: Vec<String>) -> (String, Arc<Mutex<Vec<String>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/v1", listener.local_addr().unwrap());
        let sent = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&sent);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (replies, seen) = (replies.clone(), Arc::clone(&seen));
                std::thread::spawn(move || {
                    let mut stream = stream.unwrap();
                    let request = received(&mut stream);
                    let number = {
                        let mut seen = seen.lock().unwrap();
                        seen.push(request);
                        seen.len() - 1
                    };
                    let reply = &replies[number.min(replies.len() - 1)];
                    if let Some(reply) = reply.strip_prefix("slow ") {
                        std::thread::sleep(Duration::from_millis(1500));
                        let _gone = stream.write_all(reply.as_bytes());
                    } else {
                        stream.write_all(reply.as_bytes()).unwrap();
                    }
                });
            }
        });
        (address, sent)
    }

    /// The head and the body of a request.
    fn received(stream: &mut TcpStream) -> String {
        let (mut text, mut buffer) = (String::new(), [0; 4096]);
        loop {
            let read = stream.read(&mut buffer).unwrap();
            text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().unwrap())
            });
            if body.len() >= length.unwrap_or(0_usize) {
                return text;
            }
        }
    }

    fn reply(status: &str, head: &str, body: &str) -> String {
        let length = body.len();
        format!(
            "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{head}Connection: close\r\n\r\n{body}"
        )
    }

    fn ok(body: &str) -> String {
        reply("200 OK", "", body)
    }

    fn said(text: &str) -> String {
        ok(&format!(
            r#"{{"choices":[{{"message":{{"content":"{text}"}}}}],"usage":{{"prompt_tokens":7,"completion_tokens":2}}}}"#
        ))
    }

    fn question(text: &str) -> Question {
        Question {
            model: "m".to_owned(),
            messages: vec![Message { role: "user".to_owned(), content: text.to_owned() }],
            begins: String::new(),
            sampling: Sampling {
                temperature: 0.0,
                max_tokens: 9,
                seed: 1,
                top_p: None,
                stop: Vec::new(),
            },
            choices: Vec::new(),
        }
    }

    struct Setting {
        folder: tempfile::TempDir,
        served: Served,
        sent: Arc<Mutex<Vec<String>>>,
    }

    impl Setting {
        fn new(replies: Vec<String>) -> Self {
            let (server, sent) = server(replies);
            let served =
                Served { server, name: "m".to_owned(), key: None, parallel: 3, timeout: 1 };
            Self { folder: tempfile::tempdir().unwrap(), served, sent }
        }

        fn servers(&self, file: Option<&str>, offline: bool) -> Servers {
            let file = file.map(|name| self.folder.path().join(name));
            let servers = Servers::new(&Cache::at(self.folder.path()), file, offline).unwrap();
            Servers { pause: Duration::from_millis(1), ..servers }
        }

        /// The answers to questions with these texts, or the error.
        fn ask(&self, servers: &Servers, texts: &[&str]) -> Result<Vec<String>, String> {
            let questions: Vec<Question> = texts.iter().map(|text| question(text)).collect();
            let model = servers.open(&self.served).map_err(|error| error.to_string())?;
            let answers = model.answers("q1", &questions).map_err(|error| error.to_string())?;
            Ok(answers.into_iter().map(|answer| answer.text).collect())
        }

        fn requests(&self) -> usize {
            self.sent.lock().unwrap().len()
        }
    }

    #[test]
    fn a_question_is_asked_once_and_its_answer_is_kept() {
        let setting = Setting::new(vec![said("tea")]);
        let servers = setting.servers(None, false);
        assert_eq!(setting.ask(&servers, &["a", "b"]).unwrap(), ["tea", "tea"]);
        assert_eq!(setting.ask(&servers, &["b", "a"]).unwrap(), ["tea", "tea"]);
        // Another process finds them, also without a server.
        assert_eq!(setting.ask(&setting.servers(None, true), &["a"]).unwrap(), ["tea"]);
        assert_eq!(setting.requests(), 2);
        let sent = setting.sent.lock().unwrap();
        assert!(sent[0].starts_with("POST /v1/chat/completions "), "{}", sent[0]);
        let body: Value = serde_json::from_str(sent[0].split_once("\r\n\r\n").unwrap().1).unwrap();
        assert_eq!((&body["model"], &body["max_tokens"]), (&json!("m"), &json!(9)));
        assert_eq!(body["messages"][0]["role"], "user");
        let kept = fs::read_to_string(setting.folder.path().join("answers.jsonl")).unwrap();
        assert!(kept.lines().count() == 2 && !kept.contains("user"), "{kept}");
    }

    #[test]
    fn failures_that_pass_are_asked_again() {
        let cut = "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{\"choices\"".to_owned();
        let slow = format!("slow {}", said("late"));
        let busy = reply("429 Too Many Requests", "Retry-After: 0\r\n", "busy");
        for failure in
            [reply("500 Oops", "", "x"), busy, cut, slow, ok("{\"choi"), ok("{}"), String::new()]
        {
            let setting = Setting::new(vec![failure.clone(), said("tea")]);
            let servers = setting.servers(None, false);
            assert_eq!(setting.ask(&servers, &["a"]).unwrap(), ["tea"], "after {failure}");
            assert_eq!(setting.requests(), 2, "after {failure}");
        }
    }

    #[test]
    fn what_does_not_pass_is_an_error_with_the_query_and_the_server() {
        let refused = Setting::new(vec![reply("401 Unauthorized", "", "no such key")]);
        let error = refused.ask(&refused.servers(None, false), &["a"]).unwrap_err();
        assert!(error.starts_with("query `q1`: http://127.0.0.1:"), "{error}");
        assert!(error.ends_with("answered 401 Unauthorized: no such key"), "{error}");
        assert_eq!(refused.requests(), 1);
        let nonsense = Setting::new(vec![ok("<html>")]);
        let error = nonsense.ask(&nonsense.servers(None, false), &["a"]).unwrap_err();
        assert!(error.contains("has not answered in 6 attempts: the answer is no JSON"), "{error}");
        assert_eq!(nonsense.requests(), 6);
        let error = nonsense.ask(&nonsense.servers(None, true), &["a"]).unwrap_err();
        assert!(error.contains("query `q1`: no answer of `m` is kept, and --offline"), "{error}");
        let mut keyed = refused;
        keyed.served.key = Some("NIR_TEST_NO_SUCH_KEY".to_owned());
        let error = keyed.ask(&keyed.servers(None, false), &["a"]).unwrap_err();
        assert!(error.contains("environment variable `NIR_TEST_NO_SUCH_KEY`: set it"), "{error}");
    }

    #[test]
    fn a_file_of_answers_is_written_and_replays_without_the_server() {
        let setting = Setting::new(vec![said("tea")]);
        let servers = setting.servers(Some("answers.txt"), false);
        setting.ask(&servers, &["a", "b"]).unwrap();
        servers.write_answers().unwrap();
        let file = setting.folder.path().join("answers.txt");
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(text.lines().count(), 2);
        fs::remove_file(setting.folder.path().join("answers.jsonl")).unwrap();
        let again = setting.servers(Some("answers.txt"), true);
        assert_eq!(setting.ask(&again, &["b", "a"]).unwrap(), ["tea", "tea"]);
        assert!(setting.ask(&again, &["c"]).unwrap_err().contains("--answers FILE"));
        again.write_answers().unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
        // Another file, another key.
        assert_ne!(servers.answers_digest(), again.answers_digest());
        fs::write(&file, format!("{text}nonsense\n")).unwrap();
        let error = Kept::new(setting.folder.path().join("x"), Some(file)).err().unwrap();
        assert!(error.to_string().contains("answers.txt:3: "), "{error}");
    }

    #[test]
    fn a_line_that_was_cut_short_is_asked_for_again() {
        let setting = Setting::new(vec![said("tea")]);
        setting.ask(&setting.servers(None, false), &["a", "b"]).unwrap();
        let path = setting.folder.path().join("answers.jsonl");
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, &text[..text.len() - 9]).unwrap();
        assert_eq!(
            setting.ask(&setting.servers(None, false), &["a", "b"]).unwrap(),
            ["tea", "tea"]
        );
        assert_eq!(setting.requests(), 3);
        setting.ask(&setting.servers(None, true), &["a", "b"]).unwrap();
    }

    #[test]
    fn probabilities_are_those_of_tokens_that_are_the_choices() {
        let top = r#"[{"token":" B","logprob":-0.5},{"token":"A","logprob":-2.0},{"token":" A","logprob":-1.5},{"token":"AB","logprob":-3.0}]"#;
        let told = ok(&format!(
            r#"{{"choices":[{{"message":{{"content":" B"}},"logprobs":{{"content":[{{"top_logprobs":{top}}}]}}}}]}}"#
        ));
        let setting = Setting::new(vec![told]);
        let servers = setting.servers(None, false);
        let choices = ["A", "B", "C"].map(str::to_owned).to_vec();
        let asked = Question { choices, ..question("which?") };
        let model = servers.open(&setting.served).unwrap();
        let answer = model.answers("q", &[asked]).unwrap().remove(0);
        assert_eq!(answer.choices, [Some(-1.5), Some(-0.5), None]);
        assert!(setting.sent.lock().unwrap()[0].contains("\"top_logprobs\":20"));
    }

    #[test]
    fn no_more_requests_are_under_way_than_allowed() {
        let busy = Busy::default();
        let most = Mutex::new((0, 0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let _place = busy.place(2);
                    {
                        let mut now = most.lock().unwrap();
                        now.0 += 1;
                        now.1 = now.1.max(now.0);
                    }
                    std::thread::sleep(Duration::from_millis(5));
                    most.lock().unwrap().0 -= 1;
                });
            }
        });
        assert_eq!(most.into_inner().unwrap().1, 2);
    }
}
