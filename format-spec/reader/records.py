"""Chapters 1, 2, 3, 7 and 8: the types of values, and all records.

A record is written as its name and its fields, `name type`; `name? type` is optional, `name?* type`
optional and may be empty. [T] is an array, {T} a set, {K:V} a map, (A B) a pair, T|null as it says; a
choice is written as its names, each with the record of its fields or the one value that it has."""
import re
from conventions import *
from trees import good_name, parse_pieces

KEY_SLOTS_MAX, KEYRING_KEYS_MAX, NOTE_DAMAGE_MAX, TAINTS_MAX = 64, 1024, 1 << 16, 100
SNAPSHOT_ELEMENTS_MAX, INLINE_PIECES_MAX, DIRECTORY_DEPTH_MAX = 1 << 16, 8, 1000

def number(least, bound):
    return lambda value: type(value) is int and least <= value < bound

def bytes_of(length):
    return lambda value: type(value) is bytes and len(value) == length

PLAIN = {
    "u8": number(0, 1 << 8), "u32": number(0, 1 << 32), "unsigned": number(0, 1 << 64),
    "integer": number(-1 << 63, 1 << 63), "time": number(-1 << 63, 1 << 63),
    "levels": number(0, 9), "nanoseconds": number(0, 10 ** 9), "id16": bytes_of(16),
    "id32": bytes_of(32), "text": lambda value: type(value) is str,
    "bytes": lambda value: type(value) is bytes, "boolean": lambda value: type(value) is bool}

RECORDS = """
config: repository id16, created time, previous id32|null, slots {id16}, features {text},
    single_writer boolean, listing_after_write boolean
keyring: keys [Key]
Key: purpose text, epoch u32, key id32
key-slot: id id16, kdf Kdf, salt id32, commitment id32, wrapped bytes, label text, created time
Argon2id: memory_kib u32, passes u32, lanes u32
TreeRef: id id32, levels levels
Content: length unsigned, chunker u8, pieces? bytes, list? TreeRef
SqliteFacts: page_size u32, page_count u32, change_counter u32, journal_mode text, encoding text,
    user_version integer, application_id integer, schema_hash text, reader text, method text,
    verified? text, row_counts?* {text:unsigned}
PostgresFacts: name text, server u32, pg_dump u32, format text, selection? [text], exact boolean,
    lsn? text, size unsigned, owner text, encoding text, provider text, collate text, ctype text,
    locale? text, icu_rules? text, tablespace? text, connection_limit? u32, comment? text,
    acl?* [text], settings? [Setting], extensions? {text:text}, objects {text:unsigned},
    tables?* [Table]
Setting: role? text, name text, value text
Table: schema text, name text, estimate? unsigned, rows? unsigned
File: content Content, database? Database
Directory: entries TreeRef
Symlink: target bytes
Device: device (u32 u32)
Metadata: mode u32, uid u32, gid u32, user? text, group? text, mtime (integer nanoseconds),
    xattrs? {bytes:bytes}, link_group? LinkGroup
LinkGroup: device unsigned, inode unsigned, born? (integer nanoseconds)
Taint: finding text, since time, scrutiny Scrutiny
Stamp: size unsigned, mtime (integer nanoseconds), ctime (integer nanoseconds), inode unsigned
Node: name bytes, kind NodeKind, meta Metadata, stamp? Stamp, taint? Taint
Part: kind PartKind, path bytes, selection? {text}, parents? {id16}, root Node, started time,
    finished time, facts? {text:text}, tainted unsigned, taints? [TaintedEntry], incomplete boolean
TaintedEntry: path bytes, taint Taint
Missing: kind PartKind, path bytes, selection? {text}, reason text
Stored: blobs unsigned, plain unsigned, stored unsigned
Summary: items unsigned, files_new unsigned, files_changed unsigned, files_unchanged unsigned,
    directories unsigned, databases unsigned, failed unsigned, bytes unsigned, bytes_read unsigned,
    chunks_new unsigned, chunks_known unsigned, whole Stored, delta Stored, packed unsigned,
    written unsigned
Snapshot: id id16, series id16, sequence unsigned, previous id32|null, generation unsigned,
    started time, finished time, host text, user text, tags {text}, labels {text:text}, tool text,
    parts [Part], missing? [Missing], warnings [text], summary Summary
Partial: id id16, generation unsigned, packs {id32}, at time
Maintenance: id id16, generation unsigned, verb text, at time
Tombstone: id id16, generation unsigned, at time
note: id id16, at time, about About
Remark: snapshot id16, topic text, text text
TagChange: snapshot id16, remove {text}, add {text}
Damage: packs {id32}, blobs {(id32 u32)}
Withdrawal: notes {id16}
forgotten: id id16, position? Position, first? unsigned, at time
Position: series id16, sequence unsigned, hash? id32
condemned: generation unsigned, packs [(id32 Reason)], at time
verdict: generation unsigned, swept {id32}, rescued {id32}, snapshots {id16}, segments {id32},
    at time
"""
CHOICES = {
    "Kdf": {"argon2id": "Argon2id", "key-file": None},
    "Database": {"sqlite": "SqliteFacts", "postgres": "PostgresFacts"},
    "NodeKind": {"file": "File", "directory": "Directory", "symlink": "Symlink", "fifo": None,
                 "socket": None, "chardevice": "Device", "blockdevice": "Device"},
    "Scrutiny": dict.fromkeys(("open", "rows", "quick", "full")),
    "PartKind": dict.fromkeys(("files", "sqlite", "stdin", "postgres-dump")),
    "outcome": {"snapshot": "Snapshot", "partial": "Partial", "maintenance": "Maintenance",
                "tombstone": "Tombstone"},
    "About": {"snapshot": "Remark", "tags": "TagChange", "damage": "Damage",
              "withdrawal": "Withdrawal"},
    "Reason": dict.fromkeys(("garbage", "duplicate", "damaged"))}

