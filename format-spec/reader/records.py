"""Chapters 2, 3, 7 and 8: the records, field by field, and what holds beyond their fields."""

from conventions import *
from trees import good_name, parse_pieces

KEY_SLOTS_MAX, KEYRING_KEYS_MAX = 64, 1024
SNAPSHOT_ELEMENTS_MAX, NOTE_DAMAGE_MAX, TAINTS_MAX = 1 << 16, 1 << 16, 100
INLINE_PIECES_MAX, LEVELS_MAX, DIRECTORY_DEPTH_MAX = 8, 8, 1000

# ---- chapter 2

CONFIG = record(
    repository=id16, created=time, previous=or_null(id32), slots=set_of(id16), features=set_of(text),
    single_writer=boolean, listing_after_write=boolean)

# ---- chapter 3

KEYRING = record(keys=array(record(purpose=text, epoch=u32, key=id32), KEYRING_KEYS_MAX))
ARGON2ID = record(memory_kib=u32, passes=u32, lanes=u32)
SLOT = record(
    id=id16, kdf=choice("key-file", argon2id=ARGON2ID), salt=id32, commitment=id32,
    wrapped=byte_string, label=text, created=time)

# ---- chapter 7

TREE_REF = record(id=id32, levels=below(LEVELS_MAX + 1))
CONTENT_FIELDS = record(
    length=unsigned, chunker=u8, pieces=optional(byte_string), list=optional(TREE_REF))

def CONTENT(value):
    content = CONTENT_FIELDS(value)
    pieces = parse_pieces(content.get("pieces", b""))
    if "list" in content:
        check(not pieces, "pieces beside a list")
    else:
        check(len(pieces) <= INLINE_PIECES_MAX, "too many pieces in place")
        check(sum(length for length, _ in pieces) == content["length"], "pieces do not add up")
    return content | {"pieces": pieces}

FILE_TIME = pair(integer, below(10 ** 9))
SQLITE = record(
    page_size=u32, page_count=u32, change_counter=u32, journal_mode=text, encoding=text,
    user_version=integer, application_id=integer, schema_hash=text, reader=text, method=text,
    verified=optional(text), row_counts=optional(map_of(text, unsigned), may_be_empty=True))
SETTING = record(role=optional(text), name=text, value=text)
TABLE = record(schema=text, name=text, estimate=optional(unsigned), rows=optional(unsigned))
POSTGRES = record(
    name=text, server=u32, pg_dump=u32, format=text, selection=optional(array(text)),
    exact=boolean, lsn=optional(text), size=unsigned, owner=text, encoding=text, provider=text,
    collate=text, ctype=text, locale=optional(text), icu_rules=optional(text),
    tablespace=optional(text), connection_limit=optional(u32), comment=optional(text),
    acl=optional(array(text), may_be_empty=True), settings=optional(array(SETTING)),
    extensions=optional(map_of(text, text)), objects=map_of(text, unsigned),
    tables=optional(array(TABLE), may_be_empty=True))
DATABASE = choice(sqlite=SQLITE, postgres=POSTGRES)
TARGET = byte_string
DEVICE = record(device=pair(u32, u32))
NODE_KIND = choice(
    "fifo", "socket", file=record(content=CONTENT, database=optional(DATABASE)),
    directory=record(entries=TREE_REF), symlink=record(target=TARGET), chardevice=DEVICE,
    blockdevice=DEVICE)
METADATA = record(
    mode=u32, uid=u32, gid=u32, user=optional(text), group=optional(text), mtime=FILE_TIME,
    xattrs=optional(map_of(byte_string, byte_string)),
    link_group=optional(record(device=unsigned, inode=unsigned, born=optional(FILE_TIME))))
TAINT = record(finding=text, since=time, scrutiny=word("open", "rows", "quick", "full"))
STAMP = record(size=unsigned, mtime=FILE_TIME, ctime=FILE_TIME, inode=unsigned)
NODE_FIELDS = record(
    name=byte_string, kind=NODE_KIND, meta=METADATA, stamp=optional(STAMP), taint=optional(TAINT))

