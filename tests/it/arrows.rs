//! Which room imports which: a new arrow shows in the diff and gets talked about.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The rooms from the top down. Imports point down, and never sideways among the rooms in the middle.
const FLOORS: [&[&str]; 5] = [
    &["app", "cli"],
    &["api", "dashboard"],
    &["gateway", "training"],
    &["routing", "providers", "cache", "store", "hardware", "simulator"],
    &["protocol", "catalog", "config", "telemetry", "server"],
];

fn floor_of(room: &str) -> usize {
    FLOORS.iter().position(|floor| floor.contains(&room)).unwrap_or_else(|| panic!("{room} has no floor"))
}

fn arrows() -> BTreeSet<(String, String)> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut arrows = BTreeSet::new();
    let mut folders = vec![source.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let module = module_of(path.strip_prefix(&source).unwrap().to_str().unwrap());
            if module.is_empty() {
                continue;
            }
            for target in rooms_named(&module, &fs::read_to_string(&path).unwrap()) {
                arrows.insert((module[0].clone(), target));
            }
        }
    }
    arrows
}

/// The path of the module in a file of `src`, the room first; empty for the roots of the crates.
fn module_of(file: &str) -> Vec<String> {
    let mut module: Vec<String> = file.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if ["mod", "lib", "main"].contains(&module.last().map_or("", String::as_str)) {
        module.pop();
    }
    module
}

/// The rooms that a module's text names by paths from `crate`, `super` or `self`, but for its own.
fn rooms_named(module: &[String], text: &str) -> BTreeSet<String> {
    let tokens = tokens(text);
    let mut rooms = BTreeSet::new();
    // The module that a token is in: its own text may open others.
    let (mut within, mut opened, mut depth) = (module.to_vec(), Vec::new(), 0_usize);
    let mut at = 0;
    while at < tokens.len() {
        match tokens[at] {
            "mod" if tokens.get(at + 2) == Some(&"{") => {
                within.push(tokens[at + 1].to_owned());
                opened.push(depth);
                depth += 1;
                at += 3;
                continue;
            }
            "{" => depth += 1,
            "}" => {
                depth = depth.saturating_sub(1);
                if opened.last() == Some(&depth) {
                    opened.pop();
                    within.pop();
                }
            }
            "crate" | "super" | "self" if tokens.get(at + 1) == Some(&"::") => {
                let mut ends = Vec::new();
                at = follow(&tokens, at, &within, &mut ends);
                rooms.extend(ends.into_iter().filter(|end| !end.is_empty()).map(|mut end| end.swap_remove(0)));
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    rooms.remove(&module[0]);
    rooms
}

/// Follows a path, and every branch of its braces, from a module to what it names; returns the place after it.
fn follow(tokens: &[&str], mut at: usize, from: &[String], ends: &mut Vec<Vec<String>>) -> usize {
    let mut path = from.to_vec();
    loop {
        match tokens.get(at) {
            Some(&"crate") => path.clear(),
            Some(&"super") => drop(path.pop()),
            Some(&"self") => {}
            Some(&"{") => {
                at += 1;
                while tokens.get(at).is_some_and(|token| *token != "}") {
                    at = follow(tokens, at, &path, ends);
                    // What follows a branch: its other name, and a comma.
                    while tokens.get(at).is_some_and(|token| !["}", ","].contains(token)) {
                        at += 1;
                    }
                    at += usize::from(tokens.get(at) == Some(&","));
                }
                return at + 1;
            }
            Some(name) if name.starts_with(|first: char| first.is_alphabetic() || first == '_') => {
                path.push((*name).to_owned());
            }
            // `*`, and the brackets of types.
            _ => break,
        }
        at += 1;
        if tokens.get(at) != Some(&"::") {
            break;
        }
        at += 1;
    }
    ends.push(path);
    at
}

/// Words, `::` and single signs; without comments and literals.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if let Some(length) = raw_text(rest) {
            length
        } else if first == '"' {
            quoted(rest, '"')
        } else if first == '\'' && is_character(rest) {
            quoted(rest, '\'')
        } else if first.is_whitespace() {
            first.len_utf8()
        } else {
            let length = if rest.starts_with("::") { 2 } else { word.max(first.len_utf8()) };
            tokens.push(&rest[..length]);
            length
        };
        rest = &rest[length..];
    }
    tokens
}

