//! Tables of contents of archives: read as `pg_restore` reads them, and harmless whatever they are.

use super::cli::dump;
use super::restoring::full;
use crate::common::chance::Chance;
use crate::common::postgres::{VERSIONS, server, unique};
use icecore::sink::postgres::{Filter, Toc};
use std::io::Write;
use std::process::Stdio;

/// The entries are those that `pg_restore --list` names, and the table is found in any beginning
/// that is long enough, and in no other.
#[test]
fn tables_of_contents_are_read() {
    for version in VERSIONS {
        let server = server(version);
        let name = unique("full");
        full(server, &name);
        let bytes = dump(server, &name, &["-Fc", "-Z0"]);
        let toc = Toc::read(&bytes, "dump").unwrap().unwrap();
        assert_eq!(toc.database, name);
        let mut list = server.tool("pg_restore", &name);
        let list = list.arg("--list").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut list = list.spawn().unwrap();
        // It reads no further than it must.
        let _ = list.stdin.take().unwrap().write_all(&bytes);
        let listed = String::from_utf8(list.wait_with_output().unwrap().stdout).unwrap();
        let ids: Vec<i64> = listed
            .lines()
            .filter(|line| !line.starts_with(';'))
            .filter_map(|line| line.split(';').next()?.parse().ok())
            .collect();
        let chosen = toc.chosen(&Filter::default(), false).unwrap();
        assert!(ids.len() > 100 && ids.iter().all(|id| chosen.contains(id)), "{version:?}");
        let end = (0..20).rev().fold(0, |low, bit| {
            let at = low + (1 << bit);
            let short = at <= bytes.len() && Toc::read(&bytes[..at], "").unwrap().is_none();
            if short { at } else { low }
        });
        assert_eq!(Toc::read(&bytes[..=end], "").unwrap(), Some(toc));
    }
}

/// Damage is an error or another table, never a panic or a hang.
#[test]
fn damaged_tables_are_harmless() {
    let server = server(VERSIONS[0]);
    let name = unique("full");
    full(server, &name);
    let bytes = dump(server, &name, &["-Fc", "--schema-only"]);
    for seed in 0..2000 {
        let mut chance = Chance::new(seed);
        let mut damaged = bytes.clone();
        for _ in 0..=chance.below(4) {
            let bound = 8 << chance.below(14);
            let at = chance.below(damaged.len().min(bound));
            damaged[at] = chance.number().to_le_bytes()[0];
        }
        if let Ok(Some(toc)) = Toc::read(&damaged, "damaged") {
            let filter = Filter { schemas: vec!["app".into()], tables: vec!["app.events".into()] };
            let _ = (toc.chosen(&filter, true), toc.chosen(&filter, false));
        }
    }
}
