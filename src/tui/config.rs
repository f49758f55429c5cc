//! The configuration of the workbench: how it looks and which keys mean what. Nothing in it changes a result.

use super::command::{COMMANDS, Group, Keymap};
use super::pixels::Wanted;
use super::theme::{Look, Symbols};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

/// Largest configuration read, in bytes.
const CAP: u64 = 1 << 20;

/// The file as written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct Written {
    theme: Option<Look>,
    symbols: Option<Symbols>,
    figures: Option<Wanted>,
    mouse: Option<bool>,
    keys: BTreeMap<String, Vec<String>>,
}

/// What a configuration says; what it leaves out is `None`.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// The palette.
    pub look: Option<Look>,
    /// What pictures are drawn with.
    pub symbols: Option<Symbols>,
    /// Whether pictures are pixels where the terminal can.
    pub figures: Option<Wanted>,
    /// Whether the mouse is taken.
    pub mouse: Option<bool>,
    /// Which keys mean which command.
    pub keys: Arc<Keymap>,
}

/// Why a configuration cannot be used: everything that is wrong with it.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {}", .wrong.join("; "))]
pub struct ConfigError {
    /// The file.
    pub path: String,
    /// What is wrong.
    pub wrong: Vec<String>,
}

impl Config {
    /// Reads a file; one that is not there says nothing.
    ///
    /// # Errors
    /// It cannot be read, is no such TOML, names what does not exist, or gives a key two meanings.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let error = |wrong: Vec<String>| ConfigError { path: path.display().to_string(), wrong };
        match std::fs::metadata(path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(e) => return Err(error(vec![e.to_string()])),
            Ok(m) if m.len() > CAP => {
                return Err(error(vec![format!("{} bytes; at most {CAP} are read", m.len())]));
            }
            Ok(_) => {}
        }
        let text = std::fs::read_to_string(path).map_err(|e| error(vec![e.to_string()]))?;
        Self::parse(&text).map_err(error)
    }

    /// Reads the text of a configuration.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let written: Written = toml::from_str(text).map_err(|e| vec![e.message().to_owned()])?;
        let keys = Arc::new(Keymap::with(&written.keys)?);
        let Written { theme, symbols, figures, mouse, .. } = written;
        Ok(Self { look: theme, symbols, figures, mouse, keys })
    }
}

/// The reference: a configuration with every setting at its default, each explained. It reads back as it stands.
pub fn reference() -> String {
    let mut out = String::from(
        "# Configuration of the laocoon workbench, every setting at its default.\n# It lies where `laocoon info` says; \
         LAOCOON_CONFIG names another file.\n\n",
    );
    let names = |all: &[&str]| all.join(", ");
    let looks = names(&Look::ALL.map(|(_, name)| name));
    let _ = write!(
        out,
        "# Colours: {looks}. `terminal` takes the terminal's own 16 colours; NO_COLOR and --color never win over it.\n\
         theme = \"terminal\"\n\n"
    );
    let symbols = names(&Symbols::ALL.map(|(_, name)| name));
    let _ = write!(
        out,
        "# What pictures are drawn with: {symbols}. Left out: braille, or ascii on the Linux console and without UTF-8.\n\
         # symbols = \"braille\"\n\n"
    );
    let figures = names(&Wanted::ALL.map(|(_, name)| name));
    let _ = write!(
        out,
        "# Masks, patterns and samples as pixels: {figures}. `auto` takes what the terminal has; half blocks without\n\
         # colours, on consoles and wherever there is no protocol. `laocoon info` says what was found.\n\
         figures = \"auto\"\n\n# Whether clicks and the wheel are taken; text is then selected with shift held.\n\
         mouse = true\n\n"
    );
    out += "# Keys by command: a list replaces the usual ones, an empty list leaves a command to the palette. Keys are\n\
            # written `x`, `R`, `space`, `tab`, `ctrl-x`, `alt-n`, `f5`, `pgdn`; esc, enter and ctrl-c stay what they are.\n\
            [keys]\n";
    for group in Group::ALL {
        let _ = writeln!(out, "# {}", group.name());
        for command in COMMANDS.iter().filter(|c| c.group == group) {
            let keys: Vec<String> =
                command.keys.iter().map(|k| toml::Value::String(k.written()).to_string()).collect();
            let line = format!("{} = [{}]", command.id, keys.join(", "));
            let _ = writeln!(out, "{line:<34} # {}", command.help);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_reads_back_as_the_defaults() {
        insta::assert_snapshot!("config-reference", reference());
        let config = Config::parse(&reference()).unwrap();
        assert_eq!((config.look, config.symbols, config.mouse), (Some(Look::Terminal), None, Some(true)));
        assert_eq!(config.figures, Some(Wanted::Auto));
        assert_eq!(Config::parse("figures = \"kitty\"").unwrap().figures, Some(Wanted::Kitty));
        for command in COMMANDS {
            let mut keys = config.keys.keys(command.id).to_vec();
            let mut usual = command.keys.to_vec();
            keys.sort_by_key(|k| k.written());
            usual.sort_by_key(|k| k.written());
            assert_eq!(keys, usual, "{}", command.id);
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let wrong = |text: &str| Config::parse(text).unwrap_err().join("\n");
        assert!(wrong("theme = \"pink\"").contains("pink"));
        assert!(wrong("colour = 1").contains("colour"));
        assert!(wrong("[keys]\njobs = [\"R\"]").contains("both run-all and jobs"));
        assert!(wrong("[keys").contains("expected") || !wrong("[keys").is_empty());
        assert!(Config::parse("").unwrap().look.is_none());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        assert!(Config::read(&path).unwrap().mouse.is_none(), "none is no error");
        std::fs::write(&path, "mouse = 3").unwrap();
        let said = Config::read(&path).unwrap_err().to_string();
        assert!(said.contains("config.toml"), "{said}");
    }
}
