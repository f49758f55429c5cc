//! The rules of the house that a compiler does not check: it reads `src/` and says what breaks them.

use laocoon::procedure::Phase;
use laocoon::registry;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Imports between modules of one level that are meant: the fold of a case names procedures by their registry line.
const EXCEPTIONS: [(&str, &str); 1] = [("case", "registry")];

/// Imports that would be to the left, and are not meant: the laboratory makes cases and does not examine them.
const NEVER: [(&str, &str); 1] = [("lab", "procedure")];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A Rust file: its path from `src/`, and its text.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The module of the crate it belongs to.
    fn module(&self) -> &str {
        self.path.split('/').next().unwrap().trim_end_matches(".rs")
    }

    /// How many modules lie between the crate's root and this file's module.
    fn depth(&self) -> usize {
        self.path.split('/').filter(|part| *part != "mod.rs").count()
    }

    /// The text without comments, and without the unit tests at its end: those may take their material anywhere.
    fn code(&self) -> String {
        let code = self.text.split("\n#[cfg(test)]\nmod tests {").next().unwrap();
        code.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
    }
}

fn sources() -> Vec<Source> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    let src = root().join("src");
    let mut paths = Vec::new();
    walk(&src, &mut paths);
    paths.sort();
    let read = |path: PathBuf| Source {
        path: path.strip_prefix(&src).unwrap().to_str().unwrap().replace('\\', "/"),
        text: fs::read_to_string(&path).unwrap(),
    };
    paths.into_iter().map(read).collect()
}

/// Where a module stands: its level, its group on that level, its place in the group.
type Place = (usize, usize, usize);

/// Places of all modules, read from the line in `lib.rs` that everyone sees. `<` separates levels; on a level, `|`
/// separates groups that do not know each other; in a group, `,` means that a module may use those to its left, as the
/// phases of an investigation stand in the order of work.
fn places(lib: &str) -> BTreeMap<String, Place> {
    let doc: String = lib.lines().filter_map(|l| l.strip_prefix("//!")).collect::<Vec<_>>().join("");
    let line = doc.split('`').find(|quoted| quoted.contains(" < ")).expect("the line of imports in lib.rs");
    let mut places = BTreeMap::new();
    for (l, level) in line.split('<').enumerate() {
        for (g, group) in level.split('|').enumerate() {
            for (m, module) in group.split(',').enumerate() {
                places.insert(module.trim().to_owned(), (l, g, m));
            }
        }
    }
    places
}

/// Whether one module may import another.
fn may(places: &BTreeMap<String, Place>, from: &str, to: &str) -> bool {
    let ((level, group, place), (other_level, other_group, other_place)) = (places[from], places[to]);
    let left = other_level < level || (other_level == level && other_group == group && other_place <= place);
    (left && !NEVER.contains(&(from, to))) || EXCEPTIONS.contains(&(from, to))
}

/// The modules of the crate that a piece of code names, as `crate::m`, `crate::{m, …}` or by climbing with `super::`.
fn imports(code: &str, depth: usize) -> Vec<String> {
    let flat: String = code.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut out = Vec::new();
    let climb = "super::".repeat(depth.max(1));
    for start in ["crate::", climb.as_str()] {
        for (at, _) in flat.match_indices(start) {
            let before = flat[..at].chars().next_back().unwrap_or(' ');
            if before.is_alphanumeric() || before == '_' || before == ':' || before == '$' {
                continue;
            }
            let rest = &flat[at + start.len()..];
            match rest.strip_prefix('{') {
                Some(group) => out.extend(group_heads(group)),
                None => out.push(word(rest)),
            }
        }
    }
    out
}

fn word(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// First word of each item of a `{…}` group, whose opening brace is already taken.
fn group_heads(group: &str) -> Vec<String> {
    let mut heads = vec![word(group)];
    let mut open = 1;
    for (i, c) in group.char_indices() {
        match c {
            '{' => open += 1,
            '}' => open -= 1,
            ',' if open == 1 => heads.push(word(&group[i + 1..])),
            _ => {}
        }
        if open == 0 {
            break;
        }
    }
    heads.retain(|head| !head.is_empty());
    heads
}

#[test]
fn no_module_imports_from_its_right() {
    let sources = sources();
    let lib = &sources.iter().find(|s| s.path == "lib.rs").unwrap().text;
    let places = places(lib);
    for line in lib.lines().filter_map(|l| l.strip_prefix("pub mod ")) {
        let module = line.trim_end_matches(';');
        assert!(places.contains_key(module), "lib.rs does not say what '{module}' may import");
    }
    let mut broken = Vec::new();
    for source in sources.iter().filter(|s| places.contains_key(s.module())) {
        for named in imports(&source.code(), source.depth()) {
            if places.contains_key(&named) && !may(&places, source.module(), &named) {
                broken.push(format!("src/{} imports {named}", source.path));
            }
        }
    }
    broken.dedup();
    assert!(broken.is_empty(), "upward imports:\n{}", broken.join("\n"));
}

#[test]
fn the_reader_of_imports_sees_all_their_forms() {
    let code = "use crate::network::Model;\nuse crate::{\n    evidence::{DataSet, Role},\n    math,\n};\nlet x = \
                crate::report::html(); use super::super::tui::Pane; use super::Own; my_crate::cli();";
    let mut found = imports(code, 2);
    found.sort();
    assert_eq!(found, ["evidence", "math", "network", "report", "tui"]);
}

#[test]
fn the_line_of_imports_is_read_as_it_is_meant() {
    let places =
        places("//! `math | jobs < evidence\n//! < procedure, lab < triage, detect < registry | case`.\n");
    let ok = |from, to| may(&places, from, to);
    assert!(ok("detect", "math") && ok("detect", "lab") && ok("detect", "triage") && ok("jobs", "jobs"));
    assert!(!ok("math", "jobs") && !ok("jobs", "math") && !ok("evidence", "lab") && !ok("triage", "detect"));
    assert!(ok("case", "registry") && !ok("registry", "case") && !ok("lab", "procedure"));
}

#[test]
fn the_terminal_is_known_to_the_workbench_alone() {
    let broken: Vec<String> = sources()
        .iter()
        .filter(|s| !matches!(s.module(), "tui" | "cli"))
        .filter(|s| ["ratatui", "crossterm"].iter().any(|name| s.code().contains(name)))
        .map(|s| format!("src/{}", s.path))
        .collect();
    assert!(broken.is_empty(), "terminal libraries outside tui and cli: {broken:?}");
}

/// Folder of a phase's procedures.
fn folder(phase: Phase) -> &'static str {
    match phase {
        Phase::Triage => "triage",
        Phase::Detection => "detect",
        Phase::Recovery => "recover",
        Phase::Impact => "impact",
        Phase::Attribution => "attribute",
    }
}

