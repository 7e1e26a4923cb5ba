//! One file for each verb of the user; the only room that joins the others.

pub mod backup;
