//! Folders in which database servers keep their data: copied while the server writes, their files are of
//! many moments, and no database.

use crate::error::{Error, Kind};
use std::path::Path;

/// What stands in such a folder, whose it is, and what is to be done.
const SERVERS: [(&str, &str, &str); 4] = [
    (
        "PG_VERSION",
        "PostgreSQL",
        "dump it: `postgres-dump:URL`, or `container:NAME` or `compose:PROJECT` where it runs in a container",
    ),
    (
        "ibdata1",
        "MySQL or MariaDB",
        "dump it: `{ command = \"mysqldump ..\", name = \"NAME.sql\" }`",
    ),
    (
        "WiredTiger",
        "MongoDB",
        "dump it: `{ command = \"mongodump --archive ..\", name = \"NAME.archive\" }`",
    ),
    ("appendonlydir", "Redis or Valkey", "stop it for the capture: `stop`"),
];

/// Why a folder is refused in which some of these names are there.
pub(super) fn refused(folder: &Path, is_there: impl Fn(&str) -> bool) -> Option<Error> {
    let (_, server, hint) = SERVERS.into_iter().find(|(name, ..)| is_there(name))?;
    Some(
        Error::new(Kind::Refused, "capture", folder.display())
            .because(format!("it looks like the data of {server}, which writes there: its files alone are no database"))
            .hint(format!("{hint}; or leave it out by `exclude`, a volume as `volume:NAME`; or say `raw = true`, if nothing writes there")),
    )
}
