//! A real server that speaks WebDAV: that of rclone, with a temporary folder, on the loopback.

use super::kept::{Kept, folder, free_ports, tool};
use std::fs::{self, FileTimes};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

/// Whom the server lets in, and by which password.
pub const USER: &str = "ada lovelace";
pub const PASSWORD: &str = "wedge:antilles";

/// A running server. Dropped, it is killed.
pub struct Rclone {
    pub port: u16,
    pub kept: Kept,
}

/// A folder of the shared server that holds something else.
pub const USED: &str = "used";
/// One with a folder `tmp`, in which lie `young` and `old`.
pub const STRAYS: &str = "strays/much";

/// The server that all tests of this process share, each with a folder of its own.
pub fn server() -> &'static Rclone {
    static SHARED: OnceLock<Rclone> = OnceLock::new();
    SHARED.get_or_init(|| {
        Rclone::start(|root| {
            fs::create_dir(root.join(USED)).unwrap();
            fs::write(root.join(USED).join("else"), b"x").unwrap();
            let folder = root.join(STRAYS).join("tmp");
            fs::create_dir_all(&folder).unwrap();
            for (name, days) in [("young", 0), ("old", 3)] {
                let then = SystemTime::now() - Duration::from_hours(24 * days);
                let file = fs::File::create(folder.join(name)).unwrap();
                file.set_times(FileTimes::new().set_modified(then)).unwrap();
            }
        })
    })
}

impl Rclone {
    /// A server of a test's own, which for minutes may not see what is changed there afterwards, but
    /// through it.
    pub fn start(prepare: impl FnOnce(&Path)) -> Self {
        let (folder, port) = (folder(), free_ports(1)[0]);
        let root = folder.join("root");
        fs::create_dir(&root).unwrap();
        prepare(&root);
        let arguments = ["serve", "webdav", "root", "--user", USER, "--pass", PASSWORD, "--addr"];
        let mut arguments: Vec<String> = arguments.map(str::to_owned).into();
        arguments.extend([format!("127.0.0.1:{port}"), "--config=/dev/null".to_owned()]);
        let kept = Kept::start(folder, &tool("rclone/rclone"), arguments);
        kept.await_start(|| TcpStream::connect(("127.0.0.1", port)).is_ok());
        Rclone { port, kept }
    }

    /// The name of a folder that no other caller of this process gets, and that is not there yet.
    pub fn place(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        format!("place {}", NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// Where the server keeps what lies at this path.
    pub fn path(&self, path: &str) -> PathBuf {
        self.kept.folder.join("root").join(path)
    }
}
