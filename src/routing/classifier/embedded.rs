//! The classifier that is compiled in: a few named features of the text, weighted and added up.
//!
//! A first, deliberately small model. The score is logistic(bias + Σ weight × feature), the
//! probability-like figure that a cheap model is not enough. Every feature is bounded, so that no
//! input can push the sum out of range.

use std::borrow::Cow;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::Input;
use crate::catalog::Tier;
use crate::routing::{Decision, Source};

/// From which score on a tier is needed, 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// The medium tier.
    pub medium_at: f64,
    /// The frontier tier.
    pub frontier_at: f64,
}

impl Default for Thresholds {
    /// The defaults of `config/default.toml`; a test holds the two together.
    fn default() -> Self {
        Thresholds { medium_at: 0.4, frontier_at: 0.56 }
    }
}

/// One named property of a text, and how it moves the score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Feature {
    /// Its name, as shown in explanations.
    pub name: &'static str,
    /// Its value for this text.
    pub value: f64,
    /// What it adds to the sum.
    pub contribution: f64,
}

/// The compiled-in classifier.
#[derive(Debug, Clone, Copy)]
pub struct Embedded {
    thresholds: Thresholds,
}

/// Which word list a word belongs to: an index into the word features.
const WORDS: [(&str, f64, &[&str]); 6] = [
    (
        "hard words",
        1.9,
        &[
            "prove",
            "proof",
            "theorem",
            "lemma",
            "derive",
            "derivation",
            "architecture",
            "distributed",
            "concurren",
            "deadlock",
            "race condition",
            "lock-free",
            "trade-off",
            "tradeoff",
            "asymptotic",
            "np-hard",
            "optimal",
            "rigorous",
            "formal",
            "invariant",
            "consensus",
            "cryptograph",
            "compiler",
            "kernel",
            "differential",
            "eigen",
            "integral",
            "bayesian",
            "diagnos",
            "contraindication",
            "liability",
            "jurisdiction",
            "statute",
            "refactor",
            "root cause",
            "memory leak",
            "segfault",
            "scalab",
            "migration plan",
            "threat model",
            "证明",
            "推导",
            "定理",
            "架构",
            "分布式",
            "并发",
            "死锁",
            "复杂度",
            "严格",
            "编译器",
            "内核",
            "微分",
            "积分",
            "贝叶斯",
            "诊断",
            "权衡",
            "一致性",
            "重构",
            "内存泄漏",
            "威胁模型",
        ],
    ),
    (
        "work words",
        1.0,
        &[
            "explain",
            "compare",
            "analy",
            "design",
            "implement",
            "debug",
            "optimi",
            "evaluate",
            "summar",
            "algorithm",
            "function",
            "class ",
            "script",
            "regex",
            "sql",
            "query",
            "api",
            "calculate",
            "equation",
            "probability",
            "strategy",
            "essay",
            "report",
            "plan ",
            "pros and cons",
            "step by step",
            "why does",
            "how does",
            "解释",
            "比较",
            "分析",
            "设计",
            "实现",
            "调试",
            "优化",
            "评估",
            "总结",
            "算法",
            "函数",
            "脚本",
            "计算",
            "方程",
            "概率",
            "策略",
            "报告",
            "计划",
            "为什么",
            "如何",
            "步骤",
        ],
    ),
    (
        "everyday words",
        -0.67,
        &[
            "hello",
            "good morning",
            "good night",
            "thanks",
            "thank you",
            "how are you",
            "translate",
            "what time",
            "weather",
            "remind",
            "alarm",
            "timer",
            "play ",
            "spell",
            "capital of",
            "synonym",
            "grammar",
            "joke",
            "my card",
            "my account",
            "balance",
            "what is the ",
            "what's the ",
            "你好",
            "早上好",
            "晚安",
            "谢谢",
            "翻译",
            "天气",
            "提醒",
            "闹钟",
            "拼写",
            "首都",
            "笑话",
            "几点",
        ],
    ),
    (
        "constraints",
        0.36,
        &[
            "must ",
            "should ",
            "without ",
            "at least",
            "at most",
            "ensure",
            "constraint",
            "必须",
            "不得",
            "至少",
            "最多",
            "确保",
            "要求",
        ],
    ),
    (
        "deep thought asked",
        0.6,
        &[
            "think hard",
            "think carefully",
            "in depth",
            "in detail",
            "comprehensive",
            "深入",
            "详细",
            "全面",
            "仔细思考",
        ],
    ),
    (
        "quick answer asked",
        -1.2,
        &["quick", "briefly", "one word", "yes or no", "in one sentence", "简短", "一句话", "简单说"],
    ),
];

