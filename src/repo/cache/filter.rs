//! A Bloom filter over ids: what it does not know is in no row, so that looking for what is nowhere
//! reads nothing. The bits of one id lie in one line of the processor's cache.

use crate::id::BaseId;

/// Bytes of a line, in which all bits of an id stand.
const LINE: usize = 64;
/// Bits for each id: about one unknown id in twenty is looked for in vain.
const BITS: usize = 7;
/// Bits that an id sets.
const PROBES: u32 = 5;

/// Which ids may be there.
pub(super) struct Filter(Vec<u8>);

impl Filter {
    /// Empty, with room for so many ids.
    pub(super) fn new(ids: usize) -> Self {
        Filter(vec![0; Self::length(ids)])
    }

    /// Bytes of a filter of so many ids.
    pub(super) fn length(ids: usize) -> usize {
        ids.saturating_mul(BITS).div_ceil(8 * LINE).max(1).saturating_mul(LINE)
    }

    /// One that was written before; its length must be a multiple of a line's.
    pub(super) fn from_bytes(bytes: Vec<u8>) -> Option<Self> {
        (!bytes.is_empty() && bytes.len().is_multiple_of(LINE)).then_some(Filter(bytes))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn insert(&mut self, id: &BaseId) {
        let (line, bits) = self.bits_of(id);
        for bit in bits {
            if let Some(byte) = self.0.get_mut(line + bit / 8) {
                *byte |= 1 << (bit % 8);
            }
        }
    }

    pub(super) fn may_contain(&self, id: &BaseId) -> bool {
        let (line, mut bits) = self.bits_of(id);
        bits.all(|bit| self.0.get(line + bit / 8).is_some_and(|byte| byte & 1 << (bit % 8) != 0))
    }

    /// Where the line of an id begins, and its bits there. Ids are hashes: they are taken as they are.
    fn bits_of(&self, id: &BaseId) -> (usize, impl Iterator<Item = usize> + use<>) {
        let number = u128::from_be_bytes(id.0);
        let lines = (self.0.len() / LINE) as u128;
        let line = usize::try_from(((number >> 64) * lines) >> 64).unwrap_or(0);
        let bit = move |probe: u32| usize::try_from((number >> (9 * probe)) & 511).unwrap_or(0);
        (line * LINE, (0..PROBES).map(bit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u32) -> BaseId {
        crate::id::ChunkId(*blake3::hash(&number.to_le_bytes()).as_bytes()).base()
    }

    /// Every id that was put in is found, and few others are.
    #[test]
    fn nothing_is_forgotten_and_little_made_up() {
        let mut filter = Filter::new(10_000);
        (0..10_000).for_each(|number| filter.insert(&id(number)));
        assert!((0..10_000).all(|number| filter.may_contain(&id(number))));
        let made_up = (10_000..20_000).filter(|number| filter.may_contain(&id(*number))).count();
        assert!(made_up < 700, "{made_up} of 10,000");
        assert!(filter.bytes().len() <= 10_000 * 10 / 8, "more than 10 bits an id");
        assert!(!Filter::new(0).may_contain(&id(1)));
    }
}
