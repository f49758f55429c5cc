//! Inspection against whole corpora: hostile and benign files of every format, and what other scanners ship as tests.

use crate::shared;
use laocoon::evidence::Limits;
use laocoon::triage::inspect::{File, one};
use laocoon::triage::{Ruling, inspect};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// A line of the corpus' manifest.
pub struct Sample {
    pub file: String,
    pub family: String,
    pub acceptable: Vec<String>,
    pub code: String,
}

/// The hostile corpus.
pub fn corpus() -> Option<(PathBuf, Vec<Sample>)> {
    let manifest = shared::path("hostile/MANIFEST.csv")?;
    let mut reader = csv::Reader::from_path(&manifest).unwrap();
    let mut column = |name: &str| reader.headers().unwrap().iter().position(|h| h == name).unwrap();
    let (file, family) = (column("file"), column("family"));
    let (acceptable, code) = (column("acceptable"), column("reason_code"));
    let sample = |r: csv::StringRecord| Sample {
        file: r[file].to_owned(),
        family: r[family].to_owned(),
        acceptable: r[acceptable].split('|').map(str::to_owned).collect(),
        code: r[code].to_owned(),
    };
    let samples: Vec<Sample> = reader.records().map(|r| sample(r.unwrap())).collect();
    Some((manifest.parent().unwrap().to_owned(), samples))
}

fn word(ruling: Ruling) -> &'static str {
    match ruling {
        Ruling::Accept => "accept",
        Ruling::Review => "review",
        Ruling::Reject => "reject",
        Ruling::Flag => "flag",
    }
}

fn look(path: &Path) -> (File, Duration) {
    let start = Instant::now();
    (one(path, &Limits::default()), start.elapsed())
}

/// The figures asked for: an acceptable verdict for 98 %, the right reason code for 95 %, no benign file worse than
/// accepted where nothing else will do, no hostile file accepted, two seconds each.
#[test]
fn every_file_of_the_hostile_corpus_gets_its_verdict_and_code() {
    let Some((root, samples)) = corpus() else { return };
    let (mut right, mut coded, mut wrong, mut slow) = (0, 0, Vec::new(), Duration::ZERO);
    let (mut passed, mut accused) = (Vec::new(), Vec::new());
    let mut families: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    for s in &samples {
        let (file, took) = look(&root.join(&s.file));
        slow = slow.max(took);
        assert!(took < Duration::from_secs(10), "{}: {took:?}", s.file);
        let said = word(file.ruling);
        let fits = s.acceptable.iter().any(|a| a == said);
        let code = s.code == "none" || file.reasons.iter().any(|r| r.code == s.code);
        let family = families.entry(&s.family).or_default();
        family[0] += 1;
        family[1] += usize::from(fits);
        family[2] += usize::from(code);
        right += usize::from(fits);
        coded += usize::from(code);
        if !fits && said == "accept" {
            passed.push(&s.file);
        }
        if !fits && s.acceptable.iter().any(|a| a == "accept") {
            accused.push(&s.file);
        }
        if !fits || !code {
            let codes: Vec<&str> = file.reasons.iter().map(|r| r.code.as_str()).collect();
            wrong.push(format!("{}: {said} {codes:?}, want {:?} {}", s.file, s.acceptable, s.code));
        }
        // Nothing that is shown acts on a screen.
        let shown = file.reasons.iter().flat_map(|r| [&r.detail, &r.member, &r.place]);
        assert!(shown.into_iter().all(|t| !t.chars().any(char::is_control)), "{}", s.file);
    }
    let n = samples.len();
    println!("verdict {right} of {n}, reason code {coded} of {n}, slowest {slow:?}");
    println!("by family (files, verdicts, codes): {families:?}\n{}", wrong.join("\n"));
    assert!(passed.is_empty(), "hostile and accepted: {passed:?}");
    assert!(accused.is_empty(), "benign and accused: {accused:?}");
    assert!(right * 100 >= n * 98, "{right} of {n} verdicts");
    assert!(coded * 100 >= n * 95, "{coded} of {n} reason codes");
}

/// The best of the scanners whose tests these are flags 120 of 121; the most lenient flags none or one of 41.
#[test]
fn pickles_of_other_scanners_are_flagged_and_benign_ones_accepted() {
    let Some(manifest) = shared::path("pickles/MANIFEST.csv") else { return };
    let root = manifest.parent().unwrap();
    let mut reader = csv::Reader::from_path(&manifest).unwrap();
    let (mut malicious, mut flagged, mut benign, mut accused) = (0, 0, 0, Vec::new());
    let mut missed = Vec::new();
    for record in reader.records().map(Result::unwrap) {
        let (file, truth) = (&record[0], &record[3]);
        let (seen, _) = look(&root.join(file));
        match truth {
            "malicious" => {
                malicious += 1;
                flagged += usize::from(seen.ruling == Ruling::Flag);
                if seen.ruling != Ruling::Flag {
                    missed.push(format!("{file}: {:?}", seen.reasons));
                }
            }
            "benign" => {
                benign += 1;
                if seen.ruling >= Ruling::Reject {
                    accused.push(format!("{file}: {:?}", seen.reasons));
                }
            }
            _ => {}
        }
    }
    println!("{flagged} of {malicious} malicious flagged, {} of {benign} benign accused", accused.len());
    println!("{}\n{}", missed.join("\n"), accused.join("\n"));
    assert!(malicious >= 100 && benign >= 30);
    assert!(flagged + 1 >= malicious && accused.is_empty());
}

