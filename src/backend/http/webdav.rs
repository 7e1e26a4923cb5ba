//! A folder on a server that speaks WebDAV.

use super::dialect::{Creation, Dialect};
use super::placing::Placing;
use super::spot::{invalid, server_of};
use super::variables::{Credentials, variable};
use super::wire::Wire;
use super::words::{Answer, Meaning, Words};
use crate::backend::options::Options;
use crate::error::{Error, Kind, Result};
use opendal::raw::{percent_decode_path, percent_encode_path};
use opendal::services::Webdav as Builder;
use opendal::{HttpTransporter, OperationContext, Operator};
use std::fmt;

/// Where a folder is, and as whom it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webdav {
    scheme: &'static str,
    user: Option<String>,
    /// With its port, if that is said.
    host: String,
    /// Without `/` at its ends; empty for the root of the server.
    path: String,
}

/// The scheme over HTTP as it is.
pub(super) const SCHEME: &str = "webdav";
/// The scheme over TLS.
pub(super) const OVER_TLS: &str = "webdavs";

/// Who asks, unless the place says that, and the password.
const CREDENTIALS: [&str; 2] = ["ICECORE_WEBDAV_USER", "ICECORE_WEBDAV_PASSWORD"];

impl Webdav {
    /// Reads what follows the scheme: `//user@host:port/path`, its parts encoded as in any URL.
    pub(super) fn parse(scheme: &str, text: &str, options: &Options) -> Result<Self> {
        options.of(SCHEME)?;
        let scheme = if scheme == OVER_TLS { OVER_TLS } else { SCHEME };
        let invalid = |reason: &str| {
            invalid(scheme).because(reason).hint(format!("write {scheme}://host/path"))
        };
        let Some(rest) = text.strip_prefix("//") else {
            return Err(invalid("it names no server"));
        };
        let (server, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, host) = match server.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, server),
        };
        if user.is_some_and(|user| user.contains(':')) {
            return Err(invalid("a password is not part of it")
                .hint("the password is taken from ICECORE_WEBDAV_PASSWORD"));
        }
        if path.contains(['?', '#']) {
            return Err(invalid("a folder is named without query or fragment"));
        }
        let user = user.map(percent_decode_path).filter(|user| !user.is_empty());
        let (server, _) = server_of(scheme, host)?;
        let host = server.trim_start_matches("https://").to_owned();
        let path = percent_decode_path(path);
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        if parts.iter().any(|part| [".", ".."].contains(part)) || path.contains(char::is_control) {
            return Err(invalid("a path has no `.`, `..` or line breaks"));
        }
        Ok(Webdav { scheme, user, host, path: parts.join("/") })
    }

    /// A folder of this name in it.
    pub(super) fn below(&self, name: &str) -> Self {
        let path = format!("{}/{name}", self.path);
        Webdav { path: path.trim_start_matches('/').to_owned(), ..self.clone() }
    }

    fn protocol(&self) -> &'static str {
        if self.scheme == OVER_TLS { "https" } else { "http" }
    }
}

impl Words for Webdav {
    fn name(&self) -> &'static str {
        "WebDAV"
    }

    fn absence(&self) -> String {
        format!("there is no folder /{} on the server", self.path)
    }

    fn credentials(&self) -> Credentials {
        Credentials::of(&CREDENTIALS, ", and the user from the place, too")
    }

    fn meaning(&self, answer: &Answer<'_>) -> Option<Meaning> {
        Some(match answer.status? {
            404 | 409 => Meaning::NoPlace,
            405 | 501 => Meaning::Misplaced(
                "see that the place is the URL of WebDAV on that server; some servers say this when \
                 their disk is full",
            ),
            _ => return None,
        })
    }
}

impl Dialect for Webdav {
    fn operator(&self, wire: &Wire) -> Result<Operator> {
        let server = format!("{}://{}", self.protocol(), self.host);
        let [user, password] = CREDENTIALS.map(|name| variable(name).unwrap_or_default());
        let builder = Builder::default()
            .endpoint(&server)
            .root(&self.path)
            .username(self.user.as_ref().unwrap_or(&user))
            .password(&password)
            // It would ask for the folder of each object, before each of them.
            .disable_create_dir(true);
        let unusable = |reason: &str| Error::new(Kind::InvalidInput, "use", self).because(reason);
        let operator = Operator::new(builder).map_err(|cause| unusable(cause.message()))?;
        let slash = if self.path.is_empty() { "" } else { "/" };
        let root = format!("{server}/{}{slash}", percent_encode_path(&self.path));
        let placing = HttpTransporter::new(Placing::new(wire.transport(), root)?);
        Ok(operator.with_context(OperationContext::new().with_http_transport(placing)))
    }

    fn unseen(&self) -> &'static [&'static str] {
        &[
            "not looked at, since this program cannot ask for it: whether the server has its disk sync what it \
             is sent, and who else may read it",
        ]
    }

    fn creation(&self) -> Creation {
        Creation::AlwaysNew
    }

    fn has_folders(&self) -> bool {
        true
    }
}

impl fmt::Display for Webdav {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme)?;
        if let Some(user) = &self.user {
            write!(f, "{}@", percent_encode_path(user))?;
        }
        write!(f, "{}/{}", self.host, percent_encode_path(&self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(scheme: &str, text: &str) -> Result<Webdav> {
        Webdav::parse(scheme, text, &Options::default())
    }

    /// Each spelling means its server, user and folder, and is shown so that it can be written again.
    #[test]
    fn places_are_read() {
        for (text, shown, user, path) in [
            ("//host/a/b/", "webdavs://host/a/b", None, "a/b"),
            ("//host:8443//a", "webdavs://host:8443/a", None, "a"),
            ("//host", "webdavs://host/", None, ""),
            ("//[::1]:1/a%20b", "webdavs://[::1]:1/a%20b", None, "a b"),
            ("//me@host/a b", "webdavs://me@host/a%20b", Some("me"), "a b"),
            ("//me%40home@host/a@b", "webdavs://me%40home@host/a%40b", Some("me@home"), "a@b"),
        ] {
            let place = parse(OVER_TLS, text).unwrap();
            assert_eq!((place.user.as_deref(), place.path.as_str()), (user, path), "{text}");
            assert_eq!(place.to_string(), shown, "{text}");
            let again = parse(OVER_TLS, shown.strip_prefix("webdavs:").unwrap()).unwrap();
            assert_eq!(again, place);
        }
        let place = parse(SCHEME, "//host/a").unwrap();
        assert_eq!((place.to_string().as_str(), place.protocol()), ("webdav://host/a", "http"));
        assert_eq!(place.below("b").to_string(), "webdav://host/a/b");
    }

    /// What names no folder, or may hold a secret, is refused and not repeated.
    #[test]
    fn other_places_are_refused() {
        for text in [
            "",
            "host/a",
            "//",
            "///a",
            "//ho st/a",
            "//host/../a",
            "//host/%2e%2e/a",
            "//host/a?hunter2",
            "//host/a#hunter2",
            "//user:hunter2@host/a",
            "//user:hunter2@x@host/a",
        ] {
            let error = parse(OVER_TLS, text).unwrap_err();
            assert_eq!(error.kind(), Kind::InvalidInput, "{text}");
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }
}
