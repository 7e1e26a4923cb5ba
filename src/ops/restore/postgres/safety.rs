//! A database is saved as it is before something within it is replaced.

use crate::error::Result;
use crate::monitor::Monitor;
use crate::ops::backup::{BackupOptions, backup};
use crate::ops::select::SAFETY_TAG;
use crate::postgres::{Pattern, Settings, ToolOptions};
use crate::repo::Repository;
use crate::source::postgres::{DatabaseChoice, PostgresOptions, PostgresSource};

/// Where databases are saved, and how they are reached.
pub struct Safety<'s> {
    /// Where to.
    pub repository: &'s Repository,
    /// The server.
    pub settings: &'s Settings,
    /// The programs that dump.
    pub tools: ToolOptions,
    /// Whose snapshots they are.
    pub backup: BackupOptions,
}

impl Safety<'_> {
    /// Makes a snapshot of one database.
    pub(super) fn save(&self, database: &str, monitor: &dyn Monitor) -> Result<()> {
        let include = vec![Pattern::exactly(database)];
        let options = PostgresOptions {
            databases: DatabaseChoice { include, ..DatabaseChoice::default() },
            without_globals: true,
            tools: self.tools.clone(),
            // A series of its own, so that the next ordinary backup leans on an ordinary one.
            name: Some(format!("{}-{SAFETY_TAG}", self.settings.server_name())),
            ..PostgresOptions::default()
        };
        let settings = self.settings.with_database(database);
        let source = PostgresSource::new(settings, options, self.repository.env())?;
        let mut options = self.backup.clone();
        options.tags.insert(SAFETY_TAG.to_owned());
        options.allow_empty = true;
        let report = backup(self.repository, vec![Box::new(source)], &options, monitor)?;
        let id = report.snapshot.id.short();
        monitor.warn(&format!("{database} as it is now is saved as snapshot {id}"));
        Ok(())
    }
}
