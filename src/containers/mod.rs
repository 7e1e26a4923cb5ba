//! Container engines, Docker's and Podman's, by Docker's API over a Unix socket: which containers and
//! volumes there are, what of them lies on this machine, programs that run in them, and services that are
//! stopped and started.
//!
//! The calls used, for proxies that let through only some: `GET /version`, `/containers/json`,
//! `/containers/ID/json`, `/volumes/NAME`, `/images/ID/json`, `/exec/ID/json`; for PostgreSQL
//! `POST /containers/ID/exec` and `/exec/ID/start`; for services that are stopped
//! `POST /containers/ID/stop` and `/containers/ID/start`.

mod container;
mod engine;
mod exec;
mod mounts;
mod options;
mod own_container;
mod services;
mod source;
mod states;
mod volume;

pub use engine::Engine;
pub use exec::{prefix, run_as_exec};
pub use mounts::{Folder, Server};
pub use options::CaptureOptions;
pub use own_container::refuse_unmounted;
pub use services::{Service, StartOutcome};
pub use source::{ContainerSource, ResolvedSource};
