//! Bytes back into the world.

pub mod files;
pub mod postgres;
pub mod sqlite;
