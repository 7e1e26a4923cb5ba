//! Keys of the file that this version does not act on yet.

use super::{Config, Job};
use std::collections::{BTreeMap, BTreeSet};

impl Job {
    /// What this version does not do of it, each in a sentence.
    pub fn not_done_yet(&self) -> Vec<String> {
        let mut lacks = Vec::new();
        for (is_asked, what) in [
            (self.rto.is_some(), "`rto`: nothing tries how long bringing it back takes"),
            (self.recover.is_some(), "`recover`: there is no such command"),
            (
                self.drill.is_some() || self.schedules().drill.is_some(),
                "`drill`: there are no drills",
            ),
            (!self.verify.is_empty(), "`verify`: there is nothing that verifies it"),
        ] {
            if is_asked {
                lacks.push(what.to_owned());
            }
        }
        lacks
    }
}

impl Config {
    /// Variables that texts of the file name.
    pub fn variables(&self) -> BTreeSet<&str> {
        self.without(&BTreeMap::new()).into_iter().map(|(_, name)| name).collect()
    }

    /// Those that are not there, each in a sentence.
    pub fn missing_variables(&self, variables: &BTreeMap<String, String>) -> Vec<String> {
        let missing = self.without(variables).into_iter();
        missing.map(|(key, name)| format!("`{key}`: the variable {name} is not set")).collect()
    }

    /// The keys whose texts name a variable that is not among these, and its name.
    fn without(&self, variables: &BTreeMap<String, String>) -> Vec<(&'static str, &str)> {
        let Some(alert) = &self.alert else { return Vec::new() };
        let texts = [
            ("alert.ping", alert.ping.as_ref()),
            ("alert.mail.smtp", alert.mail.as_ref().map(|mail| &mail.smtp)),
            ("alert.webhook.url", alert.webhook.as_ref().and_then(|webhook| webhook.url.as_ref())),
        ];
        let missing = texts.into_iter().flat_map(|(key, text)| {
            let names = text.map(|text| text.value.missing(variables)).unwrap_or_default();
            names.into_iter().map(move |name| (key, name))
        });
        missing.collect()
    }
}
