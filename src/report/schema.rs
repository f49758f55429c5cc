//! As much of JSON Schema as the shipped schema uses, for tests: whether a document fits. An unknown keyword is a panic, so
//! that the schema cannot outgrow it; `tools/interchange` judges by a whole validator.

use serde_json::Value;

/// What of `value` does not fit `schema`, one line each with its place; `root` holds the definitions.
pub fn errors(root: &Value, schema: &Value, value: &Value, place: &str) -> Vec<String> {
    let mut all = Vec::new();
    for (keyword, rule) in schema.as_object().unwrap() {
        let fits = match keyword.as_str() {
            "$schema"
            | "$id"
            | "$defs"
            | "title"
            | "description"
            | "additionalProperties"
            | "format"
            | "then" => {
                // Closed objects are not used; maps have a rule for each value.
                if keyword == "additionalProperties" && rule.is_object() {
                    for (name, one) in value.as_object().into_iter().flatten() {
                        all.extend(errors(root, rule, one, &format!("{place}/{name}")));
                    }
                }
                true
            }
            "$ref" => {
                let target = root.pointer(rule.as_str().unwrap().trim_start_matches('#')).unwrap();
                all.extend(errors(root, target, value, place));
                true
            }
            "type" => match rule {
                Value::Array(types) => types.iter().any(|t| is(value, t.as_str().unwrap())),
                one => is(value, one.as_str().unwrap()),
            },
            "const" => value == rule,
            "enum" => rule.as_array().unwrap().contains(value),
            "minimum" => value.as_f64().is_none_or(|x| x >= rule.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|x| x <= rule.as_f64().unwrap()),
            "minLength" => value.as_str().is_none_or(|s| s.chars().count() as u64 >= rule.as_u64().unwrap()),
            "pattern" => value.as_str().is_none_or(|s| matches(rule.as_str().unwrap(), s)),
            "required" => value.as_object().is_none_or(|o| {
                rule.as_array().unwrap().iter().all(|name| o.contains_key(name.as_str().unwrap()))
            }),
            "properties" => {
                for (name, rule) in rule.as_object().unwrap() {
                    if let Some(one) = value.get(name) {
                        all.extend(errors(root, rule, one, &format!("{place}/{name}")));
                    }
                }
                true
            }
            "items" => {
                for (n, one) in value.as_array().into_iter().flatten().enumerate() {
                    all.extend(errors(root, rule, one, &format!("{place}/{n}")));
                }
                true
            }
            "anyOf" => rule.as_array().unwrap().iter().any(|s| errors(root, s, value, place).is_empty()),
            "allOf" => {
                rule.as_array().unwrap().iter().for_each(|s| all.extend(errors(root, s, value, place)));
                true
            }
            "if" => {
                if errors(root, rule, value, place).is_empty() {
                    all.extend(errors(root, &schema["then"], value, place));
                }
                true
            }
            other => panic!("keyword '{other}' at {place}: teach it to this file first"),
        };
        if !fits {
            all.push(format!("{place}: {keyword} {rule}, and it is {value}"));
        }
    }
    all
}

fn is(value: &Value, kind: &str) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("type '{other}'"),
    }
}

/// The patterns in use.
fn matches(pattern: &str, text: &str) -> bool {
    let digest = || crate::case::line::is_sha256(text);
    match pattern {
        "^[0-9a-f]{64}$" => digest(),
        "^([0-9a-f]{64})?$" => text.is_empty() || digest(),
        "^F[1-9][0-9]*$" => text.strip_prefix('F').is_some_and(|n| n.parse::<u32>().is_ok_and(|n| n > 0)),
        other => panic!("pattern '{other}'"),
    }
}
