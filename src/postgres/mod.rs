//! PostgreSQL servers: where they are, a session on one, and the tools that dump and restore.

pub mod catalog;
mod client;
mod pattern;
mod psql;
mod secret;
pub mod settings;
mod sqlstate;
mod tls;
pub mod tools;

pub use client::{Client, Row, unconverted};
pub use pattern::Pattern;
pub use secret::Secret;
pub use settings::{Environment, Settings};
pub use sqlstate::NOT_HANDED_ON;
pub use tools::{ToolOptions, Tools, words};

/// A version as people write it, from `server_version_num`: 150018 is 15.18.
pub fn version_text(number: u32) -> String {
    format!("{}.{}", number / 10_000, number % 10_000)
}

/// A name as SQL quotes it.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as SQL quotes it, whatever `standard_conforming_strings` says.
pub fn literal(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('\'', "''");
    format!(" E'{escaped}'")
}
