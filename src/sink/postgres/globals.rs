//! Roles and tablespaces: those of a script of `pg_dumpall --globals-only` that a server has not
//! got yet.

use super::Connection;
use super::sql::{statements, words};
use crate::error::{Error, Result};
use std::collections::BTreeSet;

/// What a server has of them.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Its roles.
    pub roles: BTreeSet<String>,
    /// Its tablespaces.
    pub tablespaces: BTreeSet<String>,
}

/// What a script means for a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Globals {
    /// Statements about roles, for one transaction.
    pub roles: Vec<String>,
    /// Statements about tablespaces, each for itself.
    pub tablespaces: Vec<String>,
    /// Roles that will be made.
    pub made: Vec<String>,
    /// Roles and tablespaces that are there, and stay as they are.
    pub kept: Vec<String>,
}

/// Which statements of the script say something about what is not there yet.
pub fn missing(script: &str, known: &Known) -> Globals {
    let mut globals = Globals::default();
    for statement in statements(script) {
        let words = words(&statement);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let is_creation = words.first() == Some(&"CREATE");
        match topic(&words) {
            Topic::Role(name) if known.roles.contains(name) => {
                globals.kept.extend(is_creation.then(|| format!("role {name}")));
            }
            Topic::Role(name) => {
                globals.made.extend(is_creation.then(|| name.to_owned()));
                globals.roles.push(statement);
            }
            Topic::Tablespace(name) if known.tablespaces.contains(name) => {
                globals.kept.extend(is_creation.then(|| format!("tablespace {name}")));
            }
            Topic::Tablespace(_) => globals.tablespaces.push(statement),
            Topic::Membership { group, member } => {
                if !known.roles.contains(group) || !known.roles.contains(member) {
                    globals.roles.push(statement);
                }
            }
            Topic::Other => {}
        }
    }
    globals
}

/// What a statement is about.
enum Topic<'w> {
    Role(&'w str),
    Tablespace(&'w str),
    /// One role made a member of another.
    Membership {
        group: &'w str,
        member: &'w str,
    },
    /// The script's own session, and rights on parameters, which are the server's.
    Other,
}

fn topic<'w>(words: &[&'w str]) -> Topic<'w> {
    match words {
        ["CREATE" | "ALTER", "ROLE", name, ..] | ["COMMENT", "ON", "ROLE", name, ..] => {
            Topic::Role(name)
        }
        ["CREATE" | "ALTER", "TABLESPACE", name, ..]
        | ["COMMENT", "ON", "TABLESPACE", name, ..] => Topic::Tablespace(name),
        ["GRANT" | "REVOKE", rest @ ..] if rest.contains(&"ON") => {
            let mut after = rest.iter().skip_while(|word| **word != "ON").skip(1);
            match (after.next(), after.next()) {
                (Some(&"TABLESPACE"), Some(name)) => Topic::Tablespace(name),
                _ => Topic::Other,
            }
        }
        ["GRANT", group, "TO", member, ..] => Topic::Membership { group, member },
        _ => Topic::Other,
    }
}

/// Makes what is missing: all roles or none, then the tablespaces.
pub fn apply(connection: &Connection, globals: &Globals) -> Result<()> {
    let mut session = connection.any_session()?;
    // The statements may hold passwords: what fails is named by its place.
    let told = |error: Error| error.within("restore", "roles and tablespaces");
    session.execute("BEGIN")?;
    for statement in &globals.roles {
        session.execute(statement).map_err(told)?;
    }
    session.execute("COMMIT")?;
    globals.tablespaces.iter().try_for_each(|statement| session.execute(statement).map_err(told))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = "SET client_encoding = 'UTF8';\nCREATE ROLE a;\nALTER ROLE a WITH LOGIN;\n\
        CREATE ROLE \"b c\";\nALTER ROLE \"b c\" WITH LOGIN PASSWORD 'x;y';\nALTER ROLE a SET x TO '1';\n\
        COMMENT ON ROLE a IS 'x';\nGRANT a TO \"b c\" WITH INHERIT TRUE GRANTED BY postgres;\n\
        CREATE TABLESPACE t OWNER a LOCATION '/x';\nGRANT ALL ON TABLESPACE t TO \"b c\";\n";

    /// All of it is said to a server that has nothing, save the script's own settings.
    #[test]
    fn an_empty_server_gets_everything() {
        let globals = missing(SCRIPT, &Known::default());
        assert_eq!(globals.made, ["a", "b c"]);
        assert_eq!((globals.roles.len(), globals.tablespaces.len()), (7, 2));
        assert!(globals.kept.is_empty());
    }

    /// Of a role or tablespace that is there nothing changes.
    #[test]
    fn what_is_there_stays() {
        let names = |names: &[&str]| names.iter().map(|name| name.to_string()).collect();
        let mut known = Known { roles: names(&["a"]), tablespaces: names(&["t"]) };
        let globals = missing(SCRIPT, &known);
        assert_eq!((globals.made.as_slice(), globals.kept.len()), (&["b c".to_owned()][..], 2));
        assert_eq!((globals.roles.len(), globals.tablespaces.len()), (3, 0));
        known.roles = names(&["a", "b c"]);
        let globals = missing(SCRIPT, &known);
        assert!(globals.roles.is_empty() && globals.kept.len() == 3);
    }
}
