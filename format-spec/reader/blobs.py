"""Chapters 5, 6 and 10: index segments and blobs."""

import struct
from collections import namedtuple

import zstandard

from conventions import *
from objects import OPEN, VERSION, subkey

BLOB_MAX, STORED_MAX, BASES_MAX, DEPTH_MAX = 4 << 20, (4 << 20) + (64 << 10), 8, 8
# The tables of a segment: the form of a row, and how many there may be.
TABLES = (("<I32s", (1 << 16) - 1), ("<32sIB3s", 1 << 18), ("<32sIIIIIHBB", 1 << 18),
          ("<16s", BASES_MAX << 18))
RAW, ZSTD, DELTA = 0, 1, 2
KINDS = ("data", "meta")
Entry = namedtuple("Entry", "kind id pack offset stored plain codec depth bases epoch salt")

def parse_segment(data):
    """The generation and the entries of an index segment."""
    cursor = Cursor(data)
    counts, generation = [cursor.number(4) for _ in range(4)], cursor.number(8)
    tables = []
    for count, (form, most) in zip(counts, TABLES):
        check(count <= most, "more rows than there may be")
        rows = cursor.take(count * struct.calcsize(form))
        tables.append(list(struct.iter_unpack(form, rows)))
    check(cursor.left == 0, "bytes after the tables")
    salts, packs, places, bases = tables
    check(all(kind <= 1 and not any(zero) for _, _, kind, zero in packs), "an odd row of a pack")
    entries, used, last = [], 0, ()
    for id, pack, offset, stored, plain, first, salt, codec, both in places:
        depth, count = both >> 4, both & 15
        check(stored <= STORED_MAX and plain <= BLOB_MAX, "a blob above its bound")
        check(codec in (RAW, ZSTD, DELTA), "an unknown codec")
        in_range = 0 < depth <= DEPTH_MAX and 0 < count <= BASES_MAX
        check(in_range if codec == DELTA else depth == count == 0, "a depth or bases out of range")
        check(pack < len(packs) and salt < len(salts), "a row that is not there")
        check(offset + stored <= packs[pack][1], "an entry past the end of its pack")
        check(last <= (id, depth, pack, offset), "entries out of order")
        check(first == used and used + count <= len(bases), "bases out of order")
        last, used = (id, depth, pack, offset), used + count
        names = tuple(base for base, in bases[first:used])
        entries.append(Entry(packs[pack][2], id, packs[pack][0], offset, stored, plain, codec,
                             depth, names, *salts[salt]))
    check(used == len(bases), "bases of no entry")
    return generation, entries

def decode_frame(frame, length, prefix):
    """The plaintext in a zstd frame of the only form that chapter 10 allows."""
    check(frame[:4] == b"\x28\xb5\x2f\xfd" and len(frame) > 5, "it is no zstd frame")
    check(frame[4] & 0b00111111 == 0b00100000, "a zstd frame of another form")
    size = 1 << (frame[4] >> 6)
    stated = int.from_bytes(frame[5:5 + size], "little") + (256 if size == 2 else 0)
    check(stated == length, "a zstd frame of another length")
    raw = zstandard.DICT_TYPE_RAWCONTENT
    dictionary = zstandard.ZstdCompressionDict(prefix, dict_type=raw) if prefix else None
    decoder = zstandard.ZstdDecompressor(dict_data=dictionary)
    try:
        return decoder.decompress(frame, max_output_size=length, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise Finding(DAMAGED, f"a zstd frame that does not decode: {error}") from None

def open_blob(sealed, entry, bases, repository, keyring):
    """The plaintext of a blob, proved by its id, from the plaintexts of its bases."""
    check(len(sealed) == entry.stored, "a pack that is cut")
    aad = struct.pack("<HBB16sI32s32sI", VERSION, entry.kind, entry.codec, repository,
                      entry.epoch, entry.salt, entry.id, entry.plain) + b"".join(entry.bases)
    key = subkey(keyring, "seal-" + KINDS[entry.kind], entry.epoch, entry.salt)
    plain = OPEN(key, aad, sealed)
    if entry.codec != RAW:
        plain = decode_frame(plain, entry.plain, b"".join(bases))
    check(len(plain) == entry.plain, "a blob of another length")
    ids = keyring.get(KINDS[entry.kind] + "-id")
    check(ids, "no key of ids", NOT_GRANTED)
    check(equal(MAC(*ids.values(), plain), entry.id), "a chunk that is not its id")
    return plain
