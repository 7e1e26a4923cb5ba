"""Chapters 2, 3, 8, 11 and 14: a repository in a folder, opened: its chain, snapshots and index."""

import functools
import os
import re
import time
from collections import defaultdict

from blobs import DEPTH_MAX, open_blob, parse_segment
from conventions import *
from objects import CONFIG_OBJECT, KEY_OBJECT, open_object, open_sealed, unlock
from trees import DIRECTORY_DEPTH_MAX, good_name

PACK_MAX, SLOT_MAX, KEY_SLOTS_MAX, TAINTS_MAX = 80 << 20, 256 << 10, 64, 100
# The names of objects, by the folders that are listed (chapter 2).
NAMES = {"config": "0|[1-9][0-9]*", "gc": r"[1-9][0-9]*(\.verdict)?", "index": "[0-9a-f]{64}"}

def pack_path(pack):
    return f"packs/{pack.hex()[:2]}/{pack.hex()}"

def snapshot_rule(snapshot):
    parts, sources = snapshot["parts"], snapshot["parts"] + snapshot.get("missing", [])
    check(snapshot["sequence"] > 0, "number 0 of its series")
    for source in sources:
        path = source["path"]
        names = source["names"] = path[1:].split(b"/") if path != b"/" else []
        good = path.startswith(b"/") and all(map(good_name, names))
        check(good and len(names) <= DIRECTORY_DEPTH_MAX, "an odd path")
    for part in parts:
        check(part["root"]["name"] == b"".join(part["names"][-1:]), "a root of another name")
        check(len(part.get("taints", ())) <= TAINTS_MAX, "too many damaged entries named")
    paths = sorted(part["names"] for part in parts)
    nested = any(inner[:len(outer)] == outer for outer, inner in zip(paths, paths[1:]))
    check(not nested, "a part within another")
    return snapshot

RULES["Snapshot"] = snapshot_rule

