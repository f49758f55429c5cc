//! `laocoon verify`: whether a session is what it was: chain, blobs, and the evidence it was made from.

use super::{Exit, Usage, print};
use crate::case::Session;
use crate::case::verify::{self, Check, Checked};
use crate::evidence::{CaseFile, Item, Limits, intake};
use clap::Args;
use std::fmt::Write;
use std::path::PathBuf;

/// `laocoon verify SESSION`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The session folder.
    session: PathBuf,
    /// Hash the evidence again, looked for in this folder under the paths of the case file.
    #[arg(long, value_name = "DIR")]
    evidence: Option<PathBuf>,
    /// Compare the head of the chain with a hash kept elsewhere (a report, a ticket).
    #[arg(long, value_name = "SHA256")]
    head: Option<String>,
}

/// Verifies a session.
pub fn run(args: &VerifyArgs) -> anyhow::Result<Exit> {
    let mut found = verify::verify(&args.session).map_err(|error| Usage(error.to_string()))?;
    if let Some(head) = &args.head {
        let check = if head.eq_ignore_ascii_case(&found.head) {
            Check::Good
        } else {
            Check::Differs(format!("the journal ends in {}, not in {head}", found.head))
        };
        found.checks.push(Checked { what: "head".into(), check });
    }
    if let Some(folder) = &args.evidence {
        let state = Session::open(&args.session)?.state();
        if let Some(case) = &state.case {
            let case = CaseFile { root: folder.clone(), ..case.clone() };
            found.checks.extend(verify::evidence(&state, |item| digest(&case, item)));
        }
    }
    let mut out = String::new();
    for Checked { what, check } in &found.checks {
        match check {
            Check::Good => writeln!(out, "identical  {what}")?,
            Check::Differs(how) => writeln!(out, "different  {what}: {how}")?,
            Check::Cannot(why) => writeln!(out, "cannot     {what}: {why}")?,
        }
    }
    writeln!(out, "head       {} after {} records", found.head, found.records)?;
    if args.head.is_none() {
        writeln!(out, "note       a cut or wholly rewritten journal shows only against a head kept elsewhere: --head")?;
    }
    print(&out)?;
    Ok(Exit::of(found.exit_code()))
}

/// The item's digest as it is now.
fn digest(case: &CaseFile, item: &Item) -> Result<String, String> {
    let path = case.locate(item.path.raw().as_ref()).map_err(|error| error.to_string())?;
    let digest = if path.is_dir() {
        intake::digest_folder(&path, &Limits::default(), &intake::quiet).map(|folder| folder.sha256)
    } else {
        intake::digest_file(&path, &intake::quiet).map(|(sha256, _)| sha256)
    };
    digest.map_err(|error| error.to_string())
}
