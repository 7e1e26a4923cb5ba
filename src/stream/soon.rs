//! Stand-ins until the chunk room has them.
pub(super) mod align {
    #[derive(Clone, Copy)]
    pub(crate) struct Piece {
        pub(crate) id: crate::id::ChunkId,
        pub(crate) length: u32,
    }
    pub(crate) fn align(new: &[Piece], old: &[Piece]) -> Vec<std::ops::Range<usize>> {
        let mut at = 0u64;
        new.iter()
            .map(|piece| {
                let end = at + u64::from(piece.length);
                let mut begin = 0u64;
                let mut range = 0..0;
                for (index, old) in old.iter().enumerate() {
                    let stop = begin + u64::from(old.length);
                    if begin < end && stop > at {
                        if range.is_empty() {
                            range = index..index + 1;
                        } else {
                            range.end = index + 1;
                        }
                    }
                    begin = stop;
                    if old.id == piece.id {
                        range = index..index + 1;
                        break;
                    }
                }
                at = end;
                range
            })
            .collect()
    }
}
pub(super) mod similar {
    pub(crate) struct Sketches;
    impl Sketches {
        pub(crate) fn new() -> Self {
            Sketches
        }
        pub(crate) fn add(&mut self, _: u32, _: &[u8]) {}
        pub(crate) fn votes(&self, _: &[u8], _: usize) -> Vec<u32> {
            Vec::new()
        }
    }
}
