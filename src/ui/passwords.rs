//! Where secrets come from: files, commands, the environment or a terminal; never an argument.

use super::global::Global;
use super::out::{self, Tone};
use super::secret_input::{printed_by, read_bounded};
use crate::crypto::Secret;
use crate::env::Env;
use crate::error::{Attempt, Error, Kind, Result};
use crate::text::readable_by_others;
use clap::Args;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;
use zeroize::Zeroizing;

/// Longest password that is read.
const PASSWORD_MAX: usize = 64 << 10;

/// How long a command may take to print a password where nobody can be asked.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);

/// Where a new secret comes from; without these, from the terminal.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub struct NewSecretArgs {
    /// Read the new password from a file
    #[arg(long, value_name = "FILE")]
    pub new_password_file: Option<PathBuf>,

    /// Make a new key file: 32 random bytes, readable by you alone
    #[arg(long, value_name = "FILE")]
    pub new_key_file: Option<PathBuf>,
}

/// What opens a copy of the repository; without these, what opens the repository.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub struct FromSecretArgs {
    /// Read the password of the copy from a file
    #[arg(long, value_name = "FILE")]
    pub from_password_file: Option<PathBuf>,

    /// Read the password of the copy from the output of a shell command
    #[arg(long, value_name = "COMMAND")]
    pub from_password_command: Option<String>,

    /// Open the copy with a key file
    #[arg(long, value_name = "FILE")]
    pub from_key_file: Option<PathBuf>,
}

impl FromSecretArgs {
    /// Whether none is named.
    pub fn is_empty(&self) -> bool {
        let FromSecretArgs { from_password_file, from_password_command, from_key_file } = self;
        from_password_file.is_none() && from_password_command.is_none() && from_key_file.is_none()
    }
}

/// The secret that opens a copy of the repository.
pub fn of_copy(from: &FromSecretArgs, global: &Global) -> Result<Secret> {
    let FromSecretArgs { from_password_file, from_password_command, from_key_file } = from;
    let flags = flags(from_key_file, from_password_file, from_password_command);
    only(flags, "flags")?.map_or_else(|| existing(global), SecretSource::read)
}

/// What opens the repository that is copied to; without these, what the environment names, or what is
/// typed.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub struct ToSecretArgs {
    /// Read the password of the target from a file [env: ICECORE_TO_PASSWORD_FILE, or
    /// ICECORE_TO_PASSWORD itself]
    #[arg(long, value_name = "FILE")]
    pub to_password_file: Option<PathBuf>,

    /// Read the password of the target from the output of a shell command [env:
    /// ICECORE_TO_PASSWORD_COMMAND]
    #[arg(long, value_name = "COMMAND")]
    pub to_password_command: Option<String>,

    /// Open the target with a key file [env: ICECORE_TO_KEY_FILE]
    #[arg(long, value_name = "FILE")]
    pub to_key_file: Option<PathBuf>,
}

/// The secret that opens the repository that is copied to.
pub fn of_target(to: &ToSecretArgs) -> Result<Secret> {
    let ToSecretArgs { to_password_file, to_password_command, to_key_file } = to;
    let flags = flags(to_key_file, to_password_file, to_password_command);
    match flag_or_variable(flags, "ICECORE_TO_")? {
        Some(secret) => Ok(secret),
        None => ask("password of the target: ").and_then(passphrase).map_err(|error| {
            error.hint("use --to-password-file, --to-password-command or --to-key-file")
        }),
    }
}

/// The secret that opens the repository: from a flag, else from the environment, else asked for.
pub fn existing(global: &Global) -> Result<Secret> {
    match named(global)? {
        Some(secret) => Ok(secret),
        None => ask("password of the repository: ").and_then(passphrase),
    }
}

/// The first secret of a new repository.
pub fn first(global: &Global, new: &NewSecretArgs, env: &Env) -> Result<NewSecret> {
    let flags = [&global.key_file, &global.password_file].into_iter().any(Option::is_some)
        || global.password_command.is_some();
    match (new.is_empty(), flags) {
        (false, true) => Err(several("a flag for a new one and one that exists")),
        // A flag counts for more than the environment.
        (false, false) => another(new, env),
        (true, _) => match named(global)? {
            Some(secret) => Ok(NewSecret { secret, made: None }),
            None => another(new, env),
        },
    }
}

