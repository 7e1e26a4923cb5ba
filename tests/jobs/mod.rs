//! Jobs: the file that says what is backed up, runs of it, and services that stand still meanwhile.

mod config;
mod file;
mod run;
mod stop;
