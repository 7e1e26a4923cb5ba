//! Answers that no well-behaved server of the others gives: one that says what it is told to.

use super::{Far, in_a_process_with_credentials, place};
use crate::common::cli::{Cli, stderr};
use icecore::backend::{Backend, Handle, Put};
use icecore::error::Kind;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// What is answered to the head of a request: a status, and a body.
type Answer = dyn Fn(&str) -> (u16, String) + Send + Sync;

/// Serves on the loopback until the process ends, one request for each connection; its URL.
fn serve(answer: impl Fn(&str) -> (u16, String) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("s3:http://{}/bucket", listener.local_addr().unwrap());
    let answer: Arc<Answer> = Arc::new(answer);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = answer.clone();
            thread::spawn(move || exchange(stream, &*answer));
        }
    });
    url
}

fn exchange(mut stream: TcpStream, answer: &Answer) {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    let head = loop {
        let Ok(read @ 1..) = stream.read(&mut buffer) else { return };
        request.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            break head.to_ascii_lowercase();
        }
    };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.map_or(0, |length| length.parse().unwrap());
    while request.len() < head.len() + 4 + length {
        let Ok(read @ 1..) = stream.read(&mut buffer) else { return };
        request.extend_from_slice(&buffer[..read]);
    }
    let (status, body) = answer(&head);
    let (length, body) = (body.len(), if head.starts_with("head") { String::new() } else { body });
    let head = format!("HTTP/1.1 {status} So\r\nConnection: close\r\nContent-Length: {length}");
    let _ = write!(stream, "{head}\r\n\r\n{body}");
}

/// An error as S3 words it.
fn error(code: &str) -> String {
    format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>so it is</Message></Error>")
}

/// A far place of the program that this server answers for.
fn far(answer: impl Fn(&str) -> (u16, String) + Send + Sync + 'static) -> Far {
    Far { cli: Cli::bare(), bucket: "bucket".to_owned(), url: serve(answer) }
}

/// Refusals that are final are said in words, at once and with what helps.
#[test]
fn final_refusals_are_said_in_words() {
    let page = || "<html>no such page</html>".to_owned();
    for (status, body, words) in [
        (403, error("RequestTimeTooSkewed"), "set this machine's clock"),
        (301, error("PermanentRedirect"), "-o region="),
        (400, error("ExpiredToken"), "AWS_SESSION_TOKEN (not set)"),
        (507, error("XMinioStorageFull"), "XMinioStorageFull: so it is"),
        (507, page(), "the store is full"),
        (404, page(), "what answers there speaks S3"),
        (418, page(), "status 418"),
    ] {
        let far = far(move |_| (status, body.clone()));
        let run = far.command().env("ICECORE_PASSWORD", "x").arg("snapshots").assert().code(1);
        let said = stderr(&run);
        assert!(said.contains(words), "{status}: {said}");
    }
}

/// A server that asks for patience, in any of several ways, is asked again.
#[test]
fn a_busy_server_is_asked_again() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let far = far(move |_| match counted.fetch_add(1, Ordering::SeqCst) {
        0 => (503, error("SlowDown")),
        1 => (429, String::new()),
        2 => (500, error("InternalError")),
        _ => (403, error("AccessDenied")),
    });
    let run = far.command().env("ICECORE_PASSWORD", "x").arg("snapshots").assert().code(1);
    assert!(stderr(&run).contains("AccessDenied"), "{}", stderr(&run));
    // Two things are asked for at once, and each is refused once for good.
    assert_eq!(asked.load(Ordering::SeqCst), 5);
}

/// A store that knows no exclusive creation is looked into before something is written there, and
/// says so of itself.
#[test]
fn a_store_may_know_no_exclusive_creation() {
    let stands = Arc::new(AtomicUsize::new(0));
    let url = serve(move |head| match head.split(' ').next().unwrap() {
        "put" if head.contains("if-none-match") => (501, error("NotImplemented")),
        "put" => (200, stands.fetch_add(1, Ordering::SeqCst).to_string()),
        _ if stands.load(Ordering::SeqCst) == 0 => (404, error("NoSuchKey")),
        _ => (200, "x".repeat(stands.load(Ordering::SeqCst))),
    });
    in_a_process_with_credentials("stores::answers::careless", &url);
}

/// The same, where there are credentials.
#[test]
#[ignore = "the test above runs it"]
fn careless() {
    let Some(place) = place("careless") else { return };
    let store = place.open().unwrap();
    assert!(store.capabilities().exclusive_create);
    assert_eq!(store.put_new(&Handle::config(0), b"x").unwrap(), Put::Created);
    assert!(!store.capabilities().exclusive_create);
    assert_eq!(store.put_new(&Handle::config(0), b"y").unwrap(), Put::Exists);
    assert_eq!(store.get(&Handle::config(0), None).unwrap(), b"x");
}

/// An object is missing only where the server says just that: not where the bucket is, nor where an
/// answer says nothing.
#[test]
fn only_a_missing_object_is_missing() {
    for code in ["NoSuchKey", "NoSuchBucket", "Other"] {
        let url = serve(move |_| (404, error(code)));
        in_a_process_with_credentials("stores::answers::missing", &format!("{url}/{code}"));
    }
}

/// The same, where there are credentials.
#[test]
#[ignore = "the test above runs it"]
fn missing() {
    let Some(place) = place("") else { return };
    let store = place.open().unwrap();
    let kind = match store.describe().rsplit_once('/').unwrap().1 {
        "NoSuchKey" => Kind::NotFound,
        "NoSuchBucket" => Kind::NoRepository,
        _ => Kind::Failed,
    };
    assert_eq!(store.size(&Handle::config(0)).unwrap_err().kind(), kind);
    assert_eq!(store.get(&Handle::config(0), None).unwrap_err().kind(), kind);
    assert_eq!(store.get(&Handle::config(0), Some(0..1)).unwrap_err().kind(), kind);
}
