//! Keys and seals: the keyring and the slots that wrap it, ids, sealed blobs, sealed objects and
//! the configuration's MAC. Chapters 3 and 4 of `format-spec/` are the promise of this room.

mod cache;
mod config;
mod ids;
mod kdf;
mod keyring;
pub mod object;
mod seal;
pub mod slot;

pub use cache::{BLOCK_MAC, CacheKeys};
pub use config::{config_mac, open_config};
pub use ids::Ids;
pub use kdf::{KdfCost, Secret, work_of};
pub use keyring::{Key, Keyring, Purpose};
pub use seal::{Decryptor, Sealer};
