//! The formats that machines read, over the made-up case with hostile names everywhere. What their own validators say of a
//! session is the business of `tools/interchange`.

use super::fixture::case;
use super::tests::{ledger, of, written};
use super::{
    Format, Ledger, Under, cyclonedx, in_toto, json, misp, navigator, sarif, stix, thehive, timesketch,
};
use crate::case::CaseState;
use crate::case::gate::{self, Baseline, Terms};
use crate::procedure::Severity;
use serde_json::Value;
use std::collections::BTreeSet;

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The made-up case under terms.
fn under(terms: &Terms) -> Ledger {
    let (state, _) = case();
    Ledger::of(&state, &super::fixture::known(), gate::rule(&state, terms), None)
}

/// Terms that waive F1 and know F2.
fn lenient() -> Terms {
    let (state, _) = case();
    let mut known = state.clone();
    known.findings.remove(0);
    let print = gate::fingerprint(&state, &state.findings[0]);
    let file =
        format!("[[waiver]]\nfinding = \"{print}\"\nreason = \"ticket 4711\"\nexpires = \"2026-12-31\"\n");
    Terms {
        fail_on: Severity::Low,
        baseline: Some(Baseline::of_state(&known)),
        waivers: gate::waivers(&file).unwrap(),
        ..Terms::default()
    }
}

#[test]
fn json_is_valid_by_the_schema_that_is_shipped() {
    let schema = parsed(json::SCHEMA_TEXT);
    let errors = |document: &Value| super::schema::errors(&schema, &schema, document, "");
    for ledger in [ledger(), under(&lenient()), of(&CaseState::default())] {
        let mut document = json::scan(&ledger);
        assert_eq!(errors(&document), Vec::<String>::new());
        // The schema is no sieve: what is wrong is refused.
        document["assessment"]["verdict"] = "clean".into();
        assert_eq!(errors(&document).len(), 1);
    }
    let spoil = |pointer: &str, value: Value| {
        let mut odd = json::scan(&ledger());
        *odd.pointer_mut(pointer).unwrap() = value;
        errors(&odd)
    };
    for (pointer, value) in [
        ("/evidence/0/sha256", "AB".into()),
        ("/findings/0/id", "F0".into()),
        ("/findings/0/severity", Value::Null),
        ("/procedures/0/limits", "".into()),
        ("/procedures/3/reason", Value::Null),
        ("/gate/exit_code", 70.into()),
        ("/assessment/model_score", 1.5.into()),
        ("/procedures", serde_json::json!({})),
    ] {
        assert!(!spoil(pointer, value).is_empty(), "{pointer}");
    }
    assert!(!errors(&serde_json::json!({})).is_empty());
}

#[test]
fn nothing_that_acts_leaves_in_any_format_and_json_reads_back() {
    for format in Format::ALL {
        let text = written(format);
        let hides = |c: char| matches!(u32::from(c), 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f);
        let acts = |c: char| (c.is_control() && c != '\n') || hides(c);
        assert!(!text.contains(acts), "{}", format.name());
        match format.name() {
            "text" | "html" | "markdown" => {}
            "timesketch" => assert!(text.lines().all(|line| parsed(line).is_object())),
            _ => assert!(parsed(&text).is_object(), "{}", format.name()),
        }
    }
}

#[test]
fn sarif_keeps_to_what_code_scanning_takes() {
    let log = parsed(&sarif::write(&ledger()));
    let run = &log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let names: BTreeSet<&str> = rules.iter().map(|r| r["id"].as_str().unwrap()).collect();
    assert_eq!(names.len(), rules.len(), "ids are unique");
    assert!(names.contains("near-duplicates"), "what was planned and never run is a rule too");
    assert!(rules.iter().all(|r| r["properties"]["tags"].as_array().unwrap().len() <= 20));
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    for r in results {
        assert_eq!(rules[r["ruleIndex"].as_u64().unwrap() as usize]["id"], r["ruleId"]);
        assert_eq!(r["locations"][0]["physicalLocation"]["region"]["startLine"], 1);
        assert_eq!(r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], "model.onnx");
        assert_eq!(r["taxa"][0]["toolComponent"]["guid"], run["taxonomies"][0]["guid"]);
        assert_eq!(r["partialFingerprints"]["laocoonFinding/v1"].as_str().unwrap().len(), 64);
        assert!(r.get("baselineState").is_none());
    }
    assert_eq!((&results[0]["level"], &results[1]["level"]), (&"error".into(), &"warning".into()));
    assert_eq!(run["invocations"][0]["executionSuccessful"], false);
    assert_eq!(run["invocations"][0]["exitCode"], 1);
    let uri = run["artifacts"][1]["location"]["uri"].as_str().unwrap();
    assert!(uri.starts_with("%3Cscript%3E") && uri.is_ascii(), "{uri}");
    let notes = run["invocations"][0]["toolExecutionNotifications"].to_string();
    for said in
        ["integrity nothing-found", "strip skipped", "spectral-signatures failed", "near-duplicates stopped"]
    {
        assert!(notes.contains(said), "{said}");
    }
}

