//! Keeps the house: which room may use which, how long a file may grow, and what nobody leaves
//! behind.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// What lies under every room.
const GROUND: [&str; 6] = ["error", "id", "limits", "env", "text", "monitor"];

/// Each room and the rooms that it may use besides the ground.
const ROOMS: [(&str, &[&str]); 16] = [
    ("format", &[]),
    ("chunk", &["format"]),
    ("codec", &["format"]),
    ("crypto", &["format"]),
    ("backend", &["format"]),
    ("repo", &["format", "chunk", "codec", "crypto", "backend"]),
    ("postgres", &["format"]),
    ("containers", &[]),
    ("source", &["format", "postgres"]),
    ("sink", &["format", "postgres"]),
    ("stream", &["format", "chunk", "repo", "source"]),
    (
        "ops",
        &[
            "format", "chunk", "codec", "crypto", "backend", "postgres", "repo", "source", "sink",
            "stream",
        ],
    ),
    (
        "agent",
        &[
            "format",
            "crypto",
            "backend",
            "postgres",
            "containers",
            "repo",
            "source",
            "sink",
            "stream",
            "ops",
        ],
    ),
    ("panel", &["agent"]),
    (
        "ui",
        &[
            "format",
            "crypto",
            "backend",
            "postgres",
            "containers",
            "repo",
            "source",
            "sink",
            "stream",
            "ops",
            "agent",
            "panel",
        ],
    ),
    // The library's face: what it is made of is private.
    ("main", &["run", "run_as_child"]),
];

/// What the parts of the ground may use of each other.
const WITHIN_GROUND: [(&str, &[&str]); 6] = [
    ("error", &[]),
    ("id", &["error"]),
    ("limits", &[]),
    ("env", &["error"]),
    ("text", &["env"]),
    ("monitor", &["error"]),
];

/// Most lines of a file.
const LINES: usize = 400;

/// Files that are longer, and their lines. This list and its numbers only shrink.
const LONG: [(&str, usize); 0] = [];

/// Words that mean unfinished work; put together here, so that this file may hold them.
const LEFTOVERS: [&str; 5] = [
    concat!("to", "do!("),
    concat!("unim", "plemented!("),
    concat!("d", "bg!("),
    concat!("FIX", "ME"),
    concat!("X", "XX"),
];

