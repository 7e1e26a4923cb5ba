//! PostgreSQL servers on the command line: what is dumped of one, and by which programs.

use crate::env::Env;
use crate::error::{Error, Kind, Result};
use crate::postgres::{Environment, Pattern, Settings, ToolOptions, words};
use crate::source::Source;
use crate::source::postgres::{DatabaseChoice, DumpFormat, PostgresOptions, PostgresSource};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Which programs of PostgreSQL are run.
#[derive(Debug, Default, Args)]
pub struct ToolArgs {
    /// The folder of pg_dump and its like, instead of those of the server's version
    #[arg(long, value_name = "DIR", help_heading = "PostgreSQL")]
    pub pg_bin: Option<PathBuf>,

    /// Run pg_dump and its like by this command, such as `docker exec -i db`; it is split into
    /// words, no shell is between
    #[arg(long, value_name = "COMMAND", help_heading = "PostgreSQL")]
    pub pg_command: Option<String>,
}

/// What is dumped of a server.
#[derive(Debug, Default, Args)]
pub struct DumpArgs {
    /// Dump the databases of this name or pattern only; may be given several times
    #[arg(long, value_name = "PATTERN", help_heading = "PostgreSQL")]
    pub database: Vec<String>,

    /// Dump no database of this name or pattern; may be given several times
    #[arg(long, value_name = "PATTERN", help_heading = "PostgreSQL")]
    pub exclude_database: Vec<String>,

    /// Dump all databases of the server, although the URL names one
    #[arg(long, conflicts_with = "database", help_heading = "PostgreSQL")]
    pub all_databases: bool,

    /// Dump these schemas only, by pg_dump's patterns; may be given several times
    #[arg(long, value_name = "PATTERN", help_heading = "PostgreSQL")]
    pub schema: Vec<String>,

    /// Dump no such schema; may be given several times
    #[arg(long, value_name = "PATTERN", help_heading = "PostgreSQL")]
    pub exclude_schema: Vec<String>,

    /// Dump these tables only; may be given several times
    #[arg(long, value_name = "PATTERN", help_heading = "PostgreSQL")]
    pub table: Vec<String>,

    /// Dump no such table; may be given several times
    #[arg(long, value_name = "PATTERN", help_heading = "PostgreSQL")]
    pub exclude_table: Vec<String>,

    /// Dump such tables without their rows; may be given several times
    #[arg(long, value_name = "PATTERN", help_heading = "PostgreSQL")]
    pub exclude_table_data: Vec<String>,

    /// The form of the dumps [default: custom]
    #[arg(long, value_enum, help_heading = "PostgreSQL")]
    pub dump_format: Option<Format>,

    /// Leave out what belongs to no database: roles, tablespaces
    #[arg(long, help_heading = "PostgreSQL")]
    pub no_globals: bool,

    /// Do not tie each dump to the moment of its facts, where a pooler stands between
    #[arg(long, help_heading = "PostgreSQL")]
    pub no_pg_snapshot: bool,

    /// What the server is called in the snapshot, instead of its host and port
    #[arg(long, value_name = "NAME", help_heading = "PostgreSQL")]
    pub postgres_name: Option<String>,
}

/// The form of a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For pg_restore, uncompressed
    Custom,
    /// SQL
    Plain,
}

impl ToolArgs {
    /// The first flag that was given.
    pub fn first_given(&self) -> Option<&'static str> {
        first([("--pg-bin", self.pg_bin.is_some()), ("--pg-command", self.pg_command.is_some())])
    }

    /// How the programs are found.
    pub fn options(&self) -> Result<ToolOptions> {
        let prefix = self.pg_command.as_deref().map(words).transpose()?.unwrap_or_default();
        Ok(ToolOptions { bin: self.pg_bin.clone(), prefix })
    }
}

