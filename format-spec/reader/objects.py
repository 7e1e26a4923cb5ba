"""Chapters 3 and 4: heads, open and sealed objects, key slots and the keyring."""

import os
import struct

from argon2.low_level import Type, hash_secret_raw
from Crypto.Cipher import ChaCha20_Poly1305

from conventions import *

VERSION = 3
CONFIG_OBJECT, KEY_OBJECT = 1, 2
INDEX_MAX, OUTCOME_MAX, KEYRING_KEYS_MAX, KDF_WORK_MAX = 64 << 20, 4 << 20, 1024, 1 << 23
# Of each folder of sealed objects: its kind, the purpose of its key, its bound.
SEALED = {
    "index": (4, "seal-index", INDEX_MAX), "snapshots": (6, "seal-snapshot", OUTCOME_MAX),
    "forgotten": (7, "seal-snapshot", RECORD_MAX), "notes": (8, "seal-snapshot", RECORD_MAX),
    "gc": (9, "seal-gc", RECORD_MAX)}
# The first three have one epoch only.
PURPOSES = (
    "data-id", "meta-id", "gear", "seal-data", "seal-meta", "seal-index", "seal-snapshot",
    "seal-gc", "seal-writer", "seal-log", "log-name", "nonce", "cache", "config")

def check_head(data, kind):
    check(len(data) >= 8 and data[:4] == b"icec", "it has no magic number")
    check(data[4:6] == VERSION.to_bytes(2, "little"), "another format version", UNSUPPORTED)
    check(data[6:8] == bytes((kind, 0)), "an object of another kind")

def open_object(data, kind, most):
    check(len(data) <= most, "an object above its bound")
    check_head(data, kind)
    check(len(data) >= 40 and equal(H(data[:-32]), data[-32:]), "another checksum")
    return data[8:-32]

def OPEN(key, aad, sealed):
    check(len(sealed) >= 40, "too short for a seal")
    cipher = ChaCha20_Poly1305.new(key=key, nonce=sealed[:24])  # XChaCha20, by 24 bytes of nonce
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
    place = folder if folder == "index" else path
    key = subkey(keyring, purpose, int.from_bytes(data[8:12], "little"), data[12:44])
    inner = OPEN(key, data[:44] + repository + place.encode(), data[44:])
    check(len(inner) >= 12, "too short for an inner head")
    length, plain, codec, zero = struct.unpack("<IIB3s", inner[:12])
    check(codec == 0, f"codec {codec} of a sealed object", UNSUPPORTED)
    check(plain == length <= len(inner) - 12, "an odd length")
    check(not any(zero + inner[12 + length:]), "padding that is not zero")
    return inner[12:12 + length]

def parse_keyring(data):
    """Keys by purpose, then epoch."""
    keyring, keys = {}, envelope(data, "keyring")["keys"]
    check(len(keys) <= KEYRING_KEYS_MAX, "too many keys")
    for entry in keys:
        purpose, epoch = entry["purpose"], entry["epoch"]
        check(purpose in PURPOSES, f"unknown purpose {purpose!r:.40}", UNSUPPORTED)
        epochs = keyring.setdefault(purpose, {})
        check(epoch not in epochs and not (epochs and purpose in PURPOSES[:3]), "a key too many")
        epochs[epoch] = entry["key"]
    return keyring

def unlock(slot, secret, repository):
    """The keyring; the secret is a pair of its sort, as the slot names it, and its bytes."""
    sort, costs = slot["kdf"]
    check(sort == secret[0], "a secret of the other sort", WRONG_KEY)
    if sort == "argon2id":
        memory, passes, lanes = costs.values()
        most = min(4 << 20, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 11)
        check(19456 <= memory <= most and 2 <= passes <= 64 and 1 <= lanes <= 64
              and memory * passes <= KDF_WORK_MAX, "a derivation out of bounds", REFUSED)
        both = hash_secret_raw(secret[1], slot["salt"], passes, memory, lanes, 64, Type.ID, 0x13)
    else:
        memory = passes = lanes = 0
        check(len(secret[1]) == 32, "a key file has 32 bytes", WRONG_KEY)
        both = MAC(secret[1], b"icecore 1 key file" + slot["salt"], 64)
    check(equal(both[32:], slot["commitment"]), "a secret of another slot", WRONG_KEY)
    aad = struct.pack(
        "<HBB16s16sIII32sq", VERSION, KEY_OBJECT, 1 if sort == "argon2id" else 2, repository,
        slot["id"], memory, passes, lanes, slot["salt"], slot["created"])
    return parse_keyring(OPEN(both[:32], aad + slot["label"].encode(), slot["wrapped"]))
