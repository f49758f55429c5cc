//! Options of the gate, shared by `scan` and `report`: threshold, baseline, waivers.

use super::{SeverityArg, Usage, session_dir};
use crate::case::Session;
use crate::case::gate::{Baseline, Standing, Terms, waivers};
use crate::evidence::{Limits, intake};
use crate::procedure::Severity;
use crate::report::{Format, Ledger, Under};
use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use std::path::{Path, PathBuf};

/// What a gate is held against.
#[derive(Debug, Args)]
pub struct GateOptions {
    /// Fail on a finding of this severity or above.
    #[arg(long, value_enum, default_value_t = SeverityArg::Medium, value_name = "SEVERITY")]
    fail_on: SeverityArg,
    /// Something that did not finish is no reason to fail.
    #[arg(long)]
    allow_incomplete: bool,
    /// Findings known from an earlier scan (its JSON or SARIF, or its session) neither fail nor are listed as new.
    #[arg(long, value_name = "FILE|SESSION")]
    baseline: Option<PathBuf>,
    /// Findings accepted for a while: TOML with fingerprint, reason and expiry of each.
    #[arg(long, value_name = "FILE")]
    waivers: Option<PathBuf>,
    /// Folder that the paths in SARIF are relative to, such as the root of a repository.
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
}

impl GateOptions {
    /// The terms, their files read. Anything wrong with them is wrong usage.
    pub fn under(&self) -> anyhow::Result<Under> {
        let text = |path: &Path| {
            intake::read_text(path, Limits::in_force())
                .map(|(_, text)| text)
                .map_err(|e| Usage(e.to_string()))
        };
        let because = |path: &Path, why: &dyn std::fmt::Display| Usage(format!("{}: {why}", path.display()));
        let baseline = match &self.baseline {
            Some(path) if path.is_dir() || crate::case::bundle::is_bundle(path) => {
                let located = session_dir::located(path)?;
                let session = Session::open(located.path()).map_err(|e| Usage(e.to_string()))?;
                Some(Baseline::of_state(&session.state()))
            }
            Some(path) => Some(Baseline::parse(&text(path)?).map_err(|e| because(path, &e))?),
            None => None,
        };
        let waivers = match &self.waivers {
            Some(path) => waivers(&text(path)?).map_err(|e| because(path, &e))?,
            None => Vec::new(),
        };
        let root = match &self.root {
            Some(path) => Some(std::fs::canonicalize(path).map_err(|e| because(path, &e))?),
            None => None,
        };
        Ok(Under {
            terms: Terms {
                fail_on: Severity::from(self.fail_on),
                allow_incomplete: self.allow_incomplete,
                baseline,
                waivers,
            },
            root,
        })
    }
}

/// A line for the journal about every waiver that holds: an exception is part of the record.
pub fn applied(ledger: &Ledger) -> Vec<String> {
    let waived = ledger.findings.iter().filter_map(|f| match &f.standing {
        Standing::Waived(w) => Some((f, w)),
        Standing::New | Standing::Known => None,
    });
    waived
        .map(|(f, w)| {
            let by = w.approved_by.as_ref().map_or_else(String::new, |who| format!(", approved by {who}"));
            format!("{} waived until {}{by}: {} (fingerprint {})", f.id, w.expires, w.reason, f.fingerprint)
        })
        .collect()
}

/// Reads `--format`: every format there is.
pub fn formats() -> impl TypedValueParser<Value = Format> {
    let named = |f: Format| PossibleValue::new(f.name()).help(f.about());
    PossibleValuesParser::new(Format::ALL.map(named))
        .try_map(|name| Format::named(&name).ok_or_else(|| format!("no format '{name}'")))
}
