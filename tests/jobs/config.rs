//! The file: what is understood, and what is refused with its place.

use super::file::Jobs;
use crate::common::cli::{lines, stderr, stdout};
use std::fs;
use std::os::unix::fs::PermissionsExt;

const EXAMPLES: [(&str, &str); 2] = [
    ("sqlite", include_str!("../../src/agent/examples/sqlite-compose.toml")),
    ("postgres", include_str!("../../src/agent/examples/postgres-compose.toml")),
];

/// A file that is well formed, for tests to break.
const GOOD: &str = r#"
[repository.local]
url = "DIR/repo"
password_file = "DIR/password"
keep = { daily = 7, yearly = "unlimited" }

[repository.nas]
url = "sftp://backup@nas/srv/app"
key_file = "/etc/icecore/nas.key"

[job.app]
source = "DIR/src"
to = ["local", "nas"]
schedule = { backup = "hourly", check = "0 3 * * 1" }
rpo = { local = "2h", nas = "26h" }
stop = { stop = "true", start = "true", max_downtime = "30s" }
"#;

/// What stands still in it.
const STOP: &str = r#"stop = { stop = "true", start = "true", max_downtime = "30s" }"#;

/// Whole files are understood, of both kinds of stacks; what this version does not do of them is told.
#[test]
fn examples_are_understood() {
    for (name, text) in EXAMPLES {
        let jobs = Jobs::new();
        jobs.write(text);
        let said = stdout(&jobs.command(&["config", "check", "--offline"]).assert().success());
        for part in ["hourly, next", "compose:shop", "not done yet"] {
            assert!(said.contains(part), "{name}: {part}: {said}");
        }
        let said = stdout(&jobs.command(&["config", "show"]).assert().success());
        for part in [
            "shop (production)",
            "must contain",
            "how often",
            "where",
            "at most 2h old",
            "back within",
        ] {
            assert!(said.contains(part), "{name}: {part}: {said}");
        }
    }
}

/// The files that are to take the place of scripts are understood, and nothing of them is left for later but
/// what keeps the schedule.
#[test]
fn files_in_place_of_scripts_are_understood() {
    let page = include_str!("../../src/agent/migration.md");
    let files: Vec<&str> =
        page.split("```toml\n").skip(1).map(|it| it.split("```").next().unwrap()).collect();
    assert_eq!(files.len(), 3);
    for text in files {
        let jobs = Jobs::new();
        jobs.write(text);
        let said = stdout(&jobs.command(&["config", "check", "--offline"]).assert().success());
        assert!(said.contains("hourly, next") && !said.contains("CANNOT RUN"), "{said}");
    }
}

/// `config show --json` is the file as it was resolved, which reads as it was written.
#[test]
fn the_resolved_file_is_shown() {
    let jobs = Jobs::new();
    jobs.write(&format!("[defaults]\ncheck = {{ read_data = \"5%\" }}\n{GOOD}"));
    let said = stdout(&jobs.command(&["--json", "config", "show"]).assert().success());
    let shown = &lines(&said)[0]["config"];
    assert_eq!(shown["job"]["app"]["schedule"]["backup"], "hourly");
    assert_eq!(shown["job"]["app"]["check"]["read_data"], "5%");
    assert_eq!(shown["repository"]["local"]["keep"]["yearly"], "unlimited");
    assert_eq!(shown["job"]["app"]["to"][1], "nas");
}

