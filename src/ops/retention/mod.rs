//! Which snapshots a policy keeps, and why: decided from what is known of them alone, without the
//! store and without the clock.
//!
//! A policy is a list of rules, and each keeps snapshots for itself: what any rule keeps stays. A
//! rule counts the newest snapshots, or the newest one of each hour, day, week, month or year, so
//! many of them or within an age. An age counts back from the newest snapshot of the series, so that
//! a series that nobody continues loses nothing by it.

mod age;
mod judge;
mod period;
mod policy;
mod preset;
mod verdict;

pub use age::Age;
pub use judge::{Candidate, judge};
pub use period::Period;
pub use policy::{Bound, Policy, Rule};
pub use preset::{PRESETS, Preset, preset};
pub use verdict::{Miss, Reason, Verdict};
