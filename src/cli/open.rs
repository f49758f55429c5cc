//! `laocoon [open] PATH`: the workbench.

use super::{CaseOptions, Exit, Usage, bounds, print, progress::Progress, say, session_dir, target};
use crate::case::{Blobs, CaseState, Session, write_whole};
use crate::evidence::intake;
use crate::figure::{Figure, csv, png, svg};
use crate::investigation::{Investigation, Options};
use crate::report::{self, Format};
use crate::tui;
use crate::tui::config::Config;
use crate::tui::pixels::Wanted;
use crate::tui::theme::{Look, Symbols};
use clap::Args;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// `laocoon open PATH`.
#[derive(Debug, Args)]
pub struct OpenArgs {
    /// A case folder, case.toml, model file, data set, or session folder. Without it: a list to pick from.
    #[arg(value_name = "PATH")]
    path: Option<PathBuf>,
    #[command(flatten)]
    pub(super) options: CaseOptions,
    /// Linear text instead of a screen: runs everything, then prints every pane.
    #[arg(long)]
    plain: bool,
    #[command(flatten)]
    look: LookArgs,
}

/// How the screen looks.
#[derive(Debug, Clone, Default, Args)]
pub struct LookArgs {
    /// Colours: auto follows the terminal and `NO_COLOR`.
    #[arg(long, value_enum, default_value_t = ColorArg::Auto, value_name = "WHEN")]
    color: ColorArg,
    /// Leave the mouse to the terminal.
    #[arg(long)]
    no_mouse: bool,
    /// Palette [default: the configuration's, else `terminal`].
    #[arg(long, value_name = "NAME", value_parser = Look::ALL.map(|(_, name)| name))]
    theme: Option<String>,
    /// What pictures are drawn with [default: the configuration's, else what the terminal can show].
    #[arg(long, value_name = "NAME", value_parser = Symbols::ALL.map(|(_, name)| name))]
    symbols: Option<String>,
    /// Masks, patterns and samples as pixels [default: the configuration's, else what the terminal has].
    #[arg(long, value_name = "NAME", value_parser = Wanted::ALL.map(|(_, name)| name))]
    figures: Option<String>,
}

/// The configuration file: `LAOCOON_CONFIG`, else where the system keeps such files.
pub fn config_path() -> Option<PathBuf> {
    use etcetera::BaseStrategy;
    let named = std::env::var_os("LAOCOON_CONFIG").filter(|v| !v.is_empty()).map(PathBuf::from);
    named.or_else(|| {
        let base = etcetera::choose_base_strategy().ok()?;
        Some(base.config_dir().join("laocoon").join("config.toml"))
    })
}

fn config() -> anyhow::Result<Config> {
    let read = config_path().map(|path| Config::read(&path));
    Ok(read.transpose().map_err(|e| Usage(e.to_string()))?.unwrap_or_default())
}

/// `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum ColorArg {
    /// The terminal's 16 colours, none when `NO_COLOR` is set.
    #[default]
    Auto,
    /// Colours even when `NO_COLOR` is set.
    Always,
    /// None: marks and words only.
    Never,
}

impl LookArgs {
    /// The workbench's options: what is asked for here, else what the configuration says; reports go to `exports`.
    pub fn options(&self, exports: Option<PathBuf>) -> anyhow::Result<tui::Options> {
        let config = config()?;
        let named = |name: &String| Look::ALL.iter().find(|(_, n)| n == name).map(|(look, _)| *look);
        let drawn = |name: &String| Symbols::ALL.iter().find(|(_, n)| n == name).map(|(symbols, _)| *symbols);
        let pixels = |name: &String| Wanted::ALL.iter().find(|(_, n)| n == name).map(|(wanted, _)| *wanted);
        Ok(tui::Options {
            color: match self.color {
                ColorArg::Auto => None,
                ColorArg::Always => Some(true),
                ColorArg::Never => Some(false),
            },
            mouse: !self.no_mouse && config.mouse.unwrap_or(true),
            exporter: exports.map(|session| Arc::new(ToSession { session }) as Arc<dyn tui::Exporter>),
            look: self.theme.as_ref().and_then(named).or(config.look).unwrap_or_default(),
            symbols: self.symbols.as_ref().and_then(drawn).or(config.symbols),
            figures: self.figures.as_ref().and_then(pixels).or(config.figures).unwrap_or_default(),
            keys: config.keys,
            others: recent(),
        })
    }
}

/// Recent sessions, latest first.
fn recent() -> Vec<tui::Entry> {
    let entry = |path: PathBuf| {
        let state = Session::open(&path).ok()?.state();
        let (id, title) = state.case.as_ref().map_or(("", ""), |case| (&case.id, &case.title));
        let what = format!("{title} · {} findings · {} events", state.findings.len(), state.events);
        Some(tui::Entry { section: "recent sessions".into(), name: id.into(), what, path })
    };
    session_dir::recent().into_iter().take(20).filter_map(entry).collect()
}

