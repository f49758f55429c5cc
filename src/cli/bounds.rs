//! `--limit`, `--max-memory`, `--deadline`: the user's own bounds, put in force before anything is opened and written
//! into the journal of what they were in force for.

use super::{CaseOptions, Cli, Command, Usage, say};
use crate::evidence::Limits;
use crate::evidence::limits::amount;
use crate::investigation::Investigation;
use crate::jobs::{Budget, machine_memory};
use clap::Args;
use std::fmt::Write;
use std::time::Duration;

/// A size in bytes, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(Option<u64>);

/// Reads `6G`, `512M` or `none`.
pub fn size(text: &str) -> Result<Size, String> {
    if text.eq_ignore_ascii_case("none") {
        return Ok(Size(None));
    }
    match amount(text)? {
        0 => Err("0 bytes are not enough; `none` sets no bound".to_owned()),
        bytes => Ok(Size(Some(bytes))),
    }
}

/// Reads `90s`, `10m`, `1h30m`, `500ms`; a bare number is seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong =
        || format!("'{}' is no duration; write 90s, 10m or 1h30m", crate::evidence::text::visible(text));
    let (mut rest, mut total) = (text.trim(), 0u64);
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        let tail = &rest[digits..];
        let letters = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let unit: u64 = match &tail[..letters] {
            "ms" => 1,
            "" | "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err(wrong()),
        };
        total = number.checked_mul(unit).and_then(|n| total.checked_add(n)).ok_or_else(wrong)?;
        rest = &tail[letters..];
    }
    if total == 0 {
        Err("a deadline of nothing ends everything".to_owned())
    } else {
        Ok(Duration::from_millis(total))
    }
}

/// What a command without a session may take of the machine.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Bounds {
    /// End the work once the program holds so much memory: 6G, or none [default: 75 % of it].
    #[arg(long, value_name = "SIZE", value_parser = size)]
    pub max_memory: Option<Size>,
    /// End the work once it has run longer than this: 90s, 10m, 1h30m.
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub deadline: Option<Duration>,
}

impl Bounds {
    /// As asked for, else 75 % of the memory and any time.
    pub fn budget(&self) -> Budget {
        let usual = || machine_memory().map(|bytes| bytes / 4 * 3);
        Budget { deadline: self.deadline, memory: self.max_memory.map_or_else(usual, |size| size.0) }
    }
}

impl CaseOptions {
    /// What one job may take.
    pub fn budget(&self) -> Budget {
        Bounds { max_memory: self.max_memory, deadline: self.deadline }.budget()
    }
}

/// Makes the caps asked for those of the process.
pub fn put_in_force(cli: &Cli) -> anyhow::Result<()> {
    let memory = match &cli.command {
        None => cli.open.options.max_memory,
        Some(Command::Open(args)) => args.options.max_memory,
        Some(Command::Scan(args)) => args.options.max_memory,
        Some(Command::Inspect(args)) => args.bounds.max_memory,
        Some(Command::Run(args)) => args.bounds.max_memory,
        Some(Command::Verify(args)) => args.bounds.max_memory,
        Some(_) => None,
    };
    let mut limits = Limits::default();
    if let Some(Size(Some(bytes))) = memory {
        if crate::jobs::resident().is_none() {
            return Err(Usage("--max-memory: this system does not tell what the program holds".into()).into());
        }
        limits.within(bytes);
    }
    for setting in &cli.limit {
        limits.set(setting).map_err(|why| Usage(format!("--limit {setting}: {why}")))?;
    }
    limits.put_in_force().map_err(|why| Usage(why.to_string()))?;
    Ok(())
}

/// Writes bounds that are not the usual ones into the journal, once.
pub fn record(investigation: &mut Investigation, options: &CaseOptions) {
    let Some(line) = line(Limits::in_force(), options) else { return };
    let known = investigation.state().notes.iter().any(|(_, note)| *note == line);
    if !known && let Err(why) = investigation.note(&line) {
        say(&format!("warning: the bounds could not be recorded: {why}"));
    }
}

fn line(limits: &Limits, options: &CaseOptions) -> Option<String> {
    let mut all: Vec<String> =
        limits.changed().iter().map(|r| format!("{}={} (usually {})", r.name, r.value, r.usual)).collect();
    match options.max_memory {
        Some(Size(Some(bytes))) => all.push(format!("--max-memory {} MiB", bytes >> 20)),
        Some(Size(None)) => all.push("--max-memory none".to_owned()),
        None => {}
    }
    all.extend(options.deadline.map(|d| format!("--deadline {} s", d.as_secs_f64())));
    (!all.is_empty()).then(|| format!("bounds set by the analyst: {}", all.join(", ")))
}

/// The table of limits as text.
pub fn table() -> Result<String, std::fmt::Error> {
    let mut out = String::from(
        "Caps on what readers of foreign bytes may use. `--limit NAME=VALUE` sets one, for every command; K, M, G and T \
         are\npowers of 1024. A file that reaches one is refused or cut short, with a message that names it.\n\n",
    );
    writeln!(out, "{:<18} {:>14} {:>14}  bounds", "name", "in force", "usual")?;
    for row in Limits::in_force().rows() {
        let mark = if row.value == row.usual { ' ' } else { '*' };
        writeln!(out, "{:<18} {:>14}{mark}{:>14}  {}", row.name, row.value, row.usual, row.about.trim())?;
    }
    out += "\nFixed, since a larger value would trade an error for a crash: 128 levels of a JSON document, 32 of ONNX\n\
            sub-graphs, 200 brackets and 100 indents of Python, 1 MiB for a line of the journal.\n\
            Per procedure: --max-memory SIZE and --deadline DURATION of `open`, `scan` and `verify --rerun`; of the whole\n\
            work: those of `inspect` and `run`.\n";
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_durations_are_read_strictly() {
        assert_eq!(size("6G"), Ok(Size(Some(6 << 30))));
        assert_eq!(size("none"), Ok(Size(None)));
        assert!(size("0").is_err() && size("much").is_err() && size("").is_err());
        assert_eq!(duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("1h30m"), Ok(Duration::from_mins(90)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        for wrong in ["", "s", "1d", "-1s", "1.5s", "0s", "99999999999999999h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_was_set_is_one_line_and_what_was_not_is_none() {
        let mut options = CaseOptions::default();
        assert_eq!(line(&Limits::default(), &options), None);
        let mut limits = Limits::default();
        limits.set("rank=4").unwrap();
        options.deadline = Some(Duration::from_secs(5));
        assert_eq!(
            line(&limits, &options).unwrap(),
            "bounds set by the analyst: rank=4 (usually 8), --deadline 5 s"
        );
    }

    #[test]
    fn the_table_lists_every_row() {
        let text = table().unwrap();
        for row in Limits::default().rows() {
            assert!(text.contains(row.name) && text.contains(row.about.trim()), "{}", row.name);
        }
    }
}
