//! icecore: backups made for databases.
//!
//! The rooms, from the user down to the bytes. Each uses only rooms below it, and never a
//! neighbour's inside; a test keeps it so.
//!
//! | room | what it is |
//! |---|---|
//! | [`ui`] | arguments, text and JSON, progress, exit codes: all that speaks to people |
//! | [`ops`] | one file or folder for each verb: joins the rooms below |
//! | [`source`] | bytes out of the world: files, SQLite databases, PostgreSQL dumps, streams |
//! | [`sink`] | bytes back into the world |
//! | [`stream`] | contents, lists and directories as chunks |
//! | [`repo`] | chunks and records by name: reading, writing, dedup, keys, snapshots |
//! | [`chunk`] | where content is cut, and what may stand in an old chunk's place |
//! | [`codec`] | chunks to frames: deltas and compression |
//! | [`crypto`] | keys, ids and seals |
//! | [`backend`] | keeps objects: in a folder, in memory |
//! | [`postgres`] | speaks with PostgreSQL servers and runs their tools |
//! | [`mod@format`] | values to bytes and back, as `format-spec/` says: no I/O, no keys, no clock |
//! | [`id`] [`error`] [`limits`] [`env`](mod@env) [`monitor`] | what all rooms share: names, errors, bounds, clock and chance, progress |
//!
//! The program is [`ui::run`]; whoever embeds the engine begins with [`repo::Repository`], and
//! [`ops::backup`], [`ops::restore`], [`ops::check`] and [`ops::forget`].

pub mod backend;
pub mod chunk;
pub mod codec;
pub mod crypto;
pub mod env;
pub mod error;
pub mod format;
pub mod id;
pub mod limits;
pub mod monitor;
pub mod ops;
pub mod postgres;
pub mod repo;
pub mod sink;
pub mod source;
pub mod stream;
pub mod ui;
