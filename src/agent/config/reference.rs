//! Every key of the file, from the same types that read it: as a JSON Schema for editors, and as text for
//! people.

use super::Config;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};
use std::fmt::Write;

/// The schema, for editors.
pub fn schema() -> Value {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Config>().to_value()
}

/// All keys, each with what it is, its default and an example, as Markdown.
pub fn reference() -> String {
    let schema = schema();
    let mut text = String::from(
        "# The file of jobs\n\nEvery key of it, as `icecore config keys` prints it; `icecore config schema` prints \
         a JSON Schema for editors. NAME stands for\na name of your own: letters, digits, `-`, `_` and `.`.\n",
    );
    for table in tables(&schema) {
        // Writing to a text does not fail.
        let _ = write!(text, "\n## {}\n\n{}\n\n", table.title(), table.about);
        for key in &table.keys {
            let _ = writeln!(text, "- {key}");
        }
    }
    text
}

/// A table of the file.
pub struct Table {
    /// Where it stands: `job.NAME.stop`; `[]` behind the name of a list.
    pub path: String,
    about: String,
    /// Its keys.
    pub keys: Vec<Key>,
}

impl Table {
    fn title(&self) -> String {
        match self.path.as_str() {
            "" => "The whole file".to_owned(),
            path => format!("`{path}`"),
        }
    }
}

/// A key of a table.
pub struct Key {
    /// Its name.
    pub name: String,
    /// What it is.
    pub about: String,
    /// What may be written there.
    pub form: String,
    /// Whether it must be there.
    pub required: bool,
    /// What holds without it.
    pub default: Option<Value>,
    /// How it is written.
    pub examples: Vec<Value>,
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "**`{}`** ({}", self.name, self.form)?;
        if self.required {
            f.write_str(", required")?;
        }
        if let Some(default) = &self.default {
            write!(f, ", default `{}`", toml_of(default))?;
        }
        write!(f, "): {}", self.about)?;
        for example in &self.examples {
            write!(f, " `{} = {}`", self.name, toml_of(example))?;
        }
        Ok(())
    }
}

/// All tables of the file.
pub fn tables(schema: &Value) -> Vec<Table> {
    let mut found = Vec::new();
    Walk { root: schema, found: &mut found }.visit("", schema);
    found
}

struct Walk<'s, 'f> {
    root: &'s Value,
    found: &'f mut Vec<Table>,
}

