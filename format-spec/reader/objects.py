"""Chapters 3 and 4: frames, seals, key slots and the keyring."""

import os
import struct

from argon2.low_level import Type, hash_secret_raw
from Crypto.Cipher import ChaCha20_Poly1305

from conventions import *
from records import KEYRING_KEYS_MAX, envelope

VERSION = 3
INDEX_MAX, OUTCOME_MAX, SLOT_MAX, PACK_MAX = 64 << 20, 4 << 20, 256 << 10, 80 << 20
KDF_WORK_MAX = 1 << 23
CONFIG_OBJECT, KEY_OBJECT = 1, 2
# Of each folder of sealed objects: its kind, the purpose of its key, its bound.
SEALED = {
    "index": (4, "seal-index", INDEX_MAX), "snapshots": (6, "seal-snapshot", OUTCOME_MAX),
    "forgotten": (7, "seal-snapshot", RECORD_MAX), "notes": (8, "seal-snapshot", RECORD_MAX),
    "gc": (9, "seal-gc", RECORD_MAX)}
PURPOSES = (
    "data-id", "meta-id", "gear", "seal-data", "seal-meta", "seal-index", "seal-snapshot",
    "seal-gc", "seal-writer", "seal-log", "log-name", "nonce", "cache", "config")

def check_head(data, kind):
    check(len(data) >= 8 and data[:4] == b"icec", "it has no magic number")
    version = int.from_bytes(data[4:6], "little")
    check(version == VERSION, f"format version {version}", UNSUPPORTED)
    check(data[6] == kind and data[7] == 0, "an object of another kind")

def open_object(data, kind, most):
    """The body of an open object."""
    check(len(data) <= most, "an object above its bound")
    check_head(data, kind)
    check(len(data) >= 40 and equal(H(data[:-32]), data[-32:]), "another checksum")
    return data[8:-32]

def OPEN(key, aad, sealed):
    check(len(sealed) >= 40, "too short for a seal")
    cipher = ChaCha20_Poly1305.new(key=key, nonce=sealed[:24])  # 24 bytes: XChaCha20-Poly1305
    cipher.update(aad)
    try:
        return cipher.decrypt_and_verify(sealed[24:-16], sealed[-16:])
    except ValueError:
        raise Finding(DAMAGED, "the seal does not open") from None

def subkey(keyring, purpose, epoch, salt):
    check(purpose in keyring, f"no key of purpose {purpose}", NOT_GRANTED)
    check(epoch in keyring[purpose], f"no key {purpose} of epoch {epoch}")
    return MAC(keyring[purpose][epoch], b"icecore 1 seal" + salt)

def open_sealed(data, path, repository, keyring):
    """The payload of the sealed object at a path."""
    folder, _, name = path.partition("/")
    kind, purpose, most = SEALED[folder]
    check(len(data) <= most, "an object above its bound")
    check(folder != "index" or H(data).hex() == name, "a name that is not the hash")
    check_head(data, kind)
    check(len(data) >= 84, "too short for a sealed object")
    place = folder if folder == "index" else path
    key = subkey(keyring, purpose, int.from_bytes(data[8:12], "little"), data[12:44])
    inner = OPEN(key, data[:44] + repository + place.encode(), data[44:])
    check(len(inner) >= 12, "too short for an inner head")
    length, plain, codec, zero = struct.unpack("<IIB3s", inner[:12])
    check(codec == 0, f"codec {codec} of a sealed object", UNSUPPORTED)
    check(plain == length <= len(inner) - 12 and not any(zero), "an odd inner head")
    check(not any(inner[12 + length:]), "padding that is not zero")
    return inner[12:12 + length]

# ---- chapter 3

def parse_keyring(data):
    """Keys by purpose, then epoch."""
    keyring = {}
    keys = envelope(data, "keyring")["keys"]
    check(len(keys) <= KEYRING_KEYS_MAX, "too many keys")
    for entry in keys:
        purpose, epoch = entry["purpose"], entry["epoch"]
        check(purpose in PURPOSES, f"unknown purpose {purpose!r:.40}", UNSUPPORTED)
        epochs = keyring.setdefault(purpose, {})
        once = purpose in ("data-id", "meta-id", "gear")
        check(epoch not in epochs and not (once and epochs), "a key twice")
        epochs[epoch] = entry["key"]
    return keyring

def parse_slot(data, name):
    slot = envelope(open_object(data, KEY_OBJECT, SLOT_MAX), "key-slot")
    check(slot["id"].hex() == name, "a key slot under another name")
    return slot

def costs(slot):
    """Memory in KiB, passes and lanes of Argon2id; zeros for a key file."""
    return tuple((slot["kdf"][1] or {}).values()) or (0, 0, 0)

def check_costs(memory, passes, lanes):
    most = min(4 << 20, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 11)
    check(19456 <= memory <= most and 2 <= passes <= 64 and 1 <= lanes <= 64
          and memory * passes <= KDF_WORK_MAX, "a derivation that costs too much", REFUSED)

def unlock(slot, secret, repository):
    """The keyring; the secret is a pair of its sort, as the slot names it, and its bytes."""
    sort, (memory, passes, lanes) = slot["kdf"][0], costs(slot)
    check(sort == secret[0], "a secret of the other sort", WRONG_KEY)
    if sort == "argon2id":
        check_costs(memory, passes, lanes)
        both = hash_secret_raw(
            secret[1], slot["salt"], passes, memory, lanes, 64, Type.ID, version=0x13)
    else:
        both = XOF(secret[1], b"icecore 1 key file" + slot["salt"], 64)
    check(equal(both[32:], slot["commitment"]), "a secret of another slot", WRONG_KEY)
    aad = struct.pack(
        "<HBB16s16sIII32sq", VERSION, KEY_OBJECT, 1 if sort == "argon2id" else 2, repository,
        slot["id"], memory, passes, lanes, slot["salt"], slot["created"])
    return parse_keyring(OPEN(both[:32], aad + slot["label"].encode(), slot["wrapped"]))
