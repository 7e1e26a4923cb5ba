#!/usr/bin/env python3
"""Reads icecore repositories of format 3. See README.md beside it."""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from conventions import *
from repository import Repository
from trees import pieces_of, places

def show(snapshots):
    for name, snapshot in sorted(snapshots.items(), key=lambda pair: pair[1]["started"]):
        paths = [ascii(part["path"])[2:-1] for part in snapshot["parts"]]
        tags = ["#" + ascii(tag)[1:-1] for tag in snapshot["tags"]]
        host = ascii(snapshot["host"])[1:-1]
        print(name, snapshot["series"].hex()[:8], snapshot["sequence"], host, *paths, *tags)

def write(repository, content, place):
    with open(place, "xb") as file:
        for length, id in pieces_of(content, repository.chunk):
            if id is None:
                file.seek(length, os.SEEK_CUR)
            else:
                data = repository.chunk(DATA, id)
                check(len(data) == length, "a chunk of another length than its piece")
                file.write(data)
        file.truncate(content["length"])

def extract(repository, snapshot, target):
    """Links come last, so that none is followed on the way."""
    found = [place for part in snapshot["parts"]
             for place in places(part["names"], part["root"], repository.chunk)]
    check(len(found) <= snapshot["summary"]["items"], "more entries than the snapshot states")
    os.mkdir(target)
    for path, node in sorted(found, key=lambda place: place[1]["kind"][0] == "symlink"):
        place, (kind, fields) = os.path.join(os.fsencode(target), *path), node["kind"]
        os.makedirs(place if kind == "directory" else os.path.dirname(place), exist_ok=True)
        if kind == "file":
            with going_on(place):
                write(repository, fields["content"], place)
        if kind == "symlink":
            os.symlink(fields["target"], place)

def verify(repository):
    for path in sorted(repository.packs):
        with going_on(path):
            check(path.endswith(H(repository.read(path)).hex()), "a name that is not the hash")
    with tempfile.TemporaryDirectory() as folder:
        for name, snapshot in repository.snapshots().items():
            with going_on("snapshots/" + name):
                extract(repository, snapshot, os.path.join(folder, name))

def run(args):
    secret = (("key-file", Path(args.key_file).read_bytes()) if args.key_file
              else ("argon2id", os.environb.get(b"ICECORE_PASSWORD", b"")))
    repository = Repository(args.repository, secret)
    if args.verb == "verify":
        return verify(repository)
    snapshots = repository.snapshots()
    if args.verb == "list":
        return show(snapshots)
    found = [name for name in snapshots if name.startswith(args.snapshot)]
    check(len(found) == 1, f"{len(found)} live snapshots begin so", MISSING)
    return extract(repository, snapshots[found[0]], args.target)

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
    with going_on(args.repository):
        run(args)
        return 3 if told else 0
    return 2 if told[-1].name == DAMAGED else 1

if __name__ == "__main__":
    sys.setrecursionlimit(20_000)
    sys.exit(main())
