//! What a collection is to do, from numbers alone: which packs nobody needs, and which are worth
//! writing anew with what is still used of them.

use crate::format::BlobKind;
use crate::format::gc::Reason;
use crate::id::PackId;
use crate::limits::{CONDEMNED_MAX, PACK_TARGET};

/// A pack, and what of it is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackFacts {
    /// Which.
    pub id: PackId,
    /// What it holds.
    pub kind: BlobKind,
    /// Its length; 0 if it is gone.
    pub size: u64,
    /// Bytes of its blobs.
    pub stored: u64,
    /// Bytes of those that it provides.
    pub used: u64,
    /// Bytes of these in chains of deltas that can be shortened: less is written for them.
    pub chained: u64,
    /// Whether something is needed of which it has a copy.
    pub needed: bool,
    /// Whether it has to stay as it is.
    pub held: bool,
    /// Whether it is what its name says, as far as known.
    pub sound: bool,
}

impl PackFacts {
    /// Bytes of which room can be made.
    fn unused(&self) -> u64 {
        (self.stored + self.chained).saturating_sub(self.used)
    }
}

/// How much may lie about unused.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Unused {
    /// A share of what remains, in percent.
    Percent(f64),
    /// So many bytes.
    Bytes(u64),
    /// Any amount: no pack is written anew for it.
    Unlimited,
}

/// How far a plan goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlanLimits {
    /// How much may stay unused.
    pub unused: Unused,
    /// How many bytes may be written anew; none for a tenth of the repository, or a pack if that is
    /// more.
    pub repack: Option<u64>,
}

impl Default for PlanLimits {
    fn default() -> Self {
        PlanLimits { unused: Unused::Percent(10.0), repack: None }
    }
}

/// Packs and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many.
    pub count: u64,
    /// Bytes of all.
    pub bytes: u64,
}

impl Tally {
    /// Counts one more.
    pub fn add(&mut self, bytes: u64) {
        self.count += 1;
        self.bytes += bytes;
    }

    /// Counts others, too.
    pub fn join(&mut self, others: Tally) {
        self.count += others.count;
        self.bytes += others.bytes;
    }
}

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// All packs.
    pub all: Tally,
    /// Those that nobody needs.
    pub garbage: Tally,
    /// Of these, those that no index names.
    pub orphaned: Tally,
    /// Those of which everything is elsewhere too.
    pub duplicate: Tally,
    /// Those that are damaged or gone, and not needed.
    pub damaged: Tally,
    /// Those that are written anew.
    pub repacked: Tally,
    /// Bytes that are written for them.
    pub rewritten: u64,
    /// Bytes that stay in packs and that nobody needs.
    pub unused_left: u64,
    /// Packs that are left for the next time.
    pub left: u64,
    /// What goes, and why.
    pub condemned: Vec<(PackId, Reason)>,
    /// What is written anew.
    pub repack: Vec<PackId>,
}

/// Packs below this are small: they are merged once they fill a pack.
const SMALL: u64 = PACK_TARGET as u64 / 2;
/// Packs below this are tiny: they are merged as soon as what they make is not tiny any more. The
/// square root between a pack and the least that a backup writes, so that few of either wait.
const TINY: u64 = PACK_TARGET as u64 / 64;

impl Plan {
    /// The plan for these packs, none of which was condemned before.
    pub fn of(packs: &[PackFacts], orphans: &[(PackId, u64)], limits: &PlanLimits) -> Self {
        let mut plan = Plan::default();
        let mut stay = Vec::new();
        for pack in packs {
            plan.all.add(pack.size);
            match pack.held || pack.used > 0 {
                true => stay.push(*pack),
                false => plan.give_up(pack),
            }
        }
        for (pack, size) in orphans {
            plan.all.add(*size);
            plan.garbage.add(*size);
            plan.orphaned.add(*size);
            plan.condemned.push((*pack, Reason::Garbage));
        }
        plan.choose(&stay, limits);
        let room = CONDEMNED_MAX;
        plan.left = plan.condemned.len().saturating_sub(room) as u64;
        plan.condemned.truncate(room);
        plan.repack.truncate(room - plan.condemned.len());
        plan
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.condemned.is_empty() && self.repack.is_empty()
    }

    /// Bytes that are won once all of it is done.
    pub fn won(&self) -> u64 {
        let gone = [self.garbage, self.duplicate, self.damaged, self.repacked];
        let gone: u64 = gone.iter().map(|tally| tally.bytes).sum();
        gone.saturating_sub(self.rewritten)
    }

