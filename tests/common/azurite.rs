//! A real server that speaks as Azure Blob Storage does: Azurite in a temporary folder, on the loopback.

use super::kept::{Kept, folder, free_ports, tool};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// The account that the server knows, and its key, which everybody knows.
pub const ACCOUNT: &str = "devstoreaccount1";
pub const KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// A running server. Dropped, it is killed.
pub struct Azurite {
    pub port: u16,
    _kept: Kept,
}

/// The server that all tests of this process share, each with a container of its own.
pub fn server() -> &'static Azurite {
    static SHARED: OnceLock<Azurite> = OnceLock::new();
    SHARED.get_or_init(Azurite::start)
}

impl Azurite {
    fn start() -> Self {
        let (folder, port) = (folder(), free_ports(1)[0]);
        let program = tool("azurite/node_modules/azurite/dist/src/blob/main.js");
        let arguments = [
            program.display().to_string(),
            "--silent".into(),
            "--disableTelemetry".into(),
            "--blobHost=127.0.0.1".into(),
            format!("--blobPort={port}"),
            format!("--location={}", folder.display()),
        ];
        let kept = Kept::start(folder, "node".as_ref(), arguments.into());
        kept.await_start(|| TcpStream::connect(("127.0.0.1", port)).is_ok());
        Azurite { port, _kept: kept }
    }

    /// What is said to be its endpoint.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}/{ACCOUNT}", self.port)
    }

    /// Makes a container that no other caller of this process gets; its name.
    pub fn container(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("container-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let (date, version) = (now(), "2022-11-02");
        let signed = format!(
            "PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:{date}\nx-ms-version:{version}\n\
             /{ACCOUNT}/{ACCOUNT}/{name}\nrestype:container"
        );
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        write!(
            stream,
            "PUT /{ACCOUNT}/{name}?restype=container HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n\
             Connection: close\r\nContent-Length: 0\r\nx-ms-date: {date}\r\n\
             x-ms-version: {version}\r\nAuthorization: SharedKey {ACCOUNT}:{}\r\n\r\n",
            self.port,
            signature(&signed)
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
        name
    }
}

/// As requests say it.
fn now() -> String {
    let mut date = Command::new("date");
    let date = date.args(["-u", "+%a, %d %b %Y %H:%M:%S GMT"]).env("LC_ALL", "C").output();
    String::from_utf8(date.unwrap().stdout).unwrap().trim().to_owned()
}

/// HMAC-SHA256 by the account's key, in base64.
fn signature(text: &str) -> String {
    let script = r#"openssl dgst -sha256 -mac HMAC -binary -macopt \
        hexkey:"$(printf %s "$1" | openssl base64 -d -A | od -An -vtx1 | tr -d ' \n')" |
        openssl base64 -A"#;
    let mut child = Command::new("sh")
        .args(["-c", script, "sign", KEY])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}
