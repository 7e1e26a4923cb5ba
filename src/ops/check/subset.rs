//! Which packs are read back.

use super::ReadData;
use crate::error::Result;
use crate::id::PackId;
use crate::repo::Repository;
use std::collections::{HashMap, HashSet};

/// Those of the packs that are stored, by their lengths, that `read_data` asks for.
pub(super) fn choose(
    repository: &Repository,
    stored: &HashMap<PackId, u64>,
    read_data: ReadData,
) -> Result<HashSet<PackId>> {
    let mut packs: Vec<PackId> = stored.keys().copied().collect();
    packs.sort();
    let part_of = |pack: &PackId, parts: u64| {
        let [a, b, c, d, ..] = pack.0;
        u64::from(u32::from_le_bytes([a, b, c, d])) % parts.max(1)
    };
    match read_data {
        ReadData::Nothing => packs.clear(),
        ReadData::All => {}
        ReadData::Part(part, parts) => {
            packs.retain(|pack| part_of(pack, parts) + 1 == part);
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
            let mut taken = 0;
            packs.retain(|pack| {
                let before = taken;
                taken += stored.get(pack).copied().unwrap_or(0);
                before < bytes
            });
        }
    }
    Ok(packs.into_iter().collect())
}

/// A random order, from the environment's randomness.
fn shuffle(repository: &Repository, packs: &mut [PackId]) -> Result<()> {
    let key: [u8; 32] = repository.env().random()?;
    packs.sort_by_key(|pack| *blake3::keyed_hash(&key, &pack.0).as_bytes());
    Ok(())
}
