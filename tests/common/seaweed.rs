//! A real server that speaks S3: SeaweedFS in a temporary folder, on the loopback.

use super::kept::{self, Kept, free_ports, tool};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// The name that the server knows, and its secret.
pub const KEY: &str = "AKIDEXAMPLE";
pub const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// Another that it knows, who owns no bucket.
pub const HOST_KEY: &str = "AKIDHOST";
pub const HOST_SECRET: &str = "bPxRfiCYEXAMPLEHOSTSECRET/K7MDENG+wJalrX";

/// A running server, with a place for bytes and maybe more of these. Dropped, all are killed.
pub struct Seaweed {
    pub port: u16,
    filer: u16,
    kept: Kept,
    volumes: Vec<Kept>,
}

/// The server that all tests of this process share, each with a bucket of its own.
pub fn server() -> &'static Seaweed {
    static SHARED: OnceLock<Seaweed> = OnceLock::new();
    SHARED.get_or_init(|| Seaweed::start(None))
}

impl Seaweed {
    /// A server of a test's own; with TLS if there is a folder with `server.crt` and `server.key`.
    pub fn start(tls: Option<&Path>) -> Self {
        Seaweed::start_with(tls, 0)
    }

    /// One that keeps everything twice, on two of three machines, so to speak.
    pub fn replicated() -> Self {
        Seaweed::start_with(None, 2)
    }

    fn start_with(tls: Option<&Path>, more: usize) -> Self {
        let folder = kept::folder();
        let identities = format!(
            r#"{{"identities": [{{"name": "owner", "actions": ["Admin", "Read", "List", "Write"],
                "credentials": [{{"accessKey": "{KEY}", "secretKey": "{SECRET}"}}]}},
                {{"name": "host", "actions": ["Read", "List", "Write"],
                "credentials": [{{"accessKey": "{HOST_KEY}", "secretKey": "{HOST_SECRET}"}}]}}]}}"#
        );
        fs::write(folder.join("identities"), identities).unwrap();
        let mut ports = free_ports(8 + 2 * more);
        let [s3, s3_grpc, master, master_grpc, volume, volume_grpc, filer, filer_grpc] =
            ports.split_off(2 * more).try_into().unwrap();
        let mut arguments: Vec<String> = [
            "server -ip=127.0.0.1 -ip.bind=127.0.0.1 -filer -s3 -s3.autoCreateBucket=false",
            "-s3.iam=false -s3.port.iceberg=0 -s3.port.lance=0 -master.volumeSizeLimitMB=64",
            "-volume.max=10000",
        ]
        .iter()
        .flat_map(|words| words.split(' '))
        .map(str::to_owned)
        .collect();
        arguments.extend([
            format!("-dir={}", folder.display()),
            format!("-s3.config={}", folder.join("identities").display()),
            format!("-s3.port={s3}"),
            format!("-s3.port.grpc={s3_grpc}"),
            format!("-master.port={master}"),
            format!("-master.port.grpc={master_grpc}"),
            format!("-volume.port={volume}"),
            format!("-volume.port.grpc={volume_grpc}"),
            format!("-filer.port={filer}"),
            format!("-filer.port.grpc={filer_grpc}"),
        ]);
        if more > 0 {
            arguments.push("-master.defaultReplication=001".to_owned());
        }
        if let Some(tls) = tls {
            arguments.push(format!("-s3.cert.file={}", tls.join("server.crt").display()));
            arguments.push(format!("-s3.key.file={}", tls.join("server.key").display()));
        }
        let start = |folder, arguments| Kept::start(folder, &tool("seaweedfs/weed"), arguments);
        let kept = start(folder, arguments);
        let volumes = ports.chunks(2).map(|pair| {
            let folder = kept::folder();
            let arguments = [
                "volume".to_owned(),
                "-ip=127.0.0.1".to_owned(),
                "-ip.bind=127.0.0.1".to_owned(),
                "-max=10000".to_owned(),
                format!("-dir={}", folder.display()),
                format!("-master=127.0.0.1:{master}.{master_grpc}"),
                format!("-port={}", pair[0]),
                format!("-port.grpc={}", pair[1]),
            ];
            start(folder, arguments.into())
        });
        let server = Seaweed { port: s3, filer, kept, volumes: volumes.collect() };
        let answers = || TcpStream::connect(("127.0.0.1", s3)).is_ok() && server.make("started");
        server.kept.await_start(answers);
        server
    }

    /// Kills it.
    pub fn down(&mut self) {
        self.kept.down();
    }

    /// Starts it again.
    pub fn up(&mut self) {
        self.kept.up();
    }

    /// The bytes that one of the machines keeps.
    pub fn volume_bytes(&self, number: usize) -> u64 {
        let files = fs::read_dir(&self.volumes[number].folder).unwrap().map(Result::unwrap);
        let data = files.filter(|file| file.path().extension().is_some_and(|it| it == "dat"));
        data.map(|file| file.metadata().unwrap().len()).sum()
    }

    /// Kills one of the machines that keep bytes.
    pub fn volume_down(&mut self, number: usize) {
        self.volumes[number].down();
    }

    /// Starts it again.
    pub fn volume_up(&mut self, number: usize) {
        self.volumes[number].up();
    }

    /// Makes a bucket that no other caller of this process gets; its name.
    pub fn bucket(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("bucket-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        assert!(self.make(&name), "no bucket could be made");
        name
    }

    fn make(&self, bucket: &str) -> bool {
        self.filer("POST", &format!("/buckets/{bucket}/")).starts_with("HTTP/1.1 201")
    }

    /// Whether something has this key in a bucket, by the server's own account.
    pub fn has(&self, bucket: &str, key: &str) -> bool {
        self.filer("HEAD", &format!("/buckets/{bucket}/{key}")).starts_with("HTTP/1.1 200")
    }

    /// What the folders beneath the buckets answer.
    fn filer(&self, method: &str, path: &str) -> String {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.filer)) else {
            return String::new();
        };
        let head = "Host: localhost\r\nConnection: close\r\nContent-Length: 0";
        let mut answer = Vec::new();
        // One that is just starting may hang up.
        let _ = write!(stream, "{method} {path} HTTP/1.1\r\n{head}\r\n\r\n");
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }
}
