//! `laocoon lab …`: known cases for validation. For isolated, authorised use only.

use super::{Exit, say, stderr_is_screen};
use clap::Subcommand;
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
            let screen = stderr_is_screen();
            let mut last = String::new();
            crate::lab::sample_cases::build(out, *seed, &mut |line| {
                if screen || line != last {
                    line.clone_into(&mut last);
                    say(line);
                }
            })?;
            Ok(Exit::Pass)
        }
    }
}
