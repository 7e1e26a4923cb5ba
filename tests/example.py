"""Chapter 15 of format-spec: from a passphrase to a file, with every value on the way.

usage: PYTHONPATH=format-spec/reader:PACKAGES python3 tests/example.py format-spec >15-example.md
"""
import struct
import sys
from pathlib import Path

from argon2.low_level import Type, hash_secret_raw

import blobs
import objects
from conventions import DATA, META, MAC, H, envelope
from repository import Repository, pack_path
from trees import directory_node

PASSPHRASE, SNAPSHOT, FILE = b"correct horse", 0, b"a"

def say(text):
    print(text.strip("\n"), end="\n\n")

def show(*values):
    """Values by their names, 32 bytes in a line."""
    print("```")
    for name, value in values:
        if isinstance(value, bytes):
            lines = [value[at:at + 32].hex() for at in range(0, len(value), 32)] or ["(no bytes)"]
            value = lines[0] + "".join("\n" + 18 * " " + line for line in lines[1:])
        print(f"{name:17} {value}")
    print("```\n")

def opening(path, data, keyring, repository, purpose):
    """How a sealed object is opened; its payload."""
    epoch, salt = int.from_bytes(data[8:12], "little"), data[12:44]
    key = objects.subkey(keyring, purpose, epoch, salt)
    place = "index" if path.startswith("index/") else path
    aad = data[:44] + repository + place.encode()
    inner = objects.OPEN(key, aad, data[44:])
    payload = objects.open_sealed(data, path, repository, keyring)
    show(("object", f"{path}, {len(data)} bytes"), ("sealed head", data[:44]),
         ("key", keyring[purpose][epoch]), ("subkey", key), ("associated data", aad),
         ("nonce", data[44:68]), ("tag", data[-16:]), ("inner head", inner[:12]),
         ("payload", payload), ("zeros behind it", len(inner) - 12 - len(payload)))
    return payload

def blob(repository, kind, id):
    """How a chunk is read by the entry of least depth; its plaintext."""
    entry = repository.entries[kind, id[:16]][0]
    sealed = repository.read(pack_path(entry.pack), entry.offset, entry.stored)
    purpose = "seal-" + blobs.KINDS[kind]
    key = objects.subkey(repository.keyring, purpose, entry.epoch, entry.salt)
    aad = struct.pack("<HBB16sI32s32sI", objects.VERSION, kind, entry.codec, repository.id,
                      entry.epoch, entry.salt, entry.id, entry.plain) + b"".join(entry.bases)
    plain = repository.chunk(kind, id)
    show(("chunk", id), ("pack", entry.pack), ("offset, stored", f"{entry.offset}, {entry.stored}"),
         ("plain, codec", f"{entry.plain}, {entry.codec}"),
         ("depth, bases", f"{entry.depth}, {len(entry.bases)}"), ("epoch", entry.epoch),
         ("salt", entry.salt), ("key", repository.keyring[purpose][entry.epoch]), ("subkey", key),
         ("associated data", aad), ("sealed", sealed), ("payload", objects.OPEN(key, aad, sealed)),
         ("plaintext", plain if len(plain) < 1000 else f"{len(plain)} bytes, hash {H(plain).hex()}"),
         ("its id", MAC(repository.keyring[blobs.KINDS[kind] + "-id"][0], plain)))
    return plain