class Repository:
    def __init__(self, root, secret):
        self.root = root
        newest, record, mac, config = self.read_configurations()
        self.id, self.keyring = config["repository"], self.try_slots(config, secret)
        check("config" in self.keyring, "no key of the configuration", NOT_GRANTED)
        macs = [MAC(key, b"icecore 1 config" + record) for key in self.keyring["config"].values()]
        check(any(equal(found, mac) for found in macs), f"the MAC of config/{newest} is another")
        self.load_chain()
        self.load_index()

    def names(self, folder):
        """The names of the objects in a folder; nothing else there is one."""
        path, form = os.path.join(self.root, folder), NAMES.get(folder, "[0-9a-f]{32}")
        found = os.listdir(path) if os.path.isdir(path) else []
        return sorted(name for name in found if re.fullmatch(form, name))

    def read(self, path, offset=0, length=PACK_MAX + 1):
        try:
            with open(os.path.join(self.root, path), "rb") as file:
                file.seek(offset)
                return file.read(length)
        except FileNotFoundError:
            raise Finding(MISSING, f"{path} is not there") from None

    def record(self, path, kind):
        """The record of a sealed object, which states the object's name."""
        found = envelope(open_sealed(self.read(path), path, self.id, self.keyring), kind)
        fields = found[1] if kind == "outcome" else found
        stated = fields["id"].hex() if "id" in fields else str(fields["generation"])
        check(stated == path.partition("/")[2].partition(".")[0], "it states another name")
        return found

    def records(self, folder, kind, passed_over=()):
        """The records in a folder by their names, of those that can be read."""
        found = {}
        for name in self.names(folder):
            if name not in passed_over:
                with going_on(f"{folder}/{name}"):
                    found[name] = self.record(f"{folder}/{name}", kind)
        return found

    def read_configurations(self):
        """Checks the chain. Of the newest: number, record, MAC and fields, nothing proved yet."""
        numbers = sorted(map(int, self.names("config")))
        check(numbers, "there is no configuration", NO_REPOSITORY)
        check(numbers == list(range(len(numbers))), "a configuration is not there", MISSING)
        previous = origin = None
        for number in numbers:
            data = self.read(f"config/{number}")
            body = open_object(data, CONFIG_OBJECT, RECORD_MAX)
            config = envelope(body[:-32], "config")
            origin = origin or (config["repository"], config["created"])
            check((config["repository"], config["created"], config["previous"]) ==
                  (*origin, previous), f"config/{number} does not follow")
            previous = H(data)
        check(not config["features"], f"unknown features {config['features']}", UNSUPPORTED)
        check(config["slots"], "no key slot counts")
        check(len(config["slots"]) <= KEY_SLOTS_MAX, "too many key slots", REFUSED)
        return number, body[:-32], body[-32:], config

    def try_slots(self, config, secret):
        """The keyring, by the first slot that the secret opens."""
        troubles = []
        for id in config["slots"]:
            try:
                slot = open_object(self.read("keys/" + id.hex()), KEY_OBJECT, SLOT_MAX)
                slot = envelope(slot, "key-slot")
                check(slot["id"] == id, "a key slot under another name")
                return unlock(slot, secret, config["repository"])
            except Finding as finding:
                if finding.name != WRONG_KEY:
                    troubles.append(finding)
        raise troubles[0] if troubles else Finding(WRONG_KEY, "it opens no slot that counts")

    def load_chain(self):
        names = self.names("gc")
        last = max((int(name.partition(".")[0]) for name in names), default=0)
        self.condemned, self.decided, self.verdict = set(), 0, None
        for number in range(1, last + 1):
            condemned, rescued = self.record(f"gc/{number}", "condemned"), []
            if number < last or f"{number}.verdict" in names:
                self.verdict = self.record(f"gc/{number}.verdict", "verdict")
                self.decided, rescued = number, self.verdict["rescued"]
            self.condemned.update(pack for pack, _ in condemned["packs"] if pack not in rescued)

    def dead(self, generation, id, listed):
        return generation < self.decided and id not in self.verdict[listed]

    def load_index(self):
        """Entries by kind and half of the id, as bases name them, those of least depth first."""
        self.entries, self.packs = defaultdict(list), set()
        for name in self.names("index"):
            path = "index/" + name
            with going_on(path, unless=(UNSUPPORTED, NOT_GRANTED)):
                payload = open_sealed(self.read(path), path, self.id, self.keyring)
                generation, entries = parse_segment(payload)
                if not self.dead(generation, bytes.fromhex(name), "segments"):
                    for entry in entries:
                        if entry.pack not in self.condemned:
                            self.entries[entry.kind, entry.id[:16]].append(entry)
                            self.packs.add(pack_path(entry.pack))
        for entries in self.entries.values():
            entries.sort(key=lambda entry: entry.depth)

    @functools.lru_cache(maxsize=64)
    def chunk(self, kind, name, below=DEPTH_MAX + 1):
        """The chunk whose id begins so. Its entries below a depth are tried, the least first: since
        depth falls from a blob to its bases, no circle leads anywhere."""
        findings = []
        for entry in self.entries[kind, name[:16]]:
            if entry.depth < below and entry.id.startswith(name):
                try:
                    bases = [self.chunk(kind, base, entry.depth) for base in entry.bases]
                    sealed = self.read(pack_path(entry.pack), entry.offset, entry.stored)
                    return open_blob(sealed, entry, bases, self.id, self.keyring)
                except Finding as finding:
                    findings.append(finding)
        raise findings[0] if findings else Finding(MISSING, f"no usable entry of {name.hex()}")

    def snapshots(self):
        """Live snapshots by their ids, with the tags that they have now."""
        notes = self.records("notes", "note").values()
        withdrawn = {id for note in notes for id in note["about"][1].get("notes", ())}
        notes = [note["about"] for note in sorted(notes, key=lambda note: (note["at"], note["id"]))
                 if note["id"] not in withdrawn]
        held = {about["snapshot"].hex() for kind, about in notes
                if kind == "hold" and time.time_ns() < about.get("until", 1 << 64)}
        outcomes = self.records("snapshots", "outcome", set(self.names("forgotten")) - held)
        live = {name: fields for name, (kind, fields) in outcomes.items() if kind == "snapshot"
                and not self.dead(fields["generation"], fields["id"], "snapshots")}
        for kind, change in notes:
            if kind == "tags" and change["snapshot"].hex() in live:
                snapshot = live[change["snapshot"].hex()]
                kept = set(snapshot["tags"]) - set(change["remove"])
                snapshot["tags"] = sorted(kept | set(change["add"]))
        return live
