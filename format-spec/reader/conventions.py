"""Chapters 1 and 14: findings, hashes, CBOR, and records, whose types the chapters' tables have."""

import contextlib
import hmac
import re
import sys
from pathlib import Path

import blake3

NO_REPOSITORY, WRONG_KEY, REFUSED = "no repository", "wrong key", "refused"
NOT_GRANTED, UNSUPPORTED, MISSING, DAMAGED = "not granted", "unsupported", "missing", "damaged"
NESTING_MAX, RECORD_MAX = 127, 16 << 20
DATA, META = 0, 1
equal = hmac.compare_digest
told = []

class Finding(Exception):
    """What is wrong with an object, under one of the names above."""
    def __init__(self, name, reason):
        super().__init__(reason)
        self.name = name

def check(holds, reason, name=DAMAGED):
    if not holds:
        raise Finding(name, reason)

@contextlib.contextmanager
def going_on(subject, unless=()):
    """Tells of a finding within, and goes on. Text from a repository is escaped."""
    try:
        yield
    except Finding as finding:
        if finding.name in unless:
            raise
        told.append(finding)
        print(ascii(f"{subject}: {finding.name}: {finding}")[1:-1], file=sys.stderr)

def H(message):
    return blake3.blake3(message).digest()

def MAC(key, message, length=32):  # the text calls it XOF where the length is another
    return blake3.blake3(message, key=key).digest(length=length)

class Cursor:
    """Reads bytes from the front to the back."""
    def __init__(self, data):
        self.data, self.left = data, len(data)

    def take(self, length):
        check(length <= self.left, "it ends too early")
        at = len(self.data) - self.left
        self.left -= length
        return self.data[at:at + length]

    def number(self, size, order="little"):
        return int.from_bytes(self.take(size), order)

def cbor_value(cursor, depth=1):
    """A value: an array is a list, a map the tuple of its pairs."""
    first = cursor.number(1)
    major, number = first >> 5, first & 31
    if major >= 6:
        simple = {20: False, 21: True, 22: None}
        check(major == 7 and number in simple, "a tag, a float or an unknown simple value")
        return simple[number]
    if number >= 24:
        check(number <= 27, "an indefinite or reserved length")
        size = 1 << (number - 24)
        number = cursor.number(size, "big")
        check(number >= (24 if size == 1 else 1 << 4 * size), "a number in a longer form")
    if major < 2:
        return -1 - number if major else number
    if major < 4:
        return cursor.take(number).decode() if major == 3 else cursor.take(number)
    check(depth <= NESTING_MAX, "too many arrays and maps in each other")
    check(number <= cursor.left, "more elements than bytes")
    elements = (cbor_value(cursor, depth + 1) for _ in range(number * (major - 3)))
    return tuple(zip(elements, elements)) if major == 5 else list(elements)

def decode(data):
    """The one value that the bytes are."""
    cursor = Cursor(data)
    try:
        value = cbor_value(cursor)
    except UnicodeDecodeError:
        raise Finding(DAMAGED, "text that is not UTF-8") from None
    check(cursor.left == 0, "bytes after the value")
    return value

TABLE = re.compile(r"\n(Record|Choice|Pair) `(?:\w+::)?(\w+)`(?:, kind `([\w-]+)`)?.*\n\n"
                   r".*\n.*\n((?:\|.*\n)+)")
RECORDS, CHOICES, PAIRS, KINDS = {}, {}, {}, {}
for chapter in sorted(Path(__file__).parent.parent.glob("[0-9]*.md")):
    for word, name, kind, rows in TABLE.findall(chapter.read_text(encoding="utf-8")):
        cells = [row.strip("| ").split(" | ") for row in rows.splitlines()]
        tables = {"Record": RECORDS, "Choice": CHOICES, "Pair": PAIRS}[word]
        tables[name] = {row[0].strip("`"): row[1] for row in cells}
        KINDS[kind] = name
INTEGERS = {
    "unsigned": (0, 1 << 64), "integer": (-1 << 63, 1 << 63), "time": (-1 << 63, 1 << 63),
    "unsigned, at most 8": (0, 9), "unsigned, below 2^8": (0, 1 << 8),
    "unsigned, below 2^32": (0, 1 << 32), "unsigned, below 10^9": (0, 10 ** 9)}
BYTES = {"bytes": None, "bytes without NUL": None, "bytes (16)": 16, "bytes (32)": 32}
# What holds of a record beyond the types of its fields; other modules add theirs.
RULES = {}

def typed(value, of):
    """What a CBOR value means as one of a type."""
    if of in RECORDS:
        return RULES.get(of, lambda found: found)(record(value, RECORDS[of]))
    if of in CHOICES:
        return choice(value, CHOICES[of])
    if of.endswith(" or null"):
        return None if value is None else typed(value, of.removesuffix(" or null"))
    expected = (int if of in INTEGERS else bytes if of in BYTES else str if of == "text"
                else bool if of == "boolean" else tuple if of.startswith("map") else list)
    check(type(value) is expected, f"{value!r:.40} is not of type {of}")
    if of in INTEGERS:
        check(INTEGERS[of][0] <= value < INTEGERS[of][1], f"{value} is not of type {of}")
    if of in BYTES:
        check(BYTES[of] in (None, len(value)), f"{len(value)} bytes, not {of}")
        check(of != "bytes without NUL" or 0 not in value, "a NUL")
    if of in PAIRS:
        check(len(value) == 2, "it is no pair")
        return tuple(map(typed, value, PAIRS[of].values()))
    form, _, elements = of.partition(" of ")
    if form == "map":
        key, field = elements.split(" to ")
        pairs = [(typed(a, key), typed(b, field)) for a, b in value]
        check_ascending([key for key, _ in pairs])
        return dict(pairs)
    if form in ("array", "set"):
        value = [typed(element, elements) for element in value]
    if form == "set":
        check_ascending(value)
    return value

def check_ascending(keys):
    check(all(a < b for a, b in zip(keys, keys[1:])), "not strictly ascending")

def record(value, fields):
    check(type(value) is tuple, "it is no record")
    found = {}
    for name, field in value:
        check(type(name) is str and name not in found, "a field twice, or not named by text")
        check(name in fields, f"unknown field {name!r:.40}", UNSUPPORTED)
        of, optional, may_be_empty = fields[name].partition(", optional")
        check(not optional or may_be_empty or field not in ("", b"", []), f"{name} is empty")
        found[name] = typed(field, of)
    expected = [name for name in fields if name in found or ", optional" not in fields[name]]
    check(list(found) == expected, "a field is missing, or out of order")
    return found

def choice(value, names):
    """The name, and its fields; None for a name without any."""
    is_map = type(value) is tuple
    name, fields = value[0] if is_map and len(value) == 1 else (value, None)
    check(type(name) is str, "it is no choice")
    check(name in names, f"unknown name {name!r:.40}", UNSUPPORTED)
    check(is_map == (names[name] != "none"), "a choice with fields too many, or none")
    return name, typed(fields, names[name]) if is_map else None

def envelope(data, kind):
    """A record in its envelope; its kind and version are looked at first."""
    check(len(data) <= RECORD_MAX, "a record above its bound")
    value = decode(data)
    check(type(value) is tuple and [name for name, _ in value] == ["kind", "version", "body"],
          "it is no record in its envelope")
    found, version = typed(value[0][1], "text"), typed(value[1][1], "unsigned, below 2^32")
    check((found, version) == (kind, 1), f"kind {found!r:.40}, version {version}", UNSUPPORTED)
    return typed(value[2][1], KINDS[kind])
