//! Names of hosts, as browsers ask for them.

use std::net::IpAddr;

/// The name in `HOST:PORT`.
pub fn name_of(authority: &str) -> &str {
    let is_port = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match authority.rsplit_once(':') {
        Some((name, port)) if is_port(port) && !name.ends_with(':') => name,
        _ => authority,
    }
}

/// Whether a name is this machine to itself.
pub fn is_loopback(name: &str) -> bool {
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    let is_address = address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    is_address || name.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names are told from ports, and this machine from names that only look like it.
    #[test]
    fn names_are_read_as_browsers_do() {
        for (authority, name) in [
            ("localhost:8440", "localhost"),
            ("127.0.0.1", "127.0.0.1"),
            ("[::1]:8440", "[::1]"),
            ("[::1]", "[::1]"),
            ("a.example:", "a.example:"),
        ] {
            assert_eq!(name_of(authority), name);
        }
        assert!(["localhost", "LocalHost", "127.0.0.1", "[::1]"].into_iter().all(is_loopback));
        let others = ["localhost.example.com", "127.0.0.1.nip.io", "10.0.0.1", "", "localhost:"];
        assert!(!others.into_iter().any(is_loopback));
    }
}
