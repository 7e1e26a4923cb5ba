//! Works when nobody is there: a file that says what is backed up, and runs that do it. It calls the
//! operations as the user interface does, and what the program around it has (secrets, caches, a
//! voice) is handed to it.

pub mod config;
pub mod run;
pub mod schedule;

mod shell;
mod stop;

pub use stop::run_as_guard;
