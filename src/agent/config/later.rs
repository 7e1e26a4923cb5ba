//! What the file says and this version does not do yet.

use super::{Config, Job};
use std::collections::BTreeMap;

impl Job {
    /// What this version does not do of it, each in a sentence.
    pub fn not_done_yet(&self) -> Vec<String> {
        let containers = self.sources().filter(super::SourceTable::is_of_containers);
        let mut lacks: Vec<String> = containers
            .map(|source| format!("`{}`: sources in containers are not captured", source.title()))
            .collect();
        let services = self.stop.as_ref().is_some_and(|stop| !stop.services.is_empty());
        for (is_asked, what) in [
            (services, "`stop.services`: services of containers are not stopped"),
            (
                self.stop.is_some() && !services,
                "`stop`: there is no warm pass yet, so that services stand still until the whole snapshot is stored",
            ),
            (
                self.rpo.is_some() || self.rto.is_some(),
                "`rpo`, `rto`: nobody is told when they are broken",
            ),
            (self.recover.is_some(), "`recover`: there is no such command"),
            (
                self.drill.is_some() || self.schedules().drill.is_some(),
                "`drill`: there are no drills",
            ),
            (!self.verify.is_empty(), "`verify`: there is nothing that verifies it"),
            (
                self.sources().any(|source| source.raw),
                "`raw`: folders of databases are captured as they are, with or without it",
            ),
            (
                self.schedule.is_some(),
                "`schedule`: no agent keeps it; call `icecore run` by cron or a systemd timer",
            ),
        ] {
            if is_asked {
                lacks.push(what.to_owned());
            }
        }
        lacks
    }

    /// What of that makes a run worth nothing.
    pub fn cannot_run(&self) -> Option<String> {
        let source = self.sources().find(super::SourceTable::is_of_containers);
        let services = self.stop.as_ref().is_some_and(|stop| !stop.services.is_empty());
        source
            .map(|source| format!("`{}` is a source in containers", source.title()))
            .or_else(|| services.then(|| "`stop.services` are services of containers".to_owned()))
    }
}

impl Config {
    /// Variables that texts of the file name and that are not there, each in a sentence.
    pub fn missing_variables(&self, variables: &BTreeMap<String, String>) -> Vec<String> {
        let Some(alert) = &self.alert else { return Vec::new() };
        let texts = [
            ("alert.ping", alert.ping.as_ref()),
            ("alert.mail.smtp", alert.mail.as_ref().map(|mail| &mail.smtp)),
            ("alert.webhook.url", alert.webhook.as_ref().and_then(|webhook| webhook.url.as_ref())),
        ];
        let missing = texts.into_iter().flat_map(|(key, text)| {
            let names = text.map(|text| text.value.missing(variables)).unwrap_or_default();
            names.into_iter().map(move |name| format!("`{key}`: the variable {name} is not set"))
        });
        missing.collect()
    }

    /// What this version does not do of what is no job's.
    pub fn not_done_yet(&self) -> Vec<String> {
        let alert = self.alert.as_ref().map(|_| "`alert`: nobody is told");
        let panel = self.panel.as_ref().map(|_| "`panel`: there is no page");
        [alert, panel].into_iter().flatten().map(str::to_owned).collect()
    }
}
