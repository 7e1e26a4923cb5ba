//! A database as a whole: the statements that make it like the one that was dumped, and give it
//! that one's owner, settings, comment and rights.

use crate::format::database::{PostgresFacts, PostgresSetting};
use crate::postgres::{literal, quoted};

/// Parameters whose value is a list of names, each of which is quoted apart
/// (`variable_is_guc_list_quote` of PostgreSQL's `dumputils.c`).
const LISTS: [&str; 6] = [
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "shared_preload_libraries",
    "temp_tablespaces",
    "unix_socket_directories",
];

/// The statement that makes an empty database of this name, with the dumped one's encoding and
/// locale, on a server of version `server` (150018 is 15.18).
pub fn create(
    name: &str,
    facts: Option<&PostgresFacts>,
    tablespace: Option<&str>,
    server: u32,
) -> String {
    let mut statement = format!("CREATE DATABASE {} TEMPLATE template0", quoted(name));
    if let Some(tablespace) = tablespace {
        statement.push_str(&format!(" TABLESPACE {}", quoted(tablespace)));
    }
    let Some(facts) = facts else { return statement };
    let mut option = |name: &str, value: &str| {
        if !value.is_empty() {
            statement.push_str(&format!(" {name} {}", literal(value)));
        }
    };
    option("ENCODING", &facts.encoding);
    option("LC_COLLATE", &facts.collate);
    option("LC_CTYPE", &facts.ctype);
    if server >= 150_000 && !facts.provider.is_empty() {
        option("LOCALE_PROVIDER", &facts.provider);
        let locale = facts.locale.as_deref().unwrap_or_default();
        match facts.provider.as_str() {
            "icu" => option("ICU_LOCALE", locale),
            "builtin" => option("BUILTIN_LOCALE", locale),
            _ => {}
        }
        if let Some(rules) = &facts.icu_rules {
            option("ICU_RULES", rules);
        }
    }
    statement
}

/// What of the dumped database's own properties comes back.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// Its owner.
    pub owner: bool,
    /// Its rights.
    pub rights: bool,
}

/// The statements that give the database `name` what the dumped one had besides its content.
pub fn properties(name: &str, facts: &PostgresFacts, keep: Keep) -> Vec<String> {
    let database = quoted(name);
    let mut statements = Vec::new();
    let owner = Some(&facts.owner).filter(|owner| keep.owner && !owner.is_empty());
    if let Some(owner) = owner {
        statements.push(format!("ALTER DATABASE {database} OWNER TO {}", quoted(owner)));
    }
    if let Some(comment) = &facts.comment {
        statements.push(format!("COMMENT ON DATABASE {database} IS {}", literal(comment)));
    }
    if let Some(limit) = facts.connection_limit {
        statements.push(format!("ALTER DATABASE {database} CONNECTION LIMIT {limit}"));
    }
    statements.extend(facts.settings.iter().map(|setting| set(&database, setting)));
    if let (true, Some(acl)) = (keep.rights, &facts.acl) {
        statements.push(format!("REVOKE ALL ON DATABASE {database} FROM PUBLIC"));
        let revoke =
            |owner: &String| format!("REVOKE ALL ON DATABASE {database} FROM {}", quoted(owner));
        statements.extend(owner.map(revoke));
        statements.extend(acl.iter().flat_map(|item| grants(&database, item)));
    }
    statements
}

fn set(database: &str, setting: &PostgresSetting) -> String {
    let whose = match &setting.role {
        Some(role) => format!("ROLE {} IN DATABASE {database}", quoted(role)),
        None => format!("DATABASE {database}"),
    };
    let value = match LISTS.contains(&setting.name.to_ascii_lowercase().as_str()) {
        true => {
            list(&setting.value).iter().map(|name| literal(name)).collect::<Vec<_>>().join(", ")
        }
        false => literal(&setting.value),
    };
    // An empty list is written as an empty name.
    let value = if value.is_empty() { "''".to_owned() } else { value };
    let name = setting.name.split('.').map(quoted).collect::<Vec<_>>().join(".");
    format!("ALTER {whose} SET {name} TO {value}")
}

/// The names of a list: parted by commas, some of them in quotes.
fn list(value: &str) -> Vec<String> {
    let (mut names, mut name, mut inside) = (Vec::new(), String::new(), false);
    let mut letters = value.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '"' if inside && letters.next_if_eq(&'"').is_some() => name.push('"'),
            '"' => inside = !inside,
            ',' if !inside => names.push(std::mem::take(&mut name)),
            ' ' if !inside => {}
            other => name.push(other),
        }
    }
    if !name.is_empty() || !names.is_empty() {
        names.push(name);
    }
    names
}

/// What an `aclitem` (`grantee=rights/grantor`) grants on a database.
fn grants(database: &str, item: &str) -> Vec<String> {
    let (grantee, rest) = grantee(item);
    let rights = rest.split('/').next().unwrap_or_default();
    let whom = if grantee.is_empty() { "PUBLIC".to_owned() } else { quoted(&grantee) };
    let mut statements = Vec::new();
    let mut letters = rights.chars().peekable();
    while let Some(letter) = letters.next() {
        let right = match letter {
            'C' => "CREATE",
            'c' => "CONNECT",
            'T' => "TEMPORARY",
            _ => continue,
        };
        let option = letters.next_if_eq(&'*').map_or("", |_| " WITH GRANT OPTION");
        statements.push(format!("GRANT {right} ON DATABASE {database} TO {whom}{option}"));
    }
    statements
}

/// The role before the `=` of an `aclitem`, in quotes if it needs them, and what follows.
fn grantee(item: &str) -> (String, &str) {
    let (mut name, mut inside) = (String::new(), false);
    let mut letters = item.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' if inside && letters.next_if(|(_, next)| *next == '"').is_some() => name.push('"'),
            '"' => inside = !inside,
            '=' if !inside => return (name, item.get(at + 1..).unwrap_or_default()),
            other => name.push(other),
        }
    }
    (name, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lists of names keep names in quotes whole.
    #[test]
    fn lists_are_taken_apart() {
        assert_eq!(list("a, \"b, \"\"c\", \"$user\""), ["a", "b, \"c", "$user"]);
        assert_eq!(list(""), Vec::<String>::new());
        let setting =
            PostgresSetting { role: None, name: "search_path".into(), value: "\"\"".into() };
        assert_eq!(set("d", &setting), "ALTER DATABASE d SET \"search_path\" TO ''");
    }

    /// Rights are granted as they were, options and strange names included.
    #[test]
    fn rights_are_granted_again() {
        assert_eq!(
            grants("d", "\"a=\"\"b\"=C*c/postgres"),
            [
                "GRANT CREATE ON DATABASE d TO \"a=\"\"b\" WITH GRANT OPTION",
                "GRANT CONNECT ON DATABASE d TO \"a=\"\"b\"",
            ]
        );
        assert_eq!(grants("d", "=T/x"), ["GRANT TEMPORARY ON DATABASE d TO PUBLIC"]);
    }
}
