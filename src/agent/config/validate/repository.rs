//! Where a repository lies, and what opens it.

use super::At;
use crate::agent::config::Repository;
use crate::backend::Location;
use crate::error::Result;

/// What is wrong with it.
pub(super) fn of_repository(repository: &Repository, at: &At<'_>) -> Result<()> {
    let is_s3 = repository.url.starts_with("s3:");
    let instead = match is_s3 {
        true => "put its keys into a file of their own, which `env_file` names",
        false => "use a key with ssh; other stores take passwords from the environment",
    };
    at.without_password("url", &repository.url, instead)?;
    let location = repository.location().map_err(|error| {
        let outer = at.wrong(&error.to_string());
        match error.hint_text() {
            Some(hint) => outer.hint(hint.replace("-o ", "")),
            None => outer,
        }
    })?;
    if repository.env_file.is_some() && !is_s3 {
        return Err(at.wrong(
            "`env_file` is read for buckets of S3 only, in this version: other stores take their variables \
             from the environment of `icecore run`",
        ));
    }
    if let Location::Local(path) = &location {
        at.absolute("url", path)?;
    }
    let Repository { env_file, password_file, key_file, password_command, .. } = repository;
    let named = [password_file.is_some(), key_file.is_some(), password_command.is_some()];
    if named.into_iter().filter(|named| *named).count() != 1 {
        return Err(
            at.wrong("exactly one of `password_file`, `key_file` and `password_command` is needed")
        );
    }
    at.filled(&["password_command"], password_command)?;
    for (key, path) in
        [("env_file", env_file), ("password_file", password_file), ("key_file", key_file)]
    {
        path.iter().try_for_each(|path| at.absolute(key, path))?;
    }
    match &repository.keep {
        Some(keep) => keep.policy().map(drop).map_err(|error| at.refused("keep", &error)),
        None => Ok(()),
    }
}
