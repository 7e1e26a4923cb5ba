//! Forms that are not this page's.

use super::served::Served;

const FORM: &str = "application/x-www-form-urlencoded";

/// Sends a form with these headers, as far as they are not empty; what is answered.
fn post(served: &Served, origin: &str, site: &str, kind: &str, body: &str) -> u16 {
    let length = body.len().to_string();
    let headers = [
        ("Origin", origin),
        ("Sec-Fetch-Site", site),
        ("Content-Type", kind),
        ("Content-Length", &length),
    ];
    let headers = headers.iter().filter(|(_, value)| !value.is_empty());
    let headers: String = headers.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    served.ask("POST", "/job/app/run", &headers, body).status
}

/// A form of another page, one without the token, and one that is none at all start nothing.
#[test]
fn forged_forms_do_nothing() {
    let served = Served::new();
    let own = format!("http://{}", served.address);
    let body = format!("token={}&task=backup", served.token());
    for (origin, site) in [
        ("", ""),
        ("null", ""),
        ("null", "same-origin"),
        ("http://evil.example", ""),
        ("http://evil.example", "same-origin"),
        ("http://127.0.0.1:1", ""),
        (own.as_str(), "cross-site"),
        (own.as_str(), "same-site"),
        ("", "none"),
    ] {
        assert_eq!(post(&served, origin, site, FORM, &body), 403, "{origin} {site}");
    }
    for kind in ["text/plain", "multipart/form-data; boundary=x", ""] {
        assert_eq!(post(&served, &own, "", kind, &body), 403, "{kind}");
    }
    let wrong = format!("token={}&task=backup", "0".repeat(64));
    for body in ["task=backup", "token=&task=backup", &wrong, &body.replace("token", "Token")] {
        assert_eq!(post(&served, &own, "same-origin", FORM, body), 403, "{body}");
    }
    assert_eq!(served.get("/job/app/run?task=backup").status, 405);
    assert!(served.jobs.of("local", &["snapshots"]).is_empty());
    for (origin, site) in
        [(own.as_str(), ""), ("", "same-origin"), ("https://backup.example.com", "same-origin")]
    {
        assert_eq!(post(&served, origin, site, FORM, &body), 303, "{origin} {site}");
    }
}

/// What no button sends is refused, and so is a form that is too large.
#[test]
fn only_what_buttons_send_is_understood() {
    let served = Served::new();
    for fields in [
        "",
        "task=",
        "task=drill",
        "task=backup,prune",
        "task=prune",
        "task=prune&confirmed=no",
        "task=%00",
    ] {
        assert_eq!(served.post("/job/app/run", fields).status, 400, "{fields}");
    }
    assert_eq!(served.post("/job/other/run", "task=backup").status, 404);
    assert_eq!(served.post("/job/app/run", &format!("x={}", "y".repeat(100_000))).status, 400);
}
