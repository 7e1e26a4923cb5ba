//! Stores that are asked over HTTP: what names one, and the connections, errors and objects of all.

mod access_key;
mod azure;
mod b2;
mod bucket;
mod client;
mod dialect;
mod engine;
mod fault;
mod folders;
mod gcs;
mod listing;
mod lock;
mod placing;
mod retained;
mod retention;
mod s3;
mod service;
mod signed;
mod spot;
mod store;
mod variables;
mod webdav;
mod wire;
mod words;

use super::occupied::refuse_names;
use super::options::{Options, Rates};
use super::{Backend, Limit, Retry};
use crate::env::Env;
use crate::error::{Error, Kind, Result};
pub use bucket::BucketFacts;
use client::Client;
use opendal::HttpTransporter;
use service::Service;
use signed::Signed;
use std::fmt;
use std::sync::Arc;
use store::HttpStore;
use wire::Wire;

/// A place in such a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpPlace {
    service: Service,
    client: Client,
    rates: Rates,
}

impl HttpPlace {
    /// Reads a place from its scheme and what follows the colon; none if the scheme is another's.
    pub(super) fn parse(scheme: &str, text: &str, options: &Options) -> Option<Result<Self>> {
        let service = Service::parse(scheme, text, options)?;
        Some(service.and_then(|service| {
            let client = Client::parse(scheme, options)?;
            Ok(HttpPlace { service, client, rates: options.rates() })
        }))
    }

    /// A folder of this name in it.
    pub(super) fn below(&self, name: &str) -> Self {
        HttpPlace { service: self.service.below(name), ..self.clone() }
    }

    /// Removes the folder, with all that is in it; elsewhere there are none.
    pub(super) fn clear(&self) -> Result<()> {
        match self.service.dialect().has_folders() {
            true => self.connect()?.clear(),
            false => Ok(()),
        }
    }

    /// What has not been tried.
    pub(super) fn unseen(&self) -> &'static [&'static str] {
        self.service.dialect().unseen()
    }

    /// The store there; hardly anything is asked yet.
    pub(super) fn open(&self) -> Result<Box<dyn Backend>> {
        Ok(Box::new(self.patient(Arc::new(self.connect()?))))
    }

    /// The store there, for a new repository; its folder is made where there are folders.
    pub(super) fn create(&self) -> Result<Box<dyn Backend>> {
        let store = Arc::new(self.connect()?);
        let patient = self.patient(store.clone());
        let names = patient.persist(|| store.names())?;
        refuse_names(&names, Error::new(Kind::Refused, "create a repository in", self))?;
        if self.service.dialect().has_folders() {
            patient.persist(|| store.make_root())?;
        }
        Ok(Box::new(patient))
    }

    /// What the store tells of the bucket; none if it is not of S3.
    pub(super) fn bucket_facts(&self) -> Result<Option<BucketFacts>> {
        let Service::S3(bucket) = &self.service else { return Ok(None) };
        let signed = Signed::new(bucket, self.client.transport()?);
        let store = self.connect()?;
        Ok(Some(BucketFacts {
            rules: store.told_by(bucket::rules(&signed), "rules"),
            encrypted: store.told_by(bucket::encrypted(&signed), "encryption"),
            public: store.told_by(bucket::public(&signed), "rights"),
        }))
    }

    fn connect(&self) -> Result<HttpStore> {
        let wire = Wire::new(&self.client)?;
        let connect = || self.service.dialect().operator(&wire);
        let operator = Retry::new((), Env::real()).persist(connect)?;
        let lock = self.service.lock(&wire);
        let operator = match lock.clone().map(HttpTransporter::new) {
            Some(lock) => operator.with_context(wire.context().with_http_transport(lock)),
            None => operator,
        };
        let connections = self.client.connections;
        Ok(HttpStore::new(operator, lock, wire, self.service.clone(), connections))
    }

    fn patient(&self, store: Arc<HttpStore>) -> Retry<Limit<Arc<HttpStore>>> {
        let limited = Limit::new(store, Env::real(), self.client.connections, self.rates);
        Retry::new(limited, Env::real())
    }
}

impl fmt::Display for HttpPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.service.dialect().fmt(f)
    }
}
