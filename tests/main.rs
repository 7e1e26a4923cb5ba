//! One test binary, one module for each topic.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::print_stdout
)]

mod architecture;
mod backends;
mod catalog;
mod chunk;
mod cli;
mod codec;
mod crash;
mod crypto;
mod damage;
mod disk;
mod files;
mod forgetters;
mod format;
mod given_up;
mod hands;
mod hostile;
mod hostile_restore;
mod init;
mod interrupted;
mod keys;
mod last;
mod messages;
mod model;
mod postgres;
mod series;
mod similar;
mod single;
mod sinks;
mod spec;
mod sqlite;
mod tags;
mod vectors;
mod writing;

mod common;
mod engine;
mod faults;
mod old_repositories;
mod parts;
mod reader;
mod readers;
mod remote;
mod restores;
mod room;
