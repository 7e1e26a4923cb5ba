"""The vectors of format-spec, read by format-spec/reader: each decodes, or fails as it says.

usage: PYTHONPATH=format-spec/reader:PACKAGES python3 tests/vectors.py format-spec/vectors
"""
import json
import struct
import sys
from pathlib import Path

import blake3

import blobs
import objects
import conventions
import repository  # with the rules of chapter 8
import trees
from conventions import DAMAGED, MAC, REFUSED, UNSUPPORTED, WRONG_KEY, Finding, H, check, decode
from conventions import RECORD_MAX, envelope

# The reader has no code for these: it needs no trailers, and writes nothing.
LEFT_OUT = {"pack-head", "trailer", "footer", "pack"}
FINDINGS = {"ok": None, "unknown-version": UNSUPPORTED, "wrong-key": WRONG_KEY, "refused": REFUSED}

def plain(value):
    """A value of a vector with its byte strings as bytes."""
    if isinstance(value, str) and value.startswith("h'"):
        return bytes.fromhex(value[2:-1])
    if isinstance(value, dict):
        return {key: plain(field) for key, field in value.items()}
    return [plain(field) for field in value] if isinstance(value, list) else value

def cuts(data, gear):
    """Chapter 10, to the letter."""
    seed, length, chunker = data[:32], int.from_bytes(data[32:40], "little"), data[40]
    stream = MAC(seed, b"", length)
    table = struct.unpack("<256Q", MAC(gear, b"icecore gear table 1", 2048))
    least, mean, most, strict, loose = {
        1: (16 << 10, 64 << 10, 256 << 10, 0x0000d90707537000, 0x0000d90313530000),
        2: (64 << 10, 256 << 10, 1 << 20, 0x0000d91747537000, 0x0000d90303537000)}[chunker]
    lengths, at = [], 0
    while at < length:
        size = end = min(length - at, most)
        if size > least:
            hash = 0
            for place in range(least, end & ~1):
                hash = (2 * hash + table[stream[at + place]]) & (1 << 64) - 1
                if hash & (strict if place < mean else loose) == 0:
                    size = place
                    break
        lengths.append(size)
        at += size
    return {"table": [table[row] for row in (0, 1, 254, 255)], "lengths": lengths}

def padme(length):
    exponent = length.bit_length() - 1
    step = 1 << max(0, exponent - exponent.bit_length()) if length > 1 else 1
    return -(-length // step) * step

def seal(payload, given):
    """The seal, made: its nonce is what chapter 4 says, and it opens."""
    salt, aad = given["salt"], given["aad"]
    numbers = struct.pack("<QQ", given["counter"], len(aad))
    nonce = MAC(given["nonce"], salt + numbers + aad + payload)[:24]
    key = MAC(given["seal-data"], b"icecore 1 seal" + salt)
    cipher = objects.ChaCha20_Poly1305.new(key=key, nonce=nonce)
    cipher.update(aad)
    ciphertext, tag = cipher.encrypt_and_digest(payload)
    return nonce + ciphertext + tag

def keyring_of(given):
    return {purpose: {0: key} for purpose, key in given["keys"].items()}

def computed(structure, data, given):
    """What comes out, for structures whose value is not the reader's own form of it."""
    if structure == "ids":
        return {"data": MAC(given["data-id"], data), "meta": MAC(given["meta-id"], data)}
    if structure == "series-id":
        key = blake3.blake3(given["meta-id"], derive_key_context="icecore 1 series").digest()
        return {"id": MAC(key, data)[:16]}
    if structure == "cuts":
        return cuts(data, given["gear"])
    if structure == "seal":
        return {"sealed": seal(data, given)}
    if structure == "padme":
        return [[length, padme(length)] for length, in struct.iter_unpack("<Q", data)]
    if structure in ("zstd-frame", "delta-frame"):
        return {"plain": blobs.decode_frame(data, given["plain"], given.get("prefix", b""))}
    if structure in ("slot-key-file", "slot-passphrase"):
        slot = envelope(objects.open_object(data, 2, 1 << 20), "key-slot")
        (sort, secret), = given["secret"].items()
        secret = ("key-file", secret) if sort == "key-file" else ("argon2id", secret.encode())
        keyring = objects.unlock(slot, secret, given["repository"])
        return {purpose: keys[0] for purpose, keys in keyring.items()}
    return None

def decode_any(structure, data, given):
    if structure == "keyring":
        objects.parse_keyring(data)
    elif structure in conventions.KINDS:
        envelope(data, structure)
    elif structure == "open-object":
        objects.open_object(data, 1, RECORD_MAX)
    elif structure == "sealed-head":
        objects.check_head(data, 4)
        check(len(data) >= 84, "too short")
    elif structure == "open-config":
        body = objects.open_object(data, 1, RECORD_MAX)
        check(len(body) >= 32, "too short")
        mac = MAC(given["keys"]["config"], b"icecore 1 config" + body[:-32])
        check(mac == body[-32:], "another MAC")
        envelope(body[:-32], "config")
    elif structure == "sealed-outcome":
        payload = objects.open_sealed(data, given["path"], given["repository"], keyring_of(given))
        envelope(payload, "outcome")
    elif structure == "sealed-segment":
        path = "index/" + H(data).hex()
        blobs.parse_segment(objects.open_sealed(data, path, given["repository"], keyring_of(given)))
    elif structure == "segment":
        blobs.parse_segment(data)
    elif structure == "content":
        conventions.typed(decode(data), "Content")
    elif structure == "node":
        conventions.typed(decode(data), "Node")
    elif structure.startswith("list-"):
        trees.list_node(data, 0 if structure == "list-leaf" else int(structure[-1]))
    else:
        level = 0 if structure == "directory-leaf" else int(structure[-1])
        trees.directory_node(data, level)

def main():
    vectors, failed = [], 0
    for path in sorted(Path(sys.argv[1]).glob("*/*.vec")):
        head, _, body = path.read_text().partition("\n\n")
        fields = dict(line.split(": ", 1) for line in head.replace("\n  ", " ").split("\n"))
        given, value = (plain(json.loads(fields.get(name, "null"))) for name in ("given", "value"))
        if fields["structure"] not in LEFT_OUT:
            vectors.append((path, fields, given, value, bytes.fromhex(body)))
    for path, fields, given, value, data in vectors:
        structure, found = fields["structure"], None
        try:
            out = computed(structure, data, given)
            if out is None:
                decode_any(structure, data, given)
            elif isinstance(out, dict):
                check(all(value[name] == out[name] for name in out), f"{out}, not {value}", "failed")
            else:
                check(out == value, f"{out}, not {value}", "failed")
        except Finding as finding:
            found = finding
        expected = FINDINGS.get(fields["expect"], DAMAGED)
        if (found and found.name) != expected:
            failed += 1
            print(f"{path}: {expected}, but {found and found.name}: {found}")
    print(len(vectors), "vectors,", failed, "failed")
    return 1 if failed else 0

if __name__ == "__main__":
    sys.exit(main())
