//! What the fuzz targets share: which structures each one reads, and what must hold for any bytes.

pub mod codec;
pub mod cuts;
#[path = "../../tests/vectors/forms/mod.rs"]
pub mod forms;
pub mod handle;
pub mod sealed;

/// Each target that reads structures of the vectors, and which.
pub const TARGETS: [(&str, &[&str]); 11] = [
    ("directory", &["directory-leaf", "directory-inner-1", "directory-inner-8", "node"]),
    ("footer", &["footer"]),
    ("frame", &["open-object", "sealed-head"]),
    ("list", &["list-leaf", "list-inner-1", "list-inner-8", "content"]),
    ("pack_head", &["pack-head"]),
    ("record", &RECORDS),
    ("segment", &["segment"]),
    ("slot", &["key-slot"]),
    ("trailer", &["trailer"]),
    // These decode what they open, so the same bytes are worth trying.
    ("object_sealed", &["outcome", "note", "verdict", "segment"]),
    ("object_raw", &["sealed-head", "open-object"]),
];

const RECORDS: [&str; 9] = [
    "config",
    "keyring",
    "outcome",
    "note",
    "writer",
    "heartbeat",
    "forgotten",
    "condemned",
    "verdict",
];

/// Decodes `bytes` as every structure of `target`; what decodes must encode to the same bytes.
pub fn decode(target: &str, bytes: &[u8]) {
    let (_, structures) = TARGETS.iter().find(|(name, _)| *name == target).expect("a target");
    for structure in *structures {
        let form = forms::FORMS.iter().find(|form| form.name == *structure).expect("a structure");
        let Ok(value) = (form.decode)(bytes) else { continue };
        let again = (form.encode)(&value).expect("what was decoded");
        let rest = bytes.strip_prefix(&again[..]).expect("the canonical bytes");
        // The blobs of a pack follow its head, zero padding a trailer.
        let padding = *structure == "trailer" && rest.iter().all(|byte| *byte == 0);
        assert!(rest.is_empty() || padding || *structure == "pack-head", "trailing bytes");
    }
}

/// Bytes of hex.
pub fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().map(|digit| digit.to_digit(16).expect("hex")).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] << 4 | pair[1]).expect("a byte")).collect()
}
