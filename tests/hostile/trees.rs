//! Trees that lead outside, too deep, or to more paths than anybody can walk.

use super::{bring_back, count, directory, file, meta, stored};
use crate::common::forge::{commit, session};
use crate::common::memory::node;
use crate::common::repo::TempRepo;
use icecore::error::Kind;
use icecore::format::content::{Content, ListNode, Piece, TreeRef};
use icecore::format::directory::{DirectoryNode, NodeKind};
use icecore::repo::{Reader, Session};
use icecore::stream::{Pieces, find_entry};

/// Names that are no names, in directories and in the paths of parts, restore nothing outside the
/// target and nothing under such a name.
#[test]
fn bad_names_are_refused() {
    let mut repo = TempRepo::new(5);
    repo.damaged = true;
    let plain = |names: &[&str]| {
        let entries = names.iter().map(|name| file(name, Content::inline(1, &[]))).collect();
        DirectoryNode::Leaf(entries).encode().unwrap()
    };
    let long = "x".repeat(5000);
    for names in
        [&[".."][..], &["."], &[""], &["a/b"], &["a\0b"], &[&long], &["b", "a"], &["a", "a"]]
    {
        let mut session = session(&repo);
        let id = meta(&mut session, &plain(names));
        let forged = commit(session, "/evil", directory("evil", id), 10);
        let (report, heard, target) = bring_back(&repo, &forged);
        assert_eq!(report.unwrap().failed, 1, "{names:?}");
        assert_eq!(heard.len(), 1, "{names:?}");
        assert_eq!(count(target.path()), 1, "{names:?}: only the folder itself");
        let report = repo.check();
        assert!(report.touched.iter().any(|touched| touched.snapshot == forged.id), "{names:?}");
        repo.repository.forget(&stored(&repo, forged.id).key()).unwrap();
    }
}

/// Inner nodes that say of their children what is not so are refused, whether a directory is read
/// from its beginning or one name in it is looked for, and a list from any offset on.
#[test]
fn inner_nodes_that_lie_are_refused() {
    let mut repo = TempRepo::new(9);
    repo.damaged = true;
    let leaf = |session: &mut Session<'_>, names: &str| {
        let name = |name: char| file(&name.to_string(), Content::inline(1, &[]));
        meta(session, &DirectoryNode::Leaf(names.chars().map(name).collect()).encode().unwrap())
    };
    let lies = [("ac", "cd"), ("ab", "bd"), ("ab", "ce"), ("ab", "")];
    let lies = lies.map(|(first, second)| (first, second, false));
    let cases = [&[("ab", "cd", true)], &lies[..]].concat();
    for (first, second, honest) in cases {
        let mut session = session(&repo);
        let children = vec![
            (leaf(&mut session, first), b"b".to_vec()),
            (leaf(&mut session, second), b"d".to_vec()),
        ];
        let id = meta(&mut session, &DirectoryNode::Inner(1, children).encode().unwrap());
        let entries = TreeRef { id, levels: 1 };
        let forged = commit(
            session,
            "/evil",
            node("evil", NodeKind::Directory { entries: Some(entries) }),
            10,
        );
        let (report, heard, _) = bring_back(&repo, &forged);
        assert_eq!(report.unwrap().failed, u64::from(!honest), "{first} {second}: {heard:?}");
        let index = repo.repository.load_index().unwrap();
        let reader = Reader::new(&repo.repository, &index);
        let whole: Vec<_> =
            "abcd".bytes().map(|name| find_entry(&reader, entries, &[name])).collect();
        assert_eq!(whole.iter().all(|found| matches!(found, Ok(Some(_)))), honest);
        assert!(whole.iter().all(|found| !matches!(found, Ok(None))), "{first} {second}");
        assert_eq!(repo.check().touched.iter().any(|at| at.snapshot == forged.id), !honest);
    }
    for (lengths, says, honest) in [([10, 20], [10, 20], true), ([20, 10], [10, 20], false)] {
        let mut session = session(&repo);
        let leaves = lengths.map(|length| {
            meta(&mut session, &ListNode::Leaf(vec![Piece::Hole { length }]).encode())
        });
        let children = leaves.into_iter().zip(says).collect();
        let id = meta(&mut session, &ListNode::Inner(1, children).encode());
        session.abandon().unwrap();
        let list = Some(TreeRef { id, levels: 1 });
        let content = Content { length: 30, chunker: 1, pieces: Vec::new(), list };
        let index = repo.repository.load_index().unwrap();
        let reader = Reader::new(&repo.repository, &index);
        let mut pieces = Pieces::from_offset(&reader, &content, 15, "the list").unwrap();
        match pieces.next_piece() {
            Ok(found) => assert!(honest && found == Some((10, Piece::Hole { length: 20 }))),
            Err(error) => assert!(!honest && error.kind() == Kind::Damaged, "{error}"),
        }
    }
}