def ROOT(value):
    """A node whose name may be empty."""
    node = NODE_FIELDS(value)
    kind, fields = node["kind"]
    check(kind != "symlink" or b"\0" not in fields["target"], "a target with NUL")
    return node

def parse_node(data):
    """A node of a directory."""
    node = decode(data, ROOT)
    check(good_name(node["name"]), "a name that is none")
    return node

# ---- chapter 8

PART_KIND = word("files", "sqlite", "stdin", "postgres-dump")
SELECTION = optional(set_of(text))
PART = record(
    kind=PART_KIND, path=byte_string, selection=SELECTION, parents=optional(set_of(id16)),
    root=ROOT, started=time, finished=time, facts=optional(map_of(text, text)), tainted=unsigned,
    taints=optional(array(record(path=byte_string, taint=TAINT), TAINTS_MAX)), incomplete=boolean)
MISSING = record(kind=PART_KIND, path=byte_string, selection=SELECTION, reason=text)
STORED = record(blobs=unsigned, plain=unsigned, stored=unsigned)
SUMMARY = record(
    items=unsigned, files_new=unsigned, files_changed=unsigned, files_unchanged=unsigned,
    directories=unsigned, databases=unsigned, failed=unsigned, bytes=unsigned,
    bytes_read=unsigned, chunks_new=unsigned, chunks_known=unsigned, whole=STORED, delta=STORED,
    packed=unsigned, written=unsigned)
SNAPSHOT_FIELDS = record(
    id=id16, series=id16, sequence=unsigned, previous=or_null(id32), generation=unsigned,
    started=time, finished=time, host=text, user=text, tags=set_of(text),
    labels=map_of(text, text), tool=text, parts=array(PART), missing=optional(array(MISSING)),
    warnings=array(text), summary=SUMMARY)

def components(path):
    """The names that a part's path is made of."""
    check(path[:1] == b"/", "a path that does not begin with /")
    names = path[1:].split(b"/") if path != b"/" else []
    check(len(names) <= DIRECTORY_DEPTH_MAX and all(map(good_name, names)), "an odd path")
    return names

def SNAPSHOT(value):
    snapshot = SNAPSHOT_FIELDS(value)
    sources = snapshot["parts"] + snapshot.get("missing", [])
    elements = sum(len(snapshot[name]) for name in ("tags", "labels", "warnings")) + len(sources)
    for source in sources:
        elements += sum(
            len(source.get(name, ())) for name in ("selection", "parents", "facts", "taints"))
    check(elements <= SNAPSHOT_ELEMENTS_MAX, "too many elements")
    check(snapshot["sequence"] > 0, "number 0 of its series")
    for source in sources:
        components(source["path"])
    places = []
    for part in snapshot["parts"]:
        places.append(components(part["path"]))
        check(part["root"]["name"] == (places[-1] or [b""])[-1], "a root of another name")
    places.sort()
    for outer, inner in zip(places, places[1:]):
        check(inner[:len(outer)] != outer, "a part within another")
    return snapshot

OUTCOME = choice(
    snapshot=SNAPSHOT,
    partial=record(id=id16, generation=unsigned, packs=set_of(id32), at=time),
    maintenance=record(id=id16, generation=unsigned, verb=text, at=time),
    tombstone=record(id=id16, generation=unsigned, at=time))
NOTE = record(id=id16, at=time, about=choice(
    snapshot=record(snapshot=id16, topic=text, text=text),
    tags=record(snapshot=id16, remove=set_of(text), add=set_of(text)),
    damage=record(
        packs=set_of(id32, most=NOTE_DAMAGE_MAX),
        blobs=set_of(pair(id32, u32), most=NOTE_DAMAGE_MAX)),
    withdrawal=record(notes=set_of(id16))))
POSITION = record(series=id16, sequence=unsigned, hash=optional(id32))
FORGOTTEN = record(id=id16, position=optional(POSITION), first=optional(unsigned), at=time)
CONDEMNED = record(
    generation=unsigned, packs=array(pair(id32, word("garbage", "duplicate", "damaged"))), at=time)
VERDICT = record(
    generation=unsigned, swept=set_of(id32), rescued=set_of(id32), snapshots=set_of(id16),
    segments=set_of(id32), at=time)
