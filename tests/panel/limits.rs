//! Many who ask, and who take their time.

use super::client::{exchange, hear, send};
use super::served::Served;
use std::fs;
use std::io::Read;
use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

fn request(path: &str) -> Vec<u8> {
    let known = Served::authorization();
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{known}Connection: close\r\n\r\n")
        .into_bytes()
}

/// A thousand connections at once are all answered.
#[test]
fn a_thousand_connections_are_served() {
    let served = Served::new();
    served.page("/");
    let streams: Vec<TcpStream> = (0..1000).map(|_| send(served.address, &request("/"))).collect();
    let refused =
        streams.into_iter().map(|stream| hear(stream).status).filter(|status| *status != 200);
    assert_eq!(refused.count(), 0);
}

/// Those who begin and say no more are sent away, and make room for others; those who say too much are
/// refused.
#[test]
fn who_says_nothing_is_sent_away() {
    let served = Served::new();
    let begun = Instant::now();
    let silent: Vec<TcpStream> =
        (0..300).map(|_| send(served.address, b"GET / HTTP/1.1\r\nHost: local")).collect();
    assert_eq!(served.get("/").status, 200);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    drop(silent);
    let endless = format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(200_000));
    assert_eq!(exchange(served.address, endless.as_bytes()).status, 431);
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "X: x\r\n".repeat(1000));
    assert_eq!(exchange(served.address, many.as_bytes()).status, 431);
    assert_eq!(exchange(served.address, b"\x16\x03\x01\x02\x00\x01\r\n\r\n").status, 400);
}

/// Who reads slowly takes no more memory than a connection may, and when they go, so does the process that
/// read for them; others are served meanwhile.
#[test]
fn slow_readers_harm_nobody() {
    let served = Served::new();
    let mix = |number: u32| (number.wrapping_mul(2_654_435_761) >> 24) as u8;
    let large: Vec<u8> = (0..40_000_000).map(mix).collect();
    fs::write(served.jobs.path("src/large"), &large).unwrap();
    let id = served.backup();
    let file = served.address_of(&id, "/file", "DIR/src/large");
    served.page("/");
    let before = served.memory();
    let slow = [(); 4].map(|()| {
        let mut stream = send(served.address, &request(&file));
        stream.read_exact(&mut [0; 1000]).unwrap();
        stream
    });
    sleep(Duration::from_secs(1));
    served.page("/");
    let grown = served.memory().saturating_sub(before);
    assert!(grown < 16 << 10, "{grown} KiB");
    assert_eq!(served.children(), 4);
    drop(slow);
    served.jobs.wait_until("the end of the children", || served.children() == 0);
    assert!(served.get(&file).body == large);
}
