//! Runs that tell what became of them: messages, pings, figures; and that what cannot be told harms none.

use crate::common::cli::{stderr, stdout};
use crate::common::program::PROGRAM;
use crate::common::receiver::Receiver;
use crate::common::smtp::server;
use crate::jobs::file::Jobs;
use std::fs;
use std::net::TcpListener;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

/// A job that fails while there is a file `fail`, with these alerts.
fn with(alert: &str) -> Jobs {
    let jobs = Jobs::new();
    jobs.init(&["one"]);
    jobs.write(&format!(
        "[defaults]\nhost = \"web1\"\n[repository.one]\nurl = \"DIR/one\"\nkey_file = \"DIR/one.key\"\n\
         [job.app]\nsource = \"DIR/src\"\nto = [\"one\"]\nhooks = {{ before = \"test ! -e DIR/fail\" }}\n{alert}\n"
    ));
    jobs
}

/// A failure is told once by every channel, and its end once; what lasts and what goes well is not told.
#[test]
fn failures_are_told_and_their_end() {
    let receiver = Receiver::answering(&[]);
    let (smtp, to) = (server().ports[2], "runs@example.com");
    let jobs = with(&format!(
        "[alert]\nwebhook = {{ url = \"{}\", template = \"{{{{subject}}}}\" }}\ncommand = \"cat >>DIR/read\"\n\
         mail = {{ to = \"{to}\", from = \"ice@example.com\", smtp = \"smtp://127.0.0.1:{smtp}\" }}",
        receiver.url("/")
    ));
    let run = |fails: bool| {
        match fails {
            true => fs::write(jobs.path("fail"), "").unwrap(),
            false => drop(fs::remove_file(jobs.path("fail"))),
        }
        let run = jobs.command(&["run", "app"]).assert();
        assert_eq!(run.get_output().status.success(), !fails, "{}", stderr(&run));
        (receiver.asked().len(), server().mail_to(to).len())
    };
    assert_eq!(run(false), (0, 0));
    assert_eq!(run(true), (1, 1));
    assert_eq!(run(true), (1, 1));
    assert_eq!(run(false), (2, 2));
    assert_eq!(run(false), (2, 2));
    let told: Vec<String> = receiver.asked().into_iter().map(|asked| asked.body).collect();
    assert_eq!(
        told,
        ["icecore, web1: app: backup failed", "icecore, web1: app: backup is well again"]
    );
    let read = fs::read_to_string(jobs.path("read")).unwrap();
    assert_eq!(
        read.matches("New:\n- app: backup failed: cannot run the hook `before`").count(),
        1,
        "{read}"
    );
    assert_eq!(read.matches("Resolved:").count(), 1);
    let mode = std::os::unix::fs::MetadataExt::mode(
        &fs::metadata(jobs.path("state/alerts.json")).unwrap(),
    );
    assert_eq!(mode & 0o777, 0o600);
    // What was told is remembered; without that, it is told once more.
    run(true);
    fs::write(jobs.path("state/alerts.json"), "torn").unwrap();
    assert_eq!(run(true), (4, 4));
    assert_eq!(run(true), (4, 4));
}

/// The outside is told when a run begins, whether the job is well, and nothing by a run that is skipped; with the
/// job's name where the address has room for it.
#[test]
fn the_outside_is_pinged() {
    let receiver = Receiver::answering(&[]);
    let jobs = with(&format!("[alert]\nping = \"{}\"", receiver.url("/key/{{job}}?create=1")));
    jobs.command(&["run", "app"]).assert().success();
    fs::write(jobs.path("fail"), "").unwrap();
    jobs.command(&["run", "app"]).assert().failure();
    // The last backup failed: that the check goes well does not make the job well.
    jobs.command(&["run", "app", "--only", "check"]).assert().success();
    let start = "GET /key/app/start?create=1";
    let (well, fail) = ("GET /key/app?create=1", "GET /key/app/fail?create=1");
    assert_eq!(receiver.lines(), [start, well, start, fail, start, fail]);
    let lock = jobs.path("state/locks/app/check");
    let lock = fs::File::options().write(true).open(lock).unwrap();
    lock.lock().unwrap();
    jobs.command(&["run", "app", "--only", "check"]).assert().code(4);
    assert_eq!(receiver.lines().len(), 6);
}