// The weights began as a logistic regression on measured outcomes of weak models and constructed
// prompts, and were then set by hand so that proofs stand above everyday code, at the same ranking
// quality; docs/classifier.md has the figures.
const BIAS: f64 = -0.85;
const LENGTH: f64 = 0.9;
const CODE: f64 = 1.2;
const MATHS: f64 = 1.0;

/// All words in one automaton: the text is read once, whatever the number of words.
static AUTOMATON: LazyLock<(AhoCorasick, Vec<usize>)> = LazyLock::new(|| {
    let mut words: Vec<&str> = Vec::new();
    let mut lists = Vec::new();
    for (list, (_, _, members)) in WORDS.iter().enumerate() {
        words.extend(*members);
        lists.extend(std::iter::repeat_n(list, members.len()));
    }
    let automaton = AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::LeftmostLongest)
        // Some hundred kilobytes, once, for half the time of every search.
        .kind(Some(AhoCorasickKind::DFA))
        .build(words)
        .expect("a fixed list of short words makes an automaton: a test builds it");
    (automaton, lists)
});

impl Embedded {
    /// Changes whenever the model's figures do.
    const VERSION: &'static str = "features-1";

    /// A classifier with these thresholds.
    #[must_use]
    pub fn new(thresholds: Thresholds) -> Self {
        Embedded { thresholds }
    }

    pub(super) fn fingerprint(&self) -> String {
        format!("{} {} {}", Self::VERSION, self.thresholds.medium_at, self.thresholds.frontier_at)
    }

    /// Decides. Pure: the same text gets the same decision.
    #[must_use]
    pub fn classify(&self, input: &Input<'_>) -> Decision {
        let features = features(&input.text);
        let sum: f64 = BIAS + features.iter().map(|feature| feature.contribution).sum::<f64>();
        let score = 1.0 / (1.0 + (-sum).exp());
        let tier = if score >= self.thresholds.frontier_at {
            Tier::Frontier
        } else if score >= self.thresholds.medium_at {
            Tier::Medium
        } else {
            Tier::Cheap
        };
        Decision {
            tier,
            source: Source::Embedded,
            score: Some(score),
            confidence: Some(self.confidence(score)),
            reason: Cow::Owned(reason(&features)),
        }
    }

    /// The features of a text, with what each adds to the score.
    #[must_use]
    pub fn explain(&self, input: &Input<'_>) -> Vec<Feature> {
        features(&input.text).to_vec()
    }

    /// How far the score is from the nearest threshold, as a share of a quarter: at a threshold 0,
    /// a quarter away and beyond 1.
    fn confidence(&self, score: f64) -> f64 {
        let Thresholds { medium_at, frontier_at } = self.thresholds;
        let distance = (score - medium_at).abs().min((score - frontier_at).abs());
        (distance / 0.25).min(1.0)
    }
}

/// Every feature is in 0 to 1 but the length, which is in 0 to 1.5.
fn features(text: &str) -> [Feature; 9] {
    let (automaton, lists) = &*AUTOMATON;
    let mut counts = [0_u32; WORDS.len()];
    for found in automaton.find_iter(text) {
        counts[lists[found.pattern().as_usize()]] += 1;
    }
    let shape = Shape::of(text);
    // 0 for up to 60 characters, 1 for about 1 000, at most 1.5; a Han character says as much as two letters.
    let length = ((f64::from(shape.weight.max(1)) / 60.0).log2() / 4.0).clamp(0.0, 1.5);
    let feature = |name, value: f64, weight: f64| Feature { name, value, contribution: value * weight };
    let word = |list: usize| feature(WORDS[list].0, saturating(counts[list]), WORDS[list].1);
    [
        feature("length", length, LENGTH),
        word(0),
        word(1),
        word(2),
        word(3),
        word(4),
        word(5),
        feature("code", saturating(shape.code), CODE),
        feature("mathematics", saturating(shape.maths), MATHS),
    ]
}

