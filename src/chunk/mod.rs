//! Cutting streams into chunks where their content says so, and finding the older chunks that a
//! new one resembles: by place (align), by content (similar).

pub mod align;
mod cut;
pub mod reuse;
pub mod similar;

#[cfg(feature = "testing")]
pub use cut::Params;
pub use cut::{Chunker, FOREIGN};
