//! `restore --into`: databases back into a PostgreSQL server, after the plan was shown and
//! agreed to.

use super::{RestoreArgs, tell_snapshot};
use crate::env::Env;
use crate::error::{Attempt, Error, Kind, Result};
use crate::monitor::{Monitor, go_on};
use crate::ops::backup::BackupOptions;
use crate::ops::damage::record_damage;
use crate::ops::restore::postgres::{IntoOptions, Prepared, Safety, prepare};
use crate::postgres::Pattern;
use crate::repo::Reader;
use crate::sink::postgres::{Connection, Filter, Form, Plan, Step, Strategy};
use crate::text;
use crate::ui::app::App;
use crate::ui::exit::Done;
use crate::ui::host::{hostname, username};
use crate::ui::out::{self, Out};
use crate::ui::progress::Progress;
use crate::ui::table::Columns;
use crate::ui::verbs::postgres::{ToolArgs, settings};
use clap::Args;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use serde::Serialize;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

/// What `restore` takes about databases.
#[derive(Debug, Args)]
#[command(next_help_heading = "Into a PostgreSQL server")]
pub struct IntoArgs {
    /// Restore databases into this server; if the URL names a database, the one that is chosen
    /// comes back under that name
    #[arg(long, value_name = "URL",
          conflicts_with_all = ["target", "include", "iinclude", "include_file", "iinclude_file", "exclude",
                                "iexclude", "exclude_file", "iexclude_file", "overwrite", "sparse", "special",
                                "verify"])]
    pub into: Option<String>,

    /// Restore only databases of this name or pattern; may be given several times
    #[arg(long, value_name = "PATTERN")]
    pub database: Vec<String>,

    /// Restore only this schema; may be given several times
    #[arg(long, value_name = "NAME")]
    pub schema: Vec<String>,

    /// Restore only this table, with its indexes, constraints and rows; may be given several
    /// times
    #[arg(long, value_name = "[SCHEMA.]NAME")]
    pub table: Vec<String>,

    /// Restore roles and tablespaces first; those that exist stay as they are
    #[arg(long)]
    pub globals: bool,

    /// Replace what is there
    #[arg(long)]
    pub replace: bool,

    /// Keep a replaced database under another name
    #[arg(long, requires = "replace")]
    pub keep_old: bool,

    /// Connections at once for each database; more than one takes room for a copy of the dump
    #[arg(short, long, value_name = "NUMBER", default_value_t = 1,
          value_parser = clap::value_parser!(u16).range(1..=256))]
    pub jobs: u16,

    /// Leave owners out: everything belongs to the role that restores
    #[arg(long)]
    pub no_owner: bool,

    /// Leave rights out
    #[arg(long)]
    pub no_privileges: bool,

    /// Do it without asking
    #[arg(short, long)]
    pub yes: bool,

    #[command(flatten)]
    pub tools: ToolArgs,
}

impl IntoArgs {
    /// Whether anything is said that means nothing without a server.
    pub fn is_used(&self) -> bool {
        let flags = [self.globals, self.replace, self.no_owner, self.no_privileges, self.yes];
        let lists = [&self.database, &self.schema, &self.table];
        let has_any = flags.contains(&true) || lists.iter().any(|list| !list.is_empty());
        has_any || self.jobs > 1 || self.tools.first_given().is_some()
    }

    fn options(&self, into: Option<&str>) -> IntoOptions {
        IntoOptions {
            databases: self.database.iter().map(Pattern::new).collect(),
            filter: Filter { schemas: self.schema.clone(), tables: self.table.clone() },
            into: into.map(str::to_owned),
            replace: self.replace,
            keep_old: self.keep_old,
            globals: self.globals,
            no_owner: self.no_owner,
            no_privileges: self.no_privileges,
            jobs: usize::from(self.jobs),
        }
    }
}

