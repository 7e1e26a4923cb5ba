//! Which packs are read back, and in what order.

use super::{Budget, ReadData};
use crate::env::Time;
use crate::error::Result;
use crate::id::PackId;
use crate::repo::{Ledger, Repository};
use std::cmp::Reverse;
use std::collections::HashMap;

/// Those of the packs that are stored, by their lengths, that `read_data` asks for: first those that
/// were never verified, then by the time of the last verification, the oldest first. The order is the same
/// for all hosts, so that they share the work.
pub(super) fn choose(
    repository: &Repository,
    stored: &HashMap<PackId, u64>,
    ledger: &Ledger,
    read_data: ReadData,
) -> Result<Vec<PackId>> {
    if read_data == ReadData::Nothing {
        return Ok(Vec::new());
    }
    let readings = ledger.readings();
    let verified = |pack: &PackId| readings.get(&pack.prefix()).map(|reading| reading.at);
    let mut packs: Vec<(Option<Time>, PackId)> =
        stored.keys().map(|pack| (verified(pack), *pack)).collect();
    match read_data {
        ReadData::Nothing | ReadData::All => {}
        ReadData::Oldest { budget, before } => {
            let is_wanted = |at: &Option<Time>| before.is_none_or(|before| *at < Some(before));
            packs.retain(|(at, _)| is_wanted(at));
            if let Some(Budget::Bytes(bytes)) = budget {
                packs.sort();
                take_bytes(&mut packs, stored, bytes);
            }
        }
        ReadData::Part(part, parts) => {
            packs.retain(|(_, pack)| part_of(pack, parts) + 1 == part);
        }
        ReadData::Percent(percent) => {
            shuffle(repository, &mut packs)?;
            #[expect(clippy::cast_precision_loss, reason = "a share of a count")]
            let wanted = packs.len() as f64 * percent / 100.0;
            let mut taken = 0.0;
            packs.retain(|_| {
                taken += 1.0;
                taken - 1.0 < wanted
            });
        }
        ReadData::Bytes(bytes) => {
            shuffle(repository, &mut packs)?;
            take_bytes(&mut packs, stored, bytes);
        }
    }
    // Large ones first: they are what others are deltas of.
    packs.sort_by_key(|(at, pack)| (*at, Reverse(stored.get(pack)), *pack));
    Ok(packs.into_iter().map(|(_, pack)| pack).collect())
}

fn part_of(pack: &PackId, parts: u64) -> u64 {
    let [a, b, c, d, ..] = pack.0;
    u64::from(u32::from_le_bytes([a, b, c, d])) % parts.max(1)
}

/// The first of them that have so many bytes together.
fn take_bytes(packs: &mut Vec<(Option<Time>, PackId)>, stored: &HashMap<PackId, u64>, bytes: u64) {
    let mut taken = 0;
    packs.retain(|(_, pack)| {
        let before = taken;
        taken += stored.get(pack).copied().unwrap_or(0);
        before < bytes
    });
}

/// A random order, from the environment's randomness.
fn shuffle(repository: &Repository, packs: &mut [(Option<Time>, PackId)]) -> Result<()> {
    let key: [u8; 32] = repository.env().random()?;
    packs.sort_by_key(|(_, pack)| *blake3::keyed_hash(&key, &pack.0).as_bytes());
    Ok(())
}