def fields_of(line):
    """Of each field by its name: its type, whether it is optional, and may be empty then."""
    found = re.findall(r"(\w+)(\?\*|\?|) ([^,]+)(?:, *|$)", line)
    return {name: (of, mark != "", mark == "?*") for name, mark, of in found}

LINES = re.sub(r",\n +", ", ", RECORDS).strip().split("\n")
RECORDS = {name: fields_of(line) for name, line in (line.split(": ") for line in LINES)}

def typed(value, of):
    """What a parsed value means as one of a type, or what is wrong with it."""
    if of in PLAIN:
        check(PLAIN[of](value), f"{value!r:.40} is not of type {of}")
        return value
    if of in RECORDS:
        found = record(value, RECORDS[of])
        return RULES.get(of, lambda found: found)(found)
    if of in CHOICES:
        return choice(value, CHOICES[of])
    if of.endswith("|null"):
        return None if value is None else typed(value, of[:-5])
    if of[0] == "{" and ":" in of:
        check(type(value) is Map, "it is no map")
        key, field = of[1:-1].split(":")
        pairs = [(typed(a, key), typed(b, field)) for a, b in value]
        ascending([a for a, _ in pairs])
        return dict(pairs)
    check(type(value) is list, "it is no array")
    if of[0] == "(":
        types = of[1:-1].split(" ")
        check(len(value) == 2, "it is no pair")
        return tuple(map(typed, value, types))
    elements = [typed(element, of[1:-1]) for element in value]
    if of[0] == "{":
        ascending(elements)
    return elements

def ascending(keys):
    check(all(a < b for a, b in zip(keys, keys[1:])), "it is not strictly ascending")

def record(value, fields):
    check(type(value) is Map, "it is no record")
    found = {}
    for name, field in value:
        check(type(name) is str and name not in found, "a field twice, or not named by text")
        check(name in fields, f"unknown field {name!r:.40}", UNSUPPORTED)
        of, optional, may_be_empty = fields[name]
        check(not optional or may_be_empty or field not in ("", b"", []), f"{name} is empty")
        found[name] = typed(field, of)
    for name, (_, optional, _) in fields.items():
        check(name in found or optional, f"field {name} is missing")
    check(list(found) == [name for name in fields if name in found], "fields out of order")
    return found

def choice(value, names):
    """The name, and its fields; None for a name without any."""
    is_map = type(value) is Map
    check(not is_map or len(value) == 1, "it is no choice")
    name, fields = value[0] if is_map else (value, None)
    check(type(name) is str, "a choice without a name")
    check(name in names, f"unknown name {name!r:.40}", UNSUPPORTED)
    check(is_map == (names[name] is not None), "a choice with fields too many, or none")
    return name, typed(fields, names[name]) if is_map else None

def envelope(data, kind):
    """A record in its envelope: its kind and version are looked at first."""
    check(len(data) <= RECORD_MAX, "a record above its bound")
    value = decode(data)
    check(type(value) is Map and [name for name, _ in value] == ["kind", "version", "body"],
          "it is no record in its envelope")
    found = typed(value[0][1], "text"), typed(value[1][1], "u32")
    check(found == (kind, 1), f"kind {found[0]!r:.40}, version {found[1]}", UNSUPPORTED)
    return typed(value[2][1], kind)

# ---- what holds beyond the fields

def content_rule(content):
    pieces = parse_pieces(content.get("pieces", b""))
    check(not (pieces and "list" in content), "pieces beside a list")
    check(len(pieces) <= INLINE_PIECES_MAX, "too many pieces in place")
    adds_up = sum(length for length, _ in pieces) == content["length"]
    check("list" in content or adds_up, "pieces do not add up")
    return content | {"pieces": pieces}

def node_rule(node):
    kind, fields = node["kind"]
    check(kind != "symlink" or b"\0" not in fields["target"], "a target with NUL")
    return node

def damage_rule(damage):
    check(max(map(len, damage.values())) <= NOTE_DAMAGE_MAX, "too much damage for one note")
    return damage

def components(path):
    """The names that a part's path is made of."""
    check(path[:1] == b"/", "a path that does not begin with /")
    names = path[1:].split(b"/") if path != b"/" else []
    check(len(names) <= DIRECTORY_DEPTH_MAX and all(map(good_name, names)), "an odd path")
    return names

def snapshot_rule(snapshot):
    sources, places = snapshot["parts"] + snapshot.get("missing", []), []
    elements = [snapshot["tags"], snapshot["labels"], snapshot["warnings"], sources]
    for source in sources:
        components(source["path"])
        elements += [source.get(name, ()) for name in ("selection", "parents", "facts", "taints")]
    check(sum(map(len, elements)) <= SNAPSHOT_ELEMENTS_MAX, "too many elements")
    check(snapshot["sequence"] > 0, "number 0 of its series")
    for part in snapshot["parts"]:
        places.append(components(part["path"]))
        check(part["root"]["name"] == (places[-1] or [b""])[-1], "a root of another name")
        check(len(part.get("taints", ())) <= TAINTS_MAX, "too many damaged entries named")
    places.sort()
    nested = any(inner[:len(outer)] == outer for outer, inner in zip(places, places[1:]))
    check(not nested, "a part within another")
    return snapshot

RULES = {"Content": content_rule, "Node": node_rule, "Damage": damage_rule,
         "Snapshot": snapshot_rule}

def parse_node(data):
    """A node of a directory."""
    node = typed(decode(data), "Node")
    check(good_name(node["name"]), "a name that is none")
    return node
