//! Taxonomy ids as facts: MITRE ATLAS, OWASP, NIST, CWE. Ids are the join keys; names change between releases.
//!
//! Source: atlas-data v5.6.1 (2026-05-05, Apache-2.0, © MITRE), OWASP Top 10 for LLM Applications 2025, OWASP Machine
//! Learning Security Top Ten 2023 (draft), NIST AI 100-2e2025, NIST AI RMF 1.0, CWE 4.17. Neither CWE nor CAPEC has an
//! entry for poisoned training data or trained-in backdoors; the nearest are given.

use super::Concern;

/// The releases the ids and names below are from.
pub const RELEASES: [(&str, &str); 6] = [
    ("MITRE ATLAS", "v5.6.1 (2026-05-05)"),
    ("OWASP Top 10 for LLM Applications", "2025"),
    ("OWASP Machine Learning Security Top Ten", "2023 (draft)"),
    ("NIST AI 100-2", "e2025 (2025-03-24)"),
    ("NIST AI RMF", "1.0"),
    ("CWE", "4.17"),
];

/// Ids that a concern maps to.
#[derive(Debug, Clone, Copy)]
pub struct Ids {
    /// ATLAS technique ids.
    pub atlas: &'static [&'static str],
    /// OWASP ids.
    pub owasp: &'static [&'static str],
}

/// All that a concern maps to.
#[derive(Debug, Clone, Copy)]
pub struct Map {
    /// What the finding itself shows.
    pub ids: Ids,
    /// ATLAS techniques that usually go with it and that the finding alone does not show.
    pub related: &'static [&'static str],
    /// NIST AI 100-2 attack ids and AI RMF measures.
    pub nist: &'static [&'static str],
    /// CWE ids, the nearest there are.
    pub cwe: &'static [&'static str],
    /// What to do about it, in sentences.
    pub steps: &'static [&'static str],
}

/// The ids of a concern.
pub fn ids(concern: Concern) -> Ids {
    map(concern).ids
}

