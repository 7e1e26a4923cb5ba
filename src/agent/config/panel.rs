//! A page in the browser: where it listens, who may see it, and where it may restore to.

use super::values::{FileValue, Written};
use crate::error::{Error, Kind, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

/// A page in the browser, which `agent` or `panel` serves.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Panel {
    /// The address and port that it listens on: one of this machine's own, unless `behind_proxy`.
    #[schemars(example = &"127.0.0.1:8440")]
    pub listen: Written<Listen>,
    /// Who may see it.
    #[schemars(extend("examples" = [{ "user": "ops", "hash_file": "/etc/icecore/panel.hash" }]))]
    pub login: PanelLogin,
    /// Whether a proxy with TLS stands before it, so that it may listen on other addresses than this machine's
    /// own.
    #[serde(default)]
    #[schemars(example = true)]
    pub behind_proxy: bool,
    /// The names that it may be asked for by, beside `localhost` and the address that it listens on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = ["backup.example.com"])]
    pub hosts: Vec<String>,
    /// The folder that it may restore into, each time into a new folder. Without it, nothing is restored from
    /// the page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/srv/restored")]
    pub restore_into: Option<PathBuf>,
}

/// Who may see the page.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PanelLogin {
    /// The name.
    #[schemars(example = &"ops")]
    pub user: String,
    /// A file with an argon2id hash of the password, which `icecore panel hash` makes.
    #[schemars(example = &"/etc/icecore/panel.hash")]
    pub hash_file: PathBuf,
}

/// An address and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen(pub SocketAddr);

impl FileValue for Listen {
    const NAME: &'static str = "Listen";
    const FORM: &'static str = "an address and a port, such as `127.0.0.1:8440` or `[::1]:8440`";
}

impl FromStr for Listen {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        text.parse().map(Listen).map_err(|_| {
            Error::new(Kind::InvalidInput, "listen on", format!("{text:?}"))
                .hint(format!("write {}", Self::FORM))
        })
    }
}

impl Panel {
    /// What is wrong with it, in a sentence, and the keys that lead there.
    pub fn fault(&self) -> Option<(&'static [&'static str], String)> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
        let is_name = |name: &String| !name.is_empty() && name.bytes().all(fits);
        let PanelLogin { user, hash_file } = &self.login;
        let absolute = self.restore_into.iter().map(|path| (&["restore_into"][..], path));
        let mut absolute = absolute.chain([(&["login", "hash_file"][..], hash_file)]);
        if !self.behind_proxy && !self.listen.value.0.ip().is_loopback() {
            let reason = "passwords would go over the network as they are: listen on 127.0.0.1, or say \
                 `behind_proxy = true` where a proxy with TLS stands before it";
            return Some((&["listen"], reason.to_owned()));
        }
        if user.is_empty() || user.contains(':') || user.len() > 100 {
            let reason = "`login.user` has up to 100 letters, and no `:`";
            return Some((&["login", "user"], reason.to_owned()));
        }
        if let Some((keys, path)) = absolute.find(|(_, path)| !path.is_absolute()) {
            return Some((keys, format!("not an absolute path: {}", path.display())));
        }
        let name = self.hosts.iter().find(|name| !is_name(name))?;
        let reason = format!("`hosts`: {name:?} is no name of a host; it stands without a port");
        Some((&["hosts"], reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> Option<String> {
        let login = "login = { user = \"ops\", hash_file = \"/hash\" }\n";
        toml::from_str::<Panel>(&format!("{login}{text}")).unwrap().fault().map(|(_, fault)| fault)
    }

    /// Passwords go over no network, and names are names.
    #[test]
    fn careless_panels_are_refused() {
        assert_eq!(fault("listen = '127.0.0.1:1'\nhosts = ['backup.example.com']"), None);
        assert_eq!(fault("listen = '[::1]:1'"), None);
        assert_eq!(fault("listen = '0.0.0.0:1'\nbehind_proxy = true"), None);
        for (text, reason) in [
            ("listen = '0.0.0.0:1'", "behind_proxy"),
            ("listen = '10.0.0.1:1'", "behind_proxy"),
            ("listen = '127.0.0.1:1'\nhosts = ['a:1']", "hosts"),
            ("listen = '127.0.0.1:1'\nhosts = ['']", "hosts"),
            ("listen = '127.0.0.1:1'\nrestore_into = 'here'", "absolute"),
        ] {
            assert!(fault(text).unwrap().contains(reason), "{text}");
        }
    }
}
