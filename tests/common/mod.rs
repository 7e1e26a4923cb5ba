//! What tests share: a repository that checks itself when dropped, sources made of memory,
//! stores that keep a record, real servers, and seeded chance.

pub mod chance;
pub mod desk;
pub mod forge;
pub mod memory;
pub mod postgres;
pub mod recorder;
pub mod repo;
