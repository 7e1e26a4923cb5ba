//! What tests share: a repository that checks itself when dropped, and sources made of memory.

pub mod memory;
pub mod repo;
