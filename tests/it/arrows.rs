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
            let inside = path.strip_prefix(&source).unwrap().with_extension("");
            let room = inside.components().next().unwrap().as_os_str().to_str().unwrap().to_owned();
            if ["lib", "main"].contains(&room.as_str()) {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            for (at, _) in text.match_indices("crate::") {
                let rest = &text[at + 7..];
                let named: Vec<&str> = match rest.strip_prefix('{') {
                    Some(list) => list.split('}').next().unwrap().split(',').collect(),
                    None => vec![rest],
                };
                for name in named {
                    let end =
                        name.trim().find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(name.trim().len());
                    let target = &name.trim()[..end];
                    if target != room && !target.is_empty() {
                        arrows.insert((room.clone(), target.to_owned()));
                    }
                }
            }
        }
    }
    arrows
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
