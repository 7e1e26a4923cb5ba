use icecore::{
    backend::*, codec::Level, crypto::*, env::*, monitor::*, ops, ops::backup::*, ops::check::*,
    ops::restore::*, repo::*, source::Source, source::files::*, source::sqlite::*,
};
use std::{path::Path, sync::Arc};
fn main() {
    if icecore::source::sqlite::run_as_child().is_some() {
        return;
    }
    let a: Vec<String> = std::env::args().collect();
    let secret = Secret::KeyFile(zeroize::Zeroizing::new([9; 32]));
    let repo = Path::new(&a[2]);
    match a[1].as_str() {
        "init" => {
            Repository::init(
                Arc::new(Local::create(repo).unwrap()),
                Env::real(),
                &secret,
                &InitOptions::default(),
            )
            .unwrap();
        }
        "backup" => {
            let t = std::time::Instant::now();
            let r = Repository::open(Arc::new(Local::open(repo).unwrap()), Env::real(), &secret)
                .unwrap();
            let reader = SqliteReader::of_this_program(SqliteOptions::default()).unwrap();
            let f = FilesOptions {
                sqlite: Some(Arc::new(move |p: &Path| reader.open(p))),
                ..FilesOptions::default()
            };
            let s: Box<dyn Source> = Box::new(FilesSource::new(Path::new(&a[3]), f).unwrap());
            let o = BackupOptions {
                host: "h".into(),
                user: "u".into(),
                tool: "t".into(),
                tags: Default::default(),
                labels: Default::default(),
                parent: ParentChoice::Auto,
                level: Level::default(),
                deltas: true,
                keep_going: false,
                allow_empty: false,
            };
            let rep = backup(&r, vec![s], &o, &Silent).unwrap();
            println!("{:.3}s {:?}", t.elapsed().as_secs_f64(), rep.snapshot.summary);
        }
        "restore" => {
            let t = std::time::Instant::now();
            let r = Repository::open(Arc::new(Local::open(repo).unwrap()), Env::real(), &secret)
                .unwrap();
            let snap = ops::select::find(&r, &a[3], &Default::default()).unwrap();
            let index = r.load_index().unwrap();
            let reader = Reader::new(&r, &index);
            let rep = restore(
                &reader,
                &snap.snapshot,
                None,
                Path::new(&a[4]),
                &mut RestoreOptions::default(),
                &Silent,
            )
            .unwrap();
            println!("{:.3}s {rep:?}", t.elapsed().as_secs_f64());
        }
        "check" => {
            let t = std::time::Instant::now();
            let r = Repository::open(Arc::new(Local::open(repo).unwrap()), Env::real(), &secret)
                .unwrap();
            let rep = check(&r, CheckOptions { read_data: ReadData::All }, &Silent).unwrap();
            println!("{:.3}s {rep:?}", t.elapsed().as_secs_f64());
        }
        _ => panic!(),
    }
}
