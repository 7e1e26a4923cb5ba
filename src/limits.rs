//! Every bound in one place, and how they fit together.

use std::time::Duration;

/// Smallest, mean and largest content-defined chunk of an ordinary stream, in bytes.
pub const CHUNK_MIN: usize = 16 * KIB;
pub const CHUNK_AVG: usize = 64 * KIB;
pub const CHUNK_MAX: usize = 256 * KIB;

/// The same for coarse streams.
pub const COARSE_MIN: usize = 4 * CHUNK_MIN;
pub const COARSE_AVG: usize = 4 * CHUNK_AVG;
pub const COARSE_MAX: usize = 4 * CHUNK_MAX;
/// Streams above this many bytes are cut four times as coarsely.
pub const COARSE_STREAM: u64 = 64 << 30;

/// Largest plaintext of one blob, data or metadata.
pub const BLOB_MAX: usize = 4 * MIB;
/// Largest stored form of one blob: nonce, tag, and a codec that failed to shrink it.
pub const STORED_BLOB_MAX: usize = BLOB_MAX + 64 * KIB;

/// A pack is closed when its blobs reach this many bytes.
pub const PACK_TARGET: usize = 16 * MIB;
/// Largest pack that a reader accepts.
pub const PACK_MAX: usize = 80 * MIB;
/// Bytes of all packs of a writer, open or on their way to the store: more waits for an upload.
pub const PACKS_HELD: usize = 2 * PACK_TARGET + PACK_TARGET / 2;
/// Most entries of one pack.
pub const PACK_ENTRIES_MAX: usize = 1 << 16;
/// Most salt headers of one pack.
pub const PACK_SALTS_MAX: usize = 256;

/// An index segment is closed when it holds this many entries.
pub const INDEX_ENTRIES_MAX: usize = 1 << 18;
/// Largest index segment, sealed.
pub const INDEX_MAX: usize = 64 * MIB;

/// Lowest and highest zstd level that can be asked for.
pub const LEVEL_MIN: i32 = -7;
pub const LEVEL_MAX: i32 = 19;
/// Longest prefix of a delta: the plaintexts of its bases.
pub const PREFIX_MAX: usize = BASES_MAX * BLOB_MAX;
/// Most sub-block hashes that the search for similar chunks remembers.
pub const SKETCHES_MAX: usize = 7 << 17;

/// Most bases of one delta.
pub const BASES_MAX: usize = 8;
/// Deepest delta: a blob of this depth needs a chain of so many others.
pub const DEPTH_MAX: u8 = 8;
/// Most blobs that reading one blob may touch, itself included, by the index that its writer knew.
pub const CLOSURE_MAX: usize = 16;
/// Most that a reader takes: each of them may be provided by the entry of another writer at work
/// at the same time, which brings as many of its own.
pub const CLOSURE_READ_MAX: usize = CLOSURE_MAX * CLOSURE_MAX;
/// ... and most bytes of their plaintexts together.
pub const CLOSURE_BYTES: usize = CLOSURE_MAX * BLOB_MAX;

