//! Servers that go in the middle of things.

use super::Far;
use crate::common::chance::Chance;
use crate::common::seaweed::Seaweed;
use std::fs;
use std::thread::{scope, sleep};
use std::time::Duration;

/// A backup waits for a server that is killed and started again, and is whole.
#[test]
fn a_backup_outlives_its_server() {
    let mut server = Seaweed::start(None);
    let far = Far::on(&server, "http");
    far.init();
    fs::write(far.cli.path("src/noise"), Chance::new(1).noise(24 << 20)).unwrap();
    scope(|scope| {
        // Six seconds of upload, of which the server is away for two.
        let backup = scope.spawn(|| far.run(&["--limit-upload", "4096", "backup", "src"]));
        sleep(Duration::from_secs(2));
        server.down();
        sleep(Duration::from_secs(2));
        assert!(!backup.is_finished(), "the backup was over before the server was");
        server.up();
        backup.join().unwrap().success();
    });
    far.run(&["check", "--read-data"]).success();
}
