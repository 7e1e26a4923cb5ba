//! `repair packs`: what is whole in damaged packs, and what is lost from a copy.

use super::{HowArgs, LeftView, is_done, print_left, warn_left};
use crate::error::{Error, Kind, Result};
use crate::id::PackId;
use crate::ops::repair::{DamagedPacks, PacksRepair, repair_packs};
use crate::repo::Repository;
use crate::text;
use crate::ui::app::App;
use crate::ui::exit::Done;
use crate::ui::out::Out;
use crate::ui::passwords::{self, FromSecretArgs};
use crate::ui::progress::Progress;
use crate::ui::verbs::views::TouchedView;
use clap::Args;
use serde::Serialize;

/// What `repair packs` takes.
#[derive(Debug, Args)]
pub struct RepairPacksArgs {
    /// The packs, by their whole ids [default: those that are known to be damaged, cut or gone]
    #[arg(value_name = "ID")]
    pub packs: Vec<PackId>,

    /// Read everything first, to know what is damaged
    #[arg(long, conflicts_with = "packs")]
    pub read_data: bool,

    /// Fetch what is lost from a copy of this repository
    #[arg(long, value_name = "PLACE")]
    pub from: Option<String>,

    #[command(flatten)]
    pub secret: FromSecretArgs,

    #[command(flatten)]
    pub how: HowArgs,
}

/// Repairs packs.
pub(super) fn run(app: &App, args: &RepairPacksArgs) -> Result<Done> {
    let copy = args.from.as_deref().map(|place| open_copy(app, place, &args.secret)).transpose()?;
    if copy.is_none() && !args.secret.is_empty() {
        return Err(Error::new(Kind::InvalidInput, "open", "a copy of the repository")
            .because("a secret is named, and no place")
            .hint("name it with --from PLACE"));
    }
    let repository = args.how.open(app)?;
    let progress = app.progress()?;
    let (packs, read_data) = (args.packs.clone(), args.read_data);
    let which = DamagedPacks { packs, read_data, copy: copy.as_ref() };
    let report = repair_packs(&repository, &which, &args.how.options(), &progress)?;
    let mut out = Out::new();
    match app.global.json {
        true => out.json("repair_packs", &PacksView::new(&report, args.how.dry_run))?,
        false => print(app, &report, args.how.dry_run, &mut out)?,
    }
    out.finish()?;
    warn(&report, copy.is_some(), &progress);
    let is_all = report.lost.is_empty() && report.given_up.is_empty() && report.touched.is_empty();
    Ok(Done::incomplete_if(!is_all || !is_done(&report.left)))
}

/// The copy is opened with a secret of its own, or with that of the repository.
fn open_copy(app: &App, place: &str, secret: &FromSecretArgs) -> Result<Repository> {
    let backend = place.parse::<crate::backend::Location>()?.open()?;
    let secret = passwords::of_copy(secret, &app.global)?;
    app.open(backend.into(), &secret)
}

/// Lost chunks that are named, unless as JSON.
const NAMED: usize = 100;

fn print(app: &App, report: &PacksRepair, dry_run: bool, out: &mut Out) -> Result<()> {
    for chunk in report.lost.iter().take(NAMED) {
        out.line(&format!("lost: chunk {}", chunk.id))?;
    }
    for touched in &report.touched {
        let path = text::path(&touched.path);
        out.line(&format!("cannot be restored: {}:{path}", touched.snapshot.short()))?;
    }
    if !app.talks() && !dry_run {
        return Ok(());
    }
    if report.packs == 0 && report.given_up.is_empty() {
        return out.prose("no pack is known to be damaged: `--read-data` reads them all to know");
    }
    out.prose(&format!("looked at {}", text::count(report.packs, "pack")))?;
    if !report.sound.is_empty() {
        let sound = text::count(report.sound.len() as u64, "pack");
        out.prose(&format!("nothing is wrong with {sound}"))?;
    }
    let (chunks, bytes) = report.moved;
    if chunks > 0 {
        let verb = if dry_run { "would move" } else { "moved" };
        let (chunks, bytes) = (text::count(chunks, "chunk"), text::bytes(bytes));
        out.prose(&format!("{verb} {chunks} that are whole to new packs ({bytes})"))?;
    }
    if report.fetched > 0 {
        let chunks = text::count(report.fetched, "chunk");
        out.prose(&format!("fetched {chunks} from the copy"))?;
    }
    print_left(&report.left, dry_run, out)
}

fn warn(report: &PacksRepair, has_copy: bool, progress: &Progress) {
    use crate::monitor::Monitor;
    warn_left(&report.left, progress);
    if !report.given_up.is_empty() {
        let packs = text::count(report.given_up.len() as u64, "pack");
        progress.warn(&format!("a collection gave up {packs}: `icecore prune` goes on with them"));
    }
    if !report.lost.is_empty() {
        let copy = if has_copy { "" } else { "a copy of the repository may have it (--from), " };
        progress.warn(&format!(
            "{} lost: {copy}the next backup stores again what its sources still have, and \
             `icecore repair snapshots` makes snapshots of what is left",
            text::count(report.lost.len() as u64, "chunk")
        ));
    }
}

#[derive(Serialize)]
struct PacksView {
    dry_run: bool,
    packs: u64,
    sound: Vec<String>,
    given_up: Vec<String>,
    chunks_moved: u64,
    bytes_moved: u64,
    chunks_fetched: u64,
    bytes_written: u64,
    lost: Vec<LostView>,
    touched: Vec<TouchedView>,
    #[serde(flatten)]
    left: LeftView,
}

#[derive(Serialize)]
struct LostView {
    kind: crate::format::BlobKind,
    chunk: String,
}

impl PacksView {
    fn new(report: &PacksRepair, dry_run: bool) -> Self {
        let ids = |packs: &[PackId]| packs.iter().map(ToString::to_string).collect();
        let lost = report.lost.iter();
        PacksView {
            dry_run,
            packs: report.packs,
            sound: ids(&report.sound),
            given_up: ids(&report.given_up),
            chunks_moved: report.moved.0,
            bytes_moved: report.moved.1,
            chunks_fetched: report.fetched,
            bytes_written: report.written,
            lost: lost
                .map(|lost| LostView { kind: lost.kind, chunk: lost.id.to_string() })
                .collect(),
            touched: report.touched.iter().map(TouchedView::from).collect(),
            left: LeftView::from(&report.left),
        }
    }
}