/// Largest record object (config, key, writer, snapshot, note), sealed.
pub const RECORD_MAX: usize = 16 * MIB;
/// Largest outcome, sealed: many of them are held at once.
pub const OUTCOME_MAX: usize = 4 * MIB;
/// Bytes of snapshots' objects whose records are held together.
pub const SNAPSHOTS_HELD: u64 = 4 << 20;
/// Most tags, labels, parts and other elements of one snapshot.
pub const SNAPSHOT_ELEMENTS_MAX: usize = 1 << 16;
/// A writer that has made so many packs commits a partial, which names them.
pub const PARTIAL_PACKS_MAX: usize = 1 << 16;
/// Most packs that one collection condemns; the next takes the rest.
pub const CONDEMNED_MAX: usize = 100_000;
/// Most damaged blobs of one pack that notes name one by one; of more, they name the pack.
pub const NOTED_BLOBS_MAX: usize = 256;
/// Most packs or blobs that one note of damage names.
pub const NOTE_DAMAGE_MAX: usize = 1 << 16;
/// Most packs that one note of the ledger names ...
pub const NOTE_VERIFIED_MAX: usize = 1 << 16;
/// ... and most bytes of the name of who verified them: each pack may be of another run.
pub const NOTE_HOST_MAX: usize = 64;
/// So many notes of the ledger are worth being merged.
pub const LEDGER_NOTES: usize = 8;
/// What a check has verified is noted this often, so that a long one loses little when it is stopped.
pub const LEDGER_INTERVAL: Duration = Duration::from_secs(600);
/// Deepest tree of list or directory nodes.
pub const LEVELS_MAX: u8 = 8;
/// Deepest nesting of directories.
pub const DIRECTORY_DEPTH_MAX: usize = 1000;
/// So many places are walked of any tree, whatever it is made of ...
pub const PLACES_FREE: u64 = 1 << 16;
/// ... and so many more for each entry that is stored: the same directory may stand in many places.
pub const PLACES_PER_ENTRY: u64 = 256;
/// Stack of the thread that does the program's work, whatever the shell's limit is.
pub const STACK: usize = 16 * MIB;
/// Longest name of a directory entry.
pub const NAME_MAX: usize = 4096;
/// Largest encoded directory entry: bounded by the xattrs that it carries.
pub const NODE_MAX: usize = 2 * MIB;
/// Most bytes of extended attributes of one entry, names and values.
pub const XATTRS_MAX: usize = MIB;
/// Most warnings that one source or target keeps; more of them say nothing new.
pub const WARNINGS_MAX: usize = 100;
/// Most sources of one snapshot.
pub const SOURCES_MAX: usize = 4096;
/// Most damaged entries that a part of a snapshot names.
pub const TAINTS_MAX: usize = 100;
/// Most files of several names that a backup remembers; more of them are read under each.
pub const LINKS_MAX: usize = 1 << 16;
/// Most bytes of extended attributes of one that is remembered.
pub const LINKED_NODE_MAX: usize = 4 * KIB;
/// Content of up to this many pieces stands in its directory entry.
pub const INLINE_PIECES_MAX: usize = 8;

/// Most keys of one keyring.
pub const KEYRING_KEYS_MAX: usize = 1024;
/// Longest label of a key slot, in bytes.
pub const SLOT_LABEL_MAX: usize = 256;
/// Most key slots that count.
pub const KEY_SLOTS_MAX: usize = 64;
/// Largest object of a key slot.
pub const SLOT_MAX: usize = 256 * KIB;
/// Least and most memory of a passphrase's derivation, in KiB; half of what this process may use
/// is a bound too.
pub const KDF_MEMORY_MIN_KIB: u32 = 19 << 10;
pub const KDF_MEMORY_MAX_KIB: u32 = 4 << 20;
/// Fewest and most passes of it.
pub const KDF_PASSES_MIN: u32 = 2;
pub const KDF_PASSES_MAX: u32 = 64;
/// Most lanes of it.
pub const KDF_LANES_MAX: u32 = 64;
/// Most work of it: its memory in KiB, times its passes.
pub const KDF_WORK_MAX: u64 = 8 << 20;
/// Most work of all derivations that are tried to open a repository.
pub const KDF_TRIES_MAX: u64 = 16 << 20;

/// Bytes that the pipeline reads ahead as one window.
pub const WINDOW: usize = 4 * MIB;
/// Most pieces of it: a list may be cut into single bytes.
pub const WINDOW_PIECES: usize = 4 * WINDOW / CHUNK_MIN;
/// Most bytes that are asked of a store ahead of a reader, for each reader.
pub const FETCH_AHEAD: u64 = 4 * WINDOW as u64;
/// Bytes of packs that each reader keeps as they are stored, or has on their way, of a store that is far
/// away: what is used, and what is asked for ahead of it.
pub const RANGES_KEPT: u64 = 2 * FETCH_AHEAD;
/// Windows of a content that are on their way while one is used.
pub const WINDOWS_AHEAD: usize = 3;
/// Plaintext of bases kept for the deltas that follow.
pub const BASE_CACHE: usize = 8 * MIB;

/// Most bytes of pages in one frame from the child that reads an SQLite database.
pub const SQLITE_FRAME_MAX: usize = MIB;
/// Largest control frame of that child: facts, proof, error.
pub const SQLITE_CONTROL_MAX: usize = MIB;
/// Largest encoded facts of a database; row counts are left out where they would pass it.
pub const SQLITE_FACTS_MAX: usize = 256 * KIB;
/// A database in rollback mode is remarked on from this many bytes on: its writers wait for the scan.
pub const SQLITE_ROLLBACK_LARGE: u64 = 1 << 30;
/// How long a busy database is waited for.
pub const SQLITE_BUSY_WAIT: Duration = Duration::from_secs(10);
/// Pages of a database read ahead of the thread that stores them, in memory.
pub const SPOOL_MEMORY: usize = 8 * MIB;
/// ... and in a temporary file, once memory is full and patience at its end.
pub const SPOOL_FILE: u64 = 64 << 30;
/// How long, in all, a read transaction may wait for the thread that stores its pages.
pub const SPOOL_PATIENCE: Duration = Duration::from_secs(10);