#[test]
fn what_is_waived_or_known_is_told_apart_and_not_an_alert() {
    let ledger = under(&lenient());
    assert_eq!(ledger.ruling.code, gate::INCOMPLETE, "nothing fails, and it is no pass either");
    let standings: Vec<&str> = ledger.findings.iter().map(|f| f.standing.name()).collect();
    assert_eq!(standings, ["waived", "known"]);
    let run = &parsed(&sarif::write(&ledger))["runs"][0];
    assert_eq!(run["results"].as_array().unwrap().len(), 0);
    assert_eq!(
        (&run["properties"]["waived"][0]["id"], &run["properties"]["known"][0]["id"]),
        (&"F1".into(), &"F2".into())
    );
    let doc = json::scan(&ledger);
    assert_eq!(doc["findings"][0]["waiver"]["reason"], "ticket 4711");
    assert_eq!(doc["gate"]["failing"], serde_json::json!([]));
    let text = super::text::write(&ledger);
    assert!(text.contains("new findings: none") && text.contains("known from the baseline, not listed: F2"));
    assert!(text.contains("waived until 2026-12-31: F1"));
    assert_eq!(parsed(&in_toto::write(&ledger))["predicate"]["result"], "WARNED");
    // A result of `scan` is a baseline, whichever of the two it is.
    for text in [json::text(&super::tests::ledger()), sarif::write(&super::tests::ledger())] {
        let terms = Terms { baseline: Some(Baseline::parse(&text).unwrap()), ..Terms::default() };
        assert!(under(&terms).findings.iter().all(|f| f.standing.name() == "known"));
    }
}

