"""Chapters 1 and 14: findings, hashes, CBOR in its one form."""
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

def decode(data):
    """The one value that fills bytes."""
    cbor = Cbor(data)
    value = cbor.value()
    check(cbor.at == len(data), "bytes behind it")
    return value
