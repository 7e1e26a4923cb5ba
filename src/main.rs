//! The program: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(target_env = "gnu")]
    share_one_heap();
    if let Some(code) = icecore::run_as_child() {
        return code;
    }
    icecore::run()
}

/// glibc gives each thread a heap of its own, which keeps what was freed in it, such as the packs
/// of 16 MiB that threads fetch for others. One heap for all halves the peak of a check, at no cost
/// of time that could be measured: what is allocated is large, and not often.
#[cfg(target_env = "gnu")]
fn share_one_heap() {
    // SAFETY: `mallopt` only sets a number, and no other thread is there yet. What it answers does
    // not matter.
    #[allow(unsafe_code)]
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}
