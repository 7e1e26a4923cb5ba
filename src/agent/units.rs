//! Units of systemd, and crontabs, that keep the schedules or start the agent.

use super::config::{Config, Job};
use super::daemon::tasks_of;
use super::report::Task;
use crate::error::{Error, Kind, Result};
use std::path::{Path, PathBuf};

/// What they are made of.
pub struct Units<'u> {
    /// The file of jobs.
    pub config: &'u Config,
    /// The program.
    pub program: PathBuf,
    /// Where the file of jobs is.
    pub file: PathBuf,
    /// Where this host remembers things.
    pub state: PathBuf,
    /// Where this host keeps what it has read of repositories; nowhere if there is none.
    pub cache: Option<PathBuf>,
    /// Whose runs they are: the name, or the number of a user without one.
    pub user: String,
    /// The time zone of this machine, if it has a name.
    pub zone_here: Option<String>,
    /// What runs find in their environment as it is here.
    pub carried: Vec<(&'static str, String)>,
}

/// A file.
#[derive(Clone, Debug)]
pub struct Unit {
    /// Its name.
    pub name: String,
    /// What stands in it.
    pub text: String,
}

/// What a run needs of the machine, and no more; its hooks may still do what the user may. Left out are
/// `ProtectClock=`, by which systemd closes all devices, those of LVM, ZFS and FUSE with them, and
/// `ProtectKernelModules=`, by which the modules are missing from what is captured.
const SANDBOX: &str = "\
# Beyond this it may do what its user may: sources are read, and hooks run, wherever they are.
UMask=0077
NoNewPrivileges=yes
ProtectSystem=full
ProtectKernelTunables=yes
ProtectKernelLogs=yes
ProtectHostname=yes
LockPersonality=yes
RestrictRealtime=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallArchitectures=native
# A password that systemd keeps encrypted, and hands to this unit alone: \
`mkdir -pm 700 /etc/credstore.encrypted`,
# `systemd-creds encrypt - /etc/credstore.encrypted/local.password`,
# password_command = \"systemd-creds cat local.password\" in the file of jobs, and here:
#LoadCredentialEncrypted=local.password
";

/// Engines of containers are there before it, and until it has ended.
const AFTER: &str = "After=docker.service podman.socket\n";

/// So is the network.
const NETWORK: &str = "Wants=network-online.target\nAfter=network-online.target\n";

/// So long a run waits for another of its job, as a copy does for a backup that is due at the same time.
const WAIT: &str = "1h";

/// Where programs are found: cron itself knows fewer places than systemd does.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Asked to end, it ends its runs first, which start what they have stopped.
const ENDING: &str = "KillMode=mixed\nTimeoutStopSec=2min\n";

