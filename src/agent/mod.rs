//! Unattended backups: a file of jobs that says what is backed up, and runs that do it. It calls the
//! operations as the user interface does, and what the program around it has (secrets, caches, a
//! voice) is handed to it.

pub mod alert;
pub mod config;
pub mod daemon;
pub mod history;
pub mod metrics;
pub mod run;
pub mod schedule;
pub mod status;
pub mod units;

mod report;
mod shell;
mod stop;

pub use stop::{run_as_guard, start_stopped};
