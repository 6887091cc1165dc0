//! What arrives, how often it is sent, and where it is kept.

use std::path::Path;
use std::time::Duration;

use nir_nn::checkpoint::{Checkpoint, CheckpointError, Hub, Weights};

use crate::server::{
    COMMIT, Fault, Server, TOKEN, Told, WEIGHTS, at, git_sha1, noise, offline, pinned, settings,
    sha256, tiny, with_token,
};

fn weights(checkpoint: &Checkpoint) -> Vec<u8> {
    std::fs::read(&checkpoint.weights().paths()[0]).unwrap()
}

fn repo(cache: &Path) -> std::path::PathBuf {
    cache.join("models--org--tiny")
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn a_fresh_fetch_brings_what_is_needed_and_no_more() {
    let (server, cache) = (Server::start(&[]), tempfile::tempdir().unwrap());
    let told = Told::default();
    let checkpoint = server.hub(cache.path()).open(&pinned(), &told).unwrap();
    let files = [
        "1_Pooling/config.json",
        "config.json",
        "model.safetensors",
        "modules.json",
        "tokenizer.json",
    ];
    assert_eq!(checkpoint.files().collect::<Vec<_>>(), files);
    assert_eq!(checkpoint.commit(), Some(COMMIT));
    assert!(matches!(checkpoint.weights(), Weights::Safetensors(paths) if paths.len() == 1));
    assert_eq!(weights(&checkpoint), noise(WEIGHTS));
    assert_eq!(checkpoint.file("tokenizer.json"), Some(checkpoint.folder().join("tokenizer.json")));
    assert!(checkpoint.file("1_Pooling/config.json").unwrap().is_file());
    assert_eq!(checkpoint.file("README.md"), None);
    let wanted = tiny().into_iter().filter(|(name, _)| files.contains(name));
    let bytes: usize = wanted.map(|(_, bytes)| bytes.len()).sum();
    assert_eq!(*told.bytes.lock().unwrap(), bytes as u64);
    assert_eq!(told.begun.lock().unwrap().len(), files.len());
}

#[test]
fn the_layout_is_the_standard_one() {
    let (server, cache) = (Server::start(&[]), tempfile::tempdir().unwrap());
    server.hub(cache.path()).open(&at("main"), &()).unwrap();
    let repo = repo(cache.path());
    let blobs = names(&repo.join("blobs"));
    assert_eq!(blobs.len(), 5);
    assert!(blobs.contains(&sha256(&noise(WEIGHTS))), "a large file by its sha256");
    assert!(blobs.contains(&git_sha1(br#"{"model_type":"bert"}"#)), "others by git's sha1");
    assert_eq!(std::fs::read_to_string(repo.join("refs/main")).unwrap(), COMMIT);
    let link = |name: &str| std::fs::read_link(repo.join("snapshots").join(COMMIT).join(name));
    let top = format!("../../blobs/{}", sha256(&noise(WEIGHTS)));
    assert_eq!(link("model.safetensors").unwrap(), Path::new(&top));
    assert!(link("1_Pooling/config.json").unwrap().starts_with("../../../blobs"));
    assert!(repo.join(".no_exist").join(COMMIT).join("vocab.txt").is_file());
}

#[test]
fn a_complete_commit_needs_no_network() {
    let (server, cache) = (Server::start(&[]), tempfile::tempdir().unwrap());
    let first = server.hub(cache.path()).open(&pinned(), &()).unwrap();
    server.requests();
    assert_eq!(server.hub(cache.path()).open(&pinned(), &()).unwrap(), first);
    assert_eq!(server.requests(), []);
    let nowhere = settings("http://127.0.0.1:1", cache.path());
    assert_eq!(offline(nowhere).open(&pinned(), &()).unwrap(), first);
}

#[test]
fn a_branch_is_asked_for_online_and_remembered_offline() {
    let (server, cache) = (Server::start(&[]), tempfile::tempdir().unwrap());
    let online = server.hub(cache.path()).open(&at("main"), &()).unwrap();
    assert_eq!(online.commit(), Some(COMMIT));
    server.requests();
    server.hub(cache.path()).open(&at("main"), &()).unwrap();
    assert_eq!(server.requests().len(), 1, "what it points to, and nothing more");
    let off = offline(server.settings(cache.path())).open(&at("main"), &()).unwrap();
    assert_eq!(off.commit(), Some(COMMIT));
    assert_eq!(server.requests(), []);
    let away = Hub::new(settings("http://127.0.0.1:1", cache.path()));
    assert_eq!(away.open(&at("main"), &()).unwrap().commit(), Some(COMMIT));
}

#[test]
fn a_cut_connection_is_resumed_where_it_ended() {
    let cuts = [Fault::Cut { after: 100_000, times: 2 }];
    let (server, cache) = (Server::start(&cuts), tempfile::tempdir().unwrap());
    let checkpoint = server.hub(cache.path()).open(&pinned(), &()).unwrap();
    assert_eq!(weights(&checkpoint), noise(WEIGHTS));
    assert_eq!(server.served(), WEIGHTS, "no byte twice");
    let ranges: Vec<_> =
        server.requests().into_iter().filter_map(|request| request.range).collect();
    assert!(ranges.contains(&format!("bytes=100000-{}", WEIGHTS - 1)), "{ranges:?}");
}

#[test]
fn a_later_process_resumes_as_well() {
    let cuts = [Fault::Cut { after: 120_000, times: 1 }, Fault::Cut { after: 0, times: 2 }];
    let (server, cache) = (Server::start(&cuts), tempfile::tempdir().unwrap());
    let error = server.hub(cache.path()).open(&pinned(), &()).unwrap_err();
    let CheckpointError::Cut { received, total, .. } = &error else { panic!("{error}") };
    assert_eq!((*received, *total), (120_000, WEIGHTS as u64));
    assert!(error.to_string().contains("start again to go on from there"), "{error}");
    let part = repo(cache.path()).join(format!("blobs/{}.incomplete", sha256(&noise(WEIGHTS))));
    assert_eq!(part.metadata().unwrap().len(), 120_000);

    server.set(&[]);
    let checkpoint = server.hub(cache.path()).open(&pinned(), &()).unwrap();
    assert_eq!(weights(&checkpoint), noise(WEIGHTS));
    assert_eq!(server.served(), WEIGHTS, "no byte twice");
    assert!(!part.exists());
}

#[test]
fn a_silent_server_is_left_and_asked_for_the_rest() {
    let (server, cache) =
        (Server::start(&[Fault::Silent { after: 90_000 }]), tempfile::tempdir().unwrap());
    let mut settings = server.settings(cache.path());
    settings.patience.silence = Duration::from_millis(300);
    let checkpoint = Hub::new(settings).open(&pinned(), &()).unwrap();
    assert_eq!(weights(&checkpoint), noise(WEIGHTS));
    assert_eq!(server.served(), WEIGHTS, "no byte twice");
}

#[test]
fn a_server_without_ranges_sends_it_all_again() {
    let faults = [Fault::Cut { after: 100_000, times: 1 }, Fault::NoRanges];
    let (server, cache) = (Server::start(&faults), tempfile::tempdir().unwrap());
    let checkpoint = server.hub(cache.path()).open(&pinned(), &()).unwrap();
    assert_eq!(weights(&checkpoint), noise(WEIGHTS));
}

#[test]
fn a_server_that_is_its_own_storage_resumes() {
    let faults = [Fault::Cut { after: 100_000, times: 1 }, Fault::NoStorage];
    let (server, cache) = (Server::start(&faults), tempfile::tempdir().unwrap());
    let checkpoint = server.hub(cache.path()).open(&pinned(), &()).unwrap();
    assert_eq!(weights(&checkpoint), noise(WEIGHTS));
    assert_eq!(server.served(), WEIGHTS);
}

#[test]
fn a_part_of_something_else_is_not_kept() {
    let (server, cache) = (Server::start(&[]), tempfile::tempdir().unwrap());
    let blobs = repo(cache.path()).join("blobs");
    std::fs::create_dir_all(&blobs).unwrap();
    let part = blobs.join(format!("{}.incomplete", sha256(&noise(WEIGHTS))));
    std::fs::write(part, [0; 1000]).unwrap();
    let checkpoint = server.hub(cache.path()).open(&pinned(), &()).unwrap();
    assert_eq!(weights(&checkpoint), noise(WEIGHTS));
}

#[test]
fn damage_is_an_error_and_leaves_nothing() {
    for (fault, file, hash) in [
        (Fault::WrongWeights, "model.safetensors", "its sha256"),
        (Fault::WrongTokenizer, "tokenizer.json", "its git sha1"),
    ] {
        let (server, cache) = (Server::start(&[fault]), tempfile::tempdir().unwrap());
        let error = server.hub(cache.path()).open(&pinned(), &()).unwrap_err().to_string();
        for part in [file, "arrived damaged", hash, "it was removed"] {
            assert!(error.contains(part), "{error}");
        }
        let repo = repo(cache.path());
        assert!(names(&repo.join("blobs")).iter().all(|name| !name.contains("incomplete")));
        assert!(!repo.join("snapshots").join(COMMIT).join(file).exists());
        server.set(&[]);
        server.hub(cache.path()).open(&pinned(), &()).unwrap();
    }
}

#[test]
fn more_bytes_than_promised_are_not_kept() {
    let (server, cache) = (Server::start(&[Fault::TooLong]), tempfile::tempdir().unwrap());
    let error = server.hub(cache.path()).open(&pinned(), &()).unwrap_err().to_string();
    assert!(error.contains("longer than the 300000 bytes promised"), "{error}");
    assert_eq!(names(&repo(cache.path()).join("blobs")).len(), 4);
}

#[test]
fn shards_come_by_their_index() {
    let index = br#"{"weight_map":{"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors"}}"#;
    let files = [
        ("config.json", b"{}".to_vec()),
        ("model.safetensors.index.json", index.to_vec()),
        ("model-00001-of-00002.safetensors", noise(100)),
        ("model-00002-of-00002.safetensors", noise(200)),
        ("model-00003-of-00003.safetensors", noise(300)),
    ];
    let (server, cache) = (Server::with(&files, &[]), tempfile::tempdir().unwrap());
    let checkpoint = server.hub(cache.path()).open(&pinned(), &()).unwrap();
    let paths = checkpoint.weights().paths().iter().map(|path| path.file_name().unwrap());
    assert_eq!(paths.collect::<Vec<_>>(), [files[2].0, files[3].0]);

    let (server, cache) = (Server::with(&files[..3], &[]), tempfile::tempdir().unwrap());
    let error = server.hub(cache.path()).open(&pinned(), &()).unwrap_err().to_string();
    assert!(error.contains("names `model-00002-of-00002.safetensors`, which is not"), "{error}");
}

#[test]
fn a_pickle_comes_where_there_is_nothing_else() {
    let files = [("config.json", b"{}".to_vec()), ("pytorch_model.bin", noise(100))];
    let (server, cache) = (Server::with(&files, &[]), tempfile::tempdir().unwrap());
    let checkpoint = server.hub(cache.path()).open(&pinned(), &()).unwrap();
    assert!(matches!(checkpoint.weights(), Weights::PyTorch(paths) if paths[0].is_file()));
}

#[test]
fn a_renamed_repository_is_found() {
    let (server, cache) = (Server::start(&[Fault::Renamed]), tempfile::tempdir().unwrap());
    let checkpoint = server.hub(cache.path()).open(&pinned(), &()).unwrap();
    assert_eq!(weights(&checkpoint), noise(WEIGHTS));
}

#[test]
fn the_token_goes_to_the_hub() {
    let (server, cache) = (Server::start(&[Fault::Gated]), tempfile::tempdir().unwrap());
    let settings = server.settings(cache.path());
    with_token(settings, TOKEN).open(&pinned(), &()).unwrap();
    let requests = server.requests();
    let of_the_hub = requests.iter().filter(|request| !request.path.starts_with("/storage"));
    assert!(of_the_hub.clone().count() > 5);
    assert!(of_the_hub.clone().all(|request| request.token.is_some()));
}

#[test]
fn what_another_tool_left_out_is_fetched_and_what_it_has_is_kept() {
    let (server, cache) = (Server::start(&[]), tempfile::tempdir().unwrap());
    let complete = server.hub(cache.path()).open(&pinned(), &()).unwrap();
    // `transformers` has no use for the modules, and notes nothing about them.
    let repo = repo(cache.path());
    std::fs::remove_dir_all(repo.join(".no_exist")).unwrap();
    std::fs::remove_file(complete.file("1_Pooling/config.json").unwrap()).unwrap();
    let before = server.served();
    let off = offline(server.settings(cache.path())).open(&pinned(), &()).unwrap();
    assert_eq!(off.file("1_Pooling/config.json"), None);
    let on = server.hub(cache.path()).open(&pinned(), &()).unwrap();
    assert!(on.file("1_Pooling/config.json").is_some());
    assert_eq!(server.served(), before, "the weights were there");
}

#[test]
fn what_python_fetched_whole_needs_no_network() {
    // The layout that `snapshot_download` of huggingface_hub 2.4 writes: links, a ref, and the listing of the commit.
    let (files, cache) = (tiny(), tempfile::tempdir().unwrap());
    let repo = repo(cache.path());
    let write = |path: std::path::PathBuf, bytes: &[u8]| {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    };
    for (name, bytes) in &files {
        write(repo.join("snapshots").join(COMMIT).join(name), bytes);
    }
    let listing = |names: &[&str]| {
        let files = names.iter().map(|name| format!(r#""{name}":{{"size":1,"blob_id":""}}"#));
        let json = format!(r#"{{"files":{{{}}}}}"#, files.collect::<Vec<_>>().join(","));
        write(repo.join("trees").join(format!("{COMMIT}.json")), json.as_bytes());
    };
    let server = Server::start(&[]);
    let names: Vec<&str> = files.iter().map(|(name, _)| *name).collect();
    listing(&names);
    server.hub(cache.path()).open(&pinned(), &()).unwrap();
    assert_eq!(server.requests(), []);
    // A listing that names what is not there does not settle it.
    listing(&[&names[..], &["vocab.txt"]].concat());
    server.hub(cache.path()).open(&pinned(), &()).unwrap();
    assert_ne!(server.requests(), []);
}

#[test]
fn two_at_once_fetch_each_file_once() {
    let (server, cache) = (Server::start(&[]), tempfile::tempdir().unwrap());
    std::thread::scope(|scope| {
        let open = || server.hub(cache.path()).open(&pinned(), &()).unwrap();
        let both = [scope.spawn(open), scope.spawn(open)].map(|thread| thread.join().unwrap());
        assert_eq!(both[0], both[1]);
    });
    assert_eq!(server.served(), WEIGHTS);
}
