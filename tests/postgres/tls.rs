//! TLS by each of libpq's modes, for the client and the programs alike, with scram passwords. On the
//! older version only: the other one's build has no TLS.

use super::store::{backup, options};
use crate::common::certificates::certificates;
use crate::common::postgres::{SUPERUSER, Server, Version};
use crate::common::repo::TempRepo;
use icecore::postgres::{Client, Environment, Settings};

/// Only TLS is let in over the loopback, but for one role.
const RULES: &str = "local all all trust\nhostnossl all plain 127.0.0.1/32 scram-sha-256\n\
                     hostssl all all 127.0.0.1/32 scram-sha-256\n";

/// Each mode connects, or refuses, as libpq's does: by a certificate for the host's name, for
/// another name, of an authority that is not known, and without TLS.
#[test]
fn each_mode_means_what_it_says() {
    let dirs = ["IP:127.0.0.1", "DNS:elsewhere"].map(|name| {
        let dir = tempfile::tempdir().unwrap();
        certificates(dir.path(), name);
        (dir, name)
    });
    for (dir, name) in &dirs {
        let read = |file: &str| std::fs::read_to_string(dir.path().join(file)).unwrap();
        let (certificate, key) = (read("server.crt"), read("server.key"));
        let files =
            [("server.crt", certificate.as_str()), ("server.key", &key), ("pg_hba.conf", RULES)];
        let server = Server::start_with_files(Version::Fifteen, &["ssl = on"], &files);
        server.sql(SUPERUSER, "CREATE ROLE plain SUPERUSER LOGIN PASSWORD 'pw'");
        let right = dir.path().join("ca.crt");
        let stranger = dirs.iter().find(|(other, _)| other.path() != dir.path()).unwrap();
        let wrong = stranger.0.path().join("ca.crt");
        let fits = name.starts_with("IP");
        let cases = [
            ("disable", None, false),
            ("allow", None, true),
            ("prefer", None, true),
            ("require", None, true),
            ("require", Some(&right), true),
            ("require", Some(&wrong), false),
            ("verify-ca", None, false),
            ("verify-ca", Some(&right), true),
            ("verify-ca", Some(&wrong), false),
            ("verify-full", Some(&right), fits),
            ("verify-full", Some(&wrong), false),
        ];
        let repo = TempRepo::new(11);
        for (mode, authority, lets_in) in cases {
            let mut url = format!("{}?sslmode={mode}", server.url("postgres"));
            if let Some(path) = authority {
                url.push_str(&format!("&sslrootcert={}", path.display()));
            }
            let outcome = backup(&repo, &url, options(&server));
            let case = format!("{mode} {authority:?} for {name}");
            match outcome {
                Ok(_) => assert!(lets_in, "{case} let it in"),
                Err(error) => assert!(!lets_in, "{case}: {error}"),
            }
        }
        for (mode, encrypted) in [("prefer", "t"), ("require", "t"), ("allow", "t")] {
            let url = format!("{}?sslmode={mode}", server.url("postgres"));
            let settings = Settings::new(&url, &Environment::default()).unwrap();
            let mut client = Client::connect(&settings).unwrap();
            let ssl = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
            assert_eq!(client.text(ssl).unwrap(), encrypted, "{mode}");
        }
        let plain = server.url_of("plain", "pw", "postgres");
        for (mode, lets_in) in [("disable", true), ("allow", true), ("channel", true)] {
            let parameter = match mode {
                "channel" => "sslmode=require&channel_binding=require".to_owned(),
                mode => format!("sslmode={mode}"),
            };
            let settings =
                Settings::new(&format!("{plain}?{parameter}"), &Environment::default()).unwrap();
            assert_eq!(Client::connect(&settings).is_ok(), lets_in, "{mode}");
        }
    }
}
