//! Payloads: hostile ones never panic or grow past the stated length; own ones come back.

use icecore::codec::{Encoder, Level, decode};
use icecore::format::Codec;

/// `bytes` is a codec, a stated length, the length of a prefix, the prefix and a payload.
pub fn hostile(bytes: &[u8]) {
    let Some(([codec, a, b, c, split], rest)) = bytes.split_first_chunk() else { return };
    let Some(codec) = Codec::from_number(codec % 3) else { return };
    let stated = usize::from(*a) | usize::from(*b) << 8 | usize::from(*c) << 16;
    let (prefix, payload) = rest.split_at(usize::from(*split).min(rest.len()));
    if let Ok(plain) = decode(codec, payload, prefix, stated) {
        assert_eq!(plain.len(), stated);
    }
}

/// `bytes` is the length of a prefix, the prefix and a plaintext: both ways and back.
pub fn round_trip(bytes: &[u8]) {
    let Some(([low, high], rest)) = bytes.split_first_chunk() else { return };
    let split = usize::from(*low) | usize::from(*high) << 8;
    let (prefix, plain) = rest.split_at(split.min(rest.len()));
    let mut encoder = Encoder::new(Level::default());
    let whole = encoder.whole(plain).expect("encoded");
    assert_eq!(decode(whole.codec, &whole.bytes, &[], plain.len()).expect("decoded"), plain);
    let delta = encoder.delta(plain, prefix).expect("encoded");
    assert_eq!(decode(delta.codec, &delta.bytes, prefix, plain.len()).expect("decoded"), plain);
}
