//! Bytes back into the world.

pub mod files;
