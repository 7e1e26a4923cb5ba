//! Units of systemd and crontabs that keep the schedules where there is no agent.

use super::file::Jobs;
use crate::common::cli::{stderr, stdout};
use icecore::agent::config::Config;
use icecore::agent::units::Units;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

const FILE: &str = r#"
[defaults]
timezone = "Europe/Berlin"
[agent]
jitter = "2min"
[repository.one]
url = "DIR/one"
key_file = "DIR/one.key"
[repository.two]
url = "DIR/two"
key_file = "DIR/one.key"
[job.app]
source = "DIR/src"
to = ["one", "two"]
schedule = { backup = "30 2,14 * * 1-5", check = "weekly sunday 04:00" }
[job.by_hand]
source = "DIR/src"
to = ["one"]
"#;

fn jobs(text: &str) -> Jobs {
    let jobs = Jobs::new();
    jobs.write(text);
    fs::create_dir(jobs.path("units")).unwrap();
    jobs
}

fn units(jobs: &Jobs, more: &[&str]) -> Vec<String> {
    let folder = jobs.cli.text("units");
    jobs.command(&[&["schedule", "--systemd", &folder], more].concat()).assert().success();
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// What systemd itself thinks of all of them, where it is there.
fn verify(jobs: &Jobs, names: &[String]) {
    let mut verify = Command::new("systemd-analyze");
    verify.arg("verify").args(names.iter().map(|name| jobs.path("units").join(name)));
    if let Ok(output) = verify.output() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let about_ours = |line: &&str| line.contains("icecore");
        assert_eq!(said.lines().find(about_ours), None, "{said}");
    }
}

/// Each schedule has a service and a timer in the time zone of the file, and there is one for the time of booting;
/// systemd understands them.
#[test]
fn timers_are_written() {
    let jobs = jobs(FILE);
    let names = units(&jobs, &[]);
    assert_eq!(
        names,
        [
            "icecore-app-backup.service",
            "icecore-app-backup.timer",
            "icecore-app-check.service",
            "icecore-app-check.timer",
            "icecore-start-stopped.service"
        ]
    );
    verify(&jobs, &names);
    let unit = |name: &str| fs::read_to_string(jobs.path("units").join(name)).unwrap();
    let timer = unit("icecore-app-backup.timer");
    for line in [
        "OnCalendar=Mon,Tue,Wed,Thu,Fri *-*-* 02:30:00 Europe/Berlin",
        "OnCalendar=Mon,Tue,Wed,Thu,Fri *-*-* 14:30:00 Europe/Berlin",
        "Persistent=true",
        "RandomizedDelaySec=120",
    ] {
        assert!(timer.lines().any(|it| it == line), "{line}\n{timer}");
    }
    let service = unit("icecore-app-backup.service");
    // Copies have no time of their own.
    assert!(service.contains(" --quiet run app --only backup,copy --wait 1h\n"), "{service}");
    // A run that is killed with its guard leaves what it has stopped to whatever comes after it.
    let after =
        |line: &str| line.starts_with("ExecStopPost=") && line.ends_with(" --start-stopped");
    assert!(service.lines().any(after), "{service}");
    let state = format!("Environment=\"ICECORE_STATE_DIR={}\"", jobs.cli.text("state"));
    assert!(service.contains(&state) && service.contains("NoNewPrivileges=yes"), "{service}");
    // Printed, they are the same.
    let printed = stdout(&jobs.command(&["schedule", "--systemd"]).assert().success());
    assert!(printed.contains(&timer), "{printed}");
}

/// The unit of the agent is one that systemd understands.
#[test]
fn the_agent_has_a_unit() {
    let jobs = jobs(FILE);
    let names = units(&jobs, &["--agent"]);
    assert_eq!(names, ["icecore-agent.service"]);
    verify(&jobs, &names);
    let unit = fs::read_to_string(jobs.path("units/icecore-agent.service")).unwrap();
    for line in ["Type=notify", "WatchdogSec=5min", "KillMode=mixed", "WantedBy=multi-user.target"]
    {
        assert!(unit.lines().any(|it| it == line), "{line}\n{unit}");
    }
}

/// A crontab has a line for each schedule and one for the time of booting, and says so where its clock is not that
/// of the file.
#[test]
fn crontabs_are_written() {
    let jobs = jobs(FILE);
    let said = stdout(&jobs.command(&["schedule", "--cron"]).assert().success());
    let ends = |text: &str| said.lines().any(|line| line.ends_with(text));
    for only in ["backup,copy", "check"] {
        assert!(ends(&format!("' --quiet run app --only {only} --wait 1h")), "{said}");
    }
    assert!(said.lines().any(|line| line.starts_with("30 2,14 * * 1-5  ")), "{said}");
    assert!(said.lines().any(|line| line.starts_with("@reboot  ")), "{said}");
    assert!(said.contains("CAUTION") && said.contains("CRON_TZ=Europe/Berlin"), "{said}");
    jobs.write(&FILE.replace("Europe/Berlin", "UTC"));
    let said = stdout(&jobs.command(&["schedule", "--cron"]).assert().success());
    assert!(!said.contains("CAUTION"), "{said}");
}