/// Everything a concern maps to.
pub fn map(concern: Concern) -> Map {
    match concern {
        Concern::Backdoor => Map {
            ids: Ids { atlas: &["AML.T0018.000"], owasp: &["LLM04:2025", "ML10:2023"] },
            related: &["AML.T0043.004", "AML.T0020", "AML.T0010.003"],
            nist: &["NISTAML.023", "NISTAML.051", "MEASURE 2.7"],
            cwe: &["CWE-1039"],
            steps: &[
                "Search inference logs for inputs that carry the recovered trigger and were given the accused class.",
                "Replace the model by one trained on data of known origin; fine-tuning alone often leaves a backdoor in place.",
                "Examine other models of the same origin and training pipeline.",
            ],
        },
        Concern::DataPoisoning => Map {
            ids: Ids { atlas: &["AML.T0020"], owasp: &["LLM04:2025", "ML02:2023"] },
            related: &["AML.T0010.002", "AML.T0019", "AML.T0059"],
            nist: &["NISTAML.013", "NISTAML.023", "NISTAML.024", "MEASURE 2.7"],
            cwe: &["CWE-345"],
            steps: &[
                "Quarantine the accused samples, trace where they came from, train again without them and examine the result.",
            ],
        },
        Concern::UnsafeFormat => Map {
            ids: Ids { atlas: &["AML.T0011.000"], owasp: &["LLM03:2025", "ML06:2023"] },
            related: &["AML.T0018.002", "AML.T0010.003", "AML.T0058"],
            nist: &["NISTAML.051", "MEASURE 2.7"],
            cwe: &["CWE-502", "CWE-506"],
            steps: &[
                "Do not load the file anywhere; treat every machine that has loaded it as exposed.",
                "Ask for the model as safetensors or ONNX, with a signed digest.",
            ],
        },
        Concern::Integrity => Map {
            ids: Ids { atlas: &["AML.T0010.003"], owasp: &["LLM03:2025", "ML06:2023"] },
            related: &["AML.T0074", "AML.T0109"],
            nist: &["NISTAML.051", "MEASURE 2.7"],
            cwe: &["CWE-345", "CWE-353", "CWE-494"],
            steps: &[
                "Get the file again from its publisher over another channel and compare digests; find where the two parted.",
            ],
        },
        Concern::Malformed => Map {
            ids: Ids { atlas: &["AML.T0076"], owasp: &["LLM03:2025", "ML06:2023"] },
            related: &["AML.T0011.000", "AML.T0074"],
            nist: &["NISTAML.051", "MEASURE 2.7"],
            cwe: &["CWE-345"],
            steps: &[
                "Do not load the file: a malformed file can act before a reader notices the damage. Ask for it again.",
            ],
        },
        Concern::Pipeline => Map {
            ids: Ids { atlas: &["AML.T0010.001"], owasp: &["LLM03:2025", "ML06:2023"] },
            related: &["AML.T0010.002", "AML.T0010.004", "AML.T0020"],
            nist: &["NISTAML.051", "MEASURE 2.7"],
            cwe: &["CWE-345", "CWE-494"],
            steps: &[
                "Stop the pipeline, restore the reviewed definition, and run the skipped checks on what it made meanwhile.",
                "Find who could change the definition; require review and signed commits, and compare as-run with approved on every run.",
            ],
        },
        Concern::TrainingCode => Map {
            ids: Ids { atlas: &["AML.T0018.000", "AML.T0010.001"], owasp: &["LLM04:2025", "ML10:2023"] },
            related: &["AML.T0018.001", "AML.T0020", "AML.T0043.004"],
            nist: &["NISTAML.023", "NISTAML.051", "MEASURE 2.7"],
            cwe: &["CWE-506", "CWE-1039"],
            steps: &[
                "Keep the changed file and its history; treat every model trained with it as suspect and examine it.",
                "Train again from the reviewed code, from the last checkpoint made before the change.",
            ],
        },
        Concern::Substitution => Map {
            ids: Ids { atlas: &["AML.T0010.003", "AML.T0018.000"], owasp: &["LLM03:2025", "ML10:2023"] },
            related: &["AML.T0074", "AML.T0109"],
            nist: &["NISTAML.051", "MEASURE 2.7"],
            cwe: &["CWE-345", "CWE-353"],
            steps: &[
                "Make the artefact again from the last one that is accounted for, and compare both.",
                "Record and check a digest at every hand-off between stages.",
            ],
        },
        Concern::Misuse => Map {
            ids: Ids { atlas: &["AML.T0010.001"], owasp: &["LLM03:2025"] },
            related: &["AML.T0010", "AML.T0010.003"],
            nist: &["MEASURE 2.7"],
            cwe: &["CWE-506"],
            steps: &[
                "Isolate the machine, keep its process list and disks, and find what ran at the times named.",
                "Limit what training machines may talk to, and rotate the credentials they hold.",
            ],
        },
    }
}

/// The ATLAS id that says where it happened in the supply chain: `.002` for data, `.003` for a model.
pub fn supply_chain(is_data: bool) -> &'static str {
    if is_data { "AML.T0010.002" } else { "AML.T0010.003" }
}

/// An ATLAS technique.
#[derive(Debug, Clone, Copy)]
pub struct Technique {
    /// Its id.
    pub id: &'static str,
    /// Its full name.
    pub name: &'static str,
    /// Its tactics.
    pub tactics: &'static [&'static str],
}

const PERSIST: &[&str] = &["Persistence", "AI Attack Staging"];

