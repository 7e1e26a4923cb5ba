//! Dumps that were copied into another repository.

use super::cli::{Cli, assert_same};
use super::restoring::small;
use crate::common::postgres::{VERSIONS, server, unique};

/// A database comes back from the copy of its dump, in its first state and in a later one; what is known of it
/// is known of the copy, and the later state costs the copy little.
#[test]
fn a_copied_dump_comes_back() {
    for version in VERSIONS {
        let (cli, there) = (Cli::new(), Cli::new());
        let (server, name) = (server(version), unique("copied"));
        small(server, &name);
        let fill = "create table grown as select n, md5(n::text) from generate_series(1, 50000) n";
        let grow = "update grown set md5 = 'new' where n % 5000 = 0";
        let bin = server.bin();
        let (repo, key) = (there.path("repo"), there.path("key"));
        let mut stored = Vec::new();
        for statements in [fill, grow] {
            server.sql(&name, statements);
            let source = format!("postgres-dump:{}", server.url(&name));
            let bin = ["--pg-bin", bin.to_str().unwrap(), "--postgres-name", "db", "--no-globals"];
            cli.run(&[&["backup", &source, "--row-counts"], &bin[..]].concat()).succeeded();
            let to = [repo.to_str().unwrap(), "--to-key-file", key.to_str().unwrap()];
            let ran = cli.run(&[&["--json", "copy"], &to[..]].concat()).succeeded();
            stored.push(ran.out);
            let again = format!("{name}_again");
            let into = ["--database", &name, "--yes", "--replace"];
            let ran = there.restore(server, &server.url(&again), &into).succeeded();
            assert!(ran.out.contains("counted"), "{}", ran.out);
            assert_same(&server.plain_dump(&again), &server.plain_dump(&name), "the copy");
        }
        let bytes = |said: &String| -> u64 {
            let said: serde_json::Value =
                serde_json::from_str(said.lines().last().unwrap()).unwrap();
            said["bytes_stored"].as_u64().unwrap()
        };
        let bytes: Vec<u64> = stored.iter().map(bytes).collect();
        assert!(bytes[1] * 4 < bytes[0], "{bytes:?}");
    }
}