/// The length of a text like `r#"…"#`, if one begins here.
fn raw_text(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix('b').unwrap_or(rest).strip_prefix('r')?;
    let marks = after.len() - after.trim_start_matches('#').len();
    let inner = after[marks..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(marks));
    let length = inner.find(&end).map_or(inner.len(), |at| at + end.len());
    Some(rest.len() - inner.len() + length)
}

/// The length of a literal with its quotation marks.
fn quoted(rest: &str, mark: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == mark => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// Whether it is a character, and no lifetime.
fn is_character(rest: &str) -> bool {
    let mut after = rest.chars().skip(1);
    after.next() == Some('\\') || after.next() == Some('\'')
}

#[test]
fn imports_point_down() {
    for (from, to) in arrows() {
        let (upper, lower) = (floor_of(&from), floor_of(&to));
        let words = upper == 4 && lower == 4;
        let doors = upper < 2 && lower < 2;
        assert!(upper < lower || words || doors, "{from} imports {to}: imports point down");
    }
}

#[test]
fn the_arrows_are_those_that_were_agreed_on() {
    let lines: Vec<String> = arrows().into_iter().map(|(from, to)| format!("{from} -> {to}")).collect();
    insta::assert_snapshot!("arrows", lines.join("\n"));
}

#[test]
fn every_way_to_name_a_room_is_seen() {
    for (file, text, rooms) in [
        ("store/open.rs", "use crate::config;", "config"),
        ("store/open.rs", "use crate::catalog::Tier as Level;\nfn f(a: crate::cache::Redis<'_>) {}", "cache catalog"),
        ("store/open.rs", "use crate::store::row::Row;\nuse super::row::Row;\nuse self::x::Y;", ""),
        // Braces, also within braces.
        ("api/chat.rs", "use crate::{config, store::Store};", "config store"),
        ("api/chat.rs", "use crate::{store::{row::{Row, Key}, Store}, cache};", "cache store"),
        (
            "api/chat.rs",
            "use crate::{\n    store::{self, Store as S},\n    cache::*,\n};\nuse crate::config;",
            "cache config store",
        ),
        // Upwards, as far as the room next door.
        ("store/mod.rs", "use super::gateway::Gateway;", "gateway"),
        ("store/open.rs", "use super::super::gateway::Gateway;", "gateway"),
        ("store/open.rs", "use super::row::Row; use super::super::{cache, store::Store};", "cache"),
        ("providers/gemini/mod.rs", "use super::super::store::Store;", "store"),
        ("providers/gemini/answer.rs", "use super::super::json::list;", ""),
        ("providers/gemini/answer.rs", "use super::super::super::store::Store;", "store"),
        ("providers/gemini/answer.rs", "let it = super::super::super::cache::Redis::<u8>::open();", "cache"),
        ("app.rs", "use super::config;", "config"),
        // Within a module that stands in the text itself.
        ("store/open.rs", "mod tests { use super::super::Store; fn f() { if x {} } }", ""),
        (
            "store/open.rs",
            "mod tests { fn f() {} use super::super::super::cache; } use super::super::api;",
            "api cache",
        ),
        ("store/open.rs", "mod tests;\nuse super::super::cache;", "cache"),
        // What is in the own room, said from far away.
        ("cli/init/ask.rs", "pub(in super::super) fn f() {}\npub(crate) use crate::cli::reach;", ""),
        // Neither comments nor texts import anything.
        ("store/open.rs", "// crate::api\n/* crate::api\n */ let a = \"crate::api \\\" crate::api\";", ""),
        (
            "store/open.rs",
            "let a = r#\"crate::api \"{\" \"#; let b = ('\"', '\\'', '{'); fn f<'a>() { crate::cache::f() }",
            "cache",
        ),
    ] {
        let found: Vec<String> = rooms_named(&module_of(file), text).into_iter().collect();
        assert_eq!(found.join(" "), rooms, "{file}: {text}");
    }
}
