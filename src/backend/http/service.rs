//! The kinds of services. Each knows how its places are written, what asks them, and what their
//! answers mean; all else is alike.

use super::azure::{self, Azure};
use super::b2::{self, B2};
use super::dialect::Dialect;
use super::gcs::{self, Gcs};
use super::lock::Lock;
use super::s3::{self, S3};
use super::signed::Signed;
use super::webdav::{self, Webdav};
use super::wire::Wire;
use crate::backend::options::Options;
use crate::env::Env;
use crate::error::Result;

/// A place of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Service {
    Azure(Azure),
    B2(B2),
    Gcs(Gcs),
    S3(S3),
    Webdav(Webdav),
}

impl Service {
    /// Reads a place from its scheme and what follows the colon; none if the scheme is another's.
    pub(super) fn parse(scheme: &str, text: &str, options: &Options) -> Option<Result<Self>> {
        Some(match scheme {
            azure::SCHEME => Azure::parse(text, options).map(Service::Azure),
            b2::SCHEME => B2::parse(text, options).map(Service::B2),
            gcs::SCHEME => Gcs::parse(text, options).map(Service::Gcs),
            s3::SCHEME => S3::parse(text, options).map(Service::S3),
            webdav::SCHEME | webdav::OVER_TLS => {
                Webdav::parse(scheme, text, options).map(Service::Webdav)
            }
            _ => return None,
        })
    }

    /// A folder of this name in it.
    pub(super) fn below(&self, name: &str) -> Self {
        match self {
            Service::Azure(place) => Service::Azure(place.below(name)),
            Service::B2(place) => Service::B2(place.below(name)),
            Service::Gcs(place) => Service::Gcs(place.below(name)),
            Service::S3(place) => Service::S3(place.below(name)),
            Service::Webdav(place) => Service::Webdav(place.below(name)),
        }
    }

    /// What it knows of itself.
    pub(super) fn dialect(&self) -> &dyn Dialect {
        match self {
            Service::Azure(place) => place,
            Service::B2(place) => place,
            Service::Gcs(place) => place,
            Service::S3(place) => place,
            Service::Webdav(place) => place,
        }
    }

    /// What keeps objects there from being deleted, where options ask for that.
    pub(super) fn lock(&self, wire: &Wire) -> Option<Lock> {
        let Service::S3(bucket) = self else { return None };
        let signed = Signed::new(bucket, wire.transport());
        Some(Lock::new(signed, bucket.retention()?, Env::real()))
    }
}
