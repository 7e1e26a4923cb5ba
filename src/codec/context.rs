//! One zstd context of each sort for each thread, used for frame after frame: to make one takes
//! longer than to encode a small delta.

use std::cell::RefCell;
use std::ptr;
use zstd_safe::{CCtx, CParameter, DCtx, ResetDirective, SafeResult};

thread_local! {
    static COMPRESSOR: RefCell<CCtx<'static>> = RefCell::new(CCtx::create());
    static DECOMPRESSOR: RefCell<DCtx<'static>> = RefCell::new(DCtx::create());
}

/// Replaces what stands in `frame` by `plain` as one frame, up to its capacity.
pub(super) fn compress(
    plain: &[u8],
    prefix: &[u8],
    parameters: [CParameter; 2],
    frame: &mut Vec<u8>,
) -> SafeResult {
    COMPRESSOR.with_borrow_mut(|context| {
        let clean = CleanCompressor(context);
        // SAFETY: only the lifetime changes, to one within that of `prefix`. The context is made
        // to forget the prefix when `clean` is dropped, so before the prefix can go, also where
        // this unwinds; and nothing else of that lifetime gets into it.
        #[allow(unsafe_code)]
        let context = unsafe { &mut *ptr::from_mut(clean.0).cast::<CCtx<'_>>() };
        for parameter in parameters {
            context.set_parameter(parameter)?;
        }
        context.ref_prefix(prefix)?;
        context.compress2(frame, plain)
    })
}

/// Replaces what stands in `plain` by the plaintext of one frame, up to its capacity.
pub(super) fn decompress(frame: &[u8], prefix: &[u8], plain: &mut Vec<u8>) -> SafeResult {
    DECOMPRESSOR.with_borrow_mut(|context| {
        let clean = CleanDecompressor(context);
        // SAFETY: as in `compress`.
        #[allow(unsafe_code)]
        let context = unsafe { &mut *ptr::from_mut(clean.0).cast::<DCtx<'_>>() };
        context.ref_prefix(prefix)?;
        context.decompress(plain, frame)
    })
}

/// A context that knows no prefix any more when this is dropped.
struct CleanCompressor<'c>(&'c mut CCtx<'static>);

impl Drop for CleanCompressor<'_> {
    fn drop(&mut self) {
        let reset = self.0.reset(ResetDirective::SessionOnly);
        if reset.and_then(|_| self.0.ref_prefix(&[])).is_err() {
            *self.0 = CCtx::create();
        }
    }
}

/// The same for decoding.
struct CleanDecompressor<'c>(&'c mut DCtx<'static>);

impl Drop for CleanDecompressor<'_> {
    fn drop(&mut self) {
        let reset = self.0.reset(ResetDirective::SessionOnly);
        if reset.and_then(|_| self.0.ref_prefix(&[])).is_err() {
            *self.0 = DCtx::create();
        }
    }
}
