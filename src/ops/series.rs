//! The chain of each series: every number is there or was given up, and each member names one of
//! those before it. Two writers at once may have made two of one number.

use super::head::Head;
use crate::error::{Error, Result};
use crate::format::gc::Forgotten;
use crate::id::{SeriesId, SnapshotId};
use crate::repo::{Repository, SnapshotKey};
use std::collections::{BTreeMap, HashMap};

/// Numbers of a series that are neither there nor given up, or another snapshot of a number than
/// those that are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Gap {
    /// The series.
    pub series: SeriesId,
    /// The first number.
    pub first: u64,
    /// The last.
    pub last: u64,
    /// The hash of the last one, where what follows tells it.
    pub hash: Option<[u8; 32]>,
    /// A snapshot that follows.
    pub follower: Option<SnapshotId>,
}

/// What is wrong with a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Flaw {
    /// Something is missing, and can be given up.
    Gap(Gap),
    /// A snapshot that cannot stand where it says.
    Misfit(SnapshotId),
}

/// What a repository lacks, as far as its chains tell.
#[derive(Debug)]
pub struct Missing {
    /// What is missing without having been given up.
    pub gaps: Vec<Gap>,
    /// A snapshot that cannot be read, if there is any: it may be what is missing.
    pub unread: Option<Error>,
    /// A mark of a given up one that cannot be read, if there is any: what is missing may have been given up.
    pub unread_mark: Option<Error>,
    /// The chains.
    pub chains: Chains,
}

/// Looks for what is missing: twice, since writers at work may show one member of a series before another.
pub fn missing(repository: &Repository) -> Result<Missing> {
    let (mut unread, mut unread_mark) = (None, None);
    let mut read = || -> Result<Chains> {
        let snapshots = repository.snapshots(|error| unread = Some(error))?;
        let marks = repository.forgotten(|error| unread_mark = Some(error))?;
        Ok(Chains::new(snapshots.keys().copied(), &marks))
    };
    let mut chains = read()?;
    let mut gaps = chains.gaps();
    if !gaps.is_empty() {
        chains = read()?;
        let still = chains.gaps();
        gaps.retain(|gap| still.contains(gap));
    }
    Ok(Missing { gaps, unread, unread_mark, chains })
}

/// What is wrong with the chains of these snapshots, which were read before any mark is.
pub fn flaws(repository: &Repository, members: &[SnapshotKey]) -> Result<Vec<Flaw>> {
    let marks = repository.forgotten(|_| {})?;
    Ok(Chains::new(members.iter().copied(), &marks).flaws())
}

/// All series: what stands in each, and what was given up there.
#[derive(Clone, Debug, Default)]
pub struct Chains(HashMap<SeriesId, Chain>);

impl Chains {
    /// Those of these snapshots, which were read before these marks were.
    pub fn new(members: impl IntoIterator<Item = SnapshotKey>, marks: &[Forgotten]) -> Self {
        let mut chains = Chains::default();
        for mark in marks {
            let Some(position) = mark.position else { continue };
            let chain = chains.0.entry(position.series).or_default();
            chain.add_mark(mark, position.sequence, position.hash);
        }
        members.into_iter().for_each(|member| chains.add(member));
        chains
    }

    /// Whether nothing stands in any, and nothing was given up there.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a snapshot.
    pub fn add(&mut self, member: SnapshotKey) {
        let standing = Standing { hash: Some(member.hash), member: Some(member) };
        let chain = self.0.entry(member.series).or_default();
        chain.numbers.entry(member.sequence).or_default().push(standing);
    }

    /// What is wrong with them.
    pub fn flaws(&self) -> Vec<Flaw> {
        let mut flaws = Vec::new();
        self.0.iter().for_each(|(series, chain)| chain.walk(*series, &mut flaws));
        flaws
    }

    /// What is missing in them.
    fn gaps(&self) -> Vec<Gap> {
        let gap = |flaw| match flaw {
            Flaw::Gap(gap) => Some(gap),
            Flaw::Misfit(_) => None,
        };
        self.flaws().into_iter().filter_map(gap).collect()
    }

    /// The newest member of each series whose hash is known, there or given up.
    pub fn heads(&self) -> Vec<Head> {
        let heads = self.0.iter().filter_map(|(series, chain)| {
            let known = chain.numbers.iter().rev();
            known
                .flat_map(|(sequence, standing)| {
                    let hash = standing.iter().filter_map(|standing| standing.hash).min()?;
                    Some(Head { series: *series, sequence: *sequence, hash })
                })
                .next()
        });
        heads.collect()
    }