/// Channels, pings and folders of figures that are dead change nothing of what becomes of a run, keep it for no
/// longer than the deadline, and are told: by what the run says, and by the channel that works, which also tells
/// when they work again.
#[test]
fn dead_channels_harm_no_run() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let jobs = with(&format!(
        "[alert]\nping = \"http://127.0.0.1:{port}/s3cret\"\nwebhook.url = \"http://127.0.0.1:{port}/s3cret\"\n\
         mail = {{ to = \"a@b.c\", smtp = \"smtps://a@127.0.0.1:1\" }}\ncommand = \"cat >>DIR/read\"\n\
         [metrics]\ntextfile = \"DIR/none/icecore.prom\""
    ));
    fs::write(jobs.path("src/more"), "more").unwrap();
    fs::write(jobs.path("fail"), "").unwrap();
    let begun = Instant::now();
    let run = jobs.command(&["run", "app"]).assert().code(1);
    assert!(begun.elapsed() < Duration::from_secs(35), "{:?}", begun.elapsed());
    let said = stderr(&run);
    for part in
        ["by webhook", "the mail server", "the URL of `ping`", "icecore.prom", "hook `before`"]
    {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("s3cret"), "{said}");
    let read = fs::read_to_string(jobs.path("read")).unwrap();
    for part in
        ["app: backup failed", "alerts by webhook do not arrive", "alerts by mail do not arrive"]
    {
        assert_eq!(
            read.matches(&format!("- {part}")).count(),
            1 + usize::from(part.starts_with("app")),
            "{read}"
        );
    }
    assert!(!read.contains("s3cret"), "{read}");
}

/// What did not happen is told by the next look: `icecore alert`, which cron may call.
#[test]
fn what_did_not_happen_is_told() {
    let jobs = with("rpo = \"1s\"\n[alert]\ncommand = \"cat >>DIR/read\"");
    jobs.command(&["run", "app"]).assert().success();
    let read = || fs::read_to_string(jobs.path("read")).unwrap_or_default();
    jobs.wait_until("the snapshot to be old", || {
        jobs.command(&["alert"]).assert().success();
        !read().is_empty()
    });
    assert!(read().contains(" s old; 0 min is allowed"), "{}", read());
    jobs.command(&["alert"]).assert().success();
    assert_eq!(read().matches("is late").count(), 1);
}

/// Figures are left in a file after each run that everybody may read, and are printed.
#[test]
fn figures_are_left() {
    let jobs = with("[metrics]\ntextfile = \"DIR/icecore.prom\"");
    let mut run = Command::new("sh");
    // As the units have it, of which everything else is for its owner alone.
    run.args(["-c", "umask 077; exec \"$@\"", "sh", PROGRAM, "run", "app"]);
    run.env("ICECORE_CONFIG", jobs.path("config.toml"));
    run.env("ICECORE_STATE_DIR", jobs.path("state")).env("ICECORE_CACHE_DIR", "");
    assert!(run.status().unwrap().success());
    let text = fs::read_to_string(jobs.path("icecore.prom")).unwrap();
    let line = "icecore_last_run_outcome{job=\"app\",task=\"backup\",outcome=\"done\"} 1";
    assert!(text.contains(line), "{text}");
    let mode =
        std::os::unix::fs::MetadataExt::mode(&fs::metadata(jobs.path("icecore.prom")).unwrap());
    assert_eq!(mode & 0o777, 0o644);
    let said = stdout(&jobs.command(&["status", "--metrics"]).assert().success());
    assert!(said.contains(line), "{said}");
    // Nobody to tell is an error of a test alone.
    assert!(jobs.complains(&["alert", "--test"]).contains("config keys"));
    jobs.command(&["alert"]).assert().success();
}

