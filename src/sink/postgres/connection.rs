//! How the server is reached: sessions on its databases, and the tools that fill them.

use super::compat;
use super::plan::Plan;
use crate::error::{Error, Result};
use crate::postgres::{Client, Settings, ToolOptions, Tools, version_text};
use std::process::Command;

/// A server, and the tools of its version or a newer one.
pub struct Connection {
    settings: Settings,
    named: Option<String>,
    name: String,
    version: u32,
    tools: Tools,
    options: ToolOptions,
    /// Whether the tools see this machine's files.
    sees_files: bool,
}

impl Connection {
    /// Connects once, to learn the version and find the tools.
    ///
    /// # Errors
    /// If the server lets the role in nowhere, or there are no tools for it.
    pub fn new(settings: &Settings, options: &ToolOptions) -> Result<Self> {
        let client = Client::connect_anywhere(settings, &[])?;
        let version = client.version();
        Ok(Connection {
            settings: client.settings().clone(),
            named: settings.named_database().filter(|name| !name.is_empty()).map(str::to_owned),
            name: settings.server_name(),
            version,
            tools: Tools::find(options, version)?,
            options: options.clone(),
            sees_files: options.prefix.is_empty(),
        })
    }

    /// Takes tools that read what `pg_dump` of this version (150018 is 15.18) wrote.
    ///
    /// # Errors
    /// `Unsupported` if there are none.
    pub fn suit(&mut self, dumped_by: u32) -> Result<()> {
        if self.tools.version() / 10_000 >= dumped_by / 10_000 {
            return Ok(());
        }
        self.tools = Tools::find(&self.options, dumped_by).map_err(|error| {
            let major = dumped_by / 10_000;
            let ours = version_text(self.tools.version());
            Error::new(error.kind(), "restore with", format!("the tools of version {ours}"))
                .because(format!("pg_dump of version {major} made the dump"))
                .hint(format!(
                    "install postgresql-client-{major} or newer, or name its folder with --pg-bin"
                ))
        })?;
        Ok(())
    }

    /// Whether the tools say to a server what only newer ones understand.
    pub fn needs_older_scripts(&self) -> bool {
        self.version < compat::SINCE && self.tools.version() >= compat::SINCE
    }

    /// How people call the server.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its `server_version_num`.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The database that its address names, if it does.
    pub fn named_database(&self) -> Option<&str> {
        self.named.as_deref()
    }

    /// Whether the tools see this machine's files.
    pub fn sees_files(&self) -> bool {
        self.sees_files
    }

    /// A session on one of its databases.
    pub fn session(&self, database: &str) -> Result<Client> {
        Client::connect(&self.settings.with_database(database))
    }

    /// A session wherever the role may connect to.
    pub fn any_session(&self) -> Result<Client> {
        Client::connect_anywhere(&self.settings, &[])
    }

    /// A session on a database that the plan neither renames nor drops.
    pub fn hub(&self, plan: &Plan) -> Result<Client> {
        let moved = |step: &&super::Step| matches!(step.strategy, super::Strategy::Swap { .. });
        let moved: Vec<&str> =
            plan.steps.iter().filter(moved).map(|step| step.database.as_str()).collect();
        Client::connect_anywhere(&self.settings, &moved)
    }

    /// A tool that connects to a database.
    pub fn tool(&self, name: &str, database: &str) -> Result<Command> {
        self.tools.connecting(name, &self.settings.with_database(database))
    }

    /// A tool that connects nowhere.
    pub fn tool_alone(&self, name: &str) -> Command {
        self.tools.program(name)
    }
}
