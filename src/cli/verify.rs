//! `laocoon verify`: whether a session is what it was: chain, blobs, and the evidence it was made from.

use super::bounds::Bounds;
use super::{Exit, Usage, print, say, session_dir};
use crate::case::seal::SIGNATURE;
use crate::case::verify::{self, Check, Checked};
use crate::case::{Session, gate};
use crate::evidence::Limits;
use crate::evidence::text::visible;
use crate::investigation::{Rerun, Same, rerun};
use clap::Args;
use std::fmt::Write;
use std::path::PathBuf;

/// `laocoon verify SESSION`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The session: a folder or a bundle.
    session: PathBuf,
    /// Where the case's folder lies now, if not where it lay.
    #[arg(long, value_name = "DIR")]
    evidence: Option<PathBuf>,
    /// Run every finished procedure again and compare.
    #[arg(long)]
    rerun: bool,
    /// Computing threads of --rerun; results do not depend on it [default: all cores].
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    threads: usize,
    /// Compare the head of the chain with a hash kept elsewhere (a report, a ticket).
    #[arg(long, value_name = "SHA256")]
    head: Option<String>,
    /// Check the signature of the seal with this minisign public key.
    #[arg(long, value_name = "FILE")]
    public_key: Option<PathBuf>,
    #[command(flatten)]
    pub bounds: Bounds,
}

/// Verifies a session.
pub fn run(args: &VerifyArgs) -> anyhow::Result<Exit> {
    let located = session_dir::located(&args.session)?;
    let session = located.path();
    let mut found =
        verify::verify_by(session, args.public_key.as_deref()).map_err(|error| Usage(error.to_string()))?;
    if let Some(head) = &args.head {
        let check = if head.eq_ignore_ascii_case(&found.head) {
            Check::Good
        } else {
            Check::Differs(format!("the journal ends in {}, not in {head}", found.head))
        };
        found.checks.push(Checked { what: "head".into(), check });
    }
    let limits = Limits::in_force();
    let state = Session::open(session)?.state();
    found.checks.extend(verify::evidence(&state, args.evidence.as_deref(), limits));
    let mut out = String::new();
    for Checked { what, check } in &found.checks {
        match check {
            Check::Good => writeln!(out, "identical  {what}")?,
            Check::Differs(how) => writeln!(out, "different  {what}: {how}")?,
            Check::Cannot(why) => writeln!(out, "cannot     {what}: {why}")?,
        }
    }
    print(&out)?;
    let mut exit = found.exit_code();
    if args.rerun {
        let evidence = args.evidence.as_deref();
        let mut told = |again: &Rerun| say(&line(again));
        let all = rerun(session, evidence, args.threads, limits, args.bounds.budget(), &mut told)?;
        print(&all.iter().map(|again| line(again) + "\n").collect::<String>())?;
        exit = worse(exit, &all);
    }
    let mut end = format!("head       {} after {} records\n", found.head, found.records);
    if args.head.is_none() {
        end += "note       a cut or wholly rewritten journal shows only against a head kept elsewhere: --head HASH\n";
    }
    if args.public_key.is_none() && session.join(SIGNATURE).exists() {
        end += "note       the seal is signed; --public-key FILE checks by whom\n";
    }
    print(&end)?;
    Ok(Exit::of(exit))
}

fn line(again: &Rerun) -> String {
    let how = match &again.same {
        Same::Identical => String::new(),
        Same::WithinTolerance(how) | Same::Different(how) | Same::Cannot(how) => format!(": {how}"),
    };
    visible(&format!("{:<10} {}{how}", again.same.name(), again.procedure))
}

/// What differs outweighs what could not be checked.
fn worse(exit: u8, all: &[Rerun]) -> u8 {
    let any = |f: fn(&Same) -> bool| all.iter().any(|again| f(&again.same));
    if exit == gate::FINDINGS || any(|same| matches!(same, Same::Different(_))) {
        gate::FINDINGS
    } else if any(|same| matches!(same, Same::Cannot(_))) {
        gate::INCOMPLETE
    } else {
        exit
    }
}
