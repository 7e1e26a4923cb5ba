//! What its buttons do.

use super::served::{CONFIG, Served};
use crate::jobs::file::Jobs;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::net::TcpStream;

/// A backup, a check and a prune by buttons, the last after it has said what goes; each is seen on its page
/// until it has ended, and in the history after that.
#[test]
fn buttons_do_what_they_say() {
    let served = Served::new();
    for _ in 0..3 {
        let page = served.done("/job/app/run", "task=backup");
        assert!(page.contains("Backup, Copy of app") && page.contains("badge good"), "{page}");
    }
    let snapshots = |repository| served.jobs.of(repository, &["snapshots"]);
    assert_eq!((snapshots("local").len(), snapshots("nas").len()), (3, 3));
    let oldest = snapshots("local")[0]["id"].as_str().unwrap().to_owned();
    let page = served.settled("/job/app/prune");
    assert!(
        page.contains("1 to forget, 2 to keep") && page.contains("Forget 1 snapshot"),
        "{page}"
    );
    assert!(page.contains(&oldest), "{page}");
    assert_eq!(served.post("/job/app/run", "task=prune").status, 400);
    assert_eq!(snapshots("local").len(), 3, "nothing goes before that is confirmed");
    assert!(served.done("/job/app/run", "task=prune&confirmed=yes").contains("badge good"));
    assert_eq!(snapshots("local").len(), 2);
    assert!(served.settled("/job/app/in/local").contains("2 snapshots of app"));
    assert!(served.done("/job/app/run", "task=check").contains("badge good"));
    let page = served.page("/job/app");
    assert!(page.contains("packs read") && !page.contains("never"), "{page}");
}

/// Jobs are run as the page shows them, whatever lies in the place of the file by now.
#[test]
fn buttons_do_not_need_the_file_again() {
    let served = Served::new();
    served.jobs.write("[job");
    assert!(served.done("/job/app/run", "task=backup").contains("badge good"));
    assert!(served.settled("/job/app/prune").contains("1 to keep"));
    assert!(served.done("/job/app/run", "task=prune&confirmed=yes").contains("badge good"));
    assert!(served.done("/job/app/run", "task=check").contains("badge good"));
}

/// One that fails says why, and so does a list that cannot be read.
#[test]
fn failures_are_told_where_they_were_started() {
    let served = Served::new();
    for repository in ["local", "nas"] {
        fs::rename(served.jobs.path(repository), served.jobs.path(&format!("{repository}-away")))
            .unwrap();
    }
    let page = served.done("/job/app/run", "task=backup");
    assert!(page.contains("badge bad") && page.contains("Reason"), "{page}");
    let page = served.settled("/job/app/in/local");
    assert!(page.contains("could not be read") && page.contains("no such directory"), "{page}");
}

/// A folder comes back into a new folder below the one that the file states, each time another, and nowhere
/// else.
#[test]
fn folders_come_back_where_the_file_says() {
    let served = Served::new();
    let id = served.backup();
    let form = served.address_of(&id, "/restore", "DIR/src");
    for times in 1..=2 {
        let page = served.done(&form, "target=/etc&into=/etc");
        assert!(page.contains("badge good"), "{page}");
        let folders = fs::read_dir(served.jobs.path("restored")).unwrap();
        let folders: Vec<_> = folders.map(|entry| entry.unwrap().path()).collect();
        assert_eq!(folders.len(), times);
        for folder in folders {
            assert_eq!(fs::read(folder.join("sub/b")).unwrap(), b"deep\n");
        }
    }
}

/// Without a folder that the file states there is no button, and the form is refused.
#[test]
fn nothing_comes_back_where_the_file_says_nothing() {
    let jobs = Jobs::new();
    jobs.init(&["local", "nas"]);
    let stated = |line: &&str| !line.starts_with("restore_into");
    let config: Vec<&str> = CONFIG.lines().filter(stated).collect();
    let served = Served::of(jobs, &config.join("\n"));
    let form = served.address_of(&served.backup(), "/restore", "DIR/src");
    assert!(!served.page(&form).contains("<button"));
    assert_eq!(served.post(&form, "").status, 403);
}

