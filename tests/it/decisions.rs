//! What is decided for requests that people write, and that what stands around a request does not change it.
//!
//! `tests/fixtures/decisions/`: requests in English and Chinese with the tier that two engineers would agree on, and
//! wrappers in eight languages. None of them was trained on.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::json;
use xrouter::catalog::Tier;
use xrouter::routing::Policy;

use crate::harness::{policy, tier_of};

#[derive(Deserialize)]
struct Request {
    lang: String,
    tier: u8,
    text: String,
}

#[derive(Deserialize)]
struct Wrapper {
    name: String,
    templates: BTreeMap<String, String>,
    /// Whether the request is escaped as in JSON.
    #[serde(default)]
    json: bool,
}

fn requests() -> Vec<Request> {
    let lines = include_str!("../fixtures/decisions/hand.jsonl").lines();
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The tier of a text by itself.
fn decide(text: &str) -> u8 {
    static POLICY: LazyLock<Policy> = LazyLock::new(policy);
    tier_of(&json!({ "model": "auto", "messages": [{ "role": "user", "content": text }] }).to_string(), &POLICY)
}

#[test]
fn everyday_requests_go_where_people_expect_them() {
    let table = [
        // Cheap.
        ("Good morning!", 0),
        ("Thanks, that's all for today.", 0),
        ("What is the capital of Australia?", 0),
        ("Translate 'Where is the station?' into Spanish", 0),
        ("Fix the spelling: 'I recieved teh parcel yesterday'", 0),
        ("Which port does PostgreSQL listen on by default?", 0),
        ("你好", 0),
        ("把“会议改到周四”翻译成英文", 0),
        ("HTTP 404 是什么意思？", 0),
        // Medium.
        ("Write a SQL query that returns the top 10 customers by revenue", 1),
        ("Implement a function that reverses a linked list in Python", 1),
        ("Debug: my Postgres query is slow, EXPLAIN shows seq scan on 40M rows", 1),
        ("Why does my React component re-render twice?", 1),
        ("Explain how a B-tree index works and when it is not used", 1),
        ("Write unit tests for a function that parses ISO dates", 1),
        ("Plan a four-day trip to Lisbon for a family with two small children", 1),
        ("请解释一下数据库索引的原理", 1),
        ("帮我写一封给客户的道歉邮件，说明发货延迟的原因并给出补偿方案", 1),
        // Frontier.
        ("Prove that there are infinitely many primes of the form 4k+3", 2),
        ("Our lock-free queue loses an element about once in 10^9 operations on ARM, never on x86. Find out why.", 2),
        ("Design an exactly-once payment ledger across three regions that survives the loss of one", 2),
        ("证明：任意连续函数在闭区间上一致连续，并说明紧性用在了哪里", 2),
        ("设计一个支持多活、跨地域强一致的订单系统，并分析网络分区时的取舍", 2),
    ];
    let wrong: Vec<String> = table
        .iter()
        .filter(|(text, tier)| decide(text) != *tier)
        .map(|(text, tier)| format!("{text}: {} instead of {tier}", decide(text)))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_readmes_table_is_what_is_decided() {
    let readme = include_str!("../../README.md");
    let table = readme.split("## What it decides").nth(1).unwrap().split("\n\n").nth(1).unwrap();
    let rows: Vec<(&str, &str)> = table
        .lines()
        .skip(2)
        .filter_map(|row| row.strip_prefix("| ")?.strip_suffix(" |")?.rsplit_once(" | "))
        .collect();
    assert_eq!(rows.len(), 15);
    for (text, tier) in rows {
        assert_eq!(Tier::from_number(decide(text)).unwrap().as_str(), tier, "{text}");
    }
}

#[test]
fn three_tiers_are_told_apart_in_english_and_chinese() {
    for lang in ["en", "zh"] {
        let mut table = [[0_u32; 3]; 3];
        for request in requests().iter().filter(|request| request.lang == lang) {
            table[usize::from(request.tier)][usize::from(decide(&request.text))] += 1;
        }
        let f1 = |tier: usize| {
            let (of_tier, decided) = (table[tier].iter().sum::<u32>(), table.iter().map(|row| row[tier]).sum::<u32>());
            2.0 * f64::from(table[tier][tier]) / f64::from(of_tier + decided)
        };
        let macro_f1 = (0..3).map(f1).sum::<f64>() / 3.0;
        assert!(macro_f1 >= 0.85, "{lang}: {macro_f1:.3}, {table:?}");
    }
}

/// Of requests in English and Chinese, each in the wrappers of its language, and of English ones in those of six others.
#[test]
fn a_wrapper_changes_no_decision() {
    let wrappers: Vec<Wrapper> = serde_json::from_str(include_str!("../fixtures/decisions/wrappers.json")).unwrap();
    let requests = requests();
    let alone: Vec<u8> = requests.iter().map(|request| decide(&request.text)).collect();
    let mut by_wrapper: BTreeMap<&str, [f64; 2]> = BTreeMap::new();
    let mut by_lang: BTreeMap<&str, [f64; 2]> = BTreeMap::new();
    for wrapper in &wrappers {
        for (lang, template) in &wrapper.templates {
            let is_other = !["en", "zh"].contains(&lang.as_str());
            for (at, (request, alone)) in requests.iter().zip(&alone).enumerate() {
                let fits =
                    if is_other { request.lang == "en" && at % 4 == 0 } else { request.lang == *lang && at % 2 == 0 };
                if !fits {
                    continue;
                }
                let escaped = json!(request.text).to_string();
                let text = if wrapper.json { &escaped[1..escaped.len() - 1] } else { &request.text };
                let same = f64::from(u8::from(decide(&template.replace("{request}", text)) == *alone));
                let counts = [(!is_other).then(|| by_wrapper.entry(&wrapper.name)), Some(by_lang.entry(lang))];
                for count in counts.into_iter().flatten() {
                    let count = count.or_default();
                    *count = [count[0] + same, count[1] + 1.0];
                }
            }
        }
    }
    let share = |[same, all]: [f64; 2]| same / all;
    let shares: BTreeMap<&str, f64> = by_wrapper.into_iter().map(|(name, count)| (name, share(count))).collect();
    let mean = shares.values().sum::<f64>() / f64::from(u32::try_from(shares.len()).unwrap());
    let by_lang: BTreeMap<&str, f64> = by_lang.into_iter().map(|(lang, count)| (lang, share(count))).collect();
    assert!(mean >= 0.93, "mean {mean:.3} of {shares:#?}");
    assert!(shares.values().all(|share| *share >= 0.80), "{shares:#?}");
    assert!(by_lang.values().all(|share| *share >= 0.85), "{by_lang:#?}");
}