impl<'s> Walk<'s, '_> {
    fn visit(&mut self, path: &str, schema: &'s Value) {
        let schema = self.resolved(schema);
        for choice in choices(schema) {
            self.visit(path, choice);
        }
        if let Some(items) = schema.get("items") {
            self.visit(&format!("{path}[]"), items);
        }
        if let Some(each) = schema.get("additionalProperties").filter(|each| each.is_object()) {
            self.visit(&format!("{path}.NAME"), each);
        }
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
        let path = path.trim_end_matches("[][]");
        if self.found.iter().any(|table| table.path == path) {
            return;
        }
        let required = schema.get("required").and_then(Value::as_array);
        let required = |name: &str| required.is_some_and(|list| list.iter().any(|it| it == name));
        let keys =
            properties.iter().map(|(name, property)| self.key(name, property, required(name)));
        let about = text(schema, "description");
        let table = Table { path: path.to_owned(), about, keys: keys.collect() };
        self.found.push(table);
        for (name, property) in properties {
            let dot = if path.is_empty() { "" } else { "." };
            self.visit(&format!("{path}{dot}{name}"), property);
        }
    }

    fn key(&self, name: &str, property: &'s Value, required: bool) -> Key {
        let examples = property.get("examples").and_then(Value::as_array);
        let is_nothing = |value: &&Value| {
            value.is_null()
                || value.as_array().is_some_and(Vec::is_empty)
                || value.as_object().is_some_and(Map::is_empty)
        };
        let mut forms = self.forms(property);
        forms.dedup();
        Key {
            name: name.to_owned(),
            about: text(property, "description"),
            form: forms.join(" or "),
            required,
            default: property.get("default").filter(|value| !is_nothing(value)).cloned(),
            examples: examples.cloned().unwrap_or_default(),
        }
    }

    /// What may be written, in words.
    fn forms(&self, schema: &'s Value) -> Vec<String> {
        let named = schema.get("$ref").is_some();
        let schema = self.resolved(schema);
        let choices: Vec<String> =
            choices(schema).filter(|it| !is_null(it)).flat_map(|it| self.forms(it)).collect();
        if !choices.is_empty() {
            return choices;
        }
        if let Some(word) = schema.get("const") {
            return vec![toml_of(word)];
        }
        if let Some(words) = schema.get("enum").and_then(Value::as_array) {
            return words.iter().filter(|it| !it.is_null()).map(toml_of).collect();
        }
        let kind = match schema.get("type") {
            Some(Value::Array(kinds)) => kinds.iter().find(|kind| *kind != "null"),
            kind => kind,
        };
        vec![match (kind.and_then(Value::as_str), schema.get("items")) {
            (Some("string"), _) if named => text(schema, "description"),
            (Some("string"), _) => "a text".to_owned(),
            (Some("integer" | "number"), _) => "a number".to_owned(),
            (Some("boolean"), _) => "true or false".to_owned(),
            (Some("array"), Some(items)) => {
                let forms = self.forms(items);
                format!("a list, each {}", forms.join(" or "))
            }
            _ => "a table".to_owned(),
        }]
    }

    fn resolved(&self, schema: &'s Value) -> &'s Value {
        let name = schema.get("$ref").and_then(Value::as_str);
        let name = name.and_then(|name| name.strip_prefix('#'));
        name.and_then(|pointer| self.root.pointer(pointer)).unwrap_or(schema)
    }
}

fn choices(schema: &Value) -> impl Iterator<Item = &Value> {
    ["anyOf", "oneOf"].into_iter().filter_map(|key| schema.get(key)?.as_array()).flatten()
}

fn is_null(schema: &Value) -> bool {
    schema.get("type").is_some_and(|kind| kind == "null")
}

fn text(schema: &Value, key: &str) -> String {
    schema.get(key).and_then(Value::as_str).unwrap_or_default().replace('\n', " ")
}

/// A value as TOML has it, on one line.
pub fn toml_of(value: &Value) -> String {
    match value {
        Value::Array(list) => {
            format!("[{}]", list.iter().map(toml_of).collect::<Vec<_>>().join(", "))
        }
        Value::Object(table) => {
            let pairs = table.iter().map(|(key, value)| format!("{key} = {}", toml_of(value)));
            format!("{{ {} }}", pairs.collect::<Vec<_>>().join(", "))
        }
        // Texts of JSON are texts of TOML.
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every key says what it is and shows an example, and every example is understood where it stands.
    #[test]
    fn every_key_is_explained_and_its_examples_are_understood() {
        let tables = tables(&schema());
        assert!(tables.iter().map(|table| table.keys.len()).sum::<usize>() > 90);
        for table in &tables {
            for Key { name, about, examples, .. } in &table.keys {
                assert!(!about.is_empty() && !examples.is_empty(), "{}.{name}", table.path);
                for example in examples {
                    let text = placed(&table.path, &format!("{name} = {}", toml_of(example)));
                    match toml::from_str::<Config>(&text) {
                        Err(error) if !error.message().starts_with("missing field") => {
                            panic!("{text}\n{error}")
                        }
                        _ => {}
                    }
                }
            }
        }
    }

    /// A file in which the line stands in the table.
    fn placed(path: &str, line: &str) -> String {
        let path = path.replace("NAME", "app");
        match path.split_once("[]") {
            None if path.is_empty() => line.to_owned(),
            None => format!("[{path}]\n{line}"),
            Some((list, rest)) => {
                let within = match rest.strip_prefix('.') {
                    None => line.to_owned(),
                    Some(rest) => format!("{rest} = {{ {line} }}"),
                };
                format!("{list} = [{{ {within} }}]")
            }
        }
    }
}
