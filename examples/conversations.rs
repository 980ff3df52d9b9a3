//! What conversations cost and how often a call gets a model that can do it, under five policies.
//!
//! 1 000 made-up conversations, each turn with the tier that it needs, its tokens, its tool steps and the pause before
//! it; real prices of the catalogue, and prompt caches that live for five minutes. The classifier errs as it did on
//! the harness corpus. Deterministic. Run it with `cargo run --release --example conversations`.
#![expect(clippy::print_stdout, reason = "an example prints figures")]

use xrouter::catalog::{ByTier, Catalog, Judge, Price, Provider, Step, Tier};
use xrouter::protocol::TokenUsage;
use xrouter::routing::{Facts, Pin, Policy as Deciding, PromptCacheState, SessionRule, Verdict};

const CONVERSATIONS: u32 = 1_000;
const CACHE_MS: i64 = 300_000;
/// Tokens of an agent's system prompt and tools.
const HARNESS: u64 = 11_000;
const RULE: SessionRule = SessionRule { idle_ms: CACHE_MS, cache_ms: CACHE_MS, when_cheaper: true, escalates: true };
/// Of a hundred turns that need a tier, how many are decided as cheap and as medium: from the harness corpus.
const DECIDED: [[u32; 2]; 3] = [[100, 0], [34, 59], [2, 6]];
const MODELS: [(Provider, &str); 3] =
    [(Provider::Openai, "gpt-5-nano"), (Provider::Openai, "gpt-5.6-terra"), (Provider::Anthropic, "claude-sonnet-5-5")];

/// `SplitMix64`.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u32::try_from((((bits ^ (bits >> 31)) >> 32) * u64::from(end)) >> 32).unwrap_or(0)
    }
}

struct Turn {
    needs: Tier,
    decided: Tier,
    pause_ms: i64,
    steps: u32,
    says: u64,
    answer: u64,
}

fn conversation(draw: &mut Draw) -> Vec<Turn> {
    // Some are small talk, some are work with small talk in it.
    let is_work = draw.below(100) < 45;
    (0..=draw.below(12))
        .map(|_| {
            let needs = match (is_work, draw.below(100)) {
                (false, 0..85) | (true, 0..35) => Tier::Cheap,
                (false, _) | (true, 35..70) => Tier::Medium,
                (true, _) => Tier::Frontier,
            };
            let [cheap, medium] = DECIDED[needs as usize];
            let decided = match draw.below(100) {
                share if share < cheap => Tier::Cheap,
                share if share < cheap + medium => Tier::Medium,
                _ => Tier::Frontier,
            };
            let long_pause = draw.below(10) == 0;
            Turn {
                needs,
                decided,
                pause_ms: if long_pause { 1_800_000 } else { 20_000 + i64::from(draw.below(120_000)) },
                steps: if is_work { draw.below(8) } else { draw.below(2) },
                says: 30 + u64::from(draw.below(400)),
                answer: 80 + u64::from(draw.below(600)),
            }
        })
        .collect()
}

#[derive(Clone, Copy, PartialEq)]
enum Policy {
    AlwaysFrontier,
    NeverSwitch,
    EveryTurn,
    EveryMessage,
    Ours,
}

/// What one call costs, given how much of the input the provider's cache has; the rest is written into it where that has
/// a price.
fn cost(price: &Price, input: u64, cached: u64, output: u64) -> f64 {
    let usage = TokenUsage {
        input_tokens: Some(input),
        cached_input_tokens: Some(cached),
        cache_write_tokens: price.cache_write.map(|_| input - cached),
        output_tokens: Some(output),
        ..TokenUsage::default()
    };
    price.cost(&usage).unwrap_or_default().as_usd()
}

/// What the router decides.
fn ours(
    deciding: &Deciding,
    pin: Option<&Pin>,
    prices: &ByTier<Option<Price>>,
    step: Step,
    now_ms: i64,
    asked: Tier,
) -> Tier {
    let facts = Facts { step: Some(step), now_ms, ..Facts::default() };
    let verdict = Verdict {
        tier: asked,
        judge: Judge::Embedded,
        remembered: false,
        score: None,
        confidence: None,
        reason: "".into(),
    };
    deciding.decide(&facts, pin, prices, verdict).decision.tier
}

struct Figures {
    usd: f64,
    calls: u32,
    adequate: u32,
    switches: u32,
}

fn run(policy: Policy, prices: &[Price; 3]) -> Figures {
    let deciding = Deciding { keeps_sessions: true, session: RULE, ..Deciding::default() };
    let by_tier = ByTier::from_fn(|tier| Some(prices[tier as usize]));
    let mut draw = Draw(7);
    let mut figures = Figures { usd: 0.0, calls: 0, adequate: 0, switches: 0 };
    for _ in 0..CONVERSATIONS {
        let (mut now, mut context) = (0_i64, HARNESS);
        let mut pin: Option<Pin> = None;
        let mut first = None;
        // By tier: the tokens that its provider has seen, and when.
        let mut providers = [(0_u64, i64::MIN / 2); 3];
        let mut last = None;
        for this in conversation(&mut draw) {
            now += this.pause_ms;
            context += this.says;
            for step in 0..=this.steps {
                now += 4_000;
                let kind = if step == 0 { Step::Turn } else { Step::ToolLoop };
                let tier = match policy {
                    Policy::AlwaysFrontier => Tier::Frontier,
                    Policy::NeverSwitch => *first.get_or_insert(this.decided),
                    Policy::EveryTurn => this.decided,
                    // A tool's result looks like another small request to a router that sees one message.
                    Policy::EveryMessage if step == 0 => this.decided,
                    Policy::EveryMessage => Tier::Cheap,
                    Policy::Ours => ours(&deciding, pin.as_ref(), &by_tier, kind, now, this.decided),
                };
                let (seen, when) = providers[tier as usize];
                let cached = if now - when <= CACHE_MS { seen.min(context) } else { 0 };
                figures.usd += cost(&prices[tier as usize], context, cached, this.answer);
                providers[tier as usize] = (context, now);
                let prompt_cache =
                    PromptCacheState { tier, input: context, cached: Some(context), output: this.answer };
                pin = Some(Pin { tier, last_ms: now, prompt_cache: Some(prompt_cache), raised: 0 });
                figures.calls += 1;
                figures.adequate += u32::from(tier >= this.needs);
                figures.switches += u32::from(last.is_some_and(|last| last != tier));
                last = Some(tier);
                context += this.answer + 300 * u64::from(step < this.steps);
            }
        }
    }
    figures
}

fn main() {
    let catalog = Catalog::embedded();
    let prices =
        MODELS.map(|(provider, model)| catalog.find(provider, model).unwrap_or_else(|| panic!("{model}")).price);
    println!("{:<16} {:>10} {:>9} {:>18}", "policy", "US dollars", "adequate", "switches per call");
    for (name, policy) in [
        ("always frontier", Policy::AlwaysFrontier),
        ("never switch", Policy::NeverSwitch),
        ("every turn", Policy::EveryTurn),
        ("every message", Policy::EveryMessage),
        ("xrouter", Policy::Ours),
    ] {
        let figures = run(policy, &prices);
        let adequate = 100.0 * f64::from(figures.adequate) / f64::from(figures.calls);
        let switches = f64::from(figures.switches) / f64::from(figures.calls);
        println!("{name:<16} {:>10.2} {adequate:>7.1} % {switches:>18.2}", figures.usd);
    }
}