#[test]
fn stix_is_closed_and_its_ids_are_those_of_the_standard() {
    let bundle = parsed(&stix::write(&ledger()));
    let objects = bundle["objects"].as_array().unwrap();
    let ids: BTreeSet<&str> = objects.iter().map(|o| o["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), objects.len(), "no id twice");
    for o in objects {
        assert!(o["id"].as_str().unwrap().starts_with(&format!("{}--", o["type"].as_str().unwrap())));
        let refs = ["source_ref", "target_ref", "created_by_ref"].iter().filter_map(|k| o[*k].as_str());
        let lists = o["object_refs"].as_array().into_iter().flatten().filter_map(Value::as_str);
        assert!(refs.chain(lists).all(|r| ids.contains(r)), "{o}");
    }
    let of = |kind: &str| objects.iter().filter(|o| o["type"] == kind).collect::<Vec<_>>();
    // As the reference library of OASIS makes it from hash and name.
    assert_eq!(of("file")[0]["name"], "model.onnx");
    assert_eq!(of("file")[0]["id"], "file--14ca2fd4-856b-5c4a-871a-e5166331cda8");
    let patterns: Vec<&str> = of("indicator").iter().map(|i| i["pattern"].as_str().unwrap()).collect();
    let clean = format!("[file:hashes.'SHA-256' = '{}']", "0a".repeat(32));
    assert_eq!(patterns, [clean.as_str(), clean.as_str()]);
    assert!(
        ids.contains("attack-pattern--a1494aa9-35bb-52b4-bd73-15444dc04706"),
        "AML.T0018.000 as published"
    );
    assert_eq!((of("report").len(), of("note").len(), of("identity").len()), (1, 2 + 10, 1));
    assert!(!of("course-of-action").is_empty());
}

#[test]
fn the_custody_log_has_every_event_with_its_hash() {
    let ledger = ledger();
    let text = timesketch::write(&ledger);
    let rows: Vec<Value> = text.lines().map(parsed).collect();
    assert_eq!(rows.len(), ledger.moments.len());
    assert_eq!(rows[0]["datetime"], "2026-11-20T09:00:00+00:00");
    assert_eq!(
        (&rows[2]["timestamp_desc"], &rows[2]["hash"]),
        (&"job_ended".into(), &"a9".repeat(32).into())
    );
    assert!(
        rows.iter().all(|r| r["message"].is_string() && r["actor"].as_str().unwrap().starts_with("ana "))
    );
}

#[test]
fn a_case_for_the_hive_has_its_severity_and_no_markup_from_names() {
    let doc = parsed(&thehive::write(&ledger()));
    assert_eq!(
        (&doc["case"]["severity"], &doc["case"]["flag"], &doc["case"]["tlp"]),
        (&3.into(), &true.into(), &2.into())
    );
    let text = doc["case"]["description"].as_str().unwrap();
    assert!(
        text.contains("&lt;script&gt;")
            && !text.contains("<script")
            && !text.replace("\\]", "").contains("](")
    );
    let seen: Vec<&str> =
        doc["observables"].as_array().unwrap().iter().map(|o| o["dataType"].as_str().unwrap()).collect();
    assert_eq!(seen, ["hash", "hash", "hash"]);
    assert_eq!(doc["procedures"][0]["patternId"], "AML.T0018.000");
}

#[test]
fn a_misp_event_has_the_case_every_exhibit_and_the_model() {
    let event = &parsed(&misp::write(&ledger()))["Event"];
    let count = |name: &str| event["Object"].as_array().unwrap().iter().filter(|o| o["name"] == name).count();
    assert_eq!(
        ["forensic-case", "forensic-evidence", "file", "ai-model-component", "ai-dataset-component"]
            .map(count),
        [1, 3, 3, 1, 2]
    );
    assert_eq!((&event["threat_level_id"], &event["analysis"]), (&"1".into(), &"1".into()));
    let objects = event["Object"].as_array().unwrap().iter();
    let ids: Vec<&str> = objects
        .flat_map(|o| o["Attribute"].as_array().unwrap())
        .map(|a| a["uuid"].as_str().unwrap())
        .collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len(), "no UUID twice");
}

#[test]
fn the_statement_says_what_passed_and_what_did_not() {
    let s = parsed(&in_toto::write(&ledger()));
    assert_eq!((&s["predicate"]["result"], s["subject"].as_array().unwrap().len()), (&"FAILED".into(), 3));
    assert_eq!(s["predicate"]["failedTests"], serde_json::json!(["neural-cleanse", "activation-clustering"]));
    assert_eq!(s["predicate"]["passedTests"], serde_json::json!(["integrity"]));
    let warned = s["predicate"]["warnedTests"].to_string();
    assert!(
        warned.contains("spectral-signatures")
            && warned.contains("near-duplicates")
            && !warned.contains("strip")
    );
    assert_eq!(
        parsed(&in_toto::write(&of(&CaseState::default())))["predicate"]["result"],
        "WARNED",
        "nothing run is no pass"
    );
}

#[test]
fn the_bill_of_materials_refers_to_what_is_in_it() {
    let bom = parsed(&cyclonedx::write(&ledger()));
    let parts = bom["components"].as_array().unwrap();
    let refs: BTreeSet<&str> = parts.iter().map(|c| c["bom-ref"].as_str().unwrap()).collect();
    assert_eq!(refs.into_iter().collect::<Vec<_>>(), ["E1", "E2", "E3"]);
    assert_eq!((&parts[0]["type"], &parts[1]["type"]), (&"machine-learning-model".into(), &"data".into()));
    assert_eq!(parts[0]["modelCard"]["modelParameters"]["datasets"][0]["ref"], "E2");
    assert_eq!(bom["annotations"].as_array().unwrap().len(), 2);
    let layer = parsed(&navigator::write(&ledger()));
    let scores: Vec<(&str, u64)> = layer["techniques"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| (t["techniqueID"].as_str().unwrap(), t["score"].as_u64().unwrap()))
        .collect();
    assert_eq!(scores, [("AML.T0018.000", 75), ("AML.T0020", 33)]);
    assert_eq!(layer["domain"], "atlas-atlas");
}

#[test]
fn paths_are_relative_to_the_root_that_is_asked_for() {
    let (mut state, _) = case();
    state.case.as_mut().unwrap().root = "/repo/cases/it's here".into();
    let under = Under { root: Some("/repo".into()), ..Under::default() };
    let log = parsed(&sarif::write(&super::ledger(&state, &under)));
    assert_eq!(log["runs"][0]["artifacts"][0]["location"]["uri"], "cases/it%27s%20here/model.onnx");
}
