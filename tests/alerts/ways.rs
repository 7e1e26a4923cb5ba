//! The ways by which people are told, tried on real servers: mail, requests, commands; and ways that fail.

use crate::common::cli::{lines, stderr, stdout};
use crate::common::receiver::Receiver;
use crate::common::smtp::{PASSWORD, USER, server};
use crate::jobs::file::Jobs;
use assert_cmd::assert::Assert;
use serde_json::Value;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

/// A file with these alerts; `DIR` stands for its folder.
fn with(alert: &str) -> Jobs {
    let jobs = Jobs::new();
    jobs.write(&format!(
        "[defaults]\nhost = \"web1\"\nenvironment = \"testing\"\n[alert]\n{alert}\n"
    ));
    fs::write(jobs.path("password"), format!("{PASSWORD}\n")).unwrap();
    jobs
}

/// `alert --test`, which trusts the authority of the mail server, or another.
fn test(jobs: &Jobs, authority: &Path) -> Assert {
    let mut command = jobs.command(&["alert", "--test"]);
    command.env("SSL_CERT_FILE", authority).env("SECRET_PATH", "topic").assert()
}

/// Mail arrives over TLS from the first byte, over STARTTLS, and at this machine without both, at every
/// recipient, from whom the file says.
#[test]
fn mail_arrives() {
    let server = server();
    let [tls, starttls, plain] = server.ports;
    let user = USER.replace('@', "%40");
    for (number, (smtp, more)) in [
        (format!("smtps://{user}@127.0.0.1:{tls}"), "password_file = \"DIR/password\""),
        (format!("smtp://{user}@127.0.0.1:{starttls}"), "password_file = \"DIR/password\""),
        (format!("smtp://127.0.0.1:{plain}"), "from = \"Backup <ice@example.com>\""),
    ]
    .into_iter()
    .enumerate()
    {
        let to = [format!("mail{number}@example.com"), format!("other{number}@example.com")];
        let jobs = with(&format!("[alert.mail]\nto = {to:?}\nsmtp = \"{smtp}\"\n{more}"));
        let said = stdout(&test(&jobs, &server.authority()).success());
        assert!(said.contains("mail: a message was sent"), "{said}");
        for to in &to {
            let mail = server.mail_to(to);
            assert_eq!(mail.len(), 1, "{smtp}");
            let from = if more.contains("from") { "Backup <ice@example.com>" } else { USER };
            for part in [
                &format!("From: {from}"),
                "Subject: icecore, web1 (testing): a test",
                "Date: ",
                "Nothing is wrong.",
            ] {
                assert!(mail[0].contains(part), "{part}: {}", mail[0]);
            }
        }
    }
}

/// A server with a certificate of nobody that is trusted is told nothing; a wrong password, a server that offers
/// no TLS, a refused recipient and one that is not there are told as what they are; no password is told.
#[test]
fn mail_that_does_not_arrive_is_told() {
    let server = server();
    let [tls, _, plain] = server.ports;
    let user = USER.replace('@', "%40");
    let none = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let smtps = format!("smtps://{user}@127.0.0.1:{tls}");
    for (smtp, password, authority, message) in [
        (smtps.clone(), PASSWORD, "none", "invalid peer certificate"),
        (smtps.clone(), "swordfish", "ca", "535"),
        (format!("smtp://{user}@127.0.0.1:{plain}"), PASSWORD, "ca", "STARTTLS"),
        (format!("smtp://{user}@127.0.0.1:{plain}?tls=none"), PASSWORD, "ca", "over TLS alone"),
        (format!("smtps://{user}@127.0.0.1:{none}"), PASSWORD, "ca", "refused"),
        (format!("smtps://127.0.0.1:{tls}"), PASSWORD, "ca", "`from` is missing"),
        ("${NO_SUCH}".to_owned(), PASSWORD, "ca", "NO_SUCH"),
    ] {
        let jobs = with(&format!(
            "mail = {{ to = \"nobody@example.com\", smtp = \"{smtp}\", password_file = \"DIR/password\" }}"
        ));
        fs::write(jobs.path("password"), password).unwrap();
        fs::write(jobs.path("none"), "").unwrap();
        let trusted = match authority {
            "none" => jobs.path("none"),
            _ => server.authority(),
        };
        let run = test(&jobs, &trusted).failure();
        let said = format!("{}{}", stdout(&run), stderr(&run));
        assert!(said.contains(message), "{smtp}: {said}");
        assert!(!said.contains(password), "{said}");
    }
    assert_eq!(server.mail_to("nobody@example.com").len(), 0);
}

/// Requests have the form that was chosen: JSON of all facts, ntfy's headers, or a template that stays JSON.
#[test]
fn requests_have_the_form_that_was_chosen() {
    let receiver = Receiver::answering(&[]);
    let url = receiver.url("/${SECRET_PATH}?up=1");
    for form in ["", "preset = \"ntfy\"", "template = '{\"text\": \"{{subject}}\\n{{message}}\"}'"]
    {
        let jobs = with(&format!("[alert.webhook]\nurl = \"{url}\"\n{form}"));
        test(&jobs, Path::new("/dev/null")).success();
    }
    let jobs = with("webhook = { url_file = \"DIR/url\", template = \"{{kind}} on {{host}}\" }");
    fs::write(jobs.path("url"), receiver.url("/file")).unwrap();
    test(&jobs, Path::new("/dev/null")).success();
    let asked = receiver.asked();
    let [plain, ntfy, template, file] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!((plain.line.as_str(), file.line.as_str()), ("POST /topic?up=1", "POST /file"));
    let body: Value = serde_json::from_str(&plain.body).unwrap();
    assert_eq!((&body["kind"], &body["host"]), (&"test".into(), &"web1".into()));
    assert!(body["message"].as_str().unwrap().contains("Nothing is wrong"));
    assert_eq!(plain.header("content-type"), Some("application/json"));
    assert!(ntfy.header("title").unwrap().starts_with("icecore, web1 (testing)"));
    assert_eq!((ntfy.header("priority"), ntfy.header("tags")), (Some("low"), Some("test_tube")));
    assert!(ntfy.body.contains("Nothing is wrong"));
    let body: Value = serde_json::from_str(&template.body).unwrap();
    assert!(body["text"].as_str().unwrap().contains("\nweb1 (testing), "));
    assert_eq!((file.body.as_str(), file.header("content-type")), ("test on web1", None));
}

