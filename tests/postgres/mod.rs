//! PostgreSQL: its dumps stored and brought back, against real servers of two versions.

mod rig;
