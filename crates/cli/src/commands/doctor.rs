//! `nir doctor`: what this machine has, what this program is, and what is in the way.

use std::net::{TcpStream, ToSocketAddrs};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::Result;
use nir_index::Simd;
use nir_nn::checkpoint::Settings;
use nir_nn::{Backend, Precision};
use serde::Serialize;

use crate::app::App;
use crate::output::print;
use nir_engine::{COMMIT, Cache, KINDS, Kind, RUSTC, cores, cpu, device, libraries, memory};

/// Check this machine: processor, memory, disk, caches, access to the Hugging Face hub, and versions.
///
/// Each line is one check: `ok`, or `warning` with advice. Versions, commit, processor, cores, SIMD and memory are the
/// ones that every result records. Warnings do not change the exit status, because most of nir may still work.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  nir doctor\n  nir doctor --offline --json")]
pub(crate) struct Args {
    /// Do not try to reach the Hugging Face hub.
    #[arg(long)]
    offline: bool,
    /// Print the checks as JSON.
    #[arg(long)]
    json: bool,
}

/// The outcome of one check, with advice if it is a warning.
#[derive(Serialize)]
struct Finding {
    what: &'static str,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<String>,
}

impl Finding {
    fn ok(what: &'static str, found: impl Into<String>) -> Self {
        Self { what, found: found.into(), warning: None }
    }

    /// Makes the finding a warning if there is advice, and leaves it as it is otherwise.
    fn with(self, advice: Option<&str>) -> Self {
        Self { warning: advice.map(str::to_owned), ..self }
    }

    fn line(&self) -> String {
        let (mark, advice) = match &self.warning {
            None => ("ok", String::new()),
            Some(advice) => ("warning", format!(": {advice}")),
        };
        format!("{mark:8} {:12} {}{advice}\n", self.what, self.found)
    }
}

pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let settings = Settings::from_env();
    let cache = App::cache()?;
    let mut findings = vec![processor(), simd(), free_memory(), disk(cache.folder()), gpu()];
    findings.push(own_cache(&cache)?);
    findings.push(hub_cache(&settings.cache));
    findings.push(hub(&settings, args.offline));
    findings.extend(versions());
    let text = match args.json {
        true => serde_json::to_string_pretty(&findings)? + "\n",
        false => findings.iter().map(Finding::line).collect(),
    };
    print(text)?;
    Ok(ExitCode::SUCCESS)
}

fn processor() -> Finding {
    let cores = cores();
    let found = format!("{cores} cores of {}", cpu());
    Finding::ok("processor", found)
        .with((cores == 1).then_some("encoding a collection will take long"))
}

fn simd() -> Finding {
    let name = Simd::get().name();
    Finding::ok("simd", name).with((name == "scalar").then_some(
        "searches are slower, and models differ in their last digits; a newer processor helps",
    ))
}

const GIB: u64 = 1 << 30;

fn bytes(bytes: u64) -> String {
    indicatif::HumanBytes(bytes).to_string()
}

fn free_memory() -> Finding {
    let Some(memory) = memory() else {
        return Finding::ok("memory", "the system does not say");
    };
    let advice = "a base-size encoder and its collection may not fit; close other programs";
    Finding::ok("memory", format!("{} free of {}", bytes(memory.free), bytes(memory.total)))
        .with((memory.free < 2 * GIB).then_some(advice))
}

/// The free space that POSIX's `df` reports for `folder`, or for the nearest folder above it that exists.
fn disk(folder: &Path) -> Finding {
    let there = folder.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("."));
    let output = Command::new("df").arg("-Pk").arg(there).output();
    let text = output.map(|it| String::from_utf8_lossy(&it.stdout).into_owned());
    let Some(free) = text.ok().and_then(|text| available(&text)) else {
        return Finding::ok("disk", "the system does not say");
    };
    let advice = "vectors of large collections will not fit; name another folder in NIR_CACHE";
    Finding::ok("disk", format!("{} free at {}", bytes(free << 10), folder.display()))
        .with((free << 10 < 10 * GIB).then_some(advice))
}

/// The available blocks in the output of `df`: the fourth column of its last line.
fn available(df: &str) -> Option<u64> {
    df.lines().last()?.split_whitespace().nth(3)?.parse().ok()
}

fn gpu() -> Finding {
    if !cfg!(feature = "cuda") {
        return Finding::ok("gpu", "none used: this program was built without the feature `cuda`");
    }
    match Backend::new("cuda:0", Precision::F32) {
        Ok(backend) => Finding::ok("gpu", device(&backend)),
        Err(error) => Finding::ok("gpu", error.to_string())
            .with(Some("models compute on the processor unless a GPU is found")),
    }
}

