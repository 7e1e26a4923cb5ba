//! Real servers of mail: those of aiosmtpd, with a folder, on the loopback.

use super::certificates::certificates;
use super::kept::{Kept, folder, free_ports, tool};
use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

/// Whom the servers let in that ask for a password, and by which.
pub const USER: &str = "ada@example.com";
pub const PASSWORD: &str = "wedge:antilles";

/// Running servers. Dropped, they are killed.
pub struct Smtp {
    /// With TLS from the first byte, with STARTTLS, and with neither.
    pub ports: [u16; 3],
    kept: Kept,
}

/// Those that all tests of this process share: each test has a recipient of its own.
pub fn server() -> &'static Smtp {
    static SHARED: OnceLock<Smtp> = OnceLock::new();
    SHARED.get_or_init(Smtp::start)
}

impl Smtp {
    fn start() -> Self {
        let folder = folder();
        certificates(&folder, "IP:127.0.0.1");
        let ports: [u16; 3] = free_ports(3).try_into().unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/smtp/server.py");
        let packages = tool("mail/aiosmtpd").parent().unwrap().display().to_string();
        let mut arguments =
            vec![format!("PYTHONPATH={packages}"), "python3".to_owned(), script.to_owned()];
        arguments.push(folder.display().to_string());
        arguments.extend(ports.map(|port| port.to_string()));
        let kept = Kept::start(folder, "env".as_ref(), arguments);
        kept.await_start(|| kept.folder.join("ready").exists());
        Smtp { ports, kept }
    }

    /// A file with the authority that its certificate is of.
    pub fn authority(&self) -> PathBuf {
        self.kept.folder.join("ca.crt")
    }

    /// The messages to a recipient, in order, with all that stands in them.
    pub fn mail_to(&self, recipient: &str) -> Vec<String> {
        let mail = fs::read_dir(self.kept.folder.join("mail")).unwrap();
        let mut paths: Vec<PathBuf> = mail.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        let texts = paths.into_iter().map(|path| fs::read_to_string(path).unwrap());
        let is_to =
            |text: &String| text.lines().next().unwrap().split(',').any(|to| to == recipient);
        texts.filter(is_to).collect()
    }
}
