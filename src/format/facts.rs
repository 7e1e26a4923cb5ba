//! What a part records of its source, by the kind of it: written into a snapshot as texts by name.

use super::snapshot::{Part, PartKind};
use std::collections::BTreeMap;

/// Facts of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum PartFacts {
    /// There is nothing to say.
    #[default]
    None,
    /// The program whose output was captured.
    Command(String),
    /// A server whose databases were dumped.
    Server(ServerFacts),
}

/// What is known of a PostgreSQL server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerFacts {
    /// Its version, as it names itself.
    pub version: String,
    /// The version of `pg_dump`.
    pub pg_dump: String,
    /// The databases that were dumped, escaped as in the names of their entries.
    pub databases: Vec<String>,
    /// What tells it from others, where it says so.
    pub system_identifier: Option<String>,
}

/// The fact that lists the databases of a part of kind `postgres-dump`.
const DATABASES: &str = "databases";
/// What parts them; their escaped names have no comma.
const SEPARATOR: &str = ", ";

impl PartFacts {
    /// The texts of the record.
    pub fn into_texts(self) -> BTreeMap<String, String> {
        let texts = match self {
            PartFacts::None => Vec::new(),
            PartFacts::Command(program) => vec![("command", program)],
            PartFacts::Server(facts) => {
                let mut texts = vec![
                    ("server", facts.version),
                    ("pg_dump", facts.pg_dump),
                    (DATABASES, facts.databases.join(SEPARATOR)),
                ];
                texts.extend(facts.system_identifier.map(|text| ("system_identifier", text)));
                texts
            }
        };
        texts.into_iter().map(|(name, text)| (name.to_owned(), text)).collect()
    }
}

impl Part {
    /// An entry is no longer in it: if it was that of a database, the facts do not list it any more.
    pub fn leave_out(&mut self, entry: &[u8]) {
        let listed: Vec<String> = self.databases().map(str::to_owned).collect();
        let folder = [self.path.as_slice(), b"/databases/"].concat();
        let Some(entry) = entry.strip_prefix(folder.as_slice()) else { return };
        let is_it = |name: &str| {
            let suffix = entry.strip_prefix(name.as_bytes());
            suffix.is_some_and(|suffix| matches!(suffix, b".dump" | b".sql"))
        };
        if listed.iter().any(|name| is_it(name)) {
            let rest: Vec<String> = listed.into_iter().filter(|name| !is_it(name)).collect();
            self.facts.insert(DATABASES.to_owned(), rest.join(SEPARATOR));
        }
    }

    /// The databases of a server that are in it, escaped as in the names of their entries.
    pub fn databases(&self) -> impl Iterator<Item = &str> {
        let listed = self.facts.get(DATABASES).filter(|_| self.kind == PartKind::PostgresDump);
        listed.into_iter().flat_map(|names| names.split(SEPARATOR))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Time;
    use crate::format::directory::{Metadata, Node, NodeKind};
    use std::collections::BTreeSet;

    /// What is left out is no longer listed, and nothing else is.
    #[test]
    fn what_is_left_out_is_not_listed() {
        let databases = ["shop", "shop.old", "crm"].map(str::to_owned).to_vec();
        let facts = PartFacts::Server(ServerFacts { databases, ..ServerFacts::default() });
        let root = Node {
            name: b"db".to_vec(),
            kind: NodeKind::Fifo,
            meta: Metadata::default(),
            stamp: None,
            taint: None,
        };
        let mut part = Part {
            kind: PartKind::PostgresDump,
            path: b"/postgres/db".to_vec(),
            selection: BTreeSet::new(),
            parents: BTreeSet::new(),
            root,
            started: Time(0),
            finished: Time(0),
            facts: facts.into_texts(),
            tainted: 0,
            taints: Vec::new(),
            incomplete: false,
        };
        for entry in ["/postgres/db/globals.sql", "/postgres/db/databases/shop.dump", "/other"] {
            part.leave_out(entry.as_bytes());
        }
        assert_eq!(part.databases().collect::<Vec<_>>(), ["shop.old", "crm"]);
    }
}
