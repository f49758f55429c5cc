//! Every procedure with its raw numbers: flagged, negative, skipped, failed, stopped and never run alike.

use super::super::model::{Block, Section, Table};
use super::{Builder, cell, standing};
use crate::case::{ProcedureState, Status};
use crate::figure::label::number;
use crate::figure::rows;
use crate::procedure::{Phase, Record};

impl Builder<'_> {
    /// The table of all procedures and a part for each that ended with a result.
    pub(super) fn results(&mut self) -> Section {
        let mut s = Section::new("results", "Results, procedure by procedure");
        let mut table = Table::new(
            "Every procedure of this program, negative results included",
            &["Phase", "Procedure", "Status", "Verdict", "#Statistic", "#Threshold", "#Seconds", "Why"],
        );
        for (phase, id) in self.all() {
            table.rows.push(self.line(phase, &id));
        }
        s.table(table, "No procedure is known.");
        let mut finished: Vec<_> =
            self.finished().map(|(p, r)| (self.phase(p), p.clone(), r.clone())).collect();
        finished.sort_by_key(|(phase, ..)| phase.map_or(Phase::ALL.len(), |p| p as usize));
        for (_, p, record) in &finished {
            self.one(&mut s, p, record);
        }
        s
    }

    /// Everything this program knows or the journal names, by phase.
    fn all(&self) -> Vec<(Option<Phase>, String)> {
        let mut ids: Vec<String> = self.state.planned.iter().map(|p| p.id.clone()).collect();
        let others =
            self.state.procedures.iter().map(|p| p.id.as_str()).chain(self.known.iter().map(|a| a.id));
        for id in others {
            if !ids.iter().any(|i| i == id) {
                ids.push(id.to_owned());
            }
        }
        let phase = |id: &str| {
            let planned = self.state.planned.iter().find(|p| p.id == id).map(|p| p.phase);
            planned
                .or_else(|| self.state.procedure(id).and_then(|p| p.phase))
                .or_else(|| self.about(id).map(|a| a.phase))
        };
        let mut all: Vec<_> = ids.into_iter().map(|id| (phase(&id), id)).collect();
        all.sort_by_key(|(p, _)| p.map_or(Phase::ALL.len(), |p| p as usize));
        all
    }

    fn line(&self, phase: Option<Phase>, id: &str) -> Vec<String> {
        let phase = phase.map_or("unknown", Phase::name).to_owned();
        let dash = || "-".to_owned();
        let Some(p) = self.state.procedure(id) else {
            let planned = self.state.planned.iter().any(|p| p.id == id);
            let why = if planned {
                "planned, never run"
            } else if self.state.only.is_empty() && self.state.phases.is_empty() {
                "not asked for"
            } else {
                "left out by the restriction of this session"
            };
            return vec![
                phase,
                id.to_owned(),
                "never run".to_owned(),
                dash(),
                dash(),
                dash(),
                dash(),
                why.to_owned(),
            ];
        };
        let (status, why) = standing(&p.status);
        let mut row = vec![phase, id.to_owned(), status.to_owned()];
        let (end, why) = match self.state.superseded.get(id) {
            Some(earlier) => {
                (&earlier.status, format!("run again: {why}; the numbers are of the earlier run"))
            }
            None => (&p.status, if why.is_empty() { dash() } else { why }),
        };
        if let Status::Finished { record, seconds } = end {
            row.extend([record.verdict.name().to_owned(), cell(&record.statistic), cell(&record.threshold)]);
            row.extend([number((*seconds * 100.0).round() / 100.0), why]);
        } else {
            row.extend([dash(), dash(), dash(), dash(), why]);
        }
        row
    }

    fn one(&mut self, s: &mut Section, p: &ProcedureState, record: &Record) {
        s.heading(self.name(&p.id));
        s.say(record.summary.clone());
        let mut facts = vec![("Verdict".to_owned(), record.verdict.name().to_owned())];
        if !record.statistic.is_null() || !record.threshold.is_null() {
            facts.push(("Statistic".to_owned(), cell(&record.statistic)));
            facts.push(("Threshold".to_owned(), cell(&record.threshold)));
        }
        if !record.threshold_origin.is_empty() {
            facts.push(("Threshold from".to_owned(), record.threshold_origin.clone()));
        }
        facts.push(("Limits".to_owned(), record.limits.clone()));
        if let Some(about) = self.about(&p.id) {
            facts.push(("Question".to_owned(), about.question.to_owned()));
            facts.push(("Method".to_owned(), format!("{} (version {} ran)", about.reference, p.version)));
        }
        if p.params.as_object().is_some_and(|o| !o.is_empty()) {
            facts.push(("Parameters".to_owned(), p.params.to_string()));
        }
        s.blocks.push(Block::Facts(facts));
        let mut table = Table::new(format!("Measures of {}", p.id), &["Measure", "Value"]);
        for (name, value) in &record.measures {
            table.row([name.clone(), cell(value)]);
        }
        if !table.rows.is_empty() {
            s.blocks.push(Block::Table(table));
        }
        for (name, hash) in &record.figures {
            match self.plate(&p.id, name, hash) {
                Ok(plate) => s.blocks.push(Block::Figure(Box::new(plate))),
                Err(number) => s.say(format!("Figure {number}, above, belongs here.")),
            }
        }
        let blobs: Vec<_> =
            record.blobs.iter().map(|(name, hash)| format!("{name}: blobs/{hash}.safetensors")).collect();
        s.list(blobs);
    }

    /// The numbers behind every figure.
    pub(super) fn numbers(&self) -> Section {
        /// Longer tables are cut for reading; the blob named with the figure has every number.
        const MOST: usize = 60;
        let mut s = Section::new("numbers", "Numbers behind the figures");
        if self.plates.is_empty() {
            s.say("No figure was made.");
        }
        for plate in &self.plates {
            match &plate.figure {
                Ok(figure) => {
                    let rows = rows::rows(figure, MOST);
                    let note = if rows.note.is_empty() { String::new() } else { format!(" ({})", rows.note) };
                    let caption = format!("Figure {}: {}{note}", plate.number, figure.title);
                    s.table(
                        Table { caption, columns: rows.columns, rows: rows.rows },
                        &format!("Figure {} holds no numbers.", plate.number),
                    );
                }
                Err(why) => s.say(format!("Figure {}: not available: {why}", plate.number)),
            }
        }
        s
    }
}