/// The techniques that are mapped to.
pub const TECHNIQUES: [Technique; 17] = [
    technique("AML.T0010", "AI Supply Chain Compromise", &["Initial Access"]),
    technique("AML.T0010.001", "AI Supply Chain Compromise: AI Software", &["Initial Access"]),
    technique("AML.T0010.002", "AI Supply Chain Compromise: Data", &["Initial Access"]),
    technique("AML.T0010.003", "AI Supply Chain Compromise: Model", &["Initial Access"]),
    technique("AML.T0010.004", "AI Supply Chain Compromise: Container Registry", &["Initial Access"]),
    technique("AML.T0011.000", "User Execution: Unsafe AI Artifacts", &["Execution"]),
    technique("AML.T0018.000", "Manipulate AI Model: Poison AI Model", PERSIST),
    technique("AML.T0018.001", "Manipulate AI Model: Modify AI Model Architecture", PERSIST),
    technique("AML.T0018.002", "Manipulate AI Model: Embed Malware", PERSIST),
    technique("AML.T0019", "Publish Poisoned Datasets", &["Resource Development"]),
    technique("AML.T0020", "Poison Training Data", &["Resource Development", "Persistence"]),
    technique("AML.T0043.004", "Craft Adversarial Data: Insert Backdoor Trigger", &["AI Attack Staging"]),
    technique("AML.T0058", "Publish Poisoned Models", &["Resource Development"]),
    technique("AML.T0059", "Erode Dataset Integrity", &["Impact"]),
    technique("AML.T0074", "Masquerading", &["Defense Evasion"]),
    technique("AML.T0076", "Corrupt AI Model", &["Defense Evasion"]),
    technique("AML.T0109", "AI Supply Chain Rug Pull", &["Defense Evasion"]),
];

const fn technique(id: &'static str, name: &'static str, tactics: &'static [&'static str]) -> Technique {
    Technique { id, name, tactics }
}

/// An ATLAS mitigation.
#[derive(Debug, Clone, Copy)]
pub struct Mitigation {
    /// Its id.
    pub id: &'static str,
    /// Its name.
    pub name: &'static str,
    /// The techniques above that it addresses.
    pub addresses: &'static [&'static str],
}

/// The mitigations that ATLAS lists for the techniques above.
pub const MITIGATIONS: [Mitigation; 17] = [
    mitigation("AML.M0001", "Limit Model Artifact Release", &["AML.T0020"]),
    mitigation("AML.M0003", "Model Hardening", &["AML.T0043.004"]),
    mitigation(
        "AML.M0005",
        "Control Access to AI Models and Data at Rest",
        &["AML.T0010.002", "AML.T0010.003", "AML.T0018.000", "AML.T0018.001", "AML.T0020"],
    ),
    mitigation("AML.M0006", "Use Ensemble Methods", &["AML.T0010.001", "AML.T0010.003", "AML.T0043.004"]),
    mitigation(
        "AML.M0007",
        "Sanitize Training Data",
        &["AML.T0010.002", "AML.T0018.000", "AML.T0020", "AML.T0059"],
    ),
    mitigation(
        "AML.M0008",
        "Validate AI Model",
        &["AML.T0010.003", "AML.T0018.000", "AML.T0018.001", "AML.T0020", "AML.T0043.004"],
    ),
    mitigation("AML.M0010", "Input Restoration", &["AML.T0043.004"]),
    mitigation("AML.M0011", "Restrict Library Loading", &["AML.T0011.000"]),
    mitigation(
        "AML.M0013",
        "Code Signing",
        &[
            "AML.T0010.001",
            "AML.T0010.003",
            "AML.T0011.000",
            "AML.T0018.000",
            "AML.T0018.001",
            "AML.T0018.002",
        ],
    ),
    mitigation(
        "AML.M0014",
        "Verify AI Artifacts",
        &["AML.T0010", "AML.T0010.002", "AML.T0011.000", "AML.T0019"],
    ),
    mitigation("AML.M0015", "Adversarial Input Detection", &["AML.T0043.004"]),
    mitigation("AML.M0016", "Vulnerability Scanning", &["AML.T0011.000"]),
    mitigation("AML.M0017", "AI Model Distribution Methods", &["AML.T0010.003"]),
    mitigation("AML.M0018", "User Training", &["AML.T0011.000"]),
    mitigation("AML.M0020", "Generative AI Guardrails", &["AML.T0010"]),
    mitigation(
        "AML.M0023",
        "AI Bill of Materials",
        &["AML.T0010", "AML.T0011.000", "AML.T0019", "AML.T0020", "AML.T0058"],
    ),
    mitigation(
        "AML.M0025",
        "Maintain AI Dataset Provenance",
        &["AML.T0010.002", "AML.T0018.000", "AML.T0019", "AML.T0020", "AML.T0059"],
    ),
];

const fn mitigation(id: &'static str, name: &'static str, addresses: &'static [&'static str]) -> Mitigation {
    Mitigation { id, name, addresses }
}

