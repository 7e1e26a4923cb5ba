//! What a new user's hands try: words of another program, lists of sources, a terminal.

mod sources;
mod terminal;
mod words;
