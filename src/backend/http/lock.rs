//! Object Lock: S3 itself keeps what a repository rests on from being deleted, by anyone, until a
//! moment that can be put off (Amazon S3 User Guide, Locking objects with Object Lock).

use super::fault::Fault;
use super::retention::Retention;
use super::signed::Signed;
use crate::env::{Env, Time};
use crate::format::ObjectKind;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use jiff::Timestamp;
use opendal::{Buffer, Error, ErrorKind, HttpBody, HttpTransport};
use std::time::Duration;

/// What a repository cannot be restored without. The rest is of the day: writers at work, marks, notes.
const LASTING: [ObjectKind; 6] = [
    ObjectKind::Config,
    ObjectKind::Key,
    ObjectKind::Pack,
    ObjectKind::Index,
    ObjectKind::Snapshot,
    ObjectKind::Gc,
];

const MODE: &str = "x-amz-object-lock-mode";
const UNTIL: &str = "x-amz-object-lock-retain-until-date";

/// Stores objects with retention, and asks for it.
#[derive(Clone)]
pub(super) struct Lock {
    signed: Signed,
    retention: Retention,
    env: Env,
}

impl Lock {
    pub(super) fn new(signed: Signed, retention: Retention, env: Env) -> Self {
        Lock { signed, retention, env }
    }

    /// For how long what is stored is kept.
    pub(super) fn period(&self) -> Duration {
        self.retention.period
    }

    /// Until when an object of the folder is kept.
    pub(super) async fn retained(&self, path: &str) -> Result<Option<Time>, Fault> {
        let answer = self.signed.ask_object(Method::HEAD, path, "", String::new()).await?;
        Ok(until(&answer.headers))
    }

    /// Has an object of the folder kept until then.
    pub(super) async fn retain(&self, path: &str, until: Time) -> Result<(), Fault> {
        let body = format!(
            "<Retention xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Mode>{}</Mode>\
             <RetainUntilDate>{}</RetainUntilDate></Retention>",
            self.retention.mode,
            written(until)
        );
        self.signed.ask_object(Method::PUT, path, "?retention", body).await.map(drop)
    }

    /// The present moment.
    pub(super) fn now(&self) -> Time {
        self.env.now()
    }

    /// Whether objects of this kind are retained.
    pub(super) fn is_lasting(kind: ObjectKind) -> bool {
        LASTING.contains(&kind)
    }

    /// The kind of the object that has this path in a URL, however its server is written.
    fn kind_at(&self, path: &str) -> Option<ObjectKind> {
        let is_there = |kind: &ObjectKind| {
            let folder = self.signed.url_of(&format!("{}/", kind.folder()));
            folder.parse::<Uri>().is_ok_and(|folder| path.starts_with(folder.path()))
        };
        ObjectKind::ALL.into_iter().find(is_there)
    }

    fn lock(&self, parts: &mut Parts) {
        let until = written(self.env.now() + self.retention.period);
        if let Ok(until) = HeaderValue::from_str(&until) {
            parts.headers.insert(UNTIL, until);
            parts.headers.insert(MODE, HeaderValue::from_static(self.retention.mode));
        }
    }
}

impl HttpTransport for Lock {
    /// Says with each creation how long the object is to be kept, for which OpenDAL has no word.
    async fn fetch(&self, request: Request<Buffer>) -> opendal::Result<Response<HttpBody>> {
        let (mut parts, body) = request.into_parts();
        if parts.method == Method::PUT {
            let unknown = || Error::new(ErrorKind::ConfigInvalid, "what is stored has an odd path");
            if Lock::is_lasting(self.kind_at(parts.uri.path()).ok_or_else(unknown)?) {
                self.lock(&mut parts);
                self.signed.sign(&mut parts).await?;
                parts.headers.remove(http::header::HOST);
            }
        }
        self.signed.transport().fetch(Request::from_parts(parts, body)).await
    }
}

/// Seconds are enough, and some servers know no more.
fn written(time: Time) -> String {
    let second = time.0.div_euclid(Time::SECOND);
    Timestamp::from_second(second).unwrap_or(Timestamp::MAX).to_string()
}

fn until(headers: &HeaderMap) -> Option<Time> {
    let moment: Timestamp = headers.get(UNTIL)?.to_str().ok()?.parse().ok()?;
    Time::of(moment)
}
