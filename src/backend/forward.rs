//! The verbs that a wrapper leaves to the backend that it wraps.

/// Implements the named verbs of [`Backend`](super::Backend) by those of what `self.` and the tokens
/// in brackets lead to. A wrapper names each of them: one that it forgets, or that is new, does not
/// slip past it.
#[cfg_attr(feature = "testing", macro_export)]
macro_rules! forward {
    (@describe [$($inner:tt)*]) => {
        fn describe(&self) -> String {
            self.$($inner)*.describe()
        }
    };
    (@capabilities [$($inner:tt)*]) => {
        fn capabilities(&self) -> $crate::backend::Capabilities {
            self.$($inner)*.capabilities()
        }
    };
    (@put_shared [$($inner:tt)*]) => {
        fn put_shared(
            &self,
            handle: &$crate::backend::Handle,
            bytes: $crate::backend::Bytes,
        ) -> $crate::error::Result<$crate::backend::Put> {
            self.$($inner)*.put_shared(handle, bytes)
        }
    };
    (@get [$($inner:tt)*]) => {
        fn get(
            &self,
            handle: &$crate::backend::Handle,
            range: Option<std::ops::Range<u64>>,
        ) -> $crate::error::Result<Vec<u8>> {
            self.$($inner)*.get(handle, range)
        }
    };
    (@size [$($inner:tt)*]) => {
        fn size(&self, handle: &$crate::backend::Handle) -> $crate::error::Result<u64> {
            self.$($inner)*.size(handle)
        }
    };
    (@list_pages [$($inner:tt)*]) => {
        fn list_pages(
            &self,
            kind: $crate::format::ObjectKind,
            prefix: &str,
            visit: &mut $crate::backend::Visit<'_>,
        ) -> $crate::error::Result<()> {
            self.$($inner)*.list_pages(kind, prefix, visit)
        }
    };
    (@delete_all [$($inner:tt)*]) => {
        fn delete_all(
            &self,
            handles: &[$crate::backend::Handle],
        ) -> $crate::error::Result<()> {
            self.$($inner)*.delete_all(handles)
        }
    };
    (@retained [$($inner:tt)*]) => {
        fn retained(
            &self,
            handles: &[$crate::backend::Handle],
        ) -> $crate::error::Result<Vec<Option<$crate::env::Time>>> {
            self.$($inner)*.retained(handles)
        }
    };
    (@retain [$($inner:tt)*]) => {
        fn retain(
            &self,
            handles: &[$crate::backend::Handle],
        ) -> $crate::error::Result<u64> {
            self.$($inner)*.retain(handles)
        }
    };
    ($inner:tt $($verb:ident)*) => {$(forward!(@$verb $inner);)*};
}