/// Another secret for a repository that exists.
pub fn another(new: &NewSecretArgs, env: &Env) -> Result<NewSecret> {
    match (&new.new_password_file, &new.new_key_file) {
        (Some(path), _) => Ok(NewSecret { secret: password_file(path)?, made: None }),
        (None, Some(path)) => make_key_file(path, env),
        (None, None) => Ok(NewSecret { secret: ask_twice()?, made: None }),
    }
}

impl NewSecretArgs {
    fn is_empty(&self) -> bool {
        self.new_password_file.is_none() && self.new_key_file.is_none()
    }

    /// Whether the secret is one that nothing can have been encrypted for yet.
    pub fn makes_key_file(&self) -> bool {
        self.new_key_file.is_some()
    }
}

/// A secret, and the key file that was made for it.
pub struct NewSecret {
    /// The secret.
    pub secret: Secret,
    made: Option<PathBuf>,
}

impl NewSecret {
    /// Uses the secret. A key file that was made for it stays whatever happens: once a slot was
    /// to be created nobody can be sure that there is none.
    pub fn put_to_use<T>(self, with: impl FnOnce(&Secret) -> Result<T>) -> Result<T> {
        with(&self.secret).map_err(|error| match (&self.made, error.hint_text()) {
            (None, _) => error,
            (Some(path), hint) => {
                let path = path.display();
                let stays =
                    format!("{path} stays: there may be a key slot for it (`--key-file {path}`)");
                let hint = hint.map_or(stays.clone(), |hint| format!("{hint}; {stays}"));
                error.hint(hint)
            }
        })
    }
}

/// A new password for people: typed twice, or the first line that comes from elsewhere than a terminal.
pub fn typed() -> Result<Zeroizing<String>> {
    let secret = match io::stdin().is_terminal() {
        true => ask_twice()?,
        false => {
            let bytes = read_bounded(io::stdin(), PASSWORD_MAX).attempt("read", "the password")?;
            from_bytes(&bytes, "standard input")?
        }
    };
    match secret {
        Secret::Passphrase(text) => Ok(text),
        Secret::KeyFile(_) => Err(several("a password")),
    }
}

/// The one secret that flags name, or else the one that the environment names.
fn named(global: &Global) -> Result<Option<Secret>> {
    let Global { key_file, password_file, password_command, .. } = global;
    flag_or_variable(flags(key_file, password_file, password_command), "ICECORE_")
}

/// What each of three flags names.
fn flags(
    key_file: &Option<PathBuf>,
    password_file: &Option<PathBuf>,
    password_command: &Option<String>,
) -> [Option<SecretSource>; 3] {
    [
        key_file.clone().map(SecretSource::KeyFile),
        password_file.clone().map(SecretSource::PasswordFile),
        password_command.as_deref().map(|line| SecretSource::Command(line.into())),
    ]
}

/// The one secret that flags name, or else the one that variables name which begin like this.
fn flag_or_variable(flags: [Option<SecretSource>; 3], prefix: &str) -> Result<Option<Secret>> {
    if let Some(source) = only(flags, "flags")? {
        return source.read().map(Some);
    }
    let any = |name| std::env::var_os(format!("{prefix}{name}"));
    let variable = |name| any(name).filter(|value| !value.is_empty());
    let of_environment = [
        variable("KEY_FILE").map(|path| SecretSource::KeyFile(path.into())),
        variable("PASSWORD_FILE").map(|path| SecretSource::PasswordFile(path.into())),
        variable("PASSWORD_COMMAND").map(SecretSource::Command),
        any("PASSWORD").map(|text| SecretSource::Text(text, format!("{prefix}PASSWORD"))),
    ];
    let what = format!("environment variables ({prefix}KEY_FILE, _PASSWORD, ...)");
    only(of_environment, &what)?.map(SecretSource::read).transpose()
}

enum SecretSource {
    KeyFile(PathBuf),
    PasswordFile(PathBuf),
    Command(OsString),
    /// A password, and the variable that has it.
    Text(OsString, String),
}

impl SecretSource {
    fn read(self) -> Result<Secret> {
        match self {
            SecretSource::KeyFile(path) => key_file(&path),
            SecretSource::PasswordFile(path) => password_file(&path),
            SecretSource::Command(line) => password_of(&line),
            SecretSource::Text(text, name) => {
                from_bytes(&Zeroizing::new(text.into_encoded_bytes()), &name)
            }
        }
    }
}

