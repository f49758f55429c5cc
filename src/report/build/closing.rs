//! Impact, attribution, what to do, what was not seen, how to repeat it, custody, words.

use super::super::model::{Block, Section, Table};
use super::{Builder, cell, standing};
use crate::figure::label::number;
use crate::procedure::{Phase, Record, Verdict, taxonomy};
use serde_json::Value;

const GLOSSARY: [(&str, &str); 12] = [
    ("Anomaly index", "distance from the median, in units of the scaled median absolute deviation (MAD)"),
    ("ATLAS", "MITRE's catalogue of attack techniques against AI systems; ids start with AML"),
    ("Backdoor", "a hidden behaviour that a trigger switches on; without it the model works as expected"),
    ("Baseline", "how often the model says the target class when nothing was changed"),
    (
        "Confidence",
        "how sure a procedure is: low = a lead, medium = more likely than not, high = would stand alone",
    ),
    (
        "Control",
        "the same test with a random change of equal size, to show that the trigger and not the change did it",
    ),
    ("Inconclusive", "too close to the threshold, too few samples, or contradictory"),
    (
        "Nothing found",
        "the statistic stayed below its threshold within the limits stated; never the same as clean",
    ),
    ("Poisoned sample", "a training sample that was planted or altered to teach the model something"),
    ("Severity", "how bad it would be if true, whatever the confidence"),
    ("Target class", "the class the model says when it sees the trigger"),
    ("Trigger", "what an attacker adds to an input to switch the backdoor on"),
];