    fn give_up(&mut self, pack: &PackFacts) {
        let (tally, reason) = match (pack.sound, pack.needed) {
            (false, _) => (&mut self.damaged, Reason::Damaged),
            (true, true) => (&mut self.duplicate, Reason::Duplicate),
            (true, false) => (&mut self.garbage, Reason::Garbage),
        };
        tally.add(pack.size);
        self.condemned.push((pack.id, reason));
    }

    /// Chooses what is written anew: what is least used first, then what is small.
    fn choose(&mut self, stay: &[PackFacts], limits: &PlanLimits) {
        let unused = PackFacts::unused;
        let used: u64 = stay.iter().map(|pack| pack.used - pack.chained).sum();
        self.unused_left = stay.iter().map(unused).sum();
        let allowed = match limits.unused {
            Unused::Percent(percent) => share(used, percent),
            Unused::Bytes(bytes) => bytes,
            Unused::Unlimited => u64::MAX,
        };
        let tenth = (self.all.bytes / 10).max(PACK_TARGET as u64);
        let mut room = limits.repack.unwrap_or(tenth);
        let mut free: Vec<PackFacts> =
            stay.iter().filter(|pack| !pack.held && pack.sound).copied().collect();
        // The share that is used, compared crosswise.
        free.sort_by_key(|pack| (per_mille(pack.used - pack.chained, pack.stored), pack.id));
        let mut rest = Vec::new();
        for pack in free {
            let pays = unused(&pack) > 0 && self.unused_left > allowed && pack.used <= room;
            match pays {
                true => {
                    room -= pack.used;
                    self.unused_left -= unused(&pack);
                    self.write_anew(&pack);
                }
                false => rest.push(pack),
            }
        }
        for kind in [BlobKind::Data, BlobKind::Meta] {
            let small = rest.iter().filter(|pack| pack.kind == kind && pack.used < SMALL);
            let mut small: Vec<PackFacts> = small.copied().collect();
            small.sort_by_key(|pack| (pack.used, pack.id));
            for pack in merged(&small, room) {
                room = room.saturating_sub(pack.used);
                self.unused_left -= unused(pack);
                self.write_anew(pack);
            }
        }
    }

    fn write_anew(&mut self, pack: &PackFacts) {
        self.repacked.add(pack.size);
        self.rewritten += pack.used;
        self.repack.push(pack.id);
    }
}

/// Which of the small packs, the smallest first, are merged: as many as make whole packs, or else the
/// tiny ones. What comes of either is merged no more, or not before it fills a pack: so each byte is
/// written twice at most for it, however often a repository is pruned.
fn merged(small: &[PackFacts], room: u64) -> &[PackFacts] {
    let target = PACK_TARGET as u64;
    let whole = |bytes: u64| bytes / target * target;
    let sum: u64 = small.iter().map(|pack| pack.used).sum();
    let most = if room < target { room } else { whole(sum.min(room)) };
    let tiny = small.partition_point(|pack| pack.used < TINY);
    let tiny = small.get(..tiny).unwrap_or_default();
    let choices = [(small, most, SMALL, sum >= target), (tiny, room, TINY, true)];
    for (packs, most, least, worth_while) in choices {
        let (bytes, count) = prefix(packs, most);
        // One alone would only be copied.
        if worth_while && bytes >= least && count > 1 {
            return packs.get(..count).unwrap_or_default();
        }
    }
    &[]
}

/// How many bytes are in the first packs, as many as go into `most`, and how many these are.
fn prefix(packs: &[PackFacts], most: u64) -> (u64, usize) {
    let sums = packs.iter().scan(0, |sum, pack| {
        *sum += pack.used;
        Some(*sum)
    });
    let within = sums.take_while(|sum| *sum <= most);
    within.enumerate().last().map_or((0, 0), |(at, bytes)| (bytes, at + 1))
}

/// So much may be unused beside so much that is used, that it is this share of both.
fn share(used: u64, percent: f64) -> u64 {
    let part = (percent / 100.0).clamp(0.0, 1.0);
    if part >= 1.0 {
        return u64::MAX;
    }
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a bound for what is worth while, and nothing that has to be exact"
    )]
    let bytes = (used as f64 * part / (1.0 - part)) as u64;
    bytes
}

