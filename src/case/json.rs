//! JSON as the session folder keeps it: every character that acts on a terminal escaped, no duplicate keys.

use crate::evidence::text;
use serde::Serialize;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::ser::Formatter;
use serde_json::{Map, Value};
use std::fmt;
use std::io::{self, Write};

/// Compact JSON in which every control, bidirectional and invisible character of a string is written `\u001b`-style, so
/// that a `cat` of the file is harmless. Same value, same bytes.
///
/// # Errors
/// The value has no JSON form (a path that is not UTF-8).
pub fn to_vec<T: Serialize>(value: &T) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let mut writer = serde_json::Serializer::with_formatter(&mut out, Visible);
    value.serialize(&mut writer).map_err(|e| e.to_string())?;
    Ok(out)
}

struct Visible;

impl Formatter for Visible {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut plain = 0;
        for (at, c) in fragment.char_indices() {
            if (' '..='~').contains(&c) || text::visible(c.encode_utf8(&mut [0; 4])).starts_with(c) {
                continue;
            }
            writer.write_all(&fragment.as_bytes()[plain..at])?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            plain = at + c.len_utf8();
        }
        writer.write_all(&fragment.as_bytes()[plain..])
    }
}

/// Reads JSON, refusing an object that has a key twice (of which readers disagree which counts). Depth is bounded by
/// `serde_json`'s own limit of 128.
///
/// # Errors
/// Not JSON, a duplicate key, or something after it.
pub fn strict(bytes: &[u8]) -> Result<Value, String> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = Strict.deserialize(&mut reader).map_err(|e| e.to_string())?;
    reader.end().map_err(|e| e.to_string())?;
    Ok(value)
}

struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("JSON without duplicate keys")
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(v.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(v) = from.next_element_seed(Strict)? {
            all.push(v);
        }
        Ok(all.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut all = Map::new();
        while let Some(key) = from.next_key::<String>()? {
            if all.contains_key(&key) {
                return Err(de::Error::custom(format!("the key '{}' is there twice", text::visible(&key))));
            }
            let value = from.next_value_seed(Strict)?;
            all.insert(key, value);
        }
        Ok(all.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_acts_is_escaped_and_what_reads_stays() {
        let text = "Stop 停 \u{1b}[31m \u{7f}\u{9b}\u{202e}\u{200b}\n\"\\\u{e0001}";
        let bytes = to_vec(&text).unwrap();
        let line = String::from_utf8(bytes.clone()).unwrap();
        assert_eq!(line, r#""Stop 停 \u001b[31m \u007f\u009b\u202e\u200b\n\"\\\udb40\udc01""#);
        assert_eq!(strict(&bytes).unwrap(), Value::from(text));
    }

    #[test]
    fn duplicate_keys_are_refused_at_any_depth() {
        assert!(strict(br#"{"a":1,"b":{"a":1}}"#).is_ok());
        assert!(strict(br#"{"a":1,"a":1}"#).unwrap_err().contains("'a' is there twice"));
        assert!(strict(br#"{"b":[{"a":1,"\u0061":2}]}"#).is_err());
        assert!(strict(b"{} {}").is_err());
        assert!(strict("[".repeat(100_000).as_bytes()).is_err(), "bounded depth");
    }
}
