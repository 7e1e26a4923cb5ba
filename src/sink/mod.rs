//! Bytes back into the world.

pub mod files;
mod moves;
pub mod postgres;
pub mod sqlite;
mod temporary;
