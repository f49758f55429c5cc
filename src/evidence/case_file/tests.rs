use super::*;
use std::fs;

const FULL: &str = r#"
[case]
id = "IR-1"
title = "Signs"
questions = ["Is it?"]
[model]
path = "model.onnx"
architecture = "arch/net.json"
sha256 = "AB01000000000000000000000000000000000000000000000000000000000000"
signature = "model.sigstore.json"
labels = "labels.txt"
[model.input]
shape = [3, 32, 32]
range = [-1, 1.0]
mean = [0.49, 0.48, 0.45]
std = [0.25, 0.24, 0.26]
[[data]]
role = "training"
path = "train.safetensors"
manifest = "train.sha256"
[[data]]
role = "suspect"
path = "incoming"
[pipeline]
baseline = "pipeline/approved"
[deployment]
first_seen = "2026-03-02"
requests_per_day = 120000
"#;

#[test]
fn who_asked_is_kept_and_absent_when_not_said() {
    assert_eq!(parse(FULL).unwrap().handling, None);
    let said =
        FULL.replace("id = \"IR-1\"", "id = \"IR-1\"\nauthority = \"CISO\"\nclassification = \"TLP:RED\"");
    let handling = parse(&said).unwrap().handling.unwrap();
    assert_eq!(
        (handling.authority.as_deref(), handling.classification.as_deref()),
        (Some("CISO"), Some("TLP:RED"))
    );
    assert_eq!((handling.requester, handling.organisation), (None, None));
}

fn parse(text: &str) -> Result<CaseFile, EvidenceError> {
    CaseFile::parse(text, Path::new("case.toml"), Path::new("/cases/x"))
}