/// `detect/foo.rs` and `detect/foo/mod.rs` are both called `detect/foo`.
fn stem(path: &str) -> &str {
    path.strip_suffix("/mod.rs").or_else(|| path.strip_suffix(".rs")).unwrap_or(path)
}

/// The folder that a file is in.
fn beside(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The file that names a procedure: in its phase's folder, itself the procedure or beside it.
fn room<'a>(sources: &'a [Source], id: &str, phase: &str) -> &'a Source {
    let line = format!("id: \"{id}\"");
    let here = |s: &&Source| s.module() == phase && s.code().contains(&line);
    let own = sources.iter().filter(here).find(|s| {
        let near = |o: &Source| o.path == s.path || beside(&o.path) == beside(&s.path);
        sources.iter().any(|o| near(o) && o.code().contains(" Procedure for "))
    });
    own.unwrap_or_else(|| panic!("no file in src/{phase} for '{id}'"))
}

#[test]
fn every_procedure_is_named_in_its_phase_and_once() {
    let sources = sources();
    for procedure in registry::all() {
        let about = procedure.about();
        assert_eq!(room(&sources, about.id, folder(about.phase)).module(), folder(about.phase));
    }
    let mut ids: Vec<_> = registry::all().iter().map(|p| p.about().id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), registry::all().len(), "an id is used twice");
}

/// The heading a line is or starts with: `## Assumes`, or `**Assumes** that …`.
fn heading(line: &str) -> Option<&str> {
    let bold = line.strip_prefix("**").and_then(|rest| rest.split_once("**"));
    bold.map(|(heading, _)| heading).or_else(|| line.strip_prefix('#').map(|l| l.trim_matches(['#', ' '])))
}

#[test]
fn every_procedure_has_a_page_with_the_five_headings() {
    const HEADINGS: [&str; 5] = ["Looks at", "Assumes", "Wrong when", "Costs", "Reference"];
    let sources = sources();
    for procedure in registry::all() {
        let about = procedure.about();
        let own = room(&sources, about.id, folder(about.phase));
        let page = root().join("src").join(&own.path);
        let text = about.page;
        let headings: Vec<&str> = text.lines().filter_map(heading).collect();
        let mut at = 0;
        for wanted in HEADINGS {
            let found = headings[at..].iter().position(|h| *h == wanted);
            at +=
                found.unwrap_or_else(|| panic!("{}: no heading '{wanted}' in its place", page.display())) + 1;
        }
        let body: usize = text.lines().filter(|l| !l.starts_with('#')).map(str::len).sum();
        assert!(body > 300, "{}: says too little", page.display());
    }
}

#[test]
fn every_procedure_has_a_test_and_names_what_it_needs() {
    let sources = sources();
    for procedure in registry::all() {
        let about = procedure.about();
        let own = room(&sources, about.id, folder(about.phase));
        // In the file, in its own folder, or in the folder that it shares with its likes below the phase's.
        let shared = |s: &Source| beside(&own.path).contains('/') && beside(&s.path) == beside(&own.path);
        let below = |s: &Source| s.path.starts_with(&format!("{}/", stem(&own.path)));
        let here = |s: &&Source| s.path == own.path || below(s) || shared(s);
        let tested = sources.iter().filter(here).any(|s| s.text.contains("#[test]"));
        assert!(tested, "src/{} has no test", own.path);
        for text in [about.title, about.question, about.needs, about.reference] {
            assert!(!text.trim().is_empty(), "'{}' leaves a part of its description empty", about.id);
        }
        for earlier in about.after {
            assert!(registry::find(earlier).is_some(), "'{}' waits for unknown '{earlier}'", about.id);
        }
    }
}

#[test]
fn nothing_is_left_unwritten() {
    let stubs = ["todo!(", "unimplemented!(", "TODO", "FIXME"];
    let broken: Vec<String> = sources()
        .iter()
        .filter(|s| stubs.iter().any(|stub| s.text.contains(stub)))
        .map(|s| format!("src/{}", s.path))
        .collect();
    assert!(broken.is_empty(), "unfinished: {broken:?}");
}
