//! Golden vectors: every file below `format-spec/vectors` is a test, in both directions.

mod computed;
pub mod forms;
mod make;
mod sealed;

use forms::Form;
use icecore::error::Kind;
use icecore::id::hex;
use serde_json::Value as Json;
use std::path::{Path, PathBuf};

/// The structure of this name.
pub fn form(name: &str) -> &'static Form {
    all_forms().find(|form| form.name == name).unwrap_or_else(|| panic!("no structure {name:?}"))
}

fn all_forms() -> impl Iterator<Item = &'static Form> {
    use computed::{FRAMES, FUNCTIONS};
    forms::FORMS.iter().chain(&sealed::FORMS).chain(&FUNCTIONS).chain(&FRAMES)
}

/// What became of decoding, as `format-spec/vectors/README.md` names it.
pub const CLASSES: [&str; 8] = [
    "ok",
    "bad-frame",
    "bad-tag",
    "bad-record",
    "too-large",
    "unknown-version",
    "wrong-key",
    "refused",
];

/// One vector.
pub struct Vector {
    /// Folder and name without the suffix.
    pub name: String,
    /// The structure.
    pub structure: String,
    /// One of [`CLASSES`].
    pub expect: String,
    /// What it shows.
    pub comment: String,
    /// The value, where it decodes.
    pub value: Option<Json>,
    /// The bytes.
    pub bytes: Vec<u8>,
}

impl Vector {
    /// How bytes become the value and back.
    pub fn form(&self) -> &'static Form {
        form(&self.structure)
    }

    fn to_text(&self) -> String {
        let chapter = self.name.split('/').next().unwrap();
        let mut text = format!(
            "chapter: {chapter}\nstructure: {}\nexpect: {}\ncomment: {}\n",
            self.structure, self.expect, self.comment
        );
        let given = Some((self.form().given)()).filter(|given| !given.is_null());
        for (key, json) in [("given", &given), ("value", &self.value)] {
            if let Some(json) = json {
                let json = serde_json::to_string_pretty(json).unwrap();
                text.push_str(&format!("{key}: {}\n", json.replace('\n', "\n  ")));
            }
        }
        text.push('\n');
        for line in self.bytes.chunks(32) {
            text.push_str(&hex(line));
            text.push('\n');
        }
        text
    }

    fn from_text(name: &str, text: &str) -> Vector {
        let (head, body) = text.split_once("\n\n").expect("head, blank line, bytes");
        let head = head.replace("\n  ", " ");
        let field = |key: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(": "));
            lines.find(|(found, _)| *found == key).map(|(_, value)| value.to_owned())
        };
        assert_eq!(field("chapter").as_deref(), name.split('/').next(), "{name}");
        Vector {
            name: name.to_owned(),
            structure: field("structure").expect("a structure"),
            expect: field("expect").expect("an expectation"),
            comment: field("comment").expect("a comment"),
            value: field("value").map(|json| serde_json::from_str(&json).expect("JSON")),
            bytes: body.lines().flat_map(unhex).collect(),
        }
    }
}

/// Bytes of hex of any length.
pub fn unhex(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "odd hex {text:?}");
    (0..text.len() / 2)
        .map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap())
        .collect()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("format-spec/vectors")
}

/// Every vector in the folder, sorted by name.
pub fn all() -> Vec<Vector> {
    let mut vectors = Vec::new();
    for chapter in std::fs::read_dir(folder()).unwrap().map(Result::unwrap) {
        if !chapter.file_type().unwrap().is_dir() {
            continue;
        }
        for file in std::fs::read_dir(chapter.path()).unwrap().map(Result::unwrap) {
            let path = file.path();
            if path.extension().is_none_or(|suffix| suffix != "vec") {
                continue;
            }
            let name = path.with_extension("");
            let name = name.strip_prefix(folder()).unwrap().to_str().unwrap().to_owned();
            vectors.push(Vector::from_text(&name, &std::fs::read_to_string(&path).unwrap()));
        }
    }
    vectors.sort_by(|a, b| a.name.cmp(&b.name));
    vectors
}

/// Those whose bytes are a structure, not what something is computed from.
pub fn structures() -> Vec<Vector> {
    let mut vectors = all();
    vectors.retain(|vector| !is_function(vector.form()));
    vectors
}

fn is_function(form: &Form) -> bool {
    computed::FUNCTIONS.iter().any(|function| function.name == form.name)
}

/// Every vector decodes to its value or fails in its class, and every value encodes to its bytes.
#[test]
fn decode_and_encode() {
    let vectors = all();
    assert!(vectors.len() > 40, "only {} vectors found", vectors.len());
    for vector in vectors {
        let name = &vector.name;
        let decoded = (vector.form().decode)(&vector.bytes);
        match (vector.expect.as_str(), decoded) {
            ("ok", Ok(value)) => {
                assert_eq!(Some(&value), vector.value.as_ref(), "{name}");
                let bytes = (vector.form().encode)(&value).expect(name);
                assert_eq!(hex(&bytes), hex(&vector.bytes), "{name}");
            }
            (class, Err(error)) => {
                let kind = match class {
                    "bad-frame" | "bad-tag" | "bad-record" | "too-large" => Kind::Damaged,
                    "unknown-version" => Kind::Unsupported,
                    "wrong-key" => Kind::WrongKey,
                    "refused" => Kind::Refused,
                    other => panic!("{name}: class {other}, but {error}"),
                };
                assert_eq!(error.kind(), kind, "{name}: {error}");
                assert!(vector.value.is_none(), "{name} has a value");
            }
            (class, Ok(value)) => panic!("{name}: expected {class}, decoded to {value}"),
        }
    }
}

/// The generator still makes the very files that are checked in. With `ICECORE_WRITE_VECTORS=1`
/// it writes them: only for a new vector, or together with a new format version.
#[test]
fn generator_and_files_agree() {
    let write = std::env::var_os("ICECORE_WRITE_VECTORS").is_some_and(|set| set == "1");
    for vector in make::vectors() {
        assert!(CLASSES.contains(&vector.expect.as_str()), "{}", vector.name);
        let path = folder().join(format!("{}.vec", vector.name));
        let text = vector.to_text();
        if write {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &text).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(found, text, "{} is not what the generator makes", path.display());
    }
}

/// Each structure has at least one vector that decodes and, unless nothing can be wrong with it, one
/// that does not; and the README says what it is.
#[test]
fn no_structure_is_forgotten() {
    let vectors = all();
    let readme = std::fs::read_to_string(folder().join("README.md")).unwrap();
    for form in all_forms() {
        assert!(readme.contains(&format!("\n| `{}` |", form.name)), "README: {}", form.name);
        for ok in [true, false].into_iter().filter(|ok| *ok || !is_function(form)) {
            let found = vectors
                .iter()
                .any(|vector| vector.structure == form.name && (vector.expect == "ok") == ok);
            assert!(found, "no vector of {} with ok = {ok}", form.name);
        }
    }
}
