//! `restore --into`: the dumps of a snapshot back into a PostgreSQL server.

mod contents;
mod safety;

pub use safety::Safety;

use super::super::tree::{self, Step};
use crate::error::{Attempt, Error, Kind, Result};
use crate::format::content::Content;
use crate::format::database::PostgresFacts;
use crate::format::directory::{Node, NodeKind};
use crate::format::snapshot::{Part, PartKind, Snapshot};
use crate::limits::DUMP_SCRIPT_MAX;
use crate::monitor::{Counter, Monitor};
use crate::ops::path::is_within;
use crate::postgres::Pattern;
use crate::repo::Reader;
use crate::sink::postgres::{
    self as sink, Connection, Dump, Filter, Form, Globals, Keep, Options, Outcome, Plan, Request,
    Strategy,
};
use crate::stream::ContentReader;
use contents::StoredDumps;
use std::collections::BTreeSet;

/// What a restore into a server is asked for.
#[derive(Clone, Debug, Default)]
pub struct IntoOptions {
    /// Patterns of the databases that are restored; none means all.
    pub databases: Vec<Pattern>,
    /// Which schemas and tables of them.
    pub filter: Filter,
    /// The name that one single database comes back under.
    pub into: Option<String>,
    /// Whether what is there may be replaced.
    pub replace: bool,
    /// Whether a replaced database stays, under another name.
    pub keep_old: bool,
    /// Whether roles and tablespaces are restored first.
    pub globals: bool,
    /// Whether owners are left out.
    pub no_owner: bool,
    /// Whether rights are left out.
    pub no_privileges: bool,
    /// Connections that `pg_restore` uses at once.
    pub jobs: usize,
}

/// A restore that is ready to be done: what it will do, and what it will do it with.
pub struct Prepared<'r> {
    /// What it will do.
    pub plan: Plan,
    /// What it will do to roles and tablespaces, if that is asked for.
    pub globals: Option<Globals>,
    /// The dumps.
    pub dumps: Vec<Dump>,
    contents: StoredDumps<'r>,
    options: Options,
}

/// A dump as it stands in a snapshot.
struct Stored {
    path: String,
    database: String,
    content: Content,
    facts: Option<PostgresFacts>,
}

/// Finds the dumps, looks at the server, and decides; changes nothing.
///
/// # Errors
/// If the snapshot has no such dump, the server cannot be reached, or the plan is not possible.
pub fn prepare<'r>(
    reader: &'r Reader<'r>,
    snapshot: &Snapshot,
    path: Option<&[u8]>,
    connection: &mut Connection,
    options: &IntoOptions,
    suffix: &str,
) -> Result<Prepared<'r>> {
    let part = part(snapshot, path)?;
    let stored = stored(reader, snapshot, part, path, &options.databases)?;
    let contents = StoredDumps::new(reader, stored);
    let dumps = contents.dumps()?;
    let dumped_by = dumps.iter().map(|dump| match &dump.form {
        Form::Custom(toc) => toc.tool_number(),
        Form::Plain => 0,
    });
    connection.suit(dumped_by.max().unwrap_or_default())?;
    let names = dumps.iter().map(|dump| dump.database.clone());
    let into: BTreeSet<String> = names.chain(options.into.clone()).collect();
    let server = sink::look(connection, &into)?;
    let request = Request {
        into: options.into.clone(),
        replace: options.replace,
        keep_old: options.keep_old,
        filter: options.filter.clone(),
    };
    let plan = sink::plan(&dumps, server, &request, suffix)?;
    if !connection.sees_files() && needs_files(&plan, &dumps, options) {
        return Err(Error::new(Kind::Unsupported, "restore into", connection.name())
            .because("a part of a dump, or several jobs, need files that a command cannot see")
            .hint("use the tools of this machine, without --pg-command"));
    }
    let globals = match options.globals {
        true => Some(sink::missing(&script(reader, snapshot, part)?, &sink::known(connection)?)),
        false => None,
    };
    let keep = Keep { owner: !options.no_owner, rights: !options.no_privileges };
    let options = Options { jobs: options.jobs, filter: options.filter.clone(), keep };
    Ok(Prepared { plan, globals, dumps, contents, options })
}

impl Prepared<'_> {
    /// Does it; what is replaced in place is saved before.
    ///
    /// # Errors
    /// What made it fail; then each database is as it was.
    pub fn execute(
        &self,
        connection: &Connection,
        safety: &Safety<'_>,
        monitor: &dyn Monitor,
    ) -> Result<Outcome> {
        for step in self.plan.in_place() {
            safety
                .save(&step.database, monitor)
                .map_err(|error| error.within("save before replacing", &step.database))?;
        }
        if let Some(globals) = &self.globals {
            sink::apply(connection, globals)?;
        }
        let bytes = self.dumps.iter().map(|dump| dump.bytes).sum();
        monitor.begin("restore", Some((Counter::Bytes, bytes)));
        let contents = self.contents.with_progress(monitor);
        let done =
            sink::execute(connection, &self.plan, &self.dumps, &contents, &self.options, monitor);
        monitor.end();
        done
    }
}

