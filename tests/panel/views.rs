//! What the page shows.

use super::served::{Served, link};
use crate::common::cli::stdout;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

/// What every answer says to browsers.
const HEADERS: [(&str, &str); 4] = [
    (
        "content-security-policy",
        "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("cache-control", "no-store"),
];

/// Every page is there, small, with headers that let nothing else into it; and says what is known.
#[test]
fn all_pages_are_shown() {
    let served = Served::new();
    assert!(served.page("/").contains("none that this host knows of"));
    let id = served.backup();
    let report = fs::read_dir(served.jobs.path("state/runs/app")).unwrap().next().unwrap().unwrap();
    let report = report.file_name().into_string().unwrap();
    let list = served.settled("/job/app/in/local");
    assert!(list.contains("1 snapshot of app in local") && list.contains("version v1.2"), "{list}");
    assert!(served.settled("/job/app/in/nas").contains("1 snapshot of app in nas"));
    served.settled("/job/app/prune");
    let folder = served.address_of(&id, "", "DIR/src");
    let restore = served.address_of(&id, "/restore", "DIR/src/a");
    for (path, part) in [
        ("/", "All is well"),
        ("/", "of 2 h"),
        ("/job/app", "Written by each"),
        ("/job/app/runs", "Backup, Copy"),
        (&format!("/job/app/run/{report}"), "capture"),
        (&format!("/job/app/in/local/{id}"), "tmp/"),
        (&folder, "Download<span class=\"hidden\"> a</span>"),
        (&folder, "leads to a"),
        (&restore, "icecore --repo @local restore"),
        ("/job/app/prune", "0 to forget, 1 to keep"),
        ("/job/app/prune", "The file has no rules for it"),
        ("/metrics", "icecore_late{"),
        ("/style.css", "prefers-color-scheme: dark"),
    ] {
        let text = served.page(path);
        assert!(text.contains(part), "{path}: {part}: {text}");
        assert!(!text.contains("<script") && !text.contains("style=\""), "{path}");
        let answer = served.get(path);
        for (name, value) in HEADERS {
            assert_eq!(answer.header(name), Some(value), "{path}");
        }
    }
}

/// What is late or failed is told first, with its reason, in the words of `status`.
#[test]
fn troubles_are_told() {
    let served = Served::new();
    fs::remove_dir_all(served.jobs.path("src")).unwrap();
    served.jobs.command(&["run", "app"]).assert().failure();
    let page = served.page("/");
    for part in ["Needs attention", "app: LATE", "FAILED", "badge bad"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("All is well"));
}

/// A last run that was incomplete is a warning and no failure, unless it was for a repository that cannot be used before
/// somebody does something: on the page and in `status`, in the same words.
#[test]
fn an_incomplete_run_is_a_warning() {
    let served = Served::new();
    served.backup();
    let status = || stdout(&served.jobs.command(&["status"]).assert().success());
    assert!(served.page("/").contains("All is well") && status().contains("All is well"));
    let broken = served.jobs.path("src/broken.db");
    let database = rusqlite::Connection::open(&broken).unwrap();
    database.execute_batch("CREATE TABLE t (v); INSERT INTO t VALUES (zeroblob(90000))").unwrap();
    database.close().unwrap();
    fs::File::options().write(true).open(&broken).unwrap().set_len(40960).unwrap();
    served.jobs.command(&["run", "app"]).assert().code(3);
    let (page, status) = (served.page("/"), status());
    for part in ["Well, with warnings", "app: warning: the last backup was incomplete"] {
        assert!(page.contains(part) && status.contains(part), "{part}: {page}{status}");
    }
    assert!(page.contains("badge doubtful\">warning") && !page.contains("badge bad"), "{page}");
    fs::remove_file(broken).unwrap();
    fs::rename(served.jobs.path("nas"), served.jobs.path("away")).unwrap();
    served.jobs.command(&["run", "app"]).assert().code(3);
    let status = stdout(&served.jobs.command(&["status"]).assert().code(3));
    for part in ["Needs attention", "app: the last backup was INCOMPLETE"] {
        assert!(served.page("/").contains(part) && status.contains(part), "{part}: {status}");
    }
}

/// Files come as they were, as something to store; names that are no text, too. What is not there is said
/// to be not there.
#[test]
fn files_come_as_they_were() {
    let served = Served::new();
    let odd = OsStr::from_bytes(b"\xff \"'<b>&\n%");
    fs::write(served.jobs.path("src").join(odd), b"odd").unwrap();
    let large: Vec<u8> = (0..3_000_000_u32).map(|number| (number / 7) as u8).collect();
    fs::write(served.jobs.path("src/large"), &large).unwrap();
    let id = served.backup();
    let answer = served.get(&served.address_of(&id, "/file", "DIR/src/large"));
    assert_eq!((answer.status, answer.body.len()), (200, large.len()));
    assert!(answer.body == large);
    assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
    let disposition = "attachment; filename=\"large\"; filename*=UTF-8''large";
    assert_eq!(answer.header("content-disposition"), Some(disposition));

    let page = served.page(&served.address_of(&id, "", "DIR/src"));
    assert!(page.contains("\\xff &quot;'&lt;b&gt;&amp;\\n%"), "{page}");
    let odd = link(&page, "/%FF%20%22%27%3Cb%3E%26%0A%25").unwrap();
    assert!(odd.contains("/file?path="), "{odd}");
    assert_eq!(served.get(&odd).body, b"odd");

    let none = served.get(&served.address_of(&id, "/file", "DIR/src/none"));
    assert!(none.status == 404 && none.text().contains("no such path"), "{none:?}");
}

/// A folder comes as an archive of its name, all of a snapshot as one of its id, and neither as half of one.
#[test]
fn folders_come_as_archives() {
    let served = Served::new();
    let id = served.backup();
    let answer = served.get(&served.address_of(&id, "/archive", "DIR/src/sub"));
    let disposition = "attachment; filename=\"sub.tar\"; filename*=UTF-8''sub%2Etar";
    assert_eq!(answer.header("content-disposition"), Some(disposition));
    let unpacked = served.jobs.path("unpacked");
    fs::create_dir(&unpacked).unwrap();
    fs::write(unpacked.join("sub.tar"), &answer.body).unwrap();
    let mut tar = std::process::Command::new("tar");
    assert!(tar.current_dir(&unpacked).args(["-xf", "sub.tar"]).status().unwrap().success());
    let sub = served.jobs.path("src/sub/b");
    let again = unpacked.join(sub.strip_prefix("/").unwrap());
    assert_eq!(fs::read(again).unwrap(), fs::read(sub).unwrap());

    let all = served.get(&served.address_of(&id, "/archive", "/"));
    let name = format!("filename=\"{}.tar\"", &id[..8]);
    assert!(all.header("content-disposition").unwrap().contains(&name), "{all:?}");
    assert!(all.body.len().is_multiple_of(512) && all.body.ends_with(&[0; 1024]));
    let none = served.get(&served.address_of(&id, "/archive", "DIR/src/none"));
    assert!(none.status == 404 && none.text().contains("no such path"), "{none:?}");
}
