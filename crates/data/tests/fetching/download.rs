//! Whatever a server does, a download ends in the right file or in a clear error, with nothing half-written.

use std::path::Path;
use std::time::Duration;

use nir_core::Silent;
use nir_data::{Answer, DownloadError, Pace, Patience, RemoteFile, Sums, download};
use tempfile::TempDir;

use crate::server::{Do, Server};

const QUICK: Patience = Patience {
    answer: Duration::from_secs(2),
    silence: Duration::from_millis(300),
    pace: Pace { bytes: 1_000, within: Duration::from_millis(400) },
    attempts: 3,
    backoff: Duration::from_millis(1),
    longest: 1 << 20,
    spare: 0,
};

fn body() -> Vec<u8> {
    (0..200_000u64).map(|i| (i * i % 251) as u8).collect()
}

fn file(urls: &[String]) -> RemoteFile {
    let scratch = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&scratch, body()).unwrap();
    let sums = Sums::of(scratch.path()).unwrap();
    RemoteFile {
        name: "file.bin".into(),
        urls: urls.to_vec(),
        bytes: Some(sums.bytes),
        md5: Some(sums.md5),
        sha256: None,
    }
}

fn fetch(file: &RemoteFile, folder: &Path) -> Result<(), DownloadError> {
    download(file, folder, &QUICK, &Silent).map(|_| ())
}

/// Downloads from one server that follows `script`; the right file must be there afterwards, and nothing else.
fn succeeds(script: &[Do]) -> (Server, TempDir) {
    let (server, folder) = (Server::start(&body(), script), TempDir::new().unwrap());
    fetch(&file(&[server.file()]), folder.path()).unwrap();
    assert_eq!(std::fs::read(folder.path().join("file.bin")).unwrap(), body());
    assert_eq!(left(folder.path()), ["file.bin"]);
    (server, folder)
}

/// What the last answer of a failing server was; nothing half-written may bear the file's name.
fn fails(file: &RemoteFile) -> Answer {
    let folder = TempDir::new().unwrap();
    let error = fetch(file, folder.path()).unwrap_err();
    assert!(!folder.path().join("file.bin").exists());
    match error {
        DownloadError::Mirrors { mut attempts, .. } => attempts.pop().unwrap().1,
        other => panic!("{other}"),
    }
}

/// All files but the lock.
fn left(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| !name.starts_with('.')).collect()
}

