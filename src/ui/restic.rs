//! Words of restic's command line that this program has no use for, and what it answers to them.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command};

/// A verb or flag that is not this program's own.
pub struct ResticWord {
    /// The verb that it belongs to; any one that does not know it itself without.
    pub verb: Option<&'static str>,
    /// As it is written on the command line.
    pub word: &'static str,
    /// What to do about it.
    pub answer: Answer,
}

/// What is said to a word, in a sentence.
pub enum Answer {
    /// All is well without it; the rest of the command is done. For a flag: whether a value follows.
    NotNeeded(Value, &'static str),
    /// It asks for something that is not there, or is had in another way.
    Instead(&'static str),
}

/// Whether a flag is followed by a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// It stands alone.
    None,
    /// It has one.
    One,
}

impl ResticWord {
    /// The same word, of this verb alone.
    const fn of(self, verb: &'static str) -> Self {
        ResticWord { verb: Some(verb), ..self }
    }
}

const fn not_needed(word: &'static str, why: &'static str) -> ResticWord {
    ResticWord { verb: None, word, answer: Answer::NotNeeded(Value::None, why) }
}

const fn value_not_needed(word: &'static str, why: &'static str) -> ResticWord {
    ResticWord { verb: None, word, answer: Answer::NotNeeded(Value::One, why) }
}

const fn instead(word: &'static str, what: &'static str) -> ResticWord {
    ResticWord { verb: None, word, answer: Answer::Instead(what) }
}

const NO_CACHE: &str =
    "the cache on this machine keeps itself small; `icecore cache --clear` removes it";
const NO_LOCKS: &str = "there are no locks: backups, checks and restores run beside each other";
const AUTHORITIES: &str = "use -o cacert=FILE, which names the authorities to trust; servers are \
                           always verified";
const NO_PLAIN: &str = "every repository has a password or a key file";
const NO_BLOBS: &str = "`icecore cat pack ID` lists the chunks of a pack, and `icecore check \
                        --read-data` names every file that needs a damaged one";
const ARCHIVE: &str = "leave it out: a folder is written as an archive of tar";
const ONE_LABEL: &str = "use --label TEXT: a key slot has no other name";
const ONE_LINE: &str = "`icecore snapshots --compact` has one line for each snapshot";
const XATTRS: &str = "extended attributes come back as far as they may be set: --special brings \
                      back those that give privileges, too";

/// Verbs, and what follows the verb that is named.
pub const VERBS: &[ResticWord] = &[
    not_needed("unlock", NO_LOCKS),
    instead(
        "mount",
        "there is no mount yet: `icecore ls` and `icecore find` look into snapshots, \
         `icecore dump` prints a file, `icecore restore SNAPSHOT:PATH --target FOLDER` brings a \
         part back",
    ),
    instead("self-update", "the program does not replace itself: install it as you did before"),
    instead(
        "generate",
        "use `icecore completions SHELL` for completions, and `icecore man FOLDER` for man pages",
    ),
    instead(
        "rewrite",
        "snapshots never change: make a new one with --exclude, and `icecore forget` the old one",
    ),
    instead(
        "migrate",
        "there is nothing to migrate: no older format is read before the first release",
    ),
    instead(
        "recover",
        "`icecore repair index` brings back what the index lacks; a snapshot that is lost itself does \
         not come back",
    ),
    instead("rebuild-index", "use `icecore repair index`"),
    instead(
        "list",
        "use `icecore snapshots`, `icecore key list` or `icecore cat index`; `icecore stats` \
         counts objects of every kind",
    ),
    instead(
        "masterkey",
        "the keys of a repository are never printed: `icecore key list` shows what opens it",
    )
    .of("cat"),
    instead(
        "blob",
        "`icecore dump` prints a file; `icecore cat pack ID` lists the chunks of a pack",
    )
    .of("cat"),
    instead("tree", "`icecore ls --json SNAPSHOT:PATH` shows what is in a folder").of("cat"),
    not_needed("lock", NO_LOCKS).of("cat"),
    instead("features", "there are no feature flags: `icecore help` lists what there is"),
    instead("options", "`icecore help` lists what -o takes"),
];

/// Flags.
pub const FLAGS: &[ResticWord] = &[
    not_needed("--cleanup-cache", NO_CACHE),
    not_needed("--no-lock", NO_LOCKS),
    value_not_needed("--retry-lock", NO_LOCKS),
    value_not_needed("--pack-size", "the size of packs is fixed"),
    value_not_needed(
        "--read-concurrency",
        "files are read by as many threads as there are processors; RAYON_NUM_THREADS changes that",
    ),
    value_not_needed("--key-hint", "every key slot is tried"),
    not_needed("--no-scan", "the look ahead comes with the progress: --no-progress spares both"),
    not_needed("--with-atime", "times of access are not stored, and are not touched either"),
    not_needed("--ignore-inode", "a file whose inode is another one is read again, to be sure"),
    not_needed("--ignore-ctime", "a file whose ctime is another one is read again, to be sure"),
    not_needed("--with-cache", "a check reads everything from the store, to be sure of it"),
    not_needed("--no-extra-verify", "what is encrypted is always verified before it is stored"),
    not_needed("--exclude-cloud-files", "only Windows knows of files that lie elsewhere"),
    value_not_needed("--stuck-request-timeout", "use -o timeout=SECONDS if a minute is too short"),
    value_not_needed("--http-user-agent", "every request says that it is icecore's"),
    value_not_needed(
        "--group-by",
        "each source finds by itself what stood in its place before; --parent names a snapshot",
    )
    .of("backup"),
    value_not_needed(
        "--mode",
        "all is shown at once: what each snapshot holds and adds, and what lies in the repository",
    )
    .of("stats"),
    instead("--compact", ONE_LINE),
    instead("-c", ONE_LINE),
    instead("--cacert", AUTHORITIES),
    instead("--insecure-tls", AUTHORITIES),
    instead("--tls-client-cert", "certificates of clients are not there yet"),
    instead("--repository-file", "use --repo \"$(cat FILE)\", or ICECORE_REPOSITORY"),
    instead("--insecure-no-password", NO_PLAIN),
    instead("--new-insecure-no-password", NO_PLAIN),
    instead("--from-repo", "name the source with --repo, and the target as `icecore copy TARGET`"),
    instead("--keep-id", "`icecore hold SNAPSHOT --reason TEXT` keeps it until it is released"),
    instead(
        "--unsafe-allow-remove-all",
        "name the snapshots; the last one of its sources goes with --force",
    ),
    instead("--time", "a snapshot has the time at which it was made"),
    instead("--stdin-from-file", "use --stdin < FILE, or name the file as a source"),
    instead("--delete", "a restore deletes nothing: restore into an empty folder"),
    instead("--no-ownership", "owners come back where that is allowed, and else are left out"),
    instead("--ownership-by-name", "owners come back by their numbers"),
    instead("--include-xattr", XATTRS),
    instead("--exclude-xattr", XATTRS),
    instead(
        "--use-fs-snapshot",
        "there are none on this system that a program could ask for: make a snapshot of the file \
         system yourself and back that up; databases do not need it",
    ),
    instead("--repository-version", "leave it out: a repository has the one format there is"),
    instead(
        "--copy-chunker-params",
        "leave it out: each repository cuts in its own places, and `icecore copy` keeps what is cut",
    ),
    instead("--archive", ARCHIVE).of("dump"),
    instead("-a", ARCHIVE).of("dump"),
    instead("--ncdu", "`icecore ls --json` shows the size of every entry").of("ls"),
    instead("--blob", NO_BLOBS).of("find"),
    instead("--tree", NO_BLOBS).of("find"),
    instead("--pack", NO_BLOBS).of("find"),
    instead("--host", ONE_LABEL).of("key"),
    instead("--user", ONE_LABEL).of("key"),
    instead(
        "--check-unused",
        "`icecore prune --dry-run` says how much no snapshot needs, and `icecore prune` gives it back",
    )
    .of("check"),
];

/// The program's command line, which hears the flags that are not needed as well.
pub fn with_restic_flags(command: Command) -> Command {
    FLAGS.iter().fold(command, |command, word| match word.answer {
        Answer::NotNeeded(value, _) => {
            let name = word.word.trim_start_matches('-');
            let action = match value {
                Value::None => ArgAction::SetTrue,
                Value::One => ArgAction::Set,
            };
            let arg = Arg::new(word.word).long(name).hide(true).action(action);
            match word.verb {
                None => command.arg(arg.global(true)),
                Some(verb) => command.mut_subcommand(verb, |verb| verb.arg(arg)),
            }
        }
        Answer::Instead(_) => command,
    })
}

/// What is to be said of the flags that were given and are not needed.
pub fn accepted(matches: &ArgMatches) -> Vec<String> {
    let mut given = matches;
    // The innermost verb knows all that was given before and after it.
    while let Some((_, within)) = given.subcommand() {
        given = within;
    }
    let was_given = |word: &&ResticWord| {
        let source = given.try_contains_id(word.word).is_ok();
        source && given.value_source(word.word) == Some(clap::parser::ValueSource::CommandLine)
    };
    let notes = FLAGS.iter().filter(was_given).filter_map(|word| match word.answer {
        Answer::NotNeeded(_, why) => Some(format!("{} is not needed: {why}", word.word)),
        Answer::Instead(_) => None,
    });
    notes.collect()
}

/// The word that the `command` line was not understood for, if it is one of these.
pub fn unknown(command: Command, message: &clap::Error) -> Option<&'static ResticWord> {
    let (words, kind) = match message.kind() {
        ErrorKind::UnknownArgument => (FLAGS, ContextKind::InvalidArg),
        ErrorKind::InvalidSubcommand => (VERBS, ContextKind::InvalidSubcommand),
        _ => return None,
    };
    let Some(ContextValue::String(found)) = message.get(kind) else { return None };
    let matches = command.ignore_errors(true).try_get_matches().ok();
    let verb = matches.as_ref().and_then(ArgMatches::subcommand_name);
    let fits =
        |word: &&ResticWord| word.word == found && (word.verb.is_none() || word.verb == verb);
    words.iter().find(fits)
}
