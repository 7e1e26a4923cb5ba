//! A shared or boxed backend is a backend, so that wrappers nest freely.

use super::{Backend, Bytes, Capabilities, Handle, Put, Visit};
use crate::error::Result;
use crate::format::ObjectKind;
use std::ops::Range;
use std::sync::Arc;

macro_rules! backend_behind {
    ($($pointer:ident),*) => {$(
        impl<B: Backend + ?Sized> Backend for $pointer<B> {
            fn describe(&self) -> String {
                (**self).describe()
            }

            fn capabilities(&self) -> Capabilities {
                (**self).capabilities()
            }

            fn put_shared(&self, handle: &Handle, bytes: Bytes) -> Result<Put> {
                (**self).put_shared(handle, bytes)
            }

            fn get(&self, handle: &Handle, range: Option<Range<u64>>) -> Result<Vec<u8>> {
                (**self).get(handle, range)
            }

            fn size(&self, handle: &Handle) -> Result<u64> {
                (**self).size(handle)
            }

            fn list_pages(
                &self,
                kind: ObjectKind,
                prefix: &str,
                visit: &mut Visit<'_>,
            ) -> Result<()> {
                (**self).list_pages(kind, prefix, visit)
            }

            fn delete_all(&self, handles: &[Handle]) -> Result<()> {
                (**self).delete_all(handles)
            }
        }
    )*};
}

backend_behind!(Arc, Box);
