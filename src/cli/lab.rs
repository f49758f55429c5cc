//! `laocoon lab …`: known cases for validation. For isolated, authorised use only.

use super::{Exit, say};
use crate::lab::{Progress, sample_cases};
use clap::Subcommand;
use std::ops::ControlFlow;
use std::path::PathBuf;

/// The lab's commands.
#[derive(Debug, Subcommand)]
pub enum LabCommand {
    /// Rebuilds the shipped sample cases from their seed, bit for bit.
    SampleCases {
        /// Folder to write them to; created if missing.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// Seed of the drawings, the training and the planting; the shipped cases have 0.
        #[arg(long, value_name = "N", default_value_t = 0)]
        seed: u64,
    },
}

/// Runs a lab command.
pub fn run(command: &LabCommand) -> anyhow::Result<Exit> {
    match command {
        LabCommand::SampleCases { out, seed } => {
            say("laboratory specimens: for validating detectors, in isolation, where you are authorised to");
            let mut told = ("", 0);
            let built = sample_cases::build(out, *seed, &mut |at: Progress| {
                let tenth = (at.what, (10 * at.done).checked_div(at.total).unwrap_or(0));
                if tenth != told {
                    told = tenth;
                    say(&format!("{}: {} of {} steps, loss {:.3}", at.what, at.done, at.total, at.loss));
                }
                ControlFlow::Continue(())
            })?;
            for case in built {
                say(&format!("{case}"));
            }
            Ok(Exit::Pass)
        }
    }
}
