//! Requests as they go over the wire, with nothing that a library would mend.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// The value of a header, if it is there once.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.head.lines().filter_map(|line| {
            let (known, value) = line.split_once(':')?;
            known.eq_ignore_ascii_case(name).then_some(value.trim())
        });
        let value = found.next()?;
        assert!(found.next().is_none(), "{name} is there twice");
        Some(value)
    }
}

/// Sends these bytes on a connection that stays.
pub fn send(address: SocketAddr, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    // One that is refused in the middle is answered all the same.
    let _ = stream.write_all(bytes);
    stream
}

/// Sends these bytes, and hears what comes back until the other side closes.
pub fn exchange(address: SocketAddr, request: &[u8]) -> Answer {
    hear(send(address, request))
}

/// What comes until the other side closes, or all that it has announced.
pub fn hear(mut stream: TcpStream) -> Answer {
    let (mut bytes, mut buffer, mut whole) = (Vec::new(), vec![0; 64 << 10], None);
    while whole.is_none_or(|whole| bytes.len() < whole) {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => bytes.extend(&buffer[..length]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            Err(error) => panic!("{error}"),
        }
        if whole.is_none()
            && let Some(end) = end_of_head(&bytes)
        {
            let length =
                understood(bytes[..end].to_vec()).header("content-length").map(str::to_owned);
            whole = length.map(|length| end + length.parse::<usize>().unwrap());
        }
    }
    understood(bytes)
}

fn end_of_head(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

fn understood(bytes: Vec<u8>) -> Answer {
    let Some(end) = end_of_head(&bytes) else {
        return Answer { status: 0, head: String::new(), body: bytes };
    };
    let head = String::from_utf8(bytes[..end - 4].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let answer = Answer { status, head, body: bytes[end..].to_vec() };
    match answer.header("transfer-encoding") {
        Some("chunked") => Answer { body: unchunked(&answer.body), ..answer },
        _ => answer,
    }
}

/// A body that came in chunks; of one that was cut off, what came.
fn unchunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = body.windows(2).position(|two| two == b"\r\n") {
        let length = std::str::from_utf8(&body[..end]).unwrap();
        let length = usize::from_str_radix(length, 16).unwrap();
        if length == 0 || body.len() < end + 4 + length {
            break;
        }
        whole.extend(&body[end + 2..end + 2 + length]);
        body = &body[end + 4 + length..];
    }
    whole
}
