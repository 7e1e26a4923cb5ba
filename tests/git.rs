//! A repository in a work tree of Git, packs tracked by Git LFS: the real programs, and a remote that
//! is a folder.

use crate::common::cli::{Cli, stderr};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// Runs git in a folder, apart from what the user has set.
fn git(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new("git");
    command.current_dir(folder).args(args).env("HOME", folder).env("GIT_CONFIG_NOSYSTEM", "1");
    for who in ["AUTHOR", "COMMITTER"] {
        command
            .env(format!("GIT_{who}_NAME"), "test")
            .env(format!("GIT_{who}_EMAIL"), "t@localhost");
    }
    let output = command.env("GIT_LFS_SKIP_SMUDGE", "1").output().expect("git is there");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {args:?}: {said}");
    output
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// A work tree with a repository in its folder `repo`.
fn in_work_tree() -> Cli {
    let cli = Cli::bare();
    git(cli.folder(), &["init", "--quiet", "--initial-branch=main"]);
    git(cli.folder(), &["lfs", "install", "--local"]);
    let init = ["init", "--git-lfs", "--new-key-file", "key"];
    cli.command().args(init).assert().success();
    cli
}

fn commit(cli: &Cli) {
    git(cli.folder(), &["add", "repo"]);
    git(cli.folder(), &["commit", "--quiet", "--message", "backup"]);
}

/// Packs go through LFS, nothing else does; pushed, cloned elsewhere and fetched, the repository is whole. Before
/// it is fetched every verb says what to do, and nothing counts as damaged.
#[test]
fn a_repository_travels_through_git_lfs() {
    let cli = in_work_tree();
    cli.backup();
    commit(&cli);
    fs::write(cli.path("src/a"), b"changed\n".repeat(40_000)).unwrap();
    cli.backup();
    commit(&cli);
    let tracked = text(&git(cli.folder(), &["lfs", "ls-files", "--name-only"]));
    let all = text(&git(cli.folder(), &["ls-files", "repo"]));
    let large = |path: &&str| path.contains("/packs/") || path.contains("/index/");
    let expected: Vec<&str> = all.lines().filter(large).collect();
    assert!(expected.len() >= 4, "{all}");
    assert_eq!(tracked.lines().collect::<Vec<_>>(), expected);
    assert!(!all.contains("/tmp/"), "{all}");

    git(cli.folder(), &["init", "--quiet", "--bare", "--initial-branch=main", "remote.git"]);
    let remote = format!("file://{}", cli.text("remote.git"));
    git(cli.folder(), &["push", "--quiet", &remote, "main"]);
    git(cli.folder(), &["clone", "--quiet", &remote, "clone"]);
    let clone = cli.path("clone");
    let icecore = |args: &[&str]| cli.run(&[&["--repo", "clone/repo"], args].concat());
    for verb in [&["check"][..], &["restore", "latest", "--target", "early"], &["backup", "src"]] {
        let said = stderr(&icecore(verb).failure());
        assert!(said.contains("git lfs pull") && !said.contains("damaged"), "{verb:?}: {said}");
    }
    git(&clone, &["lfs", "install", "--local"]);
    git(&clone, &["lfs", "pull", &remote]);
    icecore(&["check", "--read-data"]).success();
    icecore(&["restore", "latest", "--target", "out"]).success();
    let restored = cli.path("out").join(cli.path("src/a").strip_prefix("/").unwrap());
    assert_eq!(fs::read(restored).unwrap(), fs::read(cli.path("src/a")).unwrap());
    // What was checked is noted, and nothing else is changed.
    assert_eq!(text(&git(&clone, &["status", "--porcelain"])), "?? repo/notes/\n");
}

/// Outside of a work tree it is refused; what Git was told before stays.
#[test]
fn git_has_to_be_there() {
    let cli = Cli::bare();
    let init = ["init", "--git-lfs", "--new-key-file", "key"];
    let said = stderr(&cli.command().args(init).assert().failure());
    assert!(said.contains("git init"), "{said}");
    git(cli.folder(), &["init", "--quiet"]);
    fs::create_dir_all(cli.path("repo")).unwrap();
    fs::write(cli.path("repo/.gitattributes"), "mine\n").unwrap();
    cli.command().args(init).assert().success();
    assert_eq!(fs::read_to_string(cli.path("repo/.gitattributes")).unwrap(), "mine\n");
}