impl Builder<'_> {
    fn of_phase(&self, phase: Phase) -> Vec<(String, &Record)> {
        self.finished()
            .filter(|(p, _)| self.phase(p) == Some(phase))
            .map(|(p, r)| (p.id.clone(), r))
            .collect()
    }

    /// What harm was measured.
    pub(super) fn impact(&self) -> Section {
        let mut s = Section::new("impact", "Impact");
        let records = self.of_phase(Phase::Impact);
        if records.is_empty() {
            s.say("Not determined: no impact procedure has finished. How often a trigger would work is not known.");
        }
        for (id, record) in records {
            s.say(format!("{}: {}", self.name(&id), record.summary));
            let mut facts = Vec::new();
            let rate = |name: &str| record.measures.get(name).and_then(Value::as_f64).map(percent);
            if let Some(success) = rate("success_rate") {
                let between = record.measures.get("interval").and_then(Value::as_array).and_then(|i| {
                    Some(format!(
                        " (95 % interval {} to {})",
                        percent(i.first()?.as_f64()?),
                        percent(i.get(1)?.as_f64()?)
                    ))
                });
                facts.push((
                    "Success of the trigger".to_owned(),
                    format!("{success}{}", between.unwrap_or_default()),
                ));
            }
            facts.extend(rate("baseline").map(|v| ("Without any change".to_owned(), v)));
            facts.extend(rate("control_success_rate").map(|v| ("Random change of equal size".to_owned(), v)));
            if !facts.is_empty() {
                s.blocks.push(Block::Facts(facts));
            }
        }
        s
    }

    /// Techniques and tools: hypotheses.
    pub(super) fn attribution(&self) -> Section {
        let mut s = Section::new("attribution", "Attribution: hypotheses");
        s.say(
            "Nothing here names an author. Techniques are read off the findings by a fixed table; tools are compared by \
             their published defaults, which anybody can use.",
        );
        let mut table = Table::new(
            "Findings in the words of public catalogues",
            &["Findings", "Catalogue", "Ids and names"],
        );
        let mut concerns: Vec<_> = self.state.findings.iter().map(|f| f.finding.concern).collect();
        concerns.sort_unstable();
        concerns.dedup();
        for concern in concerns {
            let of = || self.state.findings.iter().filter(|f| f.finding.concern == concern);
            let numbers = of().map(|f| f.id.as_str()).collect::<Vec<_>>().join(", ");
            let map = taxonomy::map(concern);
            let groups: [(&str, Vec<&str>); 4] = [
                ("MITRE ATLAS", of().flat_map(|f| &f.finding.atlas).map(String::as_str).collect()),
                ("OWASP", of().flat_map(|f| &f.finding.owasp).map(String::as_str).collect()),
                ("NIST", map.nist.to_vec()),
                ("CWE (nearest)", map.cwe.to_vec()),
            ];
            for (catalogue, mut ids) in groups {
                ids.sort_unstable();
                ids.dedup();
                let named = ids.iter().map(|id| format!("{id} {}", taxonomy::name(id).unwrap_or_default()));
                table.row([numbers.clone(), catalogue.to_owned(), named.collect::<Vec<_>>().join("; ")]);
            }
        }
        s.table(table, "There is no finding to map.");
        let releases: Vec<_> =
            taxonomy::RELEASES.iter().map(|(name, release)| format!("{name} {release}")).collect();
        s.say(format!("Releases: {}.", releases.join("; ")));
        s.heading("Tools");
        match self.state.record("toolkit-match") {
            Some(record) => {
                s.say(record.summary.clone());
                s.table(candidates(record), "No candidate was compared.");
            }
            None => s.say("Not determined: no comparison with tools has finished."),
        }
        s
    }

    /// What to do now.
    pub(super) fn actions(&self) -> Section {
        let mut s = Section::new("actions", "Containment and remediation");
        let mut steps = Vec::new();
        match self.assessment.verdict {
            Verdict::Flagged => {
                steps.push("Take the model out of service, or do not deploy it, until the findings are resolved.".to_owned());
                steps.push("Keep the evidence read-only, with the hashes of the register; work on copies.".to_owned());
            }
            Verdict::Inconclusive => steps.push(
                "Do not deploy on this examination: close the open points, or give it more data or more effort.".to_owned(),
            ),
            Verdict::NothingFound => steps.push(
                "Nothing found is no release by itself: weigh the limits below against where the model came from.".to_owned(),
            ),
        }
        let mut concerns: Vec<_> = self.state.findings.iter().map(|f| f.finding.concern).collect();
        concerns.sort_unstable();
        concerns.dedup();
        for concern in &concerns {
            steps.extend(taxonomy::map(*concern).steps.iter().map(ToString::to_string));
        }
        s.list(steps);
        let mut ids: Vec<_> = self.state.findings.iter().flat_map(|f| &f.finding.atlas).collect();
        ids.sort_unstable();
        ids.dedup();
        let mut table = Table::new(
            "Mitigations that ATLAS lists for the techniques found",
            &["Id", "Mitigation", "Addresses"],
        );
        for m in taxonomy::MITIGATIONS {
            let hit: Vec<_> =
                ids.iter().filter(|id| m.addresses.contains(&id.as_str())).map(|id| id.as_str()).collect();
            if !hit.is_empty() {
                table.row([m.id.to_owned(), m.name.to_owned(), hit.join(", ")]);
            }
        }
        if !table.rows.is_empty() {
            s.blocks.push(Block::Table(table));
        }
        s
    }

    /// What was not and could not be seen.
    pub(super) fn limits(&self) -> Section {
        let mut s = Section::new("limits", "Limits and what was not examined");
        let mut open = Vec::new();
        for section in self.state.case.iter().flat_map(|c| &c.unexamined) {
            open.push(format!(
                "The case file's section '{section}' was read but is not examined by this version."
            ));
        }
        for p in &self.state.procedures {
            let (word, why) = standing(&p.status);
            if word != "finished" {
                open.push(format!("{} ({word}): {why}", self.name(&p.id)));
            }
        }
        for p in self.state.planned.iter().filter(|p| self.state.procedure(&p.id).is_none()) {
            open.push(format!("{} was planned and never run.", self.name(&p.id)));
        }
        if self.assessment.model_score.is_none() {
            open.push(
                "No calibrated probability for the model: thresholds are those of each procedure.".to_owned(),
            );
        }
        if self.assessment.data_score.is_none() {
            open.push("No calibrated probability for the training data.".to_owned());
        }
        s.list(open);
        self.rates(&mut s);
        s.heading("What each finished procedure could not have seen");
        s.list(self.finished().map(|(p, r)| format!("{}: {}", self.name(&p.id), r.limits)).collect());
        s
    }

    /// How it was done and how to do it again.
    pub(super) fn method(&self) -> Section {
        let mut s = Section::new("method", "Method and reproduction");
        let state = self.state;
        let list = |ids: &[String]| if ids.is_empty() { "none".to_owned() } else { ids.join(", ") };
        let mut facts = vec![
            ("Program".to_owned(), format!("laocoon {}", state.tool)),
            ("Build".to_owned(), state.build.clone()),
            ("Seed".to_owned(), state.seed.to_string()),
            ("Effort".to_owned(), state.effort.name().to_owned()),
            ("Only these procedures".to_owned(), list(&state.only)),
            ("Only these phases".to_owned(), list(&state.phases)),
        ];
        for (id, params) in &state.overrides {
            facts.push((format!("Parameters set for {id}"), params.to_string()));
        }
        s.blocks.push(Block::Facts(facts));
        s.say(
            "Times are the wall clock of the machine that did the work; nothing computed depends on them. Every random draw \
             is a function of the seed, the procedure and a label, so the same evidence gives the same results. The evidence \
             was parsed, never executed.",
        );
        s.say(
            "The same investigation again (its last line is the digest to expect), and the check of this session against the \
             evidence:",
        );
        s.blocks.push(Block::Code(vec![
            format!("{} --format json | grep results_sha256", self.ledger.command),
            "laocoon verify SESSION --rerun".to_owned(),
        ]));
        s.blocks.push(Block::Facts(vec![
            ("Expected results".to_owned(), self.ledger.results.clone()),
            ("Journal head".to_owned(), self.ledger.head.clone()),
        ]));
        s.say(
            "The digest is taken over what every finished procedure found (verdict, statistic, findings, measures, hashes of \
             arrays and figures) and over no time: the same evidence, version, seed and effort give the same digest on the same \
             kind of machine.",
        );
        s
    }

    /// What happened when, for a reader who wants the story and not every step.
    pub(super) fn timeline(&self) -> Section {
        let mut s = Section::new("timeline", "Timeline");
        let mut table = Table::new("What matters, times in UTC", &["Time", "What", "Says"]);
        let deployment = self.state.case.as_ref().and_then(|c| c.deployment.as_deref());
        let seen = |at: &Option<String>, what: &str| {
            at.as_ref().map(|at| [at.clone(), what.to_owned(), "the case file".to_owned()])
        };
        let used = deployment
            .into_iter()
            .flat_map(|d| [seen(&d.first_seen, "first seen in use"), seen(&d.last_seen, "last seen in use")]);
        used.flatten().for_each(|row| table.row(row));
        let flagged = |what: &str| {
            self.ledger.findings.iter().any(|f| what.starts_with(&format!("{} finished", f.procedure)))
        };
        for m in &self.state.timeline {
            let told = match m.kind.as_str() {
                "evidence_checked" | "planned" | "requested" | "job_queued" | "job_started"
                | "job_skipped" => false,
                "job_ended" => flagged(&m.what),
                _ => true,
            };
            if told {
                table.row([m.time.clone(), m.what.clone(), format!("journal, event {}", m.n)]);
            }
        }
        s.table(table, "The journal is empty.");
        s
    }

    /// Every event, chained.
    pub(super) fn custody(&self) -> Section {
        let mut s = Section::new("custody", "Custody log");
        s.say(format!(
            "{} journal events, each holding the hash of the one before. Hash of the last (the head, at the foot of every \
             printed page): {}. Whoever keeps this hash elsewhere can prove later that nothing in the journal was changed or cut.",
            self.state.events, self.state.head
        ));
        let mut table = Table::new("Events, times in UTC", &["#No.", "Time", "Who", "What", "Hash"]);
        for m in &self.state.timeline {
            table.row([m.n.to_string(), m.time.clone(), m.who.clone(), m.what.clone(), m.hash.clone()]);
        }
        s.table(table, "The journal is empty.");
        if !self.state.notes.is_empty() {
            s.heading("Notes of the analyst");
            s.list(self.state.notes.iter().map(|(time, text)| format!("{time}: {text}")).collect());
        }
        let judged = |e: &&crate::case::work::Entry| !matches!(e.work, crate::case::work::Work::Note(_));
        let judged: Vec<String> =
            self.state.work.standing().filter(judged).map(|e| format!("{}: {}", e.time, e.line())).collect();
        if !judged.is_empty() {
            s.heading("Verdicts and tags of the analyst");
            s.list(judged);
        }
        s
    }

    /// The words used.
    pub(super) fn glossary() -> Section {
        let mut s = Section::new("glossary", "Words used");
        s.blocks
            .push(Block::Facts(GLOSSARY.iter().map(|(w, m)| ((*w).to_owned(), (*m).to_owned())).collect()));
        s
    }
}

/// The compared tools, best first, with what speaks for and against each.
fn candidates(record: &Record) -> Table {
    let mut table = Table::new(
        "Tools compared; shares are relative to this list and its assumed base rates",
        &["Consistent with", "#Share", "For", "Against"],
    );
    let listed = record.measures.get("candidates").and_then(Value::as_array);
    for c in listed.into_iter().flatten().take(8) {
        let text = |name: &str| c.get(name).map(cell).unwrap_or_default();
        let all = |name: &str| {
            let lines = c.get(name).and_then(Value::as_array).into_iter().flatten();
            let joined = lines.map(cell).collect::<Vec<_>>().join("; ");
            if joined.is_empty() { "-".to_owned() } else { joined }
        };
        let share = c.get("score").and_then(Value::as_f64).map_or_else(|| "-".to_owned(), number);
        let name = format!("{} {}", text("toolkit"), text("attack"));
        table.row([name.trim().to_owned(), share, all("for"), all("against")]);
    }
    table
}

fn percent(x: f64) -> String {
    format!("{:.1} %", 100.0 * x)
}
