//! Requests of S3 that the program does not make, such as those that set a bucket up: signed by the crates
//! that it signs with.

use super::seaweed::{KEY, SECRET, Seaweed};
use http::{HeaderName, HeaderValue, Method, Request};
use reqsign_aws_v4::{RequestSigner, StaticCredentialProvider};
use reqsign_core::{Context, Signer};
use std::io::{Read, Write};
use std::net::TcpStream;

/// What the owner of a server's buckets is answered: the whole of it as text, the status first.
pub fn ask(
    server: &Seaweed,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> String {
    let uri = format!("http://127.0.0.1:{}{path}", server.port);
    let mut request = Request::builder().method(method).uri(uri).body(()).unwrap().into_parts().0;
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        request.headers.insert(name, HeaderValue::from_str(value).unwrap());
    }
    let provider = StaticCredentialProvider::new(KEY, SECRET);
    let signer = Signer::new(Context::new(), provider, RequestSigner::new("s3", "us-east-1"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(signer.sign(&mut request, None)).unwrap();
    let mut text = format!("{} {path} HTTP/1.1\r\n", request.method);
    for (name, value) in &request.headers {
        text += &format!("{name}: {}\r\n", value.to_str().unwrap());
    }
    if !request.headers.contains_key("host") {
        text += &format!("host: 127.0.0.1:{}\r\n", server.port);
    }
    text += &format!("content-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// The same, which has to succeed.
pub fn done(
    server: &Seaweed,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> String {
    let answer = ask(server, method, path, headers, body);
    assert!(answer.starts_with("HTTP/1.1 2"), "{path}: {answer}");
    answer
}
