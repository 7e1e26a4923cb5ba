"""Chapters 7 and 13: pieces, lists and directories, and all places in a snapshot."""

import struct

from conventions import *

BLOB_MAX, NAME_MAX, NODE_MAX = 4 << 20, 4096, 2 << 20
INLINE_PIECES_MAX, DIRECTORY_DEPTH_MAX = 8, 1000

def good_name(name):
    return (0 < len(name) <= NAME_MAX and name not in (b".", b"..")
            and b"/" not in name and b"\0" not in name)

def parse_pieces(data):
    """Pairs of a length and the id of a chunk, None for a hole."""
    cursor, pieces = Cursor(data), []
    while cursor.left:
        kind = cursor.number(1)
        check(kind in (0, 1), "a piece of unknown kind")
        length = cursor.number(8 if kind else 4)
        check(length > 0 and (kind or length <= BLOB_MAX), "a piece of no bytes, or of too many")
        pieces.append((length, None if kind else cursor.take(32)))
    check(total(pieces) < 1 << 64, "pieces of 2^64 bytes")
    return pieces

def total(children):
    return sum(length for length, _ in children)

def content_rule(content):
    pieces = parse_pieces(content.get("pieces", b""))
    check(not (pieces and "list" in content), "pieces beside a list")
    check(len(pieces) <= INLINE_PIECES_MAX, "too many pieces in place")
    check("list" in content or total(pieces) == content["length"], "pieces do not add up")
    return content | {"pieces": pieces}

RULES["Content"] = content_rule

def list_node(data, level):
    """Pieces of a leaf; else pairs of the bytes beneath a child and the child's id."""
    check(data[:2] == b"L" + bytes([level]), "another node than its parent says")
    if level == 0:
        return parse_pieces(data[2:])
    check(len(data) > 2 and len(data) % 40 == 2, "children that are cut, or none")
    children = [(beneath, child) for child, beneath in struct.iter_unpack("<32sQ", data[2:])]
    check(all(beneath for beneath, _ in children), "nothing beneath a child")
    check(total(children) < 1 << 64, "2^64 bytes beneath a node")
    return children

def directory_node(data, level):
    """Pairs of a name and its node in a leaf; else of the last name beneath a child and its id."""
    check(data[:2] == b"D" + bytes([level]), "another node than its parent says")
    cursor, children = Cursor(data[2:]), []
    while cursor.left:
        child = cursor.take(32) if level else None
        length = cursor.number(4)
        check(length <= (NAME_MAX if level else NODE_MAX), "an entry above its bound")
        name = cursor.take(length)
        if level == 0:
            child = typed(decode(name), "Node")
            name = child["name"]
        check(good_name(name), "a name that is none")
        children.append((name, child))
    check(children or level == 0, "an inner node without children")
    check_ascending([name for name, _ in children])
    return children

def leaves(read, parse, measure, id, level, expected=None):
    """What the leaves beneath a node hold, from left to right; read(META, id) is a chunk's
    plaintext. Its parent says what its children must measure."""
    children = parse(read(META, id), level)
    fits = expected is None or children and measure(children) == expected
    check(fits, "another node than its parent says")
    for said, child in children:
        if level == 0:
            yield said, child
        else:
            yield from leaves(read, parse, measure, child, level - 1, said)

def pieces_of(content, read):
    """The pieces of a stream, in order."""
    if "list" not in content:
        return content["pieces"]
    return leaves(read, list_node, total, *content["list"].values(), content["length"])

def places(path, node, read, depth=0):
    """All places from the root of a part on, as pairs of a path in names and the node there."""
    yield path, node
    if node["kind"][0] == "directory":
        check(depth <= DIRECTORY_DEPTH_MAX, "directories nested too deeply")
        reference = node["kind"][1]["entries"].values()
        children = list(leaves(read, directory_node, lambda found: found[-1][0], *reference))
        check_ascending([name for name, _ in children])
        for name, child in children:
            yield from places(path + [name], child, read, depth + 1)
