//! Names of users and groups, as the machine's own files give them.

use std::collections::HashMap;
use std::fs;

/// Names by number. Accounts of a directory service have none here; numbers suffice.
pub(super) struct Owners {
    users: HashMap<u32, String>,
    groups: HashMap<u32, String>,
}

impl Owners {
    /// Reads `/etc/passwd` and `/etc/group`, once for a walk.
    pub(super) fn of_this_machine() -> Self {
        Owners { users: names_in("/etc/passwd"), groups: names_in("/etc/group") }
    }

    /// Name of a user.
    pub(super) fn user(&self, uid: u32) -> Option<String> {
        self.users.get(&uid).cloned()
    }

    /// Name of a group.
    pub(super) fn group(&self, gid: u32) -> Option<String> {
        self.groups.get(&gid).cloned()
    }
}

fn names_in(path: &str) -> HashMap<u32, String> {
    let mut names = HashMap::new();
    for line in String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).lines() {
        let mut fields = line.split(':');
        if let (Some(name), _, Some(number)) = (fields.next(), fields.next(), fields.next())
            && let Ok(number) = number.parse()
        {
            // The first name of a number counts, as it does for the system.
            names.entry(number).or_insert_with(|| name.to_owned());
        }
    }
    names
}