/// Whether the tools read more than their standard input.
fn needs_files(plan: &Plan, dumps: &[Dump], options: &IntoOptions) -> bool {
    plan.steps.iter().any(|step| {
        let is_custom = dumps.get(step.dump).is_some_and(|dump| dump.form != Form::Plain);
        let is_in_place = matches!(step.strategy, Strategy::InPlace { .. });
        is_custom && (is_in_place || step.partial || options.jobs > 1)
    })
}

/// The one part with dumps that is meant.
fn part<'s>(snapshot: &'s Snapshot, path: Option<&[u8]>) -> Result<&'s Part> {
    let has_dumps = |part: &&Part| part.kind == PartKind::PostgresDump;
    let is_meant = |part: &&Part| {
        path.is_none_or(|path| is_within(path, &part.path) || is_within(&part.path, path))
    };
    let mut parts = snapshot.parts.iter().filter(has_dumps).filter(is_meant);
    let subject = path.map_or_else(|| snapshot.id.short(), shown);
    match (parts.next(), parts.next()) {
        (Some(part), None) => Ok(part),
        (None, _) => Err(Error::new(Kind::NotFound, "find a PostgreSQL dump in", subject)
            .because("no part of the snapshot is one")
            .hint("`icecore ls SNAPSHOT` lists its paths; `icecore dump` writes any file out")),
        (Some(one), Some(_)) => {
            let path = shown(&one.path);
            Err(Error::new(Kind::InvalidInput, "restore the dumps of", subject)
                .because("it has those of several servers")
                .hint(format!("name one of them: {}:{path}", snapshot.id.short())))
        }
    }
}

/// The dumps at or below the path that match one of the patterns.
fn stored(
    reader: &Reader<'_>,
    snapshot: &Snapshot,
    part: &Part,
    path: Option<&[u8]>,
    patterns: &[Pattern],
) -> Result<Vec<Stored>> {
    let path = path.filter(|path| is_within(path, &part.path)).unwrap_or(&part.path);
    let found = tree::find(reader, snapshot, path)?;
    let databases = [part.path.as_slice(), b"/databases/"].concat();
    let mut all = Vec::new();
    tree::walk(
        reader,
        &found,
        &mut |path, step| {
            let Step::Node(node) = step else { return Ok(true) };
            if path.starts_with(&databases) {
                all.extend(one(path, node));
            }
            Ok(true)
        },
        &mut Err,
    )?;
    let mut chosen = BTreeSet::new();
    for pattern in patterns {
        let fitting = |(_, dump): &(usize, &Stored)| pattern.fits(&dump.database);
        let fitting: Vec<usize> =
            (0..).zip(&all).filter(fitting).map(|(number, _)| number).collect();
        if fitting.is_empty() {
            return Err(none(snapshot, &pattern.to_string()));
        }
        chosen.extend(fitting);
    }
    if all.is_empty() {
        return Err(none(snapshot, &shown(path)));
    }
    let is_chosen = |number: &usize| patterns.is_empty() || chosen.contains(number);
    Ok((0..).zip(all).filter(|(number, _)| is_chosen(number)).map(|(_, dump)| dump).collect())
}

fn one(path: &[u8], node: &Node) -> Option<Stored> {
    let NodeKind::File { content, .. } = &node.kind else { return None };
    let facts = node.database().and_then(|facts| facts.postgres()).cloned();
    let name = String::from_utf8_lossy(&node.name);
    let stem = name.strip_suffix(".dump").or_else(|| name.strip_suffix(".sql")).unwrap_or(&name);
    let database = facts.as_ref().map_or_else(|| stem.to_owned(), |facts| facts.name.clone());
    Some(Stored { path: shown(path), database, content: content.clone(), facts })
}

fn none(snapshot: &Snapshot, what: &str) -> Error {
    Error::new(Kind::NotFound, "find a dump of", what)
        .because(format!("snapshot {} has none", snapshot.id.short()))
        .hint(
            "`icecore snapshots` says which databases each snapshot has, `icecore ls -l SNAPSHOT` \
             what one has; --path SERVER/databases/NAME.dump chooses among them",
        )
}

/// The script of roles and tablespaces beside the dumps.
fn script(reader: &Reader<'_>, snapshot: &Snapshot, part: &Part) -> Result<String> {
    let path = [part.path.as_slice(), b"/globals.sql"].concat();
    let found = tree::find(reader, snapshot, &path)?;
    let subject = shown(&path);
    let content = match &found.entry {
        tree::Entry::Node(node) => match &node.kind {
            NodeKind::File { content, .. } => Some(content),
            _ => None,
        },
        tree::Entry::Leading(_) => None,
    };
    let content = content.filter(|content| content.length <= DUMP_SCRIPT_MAX);
    let content = content
        .ok_or_else(|| Error::damaged("read", &subject, "it is no script of a sensible length"))?;
    let mut bytes = Vec::new();
    ContentReader::new(reader, content, &subject)?.copy(&mut bytes, &mut |_| Ok(()))?;
    String::from_utf8(bytes).map_err(std::io::Error::other).attempt("read as UTF-8", &subject)
}

fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}
