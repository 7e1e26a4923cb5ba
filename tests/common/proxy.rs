//! A proxy before a server of HTTP: passes requests on, or does with them what a test wants.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

/// The head of a request.
pub struct Head {
    pub method: String,
    lines: Vec<String>,
}

/// What becomes of a request.
pub enum Fate {
    Pass,
    /// Answered with this status and body; the server never sees it.
    Refuse(u16, &'static str),
    /// The connection breaks before the server sees it.
    Cut,
    /// The connection breaks after the server has done it.
    Lose,
}

impl Head {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        value(&self.lines, name)
    }

    fn read(from: &mut impl BufRead) -> io::Result<Option<Self>> {
        let lines = read_lines(from)?;
        let Some(first) = lines.first() else { return Ok(None) };
        let method = first.split(' ').next().unwrap().to_owned();
        Ok(Some(Head { method, lines }))
    }
}

/// Starts a proxy before a port of this machine, which asks `judge` about each request; its own port. It
/// ends with the test's process.
pub fn start(server: u16, judge: impl Fn(&Head) -> Fate + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let judge = Arc::new(judge);
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let judge = judge.clone();
            // A connection that breaks is the client's affair.
            thread::spawn(move || drop(serve(client, server, &*judge)));
        }
    });
    port
}

fn serve(client: TcpStream, server: u16, judge: &dyn Fn(&Head) -> Fate) -> io::Result<()> {
    let mut upstream = TcpStream::connect(("127.0.0.1", server))?;
    let mut answers = BufReader::new(upstream.try_clone()?);
    let mut questions = BufReader::new(client.try_clone()?);
    let mut client = client;
    while let Some(head) = Head::read(&mut questions)? {
        let mut body = Vec::new();
        let length = head.header("content-length").map_or(0, |length| length.parse().unwrap());
        (&mut questions).take(length).read_to_end(&mut body)?;
        let fate = judge(&head);
        match fate {
            Fate::Cut => return Ok(()),
            Fate::Refuse(status, text) => {
                let length = text.len();
                write!(
                    client,
                    "HTTP/1.1 {status} Refused\r\ncontent-length: {length}\r\n\r\n{text}"
                )?;
                continue;
            }
            Fate::Pass | Fate::Lose => {}
        }
        upstream.write_all((head.lines.join("\r\n") + "\r\n\r\n").as_bytes())?;
        upstream.write_all(&body)?;
        let mut answer = Vec::new();
        read_answer(&mut answers, &head.method, &mut answer)?;
        if matches!(fate, Fate::Lose) {
            return Ok(());
        }
        client.write_all(&answer)?;
    }
    Ok(())
}

fn read_answer(from: &mut impl BufRead, method: &str, to: &mut Vec<u8>) -> io::Result<()> {
    let lines = read_lines(from)?;
    to.extend((lines.join("\r\n") + "\r\n\r\n").as_bytes());
    let status = lines.first().and_then(|first| first.split(' ').nth(1)).unwrap_or_default();
    if method == "HEAD" || ["204", "304"].contains(&status) {
        return Ok(());
    }
    if value(&lines, "transfer-encoding").is_none() {
        let length = value(&lines, "content-length").map_or(0, |length| length.parse().unwrap());
        return from.take(length).read_to_end(to).map(drop);
    }
    loop {
        let mut line = String::new();
        from.read_line(&mut line)?;
        to.extend(line.as_bytes());
        let length = u64::from_str_radix(line.trim(), 16).unwrap();
        from.take(length + 2).read_to_end(to)?;
        if length == 0 {
            return Ok(());
        }
    }
}

/// Lines up to an empty one; none at the end.
fn read_lines(from: &mut impl BufRead) -> io::Result<Vec<String>> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if from.read_line(&mut line)? == 0 || line.trim_end().is_empty() {
            return Ok(lines);
        }
        lines.push(line.trim_end().to_owned());
    }
}

fn value<'l>(lines: &'l [String], name: &str) -> Option<&'l str> {
    lines.iter().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}
