//! The verbs that only read, over memory.

mod damage;
mod diff;
mod find;
mod ls;
mod reach;
mod rows;
mod stats;

use crate::common::memory::Tree;
use icecore::env::Env;
use icecore::env::Time;
use icecore::error::Error;
use icecore::error::Result;
use icecore::ops::find::FindOptions;

pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let (env, _) = Env::seeded(seed, Time(0));
    let key: [u8; 32] = env.random().unwrap();
    let mut bytes = vec![0; length];
    blake3::Hasher::new_keyed(&key).finalize_xof().fill(&mut bytes);
    bytes
}

pub fn text(path: &[u8]) -> String {
    String::from_utf8(path.to_vec()).unwrap()
}

pub fn no_trouble(error: Error) -> Result<()> {
    panic!("{error}")
}

/// `a/one` 100, `a/two.db` 200, `b/c/three.log` 300, `b/four` 400 bytes.
pub fn small() -> Tree {
    let mut tree = Tree::default();
    for (path, seed, length) in
        [("a/one", 1, 100), ("a/two.db", 2, 200), ("b/c/three.log", 3, 300), ("b/four", 4, 400)]
    {
        tree.put(path, noise(seed, length));
    }
    tree
}

pub fn named(patterns: &[&str]) -> FindOptions {
    let patterns = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
    FindOptions { patterns, ..FindOptions::default() }
}
