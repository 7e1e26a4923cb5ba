//! Jobs: the file that says what is backed up, runs of it, and services that stand still meanwhile.

mod agenda;
mod agent;
mod beside;
mod checked;
mod config;
mod draft;
pub mod file;
pub mod history;
mod lost;
mod named;
mod overdue;
mod pins;
mod places;
mod reports;
mod resolved;
mod run;
mod service;
pub mod status;
mod stop;
mod systemd;
mod units;
