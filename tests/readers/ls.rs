//! `ls`.

use super::{no_trouble, noise, small, text};
use crate::common::memory::{node, stream};
use crate::common::repo::TempRepo;
use icecore::error::Kind;
use icecore::format::directory::NodeKind;
use icecore::format::snapshot::Snapshot;
use icecore::ops::ls::{ls, mode_text, size};
use icecore::repo::Reader;

fn listed(repo: &TempRepo, snapshot: &Snapshot, path: &str, recursive: bool) -> Vec<String> {
    let index = repo.repository.load_index().unwrap();
    let reader = Reader::new(&repo.repository, &index);
    let mut seen = Vec::new();
    let mut visit = |path: &[u8], node: &_| {
        seen.push(format!("{} {}", text(path), size(node)));
        Ok(())
    };
    ls(&reader, snapshot, path.as_bytes(), recursive, &mut visit, &mut no_trouble).unwrap();
    seen
}

/// A listing has one level or all, begins anywhere, and shows the folders that lead to parts.
#[test]
fn ls_lists_what_was_asked_for() {
    let repo = TempRepo::new(1);
    let sources = vec![small().source("/srv/data"), stream("/dump.sql", noise(9, 50))];
    let snapshot = repo.backup(sources).unwrap().snapshot;
    assert_eq!(listed(&repo, &snapshot, "/", false), ["/dump.sql 50", "/srv 0"]);
    assert_eq!(listed(&repo, &snapshot, "/srv/data", false), ["/srv/data/a 0", "/srv/data/b 0"]);
    assert_eq!(listed(&repo, &snapshot, "/srv", false), ["/srv/data 0"]);
    assert_eq!(listed(&repo, &snapshot, "/dump.sql", true), ["/dump.sql 50"]);
    let all = [
        "/dump.sql 50",
        "/srv 0",
        "/srv/data 0",
        "/srv/data/a 0",
        "/srv/data/a/one 100",
        "/srv/data/a/two.db 200",
        "/srv/data/b 0",
        "/srv/data/b/c 0",
        "/srv/data/b/c/three.log 300",
        "/srv/data/b/four 400",
    ];
    assert_eq!(listed(&repo, &snapshot, "/", true), all);
    assert_eq!(listed(&repo, &snapshot, "srv/data/a/", true), all[4..6]);
    let index = repo.repository.load_index().unwrap();
    let reader = Reader::new(&repo.repository, &index);
    let error = ls(&reader, &snapshot, b"/no", true, &mut |_, _| Ok(()), &mut no_trouble);
    assert_eq!(error.unwrap_err().kind(), Kind::NotFound);
}

/// Modes look as `ls -l` shows them, special bits with and without execution.
#[test]
fn modes_are_shown_as_letters() {
    for (mode, expected) in [
        (0o644, "-rw-r--r--"),
        (0o4755, "-rwsr-xr-x"),
        (0o4644, "-rwSr--r--"),
        (0o2710, "-rwx--s---"),
        (0o1777, "-rwxrwxrwt"),
        (0o1776, "-rwxrwxrwT"),
    ] {
        let content = icecore::format::content::Content::default();
        let mut file = node("x", NodeKind::File { content, database: None });
        file.meta.mode = mode;
        assert_eq!(mode_text(&file), expected, "{mode:o}");
    }
    assert_eq!(&mode_text(&node("x", NodeKind::Directory { entries: None }))[..1], "d");
}
