//! Stores that are asked over HTTP: what names one, and the connections, errors and objects of all.

mod bucket;
mod client;
mod engine;
mod fault;
mod lock;
mod retention;
mod s3;
mod signed;
mod spot;
mod store;

use super::occupied::refuse_names;
use super::options::{Options, Rates};
use super::{Backend, Limit, Retry};
use crate::env::Env;
use crate::error::{Error, Kind, Result};
pub use bucket::BucketFacts;
use client::Client;
use lock::Lock;
use opendal::{HttpTransporter, OperationContext};
use s3::S3;
use signed::Signed;
use std::fmt;
use std::sync::Arc;
use store::HttpStore;

/// A place in such a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpPlace {
    service: S3,
    client: Client,
    rates: Rates,
}

impl HttpPlace {
    /// Reads a place from its scheme and what follows the colon; none if the scheme is another's.
    pub(super) fn parse(scheme: &str, text: &str, options: &Options) -> Option<Result<Self>> {
        (scheme == s3::SCHEME).then(|| {
            Ok(HttpPlace {
                service: S3::parse(text, options)?,
                client: Client::parse(scheme, options)?,
                rates: options.rates(),
            })
        })
    }

    /// A folder of this name in it.
    pub(super) fn below(&self, name: &str) -> Self {
        HttpPlace { service: self.service.below(name), ..self.clone() }
    }

    /// The store there, which is not asked anything yet.
    pub(super) fn open(&self) -> Result<Box<dyn Backend>> {
        Ok(Box::new(self.patient(Arc::new(self.connect()?))))
    }

    /// The store there, for a new repository.
    pub(super) fn create(&self) -> Result<Box<dyn Backend>> {
        let store = Arc::new(self.connect()?);
        let patient = self.patient(store.clone());
        let names = patient.persist(|| store.names())?;
        refuse_names(&names, Error::new(Kind::Refused, "create a repository in", self))?;
        Ok(Box::new(patient))
    }

    /// What the store tells of the bucket.
    pub(super) fn bucket_facts(&self) -> Result<BucketFacts> {
        let signed = Signed::new(&self.service, self.client.transport()?);
        let store = self.connect()?;
        Ok(BucketFacts {
            rules: store.told_by(bucket::rules(&signed), "rules"),
            encrypted: store.told_by(bucket::encrypted(&signed), "encryption"),
            public: store.told_by(bucket::public(&signed), "rights"),
        })
    }

    fn connect(&self) -> Result<HttpStore> {
        let operator = self.service.operator().map_err(|cause| {
            Error::new(Kind::InvalidInput, "use", self).because(cause.message())
        })?;
        let transport = self.client.transport()?;
        let lock = self.service.retention().map(|retention| {
            Lock::new(Signed::new(&self.service, transport.clone()), retention, Env::real())
        });
        let transport = lock.clone().map_or(transport, HttpTransporter::new);
        let context = OperationContext::new().with_http_transport(transport);
        let bucket = self.service.bucket().to_owned();
        let operator = operator.with_context(context);
        HttpStore::new(operator, lock, &self.client, self.to_string(), bucket)
    }

    fn patient(&self, store: Arc<HttpStore>) -> Retry<Limit<Arc<HttpStore>>> {
        let limited = Limit::new(store, Env::real(), self.client.connections, self.rates);
        Retry::new(limited, Env::real())
    }
}

impl fmt::Display for HttpPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.service.fmt(f)
    }
}
