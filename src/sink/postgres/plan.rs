//! What a restore into a server will do, decided from what the dumps hold and what the server
//! has; nothing here touches either.

use super::toc::Toc;
use super::toc_filter::Filter;
use crate::error::{Error, Kind, Result};
use std::collections::{BTreeMap, BTreeSet};

/// Longest name of a database, in bytes.
const NAME_MAX: usize = 63;

/// Every server has a database of this name, where it serves as a place to connect to.
const EVERY_SERVERS: &str = "postgres";

/// What is asked for.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The name that one single database comes back under; without it each keeps its own.
    pub into: Option<String>,
    /// Whether databases, schemas and tables that are there may be replaced.
    pub replace: bool,
    /// Whether a replaced database stays, under another name.
    pub keep_old: bool,
    /// Which schemas and tables.
    pub filter: Filter,
}

/// How a database was dumped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// An archive in the custom format, and its table of contents.
    Custom(Toc),
    /// A script for psql.
    Plain,
}

/// A dump of one database.
#[derive(Clone, Debug)]
pub struct Dump {
    /// The database's name.
    pub database: String,
    /// How it was dumped.
    pub form: Form,
    /// Bytes of the dump.
    pub bytes: u64,
}

/// What a server has, as far as it matters here.
#[derive(Clone, Debug, Default)]
pub struct Server {
    /// How people call it: `host:port`.
    pub name: String,
    /// Its version, as it names itself: `15.18`.
    pub version: String,
    /// The role that connects.
    pub role: String,
    /// Whether that role may create databases.
    pub may_create: bool,
    /// Its databases.
    pub databases: BTreeMap<String, Existing>,
}

/// A database that is there.
#[derive(Clone, Debug, Default)]
pub struct Existing {
    /// Bytes on disk.
    pub bytes: u64,
    /// Sessions connected to it, those of this program not counted.
    pub sessions: u64,
    /// Whether the role may rename and drop it.
    pub is_own: bool,
    /// Whether it is a template.
    pub is_template: bool,
    /// Its schemas, each with the number of relations, functions and types of the user's in it;
    /// none if it was not looked into.
    pub schemas: BTreeMap<String, u64>,
    /// Its extensions.
    pub extensions: BTreeSet<String>,
    /// Its publications.
    pub publications: BTreeSet<String>,
}

impl Existing {
    /// Whether nothing of a user's is in it.
    fn is_empty(&self) -> bool {
        self.schemas.values().sum::<u64>() == 0 && self.schemas.keys().all(|name| name == "public")
    }
}

/// What will be done.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The server, its version, and the role.
    pub server: Server,
    /// The databases, in the order of their names.
    pub steps: Vec<Step>,
}

/// What will be done to one database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The number of its dump.
    pub dump: usize,
    /// The database that will be there in the end.
    pub database: String,
    /// How it comes about.
    pub strategy: Strategy,
    /// Whether only a part of the dump is restored.
    pub partial: bool,
}

/// How a database comes about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Made under a temporary name, verified, and renamed; what is there gives way.
    Swap {
        /// Its name until then.
        temporary: String,
        /// What is there now, if anything.
        old: Option<Old>,
    },
    /// What is in the dump replaces what is in the database, in one transaction.
    InPlace {
        /// Schemas whose content is replaced.
        schemas: Vec<String>,
        /// Tables that are replaced, where only tables are wanted.
        tables: Vec<(String, String)>,
    },
}

/// A database that gives way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Old {
    /// Its name afterwards.
    pub name: String,
    /// Whether it stays under that name.
    pub keep: bool,
}

impl Plan {
    /// What is replaced in place, and so has to be saved before.
    pub fn in_place(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| matches!(step.strategy, Strategy::InPlace { .. }))
    }

    /// What a person types to go on: the database's name, or the server's where there are
    /// several.
    pub fn confirmation(&self) -> &str {
        match self.steps.as_slice() {
            [only] => &only.database,
            _ => &self.server.name,
        }
    }
}