/// A command reads the message, and finds the facts in its environment; its failure is told with what it said.
#[test]
fn commands_read_the_message() {
    let line = "cat >DIR/read; echo $ICECORE_ALERT_KIND $ICECORE_ALERT_HOST $ICECORE_ALERT_ENVIRONMENT >DIR/facts";
    let jobs = with(&format!("command = '{line}'"));
    test(&jobs, Path::new("/dev/null")).success();
    assert!(fs::read_to_string(jobs.path("read")).unwrap().contains("Nothing is wrong"));
    assert_eq!(fs::read_to_string(jobs.path("facts")).unwrap(), "test web1 testing\n");
    let jobs = with("command = \"echo no line; exit 7\"");
    let run = test(&jobs, Path::new("/dev/null")).failure();
    assert!(stdout(&run).contains("no line") && stdout(&run).contains('7'), "{}", stdout(&run));
}

/// What may pass is tried again; what will not is not. Nobody is led elsewhere. Addresses are never told.
#[test]
fn requests_that_fail_are_tried_again() {
    for (statuses, times, sent) in [
        (&[500, 503][..], 3, true),
        (&[500, 502, 429], 3, false),
        (&[404], 1, false),
        (&[302], 1, false),
    ] {
        let receiver = Receiver::answering(statuses);
        let jobs = with(&format!("webhook.url = \"{}\"", receiver.url("/s3cret")));
        let mut command = jobs.command(&["--json", "alert", "--test"]);
        let run = command.assert();
        let told = &lines(&stdout(&run))[0];
        assert_eq!(
            (told["channel"].as_str(), told["sent"].as_bool()),
            (Some("webhook"), Some(sent))
        );
        assert_eq!(run.get_output().status.code(), Some(i32::from(!sent)), "{statuses:?}");
        assert_eq!(receiver.lines(), vec!["POST /s3cret"; times], "{statuses:?}");
        let said = format!("{}{}", stdout(&run), stderr(&run));
        assert!(!said.contains("s3cret"), "{said}");
        assert!(sent || said.contains("the server answered"), "{said}");
    }
}

/// Servers that take a connection and say nothing hold up nobody for longer than the deadline, and keep no
/// other channel from telling.
#[test]
fn channels_that_hang_are_given_up() {
    let receiver = Receiver::answering(&[0; 9]);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let smtp = format!("smtps://a@127.0.0.1:{}", silent.local_addr().unwrap().port());
    let jobs = with(&format!(
        "webhook.url = \"{}\"\nmail = {{ to = \"a@b.c\", smtp = \"{smtp}\" }}\ncommand = \"cat >DIR/read\"",
        receiver.url("/s3cret")
    ));
    let begun = Instant::now();
    let run = test(&jobs, Path::new("/dev/null")).failure();
    assert!(begun.elapsed() < Duration::from_secs(33), "{:?}", begun.elapsed());
    let said = stdout(&run);
    assert!(said.contains("command: a message was sent"), "{said}");
    assert_eq!(said.matches("did not answer within").count(), 2, "{said}");
    assert!(jobs.path("read").exists() && !said.contains("s3cret"));
}

/// What makes no sense is told when the file is read.
#[test]
fn mistakes_are_told() {
    for (alert, message) in [
        ("webhook = { url = \"http://a\", template = \"{{mesage}}\" }", "`{{mesage}}`"),
        (
            "webhook = { url = \"http://a\", template = \"x\", preset = \"ntfy\" }",
            "exclude each other",
        ),
        ("webhook = { url_file = \"url\" }", "not an absolute path"),
        ("mail = { to = \"nobody\", smtp = \"smtps://a@b\" }", "no address"),
        (
            "mail = { to = \"a@b.c\", smtp = \"smtps://a:pw@b\" }",
            "secrets must not be in this file",
        ),
        (
            "mail = { to = \"a@b.c\", smtp = \"smtps://a@b\", password = \"x\" }",
            "secrets must not be",
        ),
    ] {
        let said = with(alert).complains(&["config", "check"]);
        assert!(said.contains(message), "{alert}: {said}");
    }
}

/// `config check` tells which way cannot be used, for want of a file or a variable, and that nobody outside would
/// notice the death of this host.
#[test]
fn what_cannot_be_used_is_told() {
    let jobs = with("webhook = { url_file = \"DIR/none\" }\nping = \"http://127.0.0.1:1\"");
    let said = jobs.complains(&["config", "check"]);
    assert!(
        said.contains("none") && said.contains("1 problem") && !said.contains("is down"),
        "{said}"
    );
    let said = stderr(&with("command = \"true\"").command(&["config", "check"]).assert().success());
    assert!(said.contains("nobody notices when this host is down"), "{said}");
}
