use super::*;

/// One stored member: local header, data, and what the directory says of it.
fn entry(name: &str, data: &[u8], at: usize) -> (Vec<u8>, Vec<u8>) {
    let n = (name.len() as u16).to_le_bytes();
    let size = (data.len() as u32).to_le_bytes();
    let crc = crc32(data).to_le_bytes();
    let common = [&[0, 0, 0, 0, 0, 0, 0, 0][..], &crc, &size, &size, &n, &[0, 0]].concat();
    let local = [&b"PK\x03\x04\x14\0"[..], &common, name.as_bytes(), data].concat();
    let central =
        [&b"PK\x01\x02\x14\x03\x14\0"[..], &common, &[0; 10], &(at as u32).to_le_bytes(), name.as_bytes()]
            .concat();
    (local, central)
}

fn end(entries: usize, size: usize, at: usize, comment: &[u8]) -> Vec<u8> {
    let n = (entries as u16).to_le_bytes();
    let c = (comment.len() as u16).to_le_bytes();
    [
        &b"PK\x05\x06\0\0\0\0"[..],
        &n,
        &n,
        &(size as u32).to_le_bytes(),
        &(at as u32).to_le_bytes(),
        &c,
        comment,
    ]
    .concat()
}

fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut body, mut directory) = (Vec::new(), Vec::new());
    for (name, data) in members {
        let (local, central) = entry(name, data, body.len());
        body.extend(local);
        directory.extend(central);
    }
    let (at, size) = (body.len(), directory.len());
    [body, directory, end(members.len(), size, at, b"")].concat()
}

fn codes(bytes: &[u8]) -> Vec<&'static str> {
    let mut codes: Vec<_> = Zip::read(bytes).odd.iter().map(|o| o.code).collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

#[test]
fn a_sound_archive_is_read_and_nothing_is_odd() {
    let file = archive(&[("a/x", b"hello"), ("a/y", b"")]);
    let zip = Zip::read(&file);
    assert!(zip.odd.is_empty() && zip.complete, "{:?}", zip.odd);
    assert_eq!(zip.members.len(), 2);
    assert_eq!(zip.unpack(&zip.members[0], 100).unwrap().bytes(), b"hello");
    assert!(zip.unpack(&zip.members[0], 3).unwrap().is_cut());
}

#[test]
fn disagreement_and_hidden_bytes_are_named() {
    let good = archive(&[("a", b"12345678"), ("b", b"x")]);
    let change = |at: usize, with: &[u8]| {
        let mut bytes = good.clone();
        bytes[at..at + with.len()].copy_from_slice(with);
        codes(&bytes)
    };
    let central = good.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    assert_eq!(change(30, b"z"), ["zip.lh_cd_mismatch"]);
    assert_eq!(change(8, &[8]), ["zip.lh_cd_mismatch"]);
    assert_eq!(change(6, &[1]), ["zip.flags"]);
    assert_eq!(change(18, &[7]), ["zip.size_mismatch"]);
    assert_eq!(change(central + 16, &[0xff]), ["zip.lh_cd_mismatch"]);
    assert!(codes(&archive(&[("a", b"1"), ("a", b"2")])).contains(&"zip.duplicate_name"));
    assert!(codes(&archive(&[("a", b"1"), ("A", b"2")])).contains(&"zip.duplicate_name"));
    for name in ["../x", "/etc/x", "a/../../x", "C:\\x", "..\\x"] {
        assert!(codes(&archive(&[(name, b"1")])).contains(&"zip.path_traversal"), "{name}");
    }
    assert!(codes(&good[..good.len() - 30]).contains(&"zip.truncated"));
    let prefixed = [&b"\x80\x02N."[..], &good].concat();
    assert!(codes(&prefixed).contains(&"zip.hidden_bytes"));
    assert_eq!(Zip::read(&prefixed).members.len(), 2);
    let twice = [&good[..], &archive(&[("c", b"other")])].concat();
    assert!(codes(&twice).contains(&"zip.multiple_eocd"), "{:?}", codes(&twice));
    assert_eq!(Zip::read(&twice).members.len(), 3);
}

#[test]
fn members_that_no_directory_names_are_found() {
    let (one, central) = entry("seen", b"a", 0);
    let (other, _) = entry("unseen", b"secret", 0);
    let at = one.len() + other.len();
    let file = [&one[..], &other, &central, &end(1, central.len(), at, b"")].concat();
    let zip = Zip::read(&file);
    assert_eq!(codes(&file), ["zip.orphan"]);
    let orphan = zip.members.iter().find(|m| m.listed == Listed::LocalOnly).unwrap();
    assert_eq!(zip.packed(orphan), b"secret");
    // Two directory entries of one member.
    let file = [&one[..], &central, &central, &end(2, 2 * central.len(), one.len(), b"")].concat();
    assert!(codes(&file).contains(&"zip.overlap"));
    // A zip inside a stored member is that member's business.
    assert!(codes(&archive(&[("inner.zip", &archive(&[("x", b"1")]))])).is_empty());
}

proptest::proptest! {
    #[test]
    fn damage_is_survived(at in 0usize..180, with in 0u8..=255, cut in 0usize..190) {
        let mut bytes = archive(&[("a", b"12345678"), ("b/c", b"x")]);
        let at = at % bytes.len();
        bytes[at] = with;
        bytes.truncate(cut.max(1));
        let zip = Zip::read(&bytes);
        for m in &zip.members {
            let _ = zip.unpack(m, 100);
        }
    }
}
