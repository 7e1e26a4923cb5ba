//! What all requests share.

use super::children::Children;
use super::fields::Fields;
use super::host::{is_loopback, name_of};
use super::launcher::{Complain, Launcher};
use super::lists::{Key, Row};
use super::login::Login;
use super::place::{Address, Place};
use super::queries::Plan;
use super::reads::Reads;
use super::records::Records;
use super::refusal::Refusal;
use crate::agent::config::{self, Config, Job};
use crate::env::Env;
use crate::error::Result;
use jiff::tz::TimeZone;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How long lists of snapshots are kept while nothing happens, and plans to prune.
const LIST: Duration = Duration::from_secs(300);
const PLAN: Duration = Duration::from_secs(60);

/// What the page has of the program, whatever the file says, and what was started from it.
pub struct Panel {
    state: PathBuf,
    host: String,
    env: Env,
    launcher: Launcher,
    complain: Complain,
    pub(super) children: Arc<Children>,
    token: String,
}

impl Panel {
    /// Of a state folder and a machine that is called `host` where the file does not say otherwise.
    ///
    /// # Errors
    /// If there is no randomness.
    pub fn new(
        state: PathBuf,
        host: String,
        env: Env,
        launcher: Launcher,
        complain: Complain,
    ) -> Result<Self> {
        let token = blake3::Hash::from_bytes(env.random()?).to_hex().to_string();
        let children = Arc::new(Children::new(launcher.clone(), env.clone()));
        Ok(Panel { state, host, env, launcher, complain, children, token })
    }

    /// Tells the administrator of this program.
    pub(super) fn complain(&self, text: &str) {
        (self.complain)(text);
    }
}

/// What all requests share, by one state of the file.
pub struct Context {
    /// The file.
    pub config: Arc<Config>,
    /// What this machine is called in snapshots.
    pub host: String,
    /// The clock.
    pub env: Env,
    /// Where days begin.
    pub zone: TimeZone,
    /// How child processes are started.
    pub launcher: Launcher,
    /// Those that were started.
    pub children: Arc<Children>,
    /// What this host knows by itself.
    pub records: Arc<Records>,
    /// Lists of snapshots.
    pub lists: Reads<Key, Arc<[Row]>>,
    /// What a prune of a job would give up.
    pub plans: Reads<String, Arc<[Plan]>>,
    /// Who may see it.
    pub login: Arc<Login>,
    /// Where it may restore to.
    pub restore_into: Option<PathBuf>,
    /// Tells the administrator of this program.
    pub complain: Complain,
    /// What a form of this page has in it, and no other page can know.
    token: String,
    /// The names that it is served under.
    names: Vec<String>,
    address: String,
}

impl Context {
    /// Of a panel and a file with these settings.
    pub fn new(panel: &Panel, config: Arc<Config>, settings: &config::Panel) -> Result<Self> {
        let (state, env, complain) = (panel.state.clone(), &panel.env, panel.complain.clone());
        let login = Login::new(&settings.login.user, settings.login.hash_file.clone(), env)?;
        let ip = settings.listen.value.0.ip();
        Ok(Context {
            host: config.defaults.host.clone().unwrap_or_else(|| panel.host.clone()),
            records: Arc::new(Records::new(config.clone(), state, env.clone(), complain.clone())),
            zone: config.zone(),
            children: panel.children.clone(),
            lists: Reads::new(LIST),
            plans: Reads::new(PLAN),
            login: Arc::new(login),
            restore_into: settings.restore_into.clone(),
            names: settings.hosts.clone(),
            address: if ip.is_ipv6() { format!("[{ip}]") } else { ip.to_string() },
            config,
            env: env.clone(),
            launcher: panel.launcher.clone(),
            complain,
            token: panel.token.clone(),
        })
    }

    /// What its forms have in them.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Whether that is it; compared in a time that tells nothing of it.
    pub fn is_token(&self, given: &[u8]) -> bool {
        blake3::hash(given) == blake3::hash(self.token.as_bytes())
    }

    /// Whether it is served under this name and port.
    pub fn answers_to(&self, authority: &str) -> bool {
        let name = name_of(authority);
        is_loopback(name) || name == self.address || self.is_named(authority)
    }

    /// Whether the file names it so.
    pub fn is_named(&self, authority: &str) -> bool {
        let name = name_of(authority);
        self.names.iter().any(|known| known.eq_ignore_ascii_case(name))
    }

    /// A job of the file.
    pub fn job(&self, name: &str) -> Result<(&str, &Job), Refusal> {
        let found = self.config.job.get_key_value(name);
        let found = found.map(|(name, job)| (name.as_str(), job));
        found.ok_or_else(|| Refusal::absent("There is no such job in the file."))
    }

    /// Whether this host prunes a repository of the job.
    pub fn is_pruned_here(&self, job: &str) -> bool {
        let is_ours =
            |(_, job): (&str, &Job)| job.repositories().any(|it| !job.is_pruned_elsewhere(it));
        self.job(job).is_ok_and(is_ours)
    }

    /// What an address and its query name in a snapshot, if there can be such a thing.
    pub fn place(&self, address: Address, fields: &Fields) -> Result<Place, Refusal> {
        let (job, repository, _) = &address;
        self.repository(job, repository)?;
        Place::new(address, fields.path()?)
    }

    /// A repository of a job.
    pub fn repository(&self, job: &str, name: &str) -> Result<(&str, &str), Refusal> {
        let (job, found) = self.job(job)?;
        let repository = found.repositories().find(|known| *known == name);
        let known = repository.and_then(|name| self.config.repository.get_key_value(name));
        let known = known.map(|(name, _)| (job, name.as_str()));
        known.ok_or_else(|| Refusal::absent("The job has no such repository."))
    }
}
