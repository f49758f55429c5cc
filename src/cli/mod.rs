//! Arguments, and one file per command.
//!
//! Results go to stdout, progress and errors to stderr. Exit codes are the contract's: see [`Exit`].

mod bounds;
mod bundle;
mod diff;
mod explain;
mod gate;
mod inspect;
mod lab;
mod open;
mod progress;
mod replay;
mod report;
mod run;
mod scan;
mod seal;
mod session_dir;
mod target;
mod verify;

use crate::procedure::{Effort, Phase, Severity};
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

/// What a command's end means to a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Nothing at or above the threshold, and everything planned finished.
    Pass = 0,
    /// Findings at or above the threshold (`verify`: something differs).
    Found = 1,
    /// Wrong usage.
    Usage = 2,
    /// Evidence refused or unreadable, or a procedure failed or was stopped.
    Incomplete = 3,
    /// A bug: a panic was caught; the session is kept.
    Bug = 70,
    /// Ended by SIGINT, SIGTERM or SIGHUP; everything done so far is kept.
    Signal = 130,
}

impl Exit {
    /// From a code of [`crate::case::gate`].
    fn of(code: u8) -> Self {
        match code {
            0 => Exit::Pass,
            1 => Exit::Found,
            2 => Exit::Usage,
            3 => Exit::Incomplete,
            _ => Exit::Bug,
        }
    }

    /// How the workbench was left.
    fn left(exit: crate::tui::Exit) -> Self {
        match exit {
            crate::tui::Exit::Left => Exit::Pass,
            crate::tui::Exit::Signal(_) => Exit::Signal,
        }
    }
}

/// An error of the caller's making: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Usage(pub String);

/// A forensics workbench for suspect machine-learning models.
#[derive(Debug, Parser)]
#[command(name = "laocoon", version, about, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    open: open::OpenArgs,
    /// A cap on what readers of foreign bytes may use, such as `file_bytes=16G`; `explain limits` lists them. Repeatable.
    #[arg(long, global = true, value_name = "NAME=VALUE")]
    limit: Vec<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The workbench: a case folder, case.toml, model file, data set or session folder.
    Open(open::OpenArgs),
    /// The same investigation without a screen: the CI gate and the batch job.
    Scan(scan::ScanArgs),
    /// Triage of files or folders: hash, format, what they would do when loaded. Needs no case; nothing is run.
    Inspect(inspect::InspectArgs),
    /// Runs a network over images and writes its logits and activations.
    Run(run::RunArgs),
    /// Steps through a saved session, read-only; needs no model file.
    Replay(replay::ReplayArgs),
    /// Checks a session: chain, blobs, evidence.
    Verify(verify::VerifyArgs),
    /// Two sessions side by side: verdicts, measures, findings, figures.
    Diff(diff::DiffArgs),
    /// Closes a session with its head hash, signed and time-stamped if wanted.
    Seal(seal::SealArgs),
    /// Writes a session as one portable file, redacted if wanted.
    Bundle(bundle::BundleArgs),
    /// Writes the report of a session.
    Report(report::ReportArgs),
    /// Makes known cases for validation. For isolated, authorised use only.
    #[command(subcommand)]
    Lab(lab::LabCommand),
    /// A procedure's page: what it looks at, assumes, when it is wrong, what it costs.
    Explain(explain::ExplainArgs),
    /// All procedures with what they need and cost.
    List,
    /// Paths, terminal and build facts; with a case, which procedures can run on it and why others cannot.
    Info(explain::InfoArgs),
    /// The configuration with every setting at its default, explained: a file to start from.
    Config,
    /// Shell completions.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// The manual page, as roff.
    Man,
}