/// Decides what to do. `suffix` makes the names of databases that are only there meanwhile.
///
/// # Errors
/// `AlreadyExists` where something stands that must not be replaced, `Denied` where the role has
/// not the right, `NotFound` and `InvalidInput` for a request that means nothing.
pub fn plan(dumps: &[Dump], server: Server, request: &Request, suffix: &str) -> Result<Plan> {
    if let ([_, _, ..], Some(name)) = (dumps, &request.into) {
        return Err(Error::new(Kind::InvalidInput, "restore into database", name)
            .because(format!("{} databases are to be restored", dumps.len()))
            .hint("choose one with --database, or leave the database out of the URL"));
    }
    let step = |(number, dump): (usize, &Dump)| {
        let database = request.into.clone().unwrap_or_else(|| dump.database.clone());
        let strategy = strategy(dump, &database, &server, request, suffix)?;
        Ok(Step { dump: number, database, strategy, partial: !request.filter.is_all() })
    };
    let steps = dumps.iter().enumerate().map(step).collect::<Result<_>>()?;
    Ok(Plan { server, steps })
}

fn strategy(
    dump: &Dump,
    database: &str,
    server: &Server,
    request: &Request,
    suffix: &str,
) -> Result<Strategy> {
    let filter = &request.filter;
    if let (Form::Plain, false) = (&dump.form, filter.is_all()) {
        return Err(Error::new(Kind::Unsupported, "restore a part of", &dump.database)
            .because("it was dumped as plain SQL, which cannot be taken apart")
            .hint("restore all of it under another name, and copy the part from there"));
    }
    if let Form::Custom(toc) = &dump.form {
        // A name that means nothing is better said now than in the middle.
        toc.chosen(filter, false)?;
    }
    let temporary = || meanwhile(database, "", suffix);
    let Some(existing) = server.databases.get(database) else {
        return match server.may_create {
            true => Ok(Strategy::Swap { temporary: temporary(), old: None }),
            false => Err(Error::new(Kind::Denied, "create database", database)
                .because(format!("role {} has not the right to create databases", server.role))
                .hint("give it CREATEDB, or let its administrator create an empty database")),
        };
    };
    if existing.is_template {
        return Err(
            Error::new(Kind::Refused, "replace database", database).because("it is a template")
        );
    }
    let is_free = database == EVERY_SERVERS && existing.is_empty();
    if !request.replace && !is_free {
        return Err(Error::new(Kind::AlreadyExists, "restore into database", database)
            .because(format!("{} has one of that name", server.name))
            .hint("--replace replaces it; a URL that names another database restores beside it"));
    }
    if filter.is_all() && server.may_create && existing.is_own {
        let old = Old { name: meanwhile(database, "old_", suffix), keep: request.keep_old };
        return Ok(Strategy::Swap { temporary: temporary(), old: Some(old) });
    }
    in_place(dump, database, filter, existing)
}

/// What is replaced where the database itself cannot be, or only a part of it is wanted.
fn in_place(dump: &Dump, database: &str, filter: &Filter, existing: &Existing) -> Result<Strategy> {
    let Form::Custom(toc) = &dump.form else {
        return match existing.is_empty() {
            true => Ok(Strategy::InPlace { schemas: Vec::new(), tables: Vec::new() }),
            false => Err(Error::new(Kind::Unsupported, "replace what is in", database)
                .because("the dump is plain SQL, which does not say what it would replace")
                .hint("empty the database first, or restore as a role that may create databases")),
        };
    };
    let name = |name: &str| name.to_owned();
    let schemas = match filter.is_all() {
        true => toc.schemas().into_iter().map(name).collect(),
        false => filter.schemas.clone(),
    };
    let tables = toc.relations(filter)?;
    let tables = tables.iter().map(|entry| (name(&entry.schema), name(&entry.tag))).collect();
    Ok(Strategy::InPlace { schemas, tables })
}

