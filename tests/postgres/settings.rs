//! Connection settings come from the same places as libpq's, in the same order.

use icecore::error::Kind;
use icecore::postgres::settings::{SessionAttributes, SslMode};
use icecore::postgres::{Environment, Settings};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;
use tempfile::TempDir;

/// Environment with these variables alone, and a user `me`.
fn around(variables: &[(&str, &str)]) -> Environment {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    Environment { variables: variables.iter().map(owned).collect(), user: "me".into() }
}

fn settings(text: &str) -> Settings {
    Settings::new(text, &around(&[])).unwrap()
}

fn password(settings: &Settings) -> Option<String> {
    let hosts = settings.hosts().unwrap();
    settings.password(&hosts[0]).unwrap().map(|password| password.reveal().to_owned())
}

/// URIs are understood in each of their parts, percent-encoded ones, several hosts, IPv6
/// addresses and sockets among them.
#[test]
fn uris() {
    let all = settings(
        "postgres://al%40ice:p%3Aw%2F@db1:5433,[::1],db3:1/my%20app?sslmode=require&connect_timeout=7",
    );
    assert_eq!((all.user(), all.database()), ("al@ice", "my app"));
    assert_eq!(password(&all).as_deref(), Some("p:w/"));
    assert_eq!(all.ssl_mode().unwrap(), SslMode::Require);
    assert_eq!(all.connect_timeout().unwrap(), Some(Duration::from_secs(7)));
    let hosts: Vec<String> = all.hosts().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(hosts, ["db1:5433", "::1:5432", "db3:1"]);
    assert_eq!(all.server_name(), "db1:5433");
    assert_eq!(settings("postgresql://[::1]:7/x").server_name(), "[::1]:7");

    let socket = settings("postgresql://%2Frun%2Fpg/app");
    assert!(socket.hosts().unwrap()[0].is_socket());
    assert_eq!(socket.server_name(), "local:5432");
    assert_eq!(socket.named_database(), Some("app"));
    let bare = settings("postgres://");
    assert_eq!((bare.user(), bare.database(), bare.named_database()), ("me", "me", None));
    assert!(!bare.has_database());
    assert_eq!(settings("postgres:///?host=h&port=9&dbname=d").server_name(), "h:9");
    assert_eq!(settings("postgres://h/d?ssl=true").ssl_mode().unwrap(), SslMode::Require);
}

/// Keywords and values are understood with blanks, quotes and escapes; a lone word is a database.
#[test]
fn keywords() {
    let all = settings(
        r"host = 'db 1'  port=5433 user='o\'neil' password=a\ b dbname='' options='-c x=1'",
    );
    assert_eq!((all.user(), all.server_name().as_str()), ("o'neil", "db 1:5433"));
    assert_eq!(all.options(), Some("-c x=1"));
    assert_eq!(password(&all).as_deref(), Some("a b"));
    assert_eq!(settings("app").named_database(), Some("app"));
    let standby = settings("host=a,b port=1,2 target_session_attrs=prefer-standby");
    assert_eq!(standby.session_attributes().unwrap(), SessionAttributes::PreferStandby);
    assert_eq!(standby.hosts().unwrap()[1].port, 2);
}

/// What makes no sense is refused, and no message shows the string: a password may stand in it.
#[test]
fn nonsense_is_refused() {
    for text in [
        "postgres://u:hunter2@h:port/d",
        "postgres://u:hunter2@[::1/d",
        "postgres://u:hunter2%4@h/d",
        "postgres://u:hunter2@h/d?sslmode",
        "password=hunter2 host",
        "password='hunter2",
        "password=hunter2 sslmode=maybe",
        "password=hunter2 colour=red",
        "password=hunter2 host=a,b port=1,2,3",
        "password=hunter2 connect_timeout=soon",
        "password=hunter2 gssencmode=require",
        "password=hunter2 target_session_attrs=any-one",
    ] {
        let error = Settings::new(text, &around(&[])).unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidInput, "{text}");
        let shown = format!("{error} {error:?} {:?}", error.hint_text());
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    let shown = format!("{:?}", settings("postgres://u:hunter2@h/d"));
    assert!(!shown.contains("hunter2"), "{shown}");
}

/// The string comes before the service, the service before the environment, and each only
/// completes what is missing.
#[test]
fn precedence() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("services");
    let text = "# mine\n[other]\nhost=wrong\n\n[prod]\nhost=from-service\nport=1111\nuser=service\n[last]\n";
    fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    let environment = [
        ("PGSERVICEFILE", file),
        ("PGHOST", "from-environment"),
        ("PGUSER", "environment"),
        ("PGDATABASE", "environment"),
        ("PGSSLMODE", "verify-full"),
        ("PGPASSWORD", "from environment"),
    ];
    let around = around(&environment);
    let both = Settings::new("postgres:///?service=prod&user=string", &around).unwrap();
    assert_eq!(both.server_name(), "from-service:1111");
    assert_eq!((both.user(), both.database()), ("string", "environment"));
    assert_eq!(both.named_database(), None, "the environment only says where to connect");
    assert_eq!(both.ssl_mode().unwrap(), SslMode::VerifyFull);
    assert_eq!(password(&both).as_deref(), Some("from environment"));
    assert!(!both.shows_password());
    assert_eq!(Settings::new("", &around).unwrap().server_name(), "from-environment:5432");
    let missing = Settings::new("service=none", &around).unwrap_err();
    assert_eq!(missing.kind(), Kind::NotFound);
}

/// The first line of the password file that fits gives the password, with wildcards and escapes;
/// a file that others may read gives none.
#[test]
fn password_files() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join(".pgpass");
    let text = "# comment\nh:1:a:u:first\nh:*:b\\:c:u:se\\:cond:x\n*:*:*:o\\\\o:third\nlocalhost:5432:*:*:local\n";
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let home = dir.path().to_str().unwrap();
    let of = |text: &str| password(&Settings::new(text, &around(&[("HOME", home)])).unwrap());
    assert_eq!(of("host=h port=1 dbname=a user=u").as_deref(), Some("first"));
    assert_eq!(of("host=h port=9 dbname=b:c user=u").as_deref(), Some("se:cond"));
    assert_eq!(of(r"host=h port=9 dbname=a user='o\\o'").as_deref(), Some("third"));
    assert_eq!(of("host=h port=9 dbname=a user=u"), None);
    assert_eq!(of("dbname=a").as_deref(), Some("local"), "the usual socket counts as localhost");
    assert_eq!(of("host=h port=1 dbname=a user=u password=x").as_deref(), Some("x"));
    let given = format!("host=h port=1 dbname=a user=u passfile='{}'", path.display());
    assert_eq!(password(&settings(&given)).as_deref(), Some("first"));

    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    let open = settings(&given);
    let error = open.password(&open.hosts().unwrap()[0]).unwrap_err();
    assert_eq!(error.kind(), Kind::Refused);
    assert!(error.hint_text().unwrap().contains("chmod 600"));
}
