//! Alerts: what is told, when, by which ways, and what a way that does not work harms, which is nothing.

mod changes;
mod problems;
mod runs;
mod ways;