/// A name for a database that is there only meanwhile, beginning like its own.
fn meanwhile(database: &str, what: &str, suffix: &str) -> String {
    let ending = format!("_icecore_{what}{suffix}");
    let mut stem = database;
    while stem.len() + ending.len() > NAME_MAX {
        let mut letters = stem.chars();
        letters.next_back();
        stem = letters.as_str();
    }
    format!("{stem}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dump(database: &str) -> Dump {
        let toc = Toc { database: database.into(), ..Toc::default() };
        Dump { database: database.into(), form: Form::Custom(toc), bytes: 1 }
    }

    fn server(databases: &[(&str, bool)]) -> Server {
        let known = |(name, is_empty): &(&str, bool)| {
            let schemas = BTreeMap::from([("public".to_owned(), u64::from(!is_empty))]);
            (name.to_string(), Existing { is_own: true, schemas, ..Existing::default() })
        };
        Server {
            may_create: true,
            databases: databases.iter().map(known).collect(),
            ..Server::default()
        }
    }

    fn replaces(plan: &Plan) -> bool {
        plan.steps.iter().any(|step| !matches!(step.strategy, Strategy::Swap { old: None, .. }))
    }

    /// What is not there is made, what is there is replaced only when asked to, and an untouched
    /// `postgres`, which every server has, counts as not there.
    #[test]
    fn nothing_is_replaced_unasked() {
        let request = Request::default();
        let made = plan(&[dump("a")], server(&[("b", false)]), &request, "x").unwrap();
        assert!(!replaces(&made));
        for is_empty in [true, false] {
            let refused = plan(&[dump("a")], server(&[("a", is_empty)]), &request, "x");
            assert_eq!(refused.unwrap_err().kind(), Kind::AlreadyExists);
        }
        assert!(plan(&[dump("postgres")], server(&[("postgres", true)]), &request, "x").is_ok());
        assert!(plan(&[dump("postgres")], server(&[("postgres", false)]), &request, "x").is_err());
        let request = Request { replace: true, ..request };
        let replaced = plan(&[dump("a")], server(&[("a", false)]), &request, "x").unwrap();
        assert!(replaces(&replaced) && replaced.in_place().next().is_none());
    }

    /// Without the right to create, or with another's database, it is replaced in place; without
    /// one it cannot be.
    #[test]
    fn rights_decide_the_way() {
        let request = Request { replace: true, ..Request::default() };
        let mut poor = server(&[("a", false)]);
        poor.may_create = false;
        let made = plan(&[dump("a")], poor.clone(), &request, "x").unwrap();
        assert_eq!(made.in_place().count(), 1);
        let refused = plan(&[dump("b")], poor, &request, "x").unwrap_err();
        assert_eq!(refused.kind(), Kind::Denied);
        let mut foreign = server(&[("a", false)]);
        foreign.databases.get_mut("a").unwrap().is_own = false;
        assert_eq!(plan(&[dump("a")], foreign, &request, "x").unwrap().in_place().count(), 1);
    }

    /// One database may take another name, several may not.
    #[test]
    fn one_database_may_take_another_name() {
        let request = Request { into: Some("b".into()), ..Request::default() };
        let made = plan(&[dump("a")], server(&[("a", false)]), &request, "x").unwrap();
        assert_eq!(made.steps[0].database, "b");
        assert_eq!(made.confirmation(), "b");
        let refused = plan(&[dump("a"), dump("c")], server(&[]), &request, "x");
        assert_eq!(refused.unwrap_err().kind(), Kind::InvalidInput);
    }

    /// Names for the meantime fit a server's bound, whatever the database is called.
    #[test]
    fn names_for_the_meantime_fit() {
        for name in ["a".to_owned(), "n".repeat(63), "\u{e9}".repeat(31)] {
            let [temporary, old] = ["", "old_"].map(|what| meanwhile(&name, what, "0123abcd"));
            assert!(temporary.len() <= 63 && old.len() <= 63 && temporary != old);
            assert!(
                temporary.ends_with("_icecore_0123abcd") && old.ends_with("_icecore_old_0123abcd")
            );
        }
    }
}
