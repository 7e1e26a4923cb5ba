//! A bad line to a good server.

use super::Far;
use crate::common::chance::Chance;
use crate::common::proxy::{self, Fate};
use crate::common::seaweed::server;
use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

/// One request in eight breaks before it arrives, loses its answer, or is told to come later, among them
/// creations that took place: backups, a prune and a restore come through, and nothing is damaged.
#[test]
fn a_bad_line_costs_time_alone() {
    let far = Far::new();
    let chance = Mutex::new(Chance::new(19));
    let hurt = std::sync::Arc::new(AtomicU32::new(0));
    let count = hurt.clone();
    let port = proxy::start(server().port, move |_| {
        let fate = match chance.lock().unwrap().below(24) {
            0 => Fate::Cut,
            1 => Fate::Lose,
            2 => Fate::Refuse(503, "<Error><Code>SlowDown</Code><Message>slow</Message></Error>"),
            _ => return Fate::Pass,
        };
        count.fetch_add(1, Ordering::Relaxed);
        fate
    });
    let url = far.url.replace(&server().port.to_string(), &port.to_string());
    let run = |args: &[&str]| {
        let mut command = far.command();
        command.env("ICECORE_REPOSITORY", &url).arg("--key-file").arg(far.cli.path("key"));
        command.args(args).assert().success()
    };
    for hour in 0..4 {
        fs::write(far.cli.path("src/a"), format!("hour {hour}\n").repeat(50_000)).unwrap();
        run(&["backup", "src"]);
    }
    run(&["forget", "--keep-last", "2", "--prune"]);
    run(&["restore", "latest", "--target", "restored"]);
    let restored = far.cli.path(&format!("restored/{}", far.cli.path("src").display()));
    assert_eq!(fs::read_to_string(restored.join("a")).unwrap(), "hour 3\n".repeat(50_000));
    assert!(hurt.load(Ordering::Relaxed) >= 5);
    far.run(&["check", "--read-data"]).success();
}
