//! Databases back into a PostgreSQL server. [`plan`] decides, [`execute`] does: a database is
//! made under a temporary name, filled, verified and renamed, or its content is replaced in one transaction.

mod compat;
mod connection;
mod create_database;
mod execute;
mod globals;
mod in_place;
mod plan;
mod server;
mod sql;
mod toc;
mod toc_filter;
mod tool;
mod verify;

pub use connection::Connection;
pub use create_database::Keep;
pub use execute::{Dumps, Options, Outcome, execute};
pub use globals::{Globals, apply, missing};
pub use plan::{Dump, Form, Plan, Request, Step, Strategy, plan};
pub use server::{known, look};
pub use toc::Toc;
pub use toc_filter::Filter;