/// A run that was started here is asked to end when the page ends, and leaves its report.
#[test]
fn runs_end_with_the_page() {
    let jobs = Jobs::new();
    jobs.init(&["local", "nas"]);
    end(Served::of(jobs, &waits()));
}

/// The agent serves the page, too, and with it end the runs that were started there.
#[test]
fn the_agent_serves_the_page() {
    let jobs = Jobs::new();
    jobs.init(&["local", "nas"]);
    end(Served::by("agent", jobs, &waits()));
}

/// A run that was started on the page goes on when the file becomes another, and is seen on the page, which
/// shows what the file says now at the address that it had, or at the one that the file names now.
#[test]
fn runs_survive_a_new_file() {
    let jobs = Jobs::new();
    jobs.init(&["local", "nas"]);
    let waits = waits().replace("sleep 60", "until test -e DIR/go; do sleep 0.1; done");
    let mut served = Served::by("agent", jobs, &waits);
    let token = served.token();
    let started = served.post("/job/app/run", "task=backup");
    let activity = started.header("location").unwrap().to_owned();
    served.jobs.wait_for("begun");
    let with =
        |job: &str| format!("[job.{job}]\nsource = \"DIR/src\"\nto = [\"local\"]\n\n[panel]");
    served.jobs.write(&waits.replace("[panel]", &with("second")));
    kill(&served, Signal::HUP);
    let shows_second = || served.get("/job/second").status == 200;
    served.jobs.wait_until("the second file", shows_second);
    assert!(served.page("/").contains("At work"));
    assert_eq!(served.token(), token, "forms that are open stay valid");
    let port = served.address.port();
    let moved = waits.replace("127.0.0.1:0", &format!("127.0.0.2:{port}"));
    served.jobs.write(&moved.replace("[panel]", &with("third")));
    kill(&served, Signal::HUP);
    served.address = ([127, 0, 0, 2], port).into();
    let listens = || TcpStream::connect(served.address).is_ok();
    served.jobs.wait_until("the third file", listens);
    assert_eq!(served.get("/job/third").status, 200);
    assert!(served.page("/").contains("At work"));
    fs::write(served.jobs.path("go"), "").unwrap();
    assert!(served.settled(&activity).contains("badge good"));
    assert_eq!(served.jobs.report()["outcome"], "done");
}

/// A history that is put aside while the page is served is told from the one in its place.
#[test]
fn a_history_that_was_put_aside_is_noticed() {
    let served = Served::new();
    assert!(served.page("/job/app").contains("never"));
    for file in ["history.sqlite", "history.sqlite-wal", "history.sqlite-shm"] {
        // The last writer may have removed what stands beside it.
        let _ = fs::rename(served.jobs.path("state").join(file), served.jobs.path(file));
    }
    served.backup();
    assert!(served.page("/job/app/runs").contains("badge good"));
}

/// A file whose job takes a while.
fn waits() -> String {
    let source = "source = \"DIR/src\"";
    let hook = "hooks = { before = \"touch DIR/begun; sleep 60\" }";
    CONFIG.replace(source, &format!("{source}\n{hook}")).replace("hourly", "monthly")
}

/// Ends what serves it while a run is at work.
fn end(mut served: Served) {
    served.post("/job/app/run", "task=backup");
    served.jobs.wait_for("begun");
    assert!(served.page("/").contains("At work"));
    kill(&served, Signal::TERM);
    assert!(served.child.wait().unwrap().success());
    assert_eq!(served.jobs.report()["outcome"], "failed");
}

fn kill(served: &Served, signal: Signal) {
    kill_process(Pid::from_child(&served.child), signal).unwrap();
}
