//! A real server that speaks S3: SeaweedFS in a temporary folder, on the loopback.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The name that the server knows, and its secret.
pub const KEY: &str = "AKIDEXAMPLE";
pub const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// Another that it knows, who owns no bucket.
pub const HOST_KEY: &str = "AKIDHOST";
pub const HOST_SECRET: &str = "bPxRfiCYEXAMPLEHOSTSECRET/K7MDENG+wJalrX";

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// What keeps a server: it starts it, ends and starts it again by the words `down` and `up` on its
/// standard input, and ends it with its folder when that ends, as it does with the test's process.
const KEEPER: &str = r#"
folder=$1 weed=$2
shift 2
start() { "$weed" "$@" </dev/null >>"$folder/log" 2>&1 & server=$!; }
stop() { kill -KILL "$server"; wait "$server"; }
start "$@"
while read -r word; do
  case $word in up) start "$@" ;; down) stop ;; esac
done
stop
rm -rf "$folder"
"#;

/// A program that is kept running. Dropped, it is killed, and its folder goes.
struct Kept {
    folder: PathBuf,
    keeper: Child,
    hold: Option<ChildStdin>,
}

impl Kept {
    fn start(folder: &Path, arguments: &[String]) -> Self {
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .arg(folder)
            .arg(program())
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A terminal's interrupt must not end the keeper before the server.
            .process_group(0)
            .spawn()
            .unwrap();
        let hold = keeper.stdin.take();
        Kept { folder: folder.to_owned(), keeper, hold }
    }

    fn say(&mut self, word: &str) {
        self.hold.as_mut().unwrap().write_all(word.as_bytes()).unwrap();
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        drop(self.hold.take());
        self.keeper.wait().unwrap();
    }
}

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
        let folder = TempDir::with_prefix("icecore-s3").unwrap().keep();
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
            "-volume.max=0",
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
        let kept = Kept::start(&folder, &arguments);
        let volumes = ports.chunks(2).map(|pair| {
            let folder = TempDir::with_prefix("icecore-volume").unwrap().keep();
            Kept::start(
                &folder,
                &[
                    "volume".to_owned(),
                    "-ip=127.0.0.1".to_owned(),
                    "-ip.bind=127.0.0.1".to_owned(),
                    "-max=20".to_owned(),
                    format!("-dir={}", folder.display()),
                    format!("-master=127.0.0.1:{master}.{master_grpc}"),
                    format!("-port={}", pair[0]),
                    format!("-port.grpc={}", pair[1]),
                ],
            )
        });
        let server = Seaweed { port: s3, filer, kept, volumes: volumes.collect() };
        server.await_start();
        server
    }

    /// Kills it.
    pub fn down(&mut self) {
        self.kept.say("down\n");
    }

    /// Starts it again.
    pub fn up(&mut self) {
        self.kept.say("up\n");
    }

    /// The bytes that one of the machines keeps.
    pub fn volume_bytes(&self, number: usize) -> u64 {
        let files = fs::read_dir(&self.volumes[number].folder).unwrap().map(Result::unwrap);
        let data = files.filter(|file| file.path().extension().is_some_and(|it| it == "dat"));
        data.map(|file| file.metadata().unwrap().len()).sum()
    }

    /// Kills one of the machines that keep bytes.
    pub fn volume_down(&mut self, number: usize) {
        self.volumes[number].say("down\n");
    }

    /// Starts it again.
    pub fn volume_up(&mut self, number: usize) {
        self.volumes[number].say("up\n");
    }

    /// Waits until it answers.
    fn await_start(&self) {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() && self.make("started") {
                return;
            }
            sleep(Duration::from_millis(50));
        }
        let log = fs::read_to_string(self.kept.folder.join("log")).unwrap_or_default();
        panic!("SeaweedFS does not answer:\n{log}");
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

/// Ports that are free. All at once, or one might be chosen twice; afterwards another process may still
/// take one.
fn free_ports(number: usize) -> Vec<u16> {
    let listeners = (0..number).map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    let listeners: Vec<TcpListener> = listeners.collect();
    listeners.iter().map(|listener| listener.local_addr().unwrap().port()).collect()
}

/// Where the program is; a missing one fails the test.
fn program() -> PathBuf {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/seaweedfs/weed");
    assert!(
        program.exists(),
        "SeaweedFS is missing: there is no {}; `tests/run.sh servers` installs it",
        program.display()
    );
    program
}
