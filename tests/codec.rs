//! Payloads: round trips, bounds, and bytes that decode the same for ever.

use icecore::codec::{Encoder, Level, decode};
use icecore::error::Kind;
use icecore::format::Codec;
use icecore::id::hex;
use icecore::limits::BLOB_MAX;
use proptest::prelude::*;

fn random(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof().fill(&mut bytes);
    bytes
}

/// Text with some chance in it: shrinks about threefold.
fn text(seed: u64, length: usize) -> Vec<u8> {
    let noise = random(seed, length / 16 + 1);
    let mut text: Vec<u8> =
        noise.iter().flat_map(|byte| format!("row {byte:3} is here;").into_bytes()).collect();
    text.truncate(length);
    text
}

fn damaged(codec: Codec, payload: &[u8], prefix: &[u8], plain_len: usize) -> bool {
    decode(codec, payload, prefix, plain_len).is_err_and(|error| error.kind() == Kind::Damaged)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is encoded, whole or as a delta, at whatever level, decodes to itself.
    #[test]
    fn round_trips(
        seed: u64,
        length in 0..100_000_usize,
        prefix_length in 0..300_000_usize,
        level in -7..=9_i32,
        kind in 0..3,
    ) {
        let make = |length| if kind == 0 { random(seed, length) } else { text(seed, length) };
        let plain = make(length);
        let prefix = make(prefix_length);
        let mut encoder = Encoder::new(Level::new(level).unwrap());
        for _ in 0..2 {
            let whole = encoder.whole(&plain).unwrap();
            prop_assert_eq!(&decode(whole.codec, &whole.bytes, &[], length).unwrap(), &plain);
            let delta = encoder.delta(&plain, &prefix).unwrap();
            prop_assert_eq!(delta.codec, Codec::Delta);
            prop_assert_eq!(&decode(delta.codec, &delta.bytes, &prefix, length).unwrap(), &plain);
        }
    }

    /// A payload that was changed, cut short or lengthened never yields more than was recorded
    /// and never panics; a wrong length is always found.
    #[test]
    fn broken_payloads_are_bounded(seed: u64, at: prop::sample::Index, byte: u8, more in 0..20_usize) {
        let plain = text(seed, 5000);
        let prefix = text(seed ^ 1, 5000);
        let mut encoder = Encoder::new(Level::default());
        let frames = [encoder.whole(&plain).unwrap(), encoder.delta(&plain, &prefix).unwrap()];
        for frame in frames {
            let mut broken = frame.bytes.clone();
            *at.get_mut(&mut broken) ^= byte;
            if let Ok(decoded) = decode(frame.codec, &broken, &prefix, plain.len()) {
                prop_assert_eq!(decoded.len(), plain.len());
            }
            let cut = at.index(frame.bytes.len());
            prop_assert!(damaged(frame.codec, &frame.bytes[..cut], &prefix, plain.len()));
            broken.clone_from(&frame.bytes);
            broken.extend(random(seed, more));
            prop_assert_eq!(damaged(frame.codec, &broken, &prefix, plain.len()), more > 0);
            for wrong in [0, 4999, 5001, 1 << 20] {
                prop_assert!(damaged(frame.codec, &frame.bytes, &prefix, wrong));
            }
        }
    }
}

/// A delta costs about what changed, whether its origin is the first or the last of eight bases.
#[test]
fn deltas_are_small() {
    let base = random(1, 64 << 10);
    let far = random(2, 7 * (64 << 10));
    let mut plain = base.clone();
    plain.splice(30_000..30_000, *b"thirty-seven bytes that were put in..");
    for prefix in [[&base[..], &far].concat(), [&far[..], &base].concat()] {
        let mut encoder = Encoder::new(Level::new(-7).unwrap());
        let delta = encoder.delta(&plain, &prefix).unwrap();
        assert!(delta.bytes.len() < 1000, "{} bytes", delta.bytes.len());
        assert_eq!(decode(Codec::Delta, &delta.bytes, &prefix, plain.len()).unwrap(), plain);
        assert!(!encoder.whole(&text(1, 9000)).unwrap().bytes.is_empty());
    }
}

/// A prefix that begins like a trained dictionary is content all the same.
#[test]
fn a_prefix_is_never_a_dictionary() {
    let mut prefix = text(3, 50_000);
    prefix[..4].copy_from_slice(&0xec30_a437_u32.to_le_bytes());
    let plain = text(3, 49_000);
    let delta = Encoder::new(Level::default()).delta(&plain, &prefix).unwrap();
    assert_eq!(decode(Codec::Delta, &delta.bytes, &prefix, plain.len()).unwrap(), plain);
}

