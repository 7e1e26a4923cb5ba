//! A server of HTTP that remembers what it was asked, and answers as the test wants.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::spawn;

/// A request.
#[derive(Clone, Debug)]
pub struct Asked {
    /// `POST /path`.
    pub line: String,
    /// The headers, their names in small letters.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Asked {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

/// It, for as long as the test's process lives.
pub struct Receiver {
    pub port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
    answers: Arc<Mutex<Vec<u16>>>,
}

impl Receiver {
    /// Answers the first requests with these statuses, all others with 200. 0 is no answer at all.
    pub fn answering(statuses: &[u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::default();
        let answers = Arc::new(Mutex::new(statuses.iter().rev().copied().collect()));
        let receiver = Receiver { port, asked, answers };
        let (asked, answers) = (receiver.asked.clone(), receiver.answers.clone());
        spawn(move || {
            for stream in listener.incoming().flatten() {
                let (asked, answers) = (asked.clone(), answers.clone());
                spawn(move || serve(stream, &asked, &answers));
            }
        });
        receiver
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// What it was asked, in order.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// The same, each request as its first line.
    pub fn lines(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.line).collect()
    }
}

fn serve(stream: TcpStream, asked: &Mutex<Vec<Asked>>, answers: &Mutex<Vec<u16>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut lines = (&mut reader).lines().map_while(Result::ok);
    let Some(first) = lines.next() else { return };
    let line = first.trim_end_matches(" HTTP/1.1").to_owned();
    let headers = lines.take_while(|line| !line.is_empty()).filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    });
    let mut request = Asked { line, headers: headers.collect(), body: String::new() };
    let length = request.header("content-length").map_or(0, |length| length.parse().unwrap());
    reader.take(length).read_to_string(&mut request.body).unwrap();
    asked.lock().unwrap().push(request);
    let status = answers.lock().unwrap().pop().unwrap_or(200);
    if status == 0 {
        std::thread::park();
    }
    let head = format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\nLocation: /elsewhere\r\n");
    let _ = (&stream).write_all(format!("{head}Connection: close\r\n\r\n").as_bytes());
}
