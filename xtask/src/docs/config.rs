//! The configuration reference, from the JSON schema that editors use.

use serde_json::{Map, Value};

/// One section for the file itself and one for each definition of the schema.
pub(super) fn page(schema: &Value) -> String {
    let mut page = String::from("# Configuration reference\n");
    section(&mut page, "The file", "file", schema);
    for (name, definition) in sorted(schema) {
        definitions(&mut page, name, definition);
    }
    page
}

fn sorted(schema: &Value) -> Vec<(&String, &Value)> {
    let mut all: Vec<_> = schema["$defs"].as_object().into_iter().flatten().collect();
    all.sort_by_key(|(name, _)| *name);
    all
}

fn definitions(page: &mut String, name: &str, definition: &Value) {
    section(page, &format!("`{name}`"), name, definition);
    for (inner, definition) in sorted(definition) {
        let anchor = format!("{name}.{inner}");
        section(page, &format!("`{inner}` of `{name}`"), &anchor, definition);
    }
}

fn section(page: &mut String, title: &str, anchor: &str, schema: &Value) {
    *page += &format!("\n## {title} <a id=\"{anchor}\"></a>\n\n");
    if let Some(text) = schema["description"].as_str() {
        *page += &format!("{}\n\n", one_line(text));
    }
    let Some(properties) = schema["properties"].as_object() else {
        *page += &format!("One of {}.\n", type_text(schema));
        return;
    };
    page.push_str("| Setting | Type | Default | Meaning |\n|---|---|---|---|\n");
    for (name, property) in properties {
        row(page, name, property, is_required(schema, name));
    }
}

fn row(page: &mut String, name: &str, property: &Value, required: bool) {
    let default = match property.get("default") {
        Some(value) if !value.is_null() => format!("`{value}`"),
        _ if required => "required".to_owned(),
        _ => String::new(),
    };
    let meaning = one_line(property["description"].as_str().unwrap_or_default());
    *page += &format!("| `{name}` | {} | {default} | {meaning} |\n", type_text(property));
}

fn is_required(schema: &Value, name: &str) -> bool {
    schema["required"].as_array().is_some_and(|r| r.iter().any(|n| n == name))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

/// What a value may be, in words. Null and `${...}` texts are possible nearly everywhere, so
/// they are left out.
fn type_text(schema: &Value) -> String {
    let mut texts = Vec::new();
    collect_types(schema, &mut texts);
    texts.dedup();
    texts.join(" or ")
}

fn collect_types(schema: &Value, texts: &mut Vec<String>) {
    let Some(object) = schema.as_object() else { return };
    if let Some(target) = object.get("$ref").and_then(Value::as_str) {
        // Two definitions may hold one of the same name.
        let path: Vec<_> = target.split("/$defs/").skip(1).collect();
        let name = path.last().unwrap_or(&target);
        texts.push(format!("[{name}](#{})", path.join(".")));
    }
    if let Some(value) = object.get("const") {
        texts.push(format!("`{}`", plain(value)));
    }
    for value in object.get("enum").and_then(Value::as_array).into_iter().flatten() {
        texts.push(format!("`{}`", plain(value)));
    }
    for key in ["anyOf", "oneOf", "allOf"] {
        let parts = object.get(key).and_then(Value::as_array).into_iter().flatten();
        parts.filter(|part| !is_variable(part)).for_each(|part| collect_types(part, texts));
    }
    let named = object.contains_key("const") || object.contains_key("enum");
    if !named {
        texts.extend(type_names(object));
    }
}

fn type_names(object: &Map<String, Value>) -> Vec<String> {
    let names = match &object.get("type") {
        Some(Value::String(name)) => vec![name.as_str()],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let text = |name: &str| match name {
        "array" => format!("list of {}", object.get("items").map(type_text).unwrap_or_default()),
        "object" => match object.get("additionalProperties") {
            Some(values @ Value::Object(_)) => format!("map to {}", type_text(values)),
            _ => "map".to_owned(),
        },
        "string" => "text".to_owned(),
        "integer" => "whole number".to_owned(),
        other => other.to_owned(),
    };
    names.into_iter().filter(|name| *name != "null").map(text).collect()
}

/// A text with `${...}` in place of a number or boolean.
fn is_variable(schema: &Value) -> bool {
    schema["type"] == "string" && schema["pattern"].as_str().is_some_and(|p| p.contains('$'))
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schema_becomes_tables() {
        let schema = json!({
            "properties": { "engine": { "$ref": "#/$defs/engine" } },
            "$defs": { "engine": {
                "description": "How\nmuch.",
                "properties": {
                    "memory_bytes": {
                        "description": "The budget.",
                        "anyOf": [{ "type": "integer" }, { "type": "string", "pattern": "\\$" }],
                        "default": 5,
                    },
                    "mode": { "enum": ["a", "b"] },
                    "paths": { "type": ["array", "null"], "items": { "type": "string" } },
                    "tls": { "$ref": "#/$defs/engine/$defs/Tls" },
                },
                "required": ["mode"],
                "$defs": { "Tls": { "type": "string" } },
            } },
        });
        let expected = "# Configuration reference\n\n\
            ## The file <a id=\"file\"></a>\n\n\
            | Setting | Type | Default | Meaning |\n|---|---|---|---|\n\
            | `engine` | [engine](#engine) |  |  |\n\n\
            ## `engine` <a id=\"engine\"></a>\n\nHow much.\n\n\
            | Setting | Type | Default | Meaning |\n|---|---|---|---|\n\
            | `memory_bytes` | whole number | `5` | The budget. |\n\
            | `mode` | `a` or `b` | required |  |\n\
            | `paths` | list of text |  |  |\n\
            | `tls` | [Tls](#engine.Tls) |  |  |\n\n\
            ## `Tls` of `engine` <a id=\"engine.Tls\"></a>\n\nOne of text.\n";
        assert_eq!(page(&schema), expected);
    }
}
