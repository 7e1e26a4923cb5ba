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

/// Everything is kept on two of three machines, one of which goes in the middle of a backup: that one ends
/// well, so do a check and a restore without the machine, and all is whole when it is back.
#[test]
fn a_backup_outlives_one_of_three_machines() {
    let mut server = Seaweed::replicated();
    let far = Far::on(&server, "http");
    far.init();
    let noise = Chance::new(2).noise(24 << 20);
    fs::write(far.cli.path("src/noise"), &noise).unwrap();
    let machine = scope(|scope| {
        let backup = scope.spawn(|| far.run(&["--limit-upload", "4096", "backup", "src"]));
        let machine = loop {
            if let Some(machine) = (0..2).find(|machine| server.volume_bytes(*machine) > 100_000) {
                break machine;
            }
            assert!(!backup.is_finished(), "neither machine has anything to lose");
            sleep(Duration::from_millis(50));
        };
        server.volume_down(machine);
        backup.join().unwrap().success();
        machine
    });
    far.run(&["check", "--read-data"]).success();
    far.run(&["restore", "latest", "--target", "restored"]).success();
    let restored = far.cli.path(&format!("restored/{}", far.cli.path("src").display()));
    assert!(fs::read(restored.join("noise")).unwrap() == noise);
    server.volume_up(machine);
    far.run(&["backup", "src"]).success();
    far.run(&["check", "--read-data"]).success();
}
