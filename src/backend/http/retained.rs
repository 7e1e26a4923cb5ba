//! What a store keeps from being deleted.

use super::lock::Lock;
use super::store::HttpStore;
use crate::backend::Handle;
use crate::backend::several::several;
use crate::env::Time;
use crate::error::{Error, Kind, Result};
use opendal::ErrorKind;
use std::borrow::Cow;
use std::time::Duration;

impl HttpStore {
    /// Until when the store keeps each of these from being deleted, where it does so now.
    pub(super) fn retained_now(&self, handles: &[Handle]) -> Result<Vec<Option<Time>>> {
        let Some(lock) = &self.lock else { return Ok(vec![None; handles.len()]) };
        let now = lock.now();
        let until = |handle: &Handle| match Lock::is_lasting(handle.kind()) {
            true => Ok(self.retained_until(lock, handle)?.filter(|until| *until > now)),
            false => Ok(None),
        };
        several(handles, self.connections, until).into_iter().collect()
    }

    /// Has the store keep these longer, where no more than half of the time is left; how many these were.
    pub(super) fn retain_longer(&self, handles: &[Handle]) -> Result<u64> {
        let Some(lock) = &self.lock else { return Ok(0) };
        let now = lock.now();
        let (least, until) = (now + lock.period() / 2, now + lock.period());
        let extend = |handle: &Handle| {
            if !Lock::is_lasting(handle.kind()) || self.retained_until(lock, handle)? >= Some(least)
            {
                return Ok(0);
            }
            match self.ask(Duration::ZERO, lock.retain(&handle.path(), until)) {
                Ok(()) => Ok(1),
                Err(fault) => Err(self.told(&fault, "retain", &self.place_of(handle))),
            }
        };
        several(handles, self.connections, extend).into_iter().sum()
    }

    /// Until when an object is retained; none too if it is gone.
    fn retained_until(&self, lock: &Lock, handle: &Handle) -> Result<Option<Time>> {
        match self.ask(Duration::ZERO, lock.retained(&handle.path())) {
            Err(fault) if fault.is(ErrorKind::NotFound) => Ok(None),
            asked => asked.map_err(|fault| self.told(&fault, "find", &self.place_of(handle))),
        }
    }

    /// Those that may be deleted now, and why others may not.
    pub(super) fn part_retained<'h>(
        &self,
        handles: &'h [Handle],
    ) -> Result<(Cow<'h, [Handle]>, Result<()>)> {
        if self.lock.is_none() {
            return Ok((handles.into(), Ok(())));
        }
        let (mut goes, mut stays) = (Vec::new(), Ok(()));
        for (handle, until) in handles.iter().zip(self.retained_now(handles)?) {
            match until {
                None => goes.push(handle.clone()),
                Some(until) => {
                    stays =
                        stays.and(Err(Error::new(Kind::Denied, "delete", self.place_of(handle))
                            .because(format!("the store retains it until {until}"))));
                }
            }
        }
        Ok((goes.into(), stays))
    }
}
