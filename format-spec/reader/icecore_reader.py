#!/usr/bin/env python3
"""Reads icecore repositories of format 3. See README.md beside it."""

import argparse
import os
import sys
import tempfile
from conventions import *
from repository import DATA, Repository

def secret(key_file):
    if key_file:
        with open(key_file, "rb") as file:
            found = "key-file", file.read(33)
    else:
        found = "argon2id", os.environb.get(b"ICECORE_PASSWORD", b"")
    valid = len(found[1]) == 32 if key_file else found[1]
    check(valid, "no passphrase, or no key file of 32 bytes", WRONG_KEY)
    return found

def show(repository):
    for name, snapshot in sorted(repository.snapshots().items(), key=lambda x: x[1]["started"]):
        paths = [ascii(part["path"])[2:-1] for part in snapshot["parts"]]
        tags = ["#" + ascii(tag)[1:-1] for tag in snapshot["tags"]]
        host = ascii(snapshot["host"])[1:-1]
        print(name, snapshot["series"].hex()[:8], snapshot["sequence"], host, *paths, *tags)

def write(repository, content, path):
    """The bytes of a file; holes stay holes."""
    with open(path, "xb") as file:
        for length, id in repository.pieces(content):
            if id is None:
                file.seek(length, os.SEEK_CUR)
            else:
                data = repository.chunk(DATA, id)
                check(len(data) == length, "a chunk of another length than its piece")
                file.write(data)
        file.truncate(content["length"])

def extract(repository, snapshot, target):
    """Directories, then files, then links: so no link is followed on the way. How much failed."""
    plan, failed = repository.entries_of(snapshot), 0
    os.mkdir(target)
    def place(path):
        return os.path.join(os.fsencode(target), *path)
    for path, node in plan:
        is_directory = node["kind"][0] == "directory"
        os.makedirs(place(path if is_directory else path[:-1]), exist_ok=True)
    for path, node in plan:
        kind, fields = node["kind"]
        if kind == "file":
            try:
                write(repository, fields["content"], place(path))
            except Finding as finding:
                os.unlink(place(path))
                tell(b"/" + b"/".join(path), finding)
                failed += 1
        elif kind not in ("directory", "symlink"):
            print(ascii(b"/".join(path))[1:-1], "is left out:", kind, file=sys.stderr)
    for path, node in plan:
        if node["kind"][0] == "symlink":
            os.symlink(node["kind"][1]["target"], place(path))
    print(len(plan), "entries,", failed, "failed")
    return failed

def verify(repository):
    """Compares every pack with its name, and extracts every snapshot, for nobody. How much failed."""
    failed = 0
    for pack in sorted({entry.pack for entry in repository.found}):
        path = f"packs/{pack.hex()[:2]}/{pack.hex()}"
        try:
            check(H(repository.read(path)) == pack, "a name that is not the hash")
        except Finding as finding:
            tell(path, finding)
            failed += 1
    for name, snapshot in repository.snapshots().items():
        with tempfile.TemporaryDirectory() as folder:
            try:
                failed += extract(repository, snapshot, os.path.join(folder, name))
            except Finding as finding:
                tell("snapshots/" + name, finding)
                failed += 1
    return failed

def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--key-file", help="else the passphrase is in ICECORE_PASSWORD")
    parser.add_argument("repository")
    parser.add_argument("verb", choices=("list", "extract", "verify"))
    parser.add_argument("snapshot", nargs="?", default="", help="the beginning of its id")
    parser.add_argument("target", nargs="?", help="a folder that is not there yet")
    args = parser.parse_args()
    if args.verb == "extract" and not args.target:
        parser.error("extract takes a snapshot and a target")
    sys.setrecursionlimit(20_000)
    try:
        repository = Repository(args.repository, secret(args.key_file))
        if args.verb == "list":
            return show(repository)
        if args.verb == "verify":
            return 3 if verify(repository) else 0
        live = repository.snapshots()
        found = [name for name in live if name.startswith(args.snapshot)]
        check(len(found) == 1, f"{len(found)} live snapshots begin so", MISSING)
        return 3 if extract(repository, live[found[0]], args.target) else 0
    except Finding as finding:
        tell(args.repository, finding)
        return 2 if finding.name == DAMAGED else 1

if __name__ == "__main__":
    sys.exit(main())
