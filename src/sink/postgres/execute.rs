//! Carries a plan out: databases are made under temporary names, filled and verified; then all of them change
//! places with the old ones in one transaction. Until then nothing that was there has changed,
//! and on a failure what was made goes.

use super::compat::CompatWriter;
use super::create_database::{Keep, create, properties};
use super::in_place::{self, Part};
use super::plan::{Dump, Form, Old, Plan, Step, Strategy};
use super::toc::Toc;
use super::tool::{run, run_fed, run_read};
use super::{Connection, Filter};
use crate::error::{Attempt, Error, Kind, Result};
use crate::format::database::PostgresFacts;
use crate::monitor::{Monitor, go_on};
use crate::postgres::{Client, literal, quoted};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// How often sessions are ended before a database counts as one that cannot be had.
const ATTEMPTS: usize = 5;

/// Where the dumps come from.
pub trait Dumps {
    /// Writes all of a dump.
    fn feed(&self, dump: usize, out: &mut dyn Write) -> Result<()>;

    /// A file that holds all of a dump, for tools that must jump about in it.
    fn spool(&self, dump: usize) -> Result<PathBuf>;

    /// What was found out when it was dumped.
    fn facts(&self, dump: usize) -> Option<&PostgresFacts>;
}

/// How a plan is carried out.
#[derive(Clone, Debug)]
pub struct Options {
    /// Connections that `pg_restore` uses at once.
    pub jobs: usize,
    /// Which schemas and tables.
    pub filter: Filter,
    /// What of owners and rights comes back.
    pub keep: Keep,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Databases that were made or replaced.
    pub databases: Vec<String>,
    /// Tables whose rows were counted, and are as many as when they were dumped.
    pub counted: u64,
    /// Old databases that stay, and what else the user should know.
    pub notes: Vec<String>,
}

/// Carries a plan out.
pub fn execute(
    connection: &Connection,
    plan: &Plan,
    dumps: &[Dump],
    from: &dyn Dumps,
    options: &Options,
    monitor: &dyn Monitor,
) -> Result<Outcome> {
    let mut execution = Execution {
        session: connection.hub(plan)?,
        connection,
        plan,
        dumps,
        from,
        options,
        monitor,
        made: Vec::new(),
        outcome: Outcome::default(),
    };
    match execution.all() {
        Ok(()) => Ok(execution.outcome),
        Err(error) => Err(execution.undo(error)),
    }
}

struct Execution<'w> {
    /// Connected to a database that no step is about.
    session: Client,
    connection: &'w Connection,
    plan: &'w Plan,
    dumps: &'w [Dump],
    from: &'w dyn Dumps,
    options: &'w Options,
    monitor: &'w dyn Monitor,
    /// Databases that are there only meanwhile.
    made: Vec<String>,
    outcome: Outcome,
}

