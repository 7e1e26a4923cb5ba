//! Who asks for what is not theirs.

use super::client::exchange;
use super::served::{PASSWORD, Served, link};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::fs;
use std::time::{Duration, Instant};

/// Nobody sees anything without the password, not even which pages there are; and who guesses waits.
#[test]
fn strangers_see_nothing() {
    let served = Served::new();
    let id = served.backup();
    let ask = |method: &str, path: &str, header: &str| {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{header}\r\n"
        );
        exchange(served.address, request.as_bytes())
    };
    let file = served.address_of(&id, "/file", "DIR/src/a");
    for path in ["/", "/style.css", "/job/app", "/nothing", file.as_str()] {
        for method in ["GET", "HEAD", "POST", "PUT"] {
            assert_eq!(ask(method, path, "").status, 401, "{method} {path}");
        }
        let answer = ask("GET", path, "");
        let challenge = "Basic realm=\"icecore\", charset=\"UTF-8\"";
        assert_eq!(answer.header("www-authenticate"), Some(challenge));
        assert!(!answer.text().contains("app"), "{}", answer.text());
    }
    let basic = |text: &str| format!("Authorization: Basic {}\r\n", BASE64_STANDARD.encode(text));
    let begun = Instant::now();
    for wrong in
        ["ops:wrong password", &format!("root:{PASSWORD}"), &format!(":{PASSWORD}"), PASSWORD]
    {
        assert_eq!(ask("GET", "/", &basic(wrong)).status, 401, "{wrong}");
    }
    assert!(begun.elapsed() > Duration::from_millis(1700), "{:?}", begun.elapsed());
    assert_eq!(ask("GET", "/", &basic(&format!("ops:{PASSWORD}"))).status, 200);
}

/// A name that is not this page's is refused, since a page of others could lead a browser here by it.
#[test]
fn other_names_are_refused() {
    let served = Served::new();
    let ask = |host: &str, path: &str| {
        let known = Served::authorization();
        let request = format!("GET {path} HTTP/1.1\r\n{host}{known}Connection: close\r\n\r\n");
        exchange(served.address, request.as_bytes()).status
    };
    for host in
        ["localhost", "127.0.0.1:1", "[::1]:80", "backup.example.com", "BACKUP.example.com:443"]
    {
        assert_eq!(ask(&format!("Host: {host}\r\n"), "/"), 200, "{host}");
    }
    for host in
        ["evil.example", "localhost.evil.example", "backup.example.com.evil.example", "", "a b"]
    {
        assert_eq!(ask(&format!("Host: {host}\r\n"), "/"), 421, "{host}");
    }
    assert_eq!(ask("", "/"), 421);
    assert_eq!(ask("Host: localhost\r\nHost: evil.example\r\n", "/"), 421);
    assert_eq!(ask("Host: localhost\r\n", "http://evil.example/"), 421);
}

/// Nothing outside of a snapshot is reached, and nothing that is no id, no job and no report is one.
#[test]
fn nothing_else_is_reached() {
    let served = Served::new();
    let id = served.backup();
    fs::write(served.jobs.path("state/runs/secret.json"), "{}").unwrap();
    let at = format!("/job/app/in/local/{id}");
    for path in [
        "..",
        "/..",
        "/%2e%2e/etc",
        "/a/../../etc/passwd",
        "etc",
        "/a%00b",
        "-h",
        "%2d%2dhelp",
        "/.",
        "%",
    ] {
        for verb in ["", "/file", "/restore"] {
            assert_eq!(served.get(&format!("{at}{verb}?path={path}")).status, 400, "{verb} {path}");
        }
    }
    assert_eq!(served.post(&format!("{at}/restore?path=/.."), "").status, 400);
    for path in [
        "/job/app/run/..%2fsecret.json",
        "/job/app/run/%2e%2e%2fsecret.json",
        "/job/app/run/.json",
        "/job/../../etc/passwd",
        "/job/..%2f..%2fetc",
        "/job/other",
        "/job/app/in/other",
        "/job/app/in/local/latest",
        "/job/app/in/local/--help",
        &format!("/job/app/in/local/{}", &id[..8]),
        &format!("/job/app/in/local/{}", id.replace(|it: char| it.is_ascii_digit(), "A")),
        "/activity/7",
        "/activity/-1",
        "/etc/passwd",
    ] {
        assert_eq!(served.get(path).status, 404, "{path}");
    }
    assert_eq!(served.get(&format!("{at}?from=x")).status, 400);
    assert_eq!(served.get(&format!("{at}?from=99999999999")).status, 200);
    assert_eq!(fs::read_dir(served.jobs.path("restored")).unwrap().count(), 0);
}

/// A name that is a script is text on every page that shows it.
#[test]
fn names_that_are_scripts_are_text() {
    let served = Served::new();
    let name = "<script>alert(1)<!--\"'><img onerror=x>\u{202e}";
    fs::create_dir(served.jobs.path("src").join(name)).unwrap();
    let id = served.backup();
    let is_text = |page: &str| {
        assert!(page.contains("&lt;script&gt;alert(1)&lt;!--&quot;"), "{page}");
        assert!(
            !page.contains("<script") && !page.contains("<img") && !page.contains('\u{202e}'),
            "{page}"
        );
    };
    let page = served.page(&served.address_of(&id, "", "DIR/src"));
    is_text(&page);
    let folder = link(&page, "%3Cscript").unwrap();
    is_text(&served.page(&folder));
    let restore = folder.replace("?path=", "/restore?path=");
    is_text(&served.page(&restore));
    is_text(&served.done(&restore, ""));
}

/// Other sites may lead here, and show nothing of it in themselves.
#[test]
fn other_sites_embed_nothing() {
    let served = Served::new();
    let ask = |site: &str, mode: &str, dest: &str| {
        let headers = format!(
            "Sec-Fetch-Site: {site}\r\nSec-Fetch-Mode: {mode}\r\nSec-Fetch-Dest: {dest}\r\n"
        );
        served.ask("GET", "/", &headers, "").status
    };
    assert_eq!(ask("none", "navigate", "document"), 200);
    assert_eq!(ask("same-origin", "no-cors", "style"), 200);
    assert_eq!(ask("cross-site", "navigate", "document"), 200);
    assert_eq!(ask("cross-site", "navigate", "iframe"), 403);
    assert_eq!(ask("cross-site", "no-cors", "image"), 403);
    assert_eq!(ask("same-site", "cors", "empty"), 403);
}
