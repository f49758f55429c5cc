use super::*;

fn text_file(dir: &Path, name: &str, text: &str) -> PathBuf {
    let path = dir.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, text).unwrap();
    path
}

/// A published test vector (minisign-verify's documentation): key and signature of the text "test".
const MINISIGN_KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
const MINISIGN_SIGNATURE: &str = "untrusted comment: signature from minisign secret key
RUQf6LRCGA9i559r3g7V1qNyJDApGip8MfqcadIgT9CuhV3EMhHoN1mGTkUidF/z7SrlQgXdy8ofjb7bNJJylDOocrCo8KLzZwo=
trusted comment: timestamp:1633700835\tfile:test\tprehashed
wLMDjy9FLAuxZ3q4NlEvkgtyhrr0gtTu6KC4KBJdITbbOeAi1zBIYo0v4iTgt8jJpIidRJnp94ABQkJAgAooBQ==";

#[test]
fn minisign_and_a_changed_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = text_file(dir.path(), "m", "test");
    let signature = text_file(dir.path(), "m.minisig", MINISIGN_SIGNATURE);
    let keys = Key::parse(MINISIGN_KEY).unwrap();
    let good = check(&signature, &keys, &file, &Limits::default()).unwrap();
    assert!(good.proved(), "{good:?}");
    assert_eq!(good.facts["comment"], "timestamp:1633700835\\tfile:test\\tprehashed");
    text_file(dir.path(), "m", "tesT");
    assert!(matches!(
        check(&signature, &keys, &file, &Limits::default()).unwrap().signature,
        Signature::Wrong(_)
    ));
    assert!(matches!(
        check(&signature, &[], &file, &Limits::default()).unwrap().signature,
        Signature::Unjudged(_)
    ));
}

#[test]
fn a_list_of_digests_names_what_differs_is_missing_or_was_added() {
    let dir = tempfile::tempdir().unwrap();
    let digest = intake::sha256(b"a");
    let list =
        text_file(dir.path(), "SHA256SUMS", &format!("{digest}  a\n{digest}  sub/b\n{digest}  gone\n"));
    for (name, text) in [("a", "a"), ("sub/b", "other"), ("more", "x")] {
        text_file(dir.path(), name, text);
    }
    let found = check(&list, &[], dir.path(), &Limits::default()).unwrap();
    assert_eq!((found.matched, found.different.as_slice()), (1, &["sub/b".to_owned()][..]));
    assert_eq!(
        (found.missing.as_slice(), found.extra.as_slice()),
        (&["gone".to_owned()][..], &["more".to_owned()][..])
    );
    assert!(!found.agrees() && !found.proved());
}

#[test]
fn a_bill_of_materials_is_compared_where_it_names_files() {
    let dir = tempfile::tempdir().unwrap();
    text_file(dir.path(), "m/model.bin", "weights");
    let bill = |digest: &str| {
        json!({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [
            {"type": "machine-learning-model", "name": "model.bin", "hashes": [{"alg": "SHA-256", "content": digest}]},
            {"type": "library", "name": "numpy"}]})
        .to_string()
    };
    let path = text_file(dir.path(), "bom.json", &bill(&intake::sha256(b"weights")));
    assert!(check(&path, &[], &dir.path().join("m"), &Limits::default()).unwrap().agrees());
    text_file(dir.path(), "bom.json", &bill(&"0".repeat(64)));
    assert_eq!(
        check(&path, &[], &dir.path().join("m"), &Limits::default()).unwrap().different,
        ["model.bin"]
    );
}

#[test]
fn keys_are_told_apart_and_private_ones_refused() {
    assert!(matches!(Key::parse(MINISIGN_KEY).unwrap()[0], Key::Minisign(_)));
    let p256 = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEa6Ph1tZ0EcIU1vjCYO0FPUYGJIzH\n-----END PUBLIC KEY-----\n";
    assert!(Key::parse(p256).is_err());
    assert!(Key::parse("-----BEGIN EC PRIVATE KEY-----").unwrap_err().contains("private"));
    assert!(Key::parse("hello").is_err());
}
