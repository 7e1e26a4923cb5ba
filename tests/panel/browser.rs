//! The page as people use it: in a real browser, by keyboard alone.

use super::served::{CONFIG, PASSWORD, Served};
use super::webdriver::Browser;
use crate::jobs::file::Jobs;
use std::fs;

/// A folder with a job, some of whose runs are over, and one of which went wrong.
fn lived_in() -> Served {
    let jobs = Jobs::new();
    jobs.init(&["local", "nas"]);
    jobs.write(CONFIG);
    for number in 0..14_usize {
        let letters = (0..number * number * 500).map(|at| (at * at % 251) as u8);
        fs::write(jobs.path("src/data"), letters.collect::<Vec<_>>()).unwrap();
        jobs.command(&["run", "app"]).assert().success();
    }
    fs::rename(jobs.path("nas"), jobs.path("away")).unwrap();
    jobs.command(&["run", "app", "--only", "check"]).assert().failure();
    fs::rename(jobs.path("away"), jobs.path("nas")).unwrap();
    Served::of(jobs, CONFIG)
}

/// A backup is made, seen and looked into; a file of it downloaded, a folder restored, old ones given up after
/// a look at which, and the rest checked: with the Tab key and Enter, and the focus is visible.
#[test]
fn everything_is_done_by_keyboard() {
    let served = lived_in();
    let browser = Browser::start();
    let start = format!("http://ops:{PASSWORD}@{}/", served.address).replace(' ', "%20");
    browser.go(&start);
    browser.wait_for("Needs attention");
    browser.picture("overview-light");
    let snapshots = || served.jobs.of("local", &["snapshots"]).len();

    browser.choose("Create backup");
    browser.wait_for("Begun");
    browser.picture("activity-light");
    browser.wait_for("Outcome\ndone");
    assert_eq!(snapshots(), 15);

    browser.choose("Job app");
    browser.wait_for("Last backups");
    browser.picture("job-light");
    browser.choose("local");
    browser.wait_for("15 snapshots of app in local");
    browser.picture("snapshots-light");
    browser.choose("20");
    for folder in served.jobs.path("src").iter().skip(1) {
        browser.wait_for("Actions");
        browser.choose(&format!("{}/", folder.to_str().unwrap()));
        browser.wait_for(&format!("/ {}", folder.to_str().unwrap()));
    }
    browser.wait_for("Download");
    browser.picture("browse-light");
    browser.choose("Download a");
    let file = browser.downloads.join("a");
    served.jobs.wait_until("the download", || file.exists());
    assert_eq!(fs::read(file).unwrap(), fs::read(served.jobs.path("src/a")).unwrap());

    browser.choose("Download sub");
    let archive = browser.downloads.join("sub.tar");
    served.jobs.wait_until("the archive", || archive.exists());

    browser.choose("Restore... sub");
    browser.wait_for("On this host");
    browser.picture("restore-light");
    browser.choose("Restore of");
    browser.wait_for("Outcome\ndone");
    let restored = fs::read_dir(served.jobs.path("restored")).unwrap().next().unwrap().unwrap();
    assert_eq!(fs::read(restored.path().join("b")).unwrap(), b"deep\n");

    browser.choose("Job app");
    browser.choose("Prune old");
    browser.wait_for("13 to forget, 2 to keep");
    browser.picture("prune-light");
    browser.choose("Forget 13 snapshots");
    browser.wait_for("Outcome\ndone");
    assert_eq!(snapshots(), 2);

    browser.choose("Job app");
    browser.wait_for("Last runs");
    browser.choose("Check");
    browser.wait_for("Outcome\ndone");
    browser.go(&start);
    browser.wait_for("All is well");
    assert_eq!(browser.ask("document.scripts.length"), 0);
}

/// Pages are readable in the dark, and no page is wider than a phone.
#[test]
fn pages_fit_phones_and_the_dark() {
    let served = lived_in();
    let id = served.backup();
    let browser = Browser::start();
    browser.go(&format!("http://ops:{PASSWORD}@{}/", served.address).replace(' ', "%20"));
    browser.wait_for("Jobs");
    let ground = || browser.ask("getComputedStyle(document.body).backgroundColor");
    let light = ground();
    browser.set_scheme("dark");
    assert!(light.is_string() && ground() != light, "{light}");
    served.settled("/job/app/in/local");
    let report = fs::read_dir(served.jobs.path("state/runs/app")).unwrap();
    let report =
        report.map(|entry| entry.unwrap().file_name().into_string().unwrap()).max().unwrap();
    let pages = [
        ("overview", "/".to_owned()),
        ("job", "/job/app".to_owned()),
        ("runs", "/job/app/runs".to_owned()),
        ("report", format!("/job/app/run/{report}")),
        ("snapshots", "/job/app/in/local".to_owned()),
        ("browse", served.address_of(&id, "", "DIR/src")),
        ("restore", served.address_of(&id, "/restore", "DIR/src/sub")),
        ("prune", "/job/app/prune".to_owned()),
        ("refused", "/nothing".to_owned()),
    ];
    let look = |look: &str| {
        for (name, path) in &pages {
            browser.go(&format!("http://{}{path}", served.address));
            browser.picture(&format!("{name}-{look}"));
            let over = browser.ask("document.documentElement.scrollWidth - innerWidth");
            assert!(over.as_i64().is_some_and(|over| over <= 0), "{name}-{look}: {over} too wide");
        }
    };
    look("dark");
    browser.be_a_phone();
    look("phone-dark");
    browser.set_scheme("light");
    look("phone");
}
