//! A repository of the file of jobs: `--repo @NAME`, and what opens it.

use super::env_file;
use crate::agent::config::{self, Config};
use crate::error::{Error, Kind, Result};
use crate::ui::app::App;
use crate::ui::global::Global;
use std::path::PathBuf;

/// The program as it would be with the options of a repository.
pub fn app_for(app: &App, repository: &config::Repository) -> Result<App> {
    let options = repository.options.iter().map(|(key, value)| format!("{key}={value}"));
    let global = Global {
        repo: Some(repository.url.clone()),
        options: options.collect(),
        password_file: repository.password_file.clone(),
        password_command: repository.password_command.clone(),
        key_file: repository.key_file.clone(),
        ..app.global.clone()
    };
    let variables = repository.env_file.as_deref().map(env_file::read).transpose()?;
    Ok(App::new(global).with_variables(variables.unwrap_or_default()))
}

/// The program with the repository of the file that `--repo @NAME` means; none if it means none.
pub fn named(app: &App) -> Result<Option<App>> {
    let Global { repo, options, password_file, password_command, key_file, .. } = &app.global;
    let Some(name) = repo.as_deref().and_then(|repo| repo.strip_prefix('@')) else {
        return Ok(None);
    };
    if !options.is_empty() {
        return Err(Error::new(Kind::InvalidInput, "use", format!("@{name}"))
            .because("its options are in the file")
            .hint("leave out -o"));
    }
    let file = std::env::var_os("ICECORE_CONFIG").map(PathBuf::from);
    let (config, path) = Config::load(file.as_deref())?;
    let found = config.repository.get(name).ok_or_else(|| {
        let known: Vec<&str> = config.repository.keys().map(String::as_str).collect();
        Error::new(Kind::NotFound, "find the repository", format!("@{name}"))
            .because(format!("{} has none of this name", path.display()))
            .hint(format!("{}; a folder of this name is ./@{name}", config::nearest(name, &known)))
    })?;
    // What is named on the command line opens it, as when the secret of the file is lost.
    let is_named = password_file.is_some() || password_command.is_some() || key_file.is_some();
    let mut repository = found.clone();
    if is_named {
        repository.password_file.clone_from(password_file);
        repository.password_command.clone_from(password_command);
        repository.key_file.clone_from(key_file);
    }
    app_for(app, &repository).map(Some)
}