impl Execution<'_> {
    fn all(&mut self) -> Result<()> {
        let steps = &self.plan.steps;
        for step in steps {
            if let Strategy::Swap { temporary, .. } = &step.strategy {
                self.prepare(step, temporary)
                    .map_err(|error| error.within("restore database", &step.database))?;
            }
        }
        for step in self.plan.in_place() {
            self.in_place(step)
                .map_err(|error| error.within("restore within database", &step.database))?;
        }
        self.swap()?;
        self.drop_old();
        self.outcome.databases.extend(steps.iter().map(|step| step.database.clone()));
        Ok(())
    }

    /// Makes, fills and verifies a database under its name for the meantime.
    fn prepare(&mut self, step: &Step, temporary: &str) -> Result<()> {
        let facts = self.from.facts(step.dump);
        let tablespace = self.tablespace(step, facts)?;
        self.session.execute(&create(temporary, facts, tablespace, self.connection.version()))?;
        self.made.push(temporary.to_owned());
        self.fill(step, temporary)?;
        self.verify(step, temporary)?;
        for statement in
            facts.iter().flat_map(|facts| properties(temporary, facts, self.options.keep))
        {
            self.session.execute(&statement)?;
        }
        Ok(())
    }

    /// The tablespace that the dumped database lay in, if the server has one of that name.
    fn tablespace<'f>(
        &mut self,
        step: &Step,
        facts: Option<&'f PostgresFacts>,
    ) -> Result<Option<&'f str>> {
        let Some(name) = facts.and_then(|facts| facts.tablespace.as_deref()) else {
            return Ok(None);
        };
        let query = "SELECT FROM pg_catalog.pg_tablespace WHERE spcname = ";
        if self.session.query(&format!("{query}{}", literal(name)))?.is_empty() {
            let database = &step.database;
            let note = format!("{database}: in the default tablespace, there is no {name}");
            self.outcome.notes.push(note);
            return Ok(None);
        }
        Ok(Some(name))
    }

    fn fill(&self, step: &Step, database: &str) -> Result<()> {
        let going_on = || go_on(self.monitor, "restore");
        let Some(dump) = self.dumps.get(step.dump) else { return Ok(()) };
        let Form::Custom(toc) = &dump.form else {
            let mut feed = |out: &mut dyn Write| self.plain(step, out);
            return run_fed(self.psql(database)?, "psql", &mut feed, &going_on);
        };
        let folder = private_folder()?;
        let list = match step.partial {
            true => Some(list(folder.path(), toc, &toc.chosen(&self.options.filter, true)?)?),
            false => None,
        };
        if self.connection.needs_older_scripts() {
            let mut feed = |out: &mut dyn Write| self.script(step, list.as_deref(), out);
            return run_fed(self.psql(database)?, "psql", &mut feed, &going_on);
        }
        let mut command = self.pg_restore(self.connection.tool("pg_restore", database)?);
        command.arg("--exit-on-error");
        if let Some(list) = &list {
            command.arg("--use-list").arg(list);
        }
        let mut feed = |out: &mut dyn Write| self.from.feed(step.dump, out);
        match self.options.jobs {
            0 | 1 => run_fed(command, "pg_restore", &mut feed, &going_on),
            jobs => {
                let spool = self.from.spool(step.dump)?;
                command.arg("--jobs").arg(jobs.to_string()).arg(&spool);
                run(command, "pg_restore", &going_on)
            }
        }
    }

    /// Replaces what is within a database that stays.
    fn in_place(&mut self, step: &Step) -> Result<()> {
        let Some(dump) = self.dumps.get(step.dump) else { return Ok(()) };
        let existing = self.plan.server.databases.get(&step.database).cloned().unwrap_or_default();
        let psql = self.psql(&step.database)?;
        match &dump.form {
            Form::Plain => {
                let mut feed = |out: &mut dyn Write| {
                    let opening = in_place::opening(&step.strategy, false);
                    out.write_all(opening.as_bytes()).attempt("write to", "psql")?;
                    self.plain(step, out)?;
                    out.write_all(in_place::closing(&step.strategy).as_bytes())
                        .attempt("write to", "psql")
                };
                run_fed(psql, "psql", &mut feed, &|| go_on(self.monitor, "restore"))?;
            }
            Form::Custom(toc) => {
                let part = in_place::part(toc, &self.options.filter, &existing)?;
                self.replace(step, psql, toc, &part)?;
                self.outcome.notes.extend(left_out(&step.database, &part));
            }
        }
        self.verify(step, &step.database)
    }

    fn replace(&self, step: &Step, psql: Command, toc: &Toc, part: &Part) -> Result<()> {
        let folder = private_folder()?;
        let list = list(folder.path(), toc, &part.chosen)?;
        let mut feed = |out: &mut dyn Write| {
            let opening = in_place::opening(&step.strategy, part.large_objects);
            out.write_all(opening.as_bytes()).attempt("write to", "psql")?;
            // If it fails, psql never reads that what it has got shall hold.
            self.script(step, Some(&list), out)?;
            out.write_all(in_place::closing(&step.strategy).as_bytes()).attempt("write to", "psql")
        };
        run_fed(psql, "psql", &mut feed, &|| go_on(self.monitor, "restore"))
    }

    /// A plain dump as a script for this server.
    fn plain(&self, step: &Step, out: &mut dyn Write) -> Result<()> {
        let mut older = CompatWriter::new(out, self.connection.version());
        self.from.feed(step.dump, &mut older)?;
        older.finish().attempt("write to", "psql")
    }

    /// An archive as a script for this server.
    fn script(&self, step: &Step, list: Option<&Path>, out: &mut dyn Write) -> Result<()> {
        let mut command = self.pg_restore(self.connection.tool_alone("pg_restore"));
        if let Some(list) = list {
            command.arg("--use-list").arg(list);
        }
        command.args(["--file", "-"]).arg(self.from.spool(step.dump)?);
        let mut older = CompatWriter::new(out, self.connection.version());
        run_read(command, "pg_restore", &mut |read| self.pass_on(read, &mut older))?;
        older.finish().attempt("write to", "psql")
    }

    fn pass_on(&self, read: &mut dyn Read, out: &mut dyn Write) -> Result<()> {
        let mut buffer = vec![0; 1 << 16];
        loop {
            go_on(self.monitor, "restore")?;
            let length = read.read(&mut buffer).attempt("read from", "pg_restore")?;
            if length == 0 {
                return Ok(());
            }
            out.write_all(buffer.get(..length).unwrap_or_default()).attempt("write to", "psql")?;
        }
    }

    /// Compares what is there now with what was dumped.
    fn verify(&mut self, step: &Step, database: &str) -> Result<()> {
        let facts = self.from.facts(step.dump).filter(|_| !step.partial);
        let mut session = self.connection.session(database)?;
        if let Some(Dump { form: Form::Custom(toc), .. }) = self.dumps.get(step.dump) {
            let chosen =
                toc.chosen(&self.options.filter, matches!(step.strategy, Strategy::Swap { .. }))?;
            super::verify::objects(&mut session, toc, &chosen, database)?;
        }
        if let Some(facts) = facts {
            self.outcome.counted += super::verify::rows(&mut session, facts, database)?;
        }
        Ok(())
    }

    /// New databases take the names of the old ones, all at once.
    fn swap(&mut self) -> Result<()> {
        go_on(self.monitor, "restore")?;
        let mut statements = vec!["BEGIN".to_owned()];
        let mut olds = Vec::new();
        let mut rename = |from: &str, to: &str| {
            statements.push(format!("ALTER DATABASE {} RENAME TO {}", quoted(from), quoted(to)));
        };
        for step in &self.plan.steps {
            if let Strategy::Swap { temporary, old } = &step.strategy {
                if let Some(old) = old {
                    rename(&step.database, &old.name);
                    olds.push(step.database.as_str());
                }
                rename(temporary, &step.database);
            }
        }
        statements.push("COMMIT".to_owned());
        let mut attempts = 0;
        loop {
            attempts += 1;
            self.end_sessions(&olds)?;
            let result =
                statements.iter().try_for_each(|statement| self.session.execute(statement));
            let Err(error) = result else {
                self.made.clear();
                return Ok(());
            };
            self.session.execute("ROLLBACK")?;
            if attempts == ATTEMPTS || error.kind() != Kind::Locked {
                return Err(error);
            }
        }
    }

    fn end_sessions(&mut self, databases: &[&str]) -> Result<()> {
        if databases.is_empty() {
            return Ok(());
        }
        let names: Vec<String> = databases.iter().map(|name| literal(name)).collect();
        let ended = self.session.execute(&format!(
            "SELECT pg_catalog.pg_terminate_backend(pid) FROM pg_catalog.pg_stat_activity \
             WHERE datname IN ({}) AND pid <> pg_catalog.pg_backend_pid()",
            names.join(", ")
        ));
        ended.map_err(|error| {
            let hint = "close them, or restore as a role that may end them: pg_signal_backend";
            error.within("end the sessions on", databases.join(", ")).hint(hint)
        })
    }

    /// What was replaced goes, or stays if it shall; what cannot go is told.
    fn drop_old(&mut self) {
        for step in &self.plan.steps {
            let Strategy::Swap { old: Some(Old { name, keep }), .. } = &step.strategy else {
                continue;
            };
            if *keep {
                self.outcome.notes.push(format!("the old {} stays as {name}", step.database));
            } else if let Err(error) = remove(&mut self.session, name, self.connection.version()) {
                self.outcome
                    .notes
                    .push(format!("the old {} is left as {name}: {error}", step.database));
            }
        }
    }

    /// Removes what was made; the error says if some of it is left.
    fn undo(mut self, error: Error) -> Error {
        // The session may be what failed.
        if self.session.execute("SELECT 1").is_err()
            && let Ok(session) = self.connection.hub(self.plan)
        {
            self.session = session;
        }
        let version = self.connection.version();
        let mut left = std::mem::take(&mut self.made);
        left.retain(|name| remove(&mut self.session, name, version).is_err());
        match left.as_slice() {
            [] => error,
            names => {
                self.monitor
                    .warn(&format!("half restored, and for you to drop: {}", names.join(", ")));
                error
            }
        }
    }

    fn pg_restore(&self, mut command: Command) -> Command {
        if !self.options.keep.owner {
            command.arg("--no-owner");
        }
        if !self.options.keep.rights {
            command.arg("--no-privileges");
        }
        command
    }

    fn psql(&self, database: &str) -> Result<Command> {
        let mut command = self.connection.tool("psql", database)?;
        command.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--file=-"]);
        Ok(command)
    }
}

fn left_out(database: &str, part: &Part) -> Option<String> {
    (!part.left_out.is_empty()).then(|| {
        let what = part.left_out.join(", ");
        format!("{database}: left as it was, because it belongs to no schema: {what}")
    })
}

fn remove(session: &mut Client, database: &str, version: u32) -> Result<()> {
    let force = if version >= 130_000 { " WITH (FORCE)" } else { "" };
    session.execute(&format!("DROP DATABASE IF EXISTS {}{force}", quoted(database)))
}

/// A folder that nobody else can look into.
fn private_folder() -> Result<TempDir> {
    TempDir::with_prefix("icecore-").attempt("make", "a temporary folder")
}

/// A file of numbers as `pg_restore --use-list` wants it: in the order of their restoring.
fn list(folder: &Path, toc: &Toc, chosen: &BTreeSet<i64>) -> Result<PathBuf> {
    let path = folder.join("list");
    let ids = toc.entries.iter().map(|entry| entry.id).filter(|id| chosen.contains(id));
    let lines: String = ids.map(|id| format!("{id};\n")).collect();
    std::fs::write(&path, lines).attempt("write", path.display())?;
    Ok(path)
}
