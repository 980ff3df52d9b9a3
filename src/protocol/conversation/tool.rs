//! The tools that a model may call.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::invalid;
use crate::protocol::RequestError;
use crate::protocol::text::Text;

/// A function that the model may call.
#[derive(Debug, Clone)]
pub struct Tool<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// What it is for.
    pub description: Option<Cow<'a, str>>,
    /// A JSON Schema of its arguments; `None` if it takes none.
    pub parameters: Option<&'a str>,
    /// Whether the arguments must keep to the schema.
    pub strict: Option<bool>,
    /// The client's prompt-cache marker, as it wrote it.
    pub cache_control: Option<&'a str>,
    /// Where it stands, as in `tools[0]`.
    pub path: String,
}

/// Which tools the model must or must not call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToolChoice<'a> {
    /// As it likes.
    Auto,
    /// None.
    None,
    /// At least one.
    Required,
    /// This one.
    Named(Cow<'a, str>),
    /// One of these, or none of them if it is not required.
    Allowed {
        /// Their names.
        names: Vec<Cow<'a, str>>,
        /// Whether one must be called.
        required: bool,
    },
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(borrow, default, rename = "type")]
    kind: Option<Text<'a>>,
    #[serde(borrow, default)]
    function: Option<Function<'a>>,
    #[serde(borrow, default)]
    cache_control: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow, default)]
    name: Option<Text<'a>>,
    #[serde(borrow, default)]
    description: Option<Text<'a>>,
    #[serde(borrow, default)]
    parameters: Option<&'a RawValue>,
    #[serde(default)]
    strict: Option<bool>,
    #[serde(borrow, default)]
    cache_control: Option<&'a RawValue>,
}

pub(super) fn read<'a>(json: &'a str, path: &str) -> Result<Tool<'a>, RequestError> {
    let wire: Wire<'a> = serde_json::from_str(json).map_err(|error| invalid(path, &error.to_string()))?;
    if let Some(kind) = wire.kind.as_ref().filter(|kind| kind.0 != "function") {
        let reason = format!("`{}` is not `function`; no other kind of tool is translated", kind.0);
        return Err(invalid(&format!("{path}.type"), &reason));
    }
    let at = |field: &str| format!("{path}.function.{field}");
    let function = wire.function.ok_or_else(|| invalid(&format!("{path}.function"), "it is missing"))?;
    let name = function.name.map(|name| name.0).filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| invalid(&at("name"), "it is missing"))?;
    let parameters = function.parameters.map(RawValue::get).filter(|json| *json != "null");
    if parameters.is_some_and(|json| !json.starts_with('{')) {
        return Err(invalid(&at("parameters"), "it must be a JSON Schema, which is an object"));
    }
    Ok(Tool {
        name,
        description: function.description.map(|text| text.0),
        parameters,
        strict: function.strict,
        cache_control: wire.cache_control.or(function.cache_control).map(RawValue::get),
        path: path.to_owned(),
    })
}

pub(super) fn choice<'a>(json: Option<&'a str>, tools: &[Tool<'_>]) -> Result<Option<ToolChoice<'a>>, RequestError> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Choice<'a> {
        Word(#[serde(borrow)] Text<'a>),
        Full {
            #[serde(borrow, rename = "type")]
            kind: Text<'a>,
            #[serde(borrow, default)]
            function: Option<Named<'a>>,
            #[serde(borrow, default)]
            allowed_tools: Option<AllowedTools<'a>>,
        },
    }
    #[derive(Deserialize)]
    struct Named<'a> {
        #[serde(borrow)]
        name: Text<'a>,
    }
    #[derive(Deserialize)]
    struct AllowedTools<'a> {
        #[serde(borrow)]
        mode: Text<'a>,
        #[serde(borrow)]
        tools: Vec<Allowed<'a>>,
    }
    #[derive(Deserialize)]
    struct Allowed<'a> {
        #[serde(borrow)]
        function: Named<'a>,
    }
    let refused = || {
        let reason = "it must be none, auto, required, {\"type\": \"function\", \"function\": {\"name\": …}} or \
                      {\"type\": \"allowed_tools\", \"allowed_tools\": {\"mode\": …, \"tools\": […]}}";
        invalid("tool_choice", reason)
    };
    let Some(json) = json.filter(|json| *json != "null") else { return Ok(None) };
    let choice: Choice<'a> = serde_json::from_str(json).map_err(|_| refused())?;
    let known = |name: &Cow<'a, str>| tools.iter().any(|tool| tool.name == *name);
    let unknown = |name: &str| invalid("tool_choice", &format!("no tool of the request is named `{name}`"));
    Ok(Some(match choice {
        Choice::Word(word) => match word.0.as_ref() {
            "auto" => ToolChoice::Auto,
            "none" => ToolChoice::None,
            // `any` is Anthropic's and Mistral's word for it.
            "required" | "any" => ToolChoice::Required,
            _ => return Err(refused()),
        },
        Choice::Full { kind, function: Some(Named { name }), .. } if kind.0 == "function" => {
            if !known(&name.0) {
                return Err(unknown(&name.0));
            }
            ToolChoice::Named(name.0)
        }
        Choice::Full { kind, allowed_tools: Some(allowed), .. } if kind.0 == "allowed_tools" => {
            let names: Vec<_> = allowed.tools.into_iter().map(|tool| tool.function.name.0).collect();
            if let Some(name) = names.iter().find(|name| !known(name)) {
                return Err(unknown(name));
            }
            ToolChoice::Allowed { names, required: allowed.mode.0 == "required" }
        }
        Choice::Full { .. } => return Err(refused()),
    }))
}
