//! The shapes of objects as tables: which fields there are, which are needed, and what each may hold.

use serde_json::Value;

use super::super::turn::Refusal;
use super::{Checked, form};

/// A field of an object.
pub(super) struct Field {
    name: &'static str,
    needed: bool,
    nullable: bool,
    kind: Kind,
}

/// What a field may hold.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// Anything; it is checked elsewhere, or not at all.
    Any,
    Text,
    Flag,
    Integer(i64, i64),
    Decimal(i32, i32),
    OneOf(&'static [&'static str]),
    /// A list of texts of which each is one of these.
    SomeOf(&'static [&'static str]),
    List,
    /// A list of objects of this shape.
    Each(&'static [Field]),
    Object,
    Of(&'static [Field]),
}

/// A field that must be there.
pub(super) const fn need(name: &'static str, kind: Kind) -> Field {
    Field { name, needed: true, nullable: false, kind }
}

/// A field that may be there.
pub(super) const fn may(name: &'static str, kind: Kind) -> Field {
    Field { name, needed: false, nullable: false, kind }
}

/// A field that may be there, and may be null.
pub(super) const fn null(name: &'static str, kind: Kind) -> Field {
    Field { name, needed: false, nullable: true, kind }
}

/// The name of a field in an object at a place; the request itself is at the empty place.
pub(super) fn at(place: &str, name: &str) -> String {
    if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") }
}

/// Checks an object.
pub(super) fn object(place: &str, value: &Value, shape: &[Field]) -> Checked {
    let Some(fields) = value.as_object() else { return Err(form::mistyped(place, value, "an object")) };
    if let Some(unknown) = fields.keys().find(|name| shape.iter().all(|field| field.name != name.as_str())) {
        return Err(form::unknown(&at(place, unknown)));
    }
    for field in shape {
        match fields.get(field.name) {
            None if field.needed => return Err(form::missing(&at(place, field.name))),
            None => {}
            Some(Value::Null) if field.nullable => {}
            Some(value) => check(&at(place, field.name), value, field.kind)?,
        }
    }
    Ok(())
}

fn check(place: &str, value: &Value, kind: Kind) -> Checked {
    match kind {
        Kind::Any => Ok(()),
        Kind::Text => form::text(place, value).map(|_| ()),
        Kind::Flag => form::flag(place, value),
        Kind::Integer(least, most) => form::integer(place, value, least, most),
        Kind::Decimal(least, most) => form::decimal(place, value, least, most),
        Kind::OneOf(known) => one_of(place, value, known),
        Kind::SomeOf(known) => each(place, value, |place, item| one_of(place, item, known)),
        Kind::List => form::array(place, value, 0, usize::MAX).map(|_| ()),
        Kind::Each(shape) => each(place, value, |place, item| object(place, item, shape)),
        Kind::Object if value.is_object() => Ok(()),
        Kind::Object => Err(form::mistyped(place, value, "an object")),
        Kind::Of(shape) => object(place, value, shape),
    }
}

/// Checks every member of a list.
pub(super) fn each(place: &str, value: &Value, check: impl Fn(&str, &Value) -> Checked) -> Checked {
    let items = form::array(place, value, 0, usize::MAX)?;
    items.iter().enumerate().try_for_each(|(index, item)| check(&format!("{place}[{index}]"), item))
}

/// A text that is one of these.
pub(super) fn one_of(place: &str, value: &Value, known: &[&str]) -> Checked {
    let text = form::text(place, value)?;
    if known.contains(&text) { Ok(()) } else { Err(invalid_value(place, text, known)) }
}

/// The refusal of a text that is none of these.
pub(super) fn invalid_value(place: &str, text: &str, known: &[&str]) -> Refusal {
    let known: Vec<String> = known.iter().map(|known| format!("'{known}'")).collect();
    let known = match known.as_slice() {
        [first, second] => format!("{first} and {second}"),
        [firsts @ .., last] if !firsts.is_empty() => format!("{}, and {last}", firsts.join(", ")),
        known => known.concat(),
    };
    let message = format!("Invalid value: '{text}'. Supported values are: {known}.");
    Refusal::at(400, place, message).coded("invalid_value")
}
