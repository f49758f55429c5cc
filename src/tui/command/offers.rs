//! What the palette offers, and how well a few letters fit a name.

use super::table::writable;
use super::{Action, COMMANDS, Command};
use crate::tui::view::View;

/// The help of what only debug builds offer, for the tests of the terminal.
pub const DEBUG: &str = "debug builds only";

/// Something the palette offers.
#[derive(Debug, Clone)]
pub struct Offer {
    /// What is typed to find it.
    pub name: String,
    /// Its keys, if any.
    pub keys: String,
    /// What it does.
    pub help: String,
    /// What it does.
    pub action: Action,
    /// Why it cannot be used now.
    pub refused: Option<String>,
}

/// Everything the palette offers: the commands, and each procedure to run and to explain.
pub fn offers(view: &View) -> Vec<Offer> {
    let moves = |c: &&Command| !matches!(c.action, Action::Move(_) | Action::Back);
    let mut all: Vec<Offer> = COMMANDS
        .iter()
        .filter(moves)
        .map(|c| Offer {
            name: c.id.replace('-', " "),
            keys: view.keys.keys(c.id).iter().map(|k| k.name()).collect::<Vec<_>>().join(" "),
            help: c.help.to_owned(),
            action: c.action.clone(),
            refused: (c.valid)(view).err(),
        })
        .collect();
    for planned in &view.state.planned {
        let about = view.about(&planned.id);
        let plain = |name: String, help: &str, action, refused| Offer {
            name,
            keys: String::new(),
            help: help.to_owned(),
            action,
            refused,
        };
        all.push(plain(
            format!("run {}", planned.id),
            about.map_or("", |a| a.question),
            Action::RunProcedure(planned.id.clone()),
            writable(view).err(),
        ));
        if let Some(about) = about {
            let action = Action::Explain(planned.id.clone());
            all.push(plain(format!("explain {}", planned.id), about.title, action, None));
        }
    }
    let show = |(procedure, name): (String, String)| Offer {
        name: format!("show {procedure} {name}"),
        keys: String::new(),
        help: "the picture on the whole screen".into(),
        action: Action::Show(procedure, name),
        refused: None,
    };
    all.extend(view.all_figures().into_iter().map(show));
    #[cfg(debug_assertions)]
    for (name, action) in [("provoke a panic", Action::Panic), ("fail a worker", Action::FailWorker)] {
        let help = DEBUG.into();
        all.push(Offer { name: name.into(), keys: String::new(), help, action, refused: None });
    }
    all
}

/// How well `query` fits `name` as a subsequence, ignoring case: `None` not at all, else higher is better. Starts of
/// words and unbroken runs count more, as in most fuzzy finders.
pub fn fuzzy(query: &str, name: &str) -> Option<i64> {
    let lower = |c: char| c.to_lowercase().next().unwrap_or(c);
    let name: Vec<char> = name.chars().map(lower).collect();
    let mut score = 0;
    let mut at = 0;
    let mut last: Option<usize> = None;
    for c in query.chars().filter(|c| !c.is_whitespace()).map(lower) {
        let found = (at..name.len()).find(|&i| name[i] == c)?;
        let start = found == 0 || !name[found - 1].is_alphanumeric();
        score += 1 + i64::from(start) * 4 + i64::from(found > 0 && last == Some(found - 1)) * 3;
        last = Some(found);
        at = found + 1;
    }
    Some(score * 64 - name.len() as i64)
}
