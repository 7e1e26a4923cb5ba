//! What to do about what a check has found.

use crate::error::Result;
use crate::ops::check::{CheckReport, Cure, Finding};
use crate::ui::out::Out;

/// Says what helps.
pub(super) fn print(report: &CheckReport, out: &mut Out) -> Result<()> {
    let any = |is: &dyn Fn(&Finding) -> bool| report.findings.iter().any(is);
    let heals = any(&|finding| finding.cure == Cure::Backup && !finding.touches.is_empty());
    let index = any(&|finding| finding.cure == Cure::RepairIndex);
    let packs = any(&|finding| finding.cure == Cure::Backup && finding.is_of_pack());
    for (helps, what) in [
        (heals, "the next backup of a source stores again what the source still has of it"),
        (index, "`icecore repair index` makes the index anew from what packs say of themselves"),
        (packs, "`icecore repair packs` saves what is whole in damaged packs"),
        (
            !report.touched.is_empty(),
            "what then is still lost: `icecore repair snapshots` makes snapshots of all the rest",
        ),
    ] {
        if helps {
            out.prose(what)?;
        }
    }
    Ok(())
}
