//! What the documentation shows works: its configurations load, and its commands are commands.

use std::path::{Path, PathBuf};

use xrouter::config::{self, Sources};

use crate::support::Program;

fn pages() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![root.join("README.md")];
    for folder in ["docs", "docs/guides"] {
        let entries = std::fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        files.extend(entries.filter(|file| file.extension().is_some_and(|extension| extension == "md")));
    }
    files.sort();
    files.into_iter().map(|file| (file.clone(), std::fs::read_to_string(&file).unwrap())).collect()
}

/// The blocks of a page in this language, without their indentation.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if line.trim() == format!("```{language}") {
            let block: Vec<&str> = lines.by_ref().map(str::trim).take_while(|line| *line != "```").collect();
            found.push(block.join("\n"));
        }
    }
    found
}

#[test]
fn every_whole_configuration_of_a_page_loads() {
    let mut loaded = 0;
    for (file, page) in pages() {
        for toml in blocks(&page, "toml").iter().filter(|toml| toml.contains("[tiers.frontier]")) {
            let mut sources = Sources::from_toml(toml.clone());
            let named = toml.split("${").skip(1).filter_map(|rest| rest.split_once('}'));
            sources.environment = named.map(|(name, _)| (name.to_owned(), "sk-a-key".to_owned())).collect();
            config::load(&sources).unwrap_or_else(|error| panic!("{}: {error}\n{toml}", file.display()));
            loaded += 1;
        }
    }
    assert!(loaded >= 8, "{loaded}");
}

#[test]
fn every_command_of_a_page_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let mut tried = 0;
    for (file, page) in pages() {
        let blocks = blocks(&page, "sh");
        let lines = blocks.iter().flat_map(|block| block.lines());
        for line in lines.filter_map(|line| line.strip_prefix("xrouter ")) {
            let bare = line.split(" #").next().unwrap_or_default();
            let words = bare.split_whitespace().map(|word| word.trim_matches(['"', '\'']));
            // Help is asked for after everything else, so that a flag that is none is told first.
            let arguments: Vec<&str> = words.chain(["--help"]).collect();
            let output = Program::run(folder.path(), &arguments);
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{}: xrouter {bare}\n{error}", file.display());
            tried += 1;
        }
    }
    assert!(tried >= 20, "{tried}");
}

#[test]
fn every_guide_ends_in_a_command_that_shows_it_works() {
    let guides: Vec<_> = pages().into_iter().filter(|(file, _)| file.parent().unwrap().ends_with("guides")).collect();
    assert!(guides.len() >= 7);
    for (file, page) in guides {
        let last = blocks(&page, "sh").pop().unwrap_or_default();
        assert!(page.trim_end().ends_with("```") && last.starts_with("xrouter "), "{}: {last}", file.display());
    }
}

#[test]
fn links_between_pages_lead_somewhere() {
    for (file, page) in pages() {
        for target in page.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target) {
            if target.starts_with("http") || target.starts_with('#') {
                continue;
            }
            let path = target.split('#').next().unwrap_or_default();
            assert!(file.parent().unwrap().join(path).exists(), "{}: {target}", file.display());
        }
    }
}