#[test]
fn a_folder_is_inspected_file_by_file_and_the_exit_code_says_what_was_found() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("labels.txt"), "cat\ndog\n").unwrap();
    std::fs::create_dir(dir.path().join("sub")).unwrap();
    std::fs::write(dir.path().join("sub/plain.pkl"), b"\x80\x04]\x94(K\x01K\x02e.").unwrap();
    let run = |path: &Path| {
        let out = Command::new(env!("CARGO_BIN_EXE_laocoon"))
            .args(["inspect", "--format", "json"])
            .arg(path)
            .output()
            .unwrap();
        let json: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap_or_default();
        (out.status.code().unwrap(), json)
    };
    let (code, json) = run(dir.path());
    assert_eq!((code, json["schema"].as_str()), (0, Some("laocoon.inspect/1")));
    let verdicts: Vec<_> =
        json["files"].as_array().unwrap().iter().map(|f| f["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["accept", "accept"]);
    std::fs::write(dir.path().join("sub/model.pt"), b"\x80\x02cos\nsystem\nX\x04\0\0\0true\x85R.").unwrap();
    let (code, json) = run(dir.path());
    assert_eq!(code, 1);
    let hostile = &json["files"][1];
    assert_eq!((hostile["verdict"].as_str(), hostile["format"].as_str()), (Some("flag"), Some("pickle")));
    assert_eq!(hostile["reasons"][0]["code"], "pickle.global.dangerous");
    assert_eq!(hostile["reasons"][0]["offset"], 2);
    assert_eq!(hostile["sha256"].as_str().unwrap().len(), 64);
    // A link is neither followed nor passed over.
    std::fs::remove_file(dir.path().join("sub/model.pt")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", dir.path().join("link.npy")).unwrap();
    let (code, json) = run(dir.path());
    assert_eq!((code, json["complete"].as_bool()), (3, Some(false)));
    assert_eq!(run(&dir.path().join("absent")).0, 3);
}

/// The order of files and every byte of the answer are the same with one thread and with many.
#[test]
fn inspection_does_not_depend_on_threads() {
    let Some((root, _)) = corpus() else { return };
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            inspect::inspect(&[root.join("zip"), root.join("torch")], &Limits::default(), &|| true)
        })
        .unwrap()
        .json()
    };
    assert_eq!(run(1), run(4));
}

/// Nothing is started and nothing is connected to: `cargo test --test it -- --ignored strace --nocapture` (needs strace).
#[test]
#[ignore = "needs strace"]
fn strace_sees_no_process_and_no_socket() {
    let Some((root, _)) = corpus() else { return };
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("log");
    let done = Command::new("strace")
        .args(["-f", "-e", "trace=execve,execveat,socket,connect,fork,vfork,bind"])
        .arg("-o")
        .arg(&log)
        .arg(env!("CARGO_BIN_EXE_laocoon"))
        .arg("inspect")
        .arg(&root)
        .output();
    let Ok(done) = done else {
        println!("skipped: no strace here");
        return;
    };
    assert_eq!(done.status.code(), Some(1), "{}", String::from_utf8_lossy(&done.stderr));
    let log = std::fs::read_to_string(&log).unwrap();
    let calls: Vec<&str> = log.lines().filter(|l| !l.contains("+++") && !l.contains("---")).collect();
    println!("{}", calls.join("\n"));
    assert_eq!(calls.len(), 1, "the one execve is the program's own start");
    assert!(calls[0].contains("execve("));
}

/// Signatures of the reference implementation: the files as signed, one byte changed, one file added.
#[test]
fn model_signatures_of_the_reference_implementation() {
    use laocoon::evidence::provenance::{Key, Signature, check};
    let Some(root) = shared::path("parity/model_signing") else { return };
    let limits = Limits::default();
    let keys = Key::read(&root.join("test_pub.pem"), &limits).unwrap();
    let of = |folder: &str| check(&root.join("good.sig"), &keys, &root.join(folder), &limits).unwrap();
    let good = of("model");
    assert!(good.proved() && good.matched == 3, "{good:?}");
    let tampered = of("tampered");
    assert!(matches!(tampered.signature, Signature::Valid(_)) && !tampered.agrees());
    assert_eq!(tampered.different.len(), 1, "{tampered:?}");
    assert_eq!(of("extra").extra, ["new.bin"]);
    assert!(Key::read(&root.join("test_key.pem"), &limits).is_err());
    let text = std::fs::read_to_string(root.join("good.sig")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let forged = dir.path().join("forged.sig");
    let start =
        text.find("\"payload\": \"").map_or_else(|| text.find("\"payload\":\"").unwrap() + 11, |i| i + 12);
    // One character of the payload: the statement changes, the signature stays.
    let at = start + 40;
    let other = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
    std::fs::write(&forged, format!("{}{other}{}", &text[..at], &text[at + 1..])).unwrap();
    match check(&forged, &keys, &root.join("model"), &limits) {
        Ok(checked) => assert!(matches!(checked.signature, Signature::Wrong(_)), "{checked:?}"),
        Err(e) => assert_eq!(e.code, "provenance.malformed"),
    }
}