/// Options that shape an investigation, shared by `open` and `scan`.
#[derive(Debug, Clone, Default, Args)]
pub struct CaseOptions {
    /// Data to use: PATH (clean images), or training=PATH, clean=PATH, test=PATH, suspect=PATH. Repeatable.
    #[arg(long, value_name = "PATH")]
    pub data: Vec<String>,
    /// Only these procedures, and those whose outcome they read.
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Only these phases.
    #[arg(long, value_name = "PHASE", value_delimiter = ',')]
    pub phase: Vec<PhaseArg>,
    /// Amount of work, in steps and not in seconds, so that a run repeats [default: standard].
    #[arg(long, value_name = "EFFORT")]
    pub effort: Option<EffortArg>,
    /// Seed of every random draw [default: 0].
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Computing threads; results do not depend on it [default: all cores].
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub threads: usize,
    /// End a procedure, and not the program, once the program holds so much memory: 6G, or none [default: 75 % of it].
    #[arg(long, value_name = "SIZE", value_parser = bounds::size)]
    pub max_memory: Option<bounds::Size>,
    /// End a procedure, and not the program, that runs longer than this: 90s, 10m, 1h30m.
    #[arg(long, value_name = "DURATION", value_parser = bounds::duration)]
    pub deadline: Option<std::time::Duration>,
    /// Session folder: created, or continued when it exists.
    #[arg(long, value_name = "DIR")]
    pub session: Option<PathBuf>,
    /// Who works, for the record [default: `LAOCOON_ANALYST`, else the user's name].
    #[arg(long, value_name = "NAME")]
    pub analyst: Option<String>,
    /// Architecture of bare weights: a built-in name, or a network description file (JSON).
    #[arg(long, value_name = "NAME|FILE")]
    pub architecture: Option<String>,
    /// Analyse the network of a file that triage flags or rejects too. It is read as data; nothing of it is run.
    #[arg(long)]
    pub analyse_flagged: bool,
    /// Read weights that an ONNX file keeps in files beside it (in its own folder, no links).
    #[arg(long)]
    pub external_data: bool,
    /// A parameter of a procedure, such as trigger-probe.patch="size=3 at=bottom-right"; `explain ID` names them. Repeatable.
    #[arg(long, value_name = "ID.NAME=VALUE", value_parser = setting)]
    pub set: Vec<Setting>,
}

/// A parameter of a procedure: its id, the name, and the value (JSON, else a text).
pub type Setting = (String, String, serde_json::Value);

/// Reads `ID.NAME=VALUE`.
fn setting(text: &str) -> Result<Setting, String> {
    let (place, value) = text.split_once('=').ok_or("it has no '='")?;
    let (id, name) = place.split_once('.').ok_or("it has no '.' between procedure and parameter")?;
    if crate::registry::find(id).is_none() {
        return Err(format!("there is no procedure '{}'", crate::evidence::text::visible(id)));
    }
    let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
    Ok((id.to_owned(), name.to_owned(), value))
}

/// `--effort`.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum EffortArg {
    /// Cheap looks only.
    Quick,
    /// The default.
    Standard,
    /// As far as the methods go.
    Thorough,
}

impl From<EffortArg> for Effort {
    fn from(arg: EffortArg) -> Self {
        match arg {
            EffortArg::Quick => Effort::Quick,
            EffortArg::Standard => Effort::Standard,
            EffortArg::Thorough => Effort::Thorough,
        }
    }
}

/// `--phase`.
#[derive(Debug, Clone, Copy, ValueEnum)]
#[expect(missing_docs, reason = "the phases' own names")]
pub enum PhaseArg {
    Triage,
    Detection,
    Recovery,
    Impact,
    Attribution,
}

impl From<PhaseArg> for Phase {
    fn from(arg: PhaseArg) -> Self {
        match arg {
            PhaseArg::Triage => Phase::Triage,
            PhaseArg::Detection => Phase::Detection,
            PhaseArg::Recovery => Phase::Recovery,
            PhaseArg::Impact => Phase::Impact,
            PhaseArg::Attribution => Phase::Attribution,
        }
    }
}

/// `--fail-on`.
#[derive(Debug, Clone, Copy, ValueEnum)]
#[expect(missing_docs, reason = "the severities' own names")]
pub enum SeverityArg {
    Low,
    Medium,
    High,
    Critical,
}

impl From<SeverityArg> for Severity {
    fn from(arg: SeverityArg) -> Self {
        match arg {
            SeverityArg::Low => Severity::Low,
            SeverityArg::Medium => Severity::Medium,
            SeverityArg::High => Severity::High,
            SeverityArg::Critical => Severity::Critical,
        }
    }
}

