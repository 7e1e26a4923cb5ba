//! What of a part is damaged at its source: marked in its entries, told, and remembered until a
//! capture that looks at least as deep finds nothing.

use crate::env::Time;
use crate::error::{Error, Kind};
use crate::format::directory::{Scrutiny, Taint};
use crate::format::snapshot::{Part, TaintedEntry};
use crate::limits::TAINTS_MAX;
use std::collections::{BTreeMap, BTreeSet};

/// What a capture found out about the soundness of one entry.
#[derive(Clone, Debug, Default)]
pub(super) struct Verdict {
    /// How deeply it looked; none if it did not.
    pub scrutiny: Option<Scrutiny>,
    /// The first thing that is wrong, if anything is.
    pub finding: Option<String>,
}

/// The taints of a part, those of the snapshot before it and those of its own.
pub(super) struct Taints {
    /// When the capture began.
    now: Time,
    /// Marks of the series' newest snapshot, by path, that no entry was met for yet.
    before: BTreeMap<Vec<u8>, Taint>,
    /// Whether those are all taints that it has. Else the entries of the parent tell of others.
    all: bool,
    /// Entries that are there, although no taint of theirs was settled: folders that lead to taints, and
    /// what could not be captured.
    met: BTreeSet<Vec<u8>>,
    count: u64,
    first: Vec<TaintedEntry>,
}

impl Taints {
    /// The taints to begin with: those of `newest`, the same part in the series' newest snapshot.
    pub(super) fn after(newest: Option<&Part>, now: Time) -> Self {
        let listed = newest.map(|part| part.taints.as_slice()).unwrap_or_default();
        let before = listed.iter().map(|entry| (entry.path.clone(), entry.taint.clone()));
        Taints {
            now,
            all: newest.is_some_and(|part| part.tainted == part.taints.len() as u64),
            before: before.collect(),
            met: BTreeSet::new(),
            count: 0,
            first: Vec::new(),
        }
    }

    /// Whether an entry that nobody found anything wrong with may still be marked.
    pub(super) fn remembers(&self, parent: Option<&Taint>) -> bool {
        !self.before.is_empty() || parent.is_some()
    }

    /// The taint of the entry at `path`, whose taint in the parent is `parent`.
    pub(super) fn settle(
        &mut self,
        path: &[u8],
        parent: Option<Taint>,
        verdict: Verdict,
    ) -> Option<Taint> {
        let before = self.before.remove(path).or(parent.filter(|_| !self.all));
        let taint = settled(before, verdict, self.now)?;
        self.note(path, &taint);
        Some(taint)
    }

    /// The entry at `path` has this taint by another of its names, if it has none of its own.
    pub(super) fn expect(&mut self, path: &[u8], taint: Taint) {
        self.before.entry(path.to_vec()).or_insert(taint);
    }

    /// The folder at `path` is looked into.
    pub(super) fn enter(&mut self, path: &[u8]) {
        if self.beneath(path).next().is_some() {
            self.met.insert(path.to_vec());
        }
    }

    /// Something of `folder` could not be captured, an entry by what an error says of it: then that
    /// is not gone. False if it is not known to be one entry.
    pub(super) fn miss(&mut self, folder: &[u8], subject: &str) -> bool {
        let name = subject.as_bytes().strip_prefix(as_prefix(folder).as_slice());
        // Where a name is no text, what is said of it is not its path.
        let exact = !subject.contains(char::REPLACEMENT_CHARACTER);
        let is_entry = exact && name.is_some_and(|name| !name.is_empty() && !name.contains(&b'/'));
        if is_entry {
            self.met.insert(subject.as_bytes().to_vec());
        }
        is_entry
    }

    /// The folder at `path` was listed to its end: whatever of it was not met is gone.
    pub(super) fn leave(&mut self, path: &[u8]) {
        let names = as_prefix(path).len();
        let is_gone = |marked: &&Vec<u8>| {
            let mut ends = marked.iter().enumerate().skip(names);
            let end = ends.find(|(_, byte)| **byte == b'/').map_or(marked.len(), |(at, _)| at);
            !marked.get(..end).is_some_and(|entry| self.met.contains(entry))
        };
        let gone: Vec<Vec<u8>> = self.beneath(path).filter(is_gone).cloned().collect();
        for path in gone {
            self.before.remove(&path);
        }
    }

    /// The marked paths beneath a folder.
    fn beneath(&self, folder: &[u8]) -> impl Iterator<Item = &Vec<u8>> {
        let prefix = as_prefix(folder);
        let from = self.before.range(prefix.clone()..).map(|(path, _)| path);
        from.take_while(move |path| path.starts_with(&prefix))
    }

    /// How many entries are marked, and the first of them. Where entries could not be captured,
    /// those that were not met, and may be there, keep their taints.
    pub(super) fn finish(mut self, some_failed: bool) -> (u64, Vec<TaintedEntry>) {
        for (path, taint) in std::mem::take(&mut self.before) {
            if some_failed {
                self.note(&path, &taint);
            }
        }
        (self.count, self.first)
    }

