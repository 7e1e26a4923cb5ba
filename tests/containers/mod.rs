//! What containers hold, captured from real ones: volumes, mounts, databases, whole Compose projects; and
//! services that stand still meanwhile.

mod image;
mod project;
mod refused;
mod restarts;
mod sources;
mod stop;