/// Where there is no agent, alerts have a timer and a line of their own, and it is said that nobody serves the page.
#[test]
fn what_the_agent_does_besides_is_not_forgotten() {
    let page =
        "[panel]\nlisten = \"127.0.0.1:0\"\nlogin = { user = \"ops\", hash_file = \"DIR/hash\" }\n";
    let jobs = jobs(&format!("{FILE}[alert]\ncommand = \"cat\"\n{page}"));
    let folder = jobs.cli.text("units");
    let run = jobs.command(&["schedule", "--systemd", &folder]).assert().success();
    let (said, noted) = (stdout(&run), stderr(&run));
    assert!(said.contains("icecore-alert.timer") && said.contains("enable --now"), "{said}");
    assert!(noted.contains("`icecore panel` does"), "{noted}");
    let names = ["icecore-alert.service", "icecore-alert.timer"].map(str::to_owned);
    verify(&jobs, &names);
    let unit = |name: &str| fs::read_to_string(jobs.path("units").join(name)).unwrap();
    assert!(unit("icecore-alert.service").contains(" --quiet alert\n"));
    assert!(unit("icecore-alert.timer").contains("OnCalendar=*:0/5\n"));
    let said = stdout(&jobs.command(&["schedule", "--cron"]).assert().success());
    let line = said.lines().find(|line| line.ends_with("' --quiet alert")).unwrap();
    assert!(
        line.starts_with("*/5 * * * *  ") && said.contains("# CAUTION: nothing of this serves"),
        "{said}"
    );
    jobs.write(FILE);
    let said = stdout(&jobs.command(&["schedule", "--cron"]).assert().success());
    assert!(!said.contains("alert") && !said.contains("serves"), "{said}");
    let names = units(&jobs, &["--agent"]);
    assert!(names.contains(&"icecore-agent.service".to_owned()));
    jobs.complains(&["schedule", "--cron", "--agent"]);
}

/// Paths with anything in them that means something to systemd mean themselves.
#[test]
fn odd_paths_mean_themselves() {
    let jobs = jobs(FILE);
    let (bin, folder) = (jobs.path("odd $HOME %h"), jobs.path("o'dd $HOME %h \"x\" \\y"));
    fs::create_dir(&bin).unwrap();
    let program = bin.join("icecore");
    fs::write(&program, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let config = Config::parse(&FILE.replace("DIR", ""), &folder.join("config.toml")).unwrap();
    let units = |user: &str| Units {
        config: &config,
        program: program.clone(),
        file: folder.join("config.toml"),
        state: folder.join("state"),
        cache: None,
        user: user.to_owned(),
        zone_here: None,
        carried: Vec::new(),
    };
    let written = [units("1234").timers().unwrap(), vec![units("1234").agent().unwrap()]].concat();
    for unit in &written {
        fs::write(jobs.path("units").join(&unit.name), &unit.text).unwrap();
    }
    verify(&jobs, &written.iter().map(|unit| unit.name.clone()).collect::<Vec<_>>());
    let text = &written.iter().find(|it| it.name == "icecore-start-stopped.service").unwrap().text;
    for part in [
        "/odd $HOME %%h/icecore\" --quiet",
        "/o'dd $HOME %%h \"x\" \\y/state/stopped\n",
        "/o'dd $HOME %%h \\\"x\\\" \\\\y/config.toml\"\n",
        "User=1234\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    // systemd starts nothing by such a path.
    let error = Units { program: folder.join("icecore"), ..units("1234") }.agent().unwrap_err();
    assert!(error.to_string().contains("quotes or backslashes"), "{error}");
    // cron knows names alone.
    let error = units("1234").crontab().unwrap_err();
    assert!(error.to_string().contains("no name"), "{error}");
}

/// Runs find in their environment what is no secret of that of `schedule`, and what the file of jobs takes from it in
/// a file beside it, which is named.
#[test]
fn variables_are_carried_or_named() {
    let jobs = jobs(&format!("{FILE}[alert]\nping = \"${{HEALTHCHECK_URL}}\"\n"));
    let folder = jobs.cli.text("units");
    let asked = |args: &[&str]| {
        let mut command = jobs.command(args);
        command.env("DOCKER_HOST", "unix:///run/e.sock").env("ICECORE_HOST", "web1");
        command.assert().success()
    };
    let said = stderr(&asked(&["schedule", "--agent", "--systemd", &folder]));
    let environment = jobs.cli.text("environment");
    assert!(said.contains("HEALTHCHECK_URL") && said.contains(&environment), "{said}");
    let unit = fs::read_to_string(jobs.path("units/icecore-agent.service")).unwrap();
    let file = format!("EnvironmentFile=-{environment}\n");
    for line in ["\"DOCKER_HOST=unix:///run/e.sock\"", "\"ICECORE_HOST=web1\"", &file] {
        assert!(unit.contains(line), "{line}\n{unit}");
    }
    verify(&jobs, &["icecore-agent.service".to_owned()]);
    let said = stdout(&asked(&["schedule", "--cron"]));
    assert!(said.contains("ICECORE_HOST=\"web1\"") && said.contains("HEALTHCHECK_URL"), "{said}");
}

/// The user is the effective one, and not the one that the environment names.
#[test]
fn the_user_is_that_of_the_process() {
    let jobs = jobs(FILE);
    let mut command = jobs.command(&["schedule", "--cron"]);
    let said = stdout(&command.env("USER", "mallory").env("LOGNAME", "mallory").assert().success());
    let me = Command::new("id").arg("-un").output().unwrap().stdout;
    let me = String::from_utf8(me).unwrap();
    assert!(
        said.lines().any(|line| line.starts_with(&format!("@reboot  {}  ", me.trim()))),
        "{said}"
    );
}

/// What systemd or cron cannot keep is refused, and the agent is named.
#[test]
fn what_others_cannot_keep_is_refused() {
    let jobs = jobs(&FILE.replace("weekly sunday 04:00", "0 4 L * *"));
    for how in ["--systemd", "--cron"] {
        let said = jobs.complains(&["schedule", how]);
        assert!(said.contains("0 4 L * *") && said.contains("icecore agent"), "{said}");
    }
    let said = stderr(&jobs.command(&["schedule"]).assert().failure());
    assert!(said.contains("--systemd"), "{said}");
}
