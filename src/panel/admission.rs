//! What every request must pass: its `Host`, the login, and, where it changes something, a check that the
//! form was this page's own (against cross-site request forgery).

use super::context::Context;
use super::fields::Fields;
use super::login::Verdict;
use super::refusal::Refusal;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::header::{
    AUTHORIZATION, CONTENT_TYPE, HOST, ORIGIN, RETRY_AFTER, WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Longest body of a form.
const FORM: usize = 64 << 10;

/// How long a form may take to come.
const FORM_TIME: Duration = Duration::from_secs(10);

/// What every answer says.
const HEADERS: [(HeaderName, HeaderValue); 7] = [
    (
        HeaderName::from_static("content-security-policy"),
        HeaderValue::from_static(
            "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
        ),
    ),
    (HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff")),
    (HeaderName::from_static("x-frame-options"), HeaderValue::from_static("DENY")),
    (HeaderName::from_static("cache-control"), HeaderValue::from_static("no-store")),
    // With none at all, forms of this page would come from nowhere.
    (HeaderName::from_static("referrer-policy"), HeaderValue::from_static("same-origin")),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
];

/// Lets a request pass, or refuses it.
pub async fn admit(State(context): State<Arc<Context>>, request: Request, next: Next) -> Response {
    let mut response = match pass(&context, request).await {
        Ok(request) => next.run(request).await,
        Err(refused) => refused,
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, value);
    }
    response
}

async fn pass(context: &Context, request: Request) -> Result<Request, Response> {
    let host = asked_host(context, &request).map_err(IntoResponse::into_response)?;
    let authorization = request.headers().get(AUTHORIZATION).map(HeaderValue::as_bytes);
    match context.login.judge(authorization).await {
        Verdict::Welcome => {}
        Verdict::Stranger => {
            let refusal = Refusal::new(StatusCode::UNAUTHORIZED, "Name and password are needed.");
            let challenge = [(WWW_AUTHENTICATE, "Basic realm=\"icecore\", charset=\"UTF-8\"")];
            return Err((challenge, refusal).into_response());
        }
        Verdict::Busy => {
            let reason = "Too many passwords are being tried just now.";
            let refusal = Refusal::new(StatusCode::TOO_MANY_REQUESTS, reason);
            return Err(([(RETRY_AFTER, "5")], refusal).into_response());
        }
        Verdict::NoHash(reason) => {
            // Where the file lies is not for everybody who asks.
            (context.complain)(&reason);
            let reason = "Nobody can log in: the log of this program says why.";
            return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, reason).into_response());
        }
    }
    if is_embedded_elsewhere(request.headers()) {
        let reason = "This page cannot be embedded in others.";
        return Err(Refusal::new(StatusCode::FORBIDDEN, reason).into_response());
    }
    match *request.method() == Method::POST {
        true => form(context, request, &host).await.map_err(IntoResponse::into_response),
        false => Ok(request),
    }
}

/// The host that is asked for, which is this one: another name may be a page that leads the browser here.
fn asked_host(context: &Context, request: &Request) -> Result<String, Refusal> {
    let another = || {
        Refusal::new(StatusCode::MISDIRECTED_REQUEST, "This page is not served under that name.")
            .hint(Some("`hosts` in [panel] says under which it is"))
    };
    let mut named = request.headers().get_all(HOST).iter();
    let (Some(host), None) = (named.next(), named.next()) else { return Err(another()) };
    let host = host.to_str().map_err(|_| another())?;
    let is_same = request.uri().authority().is_none_or(|authority| authority.as_str() == host);
    match is_same && context.answers_to(host) {
        true => Ok(host.to_owned()),
        false => Err(another()),
    }
}

/// A form of this page, with its fields beside the request.
async fn form(context: &Context, request: Request, host: &str) -> Result<Request, Refusal> {
    let foreign = || {
        Refusal::new(StatusCode::FORBIDDEN, "This form does not come from this page.")
            .hint(Some("load the page again, and press the button there"))
    };
    let headers = request.headers();
    let is_form = headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
    if !is_form || !is_same_origin(context, headers, host) {
        return Err(foreign());
    }
    let (mut head, body) = request.into_parts();
    let body = timeout(FORM_TIME, to_bytes(body, FORM)).await;
    let Ok(Ok(body)) = body else {
        return Err(Refusal::senseless("The form did not arrive completely."));
    };
    let fields = Fields::parse(&body);
    if !context.is_token(fields.bytes("token").unwrap_or_default()) {
        return Err(foreign());
    }
    head.extensions.insert(Arc::new(fields));
    Ok(Request::from_parts(head, axum::body::Body::empty()))
}

/// Whether the browser says that another site asks, for anything but to lead here.
fn is_embedded_elsewhere(headers: &HeaderMap) -> bool {
    let is = |name, values: &[&str]| {
        let value = headers.get(HeaderName::from_static(name));
        value.is_some_and(|value| values.iter().any(|known| value == known))
    };
    let leads_here = is("sec-fetch-mode", &["navigate"]) && is("sec-fetch-dest", &["document"]);
    is("sec-fetch-site", &["cross-site", "same-site"]) && !leads_here
}

/// Whether the browser says that the form is of this page.
fn is_same_origin(context: &Context, headers: &HeaderMap, host: &str) -> bool {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let site = text(HeaderName::from_static("sec-fetch-site"));
    let origin = text(ORIGIN).map(|origin| {
        let authority = origin.split_once("://").map_or("", |(_, authority)| authority);
        authority == host || context.is_named(authority)
    });
    match (site, origin) {
        (None, None) => false,
        (site, origin) => site.is_none_or(|site| site == "same-origin") && origin.unwrap_or(true),
    }
}
