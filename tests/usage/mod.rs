//! What a new user tries: words of another program, lists of sources, a terminal.

mod sources;
mod terminal;
mod words;