fn shown(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

/// A whole case with one `[model]` or other part replaced.
fn with(part: &str) -> String {
    format!("[case]\nid = \"x\"\n{part}")
}

#[test]
fn everything_of_the_contract_is_read() {
    let case = parse(FULL).unwrap();
    let model = case.model.as_ref().unwrap();
    assert_eq!(model.sha256.as_deref().unwrap()[..4], *"ab01");
    let input = model.input.as_ref().unwrap();
    assert_eq!((input.shape, input.range), ([3, 32, 32], [-1.0, 1.0]));
    assert_eq!(input.std, [0.25, 0.24, 0.26]);
    let roles: Vec<_> = case.data.iter().map(|d| d.role).collect();
    assert_eq!(roles, [Role::Training, Role::Suspect]);
    assert_eq!(case.data[0].manifest.as_deref(), Some(Path::new("train.sha256")));
    assert_eq!(case.unexamined, ["deployment"]);
    assert_eq!(case.architecture_file(), Some(Path::new("arch/net.json")));
    assert_eq!(case.locate(&model.path).unwrap(), Path::new("/cases/x/model.onnx"));
    let again: CaseFile = serde_json::from_str(&serde_json::to_string(&case).unwrap()).unwrap();
    assert_eq!(again, case);
}

#[test]
fn a_built_in_architecture_is_no_file() {
    let case = parse(&with("[model]\npath = \"w.safetensors\"\narchitecture = \"preactresnet18\"")).unwrap();
    assert_eq!(case.architecture_file(), None);
    assert_eq!(case.title, "x");
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_what_is_allowed() {
    let e = parse(&with("[model]\npath = \"m\"\nbogus = 1")).unwrap_err();
    assert_eq!(e.code, "case.unknown-key");
    let text = e.to_string();
    assert!(text.starts_with("case.toml: line 5: unknown key `bogus`, expected one of `path`"), "{text}");
    let e = parse(&with("[model]\npath = \"m\"\n\"\\u001b[2J\" = 1")).unwrap_err().to_string();
    assert!(e.contains("\\u{1b}[2J") && !e.contains('\x1b'), "{e}");
    for part in [
        "[modle]\npath = \"m\"",
        "[pipeline]\nbase = \"x\"",
        "[[data]]\nrole = \"clean\"\npath = \"p\"\nx = 1",
    ] {
        assert_eq!(parse(&with(part)).unwrap_err().code, "case.unknown-key", "{part}");
    }
}

#[test]
fn what_is_missing_or_wrong_is_named() {
    assert!(shown("[model]\npath = \"m\"").contains("missing key `case`"));
    assert!(shown(&with("[model]\narchitecture = \"x\"")).contains("missing key `path`"));
    assert!(shown(&with("[[data]]\npath = \"x\"")).contains("missing key `role`"));
    assert!(shown(&with("[[data]]\nrole = \"poison\"\npath = \"x\"")).contains("expected one of `training`"));
    assert!(shown("[case]\nid = \"x\"").contains("nothing to examine"));
    assert!(shown("[case]\nid = \"x\"\nid = \"y\"").contains("line 3"));
    assert!(shown(&with("[model\npath")).starts_with("case.toml: line 3"));
    let input = |body: &str| with(&format!("[model]\npath = \"m\"\n[model.input]\n{body}"));
    for (body, words) in [
        ("shape = [3, 32]", "shape has 2 numbers"),
        ("shape = [3, 0, 32]", "shape: each extent"),
        ("shape = [3, 32, 32]\nmean = [0.5]", "mean has 1 numbers, the input has 3 channels"),
        ("shape = [1, 28, 28]\nstd = [0.0]", "std must be above 0"),
        ("shape = [1, 28, 28]\nstd = [nan]", "std must be finite"),
        ("shape = [1, 28, 28]\nrange = [1.0, 0.0]", "lowest first"),
        ("shape = [1, 28, 28]\nrange = [0.0]", "two finite numbers"),
        ("shape = [-1, 28, 28]", "line 6"),
    ] {
        let text = shown(&input(body));
        assert!(text.contains(words) && text.contains("line "), "{text}");
    }
    assert!(shown(&with("[model]\npath = \"m\"\nsha256 = \"abc\"")).contains("line 5: sha256 must be 64"));
}

#[test]
fn deep_nesting_is_an_error_and_no_overflow() {
    let deep = format!("a = {}", "[".repeat(100_000));
    assert_eq!(parse(&deep).unwrap_err().code, "case.syntax");
}

#[test]
fn paths_stay_in_the_folder() {
    for path in ["../x", "a/../../x", "/etc/passwd", ""] {
        let e = parse(&with(&format!("[model]\npath = \"{path}\""))).unwrap_err();
        assert_eq!((e.code, e.place.as_str()), ("case.path", "line 4"), "{path}");
    }
    assert_eq!(parse(&with("[model]\npath = \"m\"\nlabels = \"../l\"")).unwrap_err().code, "case.path");
    assert_eq!(parse(&with("[pipeline]\ncurrent = \"..\"")).unwrap_err().code, "case.path");
    assert_eq!(
        parse(&with("[model]\npath = \"m\"\narchitecture = \"../a.json\"")).unwrap_err().code,
        "case.path"
    );

    let dir = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(outside.path(), dir.path().join("way")).unwrap();
    fs::write(dir.path().join("case.toml"), with("[model]\npath = \"way/model.onnx\"")).unwrap();
    let case = CaseFile::read(&dir.path().join("case.toml"), &Limits::default()).unwrap();
    let e = case.locate(Path::new("way/model.onnx")).unwrap_err();
    assert!(e.to_string().contains("symbolic link leads out"), "{e}");
}

fn write(path: PathBuf, name: &str, array: &crate::evidence::safetensors::Stored) -> PathBuf {
    let bytes =
        crate::evidence::safetensors::write([(name, array)], &std::collections::BTreeMap::default()).unwrap();
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn the_command_line_makes_a_case() {
    let dir = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let limits = Limits::default();
    let w = crate::evidence::safetensors::Stored::from(ndarray::array![1f32]);
    let images = crate::evidence::safetensors::Stored::from(ndarray::Array4::<u8>::zeros((2, 1, 4, 4)));
    let model = write(dir.path().join("net.safetensors"), "fc.weight", &w);
    let near = write(dir.path().join("near.safetensors"), "images", &images);
    let far = write(other.path().join("far.safetensors"), "images", &images);
    let root = dir.path().canonicalize().unwrap();
    let text = |p: &Path| p.to_str().unwrap().to_owned();

    let data = [text(&near), format!("training={}", text(&far))];
    let case = CaseFile::from_paths(std::slice::from_ref(&model), &data, &limits).unwrap();
    assert_eq!((case.id.as_str(), &case.root), ("net", &root));
    assert_eq!(case.model.as_ref().unwrap().path, Path::new("net.safetensors"));
    assert_eq!(
        (case.data[0].role, case.data[0].path.as_path()),
        (Role::Clean, Path::new("near.safetensors"))
    );
    assert_eq!((case.data[1].role, case.data[1].path.is_absolute()), (Role::Training, true));
    assert_eq!(case.locate(&case.data[1].path).unwrap(), far.canonicalize().unwrap());
    assert!(case.text.contains("role = \"training\""), "{}", case.text);

    let alone = CaseFile::from_paths(std::slice::from_ref(&near), &[], &limits).unwrap();
    assert_eq!((alone.model.is_none(), alone.data[0].role), (true, Role::Training));
    let both = CaseFile::from_paths(&[near.clone(), model.clone(), model.clone()], &[], &limits).unwrap();
    assert_eq!((both.data[0].role, both.artefacts.len()), (Role::Clean, 1));
    assert!(both.model.is_some());

    fs::write(dir.path().join(CASE_FILE), with("[model]\npath = \"net.safetensors\"")).unwrap();
    for path in [dir.path().to_owned(), dir.path().join(CASE_FILE)] {
        let case = CaseFile::from_paths(&[path], &[text(&far)], &limits).unwrap();
        assert_eq!((case.id.as_str(), case.data[0].role), ("x", Role::Clean));
    }
    assert_eq!(CaseFile::from_paths(&[], &[], &limits).unwrap_err().code, "case.empty");
    let e = CaseFile::from_paths(&[other.path().join("none")], &[], &limits).unwrap_err();
    assert!(e.to_string().contains("no such file"), "{e}");
}
