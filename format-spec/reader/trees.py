"""Chapter 7: pieces, and the nodes of lists and directories."""

import struct

from conventions import check

BLOB_MAX, NAME_MAX, NODE_MAX = 4 << 20, 4096, 2 << 20

def good_name(name):
    return (0 < len(name) <= NAME_MAX and name not in (b".", b"..")
            and b"/" not in name and b"\0" not in name)

def parse_pieces(data):
    """Pieces as pairs of a length and the id of a chunk, None for a hole."""
    pieces, at, total = [], 0, 0
    while at < len(data):
        kind = data[at]
        check(kind in (0, 1), "a piece of unknown kind")
        size = 37 if kind == 0 else 9
        piece = data[at:at + size]
        check(len(piece) == size, "a piece that is cut")
        if kind == 0:
            length, chunk = struct.unpack("<I32s", piece[1:])
            check(length <= BLOB_MAX, "a chunk above its bound")
        else:
            length, chunk = int.from_bytes(piece[1:], "little"), None
        check(length > 0, "a piece of no bytes")
        pieces.append((length, chunk))
        at, total = at + size, total + length
    check(total < 1 << 64, "pieces of 2^64 bytes")
    return pieces

def node_body(data, tag, level):
    check(data[:2] == tag + bytes([level]), "another node than its parent says")
    return data[2:]

def list_node(data, level):
    """Pieces of a leaf; else children as pairs of the bytes beneath and the child's id."""
    body = node_body(data, b"L", level)
    if level == 0:
        return parse_pieces(body)
    check(body and len(body) % 40 == 0, "children that are cut, or none")
    children = [(beneath, child) for child, beneath in struct.iter_unpack("<32sQ", body)]
    check(all(beneath for beneath, _ in children), "nothing beneath a child")
    check(sum(beneath for beneath, _ in children) < 1 << 64, "2^64 bytes beneath a node")
    return children

def directory_node(data, level, parse_node):
    """Pairs of a name and its node in a leaf; else of the last name beneath a child and its id."""
    body, found, at = node_body(data, b"D", level), [], 0

    def take(length):
        nonlocal at
        check(length <= len(body) - at, "a directory's node that is cut")
        at += length
        return body[at - length:at]

    while at < len(body):
        child = take(32) if level else None
        length = int.from_bytes(take(4), "little")
        check(length <= (NAME_MAX if level else NODE_MAX), "an entry above its bound")
        if level:
            found.append((take(length), child))
            check(good_name(found[-1][0]), "a name that is none")
        else:
            node = parse_node(take(length))
            found.append((node["name"], node))
    check(found or level == 0, "an inner node without children")
    check(all(a[0] < b[0] for a, b in zip(found, found[1:])), "names that are not ascending")
    return found