/// Shows what will be done, asks, and does it.
pub fn run(app: &App, args: &RestoreArgs, url: &str) -> Result<Done> {
    let wanted = args.wanted()?;
    let repository = app.repository()?;
    let progress = app.progress()?;
    let stored = args.filter.one(&repository, &wanted.snapshot, &progress)?;
    tell_snapshot(app, &stored.snapshot)?;
    let index = app.index(&repository, &progress)?;
    let reader = Reader::new(&repository, &index).reloading();
    let settings = settings(url.as_bytes())?;
    if settings.shows_password() {
        progress.warn(
            "the password stands in the URL, which other users of this machine can see: \
             ~/.pgpass, PGPASSFILE or PGPASSWORD keep it to yourself",
        );
    }
    let tools = args.into.tools.options()?;
    let mut connection = Connection::new(&settings, &tools)?;
    let options = args.into.options(connection.named_database());
    let suffix = suffix(&app.env)?;
    let path = wanted.path.as_deref();
    let prepared = prepare(&reader, &stored.snapshot, path, &mut connection, &options, &suffix)?;
    show(app, &prepared, args.dry_run || !args.into.yes)?;
    if args.dry_run {
        return Ok(Done::All);
    }
    if !args.into.yes {
        agree(&prepared.plan, &progress)?;
    }
    let safety = Safety {
        repository: &repository,
        settings: &settings,
        tools,
        backup: BackupOptions { host: hostname(), user: username(), ..BackupOptions::default() },
    };
    let done = prepared.execute(&connection, &safety, &progress);
    record_damage(&repository, &index, &progress);
    let done = done?;
    for note in &done.notes {
        progress.warn(note);
    }
    let mut out = Out::new();
    let view = SummaryView {
        databases: &done.databases,
        tables_counted: done.counted,
        notes: &done.notes,
        seconds_elapsed: progress.seconds(),
    };
    match app.global.json {
        true => out.json("summary", &view)?,
        false if app.talks() => out.line(&view.in_words())?,
        false => {}
    }
    out.finish()?;
    Ok(Done::All)
}

/// Eight random digits, for names that are there only meanwhile.
fn suffix(env: &Env) -> Result<String> {
    let bytes: [u8; 4] = env.random()?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Asks for the name of what is to be restored.
fn agree(plan: &Plan, progress: &Progress) -> Result<()> {
    let name = plan.confirmation();
    out::say(&format!("Type {name} to go on:"));
    let line = line_of(io::stdin().as_fd(), progress)?;
    if line.strip_suffix(b"\r").unwrap_or(&line) == name.as_bytes() {
        return Ok(());
    }
    let reason = if line.is_empty() { "it was not confirmed" } else { "something else was typed" };
    Err(Error::new(Kind::Refused, "restore into", name)
        .because(reason)
        .hint("--yes does it without asking, --dry-run shows what would be done"))
}

/// One line, without its end, of what a person types, who may press Ctrl-C instead.
fn line_of(input: BorrowedFd<'_>, progress: &Progress) -> Result<Vec<u8>> {
    const POLL_INTERVAL: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
    let mut line = Vec::new();
    loop {
        go_on(progress, "restore into the server")?;
        match poll(&mut [PollFd::from_borrowed_fd(input, PollFlags::IN)], Some(&POLL_INTERVAL)) {
            Ok(0) | Err(Errno::INTR) => continue,
            ready => ready.map_err(io::Error::from).attempt("read", "standard input")?,
        };
        let mut byte = [0];
        match rustix::io::read(input, &mut byte) {
            Ok(1) if byte != *b"\n" => line.extend(byte),
            Ok(_) => return Ok(line),
            Err(Errno::INTR) => {}
            Err(cause) => return Err(io::Error::from(cause)).attempt("read", "standard input"),
        }
    }
}

fn show(app: &App, prepared: &Prepared<'_>, needed: bool) -> Result<()> {
    let mut out = Out::new();
    match app.global.json {
        true => out.json("plan", &PlanView::new(prepared))?,
        false if app.talks() || needed => {
            for line in lines(prepared) {
                out.line(&line)?;
            }
        }
        false => {}
    }
    out.finish()
}

fn lines(prepared: &Prepared<'_>) -> Vec<String> {
    let plan = &prepared.plan;
    let server = &plan.server;
    let mut lines =
        vec![format!("into {} (PostgreSQL {}), as {}:", server.name, server.version, server.role)];
    let mut table = Columns::new(&["DATABASE", "FROM", "DUMP", "NOW", "WHAT"], &[2, 3]).wrapping(4);
    for step in &plan.steps {
        let dump = prepared.dumps.get(step.dump);
        let now = server.databases.get(&step.database);
        table.row([
            text::plain(&step.database),
            text::plain(dump.map_or("", |dump| &dump.database)),
            dump.map_or_else(String::new, |dump| text::bytes(dump.bytes)),
            now.map_or_else(|| "-".to_owned(), |now| text::bytes(now.bytes)),
            text::plain(&what(step, plan)),
        ]);
    }
    lines.extend(table.lines(out::width()));
    if let Some(globals) = &prepared.globals {
        let made =
            if globals.made.is_empty() { "none".to_owned() } else { globals.made.join(", ") };
        lines.push(format!("roles made: {}", text::plain(&made)));
        lines.extend(
            (!globals.kept.is_empty())
                .then(|| format!("kept as they are: {}", text::plain(&globals.kept.join(", ")))),
        );
    }
    lines
}

/// What happens to a database, in words.
fn what(step: &Step, plan: &Plan) -> String {
    let sessions = plan.server.databases.get(&step.database).map_or(0, |now| now.sessions);
    let ends = match sessions {
        0 => String::new(),
        number => format!("; ends {}", text::count(number, "session")),
    };
    match &step.strategy {
        Strategy::Swap { old: None, .. } => "make it".to_owned(),
        Strategy::Swap { old: Some(old), .. } if old.keep => {
            format!("replace it, keep the old one as {}{ends}", old.name)
        }
        Strategy::Swap { .. } => format!("replace it{ends}"),
        Strategy::InPlace { schemas, tables } => {
            let tables = tables.iter().map(|(schema, table)| format!("table {schema}.{table}"));
            let schemas = schemas.iter().map(|schema| format!("schema {schema}"));
            let all: Vec<String> = schemas.chain(tables).collect();
            format!("save it, then replace within it {}", all.join(", "))
        }
    }
}

#[derive(Serialize)]
struct PlanView<'p> {
    server: &'p str,
    server_version: &'p str,
    role: &'p str,
    databases: Vec<StepView<'p>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    roles_made: Option<&'p [String]>,
}

