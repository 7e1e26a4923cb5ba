//! What can be said of an object's bytes without any key (M4).

use crate::backend::Handle;
use crate::error::{Error, Kind, Result};
use crate::format::frame::{SEAL, SealedHead, decode_open};
use crate::format::{Form, NameForm};

/// Judges the bytes under a name: packs and index segments are named by their hash, open objects end in
/// a checksum; of sealed ones only the head can be seen.
///
/// # Errors
/// `Damaged` if they are not what the name says; `Unsupported` for what a newer program wrote.
pub(super) fn prove(handle: &Handle, bytes: &[u8]) -> Result<()> {
    let (kind, subject) = (handle.kind(), handle.to_string());
    let facts = kind.facts();
    if facts.names.iter().any(|(form, _)| *form == NameForm::Hash) {
        return match blake3::hash(bytes).to_hex().as_str() == handle.name() {
            true => Ok(()),
            false => Err(damaged(handle, "its content is not what its name says")),
        };
    }
    match facts.form {
        Form::Open => decode_open(bytes, kind, &subject).map(drop),
        Form::Sealed(_) => match SealedHead::decode(bytes, kind, &subject)?.1.len() > SEAL {
            true => Ok(()),
            false => Err(damaged(handle, "it ends before its content")),
        },
        Form::Own | Form::AsFound => Ok(()),
    }
}

/// Which of two objects of one name that differ is not what it should be, if that can be seen.
pub(super) fn judge(
    handle: &Handle,
    source: &Result<Vec<u8>>,
    target: &Result<Vec<u8>>,
) -> &'static str {
    let is_damaged = |read: &Result<Vec<u8>>| match read {
        Ok(bytes) => matches!(prove(handle, bytes), Err(error) if error.kind() == Kind::Damaged),
        Err(_) => true,
    };
    match (is_damaged(source), is_damaged(target)) {
        (true, false) => "the source's is damaged",
        (false, true) => "the mirror's is damaged",
        (true, true) => "both are damaged",
        (false, false) => "nobody can say without a key which is right",
    }
}

fn damaged(handle: &Handle, reason: &str) -> Error {
    Error::damaged("read", handle, reason)
}