/// What does not shrink stays raw, at every level; what shrinks a little only does not.
#[test]
fn incompressible_data_stays_raw() {
    let noise = random(4, 64 << 10);
    let mut halved = noise.clone();
    halved[..32 << 10].fill(b'a');
    for level in [-7, 1, 3, 9] {
        let mut encoder = Encoder::new(Level::new(level).unwrap());
        assert_eq!(encoder.whole(&noise).unwrap().codec, Codec::Raw);
        assert_eq!(encoder.whole(&noise[..100]).unwrap().codec, Codec::Raw);
        assert_eq!(encoder.whole(&[]).unwrap().codec, Codec::Raw);
        assert_eq!(encoder.whole(&halved).unwrap().codec, Codec::Zstd);
        assert_eq!(encoder.whole(&text(4, 64 << 10)).unwrap().codec, Codec::Zstd);
    }
    // Repetition at a distance looks random to a count of bytes, and is found all the same.
    let repeated = [&noise[..30_000], &noise[..30_000]].concat();
    assert_eq!(Encoder::new(Level::default()).whole(&repeated).unwrap().codec, Codec::Zstd);
}

/// Lengths above the bounds and levels that zstd does not have are refused before any work.
#[test]
fn bounds_are_kept() {
    assert!(Level::new(20).is_err() && Level::new(-8).is_err());
    let mut encoder = Encoder::new(Level::default());
    let most = text(5, BLOB_MAX);
    let whole = encoder.whole(&most).unwrap();
    assert_eq!(decode(whole.codec, &whole.bytes, &[], BLOB_MAX).unwrap(), most);
    assert!(encoder.whole(&vec![0; BLOB_MAX + 1]).is_err());
    assert!(damaged(Codec::Raw, &vec![0; BLOB_MAX + 1], &[], BLOB_MAX + 1));
    assert!(damaged(Codec::Raw, &[0; 9], &[], 10));
}

/// Frames of any other form are refused: with a window of their own, however large, without a
/// content size, with a checksum or a dictionary id, skippable, of an older format.
#[test]
fn other_frames_are_refused() {
    // "aaaaaaaa" as one block of repeated bytes, behind several headers.
    let block = [0x43, 0, 0, b'a'];
    let magic = [0x28, 0xb5, 0x2f, 0xfd];
    let frame = |header: &[u8]| [&magic, header, &block].concat();
    let plain = decode(Codec::Zstd, &frame(&[0x20, 8]), &[], 8).unwrap();
    assert_eq!(plain, *b"aaaaaaaa");
    let window_of_2_gib = frame(&[0x80, 0xa8, 8, 0, 0, 0]);
    let without_size = frame(&[0x00, 0x00]);
    let with_checksum = [frame(&[0x24, 8]), vec![0; 4]].concat();
    let with_dictionary = frame(&[0x21, 1, 8]);
    let reserved = frame(&[0x28, 8]);
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0], &block[..]].concat();
    let two = [frame(&[0x20, 8]), skippable.clone()].concat();
    let mut v07 = frame(&[0x20, 8]);
    v07[0] = 0x27;
    for bad in [
        window_of_2_gib,
        without_size,
        with_checksum,
        with_dictionary,
        reserved,
        skippable,
        two,
        v07,
        Vec::new(),
        magic.to_vec(),
    ] {
        for codec in [Codec::Zstd, Codec::Delta] {
            assert!(damaged(codec, &bad, &[], 8), "{}", hex(&bad));
        }
    }
}

/// Payloads of the first version decode to the same bytes for ever, also by other hands: the
/// frames are written out here.
#[test]
fn payloads_are_golden() {
    let unhex = |text: &str| -> Vec<u8> {
        (0..text.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap())
            .collect()
    };
    let base: Vec<u8> = (0..40).flat_map(|n| format!("{n} bottles; ").into_bytes()).collect();
    let plain: Vec<u8> =
        (0..40).flat_map(|n| format!("{} bottles; ", n + n / 20).into_bytes()).collect();
    assert_eq!(decode(Codec::Zstd, &unhex(WHOLE), &[], plain.len()).unwrap(), plain);
    assert_eq!(decode(Codec::Delta, &unhex(DELTA), &base, plain.len()).unwrap(), plain);
}

const WHOLE: &str = "28b52ffd60d600150400d4033020626f74746c65733b20313233343536373839313031313131313131313132\
    313232323332343235323632373238323933303333333333333333333427208093d20346cc35cc0873863562\
    8e6146d878631b6fbcf18d37b6f1c66fdc354cd748ae395cc36e8dd89aab358cd6c8acb9a78d9bd9b2cf665b\
    ecdb8c6de12d2601";
const DELTA: &str = "28b52ffd60d6008d030094023435313131313131313131323232323232323232333033313332333333343335\
    33363337333839343028206073ed1b6d669addeeb69bdd76b3dbdd7663c41cc31a31c73023987b19c6883986\
    19616e1996d6089db9192364f8c54dc81b98354033601fd8dcda66383cf20674e30301";
