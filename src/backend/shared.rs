//! A shared or boxed backend is a backend, so that wrappers nest freely.

use super::Backend;
use std::sync::Arc;

impl<B: Backend + ?Sized> Backend for Arc<B> {
    forward!([as_ref()] describe capabilities put_shared get size list_pages delete_all retained retain);
}

impl<B: Backend + ?Sized> Backend for Box<B> {
    forward!([as_ref()] describe capabilities put_shared get size list_pages delete_all retained retain);
}