/// A room uses only rooms below it, and a room that the table does not know does not exist.
#[test]
fn rooms_use_only_what_lies_below() {
    let mut faults = String::new();
    for source in sources("src") {
        let room = room_of(&source.path);
        if room == "lib" {
            continue;
        }
        let Some(allowed) = allowed_for(&room) else {
            writeln!(faults, "{}: no room is named {room}", source.path).unwrap();
            continue;
        };
        for used in rooms_used(&source.text) {
            if used != room && !allowed.contains(&used.as_str()) {
                writeln!(faults, "{}: {room} must not use {used}", source.path).unwrap();
            }
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

/// The reader of `use` lines sees plain, grouped and nested ones, and no comments.
#[test]
fn edges_are_found() {
    let text = "//! [`crate::z`]\nuse crate::a::B;\nuse crate::{b, c::{D, E}, f};\n\
                let x = crate::g::h(); // crate::y\nuse icecore::{i::J,\n  k};\n";
    assert_eq!(rooms_used(text), ["a", "b", "c", "f", "g", "i", "k"]);
}

/// No files of a folder use each other in a circle.
#[test]
fn neighbours_form_no_circles() {
    let sources = sources("src");
    let paths: BTreeSet<&str> = sources.iter().map(|source| source.path.as_str()).collect();
    let uses: BTreeMap<&str, Vec<&str>> = sources
        .iter()
        .filter(|source| !source.path.ends_with("/mod.rs"))
        .map(|Source { path, text }| {
            let folder = path.rsplit_once('/').unwrap().0;
            let used = heads_after(&["super::"], text).into_iter().flat_map(|name| {
                [format!("{folder}/{name}.rs"), format!("{folder}/{name}/mod.rs")]
            });
            (path.as_str(), used.filter_map(|path| paths.get(path.as_str()).copied()).collect())
        })
        .collect();
    let circles: Vec<&str> =
        uses.keys().copied().filter(|path| reached_from(path, &uses).contains(path)).collect();
    assert!(circles.is_empty(), "these files lean on each other: {circles:?}");
}

/// Everything that a file uses, directly or not.
fn reached_from<'a>(path: &str, uses: &BTreeMap<&'a str, Vec<&'a str>>) -> BTreeSet<&'a str> {
    let (mut reached, mut todo) = (BTreeSet::new(), uses[path].clone());
    while let Some(next) = todo.pop() {
        if reached.insert(next) {
            todo.extend(uses.get(next).into_iter().flatten());
        }
    }
    reached
}

/// Other programs are run by one function, which tells them nothing of the repository.
#[test]
fn programs_are_run_in_one_place() {
    let runs = |source: &Source| source.text.contains("Command::new(");
    let found: Vec<String> = sources("src").into_iter().filter(runs).map(|it| it.path).collect();
    assert_eq!(found, ["src/env.rs"], "use env::command");
}

/// Tests start the program by one function, which keeps what it remembers apart from the user's.
#[test]
fn tests_start_the_program_in_one_place() {
    let variable = concat!("CARGO_BIN", "_EXE");
    let names = |source: &Source| source.text.contains(variable);
    let found: Vec<String> = sources("tests").into_iter().filter(names).map(|it| it.path).collect();
    assert_eq!(found, ["tests/common/program.rs"], "use common::program");
}

/// No file grows long, and one that has shrunk leaves the list of long ones.
#[test]
fn files_stay_short() {
    let mut faults = String::new();
    for source in all_sources() {
        let lines = source.text.lines().count();
        let exception = LONG.iter().find(|(path, _)| *path == source.path);
        match exception {
            None if lines > LINES => {
                writeln!(faults, "{}: {lines} lines; look for its second noun", source.path)
            }
            Some((_, most)) if lines > *most => {
                writeln!(faults, "{}: grew from {most} to {lines} lines", source.path)
            }
            Some(_) if lines <= LINES => {
                writeln!(faults, "{}: is short now; strike it off the list", source.path)
            }
            _ => Ok(()),
        }
        .unwrap();
    }
    for (path, _) in LONG {
        if !root().join(path).exists() {
            writeln!(faults, "{path}: is gone; strike it off the list").unwrap();
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

/// Source is ASCII, says at its head what it is, and holds no unfinished work.
#[test]
fn files_are_tidy() {
    let mut faults = String::new();
    for Source { path, text } in all_sources() {
        if !text.starts_with("//!") && !text.starts_with("#!") {
            writeln!(faults, "{path}: does not begin by saying what it is (//!)").unwrap();
        }
        for (number, line) in (1..).zip(text.lines()) {
            if !line.is_ascii() {
                writeln!(faults, "{path}:{number}: is not ASCII").unwrap();
            }
            for leftover in LEFTOVERS.iter().filter(|word| line.contains(**word)) {
                writeln!(faults, "{path}:{number}: {leftover}").unwrap();
            }
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

/// No script ends a program by ceasing to read it: `head` does, and the SIGPIPE of the program that writes fails the whole
/// pipe under `pipefail`, now and then. `sed -n 1p` reads on.
#[test]
fn pipes_in_scripts_are_read_to_their_end() {
    let mut faults = String::new();
    for folder in [".", ".ci", "scripts", "benches", "fuzz", "tests"] {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|ending| ending != "sh") && !path.ends_with("run") {
                continue;
            }
            for (number, line) in (1..).zip(fs::read_to_string(&path).unwrap().lines()) {
                let mut stages = line.split('|').skip(1).map(str::trim_start);
                let stops = |stage: &str| {
                    let word = |option| stage.split(' ').any(|word| word == option);
                    stage.starts_with("head ")
                        || stage.starts_with("grep ") && (word("-q") || word("-m"))
                };
                if stages.any(stops) {
                    writeln!(faults, "{}:{number}: {line}", path.display()).unwrap();
                }
            }
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

/// Every file and folder of tests is a module of the one test binary, so that none is forgotten.
#[test]
fn no_test_file_is_forgotten() {
    let main = fs::read_to_string(root().join("tests/main.rs")).unwrap();
    let mut forgotten = Vec::new();
    for entry in fs::read_dir(root().join("tests")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let is_module =
            path.extension().is_some_and(|ending| ending == "rs") || path.join("mod.rs").exists();
        if is_module && name != "main" && !main.lines().any(|line| line == format!("mod {name};")) {
            forgotten.push(name);
        }
    }
    assert!(forgotten.is_empty(), "tests/main.rs lacks {forgotten:?}");
}

/// Every test opens with a sentence on what it proves.
#[test]
fn every_test_says_what_it_proves() {
    let mut faults = String::new();
    for Source { path, text } in all_sources() {
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for at in (0..lines.len()).filter(|at| lines[*at].starts_with("#[test]")) {
            let is_head = |line: &&&str| line.starts_with("#[") || line.starts_with("//");
            let before = lines[..at].iter().rev().take_while(is_head);
            let after = lines[at..].iter().take_while(is_head);
            if !before.chain(after).any(|line| line.starts_with("///")) {
                writeln!(faults, "{path}:{}: a test without a sentence", at + 1).unwrap();
            }
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

/// A file of source text, its path relative to the project.
struct Source {
    path: String,
    text: String,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn all_sources() -> Vec<Source> {
    ["src", "tests", "benches", "examples"].into_iter().flat_map(sources).collect()
}

/// The `.rs` files under a folder, in order; none if it is not there.
fn sources(folder: &str) -> Vec<Source> {
    let mut found = Vec::new();
    collect(&root().join(folder), &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn collect(folder: &Path, found: &mut Vec<Source>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let path = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
            found.push(Source { path, text });
        }
    }
}

/// `src/backend/local.rs` and `src/backend.rs` belong to the room `backend`.
fn room_of(path: &str) -> String {
    path.split('/').nth(1).unwrap().trim_end_matches(".rs").to_owned()
}

fn allowed_for(room: &str) -> Option<Vec<&'static str>> {
    let in_table = |table: &[(&str, &'static [&'static str])]| {
        table.iter().find(|(name, _)| *name == room).map(|(_, uses)| uses.to_vec())
    };
    in_table(&WITHIN_GROUND).or_else(|| Some([in_table(&ROOMS)?, GROUND.to_vec()].concat()))
}

/// The rooms named after `crate::` or `icecore::`, comments left out.
fn rooms_used(text: &str) -> Vec<String> {
    heads_after(&["crate::", "icecore::"], text)
}

/// The names after any of some beginnings of paths, comments left out.
fn heads_after(roots: &[&str], text: &str) -> Vec<String> {
    let code: Vec<&str> =
        text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect();
    let code = code.join("\n");
    let mut found = Vec::new();
    for root in roots {
        for (at, _) in code.match_indices(root) {
            if !code[..at].ends_with(|before| is_word(before) || before == ':') {
                found.extend(heads(&code[at + root.len()..]));
            }
        }
    }
    found.sort();
    found.dedup();
    found
}

/// The first name of a path, or of each path in a group.
fn heads(text: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|letter| is_word(*letter)).collect::<String>();
    let Some(group) = text.strip_prefix('{') else { return vec![word(text)] };
    let (mut depth, mut expects, mut found) = (0, true, Vec::new());
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => expects = true,
            letter if expects && is_word(letter) => {
                found.push(word(&group[at..]));
                expects = false;
            }
            _ => {}
        }
    }
    found
}

fn is_word(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}
