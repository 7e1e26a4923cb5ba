//! Patterns of paths as flags give them: on the command line or in files, with or without regard to
//! the size of letters.

use crate::error::Result;
use crate::source::files::{Excludes, Pattern};
use std::path::PathBuf;

/// The patterns of one purpose.
pub struct Patterns<'a> {
    /// Those on the command line.
    pub given: &'a [String],
    /// Files with one in each line.
    pub files: &'a [PathBuf],
    /// The same, whether letters are large or small.
    pub any_case: &'a [String],
    /// See `any_case`.
    pub any_case_files: &'a [PathBuf],
}

impl Patterns<'_> {
    /// All of them.
    pub fn read(&self) -> Result<Excludes> {
        let mut patterns: Vec<Pattern> = self.given.iter().map(Pattern::from).collect();
        for file in self.files {
            patterns.extend(Excludes::patterns_in(file)?.into_iter().map(Pattern::from));
        }
        patterns.extend(self.any_case.iter().map(Pattern::of_any_case));
        for file in self.any_case_files {
            patterns.extend(Excludes::patterns_in(file)?.into_iter().map(Pattern::of_any_case));
        }
        Excludes::new(patterns)
    }
}