impl DumpArgs {
    /// Refuses flags that mean nothing without a PostgreSQL server, where none is dumped.
    pub fn refuse_without_server(&self, tools: &ToolArgs) -> Result<()> {
        let given = first([
            ("--database", !self.database.is_empty()),
            ("--exclude-database", !self.exclude_database.is_empty()),
            ("--all-databases", self.all_databases),
            ("--schema", !self.schema.is_empty()),
            ("--exclude-schema", !self.exclude_schema.is_empty()),
            ("--table", !self.table.is_empty()),
            ("--exclude-table", !self.exclude_table.is_empty()),
            ("--exclude-table-data", !self.exclude_table_data.is_empty()),
            ("--dump-format", self.dump_format.is_some()),
            ("--no-globals", self.no_globals),
            ("--no-pg-snapshot", self.no_pg_snapshot),
            ("--postgres-name", self.postgres_name.is_some()),
        ]);
        match given.or(tools.first_given()) {
            None => Ok(()),
            Some(flag) => Err(Error::new(Kind::InvalidInput, "use", flag)
                .because("no PostgreSQL server is among the sources")
                .hint("name one as `postgres-dump:URL`, or leave the flag out")),
        }
    }

    /// The source that `postgres-dump:URL` stands for.
    pub fn source(
        &self,
        url: &[u8],
        tools: &ToolArgs,
        row_counts: bool,
        env: &Env,
    ) -> Result<Box<dyn Source>> {
        let options = self.options(tools.options()?, row_counts, self.postgres_name.clone());
        Ok(Box::new(PostgresSource::new(settings(url)?, options, env)?))
    }

    fn options(
        &self,
        tools: ToolOptions,
        row_counts: bool,
        name: Option<String>,
    ) -> PostgresOptions {
        PostgresOptions {
            databases: DatabaseChoice {
                include: patterns(&self.database),
                exclude: patterns(&self.exclude_database),
                all: self.all_databases,
            },
            selection: self.selection(),
            format: match self.dump_format {
                None | Some(Format::Custom) => DumpFormat::Custom,
                Some(Format::Plain) => DumpFormat::Plain,
            },
            without_globals: self.no_globals,
            row_counts,
            without_snapshot: self.no_pg_snapshot,
            tools,
            name,
        }
    }

    /// A server in a container, called `name`, which is reached by programs in it that `prefix` runs.
    pub fn source_in(
        &self,
        name: &str,
        user: &str,
        prefix: Vec<String>,
        row_counts: bool,
        env: &Env,
    ) -> Result<Box<dyn Source>> {
        let quoted = |text: &str| text.replace('\\', "\\\\").replace('\'', "\\'");
        let text = format!("host='{}' user='{}'", quoted(name), quoted(user));
        // What this machine's environment says of servers is of others.
        let settings = Settings::new(&text, &Environment::default())?.by_psql(prefix.clone());
        let tools = ToolOptions { bin: None, prefix };
        let options = self.options(tools, row_counts, Some(name.to_owned()));
        Ok(Box::new(PostgresSource::new(settings, options, env)?))
    }

    /// What of each database, as `pg_dump` wants to be told.
    fn selection(&self) -> Vec<String> {
        let flags = [
            ("schema", &self.schema),
            ("exclude-schema", &self.exclude_schema),
            ("table", &self.table),
            ("exclude-table", &self.exclude_table),
            ("exclude-table-data", &self.exclude_table_data),
        ];
        let arguments = flags.into_iter().flat_map(|(flag, patterns)| {
            patterns.iter().map(move |pattern| format!("--{flag}={pattern}"))
        });
        arguments.collect()
    }
}

fn first<const N: usize>(flags: [(&'static str, bool); N]) -> Option<&'static str> {
    flags.into_iter().find(|(_, given)| *given).map(|(flag, _)| flag)
}

fn patterns(texts: &[String]) -> Vec<Pattern> {
    texts.iter().map(Pattern::new).collect()
}

/// Settings of a connection as the user wrote them, and as the environment complete them.
pub fn settings(url: &[u8]) -> Result<Settings> {
    let text = std::str::from_utf8(url).map_err(|_| {
        Error::new(Kind::InvalidInput, "understand", "the PostgreSQL connection string")
            .because("it is not UTF-8")
    })?;
    Settings::new(text, &Environment::of_process())
}
