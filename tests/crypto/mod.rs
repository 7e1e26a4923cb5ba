//! Keys and seals: what opens, what is refused, and with which kind of error.

mod keys;
mod seals;

use icecore::crypto::{KdfCost, Keyring, Secret};
use icecore::env::{Env, Time};
use icecore::error::{Kind, Result};
use icecore::id::RepoId;
use zeroize::Zeroizing;

const SEED: u64 = 4711;
const REPOSITORY: RepoId = RepoId([1; 16]);
const OTHER: RepoId = RepoId([2; 16]);
const SALT: [u8; 32] = [3; 32];
/// The least that is accepted, for speed.
const CHEAP: KdfCost = KdfCost { memory_kib: 19 << 10, passes: 2, lanes: 1 };

fn env() -> Env {
    Env::seeded(SEED, Time(1_000)).0
}

fn keyring() -> Keyring {
    Keyring::generate(&env()).unwrap()
}

fn passphrase(text: &str) -> Secret {
    Secret::Passphrase(Zeroizing::new(text.to_owned()))
}

fn key_file(byte: u8) -> Secret {
    Secret::KeyFile(Zeroizing::new([byte; 32]))
}

fn kind_of<T>(result: Result<T>) -> Option<Kind> {
    result.err().map(|error| error.kind())
}

/// Every way to flip one bit.
fn flips(bytes: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> {
    (0..bytes.len() * 8).map(|bit| {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        (bit, flipped)
    })
}
