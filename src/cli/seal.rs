//! `laocoon seal`: closes a session so that any later change of it shows.

use super::{Exit, Usage, print};
use crate::case::{seal, stamp, write_whole};
use crate::evidence::text::visible;
use clap::Args;
use std::fmt::Write;
use std::path::PathBuf;

/// `laocoon seal SESSION`.
#[derive(Debug, Args)]
pub struct SealArgs {
    /// The session folder.
    session: PathBuf,
    /// Sign the seal with this minisign secret key (password, if it has one, in `LAOCOON_KEY_PASSWORD`).
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Write a request for an RFC 3161 time stamp of the seal, to be sent to an authority.
    #[arg(long, value_name = "FILE")]
    request: Option<PathBuf>,
    /// Attach the authority's answer to the seal that is there, instead of sealing again.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["key", "request"])]
    stamp: Option<PathBuf>,
    /// Who seals, for the record [default: `LAOCOON_ANALYST`, else the user's name].
    #[arg(long, value_name = "NAME")]
    analyst: Option<String>,
}

/// Seals a session.
pub fn run(args: &SealArgs) -> anyhow::Result<Exit> {
    let usage = |e: seal::SealError| Usage(e.to_string());
    if let Some(stamp) = &args.stamp {
        let stamp = seal::attach_stamp(&args.session, stamp).map_err(usage)?;
        return print(&format!(
            "time stamp {} attached; the authority's own signature is not checked\n",
            stamp.time
        ));
    }
    let analyst = args.analyst.clone().unwrap_or_else(crate::case::analyst);
    let sealed = seal::seal(&args.session, &analyst).map_err(usage)?;
    let mut out = String::new();
    writeln!(out, "sealed     {} records, {} blobs", sealed.events, sealed.blobs.len())?;
    writeln!(out, "head       {}", sealed.head)?;
    if let Some(key) = &args.key {
        seal::sign(&args.session, key, std::env::var("LAOCOON_KEY_PASSWORD").ok()).map_err(usage)?;
        let signed = args.session.join(seal::SIGNATURE);
        writeln!(out, "signed     {}", visible(&signed.display().to_string()))?;
    }
    if let Some(request) = &args.request {
        let (text, _) = seal::read(&args.session).map_err(usage)?;
        write_whole(request, &stamp::request(&text).map_err(Usage)?)?;
        writeln!(
            out,
            "request    {} (send it as application/timestamp-query)",
            visible(&request.display().to_string())
        )?;
    }
    writeln!(
        out,
        "Keep the head hash elsewhere (a ticket, a printed report): with it, even a rewritten session shows."
    )?;
    print(&out)
}
