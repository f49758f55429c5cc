//! The CI gate from the outside: exit codes, baseline, waivers, formats, as the examples in `docs/ci` use them.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn laocoon(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_laocoon"))
        .args(args)
        .current_dir(folder)
        .env("XDG_STATE_HOME", folder.join("state"))
        .env("LAOCOON_ANALYST", "gate")
        .output()
        .unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("{output:?}"))
}

fn json(text: &[u8]) -> Value {
    serde_json::from_slice(text).unwrap()
}

/// The shipped case of a tampered pipeline, which takes a second, copied into a folder like a repository.
fn repository() -> (tempfile::TempDir, PathBuf) {
    fn copy(from: &Path, to: &Path) {
        std::fs::create_dir_all(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
            let to = to.join(entry.file_name());
            if entry.path().is_dir() {
                copy(&entry.path(), &to);
            } else {
                assert!(std::fs::copy(entry.path(), to).is_ok());
            }
        }
    }
    let folder = tempfile::tempdir().unwrap();
    copy(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-cases/pipeline-tamper"),
        &folder.path().join("models"),
    );
    let root = std::fs::canonicalize(folder.path()).unwrap();
    (folder, root)
}

#[test]
fn a_gate_with_baseline_and_waivers() {
    let (_folder, root) = repository();
    let scan = |more: &[&str]| {
        laocoon(&root, &[&["scan", "models/case.toml", "--only", "definition-changes"], more].concat())
    };
    let first = scan(&["--format", "json", "--session", "one", "-o", "baseline.json"]);
    assert_eq!(code(&first), 1, "{first:?}");
    let found = json(&std::fs::read(root.join("baseline.json")).unwrap());
    let findings = found["findings"].as_array().unwrap();
    assert!(!findings.is_empty() && findings.iter().all(|f| f["standing"] == "new"));

    // Everything is known: from the JSON, from the session, from the SARIF.
    let sarif = scan(&["--format", "sarif", "-o", "first.sarif"]);
    assert_eq!(code(&sarif), 1);
    let log = json(&std::fs::read(root.join("first.sarif")).unwrap());
    let results = log["runs"][0]["results"].as_array().unwrap();
    assert_eq!(results.len(), findings.len());
    for r in results {
        let uri = r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].as_str().unwrap();
        assert!(uri.starts_with("models/"), "relative to where the scan ran: {uri}");
    }
    for baseline in ["baseline.json", "one", "first.sarif"] {
        let known = scan(&["--baseline", baseline, "--fail-on", "low", "--allow-incomplete"]);
        assert_eq!(code(&known), 0, "{baseline}: {known:?}");
        let text = String::from_utf8(known.stdout).unwrap();
        assert!(text.contains("new findings: none") && text.contains("known from the baseline"), "{text}");
    }

    // A waiver per finding lets them pass and is in the journal; one that expired does not.
    let waivers = |expires: &str| -> String {
        let mut prints: Vec<&str> = findings.iter().map(|f| f["fingerprint"].as_str().unwrap()).collect();
        prints.sort_unstable();
        prints.dedup();
        let one = |p: &&str| {
            format!("[[waiver]]\nfinding = \"{p}\"\nreason = \"ticket 4711\"\nexpires = \"{expires}\"\n")
        };
        prints.iter().map(one).collect()
    };
    let day = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let in_a_month = day.checked_add(jiff::Span::new().days(30)).unwrap().to_string();
    std::fs::write(root.join("waivers.toml"), waivers(&in_a_month)).unwrap();
    let waived =
        scan(&["--waivers", "waivers.toml", "--session", "two", "--format", "json", "--allow-incomplete"]);
    assert_eq!(code(&waived), 0, "{waived:?}");
    assert!(json(&waived.stdout)["findings"].as_array().unwrap().iter().all(|f| f["standing"] == "waived"));
    let told = laocoon(&root, &["report", "two", "--format", "timesketch"]);
    assert!(String::from_utf8(told.stdout).unwrap().contains("note: F1 waived until"));
    std::fs::write(root.join("waivers.toml"), waivers("2020-01-01")).unwrap();
    let expired = scan(&["--waivers", "waivers.toml"]);
    assert_eq!(code(&expired), 1);
    assert!(String::from_utf8(expired.stdout).unwrap().contains("it expired on 2020-01-01"));

    // Wrong terms are wrong usage, before any work.
    std::fs::write(
        root.join("waivers.toml"),
        "[[waiver]]\nfinding = \"F1\"\nreason = \"x\"\nexpires = \"2027-01-01\"\n",
    )
    .unwrap();
    for wrong in [["--waivers", "waivers.toml"], ["--baseline", "models/case.toml"], ["--format", "pdf"]] {
        assert_eq!(code(&scan(&wrong)), 2, "{wrong:?}");
    }
}

#[test]
fn the_same_session_gives_the_same_bytes_in_every_format() {
    let (_folder, root) = repository();
    laocoon(&root, &["scan", "models/case.toml", "--only", "definition-changes", "--session", "s"]);
    for format in laocoon::report::Format::ALL {
        let write = || laocoon(&root, &["report", "s", "--format", format.name()]);
        let (one, two) = (write(), write());
        assert_eq!((code(&one), one.stdout.is_empty()), (0, false), "{}", format.name());
        assert_eq!(one.stdout, two.stdout, "{}", format.name());
    }
    let schema = laocoon(&root, &["explain", "laocoon.scan/1"]);
    let (schema, report) =
        (json(&schema.stdout), json(&laocoon(&root, &["report", "s", "--format", "json"]).stdout));
    let required = schema["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap());
    assert!(required.into_iter().all(|name| report.get(name).is_some()), "{report}");
}