#[derive(Serialize)]
struct StepView<'p> {
    database: &'p str,
    dumped_database: &'p str,
    dump_format: &'static str,
    dump_bytes: u64,
    exists: bool,
    action: &'static str,
    what: String,
}

impl<'p> PlanView<'p> {
    fn new(prepared: &'p Prepared<'_>) -> Self {
        let plan = &prepared.plan;
        let step = |step: &'p Step| {
            let dump = prepared.dumps.get(step.dump)?;
            Some(StepView {
                database: &step.database,
                dumped_database: &dump.database,
                dump_format: match dump.form {
                    Form::Custom(_) => "custom",
                    Form::Plain => "plain",
                },
                dump_bytes: dump.bytes,
                exists: plan.server.databases.contains_key(&step.database),
                action: match &step.strategy {
                    Strategy::Swap { old: None, .. } => "make",
                    Strategy::Swap { .. } => "replace",
                    Strategy::InPlace { .. } => "replace_within",
                },
                what: what(step, plan),
            })
        };
        PlanView {
            server: &plan.server.name,
            server_version: &plan.server.version,
            role: &plan.server.role,
            databases: plan.steps.iter().filter_map(step).collect(),
            roles_made: prepared.globals.as_ref().map(|globals| globals.made.as_slice()),
        }
    }
}

#[derive(Serialize)]
struct SummaryView<'s> {
    databases: &'s [String],
    tables_counted: u64,
    notes: &'s [String],
    seconds_elapsed: f64,
}

impl SummaryView<'_> {
    fn in_words(&self) -> String {
        let number = u64::try_from(self.databases.len()).unwrap_or_default();
        let mut words = format!(
            "restored {} in {}: {}",
            text::count(number, "database"),
            text::duration(self.seconds_elapsed),
            self.databases.iter().map(|name| text::plain(name)).collect::<Vec<_>>().join(", ")
        );
        if self.tables_counted > 0 {
            words.push_str(&format!(
                "; the rows of {} were counted, all as dumped",
                text::count(self.tables_counted, "table")
            ));
        }
        words
    }
}
