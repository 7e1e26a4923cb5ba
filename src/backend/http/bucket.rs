//! What a bucket of S3 says of itself that matters to a repository in it.

use super::fault::Fault;
use super::s3::FROZEN;
use super::signed::Signed;
use crate::error::Result;
use bytes::Buf;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

/// What is told of a bucket. What the store does not tell, or not to this user, is an error.
#[derive(Debug)]
pub struct BucketFacts {
    /// Rules by which the store deletes or freezes objects of the repository after some time.
    pub rules: Result<Vec<String>>,
    /// Whether it encrypts what is stored.
    pub encrypted: Result<bool>,
    /// Whether others than its owner may read it.
    pub public: Result<bool>,
}

/// A bucket's rules (Amazon S3 API Reference, GetBucketLifecycleConfiguration).
#[derive(Default, Deserialize)]
#[serde(default)]
struct Lifecycle {
    #[serde(rename = "Rule")]
    rules: Vec<Rule>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Rule {
    #[serde(rename = "ID")]
    id: String,
    status: String,
    prefix: Option<String>,
    filter: Filter,
    expiration: Expiration,
    #[serde(rename = "Transition")]
    transitions: Vec<Transition>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Filter {
    prefix: Option<String>,
    tag: Option<IgnoredAny>,
    and: Option<And>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct And {
    prefix: Option<String>,
    #[serde(rename = "Tag")]
    tags: Vec<IgnoredAny>,
}

/// Of current objects; markers that hide nothing more are not among them.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Expiration {
    days: Option<u64>,
    date: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Transition {
    storage_class: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct PolicyStatus {
    is_public: bool,
}

/// Rules that harm the repository, in words.
pub(super) async fn rules(signed: &Signed) -> Result<Vec<String>, Fault> {
    let lifecycle: Lifecycle = match ask(signed, "?lifecycle").await? {
        Some(body) => understood(&body)?,
        None => return Ok(Vec::new()),
    };
    Ok(lifecycle.rules.iter().filter_map(|rule| rule.harm(signed.folder())).collect())
}

pub(super) async fn encrypted(signed: &Signed) -> Result<bool, Fault> {
    Ok(ask(signed, "?encryption").await?.is_some())
}

/// By its policy, or by what it grants to everybody.
pub(super) async fn public(signed: &Signed) -> Result<bool, Fault> {
    if let Some(body) = ask(signed, "?policyStatus").await?
        && understood::<PolicyStatus>(&body)?.is_public
    {
        return Ok(true);
    }
    let grants = ask(signed, "?acl").await?.unwrap_or_default();
    Ok(grants.contains("/groups/global/AllUsers") || grants.contains("/AuthenticatedUsers"))
}

/// The answer; none if the bucket has nothing of the kind.
async fn ask(signed: &Signed, query: &str) -> Result<Option<String>, Fault> {
    match signed.ask_bucket(query).await {
        Ok(answer) => {
            let mut body = vec![0; answer.body.len()];
            answer.body.clone().copy_to_slice(&mut body);
            Ok(Some(String::from_utf8_lossy(&body).into_owned()))
        }
        Err(fault) if fault.is_of_absence() => Ok(None),
        Err(fault) => Err(fault),
    }
}

fn understood<T: DeserializeOwned>(body: &str) -> Result<T, Fault> {
    quick_xml::de::from_str(body).map_err(|cause| {
        opendal::Error::new(opendal::ErrorKind::Unexpected, cause.to_string()).into()
    })
}

impl Rule {
    /// What it does to objects in `folder`, which ends with `/` or is empty, if it does any harm.
    fn harm(&self, folder: &str) -> Option<String> {
        let Filter { prefix, tag, and } = &self.filter;
        let tagged = tag.is_some() || and.as_ref().is_some_and(|and| !and.tags.is_empty());
        let of_both = and.as_ref().and_then(|and| and.prefix.as_ref());
        let prefix = of_both.or(prefix.as_ref()).or(self.prefix.as_ref());
        let prefix = prefix.map_or("", String::as_str);
        let touches = prefix.starts_with(folder) || folder.starts_with(prefix);
        // No object of a repository has a tag.
        if self.status != "Enabled" || tagged || !touches {
            return None;
        }
        let frozen = |transition: &&Transition| FROZEN.contains(&transition.storage_class.as_str());
        let name = if self.id.is_empty() { "without a name" } else { &self.id };
        match (&self.expiration, self.transitions.iter().find(frozen)) {
            (Expiration { days: Some(days), .. }, _) => {
                Some(format!("the rule {name} deletes objects after {days} days"))
            }
            (Expiration { date: Some(date), .. }, _) => {
                Some(format!("the rule {name} deletes objects on {date}"))
            }
            (_, Some(Transition { storage_class })) => Some(format!(
                "the rule {name} moves objects to {storage_class}, where none is read at once"
            )),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn harms(rule: &str, folder: &str) -> Vec<String> {
        let text = format!("<LifecycleConfiguration><Rule>{rule}</Rule></LifecycleConfiguration>");
        let lifecycle: Lifecycle = understood(&text).unwrap();
        lifecycle.rules.iter().filter_map(|rule| rule.harm(folder)).collect()
    }

    /// A rule that deletes or freezes objects of the repository is told of; one that is off, is for another
    /// folder or for objects with tags, or clears away old versions alone, is not.
    #[test]
    fn rules_that_harm_are_found() {
        let on = "<ID>old</ID><Status>Enabled</Status>";
        let expire = "<Expiration><Days>30</Days></Expiration>";
        for (rule, folder, harm) in [
            (format!("{on}<Filter/>{expire}"), "", "deletes objects after 30 days"),
            (format!("{on}<Prefix></Prefix>{expire}"), "db/", "after 30 days"),
            (format!("{on}<Filter><Prefix>db</Prefix></Filter>{expire}"), "db/", "after 30 days"),
            (format!("{on}<Filter><Prefix>db/packs/</Prefix></Filter>{expire}"), "db/", "30 days"),
            (
                format!("{on}<Filter><And><Prefix>d</Prefix></And></Filter>{expire}"),
                "db/",
                "after 30 days",
            ),
            (
                format!("{on}<Filter/><Expiration><Date>2030-01-01T00:00:00Z</Date></Expiration>"),
                "db/",
                "on 2030-01-01",
            ),
            (
                format!(
                    "{on}<Filter/><Transition><Days>1</Days><StorageClass>DEEP_ARCHIVE</StorageClass></Transition>"
                ),
                "db/",
                "moves objects to DEEP_ARCHIVE",
            ),
        ] {
            let found = harms(&rule, folder);
            assert!(found.len() == 1 && found[0].contains(harm), "{rule}: {found:?}");
        }
        for rule in [
            format!("<Status>Disabled</Status><Filter/>{expire}"),
            format!("{on}<Filter><Prefix>logs/</Prefix></Filter>{expire}"),
            format!("{on}<Filter><Tag><Key>a</Key><Value>b</Value></Tag></Filter>{expire}"),
            format!(
                "{on}<Filter/><NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration>"
            ),
            format!(
                "{on}<Filter/><Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>"
            ),
            format!(
                "{on}<Filter/><Transition><StorageClass>STANDARD_IA</StorageClass></Transition>"
            ),
        ] {
            assert_eq!(harms(&rule, "db/"), Vec::<String>::new(), "{rule}");
        }
    }
}