#[test]
fn a_right_file_is_not_asked_for_again() {
    let (server, folder) = succeeds(&[Do::Serve]);
    fetch(&file(&[server.file()]), folder.path()).unwrap();
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_damaged_file_is_replaced() {
    let (server, folder) = succeeds(&[Do::Serve]);
    std::fs::write(folder.path().join("file.bin"), "damaged").unwrap();
    fetch(&file(&[server.file()]), folder.path()).unwrap();
    assert_eq!(std::fs::read(folder.path().join("file.bin")).unwrap(), body());
}

#[test]
fn a_slow_server_is_waited_for() {
    // 8 pauses of 60 ms are longer in all than the silence allowed, none is by itself.
    succeeds(&[Do::Slowly]);
}

#[test]
fn a_cut_connection_is_resumed_where_it_ended() {
    let (server, _) = succeeds(&[Do::CutAfter(70_000), Do::CutAfter(50_000), Do::Serve]);
    let ranges: Vec<_> = server.requests().into_iter().map(|request| request.range).collect();
    assert_eq!(ranges, [None, Some("bytes=70000-".into()), Some("bytes=120000-".into())]);
    assert_eq!(server.requests()[1].if_range.as_deref(), Some("\"one\""));
}

#[test]
fn a_server_that_ignores_ranges_sends_all_again() {
    succeeds(&[Do::CutAfter(70_000), Do::IgnoreRange]);
}

#[test]
fn a_server_that_resumes_elsewhere_is_asked_for_the_whole() {
    let (server, _) = succeeds(&[Do::CutAfter(70_000), Do::ResumeElsewhere, Do::Serve]);
    assert_eq!(server.requests()[2].range, None);
}

#[test]
fn a_file_that_changed_meanwhile_is_begun_anew() {
    let (server, _) = succeeds(&[Do::CutAfter(70_000), Do::Changed, Do::Changed]);
    assert_eq!(server.requests()[2].range, None);
}

#[test]
fn a_silent_server_is_given_up_and_asked_again() {
    let (server, _) = succeeds(&[Do::FallSilentAfter(70_000), Do::Serve]);
    assert_eq!(server.requests()[1].range.as_deref(), Some("bytes=70000-"));
}

/// A byte each 10 ms is never silent, and would take half an hour for 200,000 of them.
#[test]
fn a_server_that_drips_is_given_up_and_what_came_is_kept() {
    let (server, folder) = (Server::start(&body(), &[Do::Drip]), TempDir::new().unwrap());
    let error = fetch(&file(&[server.file()]), folder.path()).unwrap_err().to_string();
    assert!(error.contains("bytes in 400ms, fewer than 1000; what came is kept"), "{error}");
    assert_eq!(server.requests().len(), 3);
    assert_eq!(left(folder.path()), ["file.bin.part", "file.bin.part.json"]);
    let good = Server::start(&body(), &[Do::Serve]);
    fetch(&file(&[good.file()]), folder.path()).unwrap();
    assert_ne!(good.requests()[0].range, None);
}

/// Each connection brings something new, and at this rate the last byte would come after 200,000 of them.
#[test]
fn a_server_that_sends_a_byte_and_hangs_up_is_given_up() {
    let server = Server::start(&body(), &[Do::CutAfter(1)]);
    fails(&file(&[server.file()]));
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn a_file_without_a_length_ends_where_the_bound_is() {
    let unknown = |server: &Server| RemoteFile { bytes: None, md5: None, ..file(&[server.file()]) };
    let server = Server::start(&body(), &[Do::Endless]);
    let folder = TempDir::new().unwrap();
    let error = fetch(&unknown(&server), folder.path()).unwrap_err().to_string();
    assert!(error.contains("sends more than 1048576 bytes, and neither it nor the"), "{error}");
    assert!(error.contains("add `bytes` to the file in the manifest"), "{error}");
    assert!(left(folder.path()).is_empty());
    assert_eq!(server.requests().len(), 1, "asking again would bring the same");
    // Where the manifest says the length, that is the bound.
    let answer = fails(&file(&[server.file()]));
    assert!(matches!(answer, Answer::Size { offered, expected: 200_000 } if offered > 200_000));
    // And a length that the server says is believed up to the same bound.
    let long = Server::start(&vec![0; (1 << 20) + 1], &[Do::Serve]);
    assert_eq!(fails(&unknown(&long)), Answer::Endless { longest: 1 << 20 });
}

#[test]
fn what_does_not_fit_on_the_disk_is_refused_before_it_is_written() {
    for script in [Do::Serve, Do::Endless] {
        let (server, folder) = (Server::start(&body(), &[script]), TempDir::new().unwrap());
        let full = Patience { spare: u64::MAX, ..QUICK };
        let file = file(&[server.file()]);
        let error = download(&file, folder.path(), &full, &Silent).unwrap_err();
        let DownloadError::NoRoom { needed, .. } = &error else { panic!("{error}") };
        assert_eq!(*needed, 200_000);
        assert!(error.to_string().contains("free some space and start again"), "{error}");
        assert!(left(folder.path()).is_empty());
    }
}

#[test]
fn a_redirect_is_followed() {
    let (server, _) = succeeds(&[Do::Redirect("/elsewhere.bin")]);
    assert_eq!(server.requests()[1].path, "/elsewhere.bin");
}

#[test]
fn an_overloaded_server_is_asked_again() {
    let (server, _) = succeeds(&[Do::Status(503), Do::Status(429), Do::Serve]);
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn a_server_that_always_cuts_at_once_is_given_up() {
    let server = Server::start(&body(), &[Do::CutAfter(0)]);
    let answer = fails(&file(&[server.file()]));
    assert!(matches!(answer, Answer::Transport(_) | Answer::Cut { received: 0, .. }), "{answer}");
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn a_server_that_cuts_and_lies_by_turns_is_given_up() {
    let turns: Vec<Do> = (0..50).flat_map(|_| [Do::CutAfter(70_000), Do::Wrong]).collect();
    let server = Server::start(&body(), &turns);
    let answer = fails(&file(&[server.file()]));
    assert!(matches!(answer, Answer::Wrong(_) | Answer::Transport(_)), "{answer}");
}

#[test]
fn wrong_bytes_are_never_taken() {
    let server = Server::start(&body(), &[Do::Wrong]);
    let answer = fails(&file(&[server.file()]));
    assert!(matches!(answer, Answer::Wrong(ref mismatch) if mismatch.what == "md5"), "{answer}");
}

#[test]
fn wrong_bytes_in_a_part_are_noticed_and_fetched_again() {
    let (server, folder) = (Server::start(&body(), &[Do::Serve]), TempDir::new().unwrap());
    std::fs::write(folder.path().join("file.bin.part"), [7; 500]).unwrap();
    fetch(&file(&[server.file()]), folder.path()).unwrap();
    assert_eq!(left(folder.path()), ["file.bin"]);
    assert_eq!(server.requests()[0].range.as_deref(), Some("bytes=500-"));
    assert_eq!(server.requests()[1].range, None);
}

#[test]
fn a_page_of_another_size_is_refused_before_it_is_read() {
    let server = Server::start(&body(), &[Do::Page("<html>please log in</html>")]);
    let answer = fails(&file(&[server.file()]));
    assert_eq!(answer, Answer::Size { offered: 26, expected: 200_000 });
}

#[test]
fn without_a_checksum_an_archive_must_at_least_be_one() {
    let server = Server::start(b"", &[Do::Page("<html>please log in</html>")]);
    let file = RemoteFile {
        name: "file.zip".into(),
        urls: vec![server.file()],
        bytes: None,
        md5: None,
        sha256: None,
    };
    assert_eq!(fails(&file), Answer::Kind("zip"));
}

#[test]
fn a_missing_file_is_looked_for_at_the_next_mirror() {
    let gone = Server::start(&body(), &[Do::Status(404)]);
    let wrong = Server::start(&body(), &[Do::Wrong]);
    let good = Server::start(&body(), &[Do::Serve]);
    let folder = TempDir::new().unwrap();
    fetch(&file(&[gone.file(), wrong.file(), good.file()]), folder.path()).unwrap();
    assert_eq!(left(folder.path()), ["file.bin"]);
    assert_eq!(gone.requests().len(), 1);
}

#[test]
fn the_error_lists_what_every_mirror_answered() {
    let gone = Server::start(&body(), &[Do::Status(404)]);
    let closed = Server::start(&body(), &[Do::Status(409)]);
    let error = fetch(&file(&[gone.file(), closed.file()]), TempDir::new().unwrap().path());
    let message = error.unwrap_err().to_string();
    assert!(message.starts_with("could not download `file.bin`:\n  http://127.0.0.1:"));
    assert!(message.contains("/file.bin answered 404\n  http://"));
    assert!(message.ends_with("/file.bin answered 409"));
}

#[test]
fn a_later_process_resumes_what_an_earlier_one_left() {
    let first = Server::start(&body(), &[Do::CutAfter(70_000), Do::CutAfter(0)]);
    let folder = TempDir::new().unwrap();
    fetch(&file(&[first.file()]), folder.path()).unwrap_err();
    assert_eq!(left(folder.path()).len(), 2, "the part and its state");
    let second = Server::start(&body(), &[Do::Serve]);
    fetch(&file(&[second.file()]), folder.path()).unwrap();
    assert_eq!(second.requests()[0].range.as_deref(), Some("bytes=70000-"));
    // Its validator is the first mirror's: it says nothing about this one.
    assert_eq!(second.requests()[0].if_range, None);
}

#[test]
fn without_a_checksum_a_part_without_a_validator_is_not_trusted() {
    let server = Server::start(&body(), &[Do::Serve]);
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("file.bin.part"), [7; 500]).unwrap();
    let file = RemoteFile { md5: None, bytes: None, ..file(&[server.file()]) };
    fetch(&file, folder.path()).unwrap();
    assert_eq!(server.requests()[0].range, None);
}

#[test]
fn two_downloads_of_one_file_take_turns() {
    let (server, folder) = (Server::start(&body(), &[Do::Slowly]), TempDir::new().unwrap());
    let file = file(&[server.file()]);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| fetch(&file, folder.path()).unwrap());
        }
    });
    assert_eq!(server.requests().len(), 1);
    assert_eq!(std::fs::read(folder.path().join("file.bin")).unwrap(), body());
}

#[test]
fn a_file_without_an_address_must_be_obtained_in_person() {
    let error = fetch(&file(&[]), TempDir::new().unwrap().path()).unwrap_err();
    assert!(error.to_string().contains("must be obtained in person"));
}