impl Units<'_> {
    /// The agent as a service.
    ///
    /// # Errors
    /// `Unsupported` if a path cannot stand in a unit.
    pub fn agent(&self) -> Result<Unit> {
        let text = format!(
            "[Unit]\nDescription=icecore: keeps the schedules of backups\n{NETWORK}{AFTER}\n\
             [Service]\nType=notify\nExecStart={} agent\nExecReload=/bin/kill -HUP $MAINPID\n\
             Restart=on-failure\nRestartSec=30\nWatchdogSec=5min\n{ENDING}{}{SANDBOX}\n\
             [Install]\nWantedBy=multi-user.target\n",
            quoted(&self.program)?,
            self.surroundings()?,
        );
        Ok(Unit { name: "icecore-agent.service".to_owned(), text })
    }

    /// A service and a timer for each schedule and for alerts, and a service that starts at boot what runs have left
    /// stopped.
    ///
    /// # Errors
    /// `Unsupported` if a timer cannot keep a schedule, or a path cannot stand in a unit.
    pub fn timers(&self) -> Result<Vec<Unit>> {
        let mut units = Vec::new();
        for (name, job, task) in self.duties() {
            units.extend(self.timer(name, job, task)?);
        }
        if self.config.alert.is_some() {
            units.extend(self.alert_timer()?);
        }
        let text = format!(
            "[Unit]\nDescription=icecore: starts what backups have left stopped\n{AFTER}\
             ConditionDirectoryNotEmpty={}\n\n[Service]\nType=oneshot\nExecStart={} --quiet schedule --start-stopped\n{}{SANDBOX}\n\
             [Install]\nWantedBy=multi-user.target\n",
            text_of(&self.state.join("stopped"))?.replace('%', "%%"),
            quoted(&self.program)?,
            self.surroundings()?,
        );
        units.push(Unit { name: "icecore-start-stopped.service".to_owned(), text });
        Ok(units)
    }

    fn timer(&self, name: &str, job: &Job, task: Task) -> Result<[Unit; 2]> {
        let Some(schedule) = job.schedule_of(task) else {
            return Err(Error::new(Kind::InvalidInput, "write a timer for", name));
        };
        let (program, only, what) = (quoted(&self.program)?, only(job, task), task.name());
        let service = format!(
            "[Unit]\nDescription=icecore: {what} of {name}\n{NETWORK}{AFTER}\n\
             [Service]\nType=oneshot\nExecStart={program} --quiet run {name} --only {only} --wait {WAIT}\n\
             ExecStopPost={program} --quiet schedule --start-stopped\n\
             # Another run was at work.\nSuccessExitStatus=4\n{ENDING}{}{SANDBOX}",
            self.surroundings()?,
        );
        let calendar = schedule.value.on_calendar(&self.zone())?;
        let calendar: String = calendar.iter().map(|it| format!("OnCalendar={it}\n")).collect();
        let jitter = self.config.agent.jitter().as_secs();
        let timer = format!(
            "[Unit]\nDescription=icecore: {what} of {name}, {schedule}\n\n[Timer]\n{calendar}Persistent=true\n\
             AccuracySec=1s\nRandomizedDelaySec={jitter}\nFixedRandomDelay=true\n\n[Install]\nWantedBy=timers.target\n",
        );
        let unit = |ending, text| Unit { name: format!("icecore-{name}-{what}.{ending}"), text };
        Ok([unit("service", service), unit("timer", timer)])
    }

    /// What does not happen is told by nobody else where there is no agent.
    fn alert_timer(&self) -> Result<[Unit; 2]> {
        let service = format!(
            "[Unit]\nDescription=icecore: alerts\n{NETWORK}\n\
             [Service]\nType=oneshot\nExecStart={} --quiet alert\n{}{SANDBOX}",
            quoted(&self.program)?,
            self.surroundings()?,
        );
        let timer = "[Unit]\nDescription=icecore: alerts\n\n[Timer]\nOnCalendar=*:0/5\n\n[Install]\nWantedBy=timers.target\n";
        let unit = |ending, text| Unit { name: format!("icecore-alert.{ending}"), text };
        Ok([unit("service", service), unit("timer", timer.to_owned())])
    }

    /// What of the file needs the agent, in a sentence, if anything does.
    pub fn without_agent(&self) -> Option<&'static str> {
        let has_page = self.config.panel.is_some();
        has_page.then_some("nothing of this serves the page of `[panel]`: `icecore panel` does, or `icecore agent`")
    }

    /// Lines for `/etc/cron.d`, by the clock of this machine.
    ///
    /// # Errors
    /// `Unsupported` if cron cannot keep a schedule, or the user has no name that it could know.
    pub fn crontab(&self) -> Result<String> {
        if self.user.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Error::new(
                Kind::Unsupported,
                "write a crontab for",
                format!("user {}", self.user),
            )
            .because("this user has no name in /etc/passwd, and cron takes names alone")
            .hint("`icecore schedule --systemd` takes the number"));
        }
        let mut lines = String::from("# Runs of icecore; cron mails what they complain of.\n");
        for name in self.config.variables() {
            lines.push_str(&format!(
                "# CAUTION: the file of jobs takes {name} from the environment: set it here.\n"
            ));
        }
        if let Some(lack) = self.without_agent() {
            lines.push_str(&format!("# CAUTION: {lack}.\n"));
        }
        let zone = self.zone();
        if self.zone_here.as_ref() != Some(&zone) {
            let here = self.zone_here.as_deref().unwrap_or("unknown");
            lines.push_str(&format!(
                "# CAUTION: the schedules of the file are of {zone}, and cron goes by the clock of this machine, whose zone is \
                 {here}.\n# Where cron is cronie, this makes it go by the other; Debian's does not know it:\nCRON_TZ={zone}\n"
            ));
        }
        lines.push_str(&format!("PATH={PATH}\n"));
        for (name, value) in self.variables() {
            lines.push_str(&format!("{name}=\"{}\"\n", plain(&value)?));
        }
        let (user, program) = (&self.user, plain(&self.program.display().to_string())?);
        let program = format!("'{}'", program.replace('\'', "'\\''").replace('%', "\\%"));
        for (name, job, task) in self.duties() {
            if let Some(schedule) = job.schedule_of(task) {
                let (when, only) = (schedule.value.crontab()?, only(job, task));
                lines.push_str(&format!(
                    "{when}  {user}  {program} --quiet run {name} --only {only} --wait {WAIT}\n"
                ));
            }
        }
        if self.config.alert.is_some() {
            lines.push_str(&format!("*/5 * * * *  {user}  {program} --quiet alert\n"));
        }
        lines.push_str(&format!("@reboot  {user}  {program} --quiet schedule --start-stopped\n"));
        Ok(lines)
    }

    /// Whether nothing has a schedule.
    pub fn is_idle(&self) -> bool {
        self.duties().next().is_none()
    }

    /// What has a schedule.
    fn duties(&self) -> impl Iterator<Item = (&str, &Job, Task)> {
        let jobs = self.config.job.iter().map(|(name, job)| (name.as_str(), job));
        let all = jobs.flat_map(|(name, job)| Task::ALL.iter().map(move |task| (name, job, *task)));
        all.filter(|(_, job, task)| job.schedule_of(*task).is_some())
    }

    /// The zone of the file.
    fn zone(&self) -> String {
        let zone = self.config.zone();
        zone.iana_name()
            .map(str::to_owned)
            .or_else(|| self.zone_here.clone())
            .unwrap_or_else(|| "UTC".to_owned())
    }

    fn variables(&self) -> Vec<(&'static str, String)> {
        let text = |path: &PathBuf| path.display().to_string();
        let mut variables = vec![
            ("ICECORE_CONFIG", text(&self.file)),
            ("ICECORE_STATE_DIR", text(&self.state)),
            ("ICECORE_CACHE_DIR", self.cache.as_ref().map(text).unwrap_or_default()),
        ];
        variables.extend(self.carried.iter().cloned());
        variables
    }

    /// The file of variables beside the file of jobs, which systemd reads.
    fn environment_file(&self) -> PathBuf {
        self.file.with_file_name("environment")
    }

    /// What has to be put where units find it, in a sentence, if anything has.
    pub fn lacks(&self) -> Option<String> {
        let (names, file) = (self.config.variables(), self.environment_file());
        (!names.is_empty()).then(|| {
            let names: Vec<&str> = names.into_iter().collect();
            format!(
                "the file of jobs takes {} from the environment: units find it in {}, a line NAME=VALUE each, for root alone",
                names.join(", "),
                file.display()
            )
        })
    }

    /// Whose it is, and what it finds in its environment.
    fn surroundings(&self) -> Result<String> {
        // Without it, root has no HOME, and so no ~/.pgpass.
        let mut lines = format!("User={}\n", self.user);
        for (name, value) in self.variables() {
            let value = escaped(&readable(&value)?);
            lines.push_str(&format!("Environment=\"{name}={value}\"\n"));
        }
        let file = text_of(&self.environment_file())?.replace('%', "%%");
        let what =
            "# What stores and the file of jobs take from the environment, a line NAME=VALUE each.";
        lines.push_str(&format!("{what}\nEnvironmentFile=-{file}\n"));
        Ok(lines)
    }
}