/// Whatever is wrong is told with line and column, and with what may have been meant.
#[test]
fn mistakes_are_told_with_their_place() {
    for (from, to, place, message) in [
        ("schedule =", "shedule =", "14:1", "no key `shedule`"),
        ("schedule =", "shedule =", "14:1", "did you mean `schedule`?"),
        ("hourly", "hurly", "14:", "schedule"),
        ("0 3 * * 1", "0 3 30 2 *", "14:", "never comes"),
        ("\"2h\"", "\"2 parsecs\"", "15:", "duration"),
        ("\"2h\"", "\"0s\"", "11:1", "`rpo` must be longer than 0"),
        ("[\"local\"", "[\"locla\"", "13:7", "did you mean `local`?"),
        ("[\"local\", \"nas\"]", "[\"nas\", \"nas\"]", "13:14", "twice"),
        ("rpo = { local", "rpo = { disk", "11:1", "not in `to`"),
        ("daily = 7", "daily = -7", "5:", "number"),
        ("daily = 7", "dialy = 7", "5:10", "did you mean `daily`?"),
        ("daily = 7, yearly = \"unlimited\"", "daily = 0", "5:8", "keeps nothing"),
        ("password_file = \"DIR/password\"", "password = \"x\"", "4:1", "secrets must not"),
        ("password_file = \"DIR/password\"", "", "2:1", "exactly one of"),
        ("keep = {", "env_file = \"/e\"\nkeep = {", "2:1", "buckets of S3 only"),
        (
            "password_file = \"DIR/password\"",
            "password_file = \"p\"",
            "4:17",
            "not an absolute path",
        ),
        ("DIR/repo", "postgres://x", "2:1", "postgres"),
        ("sftp://backup@", "sftp://backup:pw@", "8:7", "password"),
        ("source = \"DIR/src\"", "", "11:1", "source"),
        ("source = \"DIR/src\"", "source = \"src\"", "12:10", "not an absolute path"),
        ("\"DIR/src\"", "\"postgres-dump:postgres://u:p@h/d\"", "12:10", ".pgpass"),
        ("\"DIR/src\"", "{ command = \"x\" }", "11:1", "`name`"),
        ("\"DIR/src\"", "{ source = \"DIR/src\", exlude = [] }", "12:", "`exclude`?"),
        ("\"DIR/src\"", "{ source = \"DIR/src\", databases = [\"a\"] }", "11:1", "PostgreSQL"),
        ("start = \"true\", ", "", "11:1", "both `stop` and `start`"),
        ("[job.app]", "[job.app]\n[job.app]", "12:", "another `app`"),
        ("[job.app]", "[job.\"a/b\"]", "11:1", "letters"),
        ("[job.app]", "[alert]\nwebhook = {}\n[job.app]", "12:11", "url_file"),
        (
            "rpo =",
            "verify = [{ count = \"a:b\", sql = \"c\" }]\nrpo =",
            "11:1",
            "number 1 of `verify`",
        ),
        ("rpo =", "labels.job = \"x\"\nrpo =", "11:1", "label `job`"),
        ("[job.app]", "[alert]\nping = \"hc-ping.com/1\"\n[job.app]", "12:8", "not a URL"),
        ("[job.app]", "[job.--all]", "11:1", "neither `.` nor `-`"),
        ("\"30s\"", "\"0s\"", "16:", "`stop.max_downtime` must be longer than 0"),
        ("{ stop = \"true\"", "{ stop = \" \"", "16:", "`stop.stop` is empty"),
        (STOP, "stop = { services = [\"\"] }", "16:", "`stop.services` is empty"),
        (STOP, "stop = \"systemctl stop web\"", "16:8", "a table with `stop` and `start`"),
        ("rpo =", "hooks.timeout = \"0s\"\nrpo =", "15:", "`hooks.timeout` must be longer than 0"),
        ("rpo =", "hooks.before = [\"\"]\nrpo =", "15:", "`hooks.before` is empty"),
        ("rpo =", "must_contain = [\"\"]\nrpo =", "15:16", "`must_contain` is empty"),
        ("rpo =", "must_contain = [\"volume:\"]\nrpo =", "15:16", "needs a name"),
        ("rpo =", "exclude = [\"[\"]\nrpo =", "15:11", "exclude"),
        ("rpo =", "check = 5\nrpo =", "15:9", "expected a table"),
        ("\"DIR/src\"", "\"composed:x\"", "12:10", "did you mean `compose`?"),
        ("\"DIR/src\"", "[\"compose:\"]", "12:10", "`compose:` needs a name"),
        ("[\"local\", \"nas\"]", "\"locla\"", "13:6", "did you mean `local`?"),
        ("{ daily = 7, yearly = \"unlimited\" }", "{ policy = \"forever\" }", "5:8", "two-weeks"),
        ("sftp://backup@nas/", "s3://key:secret@bucket/", "8:7", "`env_file`"),
        (
            "[job.app]",
            "[defaults]\nto = [\"local\", \"x\"]\n[job.app]",
            "12:16",
            "no repository `x`",
        ),
        (
            "[job.app]",
            "[alert.mail]\nto = \"ops\"\nsmtp = \"smtps://m\"\n[job.app]",
            "12:6",
            "alert.mail",
        ),
        (
            "[job.app]",
            "[panel]\nlisten = \"0.0.0.0:1\"\nlogin = { user = \"a\", hash_file = \"/h\" }\n[job.app]",
            "12:10",
            "behind_proxy",
        ),
    ] {
        assert!(GOOD.contains(from), "{from}");
        let jobs = Jobs::new();
        jobs.write(&GOOD.replace(from, to));
        let said = jobs.complains(&["config", "check"]);
        assert!(said.contains(message), "{to}: {said}");
        assert!(said.contains(&format!("config.toml:{place}")), "{to}: {said}");
    }
    let jobs = Jobs::new();
    let one = GOOD.replace("[\"local\", \"nas\"]", "\"local\"");
    for text in [GOOD, &one.replace("{ local = \"2h\", nas = \"26h\" }", "\"2h\"")] {
        jobs.write(text);
        jobs.command(&["config", "check", "--offline"]).assert().success();
    }
}

