//! Writes the bytes of every vector into the corpus of each target that reads its structure.

use icecore_fuzz::{TARGETS, unhex};
use libfuzzer_sys as _; // for the symbols that instrumented code refers to
use std::fs;
use std::path::Path;

fn main() {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../format-spec/vectors");
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for (target, _) in TARGETS {
        fs::create_dir_all(corpus.join(target)).expect("a folder");
    }
    for chapter in fs::read_dir(vectors).expect("vectors").flatten() {
        for file in fs::read_dir(chapter.path()).into_iter().flatten().flatten() {
            if file.path().extension().is_some_and(|extension| extension == "vec") {
                seed(&file.path(), &corpus);
            }
        }
    }
}

fn seed(vector: &Path, corpus: &Path) {
    let text = fs::read_to_string(vector).expect("a vector");
    let Some((head, body)) = text.split_once("\n\n") else { return };
    let structure = head.lines().find_map(|line| line.strip_prefix("structure: "));
    let bytes: Vec<u8> = body.lines().flat_map(unhex).collect();
    let name = vector.file_stem().expect("a name");
    for (target, structures) in TARGETS {
        if structure.is_some_and(|structure| structures.contains(&structure)) {
            fs::write(corpus.join(target).join(name), &bytes).expect("a seed");
        }
    }
}
