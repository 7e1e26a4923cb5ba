//! PostgreSQL: its dumps stored and brought back, against real servers of two versions.

mod archives;
mod cli;
mod copied;
mod dumps;
mod failing;
mod refused;
mod restoring;
mod rig;
mod secrets;
mod settings;
mod store;
mod tls;
mod turns;
mod whole;
mod within;