/// An ATLAS case study.
#[derive(Debug, Clone, Copy)]
pub struct CaseStudy {
    /// Its id.
    pub id: &'static str,
    /// Its name.
    pub name: &'static str,
    /// "incident" or "exercise".
    pub kind: &'static str,
    /// The techniques above that were seen in it.
    pub techniques: &'static [&'static str],
}

/// The case studies of the release in which techniques above were seen (those about agents' tools are left out).
pub const CASE_STUDIES: [CaseStudy; 14] = [
    study("AML.CS0002", "VirusTotal Poisoning", "incident", &["AML.T0010.002", "AML.T0020"]),
    study("AML.CS0009", "Tay Poisoning", "incident", &["AML.T0010.002", "AML.T0020"]),
    study(
        "AML.CS0013",
        "Backdoor Attack on Deep Learning Models in Mobile Apps",
        "exercise",
        &["AML.T0010.003", "AML.T0018.001", "AML.T0043.004"],
    ),
    study("AML.CS0015", "Compromised PyTorch Dependency Chain", "incident", &["AML.T0010.001"]),
    study("AML.CS0018", "Arbitrary Code Execution with Google Colab", "exercise", &["AML.T0010.001"]),
    study("AML.CS0019", "PoisonGPT", "exercise", &["AML.T0010.003", "AML.T0018.000", "AML.T0058"]),
    study("AML.CS0022", "ChatGPT Package Hallucination", "exercise", &["AML.T0010.001"]),
    study("AML.CS0023", "ShadowRay", "incident", &["AML.T0010.003"]),
    study(
        "AML.CS0025",
        "Web-Scale Data Poisoning: Split-View Attack",
        "exercise",
        &["AML.T0019", "AML.T0020", "AML.T0059"],
    ),
    study(
        "AML.CS0027",
        "Organization Confusion on Hugging Face",
        "exercise",
        &["AML.T0010.003", "AML.T0018.000", "AML.T0018.002", "AML.T0058"],
    ),
    study(
        "AML.CS0028",
        "AI Model Tampering via Supply Chain Attack",
        "exercise",
        &["AML.T0010.004", "AML.T0018.000", "AML.T0018.001"],
    ),
    study(
        "AML.CS0031",
        "Malicious Models on Hugging Face",
        "incident",
        &["AML.T0010", "AML.T0018.002", "AML.T0058", "AML.T0076"],
    ),
    study(
        "AML.CS0041",
        "Rules File Backdoor: Supply Chain Attack on AI Coding Assistants",
        "exercise",
        &["AML.T0010.001"],
    ),
    study(
        "AML.CS0047",
        "Code to Deploy Destructive AI Agent Discovered in Amazon Q VS Code Extension",
        "incident",
        &["AML.T0010.001"],
    ),
];

const fn study(
    id: &'static str,
    name: &'static str,
    kind: &'static str,
    techniques: &'static [&'static str],
) -> CaseStudy {
    CaseStudy { id, name, kind, techniques }
}

/// Names outside ATLAS.
const NAMES: [(&str, &str); 17] = [
    ("LLM03:2025", "Supply Chain"),
    ("LLM04:2025", "Data and Model Poisoning"),
    ("ML02:2023", "Data Poisoning Attack"),
    ("ML06:2023", "ML Supply Chain Attacks"),
    ("ML10:2023", "Model Poisoning"),
    ("NISTAML.013", "Data Poisoning"),
    ("NISTAML.021", "Clean-label Backdoor"),
    ("NISTAML.023", "Backdoor Poisoning"),
    ("NISTAML.024", "Targeted Poisoning"),
    ("NISTAML.051", "Model Poisoning (supply chain)"),
    ("MEASURE 2.7", "AI system security and resilience are evaluated and documented"),
    ("CWE-345", "Insufficient Verification of Data Authenticity"),
    ("CWE-353", "Missing Support for Integrity Check"),
    ("CWE-494", "Download of Code Without Integrity Check"),
    ("CWE-502", "Deserialization of Untrusted Data"),
    ("CWE-506", "Embedded Malicious Code"),
    (
        "CWE-1039",
        "Inadequate Detection or Handling of Adversarial Input Perturbations in Automated Recognition Mechanism",
    ),
];

