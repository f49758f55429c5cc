//! A layer for the ATT&CK Navigator over ATLAS: the techniques that findings show, by severity and confidence.

use super::escape;
use super::ledger::Ledger;
use super::{Format, Write};
use serde_json::{Value, json};

/// The format.
pub const FORMAT: Format = Format {
    name: "navigator",
    about: "the techniques found as a layer over ATLAS, ATT&CK Navigator 4.5",
    extension: "layer.json",
    write: Write::Data(write),
};

/// The layer. A technique scores 25 for low severity to 100 for critical, times a third per grade of confidence.
pub fn write(ledger: &Ledger) -> String {
    let techniques: Vec<Value> = ledger
        .techniques()
        .into_iter()
        .map(|id| {
            let shown = || ledger.findings.iter().filter(|f| f.finding.atlas.iter().any(|a| a == id));
            let score = shown()
                .map(|f| 25 * (f.finding.severity as u32 + 1) * (f.finding.confidence as u32 + 1) / 3)
                .max()
                .unwrap_or_default();
            let lines: Vec<String> = shown().map(|f| format!("{} {}: {}", f.id, f.procedure, f.finding.title)).collect();
            let ids: Vec<&str> = shown().map(|f| f.id.as_str()).collect();
            json!({
                "techniqueID": id, "score": score, "comment": escape::cut(&lines.join("\n"), 2000), "enabled": true,
                "metadata": [{"name": "findings", "value": ids.join(", ")}], "showSubtechniques": true,
            })
        })
        .collect();
    escape::json(&json!({
        "name": escape::cut(&format!("{} – laocoon", ledger.case), 200),
        "versions": {"layer": "4.5", "navigator": "5.1.0"},
        "domain": "atlas-atlas",
        "description": escape::cut(&format!("{}; verdict {}, journal head {}", ledger.title, ledger.assessment.verdict.name(), ledger.head), 1000),
        "techniques": techniques,
        "gradient": {"colors": ["#fff3d6", "#b84e00"], "minValue": 0, "maxValue": 100},
        "legendItems": [{"label": "low severity or confidence", "color": "#fff3d6"}, {"label": "critical and sure", "color": "#b84e00"}],
        "showTacticRowBackground": false,
        "selectTechniquesAcrossTactics": true,
        "selectSubtechniquesWithParent": false,
        "hideDisabled": false,
    }))
}
