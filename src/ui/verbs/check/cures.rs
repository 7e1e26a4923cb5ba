//! What to do about what a check has found.

use crate::error::Result;
use crate::ops::check::{CheckReport, Cure, Finding};
use crate::ui::out::Out;

/// Says what helps.
pub(super) fn print(report: &CheckReport, out: &mut Out) -> Result<()> {
    let any = |is: &dyn Fn(&Finding) -> bool| report.findings.iter().any(is);
    let heals = any(&|finding| finding.cure == Cure::Backup && !finding.touches.is_empty());
    // What is missing may lie in packs that no segment names any more.
    let index = any(&|finding| finding.cure == Cure::RepairIndex)
        || report.orphans > 0 && !report.touched.is_empty();
    let packs = any(&|finding| finding.cure == Cure::Backup && finding.is_of_pack());
    for (helps, what) in [
        (index, "`icecore repair index` makes the index anew from what packs say of themselves"),
        (heals, "the next backup of a source stores again what the source still has of it"),
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
