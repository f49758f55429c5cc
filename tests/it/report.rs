//! Reports of evidence that was named to do harm: an investigation of real hostile files, in every format.

use crate::shared;
use laocoon::case::Session;
use laocoon::evidence::{CaseFile, Limits};
use laocoon::investigation::{Investigation, Options};
use laocoon::procedure::{Effort, Phase};
use laocoon::report::{self, Format};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Names that act on a terminal, a page, a shell, a spreadsheet or a template, as far as a file system takes them.
const NAMES: [&str; 12] = [
    "\u{1b}[2J\u{1b}[H.npy",
    "\u{1b}]52;c;dHJ1ZQ==\u{7}.npy",
    "a\nb\r.npy",
    "\u{202e}ypn.exe.npy",
    "a\u{200b}\u{2060}.npy",
    "=1+1.npy",
    "$(true)`true`;|&.npy",
    "<img src=x onerror=alert(1)>.npy",
    "<script>alert(1)<script>.npy",
    "a](javascript:x) ![b](http:e.example).npy",
    "{{7*7}}' OR '1'='1.npy",
    "%s%n%x ]] --> .npy",
];

/// Examines the files (triage only) into a session.
fn examine(paths: &[PathBuf], session: &Path) {
    let target = CaseFile::from_paths(paths, &[], &Limits::default()).unwrap();
    let options = Options {
        target,
        session: session.to_owned(),
        seed: 0,
        effort: Effort::Quick,
        threads: 1,
        only: Vec::new(),
        phases: vec![Phase::Triage],
        overrides: BTreeMap::new(),
        limits: Limits::default(),
        budget: laocoon::jobs::Budget::default(),
        analyst: "<b>ana</b>\u{202e}".into(),
    };
    let mut investigation = Investigation::open(options).unwrap();
    investigation.run_all().unwrap();
    while !investigation.finished() {
        investigation.wait(Duration::from_millis(50));
    }
}

#[test]
fn hostile_names_act_in_no_format() {
    let folder = tempfile::tempdir().unwrap();
    let mut paths: Vec<PathBuf> = Vec::new();
    for name in NAMES {
        let path = folder.path().join(name);
        std::fs::write(&path, b"\x93NUMPY\x01\x00not really").unwrap();
        paths.push(path);
    }
    // Names inside files: tensors, metadata, pickled modules, members of archives.
    for inside in [
        "safetensors/st32_ansi_names_d.safetensors",
        "safetensors/st33_html_md_names_d.safetensors",
        "safetensors/st34_path_names_d.safetensors",
        "dataset/ds04_csv_ansi_d.csv",
        "pickle/res13_ansi_names_d.pkl",
        "zip/zip17_hostile_names_d.pt",
        "onnx/ox28_ansi_d.onnx",
        "other/ot12_gguf_strings_d.gguf",
    ] {
        paths.extend(shared::path(&format!("hostile/{inside}")));
    }
    let session = folder.path().join("session");
    examine(&paths, &session);
    let session = Session::open(&session).unwrap();
    let state = session.state();
    assert!(state.evidence.len() >= NAMES.len(), "{}", state.evidence.len());
    for format in Format::ALL {
        let text = report::render(format, &state, session.blobs());
        let name = format.name();
        let acts = |c: char| {
            (c.is_control() && c != '\n')
                || matches!(u32::from(c), 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f)
        };
        assert!(!text.contains(acts), "{name}: a character acts");
        match name {
            "html" => {
                for tag in ["<script", "<img src=x", "<b>ana", "javascript:x\"", "href=\"http"] {
                    assert!(!text.contains(tag), "{name}: {tag}");
                }
                assert!(text.contains("&lt;img src=x onerror=alert(1)&gt;"), "the name is shown");
            }
            "markdown" => {
                let plain = text.replace("\\]", "").replace("\\[", "");
                assert!(
                    !plain.contains("](") && !plain.contains("<img") && !plain.contains("<script"),
                    "{name}"
                );
            }
            "text" => {}
            "timesketch" => {
                assert!(text.lines().all(|l| serde_json::from_str::<serde_json::Value>(l).unwrap()["message"].is_string()));
            }
            "stix" => {
                let bundle: serde_json::Value = serde_json::from_str(&text).unwrap();
                let patterns =
                    bundle["objects"].as_array().unwrap().iter().filter_map(|o| o["pattern"].as_str());
                let plain = |p: &str| {
                    p.split(" OR ").all(|one| {
                        let digest =
                            one.strip_prefix("[file:hashes.'SHA-256' = '").and_then(|r| r.strip_suffix("']"));
                        digest.is_some_and(|d| d.len() == 64 && d.bytes().all(|b| b.is_ascii_hexdigit()))
                    })
                };
                assert!(patterns.into_iter().all(plain), "{name}: a pattern holds more than digests");
            }
            _ => drop(serde_json::from_str::<serde_json::Value>(&text).unwrap()),
        }
    }
    if let Some(look) = std::env::var_os("LAOCOON_LOOK") {
        std::fs::write(
            Path::new(&look).join("hostile.html"),
            report::render(Format::named("html").unwrap(), &state, session.blobs()),
        )
        .unwrap();
    }
}
