//! JSON, strictly: where parsers disagree, where it exhausts, and what its values point at.

use crate::evidence::limits::{Limits, cap};
use crate::evidence::text;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;

/// What is wrong, by reason code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub code: &'static str,
    pub place: String,
    pub detail: String,
}

/// Parses one document and nothing after it.
pub(super) fn parse(data: &[u8]) -> Result<Value, Problem> {
    let problem = |code, at: usize, detail: &str| Problem {
        code,
        place: format!("byte {at}"),
        detail: detail.to_owned(),
    };
    if data.starts_with(b"\xef\xbb\xbf") || data.starts_with(b"\xff\xfe") || data.starts_with(b"\xfe\xff") {
        return Err(problem("json.utf8", 0, "a byte order mark; JSON has none"));
    }
    let source = std::str::from_utf8(data).map_err(|e| problem("json.utf8", e.valid_up_to(), "not UTF-8"))?;
    let slot = RefCell::new(None);
    let state = State { slot: &slot, values: RefCell::new(0) };
    let mut json = serde_json::Deserializer::from_str(source);
    let parsed = Strict(&state).deserialize(&mut json).and_then(|v| json.end().map(|()| v));
    parsed.map_err(|e| {
        let place = format!("line {}, column {}", e.line(), e.column());
        let (code, detail) =
            slot.borrow_mut().take().unwrap_or_else(|| (classify(source, &e), text::visible(&e.to_string())));
        Problem { code, place, detail }
    })
}

/// The code of a parser's error.
fn classify(source: &str, e: &serde_json::Error) -> &'static str {
    let words = e.to_string();
    let line = source.lines().nth(e.line().saturating_sub(1)).unwrap_or_default();
    let column = e.column().saturating_sub(1);
    let near = line.get(column.saturating_sub(9).min(line.len())..).unwrap_or(line);
    let near: String = near.chars().take(24).collect();
    if words.contains("recursion limit") {
        "json.depth"
    } else if words.contains("out of range")
        || words.contains("invalid number")
        || ["NaN", "Infinity", "nan", "inf"].iter().any(|w| near.contains(w))
    {
        "json.number"
    } else if words.contains("surrogate")
        || words.contains("hex escape")
        || words.contains("unicode code point")
    {
        "json.utf8"
    } else {
        "json.malformed"
    }
}

struct State<'s> {
    slot: &'s RefCell<Option<(&'static str, String)>>,
    values: RefCell<usize>,
}

impl State<'_> {
    fn stop<E: serde::de::Error>(&self, code: &'static str, detail: String) -> E {
        self.slot.borrow_mut().get_or_insert((code, detail));
        E::custom("stopped")
    }

    fn count<E: serde::de::Error>(&self) -> Result<(), E> {
        let mut n = self.values.borrow_mut();
        *n += 1;
        let limits = Limits::in_force();
        if *n > limits.json_values {
            Err(self.stop("json.limit", format!("too many values: {}", cap!(limits, json_values))))
        } else {
            Ok(())
        }
    }
}

#[derive(Clone, Copy)]
struct Strict<'s>(&'s State<'s>);

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, b: bool) -> Result<Value, E> {
        Ok(Value::Bool(b))
    }

    fn visit_i64<E>(self, n: i64) -> Result<Value, E> {
        Ok(n.into())
    }

    fn visit_u64<E>(self, n: u64) -> Result<Value, E> {
        Ok(n.into())
    }

    fn visit_f64<E: serde::de::Error>(self, n: f64) -> Result<Value, E> {
        // An integer that does not fit arrives as a float; readers differ on it.
        if n.abs() >= 18_446_744_073_709_551_615.0 && n.fract() == 0.0 {
            return Err(self.0.stop("json.number", "an integer beyond 64 bits".to_owned()));
        }
        Ok(Number::from_f64(n).map_or(Value::Null, Value::Number))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_str<E: serde::de::Error>(self, s: &str) -> Result<Value, E> {
        self.visit_string(s.to_owned())
    }

    fn visit_string<E: serde::de::Error>(self, s: String) -> Result<Value, E> {
        if s.len() > Limits::in_force().json_string {
            return Err(self.0.stop(
                "json.limit",
                format!("a string of {} bytes; {}", s.len(), cap!(Limits::in_force(), json_string)),
            ));
        }
        if s.contains('\0') {
            return Err(self.0.stop("json.utf8", "a NUL in a string".to_owned()));
        }
        Ok(Value::String(s))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut out = Vec::new();
        while let Some(item) = seq.next_element_seed(self)? {
            self.0.count()?;
            out.push(item);
        }
        Ok(Value::Array(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let (mut out, mut seen) = (Map::new(), HashSet::new());
        while let Some(key) = map.next_key::<String>()? {
            self.0.count()?;
            if key.len() > Limits::in_force().json_string || key.contains('\0') {
                return Err(self.0.stop("json.limit", "an absurd key".to_owned()));
            }
            if !seen.insert(key.clone()) {
                return Err(self.0.stop(
                    "json.duplicate_key",
                    format!("the key '{}' is there twice", text::visible(&key)),
                ));
            }
            let value = map.next_value_seed(self)?;
            out.insert(key, value);
        }
        if out.contains_key("$serde_json::private::Number") {
            return Err(A::Error::custom("a reserved key"));
        }
        Ok(Value::Object(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_parsers_disagree_has_a_code() {
        let code = |s: &[u8]| parse(s).err().map_or("ok", |p| p.code);
        assert_eq!(code(b"{\"a\": [1, 2.5, null, true, \"x\"]}"), "ok");
        assert_eq!(code(b"{\"a\":1,\"a\":2}"), "json.duplicate_key");
        assert_eq!(code(b"{\"a\": NaN}"), "json.number");
        assert_eq!(code(b"[-Infinity]"), "json.number");
        assert_eq!(code(b"[1e400]"), "json.number");
        assert_eq!(code(b"[123456789012345678901234567890]"), "json.number");
        assert_eq!(code(b"[\"\\ud800\"]"), "json.utf8");
        assert_eq!(code(b"[\"a\\u0000\"]"), "json.utf8");
        assert_eq!(code(b"\xff\xfe{\0"), "json.utf8");
        assert_eq!(code(&[b'['; 5000]), "json.depth");
        assert_eq!(code(b"{\"a\":1} x"), "json.malformed");
    }
}
