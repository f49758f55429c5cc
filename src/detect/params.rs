//! Parameters an analyst may set for a procedure, checked: an unknown name or a wrong type is an error, not ignored.

use crate::procedure::{Case, Skip};
use serde_json::{Map, Value};

/// The parameters set for one procedure.
#[derive(Debug)]
pub struct Params<'a> {
    procedure: &'static str,
    set: Option<&'a Map<String, Value>>,
}

impl<'a> Params<'a> {
    /// Those of `procedure` in the case.
    ///
    /// # Errors
    /// When they are not a JSON object, or name a parameter that is not in `known`.
    pub fn of(case: &'a Case, procedure: &'static str, known: &[&str]) -> Result<Self, Skip> {
        let set = match case.overrides.get(procedure) {
            None | Some(Value::Null) => None,
            Some(Value::Object(set)) => Some(set),
            Some(_) => return Err(Skip(format!("parameters of {procedure} must be a JSON object"))),
        };
        let unknown: Vec<String> = set
            .into_iter()
            .flat_map(Map::keys)
            .filter(|key| !known.contains(&key.as_str()))
            .map(|key| crate::evidence::text::visible(key))
            .collect();
        if unknown.is_empty() {
            Ok(Self { procedure, set })
        } else {
            Err(Skip(format!(
                "{procedure} has no parameter '{}'; it has: {}",
                unknown.join("', '"),
                known.join(", ")
            )))
        }
    }

    /// Whether any parameter was set.
    pub fn any(&self) -> bool {
        self.set.is_some_and(|set| !set.is_empty())
    }

    fn get<T>(&self, name: &str, what: &str, read: impl Fn(&Value) -> Option<T>) -> Result<Option<T>, Skip> {
        let Some(value) = self.set.and_then(|set| set.get(name)) else { return Ok(None) };
        read(value)
            .map(Some)
            .ok_or_else(|| Skip(format!("parameter '{name}' of {} must be {what}", self.procedure)))
    }

    /// A whole number within `range`.
    ///
    /// # Errors
    /// When it is something else.
    pub fn count(&self, name: &str, default: u64, range: std::ops::RangeInclusive<u64>) -> Result<u64, Skip> {
        let what = format!("a whole number in {}..={}", range.start(), range.end());
        Ok(self.get(name, &what, |v| v.as_u64().filter(|n| range.contains(n)))?.unwrap_or(default))
    }

    /// A number within `range`.
    ///
    /// # Errors
    /// When it is something else.
    pub fn number(
        &self,
        name: &str,
        default: f64,
        range: std::ops::RangeInclusive<f64>,
    ) -> Result<f64, Skip> {
        let what = format!("a number in {}..={}", range.start(), range.end());
        Ok(self.get(name, &what, |v| v.as_f64().filter(|x| range.contains(x)))?.unwrap_or(default))
    }

    /// A text.
    ///
    /// # Errors
    /// When it is something else.
    pub fn text(&self, name: &str) -> Result<Option<&'a str>, Skip> {
        let Some(value) = self.set.and_then(|set| set.get(name)) else { return Ok(None) };
        value
            .as_str()
            .map(Some)
            .ok_or_else(|| Skip(format!("parameter '{name}' of {} must be a text", self.procedure)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::fixture;
    use serde_json::json;

    #[test]
    fn unknown_and_ill_typed_parameters_are_named() {
        let mut case = fixture::case();
        let read = |case: &Case| {
            Params::of(case, "neural-cleanse", &["steps", "rate"]).map(|p| p.count("steps", 9, 1..=50))
        };
        assert_eq!(read(&case).unwrap(), Ok(9));
        case.overrides.insert("neural-cleanse".into(), json!({"steps": 7}));
        assert_eq!(read(&case).unwrap(), Ok(7));
        case.overrides.insert("neural-cleanse".into(), json!({"steps": 70}));
        assert!(read(&case).unwrap().unwrap_err().0.contains("'steps'"));
        case.overrides.insert("neural-cleanse".into(), json!({"stpes": 7}));
        assert!(read(&case).unwrap_err().0.contains("'stpes'"));
        case.overrides.insert("neural-cleanse".into(), json!([1]));
        assert!(read(&case).is_err());
    }
}
