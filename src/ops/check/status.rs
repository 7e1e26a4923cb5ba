//! How much of a repository was verified, and when: from its records alone, nothing is read back.

use super::packs::stored_packs;
use crate::env::Time;
use crate::error::Result;
use crate::repo::Repository;
use std::collections::BTreeMap;
use std::time::Duration;

/// Days that people ask for.
pub const DAYS: [u64; 4] = [1, 7, 30, 90];

/// So many packs, and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Packs.
    pub packs: u64,
    /// Bytes.
    pub bytes: u64,
}

/// What one host has verified last of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// When, the last time.
    pub last: Time,
    /// How much.
    pub amount: Amount,
}

/// How much was verified, and when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// All that is stored, and not condemned.
    pub all: Amount,
    /// What was verified within so many days: those of [`DAYS`].
    pub within: [Amount; DAYS.len()],
    /// What never was.
    pub never: Amount,
    /// What was verified too long ago, or never: before the time that was asked for.
    pub overdue: Amount,
    /// What was damaged when it was read last.
    pub damaged: Amount,
    /// When that was verified which was verified longest ago.
    pub oldest: Option<Time>,
    /// Who verified the rest.
    pub hosts: BTreeMap<String, Share>,
}

impl Coverage {
    /// What was verified within 30 days.
    pub fn within_30_days(&self) -> Amount {
        let within = DAYS.iter().zip(self.within).find(|(days, _)| **days == 30);
        within.map(|(_, amount)| amount).unwrap_or_default()
    }

    /// Since when everything that is stored was verified; none if something never was.
    pub fn whole(&self) -> Option<Time> {
        self.oldest.filter(|_| self.never.packs == 0)
    }
}

impl Amount {
    fn add(&mut self, bytes: u64) {
        self.packs += 1;
        self.bytes += bytes;
    }
}

/// What the ledger says of the packs that are stored. What nobody has verified since `before` is overdue.
///
/// # Errors
/// Those of a store that cannot be read.
pub fn coverage(repository: &Repository, before: Option<Time>) -> Result<Coverage> {
    let now = repository.env().now();
    let stored = stored_packs(repository)?;
    let generations = repository.generations()?;
    let ledger = repository.ledger()?;
    let readings = ledger.readings();
    let mut coverage = Coverage::default();
    for (pack, bytes) in stored.into_iter().filter(|(pack, _)| !generations.is_condemned(pack)) {
        coverage.all.add(bytes);
        let reading = readings.get(&pack.prefix());
        if before.is_some_and(|before| reading.is_none_or(|reading| reading.at < before)) {
            coverage.overdue.add(bytes);
        }
        let Some(reading) = reading else {
            coverage.never.add(bytes);
            continue;
        };
        for (days, amount) in DAYS.iter().zip(&mut coverage.within) {
            if now.since(reading.at) <= Duration::from_secs(days * 86_400) {
                amount.add(bytes);
            }
        }
        if reading.is_damaged {
            coverage.damaged.add(bytes);
        }
        coverage.oldest = Some(coverage.oldest.map_or(reading.at, |oldest| oldest.min(reading.at)));
        let none = Share { last: reading.at, amount: Amount::default() };
        let share = coverage.hosts.entry(reading.host.to_owned()).or_insert(none);
        share.last = share.last.max(reading.at);
        share.amount.add(bytes);
    }
    Ok(coverage)
}
