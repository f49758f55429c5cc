//! An in-toto statement that the gate was passed, or was not: predicate test-result v0.1, to be signed by whoever ran it.

use super::escape;
use super::ledger::{Ledger, Run};
use super::{Format, Write};
use crate::case::gate::{INCOMPLETE, PASS};
use crate::case::line::is_sha256;
use crate::procedure::Verdict;
use serde_json::{Value, json};

/// The format.
pub const FORMAT: Format = Format {
    name: "in-toto",
    about: "a statement of the gate's result to be signed, in-toto test-result",
    extension: "intoto.json",
    write: Write::Data(write),
};

/// How a procedure counts before the gate.
#[derive(PartialEq)]
enum Count {
    Passed,
    Warned,
    Failed,
    /// It does not apply.
    Nothing,
}

/// The statement.
pub fn write(ledger: &Ledger) -> String {
    // A subject must be named by a digest; the same bytes under two names are two subjects.
    let subject: Vec<Value> = ledger
        .exhibits
        .iter()
        .filter(|e| is_sha256(&e.sha256))
        .map(|e| json!({"name": e.uri, "digest": {if e.folder { "laocoonFolderSha256" } else { "sha256" }: e.sha256}}))
        .collect();
    let tests = |wanted: &Count| -> Vec<&str> {
        ledger.runs.iter().filter(|r| count(ledger, r) == *wanted).map(|r| r.id.as_str()).collect()
    };
    let warned = !tests(&Count::Warned).is_empty() || !ledger.open.is_empty();
    let result = match ledger.ruling.code {
        PASS if !warned => "PASSED",
        PASS | INCOMPLETE => "WARNED",
        _ => "FAILED",
    };
    escape::json(&json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": subject,
        "predicateType": "https://in-toto.io/attestation/test-result/v0.1",
        "predicate": {
            "result": result,
            "configuration": [{
                "name": "laocoon",
                "annotations": {
                    "version": ledger.tool, "build": ledger.build, "seed": ledger.seed.to_string(),
                    "effort": ledger.effort.name(), "failOn": ledger.ruling.fail_on, "exitCode": ledger.ruling.code.to_string(),
                    "journalHead": ledger.head, "command": ledger.command,
                },
                "digest": {"sha256": ledger.results},
            }],
            "passedTests": tests(&Count::Passed),
            "warnedTests": tests(&Count::Warned),
            "failedTests": tests(&Count::Failed),
        },
    }))
}

fn count(ledger: &Ledger, run: &Run) -> Count {
    if ledger.findings.iter().any(|f| f.procedure == run.id && f.fails) {
        return Count::Failed;
    }
    match (run.status, run.record.as_ref().map(|r| r.verdict)) {
        ("finished", Some(Verdict::NothingFound)) => Count::Passed,
        ("skipped", _) => Count::Nothing,
        _ => Count::Warned,
    }
}
