//! Error responses.

use super::page;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

/// Why something is not answered, for a person.
#[derive(Debug)]
pub struct Refusal {
    status: StatusCode,
    reason: String,
    hint: Option<String>,
}

impl Refusal {
    /// With a status, and a sentence.
    pub fn new(status: StatusCode, reason: impl Into<String>) -> Self {
        Refusal { status, reason: reason.into(), hint: None }
    }

    /// The same, with what can be tried.
    pub fn hint(mut self, hint: Option<impl Into<String>>) -> Self {
        self.hint = hint.map(Into::into);
        self
    }

    /// What was asked for makes no sense.
    pub fn senseless(reason: &str) -> Self {
        Refusal::new(StatusCode::BAD_REQUEST, reason)
    }

    /// What was asked for is not there.
    pub fn absent(reason: &str) -> Self {
        Refusal::new(StatusCode::NOT_FOUND, reason)
    }

    /// A child process, or this one, could not do it.
    pub fn failed(reason: impl Into<String>) -> Self {
        Refusal::new(StatusCode::BAD_GATEWAY, reason)
    }

    /// Why, in a sentence.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let title = match self.status {
            StatusCode::UNAUTHORIZED => "Log in",
            StatusCode::NOT_FOUND => "Not found",
            StatusCode::BAD_GATEWAY => "Failed",
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => "Not now",
            _ => "Refused",
        };
        let page = page::refused(title, &self.reason, self.hint.as_deref());
        (self.status, page::html(page)).into_response()
    }
}
