"""Chapters 2, 11 and 14: a repository in a folder, opened; its snapshots, its chunks, its trees."""

import os
import re
from collections import defaultdict
from blobs import KINDS, open_blob, parse_segment
from conventions import *
from objects import *
from records import *
from trees import directory_node, list_node

KDF_TRIES_MAX, CLOSURE_MAX, CLOSURE_BYTES, CACHE_BYTES = 1 << 24, 256, 64 << 20, 32 << 20
PLACES_FREE, PLACES_PER_ENTRY, TRIES_MAX = 1 << 16, 256, 64
DATA, META = 0, 1
NAMES = {  # the grammar of names (chapter 2)
    "config": "0|[1-9][0-9]*", "gc": r"[1-9][0-9]*(\.verdict)?", "index": "[0-9a-f]{64}",
    "keys": "[0-9a-f]{32}", "snapshots": "[0-9a-f]{32}", "forgotten": "[0-9a-f]{32}",
    "notes": "[0-9a-f]{32}"}

class Repository:
    def __init__(self, root, secret):
        self.root, self.cache = root, {}
        newest, record, mac, config = self.read_configurations()
        self.keyring = self.unlock(config, secret)
        check("config" in self.keyring, "no key of the configuration", NOT_GRANTED)
        macs = [MAC(key, b"icecore 1 config" + record) for key in self.keyring["config"].values()]
        check(any(equal(found, mac) for found in macs), f"the MAC of config/{newest} is another")
        self.id = config["repository"]
        self.load_chain()
        self.load_notes()
        self.load_index()

    def names(self, folder):
        """The names of the objects in a folder; nothing else there is one."""
        path = os.path.join(self.root, folder)
        found = sorted(os.listdir(path)) if os.path.isdir(path) else []
        return [name for name in found if re.fullmatch(NAMES[folder], name)
                and (folder not in ("config", "gc") or int(name.partition(".")[0]) < 1 << 64)]

    def read(self, path, offset=0, length=PACK_MAX + 1):
        try:
            with open(os.path.join(self.root, path), "rb") as file:
                file.seek(offset)
                return file.read(length)
        except FileNotFoundError:
            raise Finding(MISSING, f"{path} is not there") from None

    def record(self, path, kind):
        """The record of a sealed object, which states the name that it stands under."""
        payload = open_sealed(self.read(path), path, self.id, self.keyring)
        found = envelope(payload, kind)
        fields = found[1] if kind == "outcome" else found
        stated = fields["id"].hex() if "id" in fields else str(fields["generation"])
        check(stated == path.partition("/")[2].partition(".")[0], "it states another name")
        return found

    def read_configurations(self):
        """The chain, and of the newest its number, record, MAC and fields; nothing proved yet."""
        numbers = sorted(map(int, self.names("config")))
        check(numbers, "there is no configuration", NO_REPOSITORY)
        before = first = None
        for expected, number in enumerate(numbers):
            check(number == expected, f"config/{expected} is not there", MISSING)
            data = self.read(f"config/{number}")
            body = open_object(data, CONFIG_OBJECT, RECORD_MAX)
            check(len(body) >= 32, "a configuration without its MAC")
            config = envelope(body[:-32], "config")
            first = first or config
            check(config["previous"] == before, f"config/{number} does not follow")
            check(all(config[name] == first[name] for name in ("repository", "created")),
                  f"config/{number} is of another repository")
            before = H(data)
        check(not config["features"], f"unknown features {config['features']}", UNSUPPORTED)
        check(config["slots"], "no key slot counts")
        check(len(config["slots"]) <= KEY_SLOTS_MAX, "too many key slots", REFUSED)
        return number, body[:-32], body[-32:], config

    def unlock(self, config, secret):
        """Tries the slots that count, the cheapest first."""
        slots, troubles, spent = [], [], 0
        for id in config["slots"]:
            try:
                slots.append(parse_slot(self.read("keys/" + id.hex()), id.hex()))
            except Finding as finding:
                troubles.append(finding)
        def work(slot):
            return costs(slot)[0] * costs(slot)[1]
        for slot in sorted((slot for slot in slots if slot["kdf"][0] == secret[0]), key=work):
            try:
                if slot["kdf"][0] == "argon2id":
                    check_costs(*costs(slot))
                spent += work(slot)
                check(spent <= KDF_TRIES_MAX, "too much work for all slots", REFUSED)
                return unlock(slot, secret, config["repository"])
            except Finding as finding:
                if finding.name != WRONG_KEY:
                    troubles.append(finding)
        raise troubles[0] if troubles else Finding(WRONG_KEY, "it opens no slot that counts")

    # ---- chain, notes and index (chapters 6, 8, 11)

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

    def load_notes(self):
        self.notes = []
        for name in self.names("notes"):
            try:
                self.notes.append(self.record("notes/" + name, "note"))
            except Finding as finding:
                tell("notes/" + name, finding)
        withdrawn = {id for note in self.notes if note["about"][0] == "withdrawal"
                     for id in note["about"][1]["notes"]}
        self.notes = sorted((note for note in self.notes if note["id"] not in withdrawn),
                            key=lambda note: (note["at"], note["id"]))

    def load_index(self):
        found = set()
        for name in self.names("index"):
            path = "index/" + name
            try:
                payload = open_sealed(self.read(path), path, self.id, self.keyring)
                generation, entries = parse_segment(payload)
                if not self.dead(generation, bytes.fromhex(name), "segments"):
                    found.update(e for e in entries if e.pack not in self.condemned)
            except Finding as finding:  # others may have what a damaged one had
                if finding.name in (UNSUPPORTED, NOT_GRANTED):
                    raise
                tell(path, finding)
        self.found, self.bad = sorted(found, key=lambda entry: entry.depth), set()
        self.judge()
        self.provided = set(self.usable)

    # ---- snapshots (chapters 8, 11)

    def snapshots(self):
        """Live snapshots by their ids, with the tags that they have now."""
        names, live = self.names("snapshots"), {}
        given_up = set(self.names("forgotten"))
        for name in names:
            try:
                if name not in given_up:
                    kind, fields = self.record("snapshots/" + name, "outcome")
                    dead = self.dead(fields["generation"], fields["id"], "snapshots")
                    if kind == "snapshot" and not dead:
                        live[name] = fields
            except Finding as finding:
                tell("snapshots/" + name, finding)
        for note in self.notes:
            kind, change = note["about"]
            if kind == "tags" and change["snapshot"].hex() in live:
                snapshot = live[change["snapshot"].hex()]
                kept = set(snapshot["tags"]) - set(change["remove"])
                snapshot["tags"] = sorted(kept | set(change["add"]))
        return live

    # ---- chunks (chapters 5, 11, 14)

    def judge(self, without=()):
        """Which entries are usable: found from depth 0 upwards, so that no circle carries any."""
        self.usable, self.providers = defaultdict(list), {}
        for entry in self.found:
            bases = [self.providers.get((entry.kind, base)) for base in entry.bases]
            rests = all(base and base.depth < entry.depth for base in bases)
            if rests and entry not in self.bad and entry not in without:
                self.usable[entry.kind, entry.id].append(entry)
                self.providers.setdefault((entry.kind, entry.id[:16]), entry)

    def beneath(self, entry, found=None):
        """The closure of an entry: itself and all that it rests on, each with its bases' entries."""
        found = {} if found is None else found
        if entry not in found:
            found[entry] = [self.providers[entry.kind, base] for base in entry.bases]
            for base in found[entry]:
                self.beneath(base, found)
        return found

    def closure(self, top):
        """The closure that is decoded: where it is too large, without entries that bring many."""
        found, without = self.beneath(top), set()
        while len(found) > CLOSURE_MAX or sum(entry.plain for entry in found) > CLOSURE_BYTES:
            needed = {entry: min(above.depth for above in found if entry in found[above])
                      for entry in found if entry != top}
            spare = [entry for entry, depth in needed.items() if any(
                e != entry and e.depth < depth for e in self.usable[entry.kind, entry.id])]
            check(spare, "a closure that is too large")
            without.add(max(spare, key=lambda entry: len(self.beneath(entry))))
            self.judge(without)
            check(top in self.usable[top.kind, top.id], "a closure that is too large")
            found = self.beneath(top)
        if without:
            self.judge()
        return found

    def chunk(self, kind, id):
        """The plaintext of a chunk: every usable entry is tried, the least depth first."""
        findings = []
        while (kind, id) not in self.cache:
            tops = self.usable.get((kind, id))
            if tops and len(findings) < TRIES_MAX:
                findings += self.decode(tops[0])
            elif findings:
                raise findings[0]
            else:
                check((kind, id) in self.provided, f"no usable entry of {id.hex()}", MISSING)
                raise Finding(DAMAGED, f"no entry of {id.hex()} leads to its bytes")
        return self.cache[kind, id]

    def decode(self, entry):
        """Decodes an entry and what it rests on, from depth 0 upwards; what was found, if it failed."""
        try:
            found = self.closure(entry)
            if sum(map(len, self.cache.values())) > CACHE_BYTES:
                self.cache.clear()
            for entry in sorted(found, key=lambda entry: entry.depth):
                if (entry.kind, entry.id) not in self.cache:
                    path = f"packs/{entry.pack.hex()[:2]}/{entry.pack.hex()}"
                    sealed = self.read(path, entry.offset, entry.stored)
                    check(len(sealed) == entry.stored, "a pack that is cut")
                    bases = [self.cache[base.kind, base.id] for base in found[entry]]
                    plain = open_blob(sealed, entry, bases, self.id, self.keyring)
                    self.cache[entry.kind, entry.id] = plain
            return []
        except Finding as finding:
            tell(f"{KINDS[entry.kind]} pack {entry.pack.hex()} at {entry.offset}", finding)
            self.bad.add(entry)
            self.judge()
            return [finding]

    # ---- trees (chapters 7, 13)

    def pieces(self, content):
        """The pieces of a stream, in order."""
        if "list" not in content:
            return content["pieces"]
        return self.list_pieces(content["list"]["id"], content["list"]["levels"], content["length"])

    def list_pieces(self, id, level, length):
        children = list_node(self.chunk(META, id), level)
        check(sum(beneath for beneath, _ in children) == length, "a list of another length")
        for beneath, child in children:
            if level == 0:
                yield beneath, child
            else:
                yield from self.list_pieces(child, level - 1, beneath)

    def nodes(self, id, level, last=None):
        """The nodes of a directory, in order; `last` is the name that its parent says ends it."""
        children = directory_node(self.chunk(META, id), level, parse_node)
        check(last in (None, children and children[-1][0]), "another last name than was said")
        if level == 0 and id not in self.visited:
            self.visited.add(id)
            self.stored += len(children)
        for name, child in children:
            if level == 0:
                yield child
            else:
                yield from self.nodes(child, level - 1, name)

    def children(self, directory, depth):
        """The nodes of a directory that lies so deep in its part."""
        check(depth <= DIRECTORY_DEPTH_MAX, "directories too deep in each other")
        entries, before = directory["kind"][1]["entries"], b""
        for child in self.nodes(entries["id"], entries["levels"]):
            check(before < child["name"], "names that are not ascending")
            before = child["name"]
            yield child

    def count(self, node, depth=0):
        """How many places stand at and below a node; each directory is read once."""
        if node["kind"][0] != "directory":
            return 1
        id = node["kind"][1]["entries"]["id"]
        if id not in self.counted:
            self.counted[id] = None
            children = self.children(node, depth)
            self.counted[id] = sum(self.count(child, depth + 1) for child in children)
        check(self.counted[id] is not None, "a directory within itself")
        return 1 + self.counted[id]

    def walk(self, path, node, depth=0):
        """All places from a node on, as pairs of a path in names and the node there."""
        yield path, node
        if node["kind"][0] == "directory":
            for child in self.children(node, depth):
                yield from self.walk(path + (child["name"],), child, depth + 1)

    def entries_of(self, snapshot):
        """All places of a snapshot; counted before anything is made of them."""
        parts = snapshot["parts"]
        self.stored, self.visited, self.counted = len(parts), set(), {}
        places = sum(self.count(part["root"]) for part in parts)
        check(places <= PLACES_FREE + PLACES_PER_ENTRY * self.stored, "too many places")
        check(places <= snapshot["summary"]["items"], "more entries than the snapshot states")
        return [place for part in parts
                for place in self.walk(tuple(components(part["path"])), part["root"])]