/// Writes reports into the session's own folder, never beside the evidence.
struct ToSession {
    session: PathBuf,
}

impl tui::Exporter for ToSession {
    fn formats(&self) -> &[&'static str] {
        static NAMES: std::sync::LazyLock<Vec<&str>> =
            std::sync::LazyLock::new(|| Format::ALL.iter().map(|f| f.name()).collect());
        &NAMES
    }

    fn export(&self, format: &str, state: &CaseState) -> Result<tui::Exported, String> {
        let format = Format::named(format).ok_or_else(|| format!("no format '{format}'"))?;
        let extension = format.extension();
        let folder = self.session.join("reports");
        let path = folder.join(format!("report-{}.{extension}", state.events));
        let text = report::render(format, state, &Blobs::new(&self.session));
        std::fs::create_dir_all(&folder)
            .and_then(|()| write_whole(&path, text.as_bytes()))
            .map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(tui::Exported { path, sha256: intake::sha256(text.as_bytes()) })
    }

    fn picture(&self, name: &str, format: &str, figure: &Figure) -> Result<tui::Exported, String> {
        let bytes = match format {
            "svg" => svg::svg(figure).map_err(|e| e.to_string())?.into_bytes(),
            "png" => png::png(figure).map_err(|e| e.to_string())?,
            _ => csv::csv(figure).map_err(|e| e.to_string())?.into_bytes(),
        };
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '-' };
        let name: String = name.chars().map(plain).take(80).collect();
        let folder = self.session.join("reports");
        let path = folder.join(format!("{name}.{format}"));
        std::fs::create_dir_all(&folder)
            .and_then(|()| write_whole(&path, &bytes))
            .map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(tui::Exported { path, sha256: intake::sha256(&bytes) })
    }
}

/// Opens the workbench.
pub fn run(args: &OpenArgs) -> anyhow::Result<Exit> {
    let screen = std::io::stdout().is_terminal() && std::io::stdin().is_terminal();
    if !screen && !args.plain {
        return Err(Usage(
            "the workbench needs a terminal; without one use `laocoon scan PATH`, or --plain".into(),
        )
        .into());
    }
    let path = match args.path.clone() {
        Some(path) => path,
        None if args.plain => return Err(Usage("--plain needs a PATH".into()).into()),
        None => match pick(&args.look)? {
            Some(path) => path,
            None => return Ok(Exit::Pass),
        },
    };
    let mut investigation = investigate(&path, &args.options)?;
    bounds::record(&mut investigation, &args.options);
    if args.plain {
        investigation.run_all()?;
        let mut progress = Progress::new();
        while !investigation.finished() {
            investigation.wait(Duration::from_millis(100));
            progress.show(&investigation);
        }
        progress.end(&investigation);
        return print(&tui::plain(&investigation));
    }
    let folder = investigation.folder().to_owned();
    let left = tui::run(investigation, &args.look.options(Some(folder.clone()))?)?;
    if let Ok(session) = Session::open(&folder) {
        say(&format!("session: {} (head {})", folder.display(), session.state().head));
    }
    Ok(Exit::left(left))
}

fn investigate(path: &Path, options: &CaseOptions) -> anyhow::Result<Investigation> {
    let adopted = session_dir::adopted(path)?;
    let path = adopted.as_path();
    if session_dir::is_session(path) {
        return Ok(Investigation::resume(path, options.desk())?);
    }
    let case = target::case(&[path.to_owned()], options)?;
    let session = match &options.session {
        Some(dir) => dir.clone(),
        None => session_dir::of_case(&case)?,
    };
    Ok(Investigation::open(Options::from_cli(case, session, options))?)
}

/// Recent sessions, then the shipped sample cases.
fn pick(look: &LookArgs) -> anyhow::Result<Option<PathBuf>> {
    let options = look.options(None)?;
    let mut entries = options.others.clone();
    for path in sample_cases() {
        let Ok(case) = target::case(std::slice::from_ref(&path), &CaseOptions::default()) else { continue };
        entries.push(tui::Entry { section: "sample cases".into(), name: case.id, what: case.title, path });
    }
    Ok(tui::pick(entries, &options)?.map(|entry| entry.path))
}

/// The shipped cases: beside the current folder, or beside the program and the folders above it.
fn sample_cases() -> Vec<PathBuf> {
    let program = std::env::current_exe().unwrap_or_default();
    let folders = std::iter::once(PathBuf::from(".")).chain(program.ancestors().skip(1).map(Path::to_owned));
    for folder in folders.take(6) {
        let Ok(entries) = std::fs::read_dir(folder.join("sample-cases")) else { continue };
        let mut cases: Vec<PathBuf> = entries
            .filter_map(Result::ok)
            .map(|e| e.path())
            .filter(|p| p.join("case.toml").is_file())
            .collect();
        cases.sort();
        return cases;
    }
    Vec::new()
}