/// Where somebody looks all the time, a run leaves what comes within minutes of a message to it; so does each of
/// several jobs to the last.
#[test]
fn what_comes_together_is_told_together() {
    let jobs = with("[alert]\ncommand = \"cat >>DIR/read\"");
    let messages =
        || fs::read_to_string(jobs.path("read")).unwrap_or_default().matches("web1, ").count();
    fs::write(jobs.path("fail"), "").unwrap();
    jobs.command(&["run", "app"]).assert().failure();
    assert_eq!(messages(), 1);
    let attended = fs::File::create(jobs.path("state/alerts.attended")).unwrap();
    attended.lock_shared().unwrap();
    fs::remove_file(jobs.path("fail")).unwrap();
    jobs.command(&["run", "app"]).assert().success();
    assert_eq!(messages(), 1);
    drop(attended);
    jobs.command(&["run", "app"]).assert().success();
    assert_eq!(messages(), 2);

    let text = fs::read_to_string(jobs.path("config.toml")).unwrap();
    let job = |name: &str| format!("[job.{name}]\nsource = \"DIR/none\"\nto = [\"one\"]\n");
    jobs.write(&format!("{text}{}{}{}", job("b"), job("c"), job("d")));
    fs::remove_file(jobs.path("state/alerts.json")).unwrap();
    jobs.command(&["run", "--all"]).assert().failure();
    assert_eq!(messages(), 4);
    let read = fs::read_to_string(jobs.path("read")).unwrap();
    assert!(read.contains("- c: backup failed") && read.contains("- d: backup failed"), "{read}");
}

/// A history that cannot be written keeps nobody from being told, neither that the run failed nor that it is not
/// remembered; a job that is taken out of the file is not said to be well.
#[test]
fn without_a_history_people_are_told() {
    let jobs = with("[alert]\ncommand = \"cat >>DIR/read\"");
    fs::create_dir_all(jobs.path("state/history.sqlite")).unwrap();
    fs::write(jobs.path("fail"), "").unwrap();
    jobs.command(&["run", "app"]).assert().failure();
    let read = || fs::read_to_string(jobs.path("read")).unwrap();
    let told = read();
    assert!(told.contains("- app: runs are not remembered: "), "{told}");
    assert!(told.contains("what became of it: failed: cannot run the hook"), "{told}");
    fs::remove_dir(jobs.path("state/history.sqlite")).unwrap();
    jobs.command(&["run", "app"]).assert().failure();
    let told = read();
    assert!(told.contains("- app: backup failed") && told.contains("remembered again"), "{told}");
    let text = fs::read_to_string(jobs.path("config.toml")).unwrap();
    jobs.write(&text.replace("[job.app]", "[job.other]"));
    jobs.command(&["alert"]).assert().success();
    assert_eq!(read(), told);
}

/// Neither figures nor a history that cannot be written keep `alert` from telling what it knows; it complains of all that.
/// `config check` tries both places.
#[test]
fn what_cannot_be_written_keeps_nobody_from_being_told() {
    let jobs = with(
        "rpo = \"1s\"\n[alert]\ncommand = \"cat >>DIR/read\"\n[metrics]\ntextfile = \"DIR/none/icecore.prom\"",
    );
    jobs.command(&["run", "app"]).assert().success();
    let read = || fs::read_to_string(jobs.path("read")).unwrap_or_default();
    jobs.wait_until("the snapshot to be old", || {
        let said = jobs.complains(&["alert"]);
        assert!(said.contains("icecore.prom"), "{said}");
        read().contains("- app in one is late")
    });
    fs::rename(jobs.path("state/history.sqlite"), jobs.path("history")).unwrap();
    fs::create_dir(jobs.path("state/history.sqlite")).unwrap();
    for _ in 0..2 {
        let said = jobs.complains(&["alert"]);
        assert!(said.contains("history.sqlite"), "{said}");
        assert_eq!(read().matches("- app: runs are not remembered: ").count(), 1, "{}", read());
    }
    let said = jobs.complains(&["config", "check"]);
    assert!(said.contains("none/icecore.prom"), "{said}");
    fs::create_dir(jobs.path("none")).unwrap();
    jobs.command(&["config", "check"]).assert().success();
    fs::rename(jobs.path("state"), jobs.path("moved")).unwrap();
    fs::write(jobs.path("state"), "").unwrap();
    assert!(jobs.complains(&["config", "check"]).contains("state"));
}

