"""Chapters 1 and 14: findings, hashes, CBOR in its one form, types of values, envelopes."""
import hmac
import sys
import blake3

NO_REPOSITORY, WRONG_KEY, REFUSED = "no repository", "wrong key", "refused"
NOT_GRANTED, UNSUPPORTED, MISSING, DAMAGED = "not granted", "unsupported", "missing", "damaged"
RECORD_MAX, NESTING_MAX = 16 << 20, 127
equal = hmac.compare_digest

class Finding(Exception):
    """Ends the reading of an object; its name is one of those above."""
    def __init__(self, name, reason):
        super().__init__(reason)
        self.name = name

def check(holds, reason, name=DAMAGED):
    if not holds:
        raise Finding(name, reason)

def tell(subject, finding):
    """Names what was found, and goes on. Text from a repository is escaped."""
    print(ascii(f"{subject}: {finding.name}: {finding}")[1:-1], file=sys.stderr)

def H(message):
    return blake3.blake3(message).digest()

def MAC(key, message):
    return blake3.blake3(message, key=key).digest()

def XOF(key, message, length):
    return blake3.blake3(message, key=key).digest(length=length)

class Map(list):
    """A CBOR map as its pairs, in their order."""

class Cbor:
    """Reads values of the canonical subset from bytes; everything else is damage."""
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, length):
        check(length <= len(self.data) - self.at, "it ends too early")
        self.at += length
        return self.data[self.at - length:self.at]

    def head(self):
        """The major type, and the number that goes with it."""
        first = self.take(1)[0]
        major, number = first >> 5, first & 31
        if number >= 24 and major != 7:
            check(number <= 27, "a length that is indefinite or reserved")
            least = (24, 1 << 8, 1 << 16, 1 << 32)[number - 24]
            number = int.from_bytes(self.take(1 << (number - 24)), "big")
            check(number >= least, "a number that is not in its shortest form")
        return major, number

    def value(self, depth=1):
        major, number = self.head()
        if major < 2:
            return -1 - number if major else number
        if major == 2:
            return self.take(number)
        if major == 3:
            try:
                return self.take(number).decode()
            except UnicodeDecodeError:
                raise Finding(DAMAGED, "text that is not UTF-8") from None
        if major in (4, 5):
            check(depth <= NESTING_MAX, "too many arrays and maps in each other")
            check(number <= len(self.data) - self.at, "more elements than bytes")
            values = (self.value(depth + 1) for _ in range(number * (major - 3)))
            return Map(zip(values, values)) if major == 5 else list(values)
        simple = {20: False, 21: True, 22: None}
        check(major == 7 and number in simple, "a tag, or an unknown simple value")
        return simple[number]

# A type is a function from a parsed value to what it means; it raises what is wrong with it.

def simple(kind, holds=lambda value: True):
    def of(value):
        check(type(value) is kind and holds(value), f"{value!r:.40} is out of place")
        return value
    return of

def below(bound):
    return simple(int, lambda value: 0 <= value < bound)

u8, u32, unsigned = below(1 << 8), below(1 << 32), below(1 << 64)
integer = time = simple(int, lambda value: -1 << 63 <= value < 1 << 63)
text, boolean, byte_string = simple(str), simple(bool), simple(bytes)
id16 = simple(bytes, lambda value: len(value) == 16)
id32 = simple(bytes, lambda value: len(value) == 32)

def or_null(of):
    return lambda value: None if value is None else of(value)

def ascending(keys):
    check(all(a < b for a, b in zip(keys, keys[1:])), "it is not strictly ascending")

def array(of, most=1 << 32):
    def array_of(value):
        check(type(value) is list and len(value) <= most, "it is no array, or too long")
        return [of(element) for element in value]
    return array_of

def set_of(of, most=1 << 32):
    def checked(value):
        elements = array(of, most)(value)
        ascending(elements)
        return elements
    return checked

def pair(first, second):
    def pair_of(value):
        check(type(value) is list and len(value) == 2, "it is no pair")
        return first(value[0]), second(value[1])
    return pair_of

def map_of(key, of):
    def checked(value):
        check(type(value) is Map, "it is no map")
        pairs = [(key(a), of(b)) for a, b in value]
        ascending([a for a, _ in pairs])
        return dict(pairs)
    return checked

def optional(of, may_be_empty=False):
    def checked(value):
        check(may_be_empty or value not in ("", b"", []), "an optional field is empty")
        return of(value)
    checked.optional = True
    return checked

def record(**fields):
    def checked(value):
        check(type(value) is Map, "it is no record")
        found = {}
        for name, field in value:
            check(type(name) is str and name not in found, "a field twice, or not named by text")
            check(name in fields, f"unknown field {name}", UNSUPPORTED)
            found[name] = fields[name](field)
        for name, of in fields.items():
            check(name in found or hasattr(of, "optional"), f"field {name} is missing")
        check(list(found) == [name for name in fields if name in found], "fields out of order")
        return found
    return checked

def choice(*names, **with_fields):
    """Gives the name and its fields; None for a name without any."""
    def checked(value):
        is_map = type(value) is Map
        check(not is_map or len(value) == 1, "it is no choice")
        name, fields = value[0] if is_map else (value, None)
        known = text(name) in names or name in with_fields
        check(known, f"unknown name {name!r:.40}", UNSUPPORTED)
        check((name in with_fields) == is_map, "a choice with fields too many, or none")
        return name, with_fields[name](fields) if is_map else None
    return checked

def word(*names):
    """A choice of names alone."""
    of = choice(*names)
    return lambda value: of(value)[0]

def decode(data, of):
    """A value that fills bytes."""
    cbor = Cbor(data)
    value = cbor.value()
    check(cbor.at == len(data), "bytes behind it")
    return of(value)

def envelope(data, kind, of):
    """A record in its envelope: its kind and version are looked at first."""
    check(len(data) <= RECORD_MAX, "a record above its bound")
    value = decode(data, lambda value: value)
    check(type(value) is Map and [name for name, _ in value] == ["kind", "version", "body"],
          "it is no record in its envelope")
    found = text(value[0][1]), u32(value[1][1])
    check(found == (kind, 1), f"kind {found[0]!r:.40}, version {found[1]}", UNSUPPORTED)
    return of(value[2][1])
