#!/usr/bin/env python3
"""Reads icecore repositories of format 3. See README.md beside it."""

import argparse
import os
import sys
from conventions import *
from repository import DATA, Repository

def secret(key_file):
    if key_file:
        with open(key_file, "rb") as file:
            found = "key-file", file.read(33)
        valid = len(found[1]) == 32
    else:
        found = "argon2id", os.environb.get(b"ICECORE_PASSWORD", b"")
        valid = bool(found[1])
    check(valid, "no passphrase, or no key file of 32 bytes", WRONG_KEY)
    return found

def show(repository):
    for name, snapshot in sorted(repository.snapshots().items(), key=lambda x: x[1]["started"]):
        series, number = snapshot["series"].hex()[:8], snapshot["sequence"]
        paths = [ascii(part["path"])[2:-1] for part in snapshot["parts"]]
        tags = ["#" + ascii(tag)[1:-1] for tag in snapshot["tags"]]
        print(name, series, number, ascii(snapshot["host"])[1:-1], *paths, *tags)
    return 0

def content(repository, fields):
    """The bytes of a file in order, or the lengths of its holes."""
    for length, id in repository.pieces(fields):
        if id is None:
            yield length
        else:
            data = repository.chunk(DATA, id)
            check(len(data) == length, "a chunk of another length than its piece")
            yield data

def extract(repository, snapshot, target):
    """Directories, then files, then links: so no link is followed on the way."""
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
                with open(place(path), "xb") as file:
                    for run in content(repository, fields["content"]):
                        file.seek(run, 1) if isinstance(run, int) else file.write(run)
                    file.truncate(fields["content"]["length"])
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
    return 3 if failed else 0

def verify(repository):
    """Reads every pack's name, and every file of every snapshot."""
    failed, files = 0, 0
    packs = {entry.pack for entry in repository.found}
    for pack in sorted(packs):
        path = f"packs/{pack.hex()[:2]}/{pack.hex()}"
        try:
            check(H(repository.read(path)) == pack, "a name that is not the hash")
        except Finding as finding:
            tell(path, finding)
            failed += 1
    for name, snapshot in repository.snapshots().items():
        try:
            for path, node in repository.entries_of(snapshot):
                if node["kind"][0] == "file":
                    files += 1
                    for _ in content(repository, node["kind"][1]["content"]):
                        pass
        except Finding as finding:
            tell(name, finding)
            failed += 1
    print(len(packs), "packs,", files, "files,", failed, "failed")
    return 3 if failed else 0

def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--key-file", help="else the passphrase is in ICECORE_PASSWORD")
    parser.add_argument("repository")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("list")
    verbs.add_parser("verify")
    extracted = verbs.add_parser("extract")
    extracted.add_argument("snapshot", help="the beginning of its id")
    extracted.add_argument("target", help="a folder that is not there yet")
    args = parser.parse_args()
    sys.setrecursionlimit(20_000)
    try:
        repository = Repository(args.repository, secret(args.key_file))
        if args.verb == "list":
            return show(repository)
        if args.verb == "verify":
            return verify(repository)
        live = repository.snapshots()
        found = [name for name in live if name.startswith(args.snapshot)]
        check(len(found) == 1, f"{len(found)} live snapshots begin so", MISSING)
        return extract(repository, live[found[0]], args.target)
    except Finding as finding:
        tell(args.repository, finding)
        return 2 if finding.name == DAMAGED else 1

if __name__ == "__main__":
    sys.exit(main())