    /// Whether a member that was seen before is there, or was given up.
    pub fn shows(&self, head: &Head) -> bool {
        let Some(chain) = self.0.get(&head.series) else { return false };
        let standing = chain.numbers.get(&head.sequence).map(Vec::as_slice).unwrap_or_default();
        let is_it = |standing: &Standing| standing.hash.is_none_or(|hash| hash == head.hash);
        let mut runs = chain.runs.iter();
        standing.iter().any(is_it)
            || runs.any(|(first, last)| (*first..*last).contains(&head.sequence))
    }
}

#[derive(Clone, Debug, Default)]
struct Chain {
    numbers: BTreeMap<u64, Vec<Standing>>,
    /// Runs of numbers that were given up together: first and last.
    runs: Vec<(u64, u64)>,
}

/// What stands, or stood, at a number.
#[derive(Clone, Copy, Debug)]
struct Standing {
    hash: Option<[u8; 32]>,
    /// None if it was given up.
    member: Option<SnapshotKey>,
}

impl Chain {
    fn add_mark(&mut self, mark: &Forgotten, sequence: u64, hash: Option<[u8; 32]>) {
        self.numbers.entry(sequence).or_default().push(Standing { hash, member: None });
        self.runs.extend(mark.first.map(|first| (first, sequence)));
    }

    fn walk(&self, series: SeriesId, flaws: &mut Vec<Flaw>) {
        let mut next = 1;
        let mut before: Vec<Option<[u8; 32]>> = Vec::new();
        for (sequence, standing) in &self.numbers {
            let snapshots = || standing.iter().filter_map(|standing| standing.member.as_ref());
            let Some(last) = sequence.checked_sub(1) else {
                flaws.extend(snapshots().map(|snapshot| Flaw::Misfit(snapshot.id)));
                continue;
            };
            let gap = |first, hash, follower| Gap { series, first, last, hash, follower };
            if next < *sequence {
                // Whatever stood there, nobody knows its hash.
                before = vec![None];
                if !self.runs.iter().any(|(first, end)| *first <= next && *end >= last) {
                    let known = snapshots().find(|snapshot| snapshot.previous.is_some());
                    let hash = known.and_then(|snapshot| snapshot.previous);
                    let follower = known.or_else(|| snapshots().next());
                    let follower = follower.map(|snapshot| snapshot.id);
                    flaws.push(Flaw::Gap(gap(next, hash, follower)));
                }
            }
            for snapshot in snapshots() {
                match &snapshot.previous {
                    Some(hash) if before.contains(&Some(*hash)) || before.contains(&None) => {}
                    Some(hash) if last > 0 => {
                        flaws.push(Flaw::Gap(gap(last, Some(*hash), Some(snapshot.id))));
                    }
                    None if before.is_empty() || before.contains(&None) => {}
                    _ => flaws.push(Flaw::Misfit(snapshot.id)),
                }
            }
            next = sequence.saturating_add(1);
            before = standing.iter().map(|standing| standing.hash).collect();
        }
    }
}

impl Flaw {
    /// The flaw in words.
    pub fn error(&self) -> Error {
        match self {
            Flaw::Gap(Gap { series, first, last, follower: None, .. }) => {
                numbers(*series, *first, *last)
            }
            Flaw::Gap(Gap { series, first, last, .. }) if first < last => {
                numbers(*series, *first, *last)
            }
            Flaw::Gap(Gap { series, last, follower: Some(follower), .. }) => {
                let reason = format!("nothing that it follows stands at number {last}");
                let subject = format!("{} of series {}", follower, series.short());
                removed(Error::damaged("account for snapshot", subject, reason))
            }
            Flaw::Misfit(id) => {
                let reason = "it does not follow the one before it";
                Error::damaged("account for snapshot", id, reason)
                    .hint("no program writes such a snapshot; `icecore forget` gives it up")
            }
        }
    }
}

fn numbers(series: SeriesId, first: u64, last: u64) -> Error {
    let reason = match first == last {
        true => format!("nothing stands at number {first}"),
        false => format!("nothing stands at the numbers {first} to {last}"),
    };
    removed(Error::damaged("account for series", series.short(), reason))
}

fn removed(error: Error) -> Error {
    error.hint(
        "a snapshot was removed without being forgotten; if it cannot be brought back, \
         `icecore forget --gaps` gives it up",
    )
}