/// A file that others can write, or put another in the place of, is refused: its commands run as the user who
/// runs it.
#[test]
fn files_of_others_are_refused() {
    let jobs = Jobs::new();
    jobs.write(GOOD);
    let set = |name: &str, mode| {
        fs::set_permissions(jobs.path(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    for (file, folder, message) in [
        (0o622, 0o755, "everybody can write it"),
        (0o620, 0o755, "group"),
        (0o600, 0o777, "put another file in its place"),
    ] {
        set("config.toml", file);
        set(".", folder);
        let said = jobs.complains(&["config", "show"]);
        assert!(said.contains(message) && said.contains("chmod go-w"), "{said}");
    }
    set("config.toml", 0o644);
    set(".", 0o1777);
    jobs.command(&["config", "show"]).assert().success();
}

/// Without a file, what was looked for is told, and how one is made.
#[test]
fn a_missing_file_is_told() {
    let jobs = Jobs::new();
    let mut command = jobs.cli.command();
    command.env("XDG_CONFIG_HOME", jobs.path("none")).env_remove("ICECORE_CONFIG");
    let said = command.args(["config", "show"]).assert().failure();
    let said = crate::common::cli::stderr(&said);
    assert!(said.contains("none/icecore/config.toml") && said.contains("config init"), "{said}");
}

/// Of a scheduled backup, `config check` warns where nobody would notice that it stopped, and where it is late by its
/// own schedule; and it says that copies without a time of their own follow backups.
#[test]
fn an_rpo_is_missed_and_compared_with_the_schedule() {
    let jobs = Jobs::new();
    let check = |from: &str, to: &str| {
        assert!(GOOD.contains(from), "{from}");
        jobs.write(&GOOD.replace(from, to));
        let run = jobs.command(&["config", "check", "--offline"]).assert().success();
        (stdout(&run), stderr(&run))
    };
    let (said, warned) = check("2h", "2h");
    assert!(!warned.contains("rpo"), "{warned}");
    assert!(said.contains("from local to nas; after every backup"), "{said}");
    let (_, warned) = check("local = \"2h\", ", "");
    assert!(
        warned.contains("app: no `rpo` says how old the newest snapshot in local may"),
        "{warned}"
    );
    for (from, to, warning) in [
        ("2h", "30min", "`rpo` in local is 30 min, and the schedule leaves up to 1 h"),
        (
            "\"hourly\"",
            "\"0 9-17 * * 1-5\"",
            "`rpo` in nas is 1 d 2 h, and the schedule leaves up to 2 d 16 h",
        ),
        (
            "\"hourly\"",
            "\"hourly\", copy = \"weekly\"",
            "`rpo` in nas is 1 d 2 h, and the schedule leaves up to 7 d",
        ),
    ] {
        let (_, warned) = check(from, to);
        assert!(warned.contains(warning), "{warning}: {warned}");
    }
}

/// A folder that nothing can be restored into is named before anybody needs it; the zone of all times is, too.
#[test]
fn a_page_that_cannot_restore_is_told() {
    let jobs = Jobs::new();
    for (folder, warning) in
        [("none", Some("No such file")), ("src/file", Some("is no folder")), ("src", None)]
    {
        fs::write(jobs.path("src/file"), "").unwrap();
        fs::set_permissions(jobs.path("src/file"), fs::Permissions::from_mode(0o700)).unwrap();
        jobs.write(&format!(
            "{GOOD}[defaults]\ntimezone = \"Asia/Tokyo\"\n[panel]\nlisten = \"127.0.0.1:0\"\n\
             restore_into = \"DIR/{folder}\"\nlogin = {{ user = \"ops\", hash_file = \"DIR/hash\" }}\n"
        ));
        let run = jobs.command(&["config", "check", "--offline"]).assert().success();
        assert!(stdout(&run).contains("times are those of Asia/Tokyo"), "{}", stdout(&run));
        let warned = stderr(&run);
        match warning {
            Some(warning) => {
                assert!(warned.contains(warning) && warned.contains(folder), "{warned}")
            }
            None => assert!(!warned.contains("restore_into"), "{warned}"),
        }
    }
}

/// The reference of all keys is what the program prints, and the schema is one that editors read.
#[test]
fn the_reference_is_that_of_the_program() {
    let jobs = Jobs::new();
    let said = stdout(&jobs.command(&["config", "keys"]).assert().success());
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/agent/configuration.md");
    if std::env::var_os("ICECORE_WRITE_DOCS").is_some() {
        fs::write(path, &said).unwrap();
    }
    let kept = fs::read_to_string(path).unwrap();
    assert!(said == kept, "write it anew with ICECORE_WRITE_DOCS=1");
    let schema = stdout(&jobs.command(&["config", "schema"]).assert().success());
    let schema = &lines(&schema)[0];
    assert!(schema["$schema"].as_str().unwrap().contains("json-schema.org"));
    assert_eq!(schema["properties"]["job"]["additionalProperties"]["$ref"], "#/$defs/Job");
}
