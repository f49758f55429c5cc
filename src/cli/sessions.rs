//! Where sessions are kept when no folder is named.

use etcetera::BaseStrategy;
use std::io;
use std::path::{Path, PathBuf};

/// The folder that holds sessions by default: `laocoon/sessions` in the user's data folder.
///
/// # Errors
/// The system does not say where that is.
pub fn home() -> io::Result<PathBuf> {
    let base = etcetera::choose_base_strategy().map_err(io::Error::other)?;
    Ok(base.data_dir().join("laocoon").join("sessions"))
}

/// Makes a new folder for a session of a case in `home`: `<case id>/<UTC time>`. `time` is RFC 3339 UTC.
///
/// # Errors
/// It cannot be made.
pub fn fresh(home: &Path, case: &str, time: &str) -> io::Result<PathBuf> {
    let of_case = home.join(tame(case));
    std::fs::create_dir_all(&of_case)?;
    let time: String = time.chars().filter(char::is_ascii_alphanumeric).collect();
    for k in 0..1000 {
        let name = if k == 0 { time.clone() } else { format!("{time}-{k}") };
        match std::fs::create_dir(of_case.join(&name)) {
            Ok(()) => return Ok(of_case.join(name)),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
    }
    Err(io::Error::other(format!("{} is full of sessions of this moment", of_case.display())))
}

/// A case id as a folder name: whatever the case file says, it stays one plain name.
fn tame(id: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    let name: String = id.chars().take(80).map(plain).collect();
    let name = name.trim_matches('.').to_owned();
    if name.is_empty() { "case".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_case_id_stays_in_the_folder_and_two_sessions_never_share_one() {
        let home = tempfile::tempdir().unwrap();
        for (id, name) in
            [("../../etc", "_.._etc"), ("..", "case"), ("", "case"), ("IR-2026/1 \u{1b}", "IR-2026_1__")]
        {
            let made = fresh(home.path(), id, "2026-03-01T12:00:00.000Z").unwrap();
            assert_eq!(made.parent().unwrap(), home.path().join(name));
        }
        let again = fresh(home.path(), "..", "2026-03-01T12:00:00.000Z").unwrap();
        assert!(again.ends_with("case/20260301T120000000Z-2"), "{}", again.display());
    }
}
