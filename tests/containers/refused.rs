//! What of containers cannot be captured: told before anything is, with what to do.

use super::project::{APP, Project};
use crate::common::engine::{Engine, each, on_each, unique};
use std::fs;

fn job(sources: &str) -> String {
    format!(
        "[repository.one]\nurl = \"DIR/one\"\nkey_file = \"DIR/one.key\"\n\n[job.app]\nsource = [{sources}]\nto = [\"one\"]\n"
    )
}

/// What is not there is named, with what is; at run time and by `config check`.
#[test]
fn wrong_names_are_told() {
    on_each(|engine| {
        let mut project = Project::new(engine);
        project.jobs.init(&["one"]);
        let mount = format!("{}:/images", project.named("images"));
        project.start("web", &["-v", &mount], APP);
        for (source, known) in [
            ("volume:nothing".to_owned(), project.named("images")),
            ("container:nothing".to_owned(), project.container("web")),
            (format!("compose:{}s", project.name), project.name.clone()),
        ] {
            project.write(&job(&format!("\"{source}\"")));
            let name = source.split(':').nth(1).unwrap().to_owned();
            for words in [&["run", "app"][..], &["config", "check"]] {
                let said = project.jobs.complains(words);
                assert!(said.contains(&name) && said.contains(&known), "{words:?}: {said}");
            }
        }
    });
}

/// A volume with options lies nowhere while no container runs: its path is asked for, and it can be left out.
#[test]
fn volumes_with_options_are_refused() {
    on_each(|engine| {
        let mut project = Project::new(engine);
        project.jobs.init(&["one"]);
        let device = project.jobs.path("src");
        let name = project.named("device");
        let device = format!("device={}", device.display());
        project.engine.says(&[
            "volume",
            "create",
            "--opt",
            "type=none",
            "--opt",
            "o=bind",
            "--opt",
            &device,
            &name,
        ]);
        let mount = format!("{name}:/device");
        let images = format!("{}:/images", project.named("images"));
        project.start("web", &["-v", &mount, "-v", &images], APP);
        project.write(&job("\"compose:PROJECT\""));
        let said = project.jobs.complains(&["run", "app"]);
        let source = project.jobs.path("src");
        assert!(said.contains(&name) && said.contains(source.to_str().unwrap()), "{said}");
        let without = format!("{{ source = \"compose:PROJECT\", exclude = [\"volume:{name}\"] }}");
        project.write(&job(&without));
        project.jobs.command(&["run", "app"]).assert().success();
    });
}

/// An engine that is not there, and one that does not run, are told with how they are started.
#[test]
fn engines_that_do_not_answer_are_told() {
    let jobs = crate::jobs::file::Jobs::new();
    jobs.init(&["one"]);
    jobs.write(&format!(
        "[containers]\nsocket = \"DIR/engine.sock\"\n{}",
        job("\"volume:images\"")
    ));
    for words in [&["run", "app"][..], &["config", "check"]] {
        let said = jobs.complains(words);
        assert!(said.contains("engine.sock") && said.contains("systemctl"), "{words:?}: {said}");
    }
    drop(std::os::unix::net::UnixListener::bind(jobs.path("engine.sock")).unwrap());
    let said = jobs.complains(&["run", "app"]);
    assert!(said.contains("not running"), "{said}");
    // One that accepts and says nothing sensible.
    fs::remove_file(jobs.path("engine.sock")).unwrap();
    let listener = std::os::unix::net::UnixListener::bind(jobs.path("engine.sock")).unwrap();
    let answering = std::thread::spawn(move || {
        for stream in listener.incoming().take(2) {
            let mut stream = stream.unwrap();
            let _ = std::io::Write::write_all(
                &mut stream,
                b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno",
            );
        }
    });
    let said = jobs.complains(&["run", "app"]);
    assert!(said.contains("engine.sock"), "{said}");
    answering.join().unwrap();
}

/// An engine that dies while a database is dumped by it fails the run: no dump that breaks off is kept.
#[test]
fn an_engine_that_dies_meanwhile_fails_the_run() {
    each(|kind| {
        let engine = Engine::start(kind);
        let jobs = crate::jobs::file::Jobs::new();
        jobs.init(&["one"]);
        let name = unique("db");
        engine.run_postgres(&name, &name, &[]);
        engine.sql(&name, "postgres", "CREATE TABLE t AS SELECT 1");
        let socket = engine.socket();
        let text = format!(
            "[containers]\nsocket = \"{}\"\n{}",
            socket.display(),
            job(&format!("\"container:{name}\""))
        );
        jobs.write(&text);
        // A lock that the dump waits for, so that it is in the middle when the engine dies.
        let mut locking = engine
            .command(&[
                "exec",
                &name,
                "psql",
                "-U",
                "chief",
                "-Xqc",
                "BEGIN; LOCK t; SELECT pg_sleep(600)",
                "postgres",
            ])
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let waits = || {
            engine.sql(&name, "postgres", "SELECT count(*) FROM pg_locks WHERE NOT granted") != "0"
        };
        while engine.sql(
            &name,
            "postgres",
            "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock'",
        ) == "0"
        {}
        let mut run = jobs.spawn(&["run", "app"]);
        jobs.wait_until("the dump", waits);
        engine.down();
        assert!(!run.wait().unwrap().success());
        assert_eq!(jobs.report()["outcome"], "failed");
        let kept = jobs.of("one", &["snapshots"]);
        assert!(kept.iter().all(|list| list.as_array().is_some_and(Vec::is_empty)), "{kept:?}");
        locking.kill().unwrap();
        locking.wait().unwrap();
    });
}
