//! Answers with states that the client library does not know: it has Docker's, and Podman has more, such as
//! `stopped` for a container that it has not cleaned up yet.

use super::engine::Answer;
use bollard::errors::Error as Cause;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The answer of a call. If it cannot be understood, it is read without the words for states: nothing here depends
/// on them, and one container in such a state must not hide all others.
pub(super) async fn in_any_state<T: DeserializeOwned>(
    call: impl Future<Output = Answer<T>>,
) -> Answer<T> {
    match call.await {
        Err(Cause::JsonDataError { message, contents, column }) => {
            without_states(&contents).ok_or(Cause::JsonDataError { message, contents, column })
        }
        answer => answer,
    }
}

fn without_states<T: DeserializeOwned>(text: &str) -> Option<T> {
    let mut value: Value = serde_json::from_str(text).ok()?;
    let ways: [fn(&mut Map<String, Value>); 2] = [forget_status, forget_health];
    ways.into_iter().find_map(|forget| {
        match &mut value {
            Value::Array(list) => {
                list.iter_mut().filter_map(Value::as_object_mut).for_each(forget);
            }
            Value::Object(fields) => forget(fields),
            _ => {}
        }
        T::deserialize(&value).ok()
    })
}

/// A word in a list; in what is said of one container, a word beside others.
fn forget_status(container: &mut Map<String, Value>) {
    match container.get_mut("State") {
        Some(Value::Object(state)) => drop(state.remove("Status")),
        _ => drop(container.remove("State")),
    }
}

fn forget_health(container: &mut Map<String, Value>) {
    if let Some(Value::Object(state)) = container.get_mut("State") {
        state.remove("Health");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard::models::{ContainerInspectResponse, ContainerSummary};

    fn understood<T: DeserializeOwned>(text: &str) -> Option<T> {
        assert!(serde_json::from_str::<T>(text).is_err(), "the client knows these states: {text}");
        without_states(text)
    }

    /// A list with containers in states that only Podman knows is read as one without them.
    #[test]
    fn lists_are_read_in_any_state() {
        let text = r#"[{"Id": "a", "State": "stopped"}, {"Id": "b", "State": "running"}]"#;
        let found: Vec<ContainerSummary> = understood(text).unwrap();
        let ids: Vec<&str> = found.iter().filter_map(|it| it.id.as_deref()).collect();
        assert_eq!(ids, ["a", "b"]);
        assert!(without_states::<Vec<ContainerSummary>>("[7]").is_none());
    }

    /// A container in such a state is one that does or does not run; its health stays if it is understood.
    #[test]
    fn containers_are_read_in_any_state() {
        for (state, runs, has_health) in [
            (
                r#""Status": "stopped", "Running": false, "Health": {"Status": "healthy"}"#,
                false,
                true,
            ),
            (r#""Status": "running", "Running": true, "Health": {"Status": "reset"}"#, true, false),
        ] {
            let text = format!(r#"{{"Id": "a", "State": {{{state}}}}}"#);
            let found: ContainerInspectResponse = understood(&text).unwrap();
            let state = found.state.unwrap();
            assert_eq!((state.running, state.health.is_some()), (Some(runs), has_health));
        }
    }
}