def main():
    root = Path(sys.argv[1]) / "vectors/repositories/3/slots"
    repository = Repository(str(root), ("argon2id", PASSPHRASE))
    number, record, mac, config = repository.read_configurations()
    say("""
# 15. An example

From the passphrase `correct horse` to the file `/srv/app/a` of the oldest snapshot of
`vectors/repositories/3/slots`, with every value on the way. Byte strings are in hex. A test makes this
chapter anew and compares.

## The configuration

The newest is in force (chapter 2): an open object, whose body is a record and a MAC.
""")
    data = repository.read(f"config/{number}")
    show(("object", f"config/{number}, {len(data)} bytes"), ("head", data[:8]), ("record", record),
         ("MAC", mac), ("checksum", data[-32:]), ("repository", config["repository"]))
    say("## The key slot\n\nOf the slots that it lists, this one takes a passphrase (chapter 3).")
    for id in config["slots"]:
        data = repository.read("keys/" + id.hex())
        slot = envelope(objects.open_object(data, 2, 1 << 20), "key-slot")
        if slot["kdf"][0] == "argon2id":
            break
    memory, passes, lanes = slot["kdf"][1].values()
    both = hash_secret_raw(PASSPHRASE, slot["salt"], passes, memory, lanes, 64, Type.ID, 0x13)
    aad = struct.pack("<HBB16s16sIII32sq", objects.VERSION, 2, 1, repository.id, slot["id"], memory,
                      passes, lanes, slot["salt"], slot["created"]) + slot["label"].encode()
    keyring = objects.OPEN(both[:32], aad, slot["wrapped"])
    show(("object", f"keys/{id.hex()}, {len(data)} bytes"),
         ("costs", f"{memory} KiB, {passes} passes, {lanes} lane"), ("salt", slot["salt"]),
         ("commitment", slot["commitment"]), ("created", slot["created"]),
         ("label", slot["label"]), ("wrapped", slot["wrapped"]))
    say("From passphrase and salt follow 64 bytes; the second half is the commitment, as it must be.")
    show(("passphrase", PASSPHRASE), ("wrap key", both[:32]), ("commitment", both[32:]),
         ("associated data", aad), ("nonce", slot["wrapped"][:24]), ("tag", slot["wrapped"][-16:]),
         ("keyring record", keyring))
    say("The keys in it, all of epoch 0:")
    show(*((purpose, keys[0]) for purpose, keys in repository.keyring.items()))
    say("With the key of purpose `config` the MAC of the configuration is computed, and equal:")
    show(("over", b"icecore 1 config" + record),
         ("MAC", MAC(repository.keyring["config"][0], b"icecore 1 config" + record)))
    say("## The snapshot\n\nThere is no object in `gc/`. The oldest outcome that is not forgotten (chapters 4, 8):")
    live = repository.snapshots()
    name = sorted(live, key=lambda name: live[name]["started"])[SNAPSHOT]
    snapshot, path = live[name], "snapshots/" + name
    opening(path, repository.read(path), repository.keyring, repository.id, "seal-snapshot")
    part = snapshot["parts"][0]
    reference = part["root"]["kind"][1]["entries"]
    say("It says, among else:")
    show(("path of the part", part["path"].decode()), ("root's entries", reference["id"]),
         ("levels", reference["levels"]))
    say("## The index\n\nThe segment that names the chunks of that snapshot (chapter 6):")
    for name in repository.names("index"):
        path = "index/" + name
        data = repository.read(path)
        payload = objects.open_sealed(data, path, repository.id, repository.keyring)
        if any(entry.id == reference["id"] for entry in blobs.parse_segment(payload)[1]):
            opening(path, data, repository.keyring, repository.id, "seal-index")
            break
    say("## The directory\n\nIts root node, a *meta* chunk (chapters 5, 7), by the entry of the index:")
    plain = blob(repository, META, reference["id"])
    nodes = dict(directory_node(plain, 0))
    content = nodes[FILE]["kind"][1]["content"]
    say(f"A leaf with {len(nodes)} entry, whose content stands in place:")
    show(("name", FILE.decode()), ("length", content["length"]),
         *(("piece", f"{length} bytes, {id.hex()}") for length, id in content["pieces"]))
    say("## The file\n\nIts only piece, a *data* chunk:")
    for _, id in content["pieces"]:
        plain = blob(repository, DATA, id)
    say(f"which are {len(plain)} bytes `{plain[:1].hex()}`, and all of the file.")

if __name__ == "__main__":
    main()
