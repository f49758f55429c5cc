use super::fixture::{self, case, known};
use super::model::Report;
use super::{Format, Ledger, Write, build, html, json, markdown};
use crate::case::CaseState;
use crate::case::gate::{self, Terms};

pub fn ledger() -> Ledger {
    of(&case().0)
}

pub fn of(state: &CaseState) -> Ledger {
    Ledger::of(state, &known(), gate::rule(state, &Terms::default()), None)
}

fn report() -> Report {
    let (state, figures) = case();
    build::report(&of(&state), &state, &figures, &known())
}

/// The case in a format.
pub fn written(format: Format) -> String {
    match format.write {
        Write::Page(write) => write(&report()),
        Write::Data(write) => write(&ledger()),
    }
}

#[test]
fn markdown_is_as_agreed() {
    // The measured rates are those of the shipped table, which is made anew now and then.
    let text = markdown::write(&report());
    let (before, rates) = text.split_once("### Error rates\n").unwrap();
    let (_, after) = rates.split_once("\n### ").unwrap();
    insta::assert_snapshot!(format!("{before}### Error rates\n[…]\n### {after}"));
}

#[test]
fn json_is_as_agreed() {
    insta::assert_snapshot!(json::text(&ledger()));
}

#[test]
fn json_has_the_fields_of_the_contract() {
    let doc = json::scan(&ledger());
    let keys = |path: &str, wanted: &[&str]| {
        let object =
            doc.pointer(path).and_then(|v| v.as_object()).unwrap_or_else(|| panic!("{path} is no object"));
        for key in wanted {
            assert!(object.contains_key(*key), "{path} lacks {key}");
        }
    };
    keys(
        "",
        &["schema", "tool", "case", "seed", "complete", "evidence", "procedures", "findings", "assessment"],
    );
    keys("/tool", &["name", "version"]);
    keys("/case", &["id", "title"]);
    keys("/evidence/2", &["id", "path", "kind", "format", "bytes", "sha256", "state", "reason"]);
    let procedure = [
        "id",
        "phase",
        "status",
        "verdict",
        "reason",
        "statistic",
        "threshold",
        "seconds",
        "measures",
        "limits",
        "blobs",
    ];
    for n in 0..doc["procedures"].as_array().unwrap().len() {
        keys(&format!("/procedures/{n}"), &procedure);
        let status = doc["procedures"][n]["status"].as_str().unwrap();
        assert!(["finished", "skipped", "stopped", "failed"].contains(&status));
    }
    let finding = [
        "id",
        "procedure",
        "severity",
        "confidence",
        "title",
        "class",
        "source_class",
        "evidence",
        "atlas",
        "owasp",
    ];
    keys("/findings/0", &finding);
    let whole = ["verdict", "model_score", "data_score", "target_classes", "family", "poisoned_samples"];
    keys("/assessment", &whole);
    assert_eq!(doc["schema"], "laocoon.scan/1");
    assert_eq!(doc["complete"], false);
    assert_eq!(
        (&doc["evidence"][2]["state"], &doc["evidence"][0]["kind"]),
        (&"refused".into(), &"model".into())
    );
    assert_eq!(doc["assessment"]["target_classes"], serde_json::json!([7]));
}

#[test]
fn the_same_state_gives_the_same_bytes() {
    for format in Format::ALL {
        assert_eq!(written(format), written(format), "{}", format.name());
    }
}

#[test]
fn hostile_names_act_in_no_format() {
    let (page, md, json) = (html::write(&report()), markdown::write(&report()), json::text(&ledger()));
    for text in [&page, &md, &json] {
        assert!(!text.contains(['\x1b', '\u{202e}']), "controls are visible text");
        assert!(text.contains("u{202e}") || text.contains("\\\\u\\{202e"), "and not lost");
    }
    assert!(!page.contains("<script"));
    assert!(!md.contains("<script") && !md.replace("\\]", "").contains("](") && !md.contains("\n# x"));
    // Every row of every Markdown table has as many cells as its head: no name opened a new one.
    let cells = |line: &str| line.replace("\\|", "").matches('|').count();
    let lines: Vec<&str> = md.lines().collect();
    let mut width = None;
    for line in lines {
        if line.starts_with('|') {
            assert_eq!(*width.get_or_insert(cells(line)), cells(line), "{line}");
        } else {
            width = None;
        }
    }
    let back: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(
        back["evidence"][1]["path"].as_str().unwrap().starts_with("<script>"),
        "JSON needs no more than its own escape"
    );
}

#[test]
fn the_page_stands_alone() {
    let page = html::write(&report());
    assert!(page.contains("default-src 'none'"));
    for word in ["<script", "src=\"http", "href=\"http", "url(", "@import", " onload=", " style=\""] {
        assert!(!page.contains(word), "{word}");
    }
    // Every opened element of these is closed.
    for tag in ["section", "table", "figure", "div", "dl", "ul", "svg", "tr", "td"] {
        let opened = page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
    }
    assert_eq!(page.matches("<svg").count(), 4, "four figures are there, the lost one is named");
    assert!(page.contains("is not available: no such blob"));
    assert_eq!(page.matches("role=\"img\"").count(), 4);
}

#[test]
fn every_procedure_is_accounted_for() {
    let md = markdown::write(&report());
    for line in [
        "| detection | strip | skipped |",
        "| detection | spectral-signatures | failed |",
        "| attribution | taxonomy-mapping | stopped |",
        "| detection | near-duplicates | never run |",
        "| triage | integrity | finished | nothing-found |",
    ] {
        assert!(md.contains(line), "{line}");
    }
    for section in ["'pipeline'", "'deployment'"] {
        assert!(md.contains(section));
    }
}

#[test]
fn an_empty_state_makes_a_report_that_says_so() {
    let empty = CaseState::default();
    let none = fixture::Figures(std::collections::BTreeMap::new());
    let report = build::report(&of(&empty), &empty, &none, &known());
    let md = markdown::write(&report);
    assert!(md.contains("nothing was run") && md.contains("Not determined"));
    assert!(!md.contains("Nothing was found within the limits"));
    assert!(html::write(&report).ends_with("</html>\n"));
    assert_eq!(json::scan(&of(&empty))["complete"], false);
}

/// Writes every format to `$LAOCOON_LOOK` for looking at; does nothing otherwise.
#[test]
fn show() {
    let Some(folder) = std::env::var_os("LAOCOON_LOOK") else { return };
    for format in Format::ALL {
        let name = format!("report.{}", format.extension());
        std::fs::write(std::path::Path::new(&folder).join(name), written(format)).unwrap();
    }
}