fn per_mille(part: u64, whole: u64) -> u64 {
    part.saturating_mul(1000).checked_div(whole).unwrap_or(1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pack(number: u8, stored: u64, used: u64) -> PackFacts {
        PackFacts {
            id: PackId([number; 32]),
            kind: BlobKind::Data,
            size: stored,
            stored,
            used,
            chained: 0,
            needed: used > 0,
            held: false,
            sound: true,
        }
    }

    const TARGET: u64 = PACK_TARGET as u64;

    /// Each pack that provides nothing goes, by its reason; one that is held stays.
    #[test]
    fn what_provides_nothing_goes() {
        let duplicate = PackFacts { needed: true, ..pack(2, 10, 0) };
        let damaged = PackFacts { sound: false, ..pack(3, 10, 0) };
        let held = PackFacts { held: true, ..pack(4, 10, 0) };
        let packs = [pack(1, 10, 0), duplicate, damaged, held, pack(5, 10, 10)];
        let orphan = (PackId([9; 32]), 7);
        let plan = Plan::of(&packs, &[orphan], &PlanLimits::default());
        let gone = [
            (PackId([1; 32]), Reason::Garbage),
            (PackId([2; 32]), Reason::Duplicate),
            (PackId([3; 32]), Reason::Damaged),
            (PackId([9; 32]), Reason::Garbage),
        ];
        assert_eq!((plan.condemned.as_slice(), plan.repack.len()), (&gone[..], 0));
        assert_eq!((plan.all.bytes, plan.won(), plan.orphaned.count), (57, 37, 1));
    }

    /// The least used packs are written anew until what is unused is within its share, and no more
    /// than may be written.
    #[test]
    fn the_least_used_are_written_anew() {
        let packs: Vec<PackFacts> =
            (1..=10).map(|number| pack(number, 10 * TARGET, TARGET * u64::from(number))).collect();
        let limits = |unused, repack| PlanLimits { unused, repack };
        let all = Plan::of(&packs, &[], &limits(Unused::Bytes(0), Some(u64::MAX)));
        assert_eq!((all.repack.len(), all.unused_left), (9, 0));
        let none = Plan::of(&packs, &[], &limits(Unused::Unlimited, Some(u64::MAX)));
        assert!(none.is_empty());
        let some = Plan::of(&packs, &[], &limits(Unused::Percent(20.0), Some(u64::MAX)));
        assert!(some.repack.len() < 9 && some.repack[0] == packs[0].id, "{some:?}");
        let used: u64 = packs.iter().map(|pack| pack.used).sum();
        assert!(some.unused_left <= used / 4);
        let little = Plan::of(&packs, &[], &limits(Unused::Bytes(0), Some(10 * TARGET / 3)));
        assert_eq!((little.repack.len(), little.rewritten <= 10 * TARGET / 3), (2, true));
        let unasked = Plan::of(&packs, &[], &PlanLimits::default());
        assert!(unasked.rewritten <= 10 * TARGET && !unasked.repack.is_empty());
    }

    /// Small packs wait until they fill one, tiny ones until they make one that is not; a prune
    /// after every backup writes no more than twice what was added in all, and few are left.
    #[test]
    fn merging_costs_little() {
        let tiny = [(TARGET / 300, 2, 90), (TARGET / 3000, 2, 112), (TARGET / 15_000, 2, 300)];
        for (added, times, few) in
            [(TARGET / 9, 1, 9), (TARGET / 40, 1, 40)].into_iter().chain(tiny)
        {
            let (mut packs, mut written, mut most) = (vec![], 0, 0);
            let rounds = (4 * TARGET / added).min(32_000);
            for round in 0..rounds {
                let mut name = [0; 32];
                name[..8].copy_from_slice(&round.to_le_bytes());
                packs.push(PackFacts { id: PackId(name), ..pack(0, added, added) });
                let plan = Plan::of(&packs, &[], &PlanLimits::default());
                written += plan.rewritten;
                let chosen = |pack: &PackFacts| plan.repack.contains(&pack.id);
                packs.retain(|pack| !chosen(pack));
                if plan.rewritten > 0 {
                    name[31] = 1;
                    let id = PackId(name);
                    packs.push(PackFacts { id, ..pack(0, plan.rewritten, plan.rewritten) });
                }
                most = most.max(packs.iter().filter(|pack| pack.used < SMALL).count());
            }
            assert!(written <= times * rounds * added, "{written} for {}", rounds * added);
            assert!(most <= few, "{most} of {added}");
        }
    }
}
