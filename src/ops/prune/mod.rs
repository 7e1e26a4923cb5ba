//! `prune`: gives back the room of what nobody needs, without locks, beside backups at work (chapter
//! 11, Collecting). First a plan; then packs that are little used are written anew; then one
//! collection condemns, waits, decides and deletes. Whatever another left half done is finished
//! first.

mod collect;
mod links;
mod mark;
mod outcomes;
mod plan;
mod repack;
mod retain;
mod shorten;
mod sweep;
mod waiting;
mod walk;

pub use plan::{Plan, PlanLimits, Tally, Unused};
pub use sweep::Swept;
pub(in crate::ops) use sweep::sweep;
pub use waiting::Patience;

use crate::error::{Error, Kind, Result};
use crate::format::ObjectKind;
use crate::format::gc::Reason;
use crate::id::{IndexId, PackId, SnapshotId};
use crate::monitor::Monitor;
use crate::ops::damage::record_damage;
use crate::ops::head::Head;
use crate::ops::series::{Flaw, Missing, missing};
use crate::repo::{Repository, Writer, WriterAtWork, WriterOptions};
use collect::collect;
use mark::{Look, Mark, marked};
use outcomes::Scope;
use plan::PackFacts;
use repack::repack;
use retain::retain;
use std::collections::BTreeSet;
use sweep::may_sweep;
use waiting::{give_up_silent, wait_for_writers};

/// How a repository is pruned.
#[derive(Clone, Debug, Default)]
pub struct PruneOptions {
    /// What is worth while.
    pub limits: PlanLimits,
    /// Who is waited for.
    pub patience: Patience,
    /// Whether only a plan is made.
    pub dry_run: bool,
    /// Snapshots that such a plan takes as given up already; nothing but a plan asks for them.
    pub given_up: BTreeSet<SnapshotId>,
    /// Whether the user says that nobody else writes: needed where the store takes one writer at a
    /// time.
    pub exclusive: bool,
    /// What this machine has seen of the repository: a head that is missing now is missed.
    pub seen: Vec<Head>,
    /// This machine.
    pub host: String,
    /// Program and version.
    pub tool: String,
}

/// What a prune did.
#[derive(Debug, Default)]
pub struct PruneReport {
    /// What was planned; nothing where an earlier collection still waits.
    pub plan: Option<Plan>,
    /// Bytes of blobs that were moved to new packs.
    pub moved: u64,
    /// Bytes of new packs and index segments.
    pub written: u64,
    /// Packs that were condemned and turned out to be needed.
    pub rescued: u64,
    /// Objects that the store itself was asked to retain for longer.
    pub extended: u64,
    /// What was deleted.
    pub swept: Swept,
    /// The collection that waits, and for whom: a later prune goes on with it.
    pub waits: Option<(u64, Vec<WriterAtWork>)>,
    /// Writers that were silent for too long, and were given up.
    pub given_up: Vec<SnapshotId>,
    /// What could not be read, so that all it may need was kept.
    pub troubles: Vec<Error>,
}

/// Plans that are made, while others collect at the same time.
const TRIES: usize = 4;

/// Prunes.
///
/// # Errors
/// `Refused` where the store does not allow it. An error on the way loses nothing: the next prune
/// goes on from there.
pub fn prune(
    repository: &Repository,
    options: &PruneOptions,
    monitor: &dyn Monitor,
) -> Result<PruneReport> {
    let alone = admit(repository, options)?;
    let (decided, report) = (None, PruneReport::default());
    let mut run = Run { repository, options, monitor, alone, decided, others_swept: true, report };
    let done = run.run();
    // Above all where something is wrong, what stays must not become free to be deleted.
    let done = done.and(run.retain());
    let ended = run.alone.take().map_or(Ok(()), Writer::end);
    done.and(ended).map(|()| run.report).map_err(|error| match error.kind() {
        Kind::NoSpace => error.hint(
            "what could go without room is gone: make some room for what has to be moved, or forget \
             more snapshots",
        ),
        _ => error,
    })
}

/// Where listings lag nothing is collected (C23); where creation is not exclusive, nobody else may
/// write meanwhile.
fn admit<'r>(repository: &'r Repository, options: &PruneOptions) -> Result<Option<Writer<'r>>> {
    let config = repository.config();
    let refused = Error::new(Kind::Refused, "prune", repository.backend().describe());
    if !config.listing_after_write {
        return Err(refused
            .because("its store lists late: what seems to be unused may be in use")
            .hint("give snapshots up by `icecore forget`; their room cannot be given back there"));
    }
    if !config.single_writer || options.dry_run {
        return Ok(None);
    }
    if !options.exclusive {
        return Err(refused
            .because("its store takes one writer at a time")
            .hint("see that nobody else writes to it, and use --exclusive"));
    }
    repository.register(writer_options(options)).map(Some)
}

fn writer_options(options: &PruneOptions) -> WriterOptions {
    let PruneOptions { host, tool, .. } = options;
    WriterOptions { verb: "prune".to_owned(), host: host.clone(), tool: tool.clone() }
}

