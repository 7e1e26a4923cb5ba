//! Databases back into a PostgreSQL server. [`plan`] decides, [`carry_out`] does: a database is
//! made beside, filled, verified and renamed, or its content is replaced in one transaction.

mod carry;
mod choose;
mod feed;
mod globals;
mod link;
mod make;
mod older;
mod plan;
mod server;
mod sql;
mod toc;
mod verify;
mod within;

pub use carry::{Done, Dumps, How, carry_out};
pub use choose::Wanted;
pub use globals::{Globals, Known, apply, missing};
pub use link::Link;
pub use make::Keep;
pub use plan::{Dump, Existing, Form, Old, Plan, Request, Server, Step, Way, plan};
pub use server::{known, look};
pub use toc::{Entry, Toc};
