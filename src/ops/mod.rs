//! One file for each verb of the user; the only room that joins the others.

pub mod amount;
pub mod backup;
pub mod check;
pub mod copy;
pub mod damage;
pub mod diff;
pub mod doctor;
pub mod dump;
pub mod find;
pub mod forget;
pub mod head;
pub mod heads;
pub mod ls;
pub mod mirror;
pub mod prune;
pub mod reach;
pub mod repair;
pub mod restore;
pub mod retention;
pub mod select;
pub mod series;
pub mod stats;
pub mod tag_list;
pub mod tree;

mod past;
mod path;
mod times;