/// Largest service or password file of PostgreSQL that is read.
pub const POSTGRES_FILE_MAX: u64 = 1 << 20;
/// How long a PostgreSQL server may take to let one in, unless `connect_timeout` says otherwise.
pub const POSTGRES_CONNECT_WAIT: Duration = Duration::from_secs(30);
/// How long a session may be silent before the network is asked whether the server is there.
pub const POSTGRES_KEEPALIVE: Duration = Duration::from_secs(60);
/// Bytes kept of what a tool of PostgreSQL says on standard error: the last ones.
pub const POSTGRES_SAID_MAX: usize = 16 * KIB;
/// Most bytes of a server's roles and tablespaces.
pub const POSTGRES_GLOBALS_MAX: u64 = 64 << 20;
/// Largest encoded facts of a dumped database; its tables are left out where they would pass it.
pub const POSTGRES_FACTS_MAX: usize = 512 * KIB;
/// Longest table of contents of a dump that is read.
pub const DUMP_TOC_MAX: usize = 256 * MIB;
/// Most entries of it.
pub const DUMP_TOC_ENTRIES_MAX: usize = 1 << 22;
/// Longest script of roles and tablespaces.
pub const DUMP_SCRIPT_MAX: u64 = 64 << 20;
/// Most bytes of packs that are kept on this machine for stores that are far away.
pub const PACKS_KEPT: u64 = 1 << 30;
/// Most databases whose state is pinned while services are stopped, each by a process, and that are read after.
pub const PINS_MAX: usize = 16;
/// Most bytes of packs that wait on this machine while services are stopped.
pub const PACKS_SPOOLED: u64 = 2 << 30;
/// Most snapshots that a source's past is looked for in.
pub const PARENTS_MAX: usize = 64;
/// Nanoseconds by which clocks of two machines may differ without a remark.
pub const CLOCK_TOLERANCE: i64 = 600_000_000_000;
/// Nanoseconds in which a source that turns up under another host's name is remarked on.
pub const RECENT: i64 = 30 * 86_400_000_000_000;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

const _: () = {
    assert!(CHUNK_MIN < CHUNK_AVG && CHUNK_AVG < CHUNK_MAX);
    assert!(COARSE_MAX <= BLOB_MAX, "coarse chunks are blobs too");
    assert!(XATTRS_MAX + NAME_MAX < NODE_MAX, "an entry has room for its attributes");
    assert!(NODE_MAX < BLOB_MAX, "a directory leaf holds at least one entry");
    assert!(PACK_TARGET + STORED_BLOB_MAX < PACK_MAX);
    assert!(PACKS_HELD > 2 * PACK_TARGET, "both open packs may be nearly full");
    assert!(INDEX_ENTRIES_MAX * 200 <= INDEX_MAX);
    assert!(WINDOW >= 2 * COARSE_MAX, "a window holds a cut and its look-ahead");
    assert!(2 * SQLITE_FACTS_MAX <= SQLITE_CONTROL_MAX && 2 * SQLITE_FACTS_MAX <= NODE_MAX);
    assert!(2 * POSTGRES_FACTS_MAX <= NODE_MAX, "an entry has room for the facts");
    assert!(2 * SQLITE_FRAME_MAX <= SPOOL_MEMORY);
    assert!(DEPTH_MAX as usize <= CLOSURE_MAX);
    assert!(KEYRING_KEYS_MAX * 128 <= SLOT_MAX);
    assert!(PARTIAL_PACKS_MAX * 40 <= OUTCOME_MAX, "a partial names all its packs");
    assert!(CONDEMNED_MAX * 64 <= RECORD_MAX, "a collection is a record");
    assert!(NOTE_DAMAGE_MAX * 64 <= RECORD_MAX, "a note of damage is a record");
    assert!(NOTE_VERIFIED_MAX * (NOTE_HOST_MAX + 64) <= RECORD_MAX, "so is one of the ledger");
};
