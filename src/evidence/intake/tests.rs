use super::*;
use std::fs;

fn code<T: std::fmt::Debug>(r: Result<T, EvidenceError>) -> &'static str {
    r.unwrap_err().code
}

#[test]
fn bytes_and_digest_are_of_the_same_content_and_times_stay() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    fs::write(&path, b"abc").unwrap();
    let before = fs::metadata(&path).unwrap();
    let bytes = read(&path, &Limits::default()).unwrap();
    assert_eq!(*bytes.data, b"abc");
    assert_eq!(bytes.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_eq!(digest_file(&path, &quiet).unwrap(), (bytes.sha256, 3));
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before.modified().unwrap());
}

#[test]
fn what_is_no_regular_file_is_refused_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let limits = Limits::default();
    fs::write(at("real"), b"x").unwrap();
    std::os::unix::fs::symlink(at("real"), at("link")).unwrap();
    std::os::unix::fs::symlink(at("nowhere"), at("dangling")).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, at("fifo"), rustix::fs::Mode::RUSR).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
    assert_eq!(code(read(&at("missing"), &limits)), "intake.open");
    assert_eq!(code(read(&at("link"), &limits)), "intake.symlink");
    assert_eq!(code(read(&at("dangling"), &limits)), "intake.symlink");
    assert!(read(&at("fifo"), &limits).unwrap_err().to_string().contains("a named pipe"));
    assert!(read(&at("socket"), &limits).unwrap_err().to_string().contains("a socket"));
    assert!(read(dir.path(), &limits).unwrap_err().to_string().contains("a folder"));
    assert!(read(Path::new("/dev/zero"), &limits).unwrap_err().to_string().contains("a device"));
}

#[test]
fn a_vast_sparse_file_is_refused_by_its_size_with_the_cap_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sparse");
    fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
    let e = read(&path, &Limits::default()).unwrap_err();
    assert_eq!(e.code, "intake.size");
    assert!(e.reason.contains("file_bytes"), "{e}");
}

#[test]
fn a_change_while_reading_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    fs::write(&path, vec![7; 3 * CHUNK]).unwrap();
    let grow = |done: u64, _| {
        if done == CHUNK as u64 {
            use std::io::Write as _;
            fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"more").unwrap();
        }
        true
    };
    assert_eq!(code(read_with(&path, &Limits::default(), &grow)), "intake.changed");
    assert_eq!(code(read_with(&path, &Limits::default(), &|done, _| done < CHUNK as u64)), "intake.stopped");
}

#[test]
fn a_folder_has_the_digest_that_standard_tools_print() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("b/c")).unwrap();
    fs::write(dir.path().join("b/c/two"), b"2").unwrap();
    fs::write(dir.path().join("one"), b"1").unwrap();
    fs::write(dir.path().join("b/new\nline"), b"3").unwrap();
    std::os::unix::fs::symlink("/etc/passwd", dir.path().join("link")).unwrap();
    std::os::unix::fs::symlink("..", dir.path().join("b/loop")).unwrap();
    let digest = digest_folder(dir.path(), &Limits::default(), &quiet).unwrap();
    let names: Vec<_> = digest.files.iter().map(|f| f.path.to_str().unwrap()).collect();
    assert_eq!(names, ["b/c/two", "b/new\nline", "one"]);
    assert_eq!(digest.others, [PathBuf::from("b/loop"), PathBuf::from("link")]);
    assert_eq!(digest.bytes, 3);
    let mut lines = [
        format!("{}  b/c/two\n", sha256(b"2")),
        format!("\\{}  b/new\\nline\n", sha256(b"3")),
        format!("{}  one\n", sha256(b"1")),
    ];
    lines.sort();
    assert_eq!(digest.sha256, sha256(lines.concat().as_bytes()));
    let few = Limits { folder_files: 2, ..Limits::default() };
    assert_eq!(code(digest_folder(dir.path(), &few, &quiet)), "intake.folder_files");
}

#[test]
fn a_deep_tree_ends_with_the_cap_named() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("d/".repeat(100))).unwrap();
    assert_eq!(code(list(dir.path(), &Limits::default())), "intake.depth");
}

#[test]
fn a_later_change_is_found_and_a_touch_is_not_a_change() {
    let dir = tempfile::tempdir().unwrap();
    let (path, limits) = (dir.path().join("a"), Limits::default());
    fs::write(&path, b"abc").unwrap();
    let look = |p: &Path| (fingerprint(p, &limits).unwrap(), digest_file(&path, &quiet).unwrap().0);
    let (before, digest) = look(&path);
    assert_eq!(changed(&path, &before, &digest, &limits, &quiet), None);
    let later = fs::metadata(&path).unwrap().modified().unwrap() + std::time::Duration::from_secs(5);
    fs::File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
    assert_ne!(fingerprint(&path, &limits).unwrap(), before);
    assert_eq!(changed(&path, &before, &digest, &limits, &quiet), None);
    fs::write(&path, b"abd").unwrap();
    assert!(changed(&path, &before, &digest, &limits, &quiet).unwrap().contains("SHA-256"));
    fs::remove_file(&path).unwrap();
    assert!(changed(&path, &before, &digest, &limits, &quiet).unwrap().contains("no such file"));
}

#[test]
fn text_must_be_text() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t");
    let read = |content: &[u8]| {
        fs::write(&path, content).unwrap();
        read_text(&path, &Limits::default()).map(|t| t.1)
    };
    assert_eq!(read("\u{feff}straße\n".as_bytes()).unwrap(), "straße\n");
    assert_eq!(
        read(b"a\xff").unwrap_err().to_string(),
        format!("{}: byte 1: not UTF-8 text", path.display())
    );
    assert_eq!(read(b"a\0").unwrap_err().code, "text.utf8");
}

#[test]
fn a_folder_has_one_digest_at_any_number_of_threads_and_its_first_error_is_told() {
    let dir = tempfile::tempdir().unwrap();
    for n in 0..600 {
        fs::write(dir.path().join(format!("{n:03}")), format!("file {n}")).unwrap();
    }
    let with = |threads: usize, progress: Progress| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| digest_folder(dir.path(), &Limits::default(), progress))
    };
    let one = with(1, &quiet).unwrap();
    assert_eq!((one.files.len(), one.bytes), (600, (0..600).map(|n| format!("file {n}").len() as u64).sum()));
    assert_eq!(one.files[7].sha256, sha256(b"file 7"));
    assert_eq!(with(4, &quiet).unwrap(), one);
    // Progress counts files, and a stop is heard between and within them.
    assert_eq!(code(with(4, &|done, total| total == 600 && done < 100)), "intake.stopped");
    let names: Vec<_> = ["003", "gone-a", "gone-b"].map(PathBuf::from).into();
    let missing = digest_listed(dir.path(), &names, &quiet).unwrap_err();
    assert!(missing.to_string().contains("gone-a"), "{missing}");
}
