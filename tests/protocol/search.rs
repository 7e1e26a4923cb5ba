//! Breadth first through all states: what is found first is found on a shortest way.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::Write;
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// What can be searched.
pub trait Model {
    type State: Copy + Hash;
    type Action: std::fmt::Display;

    fn initial(&self) -> Self::State;
    /// Every step that somebody can take, where it leads, and the promise that it breaks.
    fn steps(&self, state: &Self::State, steps: &mut Vec<Step<Self>>);
}

/// One step.
pub struct Step<M: Model + ?Sized> {
    pub action: M::Action,
    pub state: M::State,
    pub broken: Option<&'static str>,
}

/// What a search found.
pub struct Report {
    /// States that were visited; all there are, unless a promise was broken.
    pub states: usize,
    /// The length of the longest of all shortest ways, or of the way to the broken promise.
    pub depth: usize,
    /// The promise that was broken first, and the way there.
    pub broken: Option<(&'static str, String)>,
}

/// States are known by 64 bits of hash: of 10^8 states two are taken for one with a chance of 1 in
/// 3,000. Of each is kept where it was come from.
type Visited = HashMap<u64, u64, BuildHasherDefault<Spread>>;

/// Searches until a promise is broken or nothing is left.
///
/// # Panics
/// If there are more than `most` states: what was to be exhaustive would not be.
pub fn search<M: Model>(model: &M, most: usize) -> Report {
    let initial = model.initial();
    let mut visited = Visited::default();
    visited.insert(hash(&initial), 0);
    let (mut level, mut next, mut steps) = (vec![initial], Vec::new(), Vec::new());
    let mut depth = 0;
    while !level.is_empty() {
        depth += 1;
        for state in level.drain(..) {
            let from = hash(&state);
            model.steps(&state, &mut steps);
            for step in steps.drain(..) {
                if let Some(promise) = step.broken {
                    let way = way_to(model, &visited, from, &step);
                    let broken = Some((promise, way));
                    return Report { states: visited.len(), depth, broken };
                }
                if let Entry::Vacant(place) = visited.entry(hash(&step.state)) {
                    place.insert(from);
                    next.push(step.state);
                }
            }
        }
        assert!(visited.len() <= most, "more than {most} states");
        std::mem::swap(&mut level, &mut next);
    }
    Report { states: visited.len(), depth: depth - 1, broken: None }
}

/// The actions from the beginning to `last`, one in a line.
fn way_to<M: Model>(model: &M, visited: &Visited, from: u64, last: &Step<M>) -> String {
    let mut hashes = vec![from];
    while let Some(before) = hashes.last().and_then(|at| visited.get(at)).filter(|it| **it != 0) {
        hashes.push(*before);
    }
    let (mut text, mut state) = (String::new(), model.initial());
    for wanted in hashes.iter().rev().skip(1) {
        let mut steps = Vec::new();
        model.steps(&state, &mut steps);
        let step = steps.into_iter().find(|step| hash(&step.state) == *wanted).unwrap();
        writeln!(text, "  {}", step.action).unwrap();
        state = step.state;
    }
    writeln!(text, "  {}", last.action).unwrap();
    text
}

fn hash(state: &impl Hash) -> u64 {
    let mut hasher = Spread::default();
    state.hash(&mut hasher);
    hasher.finish()
}

/// Multiplies and rotates: quick, and nobody attacks it.
#[derive(Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.write_u64(u64::from(byte));
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn write_isize(&mut self, word: isize) {
        self.write_u64(word.unsigned_abs() as u64);
    }

    fn finish(&self) -> u64 {
        let mixed = (self.0 ^ (self.0 >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        mixed ^ (mixed >> 32)
    }
}