    fn note(&mut self, path: &[u8], taint: &Taint) {
        self.count += 1;
        if self.first.len() < TAINTS_MAX {
            self.first.push(TaintedEntry { path: path.to_vec(), taint: taint.clone() });
        }
    }
}

/// How the paths of all that is in a folder begin.
fn as_prefix(folder: &[u8]) -> Vec<u8> {
    [folder.strip_suffix(b"/").unwrap_or(folder), b"/"].concat()
}

/// The taint that follows `before`.
fn settled(before: Option<Taint>, verdict: Verdict, now: Time) -> Option<Taint> {
    let Verdict { scrutiny, finding } = verdict;
    match (finding, before) {
        (Some(finding), before) => Some(Taint {
            finding,
            since: before.as_ref().map_or(now, |before| before.since),
            scrutiny: before.map(|before| before.scrutiny).max(scrutiny).unwrap_or_default(),
        }),
        (None, Some(before)) if scrutiny >= Some(before.scrutiny) => None,
        (None, before) => before,
    }
}

/// What the user is told of a marked entry.
pub(super) fn told(path: &[u8], taint: &Taint) -> Error {
    let path = String::from_utf8_lossy(path);
    let error = Error::new(Kind::Damaged, "capture a sound state of", path).because(taint.reason());
    match taint.scrutiny {
        Scrutiny::Open => error,
        Scrutiny::Rows => error.hint("the mark goes once its rows can be counted"),
        Scrutiny::Quick => error.hint("the mark goes once `--verify-source quick` passes"),
        Scrutiny::Full => error.hint("the mark goes once `--verify-source full` passes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Scrutiny::{Full, Open, Quick, Rows};

    fn mark(scrutiny: Scrutiny) -> Taint {
        Taint { finding: "old".into(), since: Time(1), scrutiny }
    }

    fn after(before: Option<Taint>, scrutiny: Option<Scrutiny>, finding: &str) -> Option<Taint> {
        let finding = (!finding.is_empty()).then(|| finding.to_owned());
        settled(before, Verdict { scrutiny, finding }, Time(9))
    }

    /// A taint goes only when a look as deep as the one that made it finds nothing; a new finding
    /// takes over the old one's date, and never makes it easier to be rid of.
    #[test]
    fn a_mark_stays_until_as_deep_a_look_finds_nothing() {
        for made in [Open, Rows, Quick, Full] {
            assert_eq!(after(Some(mark(made)), None, ""), Some(mark(made)));
            for look in [Open, Rows, Quick, Full] {
                let kept = (look < made).then(|| mark(made));
                assert_eq!(after(Some(mark(made)), Some(look), ""), kept, "{made:?}, {look:?}");
                let found = after(Some(mark(made)), Some(look), "new").unwrap();
                assert_eq!((found.since, found.scrutiny), (Time(1), made.max(look)));
                assert_eq!(found.finding, "new");
            }
        }
        assert_eq!(after(None, Some(Full), ""), None);
        assert_eq!(after(None, Some(Quick), "new").unwrap().since, Time(9));
    }

    /// What is gone of a folder that was looked through loses its taint, and so does what is gone with a
    /// folder; what is in a folder that could not be looked through keeps it.
    #[test]
    fn a_mark_goes_with_what_is_gone() {
        let mut taints = Taints::after(None, Time(9));
        for path in
            ["/s/failed", "/s/gone", "/s/gone-folder/a", "/s/in/gone", "/s/out/a", "/sister"]
        {
            taints.before.insert(path.into(), mark(Full));
        }
        taints.enter(b"/s");
        taints.enter(b"/s/in");
        taints.leave(b"/s/in");
        taints.enter(b"/s/out");
        assert!(taints.miss(b"/s", "/s/failed"));
        for other in ["/s", "/s/", "/s/a/b", "/sister", "/s/\u{fffd}", "a pipe"] {
            assert!(!taints.miss(b"/s", other), "{other}");
        }
        taints.leave(b"/s");
        let left: Vec<&[u8]> = taints.before.keys().map(Vec::as_slice).collect();
        assert_eq!(left, [&b"/s/failed"[..], b"/s/out/a", b"/sister"]);
    }

    /// What was not met keeps its taint only where something could not be captured.
    #[test]
    fn a_mark_outlives_a_failed_capture() {
        for failed in [true, false] {
            let mut taints = Taints::after(None, Time(9));
            taints.before.insert(b"/a".to_vec(), mark(Full));
            taints.before.insert(b"/b".to_vec(), mark(Full));
            let verdict = Verdict { scrutiny: Some(Full), finding: None };
            assert_eq!(taints.settle(b"/a", None, verdict), None);
            let (count, first) = taints.finish(failed);
            assert_eq!((count, first.len()), (u64::from(failed), usize::from(failed)));
        }
    }
}
