//! How the server is reached: sessions on its databases, and the tools that fill them.

use super::older;
use super::plan::Plan;
use crate::error::{Error, Kind, Result};
use crate::postgres::{Client, Settings, ToolOptions, Tools, version_text};
use std::process::Command;

/// Databases that servers have for those who look for a place to connect to.
const PLACES: [&str; 2] = ["postgres", "template1"];

/// A server, and the tools of its version or a newer one.
pub struct Link {
    settings: Settings,
    named: Option<String>,
    name: String,
    version: u32,
    tools: Tools,
    options: ToolOptions,
    /// Whether the tools see this machine's files.
    sees_files: bool,
}

impl Link {
    /// Connects once, to learn the version and find the tools.
    ///
    /// # Errors
    /// If the server lets the role in nowhere, or there are no tools for it.
    pub fn new(settings: &Settings, options: &ToolOptions) -> Result<Self> {
        let client = connect(settings, &[])?;
        let version = client.version();
        Ok(Link {
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
        self.version < older::SINCE && self.tools.version() >= older::SINCE
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
        connect(&self.settings, &[])
    }

    /// A session on a database that the plan neither renames nor drops.
    pub fn hub(&self, plan: &Plan) -> Result<Client> {
        let moved = |step: &&super::Step| matches!(step.way, super::Way::Beside { .. });
        let moved: Vec<&str> =
            plan.steps.iter().filter(moved).map(|step| step.database.as_str()).collect();
        connect(&self.settings, &moved)
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

/// Connects to the first of the usual places that lets the role in and is not to be avoided, or
/// else to the database that is named.
fn connect(settings: &Settings, avoid: &[&str]) -> Result<Client> {
    let places = PLACES.iter().copied().chain([settings.database()]);
    let mut first = None;
    for place in places.filter(|place| !avoid.contains(place)) {
        match Client::connect(&settings.with_database(place)) {
            Ok(client) => return Ok(client),
            Err(error) => first = first.or(Some(error)),
        }
    }
    Err(first.unwrap_or_else(|| {
        Error::new(Kind::InvalidInput, "find", "a database to connect to")
            .because("each of them is to be replaced")
            .hint("restore them one after another")
    }))
}
