"""Chapters 5, 6 and 10: the entries of index segments, and blobs by their entries."""

import struct
from collections import namedtuple

import zstandard

from conventions import *
from objects import OPEN, VERSION, subkey

BLOB_MAX, STORED_MAX, BASES_MAX, DEPTH_MAX = 4 << 20, (4 << 20) + (64 << 10), 8, 8
INDEX_ENTRIES_MAX, SALTS_MAX = 1 << 18, (1 << 16) - 1
RAW, ZSTD, DELTA = 0, 1, 2
KINDS = ("data", "meta")
Entry = namedtuple("Entry", "kind id pack offset stored plain codec depth bases epoch salt")

def check_entry(stored, plain, codec, depth, count):
    check(stored <= STORED_MAX and plain <= BLOB_MAX, "a blob above its bound")
    check(codec in (RAW, ZSTD, DELTA), "an unknown codec")
    if codec == DELTA:
        check(1 <= depth <= DEPTH_MAX and 1 <= count <= BASES_MAX, "a delta past its bounds")
    else:
        check(depth == count == 0, "a whole blob with bases")

def parse_segment(data):
    """The generation, and the entries."""
    check(len(data) >= 24, "a segment shorter than its header")
    salts, packs, count, base_count, generation = struct.unpack("<IIIIQ", data[:24])
    check(salts <= SALTS_MAX and packs <= INDEX_ENTRIES_MAX and count <= INDEX_ENTRIES_MAX
          and base_count <= BASES_MAX * INDEX_ENTRIES_MAX, "more rows than there may be")
    ends = [24]
    for rows, size in ((salts, 36), (packs, 40), (count, 56), (base_count, 16)):
        ends.append(ends[-1] + rows * size)
    check(len(data) == ends[4], "tables that do not fill it")
    salts = list(struct.iter_unpack("<I32s", data[ends[0]:ends[1]]))
    packs = list(struct.iter_unpack("<32sIB3s", data[ends[1]:ends[2]]))
    check(all(kind <= 1 and not any(zero) for _, _, kind, zero in packs), "an odd row of a pack")
    bases = [base for base, in struct.iter_unpack("16s", data[ends[3]:])]
    entries, used, last = [], 0, ()
    for row in struct.iter_unpack("<32sIIIIIHBB", data[ends[2]:ends[3]]):
        id, pack, offset, stored, plain, first, salt, codec, both = row
        depth, number = both >> 4, both & 15
        check_entry(stored, plain, codec, depth, number)
        check(pack < len(packs) and salt < len(salts), "a row that is not there")
        check(offset + stored <= packs[pack][1], "an entry past the end of its pack")
        check(last <= (id, depth, pack, offset), "entries out of order")
        check(first == used and used + number <= base_count, "bases out of order")
        last, used = (id, depth, pack, offset), used + number
        entries.append(Entry(packs[pack][2], id, packs[pack][0], offset, stored, plain, codec,
                             depth, tuple(bases[first:used]), *salts[salt]))
    check(used == base_count, "bases of no entry")
    return generation, entries

def check_frame(payload, plain):
    """The only form of a zstd frame (chapter 10)."""
    check(payload[:4] == b"\x28\xb5\x2f\xfd" and len(payload) > 5, "it is no zstd frame")
    check(payload[4] & 0b00111111 == 0b00100000, "a zstd frame of another form")
    size = 1 << (payload[4] >> 6)
    stated = int.from_bytes(payload[5:5 + size], "little") + (256 if size == 2 else 0)
    check(stated == plain, "a zstd frame of another length")

def open_blob(sealed, entry, bases, repository, keyring):
    """The plaintext of a blob, proved by its id, from the plaintexts of its bases."""
    aad = struct.pack("<HBB16sI32s32sI", VERSION, entry.kind, entry.codec, repository,
                      entry.epoch, entry.salt, entry.id, entry.plain) + b"".join(entry.bases)
    key = subkey(keyring, "seal-" + KINDS[entry.kind], entry.epoch, entry.salt)
    plain = OPEN(key, aad, sealed)
    if entry.codec != RAW:
        check_frame(plain, entry.plain)
        prefix = zstandard.ZstdCompressionDict(
            b"".join(bases), dict_type=zstandard.DICT_TYPE_RAWCONTENT)
        decoder = zstandard.ZstdDecompressor(dict_data=prefix if bases else None)
        try:
            plain = decoder.decompress(
                plain, max_output_size=entry.plain, allow_extra_data=False)
        except zstandard.ZstdError as error:
            raise Finding(DAMAGED, f"a zstd frame that does not decode: {error}") from None
    check(len(plain) == entry.plain, "a blob of another length")
    ids = keyring.get(KINDS[entry.kind] + "-id")
    check(ids, "no key of ids", NOT_GRANTED)
    check(equal(MAC(*ids.values(), plain), entry.id), "a chunk that is not its id")
    return plain