struct Run<'r> {
    repository: &'r Repository,
    options: &'r PruneOptions,
    monitor: &'r dyn Monitor,
    /// The registration that keeps others away, where they may not meet.
    alone: Option<Writer<'r>>,
    /// Whether others have left something to be deleted.
    others_swept: bool,
    /// The collection that it decided itself.
    decided: Option<u64>,
    report: PruneReport,
}

impl Run<'_> {
    fn run(&mut self) -> Result<()> {
        self.refuse_missing()?;
        for last in (0..TRIES).map(|tries| tries + 1 == TRIES) {
            if let Some(open) = self.repository.generations()?.open()
                && !self.options.dry_run
                && !self.collect(open)?
            {
                return Ok(());
            }
            match self.run_once() {
                Err(error) if error.kind() == Kind::Fenced && !last => {}
                done => return done,
            }
        }
        Ok(())
    }

    /// What a snapshot needs that went astray looks as if nobody needed it. While one cannot be read,
    /// everything is kept.
    fn refuse_missing(&self) -> Result<()> {
        let Missing { gaps, unread, unread_mark, chains } = missing(self.repository)?;
        if unread.is_some() {
            return Ok(());
        }
        let gap = gaps.first().map(|gap| Flaw::Gap(*gap).error());
        let lost = || self.options.seen.iter().find(|head| !chains.shows(head)).map(Head::lost);
        let Some(missing) = gap.or_else(lost) else {
            return if chains.is_empty() { self.refuse_unexplained() } else { Ok(()) };
        };
        let hint = missing.hint_text().unwrap_or_default().to_owned();
        let refused = Error::new(Kind::Damaged, "prune", self.repository.backend().describe());
        let refused = match unread_mark {
            Some(mark) => refused
                .because("what is missing may have been given up by a mark that cannot be read")
                .caused_by(mark),
            None => refused
                .because("a snapshot is missing, and what it alone needs would be deleted")
                .caused_by(missing),
        };
        Err(refused.hint(hint))
    }

    /// Nobody stores a pack who has no registration or outcome, and marks stay (C19): where there is nothing of all that,
    /// packs belong to snapshots that were left behind in a copy, or went astray (C21).
    fn refuse_unexplained(&self) -> Result<()> {
        let repository = self.repository;
        let mut packs = repository.pack_sizes()?;
        let mut writers = repository.open_writers()?;
        writers.retain(|writer| Some(*writer) != self.alone.as_ref().map(Writer::id));
        let none = |kind| -> Result<bool> { Ok(repository.backend().list(kind)?.is_empty()) };
        let is_blank =
            writers.is_empty() && none(ObjectKind::Snapshot)? && none(ObjectKind::Forgotten)?;
        // Last: who has cleared outcomes away meanwhile has swept their packs before.
        let generations = repository.generations()?;
        packs.retain(|pack, _| !generations.swept().contains(pack));
        if packs.is_empty() || !is_blank {
            return Ok(());
        }
        Err(Error::new(Kind::Damaged, "prune", repository.backend().describe())
            .because("there are packs, and nothing says that there ever was a snapshot")
            .hint(
                "if it was copied, copy its folder `snapshots`, too; if nothing of it is wanted, remove all of it",
            ))
    }

    fn run_once(&mut self) -> Result<()> {
        self.give_up_silent()?;
        let (repository, monitor) = (self.repository, self.monitor);
        let scope = match self.options.dry_run {
            true => Scope::LivingBut(&self.options.given_up),
            false => Scope::Living,
        };
        marked(repository, scope, monitor, |look, mark| self.begin(look, mark))?;
        match self.report.waits.is_none() && !self.options.dry_run {
            true => self.sweep(),
            false => Ok(()),
        }
    }

    fn retain(&mut self) -> Result<()> {
        if !self.options.dry_run {
            let needed = &self.report.swept.needed;
            self.report.extended = retain(self.repository, needed, self.monitor)?;
        }
        Ok(())
    }

    /// G8. Another collector's verdict does not prove that it waited: unless it was this one, all writers are waited for
    /// once more (C13).
    fn sweep(&mut self) -> Result<()> {
        let (repository, monitor) = (self.repository, self.monitor);
        let decided = repository.generations()?.decided();
        if self.decided.is_none_or(|mine| mine != decided) && may_sweep(repository)? {
            let myself = self.alone.as_ref().map(Writer::id);
            let patience = &self.options.patience;
            let (waits_for, given_up) =
                wait_for_writers(repository, decided, patience, myself, monitor)?;
            self.report.given_up.extend(given_up);
            if !waits_for.is_empty() {
                self.report.waits = Some((decided, waits_for));
                return Ok(());
            }
        }
        self.report.swept = sweep(repository, monitor)?;
        Ok(())
    }

    /// From the first mark to the verdict.
    fn begin(&mut self, look: &Look, mark: Mark<'_>) -> Result<()> {
        record_damage(self.repository, look.index(), self.monitor);
        self.others_swept = !look.index().dead().is_empty() || mark.has_swept();
        mark.refuse_lost(self.repository)?;
        let mut writers = self.repository.open_writers()?;
        writers.retain(|writer| Some(*writer) != self.alone.as_ref().map(Writer::id));
        let orphans: Vec<(PackId, u64)> = match writers.is_empty() {
            true => mark.new_orphans(),
            false => Vec::new(),
        };
        let plan = Plan::of(&facts(&mark), &orphans, &self.options.limits);
        let waits = look.generations().open();
        let planned = self.report.plan.insert(plan).clone();
        if self.options.dry_run {
            let writers = self.repository.writers_at_work()?;
            self.report.waits = waits.map(|open| (open, writers));
            self.report.troubles = mark.troubles;
            return Ok(());
        }
        if let Some(open) = waits {
            let subject = self.repository.backend().describe();
            return Err(Error::new(Kind::Fenced, "begin a collection in", subject)
                .because(format!("another prune has just begun collection {open}"))
                .hint("run `icecore prune` again"));
        }
        let mut condemned = planned.condemned;
        let mut living: BTreeSet<IndexId> = look.index().names().iter().copied().collect();
        if !planned.repack.is_empty() {
            let packs: BTreeSet<PackId> = planned.repack.iter().copied().collect();
            match self.repack(&mark, &packs) {
                Ok(new) => {
                    condemned.extend(packs.iter().map(|pack| (*pack, Reason::Duplicate)));
                    living.extend(new);
                }
                // What nobody needs goes first, and makes room for the next.
                Err(error) if error.kind() == Kind::NoSpace && !condemned.is_empty() => {
                    self.monitor.trouble(&error);
                }
                Err(error) => return Err(error),
            }
        }
        let next = look.generations().newest() + 1;
        self.report.troubles = mark.troubles;
        if condemned.is_empty() {
            return Ok(());
        }
        if !self.repository.condemn(next, condemned, living)? {
            self.monitor.note("another prune was first; this one goes on with its collection");
        }
        self.collect(next).map(drop)
    }

    /// While a writer is open, what it left without an index may be in use.
    fn give_up_silent(&mut self) -> Result<()> {
        let mut writers = self.repository.writers_at_work()?;
        writers.retain(|writer| Some(writer.id) != self.alone.as_ref().map(Writer::id));
        if self.options.dry_run || writers.is_empty() {
            return Ok(());
        }
        let newest = self.repository.generations()?.newest();
        let patience = &self.options.patience;
        let given_up = give_up_silent(self.repository, newest, patience, &mut writers)?;
        self.report.given_up.extend(given_up);
        Ok(())
    }

    /// Writes packs anew; the segments that name the new ones.
    fn repack(&mut self, mark: &Mark<'_>, packs: &BTreeSet<PackId>) -> Result<Vec<IndexId>> {
        let moved = match &mut self.alone {
            Some(writer) => repack(self.repository, writer, mark, packs, self.monitor)?,
            None => {
                let mut writer = self.repository.register(writer_options(self.options))?;
                let moved = repack(self.repository, &mut writer, mark, packs, self.monitor);
                let ended = match &moved {
                    // There is no room for an outcome either, and nothing rests on it.
                    Err(error) if error.kind() == Kind::NoSpace => writer.withdraw(),
                    _ => writer.end(),
                };
                let moved = moved?;
                ended?;
                moved
            }
        };
        self.report.moved += moved.blobs;
        self.report.written += moved.written;
        Ok(moved.segments)
    }

    /// Goes on with a collection; false if it waits for a writer.
    fn collect(&mut self, generation: u64) -> Result<bool> {
        let myself = self.alone.as_ref().map(Writer::id);
        let patience = &self.options.patience;
        let collected = collect(self.repository, generation, patience, myself, self.monitor)?;
        self.report.rescued += collected.rescued;
        self.report.written += collected.written;
        self.report.given_up.extend(collected.given_up);
        if collected.is_mine && !self.others_swept {
            self.decided = Some(generation);
        }
        let is_decided = collected.waits_for.is_empty();
        self.report.waits = (!is_decided).then_some((generation, collected.waits_for));
        Ok(is_decided)
    }
}

/// What a plan takes of a mark: packs that no collection condemned before.
fn facts(mark: &Mark<'_>) -> Vec<PackFacts> {
    let packs = mark.packs.iter();
    let new = packs.filter(|(pack, _)| !mark.counting.generations().is_condemned(pack));
    new.map(|(id, pack)| PackFacts {
        id: *id,
        kind: pack.kind,
        size: if pack.listed { pack.size } else { 0 },
        stored: pack.stored,
        used: pack.used,
        // Two segments may say the same.
        chained: pack.chained.min(pack.used),
        needed: pack.needed,
        held: pack.held,
        sound: pack.sound,
    })
    .collect()
}
