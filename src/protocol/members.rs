//! A JSON object as its members in order, each value as the bytes that it came in.

use std::borrow::Cow;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::text::Text;

/// The members of an object. Values are not looked at, so that their bytes can be handed on.
#[derive(Debug, Clone, Default)]
pub struct Members<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Members<'a> {
    /// Reads an object; `None` if the text is none.
    #[must_use]
    pub fn parse(json: &'a str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }

    /// The bytes of a member's value; `None` if it is absent. The last one counts where it stands twice.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_ref())
    }

    /// Whether a member is there and is not `null`.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value != "null")
    }

    /// Takes a member out; whether it was there.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|(known, _)| known != name);
        self.0.len() != before
    }

    /// Takes every member out whose name does not fulfil a condition.
    pub fn keep(&mut self, mut condition: impl FnMut(&str) -> bool) {
        self.0.retain(|(name, _)| condition(name));
    }

    /// Gives a member another name, unless that one is taken.
    pub fn rename(&mut self, name: &str, other: &'static str) {
        if self.get(other).is_none() {
            for (known, _) in self.0.iter_mut().filter(|(known, _)| known == name) {
                *known = Cow::Borrowed(other);
            }
        }
    }

    /// Writes a member's value, at its place if it has one.
    pub fn set(&mut self, name: &'static str, json: impl Into<Cow<'a, str>>) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, value)) => *value = json.into(),
            None => self.0.push((Cow::Borrowed(name), json.into())),
        }
    }

    /// The members in order: name, and the bytes of the value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))
    }

    /// The object as JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        let length: usize = self.0.iter().map(|(name, value)| name.len() + value.len() + 4).sum();
        let mut json = String::with_capacity(length + 2);
        json.push('{');
        for (at, (name, value)) in self.0.iter().enumerate() {
            if at > 0 {
                json.push(',');
            }
            json.push_str(&serde_json::Value::from(name.as_ref()).to_string());
            json.push(':');
            json.push_str(value);
        }
        json.push('}');
        json
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some((name, value)) = map.next_entry::<Text<'de>, &'de RawValue>()? {
                    members.push((name.0, Cow::Borrowed(value.get())));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_their_bytes_and_members_their_order() {
        let mut members = Members::parse(r#"{"b": 1.50, "a\"": [1e2] , "c":null}"#).unwrap();
        assert_eq!(members.to_json(), r#"{"b":1.50,"a\"":[1e2],"c":null}"#);
        assert!(members.has("b") && !members.has("c") && members.get("c").is_some());
        members.rename("b", "d");
        members.set("d", "2");
        members.set("e", "3");
        assert!(members.remove("c") && !members.remove("c"));
        assert_eq!(members.to_json(), r#"{"d":2,"a\"":[1e2],"e":3}"#);
        assert!(Members::parse("[]").is_none() && Members::parse("{").is_none());
    }
}
