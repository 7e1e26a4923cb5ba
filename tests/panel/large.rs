//! Ten thousand snapshots, and folders and names as large as they get.

use super::served::{CONFIG, Served, link};
use crate::common::forge::{Forger, snapshot};
use crate::common::repo::{TempRepo, secret};
use crate::common::target::node;
use crate::jobs::file::Jobs;
use icecore::backend::{Handle, Location};
use icecore::crypto::Secret;
use icecore::env::Time;
use icecore::format::directory::NodeKind;
use icecore::format::snapshot::Outcome;
use icecore::id::SnapshotId;
use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

const SNAPSHOTS: u32 = 10_000;

/// Each page of a long list is small and comes at once, the list itself is read in the background, and links
/// lead through all of it.
#[test]
fn ten_thousand_snapshots_are_listed() {
    let jobs = Jobs::new();
    jobs.init(&["nas"]);
    forge(&jobs);
    let served = Served::of(jobs, CONFIG);
    let timed = |path: &str| {
        let begun = Instant::now();
        let page = served.page(path);
        (page, begun.elapsed())
    };
    // Once, since the first who logs in is verified.
    timed("/");
    let here = "/job/app/in/local";
    let begun = Instant::now();
    println!("first view of the list: {:?}", timed(here).1);
    let page = served.settled(here);
    println!("the list was read within {:?}", begun.elapsed());
    assert!(page.contains("10000 snapshots of app"), "{page}");
    assert_eq!(page.matches("<th scope=\"row\">").count(), 100);
    let (mut next, mut seen, mut slowest) = (Some(here.to_owned()), 0, Duration::ZERO);
    while let Some(address) = next {
        let (page, took) = timed(&address);
        seen += page.matches("<th scope=\"row\">").count();
        slowest = slowest.max(took);
        next = link(&page, "rel=\"next\"");
    }
    assert_eq!(seen, 10_000);
    println!("slowest page of the list: {slowest:?}");
    for path in ["/", "/job/app", "/job/app/runs", "/job/app/prune"] {
        let (page, took) = timed(path);
        println!("{path}: {} bytes, {took:?}", page.len());
    }
    println!("memory: {} KiB", served.memory());
}

/// Makes the repository `local`, with as many snapshots as that.
fn forge(jobs: &Jobs) {
    let Secret::KeyFile(key) = secret() else { panic!("the tests have a key file") };
    fs::write(jobs.path("local.key"), *key).unwrap();
    let place: Location = jobs.path("local").to_str().unwrap().parse().unwrap();
    let mut repo = TempRepo::over(Arc::from(place.create().unwrap()), 1);
    // What is forged is listed, not read.
    repo.damaged = true;
    let forger = Forger::new(&repo);
    for number in 0..SNAPSHOTS {
        let mut id = [7; 16];
        id[..4].copy_from_slice(&number.to_be_bytes());
        let mut forged = snapshot(SnapshotId(id), "/srv/app", node("app", NodeKind::Fifo), 1);
        forged.host = "web1".into();
        forged.labels.insert("job".into(), "app".into());
        forged.labels.insert("version".into(), format!("v{number}"));
        forged.started = Time((1_700_000_000 + i64::from(number) * 3600) * Time::SECOND);
        forger.record(&Handle::snapshot(SnapshotId(id)), &Outcome::Snapshot(Box::new(forged)));
    }
}

/// A folder of many files, deep, with names as long as they get, is shown page by page, each of them small.
#[test]
fn large_folders_are_shown_page_by_page() {
    let served = Served::new();
    let deep = "<".repeat(200);
    let folder = served.jobs.path("src").join(&deep).join(&deep).join(&deep);
    fs::create_dir_all(&folder).unwrap();
    for number in 0..500 {
        fs::write(folder.join(format!("{number:03}{}", "\"".repeat(200))), b"").unwrap();
    }
    let id = served.backup();
    let encoded = "%3C".repeat(200);
    let start = served.address_of(&id, "", &format!("DIR/src/{encoded}/{encoded}/{encoded}"));
    let (mut next, mut seen) = (Some(start), 0);
    while let Some(address) = next {
        let page = served.page(&address);
        seen += page.matches("/file?path=").count();
        next = link(&page, "rel=\"next\"");
    }
    assert_eq!(seen, 500);
}
