//! A shared or boxed backend is a backend, so that wrappers nest freely.

use super::{Backend, Handle, Listed, Put, Traits};
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

            fn traits(&self) -> Traits {
                (**self).traits()
            }

            fn put_new(&self, handle: &Handle, bytes: &[u8]) -> Result<Put> {
                (**self).put_new(handle, bytes)
            }

            fn get(&self, handle: &Handle, range: Option<Range<u64>>) -> Result<Vec<u8>> {
                (**self).get(handle, range)
            }

            fn size(&self, handle: &Handle) -> Result<u64> {
                (**self).size(handle)
            }

            fn list(&self, kind: ObjectKind) -> Result<Vec<Listed>> {
                (**self).list(kind)
            }

            fn delete(&self, handle: &Handle) -> Result<()> {
                (**self).delete(handle)
            }
        }
    )*};
}

backend_behind!(Arc, Box);
