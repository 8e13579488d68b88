//! The JSON schema of a whole configuration, for editors and for the reference.

use orbit_core::{Backend, ConnectionKind, Registry};
use orbit_engine::{EngineOptions, TableOptions};
use orbit_layers::LayerSettings;
use schemars::{Schema, schema_for};
use serde_json::{Map, Value, json};

/// The schema of a configuration with the backends of `registry`.
///
/// A number or a boolean may also be a text with a `${...}` in it.
pub fn config_schema(registry: &Registry) -> Schema {
    let mut definitions = Map::new();
    define(&mut definitions, "engine", schema_for!(EngineOptions));
    define(&mut definitions, "limits", schema_for!(LayerSettings));
    define(&mut definitions, "table", schema_for!(TableOptions));
    for backend in registry.iter() {
        define(&mut definitions, backend.name, datasource_schema(backend));
    }
    let names: Vec<_> = registry.iter().map(|backend| backend.name).collect();
    let by_type: Vec<_> = names.iter().map(|name| by_type(name)).collect();
    let by_name: Map<_, _> = names.iter().map(|name| ((*name).to_owned(), by_name(name))).collect();
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "ORBIT configuration",
        "type": "object",
        "properties": {
            "version": {
                "description": "The format of this file.",
                "enum": [1, "1"],
            },
            "engine": { "$ref": "#/$defs/engine" },
            "datasources": {
                "description": "The datasources by name. A name that equals a backend implies it.",
                "type": ["object", "null"],
                "propertyNames": { "pattern": "^[A-Za-z][A-Za-z0-9_-]{0,63}$" },
                "properties": by_name,
                "additionalProperties": {
                    "type": "object",
                    "properties": { "type": { "enum": names } },
                    "required": ["type"],
                    "allOf": by_type,
                },
            },
        },
        "additionalProperties": false,
        "$defs": definitions,
    });
    allow_variables(&mut schema);
    // What was made of an object is one.
    Schema::try_from(schema).unwrap_or_default()
}

/// Adds a schema under `$defs`, its own definitions inside it.
fn define(definitions: &mut Map<String, Value>, name: &str, schema: Schema) {
    let mut value = schema.to_value();
    if let Value::Object(object) = &mut value {
        object.remove("$schema");
        object.remove("title");
        // An unknown setting is refused wherever it stands.
        object.entry("additionalProperties").or_insert(Value::Bool(false));
    }
    move_references(&mut value, name);
    definitions.insert(name.to_owned(), value);
}

/// A backend's settings, and beside them the ones that every datasource has.
fn datasource_schema(backend: &Backend) -> Schema {
    let mut schema = (backend.schema)();
    let mut common = json!({
        "type": { "description": "The backend.", "const": backend.name },
        "allow_writes": {
            "description": "Whether statements and file operations may write to it.",
            "type": "boolean",
            "default": false,
        },
        "limits": { "$ref": "#/$defs/limits" },
    });
    if backend.kind == ConnectionKind::File {
        common["tables"] = json!({
            "description": "Tables by name, beside those that are found by convention.",
            "type": ["object", "null"],
            "additionalProperties": { "$ref": "#/$defs/table" },
        });
    }
    let properties = schema.ensure_object().entry("properties").or_insert_with(|| json!({}));
    if let (Value::Object(properties), Value::Object(common)) = (properties, common) {
        properties.extend(common);
    }
    schema
}

fn by_type(name: &str) -> Value {
    json!({
        "if": { "properties": { "type": { "const": name } }, "required": ["type"] },
        "then": { "$ref": format!("#/$defs/{name}") },
    })
}

fn by_name(name: &str) -> Value {
    json!({ "anyOf": [{ "type": "null" }, { "$ref": format!("#/$defs/{name}") }] })
}

/// References of a schema that now stands under `$defs/name`.
fn move_references(value: &mut Value, name: &str) {
    match value {
        Value::Object(object) => {
            if let Some(Value::String(target)) = object.get_mut("$ref")
                && let Some(own) = target.strip_prefix("#/$defs/")
                && !COMMON_DEFINITIONS.contains(&own)
            {
                *target = format!("#/$defs/{name}/$defs/{own}");
            }
            object.values_mut().for_each(|v| move_references(v, name));
        }
        Value::Array(items) => items.iter_mut().for_each(|v| move_references(v, name)),
        _ => {}
    }
}

/// Definitions that every datasource refers to.
const COMMON_DEFINITIONS: &[&str] = &["limits", "table"];

/// Lets a text with a variable stand where a number or a boolean is wanted.
fn allow_variables(value: &mut Value) {
    match value {
        Value::Object(object) => {
            object.values_mut().for_each(allow_variables);
            let is_typed = object.get("type").is_some_and(is_number_or_boolean);
            if is_typed {
                let mut typed = Map::new();
                for key in ["description", "default"] {
                    if let Some(said) = object.remove(key) {
                        typed.insert(key.to_owned(), said);
                    }
                }
                let plain = Value::Object(std::mem::take(object));
                let variable = json!({ "type": "string", "pattern": "\\$\\{" });
                typed.insert("anyOf".to_owned(), json!([plain, variable]));
                *object = typed;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(allow_variables),
        _ => {}
    }
}

fn is_number_or_boolean(kind: &Value) -> bool {
    match kind {
        Value::String(kind) => matches!(kind.as_str(), "integer" | "number" | "boolean"),
        Value::Array(kinds) => kinds.iter().any(is_number_or_boolean),
        _ => false,
    }
}
