//! What tests share: a repository that checks itself when dropped, sources made of memory, targets in
//! folders, stores that keep a record, copies of stores, real servers, seeded
//! chance, and a voice for what cannot be run.

pub mod aloud;
pub mod azurite;
pub mod certificates;
pub mod chance;
pub mod chunks;
pub mod cli;
pub mod engine;
pub mod forge;
pub mod kept;
pub mod machine;
pub mod meanwhile;
pub mod memory;
pub mod postgres;
pub mod program;
pub mod proxy;
pub mod rclone;
pub mod receiver;
pub mod recorder;
pub mod repo;
pub mod s3;
pub mod seaweed;
pub mod smtp;
pub mod sshd;
pub mod stores;
pub mod target;