/// What `run --only` takes for a task.
fn only(job: &Job, task: Task) -> String {
    tasks_of(job, task).iter().map(|task| task.name()).collect::<Vec<_>>().join(",")
}

/// A program in a line that systemd reads, which expands no variables in it.
fn quoted(path: &Path) -> Result<String> {
    let path = text_of(path)?;
    match path.contains(['\'', '"', '\\']) {
        true => Err(Error::new(Kind::Unsupported, "write a unit for", path)
            .because("systemd starts no program with quotes or backslashes in its path")),
        false => Ok(format!("\"{}\"", escaped(&path))),
    }
}

/// What means itself between double quotes in a unit.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%")
}

fn text_of(path: &Path) -> Result<String> {
    readable(&path.display().to_string())
}

/// A text that can stand in a line.
fn readable(text: &str) -> Result<String> {
    match text.contains(|letter: char| letter.is_control() || letter == '\u{fffd}') {
        true => Err(Error::new(Kind::Unsupported, "write", format!("{text:?}"))
            .because("it has line ends or bytes in it that are no text")),
        false => Ok(text.to_owned()),
    }
}

/// What means itself in a crontab, which knows nothing by which quotes could be kept.
fn plain(text: &str) -> Result<String> {
    match text.contains(['"', '\\']) {
        true => Err(Error::new(Kind::Unsupported, "write a crontab with", format!("{text:?}"))
            .because("it has quotes or backslashes in it")),
        false => readable(text),
    }
}
