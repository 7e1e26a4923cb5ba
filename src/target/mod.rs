//! Bytes back into the world.