/// The name of an id of any catalogue here.
pub fn name(id: &str) -> Option<&'static str> {
    let technique = TECHNIQUES.iter().find(|t| t.id == id).map(|t| t.name);
    let mitigation = || MITIGATIONS.iter().find(|m| m.id == id).map(|m| m.name);
    technique.or_else(mitigation).or_else(|| NAMES.iter().find(|(i, _)| *i == id).map(|(_, n)| *n))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Concern; 9] = [
        Concern::Pipeline,
        Concern::TrainingCode,
        Concern::Substitution,
        Concern::Misuse,
        Concern::Backdoor,
        Concern::DataPoisoning,
        Concern::UnsafeFormat,
        Concern::Integrity,
        Concern::Malformed,
    ];

    #[test]
    fn every_id_that_is_mapped_to_has_a_name() {
        for concern in ALL {
            let m = map(concern);
            assert!(!m.ids.atlas.is_empty() && !m.ids.owasp.is_empty() && !m.steps.is_empty());
            for id in [m.ids.atlas, m.ids.owasp, m.related, m.nist, m.cwe].concat() {
                assert!(name(id).is_some(), "{id} of {concern:?} has no name");
            }
        }
        for id in MITIGATIONS.iter().flat_map(|m| m.addresses) {
            assert!(TECHNIQUES.iter().any(|t| t.id == *id), "{id} is addressed but not listed");
        }
    }

    #[test]
    fn extraction_is_not_mixed_up_with_poisoning() {
        assert!(ALL.iter().all(|c| !map(*c).ids.atlas.iter().any(|id| id.starts_with("AML.T0024"))));
        assert_eq!(ids(Concern::Backdoor).atlas, ["AML.T0018.000"]);
        assert_eq!(name("AML.T0020"), Some("Poison Training Data"));
    }

    /// Ids and names against the facts handed over with the project, when they are there.
    #[test]
    fn techniques_and_mitigations_agree_with_the_release() {
        let shared = std::env::var_os("LAOCOON_SHARED").map_or_else(
            || std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared"),
            std::path::PathBuf::from,
        );
        let Ok(text) = std::fs::read_to_string(shared.join("reference/taxonomy.json")) else {
            println!("skipped: no taxonomy.json below {}", shared.display());
            return;
        };
        let facts: serde_json::Value = serde_json::from_str(&text).unwrap();
        let listed = |kind: &str| facts["atlas"][kind].as_array().unwrap().clone();
        for t in TECHNIQUES {
            let fact = listed("techniques").into_iter().find(|f| f["id"] == t.id).unwrap();
            assert_eq!(fact["full_name"], t.name);
            let tactics: Vec<_> = fact["tactics"]
                .as_array()
                .unwrap()
                .iter()
                .map(|x| x["name"].as_str().unwrap().to_owned())
                .collect();
            assert_eq!(tactics, t.tactics, "{}", t.id);
        }
        for study in CASE_STUDIES {
            let fact = listed("case_studies").into_iter().find(|f| f["id"] == study.id).unwrap();
            assert_eq!((&fact["name"], &fact["type"]), (&study.name.into(), &study.kind.into()));
            let theirs: Vec<&str> =
                fact["techniques"].as_array().unwrap().iter().filter_map(serde_json::Value::as_str).collect();
            assert_eq!(theirs, study.techniques, "{}", study.id);
        }
        for m in MITIGATIONS {
            let fact = listed("mitigations").into_iter().find(|f| f["id"] == m.id).unwrap();
            assert_eq!(fact["name"], m.name);
            let theirs: Vec<_> = fact["addresses"]
                .as_array()
                .unwrap()
                .iter()
                .filter_map(|a| a.as_str().map(str::to_owned))
                .collect();
            for t in TECHNIQUES {
                assert_eq!(
                    theirs.iter().any(|a| a == t.id),
                    m.addresses.contains(&t.id),
                    "{} and {}",
                    m.id,
                    t.id
                );
            }
        }
    }
}
