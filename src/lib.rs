//! icecore: backups made for databases.

pub mod backend;
pub mod chunk;
pub mod codec;
pub mod crypto;
pub mod env;
pub mod error;
pub mod format;
pub mod id;
pub mod limits;
pub mod monitor;
pub mod ops;
pub mod postgres;
pub mod repo;
pub mod sink;
pub mod source;
pub mod stream;
pub mod ui;
