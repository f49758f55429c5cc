use super::*;
use flate2::{Compression, write::ZlibEncoder};
use std::fs;
use std::io::Write;

fn deflate(data: &[u8]) -> Vec<u8> {
    let mut e = ZlibEncoder::new(Vec::new(), Compression::fast());
    e.write_all(data).unwrap();
    e.finish().unwrap()
}

fn hex(id: &Oid) -> String {
    id.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().concat()
}

fn store(git: &Path, kind: &str, data: &[u8]) -> Oid {
    let whole = [format!("{kind} {}\0", data.len()).as_bytes(), data].concat();
    let id: Oid = Sha1::digest(&whole).into();
    let hex = hex(&id);
    fs::create_dir_all(git.join("objects").join(&hex[..2])).unwrap();
    fs::write(git.join("objects").join(&hex[..2]).join(&hex[2..]), deflate(&whole)).unwrap();
    id
}

/// Adds a commit of flat files to the repository of a folder; `extra` are header lines such as a signature.
pub fn commit(folder: &Path, files: &[(&str, &str)], message: &str, extra: &str, time: i64) -> Oid {
    let git = folder.join(".git");
    fs::create_dir_all(git.join("refs/heads")).unwrap();
    fs::write(git.join("HEAD"), "ref: refs/heads/main\n").unwrap();
    let mut tree = Vec::new();
    let mut sorted = files.to_vec();
    sorted.sort_unstable();
    for (name, text) in sorted {
        let id = store(&git, "blob", text.as_bytes());
        assert_eq!(id, blob(text.as_bytes()));
        tree.extend([format!("100644 {name}\0").as_bytes(), &id].concat());
    }
    let tree = store(&git, "tree", &tree);
    let branch = git.join("refs/heads/main");
    let parent = fs::read_to_string(&branch).map(|p| format!("parent {}\n", p.trim())).unwrap_or_default();
    let who = format!("A. Author <a@example.org> {time} +0000");
    let text = format!("tree {}\n{parent}author {who}\ncommitter {who}\n{extra}\n{message}\n", hex(&tree));
    let id = store(&git, "commit", text.as_bytes());
    fs::write(branch, hex(&id) + "\n").unwrap();
    id
}

#[test]
fn loose_objects_are_read_back() {
    let dir = tempfile::tempdir().unwrap();
    assert!(Repository::open(dir.path()).unwrap().is_none());
    let first = commit(dir.path(), &[("a.yaml", "one\n")], "Begin (#12)", "", 1000);
    let second = commit(dir.path(), &[("a.yaml", "two\n")], "Change", "gpgsig -----BEGIN\n x\n", 2000);
    let mut repository = Repository::open(dir.path()).unwrap().unwrap();
    assert_eq!(repository.head().unwrap(), Some(second));
    let c = repository.commit(&second).unwrap();
    assert_eq!((c.parents.as_slice(), c.signed, c.time, c.subject()), (&[first][..], true, 2000, "Change"));
    assert_eq!(c.author, "A. Author <a@example.org>");
    assert_eq!(c.review(), None);
    assert_eq!(repository.commit(&first).unwrap().review(), Some("Begin (#12)"));
    assert_eq!(repository.find(&c.tree, "a.yaml").unwrap(), Some(blob(b"two\n")));
    assert_eq!(repository.find(&c.tree, "b/c").unwrap(), None);
    // git's own example: `echo 'test content' | git hash-object --stdin`.
    assert_eq!(hex(&blob(b"test content\n")), "d670460b4b4aece5915caf5c68d12f560a9fe3e4");
    fs::write(dir.path().join(".git/HEAD"), "ref: ../../etc/passwd\n").unwrap();
    assert!(repository.head().unwrap_err().reason.contains("leads out"));
}

#[test]
fn packs_with_deltas_are_read_and_damage_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let git = dir.path().join(".git");
    fs::create_dir_all(git.join("objects/pack")).unwrap();
    fs::write(git.join("HEAD"), format!("{}\n", "1".repeat(40))).unwrap();
    // Two objects: a blob, and a delta upon it that copies 4 bytes and adds 3.
    let base = b"base text";
    let delta = [9, 7, 0x90, 4, 3, b'x', b'y', b'z'];
    let mut pack = b"PACK\0\0\0\x02\0\0\0\x02".to_vec();
    let at_base = pack.len();
    pack.push(3 << 4 | base.len() as u8);
    pack.extend(deflate(base));
    let at_delta = pack.len();
    pack.push(6 << 4 | delta.len() as u8);
    pack.push((at_delta - at_base) as u8);
    pack.extend(deflate(&delta));
    let ids: [Oid; 2] = [[1; 20], [2; 20]];
    let mut index = b"\xfftOc\0\0\0\x02".to_vec();
    for first in 0..=255u32 {
        index.extend(first.min(2).to_be_bytes());
    }
    index.extend(ids.concat());
    index.extend([0; 8]);
    index.extend((at_base as u32).to_be_bytes());
    index.extend((at_delta as u32).to_be_bytes());
    index.extend([0; 40]);
    fs::write(git.join("objects/pack/p.pack"), &pack).unwrap();
    fs::write(git.join("objects/pack/p.idx"), &index).unwrap();
    let repository = Repository::open(dir.path()).unwrap().unwrap();
    assert_eq!(repository.object(&ids[0]).unwrap(), (Kind::Blob, base.to_vec()));
    assert_eq!(repository.object(&ids[1]).unwrap(), (Kind::Blob, b"basexyz".to_vec()));
    assert_eq!(repository.head().unwrap(), Some([0x11; 20]));
    assert!(repository.commit(&[0x11; 20]).unwrap_err().reason.contains("not there"));
    fs::write(git.join("objects/pack/p.idx"), &index[..1000]).unwrap();
    assert!(Repository::open(dir.path()).is_err());
    assert_eq!(apply(b"abc", &[3, 200, 0x91, 0, 200]), None);
    assert_eq!(header(&[0xff; 20]), None);
}
