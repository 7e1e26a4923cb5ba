//! A container of Azure Blob Storage.

use super::dialect::{Dialect, RULES};
use super::spot::{Spot, server_of};
use super::variables::{Credentials, variable};
use super::wire::Wire;
use super::words::{Answer, Meaning, Words};
use crate::backend::options::Options;
use crate::error::{Error, Kind, Result};
use opendal::Operator;
use opendal::services::Azblob as Builder;
use std::fmt;

/// Where a container is, and how it is asked; whose it is, the environment says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Azure {
    spot: Spot,
    /// That of the account at Azure if there is none.
    endpoint: Option<String>,
}

/// The scheme, and the name of the options that are meant for it.
pub(super) const SCHEME: &str = "azure";

const ACCOUNT: [&str; 2] = ["AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT"];
const KEY: [&str; 2] = ["AZURE_STORAGE_ACCOUNT_KEY", "AZURE_STORAGE_KEY"];
const SAS_TOKEN: &str = "AZURE_STORAGE_SAS_TOKEN";
const CONNECTION_STRING: &str = "AZURE_STORAGE_CONNECTION_STRING";
/// What says where accounts are, in Azure's separate clouds.
const SUFFIX: &str = "AZURE_ENDPOINT_SUFFIX";
/// Where they are if nothing says so.
const AZURE: &str = "core.windows.net";

/// What the store calls a name or a signature that it does not accept.
const DENIED: [&str; 8] = [
    "AccountIsDisabled",
    "AuthenticationFailed",
    "AuthorizationFailure",
    "AuthorizationPermissionMismatch",
    "AuthorizationProtocolMismatch",
    "InsufficientAccountPermissions",
    "InvalidAuthenticationInfo",
    "NoAuthenticationInformation",
];

impl Azure {
    /// Reads what follows `azure:`: `//container/prefix`, or as restic writes it `container:/prefix`.
    pub(super) fn parse(text: &str, options: &Options) -> Result<Self> {
        let endpoint = options.of(SCHEME)?.get("endpoint").map(|text| {
            let (server, path) = server_of(SCHEME, text)?;
            Ok(format!("{server}/{path}").trim_end_matches('/').to_owned())
        });
        Ok(Azure { spot: Spot::parse_either(SCHEME, text)?, endpoint: endpoint.transpose()? })
    }

    /// A folder of this name in it.
    pub(super) fn below(&self, name: &str) -> Self {
        Azure { spot: self.spot.below(name), ..self.clone() }
    }
}

impl Words for Azure {
    fn name(&self) -> &'static str {
        "Azure Blob Storage"
    }

    fn absence(&self) -> String {
        format!("there is no container named {}", self.spot.bucket)
    }

    fn credentials(&self) -> Credentials {
        let names = [&ACCOUNT[..], &KEY, &[SAS_TOKEN, CONNECTION_STRING]].concat();
        Credentials::of(&names, ", or from the machine's identity at Azure")
    }

    fn meaning(&self, answer: &Answer<'_>) -> Option<Meaning> {
        Some(match answer.code {
            "BlobNotFound" => Meaning::NoObject,
            "ContainerNotFound" => Meaning::NoPlace,
            code if DENIED.contains(&code) => Meaning::Denied,
            _ => return None,
        })
    }
}

impl Dialect for Azure {
    fn operator(&self, wire: &Wire) -> Result<Operator> {
        let first = |names: [&str; 2]| names.into_iter().find_map(variable);
        // What is wrong is told without a word of it, since these are secrets.
        let builder = match variable(CONNECTION_STRING) {
            Some(text) => Builder::from_connection_string(&text).map_err(|_| {
                Error::new(Kind::InvalidInput, "use", CONNECTION_STRING)
                    .because("it is not made of `Name=value;` parts, or does not go together")
            })?,
            None => Builder::default(),
        };
        let account = first(ACCOUNT);
        let endpoint = self.endpoint.clone().or_else(|| {
            let suffix = variable(SUFFIX).unwrap_or_else(|| AZURE.to_owned());
            Some(format!("https://{}.blob.{suffix}", account.as_deref()?))
        });
        if endpoint.is_none() && variable(CONNECTION_STRING).is_none() {
            return Err(Error::new(Kind::Denied, "use", self)
                .because("no storage account is named")
                .hint(self.credentials().looked));
        }
        let token = variable(SAS_TOKEN).unwrap_or_default();
        let builder = builder
            .container(&self.spot.bucket)
            .root(&self.spot.prefix)
            .endpoint(&endpoint.unwrap_or_default())
            .account_name(&account.unwrap_or_default())
            .account_key(&first(KEY).unwrap_or_default())
            .sas_token(token.trim_start_matches('?'));
        let operator = Operator::new(builder).map_err(|_| {
            Error::new(Kind::InvalidInput, "use", self)
                .because("the account's key is not base64, or its endpoint no URL")
                .hint(self.credentials().looked)
        })?;
        Ok(operator.with_context(wire.context()))
    }

    fn unseen(&self) -> &'static [&'static str] {
        &[RULES]
    }
}

impl fmt::Display for Azure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}://{}", self.spot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::options::Rates;

    fn parse(text: &str, options: &[&str]) -> Result<Azure> {
        let options: Vec<String> = options.iter().map(ToString::to_string).collect();
        Azure::parse(text, &Options::parse(&options, Rates::default())?)
    }

    /// Each spelling means its container, prefix and server, and is shown so that it can be written again.
    #[test]
    fn places_are_read() {
        for (text, shown) in [
            ("//container/a/b/", "azure://container/a/b"),
            ("//container", "azure://container"),
            ("container:/a", "azure://container/a"),
            ("container:a/b", "azure://container/a/b"),
            ("container:/", "azure://container"),
        ] {
            let place = parse(text, &[]).unwrap();
            assert_eq!(place.to_string(), shown, "{text}");
            assert_eq!(parse(shown.strip_prefix("azure:").unwrap(), &[]).unwrap(), place);
        }
        let place = parse("//container/a", &["endpoint=http://127.0.0.1:1/account/"]).unwrap();
        assert_eq!(place.endpoint.as_deref(), Some("http://127.0.0.1:1/account"));
        assert_eq!(place.below("b").to_string(), "azure://container/a/b");
    }

    /// What names no container, or a server in a way that may hold a secret, is refused and not repeated.
    #[test]
    fn other_places_are_refused() {
        let token = "endpoint=https://host?sig=hunter2";
        for (text, options) in [
            ("", &[][..]),
            ("//", &[]),
            ("//co", &[]),
            ("//container/../x", &[]),
            ("//user:hunter2@container/x", &[]),
            ("//container", &["endpoint=ftp://host"]),
            ("//container", &[token]),
            ("//container", &["region=x"]),
        ] {
            let error = parse(text, options).unwrap_err();
            assert_eq!(error.kind(), Kind::InvalidInput, "{text}");
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }
}
