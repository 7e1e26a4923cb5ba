//! Makes objects of WebDAV whole and new. What a server is sent it writes in place, over whatever
//! stands there, and of a line that breaks in the middle half may stay. So all is sent under a name of its
//! own, and moved from there in one step, unless something has the name (`Overwrite: F`).

use crate::env::Env;
use crate::error::Result;
use crate::id::hex;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use opendal::{Buffer, Error, ErrorKind, HttpBody, HttpTransport, HttpTransporter};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Mutex;

/// The folder that holds what has not got its name yet, below the root.
pub(super) const FOLDER: &str = "tmp/";

const DESTINATION: HeaderName = HeaderName::from_static("destination");
const OVERWRITE: HeaderName = HeaderName::from_static("overwrite");

/// Sends requests on, but those that write in two steps; and takes no listing that broke off.
pub(super) struct Placing {
    inner: HttpTransporter,
    /// The URL of the repository's folder, with its last `/`.
    root: String,
    session: String,
    next: AtomicU64,
    /// Folders that were made, one after the other: some servers mix up those that are made at once.
    made: Mutex<BTreeSet<String>>,
}

impl Placing {
    pub(super) fn new(inner: HttpTransporter, root: String) -> Result<Self> {
        let session = hex(&Env::real().random::<8>()?);
        Ok(Placing { inner, root, session, next: AtomicU64::new(0), made: Mutex::default() })
    }

    /// Writes what was to be written; the answer is that to the last step.
    async fn place(&self, mut request: Request<Buffer>) -> opendal::Result<Response<HttpBody>> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let own = uri(format!("{}{FOLDER}{}.{number}", self.root, self.session))?;
        let named = std::mem::replace(request.uri_mut(), own.clone());
        let bare = without_body(&request);
        let written = self.with_folder(&own, request).await?;
        if !written.status().is_success() {
            self.discard(bare).await;
            return Ok(written);
        }
        let mut moving = bare.clone();
        *moving.method_mut() = method("MOVE")?;
        moving.headers_mut().insert(DESTINATION, value(&named)?);
        moving.headers_mut().insert(OVERWRITE, HeaderValue::from_static("F"));
        let moved = self.with_folder(&named, moving).await?;
        if !moved.status().is_success() {
            self.discard(bare).await;
        }
        Ok(moved)
    }

    /// Sends a request that needs the folder of `named`. If that is missing, servers refuse it, one
    /// in this way and one in that; then it is made, and the request sent again.
    async fn with_folder(
        &self,
        named: &Uri,
        request: Request<Buffer>,
    ) -> opendal::Result<Response<HttpBody>> {
        let answer = self.inner.fetch(request.clone()).await?;
        match answer.status() {
            StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::CONFLICT => {}
            _ => return Ok(answer),
        }
        self.make_folders(named, without_body(&request)).await?;
        self.inner.fetch(request).await
    }

    /// Makes what lies between the root and `named`. Why one cannot be made is said by the request
    /// that needs it.
    async fn make_folders(&self, named: &Uri, mut making: Request<Buffer>) -> opendal::Result<()> {
        let named = named.to_string();
        *making.method_mut() = method("MKCOL")?;
        let mut made = self.made.lock().await;
        for (slash, _) in named.match_indices('/').filter(|(slash, _)| *slash >= self.root.len()) {
            let folder = named.get(..=slash).unwrap_or_default().to_owned();
            if !made.contains(&folder) {
                *making.uri_mut() = uri(folder.clone())?;
                self.inner.send(making.clone()).await?;
                made.insert(folder);
            }
        }
        Ok(())
    }

    /// Removes what got no name. Should that fail, it is swept when it is old.
    async fn discard(&self, mut request: Request<Buffer>) {
        *request.method_mut() = Method::DELETE;
        drop(self.inner.send(request).await);
    }
}

impl HttpTransport for Placing {
    async fn fetch(&self, request: Request<Buffer>) -> opendal::Result<Response<HttpBody>> {
        match request.method().as_str() {
            "PUT" => self.place(request).await,
            "PROPFIND" => whole(self.inner.fetch(request).await?).await,
            _ => self.inner.fetch(request).await,
        }
    }
}

/// A listing to its end. Servers in Go that fail on one entry, as on one that is just being removed, leave
/// out all that follow, and complain behind the end of the document.
async fn whole(answer: Response<HttpBody>) -> opendal::Result<Response<HttpBody>> {
    let (parts, mut body) = answer.into_parts();
    let body = body.to_buffer().await?;
    let length = body.len() as u64;
    if parts.status.is_success() && !body.to_bytes().trim_ascii_end().ends_with(b">") {
        return Err(Error::new(ErrorKind::Unexpected, "a listing broke off").set_temporary());
    }
    let stream = futures_util::stream::iter([Ok(body)]);
    Ok(Response::from_parts(parts, HttpBody::new(stream, Some(length))))
}

/// The same for the same server, by the same user, with nothing to say.
fn without_body(request: &Request<Buffer>) -> Request<Buffer> {
    let mut bare = request.clone().map(|_| Buffer::new());
    bare.headers_mut().remove(CONTENT_LENGTH);
    bare.headers_mut().remove(CONTENT_TYPE);
    bare
}

fn uri(text: String) -> opendal::Result<Uri> {
    Uri::try_from(text).map_err(unfit)
}

fn method(name: &str) -> opendal::Result<Method> {
    Method::from_bytes(name.as_bytes()).map_err(unfit)
}

fn value(named: &Uri) -> opendal::Result<HeaderValue> {
    HeaderValue::try_from(named.to_string()).map_err(unfit)
}

/// What cannot be part of a request, which nothing that was accepted as a place leads to.
fn unfit(cause: impl Into<http::Error>) -> Error {
    Error::new(ErrorKind::ConfigInvalid, cause.into().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A listing that ends with its document is taken; one behind which something is complained of is not.
    #[test]
    fn broken_listings_are_refused() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for (body, is_whole) in [
            ("<multistatus></multistatus>", true),
            ("<multistatus></multistatus>\r\n", true),
            ("<multistatus></multistatus>Internal Server Error", false),
        ] {
            let buffer = Buffer::from(body);
            let stream = futures_util::stream::iter([Ok(buffer)]);
            let answer = Response::new(HttpBody::new(stream, Some(body.len() as u64)));
            let taken = runtime.block_on(async {
                Ok::<_, Error>(whole(answer).await?.into_body().to_buffer().await?.to_vec())
            });
            match taken {
                Ok(taken) => assert!(is_whole && taken == body.as_bytes(), "{body}"),
                Err(error) => assert!(!is_whole && error.is_temporary(), "{error}"),
            }
        }
    }
}
