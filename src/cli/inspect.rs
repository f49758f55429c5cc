//! `laocoon inspect`: files and folders, without a case; nothing is run.

mod network;

use super::bounds::Bounds;
use super::{Exit, SeverityArg, Usage, deliver, say};
use crate::evidence::Limits;
use crate::jobs::Watch;
use crate::procedure::Severity;
use crate::triage::inspect;
use clap::{Args, ValueEnum};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// `laocoon inspect PATH…`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "switches of a command line")]
pub struct InspectArgs {
    /// Files, or folders with all that is below them.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Print the network in each file instead: layers, shapes, parameters, operators, and what is unsupported.
    #[arg(long)]
    network: bool,
    /// With --network: architecture of bare weights, a built-in name or a network description file (JSON).
    #[arg(long, value_name = "NAME|FILE", requires = "network")]
    architecture: Option<String>,
    /// With --network: channels,height,width of the images, where the file leaves them open.
    #[arg(long, value_name = "C,H,W", requires = "network", value_delimiter = ',')]
    input: Vec<usize>,
    /// With --network: also the network of a file that triage flags or rejects. It is read as data; nothing of it is run.
    #[arg(long, requires = "network")]
    analyse_flagged: bool,
    /// With --network: read weights that an ONNX file keeps in files beside it.
    #[arg(long, requires = "network")]
    external_data: bool,
    /// A signature, bundle, attestation, bill of materials or list of digests about PATH (then only one).
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,
    /// A public key, minisign key or root certificates that the signature is judged by. Repeatable.
    #[arg(long, value_name = "FILE")]
    key: Vec<PathBuf>,
    /// Output format.
    #[arg(long, value_enum, default_value_t = InspectFormat::Text)]
    format: InspectFormat,
    /// Write the result to a file instead of stdout.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Exit with 1 on a finding of this severity or above.
    #[arg(long, value_enum, default_value_t = SeverityArg::Medium, value_name = "SEVERITY")]
    fail_on: SeverityArg,
    /// Exit with 0 instead of 3 when a file could not be read.
    #[arg(long)]
    allow_incomplete: bool,
    /// Threads; results do not depend on it [default: all cores].
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    threads: usize,
    #[command(flatten)]
    pub bounds: Bounds,
}

/// How the result is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum InspectFormat {
    /// For people.
    Text,
    /// Schema `laocoon.inspect/1`.
    Json,
}

/// Looks at everything, to its end or to a signal.
pub fn run(args: &InspectArgs) -> anyhow::Result<Exit> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register_conditional_default(signal, Arc::clone(&stop))?;
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    rayon::ThreadPoolBuilder::new().num_threads(args.threads).build_global().ok();
    let watch = Watch::begin(args.bounds.budget());
    let go_on = || !stop.load(Ordering::Relaxed) && !watch.is_over();
    let paths = args.paths.clone();
    let limits = Limits::in_force();
    if args.network {
        return network::run(args, limits);
    }
    let mut seen = inspect::inspect(&paths, limits, &go_on)?;
    if let Some(why) = watch.why() {
        say(why);
    }
    match (&args.signature, args.paths.as_slice()) {
        (None, _) => {}
        (Some(signature), [target]) => seen.hold_against(signature, &args.key, target, limits)?,
        (Some(_), _) => return Err(Usage("--signature is about one PATH".to_owned()).into()),
    }
    let text = match args.format {
        InspectFormat::Text => seen.text(),
        InspectFormat::Json => serde_json::to_string_pretty(&seen.json())? + "\n",
    };
    deliver(args.output.as_deref(), text.as_bytes())?;
    Ok(if seen.worst().is_some_and(|w| w >= Severity::from(args.fail_on)) {
        Exit::Found
    } else if !seen.complete() && !args.allow_incomplete {
        Exit::Incomplete
    } else {
        Exit::Pass
    })
}