/// The program: parses the arguments, runs the command, and turns every end into an exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let end = std::panic::catch_unwind(|| dispatch(cli));
    let exit = match end {
        Ok(Ok(exit)) => exit,
        Ok(Err(error)) => {
            complain(&error);
            if error.is::<Usage>() { Exit::Usage } else { Exit::Incomplete }
        }
        Err(panic) => {
            let what = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("no message");
            complain(&anyhow::anyhow!("this is a bug: {what}; the session so far is kept"));
            Exit::Bug
        }
    };
    ExitCode::from(exit as u8)
}

fn dispatch(cli: Cli) -> anyhow::Result<Exit> {
    // Before anything is opened: caps are the process's.
    bounds::put_in_force(&cli)?;
    match cli.command {
        None => open::run(&cli.open),
        Some(Command::Open(args)) => open::run(&args),
        Some(Command::Scan(args)) => scan::run(&args),
        Some(Command::Inspect(args)) => inspect::run(&args),
        Some(Command::Run(args)) => run::run(&args),
        Some(Command::Replay(args)) => replay::run(&args),
        Some(Command::Verify(args)) => verify::run(&args),
        Some(Command::Diff(args)) => diff::run(&args),
        Some(Command::Seal(args)) => seal::run(&args),
        Some(Command::Bundle(args)) => bundle::run(&args),
        Some(Command::Report(args)) => report::run(&args),
        Some(Command::Lab(command)) => lab::run(&command),
        Some(Command::Explain(args)) => explain::page(&args),
        Some(Command::List) => explain::list(),
        Some(Command::Info(args)) => explain::info(&args),
        Some(Command::Config) => print(&crate::tui::config::reference()),
        Some(Command::Completions { shell }) => print(&completions(shell)),
        Some(Command::Man) => print(&man()?),
    }
}

/// The completions of a shell.
fn completions(shell: clap_complete::Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "laocoon", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// The manual page.
fn man() -> std::io::Result<String> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

/// Writes a result to stdout. A reader that went away (`| head`) is no error.
fn print(text: &str) -> anyhow::Result<Exit> {
    use std::io::Write;
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(Exit::Pass),
    }
}

/// Writes a result to a file (created or replaced whole), or to stdout.
fn deliver(output: Option<&std::path::Path>, text: &[u8]) -> anyhow::Result<()> {
    use anyhow::Context;
    use std::io::Write;
    match output {
        Some(path) => {
            crate::case::write_whole(path, text).with_context(|| format!("{}: cannot write", path.display()))
        }
        None => match std::io::stdout().lock().write_all(text) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(()),
        },
    }
}

/// An error line on stderr, its causes joined, nothing in it able to act on the terminal.
fn complain(error: &anyhow::Error) {
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    say(&format!("laocoon: {}", causes.join(": ")));
}

/// A line on stderr.
#[expect(clippy::print_stderr, reason = "the one place that writes progress and errors")]
fn say(line: &str) {
    eprintln!("{}", crate::evidence::text::visible(line));
}

/// Whether progress can be drawn as a bar.
fn stderr_is_screen() -> bool {
    std::io::stderr().is_terminal()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn completions_and_manual_page_name_every_command_and_option() {
        let mut cli = Cli::command();
        cli.build();
        let page = man().unwrap().replace('\\', "");
        for command in cli.get_subcommands().filter(|c| c.get_name() != "help") {
            assert!(page.contains(&format!("laocoon-{}(1)", command.get_name())), "{}", command.get_name());
        }
        for shell in [clap_complete::Shell::Bash, clap_complete::Shell::Zsh, clap_complete::Shell::Fish] {
            let script = completions(shell);
            for command in cli.get_subcommands() {
                assert!(script.contains(command.get_name()), "{shell}: {}", command.get_name());
                for long in command.get_arguments().filter_map(clap::Arg::get_long) {
                    assert!(script.contains(long), "{shell}: {} --{long}", command.get_name());
                }
            }
        }
    }
}
