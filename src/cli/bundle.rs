//! `laocoon bundle`: a session as one portable file.

use super::{Exit, Usage, print};
use crate::case::redact::{Redaction, redact};
use crate::case::{bundle, write_whole};
use clap::{Args, ValueEnum};
use sha2::{Digest, Sha256};
use std::path::PathBuf;

/// `laocoon bundle SESSION`.
#[derive(Debug, Args)]
pub struct BundleArgs {
    /// The session folder.
    session: PathBuf,
    /// The file to write.
    #[arg(short, long, value_name = "FILE.tar")]
    output: PathBuf,
    /// Take something out first; the copy's journal and seal say so.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "WHAT")]
    redact: Vec<RedactArg>,
}

/// `--redact`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RedactArg {
    /// Folders of the machine that the work was done on.
    Paths,
    /// Small pictures in figures.
    Thumbnails,
}

/// Writes a bundle.
pub fn run(args: &BundleArgs) -> anyhow::Result<Exit> {
    let what: Vec<Redaction> = args
        .redact
        .iter()
        .map(|what| match what {
            RedactArg::Paths => Redaction::Paths,
            RedactArg::Thumbnails => Redaction::Thumbnails,
        })
        .collect();
    let copy = tempfile::tempdir()?;
    let session = if what.is_empty() {
        args.session.as_path()
    } else {
        redact(&args.session, &what, copy.path()).map_err(|e| Usage(e.to_string()))?;
        copy.path()
    };
    let mut bytes = Vec::new();
    bundle::write(session, &mut bytes).map_err(|e| Usage(e.to_string()))?;
    write_whole(&args.output, &bytes)?;
    let digest = crate::evidence::intake::hex(&Sha256::digest(&bytes));
    print(&format!("bundle     {} bytes, sha256 {digest}\n", bytes.len()))
}