fn own_cache(cache: &Cache) -> Result<Finding> {
    let of = |kind: &Kind| -> Result<u64> {
        Ok(cache.folders().items(kind.folder)?.iter().map(|item| item.bytes).sum())
    };
    let sizes: Vec<(&str, u64)> =
        KINDS.iter().map(|kind| Ok((kind.folder, of(kind)?))).collect::<Result<_>>()?;
    let all = sizes.iter().map(|(_, size)| size).sum();
    let kinds: Vec<String> = sizes
        .iter()
        .filter(|(_, size)| *size > 0)
        .map(|(kind, size)| format!("{kind} {}", bytes(*size)))
        .collect();
    let found = format!("{} in {} ({})", bytes(all), cache.folder().display(), kinds.join(", "));
    Ok(Finding::ok("cache", found))
}

/// The size of the hub's cache. It has links that point at files in it; each file counts once.
fn hub_cache(folder: &Path) -> Finding {
    let models = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let models = models.filter(|entry| entry.file_name().to_string_lossy().starts_with("models--"));
    let sizes: Vec<u64> =
        models.map(|entry| nir_cache::size(&entry.path().join("blobs")).unwrap_or(0)).collect();
    let total = bytes(sizes.iter().sum());
    Finding::ok("hub cache", format!("models: {}, {total} in {}", sizes.len(), folder.display()))
}

/// How long a check waits for the hub's answer.
const PATIENCE: Duration = Duration::from_secs(2);

fn hub(settings: &Settings, offline: bool) -> Finding {
    let endpoint = &settings.endpoint;
    if offline || settings.offline {
        return Finding::ok("hub", format!("{endpoint} was not asked: the network is off"));
    }
    let advice = "only models that are here can be used; set HF_ENDPOINT to a mirror, or bring models with --models";
    match answers(endpoint) {
        true => Finding::ok("hub", format!("{endpoint} answers")),
        false => {
            Finding::ok("hub", format!("{endpoint} does not answer in 2 s")).with(Some(advice))
        }
    }
}

/// Whether the host of an address accepts TCP connections. A name lookup may block for longer than [`PATIENCE`], so a
/// thread does it, and is not waited for.
fn answers(endpoint: &str) -> bool {
    let Some(host) = host(endpoint) else { return false };
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let address = host.to_socket_addrs().ok().and_then(|mut addresses| addresses.next());
        let connected = address.map(|it| TcpStream::connect_timeout(&it, PATIENCE).is_ok());
        // Nobody may be listening any more.
        let _ = sender.send(connected.unwrap_or(false));
    });
    receiver.recv_timeout(PATIENCE).unwrap_or(false)
}

/// The host and port of an address as `name:port`; the port is 443 or 80 if the address does not name one.
fn host(endpoint: &str) -> Option<String> {
    let (scheme, rest) = endpoint.split_once("://")?;
    let host = rest.split('/').next().filter(|host| !host.is_empty())?;
    let port = if scheme == "http" { 80 } else { 443 };
    Some(if host.contains(':') { host.to_owned() } else { format!("{host}:{port}") })
}

fn versions() -> Vec<Finding> {
    let nir = format!("{} of commit {COMMIT}", env!("CARGO_PKG_VERSION"));
    let changed = COMMIT.ends_with("+changes");
    let advice = "its results name no commit that others can check out; commit, then build again";
    let libraries: Vec<String> =
        libraries().iter().map(|(name, version)| format!("{name} {version}")).collect();
    vec![
        Finding::ok("nir", nir).with(changed.then_some(advice)),
        Finding::ok("rustc", RUSTC),
        Finding::ok("libraries", libraries.join(", ")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_space_is_read() {
        let df =
            "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/sda 100 58 42 58% /\n";
        assert_eq!(available(df), Some(42));
    }

    #[test]
    fn an_address_has_a_host_and_a_port() {
        assert_eq!(host("https://huggingface.co/x").as_deref(), Some("huggingface.co:443"));
        assert_eq!(host("http://127.0.0.1:8080").as_deref(), Some("127.0.0.1:8080"));
        assert_eq!((host("nowhere"), host("https://")), (None, None));
    }

    #[test]
    fn a_closed_port_does_not_answer() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        assert!(answers(&address));
        drop(listener);
        assert!(!answers(&address));
    }
}