/// Without an agent, `alert` tells that the file cannot be used any more, or has lost its jobs, once, by those whom it
/// named, and that it can be again; what else is wrong is told meanwhile.
#[test]
fn a_file_that_cannot_be_used_is_told_without_an_agent() {
    let jobs = with("[alert]\ncommand = \"cat >>DIR/read\"");
    let file = fs::read_to_string(jobs.path("config.toml")).unwrap();
    let read = || fs::read_to_string(jobs.path("read")).unwrap_or_default();
    jobs.command(&["alert"]).assert().success();
    let mode = fs::metadata(jobs.path("state/accepted.json")).unwrap();
    assert_eq!(std::os::unix::fs::MetadataExt::mode(&mode) & 0o777, 0o600);
    for (number, broken) in ["[job", "[alert]\ncommand = \"false\""].into_iter().enumerate() {
        jobs.write(broken);
        for _ in 0..2 {
            assert!(jobs.complains(&["alert"]).contains("config.toml"));
            assert_eq!(read().matches("config.toml cannot be used: ").count(), 2 * number + 1);
        }
        jobs.write(&file);
        jobs.command(&["alert"]).assert().success();
        assert_eq!(read().matches("config.toml can be used again").count(), number + 1);
    }
    fs::remove_file(jobs.path("config.toml")).unwrap();
    jobs.complains(&["alert"]);
    assert_eq!(read().matches("New:").count(), 3, "{}", read());
    // Another file is not taken for it.
    let other = jobs.path("other.toml");
    jobs.complains(&["alert", "--config", other.to_str().unwrap()]);
    assert_eq!(read().matches("New:").count(), 3);
}

/// The agent tells what did not happen, though nothing runs, and leaves figures.
#[test]
fn the_agent_tells_what_did_not_happen() {
    let jobs = with("rpo = \"1s\"");
    jobs.command(&["run", "app"]).assert().success();
    std::thread::sleep(Duration::from_secs(2));
    let text = fs::read_to_string(jobs.path("config.toml")).unwrap();
    let alert = "[alert]\ncommand = \"cat >>DIR/read\"\n[metrics]\ntextfile = \"DIR/icecore.prom\"";
    jobs.write(&format!("{text}{alert}"));
    let mut agent = jobs.spawn(&["agent"]);
    jobs.wait_for("read");
    jobs.wait_for("icecore.prom");
    let pid = rustix::process::Pid::from_child(&agent);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(agent.wait().unwrap().success());
    let read = fs::read_to_string(jobs.path("read")).unwrap();
    assert!(read.contains("- app in one is late"), "{read}");
}

/// With `--quiet`, as timers call it, the same complaint is made once a day, since cron mails whatever is said; another
/// one, or one to somebody who reads along, is made at once. It fails all the same.
#[test]
fn the_same_is_not_complained_of_every_few_minutes() {
    let jobs = with("");
    let file = fs::read_to_string(jobs.path("config.toml")).unwrap();
    let complains = |args: &[&str]| {
        let looked = jobs.command(args).assert().code(1);
        stderr(&looked)
    };
    let timer = ["--quiet", "alert"];
    jobs.write("nonsense");
    assert!(!complains(&timer).is_empty());
    assert_eq!(complains(&timer), "");
    assert!(!complains(&["alert"]).is_empty());
    jobs.write("[nonsense]");
    assert!(!complains(&timer).is_empty());
    assert_eq!(complains(&timer), "");
    let told = fs::File::options().write(true).open(jobs.path("state/alerts.complaint")).unwrap();
    told.set_modified(SystemTime::now() - Duration::from_hours(25)).unwrap();
    assert!(!complains(&timer).is_empty());
    // What was mended, and breaks again, is news.
    jobs.write(&file);
    jobs.command(&timer).assert().success();
    jobs.write("[nonsense]");
    assert!(!complains(&timer).is_empty());
}