/// Counts with diminishing returns: 0, ½, ¾, ⅞, …
fn saturating(count: u32) -> f64 {
    1.0 - 0.5_f64.powi(i32::try_from(count.min(16)).unwrap_or(16))
}

/// Counts over the characters and lines of a text.
#[derive(Default)]
struct Shape {
    weight: u32,
    code: u32,
    maths: u32,
}

impl Shape {
    fn of(text: &str) -> Self {
        let mut shape = Shape::default();
        for character in text.chars() {
            shape.weight += if character as u32 >= 0x2E80 { 2 } else { 1 };
            shape.maths +=
                u32::from(matches!(character, '∑' | '∫' | '√' | '≤' | '≥' | '∀' | '∃' | 'π' | 'θ' | 'λ' | '∞' | '∈'));
        }
        for line in text.lines() {
            let line = line.trim_start();
            shape.code += u32::from(line.starts_with("```") || line.ends_with(['{', '}', ';']) || line.contains("()"));
            shape.maths += u32::from(
                line.contains("\\frac") || line.contains("\\sum") || line.contains("^2") || line.contains("$$"),
            );
        }
        shape
    }
}

/// The features that moved the score most, strongest first.
fn reason(features: &[Feature; 9]) -> String {
    let mut moving = *features;
    moving.sort_unstable_by(|one, other| other.contribution.abs().total_cmp(&one.contribution.abs()));
    let mut reason = String::with_capacity(64);
    for feature in moving.iter().take(3).filter(|feature| feature.contribution.abs() >= 0.1) {
        if !reason.is_empty() {
            reason.push_str(", ");
        }
        reason.push_str(feature.name);
        push_hundredths(&mut reason, feature.contribution);
    }
    if reason.is_empty() {
        reason.push_str("short and plain");
    }
    reason
}

/// ` +0.52`. By hand, as formatting three floats costs more than finding all words.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a contribution is below 10")]
fn push_hundredths(text: &mut String, figure: f64) {
    let hundredths = (figure.abs() * 100.0).round().min(999.0) as u32;
    let digit = |figure: u32| char::from_digit(figure % 10, 10).unwrap_or('?');
    text.push(' ');
    text.push(if figure < 0.0 { '-' } else { '+' });
    text.push(digit(hundredths / 100));
    text.push('.');
    text.push(digit(hundredths / 10));
    text.push(digit(hundredths));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tier_of(text: &str) -> Tier {
        Embedded::new(Thresholds::default()).classify(&Input { text: Cow::Borrowed(text) }).tier
    }

    #[test]
    fn everyday_requests_are_cheap_and_proofs_are_not_in_both_languages() {
        for text in [
            "hi",
            "",
            "good morning!",
            "Translate 'cat' into French",
            "what's the weather like today?",
            "你好",
            "今天天气怎么样？",
        ] {
            assert_eq!(tier_of(text), Tier::Cheap, "{text}");
        }
        for text in [
            "Prove rigorously that the sum of two lock-free counters keeps the invariant under concurrent updates, and derive the asymptotic cost.",
            "请严格证明该分布式一致性算法在网络分区下的安全性，并推导其复杂度。",
        ] {
            assert_eq!(tier_of(text), Tier::Frontier, "{text}");
        }
    }

    #[test]
    fn the_reason_names_the_strongest_features() {
        let thresholds = Thresholds::default();
        let decision = Embedded::new(thresholds).classify(&Input { text: Cow::Borrowed("Prove it quickly") });
        assert_eq!(decision.reason, "hard words +0.95, quick answer asked -0.60");
        assert_eq!(Embedded::new(thresholds).classify(&Input { text: Cow::Borrowed("x") }).reason, "short and plain");
    }

    #[test]
    fn no_text_breaks_the_score() {
        for text in ["\0", &"prove ".repeat(100_000), &"🦀".repeat(10_000), &"```\n".repeat(10_000)] {
            let decision = Embedded::new(Thresholds { medium_at: 0.0, frontier_at: 1.0 })
                .classify(&Input { text: Cow::Borrowed(text) });
            let score = decision.score.unwrap();
            assert!((0.0..=1.0).contains(&score));
        }
    }
}
