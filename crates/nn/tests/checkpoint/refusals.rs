//! Every way in which there is no checkpoint, and what the message says to do.

use nir_nn::checkpoint::{Hub, Wanted};

use crate::server::{
    COMMIT, Fault, Server, TOKEN, at, noise, offline, pinned, settings, tiny, with_token,
};

/// The message of an open that must fail.
fn refused(hub: &Hub, wanted: &Wanted) -> String {
    hub.open(wanted, &()).unwrap_err().to_string()
}

fn assert_says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "expected `{part}` in: {message}");
    }
}

#[test]
fn without_a_network_it_names_the_ways_out() {
    let cache = tempfile::tempdir().unwrap();
    let settings = settings("http://127.0.0.1:1", cache.path());
    let place = cache.path().display().to_string();
    let wanted = format!("hf:org/tiny@{COMMIT}");
    let message = refused(&Hub::new(settings.clone()), &pinned());
    assert_says(
        &message,
        &[&wanted, "http://127.0.0.1:1 cannot be reached", "refused", &place, "file:path"],
    );
    let message = refused(&offline(settings), &pinned());
    assert_says(&message, &[&wanted, &place, "the network is off", "HF_HUB_OFFLINE", "file:path"]);
}

#[test]
fn a_hub_that_is_down_is_away() {
    let (server, cache) = (Server::start(&[Fault::Down(503)]), tempfile::tempdir().unwrap());
    let message = refused(&server.hub(cache.path()), &pinned());
    assert_says(&message, &["cannot be reached", "503", "try again"]);
    server.set(&[]);
    server.hub(cache.path()).open(&at("main"), &()).unwrap();
    server.set(&[Fault::Down(503)]);
    server.hub(cache.path()).open(&at("main"), &()).unwrap();
}

#[test]
fn a_gated_model_says_where_to_accept_and_where_the_token_goes() {
    let (server, cache) = (Server::start(&[Fault::Gated]), tempfile::tempdir().unwrap());
    let page = format!("accept its licence at {}/org/tiny", server.url);
    let message = refused(&server.hub(cache.path()), &pinned());
    assert_says(
        &message,
        &["refused with 401", &page, "HF_TOKEN", "/home/x/.cache/huggingface/token"],
    );
    let message = refused(&with_token(server.settings(cache.path()), "hf_bad"), &pinned());
    assert_says(&message, &["refused with 403", &page, "a token was sent"]);
    assert!(!message.contains("hf_bad"), "{message}");
}

#[test]
fn a_missing_repository_and_a_missing_revision_are_told_apart() {
    let (server, cache) = (Server::start(&[]), tempfile::tempdir().unwrap());
    let hub = server.hub(cache.path());
    let nobody = Wanted::new("hf:org/typo".parse().unwrap(), Some("main")).unwrap();
    assert_says(&refused(&hub, &nobody), &["no such repository", "spelling", "HF_TOKEN"]);
    let page = format!("{}/org/tiny/commits/main", server.url);
    for missing in ["dev", &COMMIT.replace('0', "f")] {
        assert_says(&refused(&hub, &at(missing)), &[missing, "no such revision", &page]);
    }
}

#[test]
fn a_repository_without_a_model_says_what_it_has() {
    let files = tiny();
    let without = |names: &[&str]| -> Vec<_> {
        files.iter().filter(|(name, _)| !names.contains(name)).cloned().collect()
    };
    let cases = [
        (without(&["config.json"]), "no config.json"),
        (without(&["model.safetensors", "pytorch_model.bin"]), "no weights"),
    ];
    for (files, expected) in cases {
        let (server, cache) = (Server::with(&files, &[]), tempfile::tempdir().unwrap());
        let message = refused(&server.hub(cache.path()), &pinned());
        assert_says(&message, &["hf:org/tiny@", expected, "it has .gitattributes, 1_Pooling"]);
        assert_eq!(server.requests().len(), 1, "nothing is downloaded in vain");
    }
}

#[test]
fn a_file_that_cannot_be_checked_is_not_taken() {
    let (server, cache) = (Server::start(&[Fault::OddEtag]), tempfile::tempdir().unwrap());
    let message = refused(&server.hub(cache.path()), &pinned());
    assert_says(&message, &["nothing to check it by", "../x"]);
}

/// A byte each 10 ms is never silent, and would take 50 minutes for the weights.
#[test]
fn a_hub_that_drips_is_given_up_and_what_came_is_kept() {
    let (server, cache) = (Server::start(&[Fault::Drip]), tempfile::tempdir().unwrap());
    let message = refused(&server.hub(cache.path()), &pinned());
    assert_says(&message, &["`model.safetensors` ended after", "came in 400ms, fewer than 1000"]);
    assert_says(&message, &["what came is kept"]);
    server.set(&[]);
    server.hub(cache.path()).open(&pinned(), &()).unwrap();
}

#[test]
fn a_listing_has_an_end() {
    let (server, cache) = (Server::start(&[Fault::DripList]), tempfile::tempdir().unwrap());
    let message = refused(&server.hub(cache.path()), &pinned());
    assert_says(&message, &["cannot be reached", "came in 400ms, fewer than 1000"]);
    server.set(&[Fault::LongList]);
    let message = refused(&server.hub(cache.path()), &pinned());
    assert_says(&message, &["list of files", "it is longer than 33554432 bytes"]);
}

#[test]
fn a_file_that_does_not_fit_on_the_disk_is_refused_before_it_is_written() {
    let (server, cache) = (Server::start(&[]), tempfile::tempdir().unwrap());
    let mut settings = server.settings(cache.path());
    settings.patience.spare = u64::MAX;
    let message = refused(&Hub::new(settings), &pinned());
    assert_says(&message, &["needs", "more bytes", "free some space", "HF_HUB_CACHE"]);
    let blobs = cache.path().join("models--org--tiny/blobs");
    assert!(std::fs::read_dir(blobs).unwrap().next().is_none());
}

/// A redirect leads where it likes, but the token is for the hub.
#[test]
fn the_storage_of_another_host_does_not_get_the_token() {
    let (storage, cache) = (Server::start(&[]), tempfile::tempdir().unwrap());
    let server = Server::start(&[]);
    server.store_at(&storage.url);
    with_token(server.settings(cache.path()), TOKEN).open(&pinned(), &()).unwrap();
    let requests = storage.requests();
    assert!(requests.iter().any(|request| request.path.starts_with("/storage/")));
    assert!(requests.iter().all(|request| request.token.is_none()), "{requests:?}");
}

#[test]
fn a_web_page_is_no_listing() {
    let (server, cache) = (Server::start(&[Fault::Page]), tempfile::tempdir().unwrap());
    assert_says(&refused(&server.hub(cache.path()), &pinned()), &["list of files", "try again"]);
}

#[test]
fn an_endpoint_that_is_no_address_is_named() {
    let cache = tempfile::tempdir().unwrap();
    let message = refused(&Hub::new(settings("huggingface", cache.path())), &pinned());
    assert_says(&message, &["`huggingface`", "HF_ENDPOINT"]);
}

#[test]
fn a_cache_that_cannot_be_written_is_named() {
    let (server, folder) = (Server::start(&[]), tempfile::tempdir().unwrap());
    let cache = folder.path().join("file");
    std::fs::write(&cache, noise(1)).unwrap();
    let message = refused(&server.hub(&cache), &pinned());
    assert_says(&message, &[&cache.display().to_string()]);
}
