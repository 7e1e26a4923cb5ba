//! Placing the pieces of a new list against those of its parent, by the pieces they share.
