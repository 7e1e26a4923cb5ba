//! Services that no server here speaks as: what is said before one is asked.

use super::Far;
use crate::common::cli::{stderr, stdout};

/// Without credentials, and with ones that are none, the program ends at once, says where it looked, and
/// repeats none.
#[test]
fn credentials_are_asked_for() {
    let here = "endpoint=http://127.0.0.1:9";
    let odd = r#"{"type": "service_account", "private_key": "hunter2", "client_email": "a@b"}"#;
    let far = Far::at(String::new());
    std::fs::write(far.cli.path("odd"), odd).unwrap();
    let file = format!("GOOGLE_APPLICATION_CREDENTIALS={}", far.cli.text("odd"));
    let cases: [(&str, &[&str], &str, &str); 5] = [
        ("gs://bucket/x", &["-o", here], "", "GOOGLE_APPLICATION_CREDENTIALS (not set)"),
        ("gs:bucket:/x", &["-o", here], &file, "GOOGLE_APPLICATION_CREDENTIALS (set)"),
        ("b2://bucket/x", &[], "", "B2_ACCOUNT_KEY (not set)"),
        ("b2:bucket:x", &[], "B2_ACCOUNT_KEY=hunter2", "B2_ACCOUNT_KEY (set)"),
        ("b2://bucket/x", &["-o", here], "", "connections"),
    ];
    for (place, options, variable, words) in cases {
        let mut command = far.command();
        command.env("ICECORE_REPOSITORY", place).envs(variable.split_once('='));
        let run = command.env("ICECORE_PASSWORD", "x").args(options).arg("snapshots").assert();
        let run = run.code(1);
        let said = format!("{}{}", stdout(&run), stderr(&run));
        assert!(said.contains(words), "{place} {variable}: {said}");
        assert!(words == "connections" || said.contains("no credentials"), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
}