fn only<const N: usize>(
    sources: [Option<SecretSource>; N],
    what: &str,
) -> Result<Option<SecretSource>> {
    let mut sources = sources.into_iter().flatten();
    match (sources.next(), sources.next()) {
        (Some(_), Some(_)) => Err(several(what)),
        (first, _) => Ok(first),
    }
}

fn several(what: &str) -> Error {
    Error::new(Kind::InvalidInput, "choose", "a password or key")
        .because(format!("several are named: {what}"))
        .hint("name one")
}

fn key_file(path: &Path) -> Result<Secret> {
    let file = File::open(path).attempt("open the key file", path.display())?;
    let bytes = read_bounded(file, 32).attempt("read the key file", path.display())?;
    match <[u8; 32]>::try_from(bytes.as_slice()) {
        Ok(key) => Ok(Secret::KeyFile(Zeroizing::new(key))),
        Err(_) => Err(Error::new(Kind::InvalidInput, "use the key file", path.display())
            .because("a key file is exactly 32 bytes long")
            .hint("`icecore key add --new-key-file PATH` makes one")),
    }
}

fn make_key_file(path: &Path, env: &Env) -> Result<NewSecret> {
    let key = Zeroizing::new(env.random::<32>()?);
    let subject = path.display();
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(path);
    let mut file =
        file.attempt("create the key file", &subject).map_err(|error| match error.kind() {
            Kind::AlreadyExists => error.hint(format!(
                "name another; or give this one with `--key-file {subject}` if a command that was \
                 stopped made it"
            )),
            _ => error,
        })?;
    let written = file.write_all(&*key).and_then(|()| file.sync_all());
    let durable = written.and_then(|()| sync_folder_of(path));
    durable.attempt("write the key file", subject).inspect_err(|_| {
        // The failure is what matters; nothing was encrypted for this file yet.
        let _ = std::fs::remove_file(path);
    })?;
    Ok(NewSecret { secret: key_file(path)?, made: Some(path.to_owned()) })
}

/// Makes the name of a new file durable.
fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    match File::open(folder.unwrap_or(Path::new(".")))?.sync_all() {
        // Some network file systems know no such call.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
        result => result,
    }
}

/// The password in a file: its bytes, without one line end after them.
fn password_file(path: &Path) -> Result<Secret> {
    let file = File::open(path).attempt("open the password file", path.display())?;
    let found = file.metadata().attempt("examine the password file", path.display())?;
    if found.is_file() && found.mode() & 0o077 != 0 {
        out::tell(Tone::Warning, &readable_by_others(path));
    }
    let bytes =
        read_bounded(file, PASSWORD_MAX).attempt("read the password file", path.display())?;
    from_bytes(&bytes, &path.display().to_string())
}

/// The password that a command prints. It may ask on the terminal; where there is none, it has a minute.
fn password_of(line: &OsString) -> Result<Secret> {
    let what = "the password command";
    // Input may come from elsewhere while there is one.
    let most = File::open("/dev/tty").is_err().then_some(COMMAND_TIMEOUT);
    from_bytes(&printed_by(line, what, PASSWORD_MAX, most)?, what)
}

fn from_bytes(bytes: &[u8], from: &str) -> Result<Secret> {
    let wrong =
        |reason: &str| Error::new(Kind::InvalidInput, "read a password from", from).because(reason);
    if bytes.len() > PASSWORD_MAX {
        return Err(wrong("it is too long"));
    }
    let text = std::str::from_utf8(bytes).map_err(|_| wrong("it is not UTF-8"))?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    passphrase(Zeroizing::new(text.to_owned()))
        .map_err(|error| error.within("read a password from", from))
}

fn passphrase(text: Zeroizing<String>) -> Result<Secret> {
    if text.is_empty() {
        return Err(Error::new(Kind::InvalidInput, "use", "an empty password")
            .because("it would protect nothing"));
    }
    Ok(Secret::Passphrase(text))
}

fn ask(question: &str) -> Result<Zeroizing<String>> {
    if !io::stdin().is_terminal() {
        return Err(Error::new(Kind::InvalidInput, "ask for", "the password")
            .because("there is no terminal")
            .hint("use --password-file, --password-command or --key-file"));
    }
    rpassword::prompt_password(question).map(Zeroizing::new).attempt("read", "the password")
}

fn ask_twice() -> Result<Secret> {
    let text = ask("new password: ")?;
    if *ask("the same again: ")? != *text {
        return Err(Error::new(Kind::InvalidInput, "set", "the password")
            .because("the two are not the same"));
    }
    passphrase(text)
}
