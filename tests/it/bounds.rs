//! The user's bounds from the outside: each cap that a small file reaches is named with how to set it, a deadline ends
//! procedures and not the program, and nothing that was not looked at is passed over in silence.

use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn laocoon(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_laocoon")).args(args).env("LAOCOON_ANALYST", "ana").output().unwrap()
}

fn tensors(folder: &Path, shapes: &[&[usize]]) -> PathBuf {
    let (mut header, mut at) = (serde_json::Map::new(), 0);
    for (i, shape) in shapes.iter().enumerate() {
        let end = at + 4 * shape.iter().product::<usize>();
        header.insert(
            format!("t{i}"),
            serde_json::json!({"dtype": "F32", "shape": shape, "data_offsets": [at, end]}),
        );
        at = end;
    }
    let text = Value::Object(header).to_string();
    let path = folder.join("a.safetensors");
    std::fs::write(&path, [&(text.len() as u64).to_le_bytes()[..], text.as_bytes(), &vec![0; at]].concat())
        .unwrap();
    path
}

fn file(folder: &Path, name: &str, data: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, data).unwrap();
    path
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut z = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    z.write_all(data).unwrap();
    z.finish().unwrap()
}

fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, data) in members {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(data).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// A row of the table of limits, a value of it, and a file that reaches it.
type Reached = (&'static str, u64, fn(&Path) -> PathBuf);

const LISTS: &[u8] = b"\x80\x02]q\x00(K\x01K\x02K\x03](K\x01e]e.";

const REACHED: &[Reached] = &[
    ("file_bytes", 3, |d| file(d, "a.pkl", LISTS)),
    ("header_bytes", 3, |d| tensors(d, &[&[1]])),
    ("rank", 2, |d| tensors(d, &[&[1, 1, 1]])),
    ("tensor_elements", 3, |d| tensors(d, &[&[4]])),
    ("tensors", 1, |d| tensors(d, &[&[1], &[1]])),
    ("json_depth", 1, |d| tensors(d, &[&[1]])),
    ("json_string", 3, |d| file(d, "a.json", b"{\"a\": \"long\"}")),
    ("json_values", 2, |d| file(d, "a.json", b"[1, 2, 3, 4]")),
    ("archive_entries", 1, |d| file(d, "a.zip", &archive(&[("a", b"x"), ("b", b"y")]))),
    ("archive_depth", 1, |d| file(d, "a.pkl.gz", &gzip(&gzip(&gzip(LISTS))))),
    // Noise of one bit a byte: it packs to some fifth of itself.
    ("archive_ratio", 1, |d| {
        let mut x = 1u32;
        let mut bit = || {
            x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            b'0' + (x >> 31) as u8
        };
        let noise: Vec<u8> = (0..17 << 20).map(|_| bit()).collect();
        file(d, "a.gz", &gzip(&noise))
    }),
    ("member_bytes", 100, |d| {
        file(d, "a.pkl.gz", &gzip(&[&b"\x80\x02X\x00\x08\x00\x00"[..], &[b'a'; 2048], b"."].concat()))
    }),
    ("pickle_opcodes", 3, |d| file(d, "a.pkl", LISTS)),
    ("pickle_values", 2, |d| file(d, "a.pkl", LISTS)),
    ("pickle_stack", 2, |d| file(d, "a.pkl", LISTS)),
    ("pickle_marks", 1, |d| file(d, "a.pkl", b"\x80\x02((K\x01K\x02ll.")),
    ("pickle_memo", 1, |d| file(d, "a.pkl", b"\x80\x02]q\x00]q\x01]q\x02\x87.")),
    ("pickle_depth", 1, |d| file(d, "a.pkl", b"\x80\x02(((lll.")),
    ("pickle_streams", 1, |d| file(d, "a.pkl", b"\x80\x02K\x01.\x80\x02K\x01.\x80\x02K\x01.")),
    ("image_side", 4, |d| {
        let path = d.join("a.png");
        image::GrayImage::new(5, 5).save(&path).unwrap();
        path
    }),
    ("folder_files", 1, |d| {
        file(d, "f/a.txt", b"x");
        file(d, "f/b.txt", b"y");
        d.join("f")
    }),
    ("folder_depth", 1, |d| {
        file(d, "f/a/b/c.txt", b"x");
        d.join("f")
    }),
];

#[test]
fn every_cap_that_is_reached_is_named_with_how_to_set_it_and_is_no_pass() {
    let mut wrong = Vec::new();
    for (row, value, make) in REACHED {
        let folder = tempfile::tempdir().unwrap();
        let path = make(folder.path());
        let path = path.to_str().unwrap();
        let usual = laocoon(&["inspect", path]);
        let said =
            String::from_utf8_lossy(&usual.stdout).into_owned() + &String::from_utf8_lossy(&usual.stderr);
        if said.contains(&format!("--limit {row}=")) {
            wrong.push(format!("{row}: reached as it usually stands: {said}"));
        }
        let limit = format!("{row}={value}");
        let done = laocoon(&["inspect", path, "--limit", &limit]);
        let said =
            String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
        if !said.contains(&format!("--limit {row}=N")) {
            wrong.push(format!("{row}: not named: {said}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), REACHED.len(), wrong.join("\n"));
}

#[test]
fn wrong_bounds_are_wrong_usage() {
    for args in [
        ["list", "--limit", "ranks=3"],
        ["list", "--limit", "rank=0"],
        ["scan", "x", "--deadline=soon"],
        ["scan", "x", "--max-memory=0"],
    ] {
        assert_eq!(laocoon(&args).status.code(), Some(2), "{args:?}");
    }
    let table = String::from_utf8(laocoon(&["explain", "limits", "--limit", "rank=5"]).stdout).unwrap();
    assert!(table.lines().any(|l| l.starts_with("rank") && l.contains("5*") && l.contains(" 8 ")), "{table}");
}

/// A scan whose procedures get a millisecond each: no format of the report looks like a pass.
#[test]
fn what_a_deadline_ended_is_in_the_journal_in_every_report_and_in_the_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let session = folder.path().join("session");
    let case = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-cases/roadsign-patch");
    let (case, session) = (case.to_str().unwrap(), session.to_str().unwrap());
    let scan = |more: &[&str]| {
        let base = ["scan", case, "--session", session, "--effort", "quick", "--only", "spectral-signatures"];
        laocoon(&[&base[..], &["--format", "json", "--fail-on", "critical"], more].concat())
    };
    let done = scan(&["--deadline", "1ms", "--limit", "commits=1999"]);
    assert_eq!(done.status.code(), Some(3), "{}", String::from_utf8_lossy(&done.stderr));
    let json: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(json["complete"], false);
    let journal = std::fs::read_to_string(Path::new(session).join("journal.jsonl")).unwrap();
    assert!(journal.contains("--deadline") && journal.contains("job_failed"), "{journal}");
    assert!(journal.contains("commits=1999 (usually 2000)"), "what was set is recorded");
    for format in ["json", "markdown", "html", "sarif"] {
        let report = laocoon(&["report", session, "--format", format]);
        let text = String::from_utf8_lossy(&report.stdout);
        assert!(text.contains("--deadline"), "{format}: {text}");
    }
    // The session is not spoilt: without the bound it goes on.
    let again = laocoon(&["scan", session, "--format", "json", "--fail-on", "critical"]);
    let json: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(json["complete"], true, "{}", String::from_utf8_lossy(&again.stderr));
}

#[test]
fn what_does_not_fit_into_the_memory_allowed_is_refused_before_it_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = tensors(folder.path(), &[&[1 << 20]]);
    let session = folder.path().join("session");
    let args = ["scan", path.to_str().unwrap(), "--session", session.to_str().unwrap(), "--max-memory", "1M"];
    let done = laocoon(&args);
    let text = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    if text.contains("does not tell what the program holds") {
        println!("skipped: no /proc here");
        return;
    }
    assert_eq!(done.status.code(), Some(3), "{text}");
    assert!(text.contains("--limit file_bytes=N") || text.contains("--max-memory"), "{text}");
}

/// Commands without a session end at a deadline too, say so, and read as unfinished.
#[test]
fn a_deadline_ends_inspect_and_run() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-cases");
    let done = laocoon(&["inspect", cases.to_str().unwrap(), "--deadline", "1ms", "--fail-on", "critical"]);
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert_eq!(done.status.code(), Some(3), "{err}");
    assert!(out.contains("intake.stopped") && err.contains("--deadline"), "{out}{err}");

    let folder = tempfile::tempdir().unwrap();
    let written = folder.path().join("out.safetensors");
    let [model, data] =
        ["model.onnx", "clean.safetensors"].map(|name| cases.join("roadsign-patch").join(name));
    let paths = [&model, &data, &written].map(|p| p.to_str().unwrap());
    let run = ["run", paths[0], "--data", paths[1], "-o", paths[2]];
    let done = laocoon(&[&run[..], &["--deadline", "1ms"]].concat());
    assert_eq!(done.status.code(), Some(3), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(String::from_utf8_lossy(&done.stderr).contains("--deadline") && !written.exists());
    let done = laocoon(&[&run[..], &["--deadline", "10m", "--max-memory", "4G"]].concat());
    assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(written.exists());
}
