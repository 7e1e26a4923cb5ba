//! One test binary, one module for each topic, in groups: a new test goes where its question is asked.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::print_stdout
)]

// The house: rooms, lengths of files, what nobody leaves behind.
mod architecture;

// The format, its text, its vectors, and a reader by the text alone.
mod format;
mod old_repositories;
mod reader;
mod spec;
mod vectors;

// One room by itself: cutting, coding, keys, stores, writing, sinks.
mod backends;
mod chunk;
mod codec;
mod crypto;
mod remote;
mod requests;
mod similar;
mod sinks;
mod stores;
mod writing;

// What goes in comes out: files, databases, several parts, and what each costs.
mod archives;
mod doctor;
mod engine;
mod files;
mod last;
mod model;
mod parts;
mod postgres;
mod restores;
mod series;
mod sqlite;
mod warm;

// A repository's life: keys, the list of snapshots, tags, giving up, several at once.
mod cache;
mod catalog;
mod copies;
mod forgetters;
mod git;
mod given_up;
mod init;
mod keys;
mod prune;
mod readers;
mod repair;
mod retention;
mod room;
mod single;
mod tags;

// What goes wrong: damage in the repository, faults of the machine, attacks.
mod damage;
mod faults;
mod heads;
mod hostile;
mod hostile_restore;
mod ledger;

// What chapter 11 promises, in every order of everybody's requests; and the real code, in many orders.
mod protocol;
mod sim;

// What is done when nobody is there: the file, runs of jobs, what is stopped meanwhile, containers, who is told, the page.
mod alerts;
mod containers;
mod jobs;
mod panel;

// The program as people use it.
mod cli;
mod messages;
mod usage;

mod common;
