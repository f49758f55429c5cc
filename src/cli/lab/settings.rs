//! `--set KEY=VALUE` and recipe files: one table of settings.

use crate::cli::Usage;
use crate::evidence::{Limits, intake::read_text};
use serde_json::{Map, Value};
use std::path::Path;

/// The settings of a recipe file (TOML), if one is given, and those of the command line over them. A dot in a key goes
/// into a table (`trigger.size=4`); a value is read as TOML and taken as text when it is none.
pub(super) fn table(file: Option<&Path>, set: &[String]) -> anyhow::Result<Map<String, Value>> {
    let mut all = match file {
        None => Map::new(),
        Some(path) => {
            let (_, text) = read_text(path, Limits::in_force())?;
            let read: toml::Table =
                text.parse().map_err(|e: toml::de::Error| Usage(format!("{}: {e}", path.display())))?;
            match serde_json::to_value(read)? {
                Value::Object(map) => map,
                _ => Map::new(),
            }
        }
    };
    for setting in set {
        let Some((key, value)) = setting.split_once('=') else {
            return Err(Usage(format!("--set {setting}: KEY=VALUE is meant")).into());
        };
        put(&mut all, key, parsed(value)?);
    }
    Ok(all)
}

/// Sets a key that may have dots.
pub(super) fn put(map: &mut Map<String, Value>, key: &str, value: Value) {
    match key.split_once('.') {
        None => {
            map.insert(key.to_owned(), value);
        }
        Some((head, rest)) => {
            let inner = map.entry(head.to_owned()).or_insert_with(|| Value::Object(Map::new()));
            if !inner.is_object() {
                *inner = Value::Object(Map::new());
            }
            if let Value::Object(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

fn parsed(text: &str) -> anyhow::Result<Value> {
    match format!("v = {text}").parse::<toml::Table>() {
        Ok(table) if table.len() == 1 => Ok(serde_json::to_value(&table["v"])?),
        _ => Ok(Value::from(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn settings_are_toml_values_or_text_and_dots_go_into_tables() {
        let set =
            ["rate=0.1", "trigger.at=random", "trigger.size=[2, 3]", "trigger.colour='red'", "clean=true"];
        let all = table(None, &set.map(str::to_owned)).unwrap();
        let want =
            json!({"rate": 0.1, "trigger": {"at": "random", "size": [2, 3], "colour": "red"}, "clean": true});
        assert_eq!(Value::Object(all), want);
        assert!(table(None, &["rate".to_owned()]).is_err());
    }
}
