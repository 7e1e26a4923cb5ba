//! The seeded generator of the vectors.

mod more;
mod objects;
mod outcomes;
mod packs;
mod sealed;
mod trees;

use super::{Vector, form};
use icecore::env::{Env, Time};
use icecore::id::hex;
use serde_json::Value as Json;

/// Seed of all random bytes in vectors.
const SEED: u64 = 20_261_121;
/// 2026-11-21T00:00:00Z in nanoseconds.
const NOW: i64 = 1_795_219_200_000_000_000;

/// Every vector, in order.
pub fn vectors() -> Vec<Vector> {
    let mut maker = Maker { env: Env::seeded(SEED, Time(NOW)).0, made: Vec::new() };
    objects::conventions(&mut maker);
    objects::repository(&mut maker);
    objects::keys(&mut maker);
    objects::envelope(&mut maker);
    packs::pack(&mut maker);
    packs::index(&mut maker);
    trees::lists(&mut maker);
    trees::directories(&mut maker);
    outcomes::outcomes(&mut maker);
    outcomes::collection(&mut maker);
    sealed::with_keys(&mut maker);
    more::computed(&mut maker);
    more::frames(&mut maker);
    more::records(&mut maker);
    more::objects(&mut maker);
    maker.made
}

struct Maker {
    env: Env,
    made: Vec<Vector>,
}

impl Maker {
    fn id<const N: usize>(&self) -> Json {
        format!("h'{}'", hex(&self.env.random::<N>().unwrap())).into()
    }

    /// A value that encodes and decodes; returns its bytes.
    fn good(&mut self, name: &str, structure: &str, comment: &str, value: Json) -> Vec<u8> {
        let bytes = (form(structure).encode)(&value).expect(name);
        self.push(name, structure, "ok", comment, Some(value), bytes.clone());
        bytes
    }

    /// Bytes that must be refused as `class`.
    fn bad(&mut self, name: &str, structure: &str, class: &str, comment: &str, bytes: Vec<u8>) {
        self.push(name, structure, class, comment, None, bytes);
    }

    fn push(
        &mut self,
        name: &str,
        structure: &str,
        expect: &str,
        comment: &str,
        value: Option<Json>,
        bytes: Vec<u8>,
    ) {
        self.made.push(Vector {
            name: name.to_owned(),
            structure: structure.to_owned(),
            expect: expect.to_owned(),
            comment: comment.to_owned(),
            value,
            bytes,
        });
    }
}

/// `bytes` with those from `at` on replaced.
fn with(bytes: &[u8], at: usize, new: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at..at + new.len()].copy_from_slice(new);
    bytes
}

fn cut(bytes: &[u8], by: usize) -> Vec<u8> {
    bytes[..bytes.len() - by].to_vec()
}

fn and(bytes: &[u8], more: &[u8]) -> Vec<u8> {
    [bytes, more].concat()
}

/// `bytes` with the hash in its field `previous` a byte shorter.
fn short_previous(bytes: &[u8]) -> Vec<u8> {
    let field = b"previous\x58\x20";
    let at = bytes.windows(field.len()).position(|window| window == field).unwrap();
    let mut short = with(bytes, at + field.len() - 1, &[31]);
    short.remove(at + field.len());
    short
}

/// `bytes` with the one place where `old` stands replaced by `new`.
fn edit(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let places = bytes.windows(old.len()).enumerate().filter(|(_, window)| *window == old);
    let places: Vec<usize> = places.map(|(at, _)| at).collect();
    assert_eq!(places.len(), 1, "{old:?} must stand in one place");
    [&bytes[..places[0]], new, &bytes[places[0] + old.len()..]].concat()
}
