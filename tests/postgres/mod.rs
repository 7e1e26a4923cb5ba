//! PostgreSQL: its dumps stored and brought back, against real servers of two versions.

mod archives;
mod desk;
mod failing;
mod restoring;
mod rig;
mod whole;
mod within;