/// Directories nested as deeply as the bound allows, counted from the root of their part, are read; one
/// level more ends in an error, for `check` and for `restore`.
#[test]
fn bottomless_directories_are_refused() {
    let mut repo = TempRepo::new(6);
    repo.damaged = true;
    for (nested, honest) in [(1000, true), (1001, false)] {
        let mut session = session(&repo);
        let mut id = meta(&mut session, &DirectoryNode::Leaf(Vec::new()).encode().unwrap());
        for _ in 0..nested {
            let leaf = DirectoryNode::Leaf(vec![directory("d", id)]).encode().unwrap();
            id = meta(&mut session, &leaf);
        }
        let forged = commit(session, "/some/where/evil", directory("evil", id), nested + 1);
        let report = repo.check();
        let findings: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
        let deep = findings.iter().any(|text| text.contains("nested too deeply"));
        assert_eq!((deep, findings.is_empty()), (!honest, honest), "{findings:?}");
        let (report, heard, _target) = bring_back(&repo, &forged);
        assert_eq!(report.is_ok() && heard.is_empty(), honest, "{heard:?}");
        repo.repository.forget(&stored(&repo, forged.id).key()).unwrap();
    }
}

/// A thousand million paths out of thirty small nodes: `check` looks at each node once and says that
/// they are too many, whatever the snapshot says; `restore` refuses before it makes anything.
#[test]
fn countless_paths_from_a_few_nodes_are_bounded() {
    let mut repo = TempRepo::new(7);
    repo.damaged = true;
    for (doublings, says) in [(30, 10), (30, (1 << 31) - 1), (60, u64::MAX >> 1)] {
        let mut session = session(&repo);
        let mut id = meta(&mut session, &DirectoryNode::Leaf(Vec::new()).encode().unwrap());
        for _ in 0..doublings {
            let entries = vec![directory("a", id), directory("b", id)];
            id = meta(&mut session, &DirectoryNode::Leaf(entries).encode().unwrap());
        }
        let forged = commit(session, "/evil", directory("evil", id), says);
        let report = repo.check();
        assert_eq!(report.findings.len(), 1, "{says}: {:#?}", report.findings);
        let (restored, _, target) = bring_back(&repo, &forged);
        let error = restored.unwrap_err();
        assert_eq!(error.kind(), Kind::Damaged);
        let said = error.to_string();
        assert!(said.contains("more entries than it says") || said.contains("too many"), "{said}");
        assert_eq!(count(target.path()), 0);
        repo.repository.forget(&stored(&repo, forged.id).key()).unwrap();
    }
}

/// A list of thirty million million pieces out of five nodes is looked at once by `check`.
#[test]
fn countless_pieces_from_a_few_nodes_are_looked_at_once() {
    let mut repo = TempRepo::new(8);
    let mut session = crate::common::forge::session(&repo);
    let mut id = meta(&mut session, &ListNode::Leaf(vec![Piece::Hole { length: 1 }; 500]).encode());
    let mut length = 500;
    for level in 1..=5 {
        id = meta(&mut session, &ListNode::Inner(level, vec![(id, length); 500]).encode());
        length *= 500;
    }
    let list = Some(TreeRef { id, levels: 5 });
    let content = Content { length, chunker: 1, pieces: Vec::new(), list };
    commit(session, "/list", file("list", content), 1);
    let report = repo.check();
    assert!(report.is_healthy(), "{:#?}", report.findings);
    // No honest repository looks like this, but nothing in it is damaged.
    repo.damaged = true;
}
