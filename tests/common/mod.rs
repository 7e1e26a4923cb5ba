//! What tests share: a repository that checks itself when dropped, sources made of memory,
//! real servers, and seeded chance.

pub mod chance;
pub mod forge;
pub mod memory;
pub mod postgres;
pub mod repo;
