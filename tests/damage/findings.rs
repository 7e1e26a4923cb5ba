//! What a check finds, as values: what is wrong, where, what it touches, and what helps.

use super::fixture::{Class, Fixture, replace};
use super::temp;
use crate::common::cli::Cli;
use icecore::backend::{Backend, Handle};
use icecore::format::BlobKind;
use icecore::ops::check::{CheckReport, Cure, Finding, Touched, What, Where};
use std::collections::HashSet;

fn at<'r>(report: &'r CheckReport, handle: &Handle) -> Vec<&'r Finding> {
    let is_at = |finding: &&Finding| finding.at == Where::Object(handle.clone());
    report.findings.iter().filter(is_at).collect()
}

/// A pack that is gone is missing, whatever rests on it is told of it, and a backup helps; the places
/// that cannot be restored name the chunk that is the cause.
#[test]
fn a_pack_that_is_gone_is_told_with_what_it_touches() {
    let fixture = Fixture::of(61, 160_000, 30_000);
    let store = fixture.copied();
    let handle = fixture.object(Class::Pack(BlobKind::Data, true));
    store.delete(&handle).unwrap();
    let report = temp(store).unwrap().check();
    let found = at(&report, &handle);
    let [finding] = found.as_slice() else { panic!("{:#?}", report.findings) };
    assert_eq!((finding.what, finding.cure), (What::Missing, Cure::Backup));
    let all: HashSet<&Touched> = report.touched.iter().collect();
    assert_eq!(finding.touches.iter().collect::<HashSet<_>>(), all);
    let chunks = report.findings.iter().filter_map(|finding| match &finding.at {
        Where::Path { part, path, chunk, snapshot } => {
            assert_eq!(part, b"/data");
            let touched = Touched { snapshot: *snapshot, path: path.clone() };
            assert!(finding.touches.contains(&touched), "{finding:?}");
            *chunk
        }
        _ => None,
    });
    assert!(chunks.count() > 0, "{:#?}", report.findings);
}

/// A blob with a flipped bit is damaged at its place in its pack, and just what rests on it is told;
/// the pack beside it is told nothing.
#[test]
fn a_flipped_blob_is_told_with_what_it_touches() {
    let fixture = Fixture::of(62, 160_000, 30_000);
    let store = fixture.copied();
    let repo = temp(store.clone()).unwrap();
    let index = repo.repository.load_index().unwrap();
    let place = index.places().find(|place| place.kind == BlobKind::Data).unwrap();
    let handle = Handle::pack(place.pack);
    let mut bytes = store.get(&handle, None).unwrap();
    bytes[usize::try_from(place.offset).unwrap() + 30] ^= 1;
    replace(&store, &handle, &bytes);
    let report = repo.check();
    let blob = Where::Blob { chunk: place.id, pack: place.pack, offset: place.offset };
    let finding = report.findings.iter().find(|finding| finding.at == blob).expect("the blob");
    assert_eq!((finding.what, finding.cure), (What::Damaged, Cure::Backup));
    let all: HashSet<&Touched> = report.touched.iter().collect();
    assert_eq!(finding.touches.iter().collect::<HashSet<_>>(), all);
    assert!(!at(&report, &handle).is_empty());
    let others = report.findings.iter().filter(|finding| match &finding.at {
        Where::Object(other) => *other != handle,
        _ => false,
    });
    assert_eq!(others.count(), 0, "{:#?}", report.findings);
}

/// A snapshot that is damaged is to be forgotten, a mark that is damaged comes from a copy.
#[test]
fn each_object_has_its_cure() {
    let fixture = Fixture::of(63, 160_000, 30_000);
    for (class, cure) in [
        (Class::Snapshot, Cure::Forget),
        (Class::Forgotten, Cure::Copy),
        (Class::Writer, Cure::Copy),
        (Class::Index, Cure::RepairIndex),
    ] {
        let store = fixture.copied();
        let handle = fixture.object(class);
        let mut bytes = store.get(&handle, None).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        replace(&store, &handle, &bytes);
        let report = temp(store).unwrap().check();
        let found = at(&report, &handle);
        assert!(
            found.iter().any(|finding| (finding.what, finding.cure) == (What::Damaged, cure)),
            "{class:?}: {:#?}",
            report.findings
        );
    }
}

/// The same values stand in the JSON of the program.
#[test]
fn findings_stand_in_the_json() {
    let cli = Cli::new();
    let snapshot = cli.backup();
    for pack in super::known::walkdir(&cli.path("repo/packs")) {
        std::fs::remove_file(pack).unwrap();
    }
    let output = cli.run(&["check", "--json"]).code(1).get_output().stdout.clone();
    let said = String::from_utf8(output).unwrap();
    let summary = said.lines().find(|line| line.contains("num_errors")).expect("a summary");
    let summary: serde_json::Value = serde_json::from_str(summary).unwrap();
    let findings = summary["findings"].as_array().unwrap();
    let missing = findings.iter().find(|finding| finding["what"] == "missing").expect("missing");
    assert!(missing["object"].as_str().unwrap().starts_with("packs/"), "{missing}");
    assert_eq!(missing["cure"], "backup");
    let touches = findings.iter().flat_map(|finding| finding["touches"].as_array().unwrap());
    let snapshots: Vec<&str> = touches.map(|place| place["snapshot"].as_str().unwrap()).collect();
    assert!(
        snapshots.iter().any(|id| *id == snapshot || id.starts_with(&snapshot)),
        "{findings:?}"
    );
}
