//! An authority and a server's certificate of it, made by `openssl`.

use std::path::Path;
use std::process::Command;

/// Makes `ca.crt`, `server.crt` and `server.key` in a folder, for a name such as `IP:127.0.0.1`.
pub fn certificates(folder: &Path, name: &str) {
    let run = |args: &[&str]| {
        let output = Command::new("openssl").args(args).current_dir(folder).output();
        let output = output.expect("openssl makes the certificates of this test");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    let key = ["-newkey", "rsa:2048", "-nodes", "-days", "30"];
    let authority =
        ["req", "-x509", "-subj", "/CN=a test's authority", "-keyout", "ca.key", "-out", "ca.crt"];
    run(&[&authority[..], &key].concat());
    run(&[
        &["req", "-subj", "/CN=server", "-keyout", "server.key", "-out", "server.csr"][..],
        &key,
    ]
    .concat());
    std::fs::write(folder.join("names"), format!("subjectAltName={name}\n")).unwrap();
    run(&[
        "x509",
        "-req",
        "-in",
        "server.csr",
        "-CA",
        "ca.crt",
        "-CAkey",
        "ca.key",
        "-CAcreateserial",
        "-days",
        "30",
        "-extfile",
        "names",
        "-out",
        "server.crt",
    ]);
}
