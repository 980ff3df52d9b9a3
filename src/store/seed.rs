//! A history that looks like a real one, for benchmarks and pictures, written by the writer's own code.

use std::path::Path;

use sqlx::Connection;

use super::AnsweredBy;
use super::insert::{self, Known};
use super::open::{self, OpenError};
use super::row::{Attempt, Row};
use super::writer::Keep;
use crate::catalog::{Price, Source, Tier};
use crate::protocol::{RequestId, Timestamp, TokenUsage, UsageSource};

/// Rows of one transaction.
const BATCH: usize = 4_096;
const HOUR_MS: i64 = 3_600_000;

/// Writes rows whose arrivals lie in the last so many days, oldest first; `told` is called with how many are written.
///
/// # Errors
/// The file cannot be opened or written, or a router is using it.
pub async fn seed(
    path: &Path,
    rows: u64,
    days: u32,
    minute_days: u32,
    mut told: impl FnMut(u64),
) -> Result<(), OpenError> {
    open::folder(path)?;
    let _lock = open::lock(path)?;
    let failed = |source| OpenError::database(path, source);
    let mut connection = open::for_writing(path).await?;
    let mut known = Known::read(&mut connection).await.map_err(failed)?;
    let mut next_id = super::newest_id(&mut connection).await.map_err(failed)? + 1;
    let now = Timestamp::now();
    let minutes_from = Keep { days: 0, minute_days }.cutoff(now).minutes_ms;
    let mut people = People::new();
    let mut batch: Vec<Box<Row>> = Vec::with_capacity(BATCH);
    let mut written = 0;
    for (hour_ms, count) in hours(rows, days, now) {
        let mut times: Vec<i64> = (0..count).map(|_| hour_ms + people.dice.below(HOUR_MS)).collect();
        times.sort_unstable();
        for created_at_ms in times {
            batch.push(Box::new(people.request(next_id, created_at_ms)));
            next_id += 1;
            if batch.len() == BATCH {
                let learned =
                    insert::commit(&mut connection, &known, &[], &batch, minutes_from).await.map_err(failed)?;
                known.learn(learned);
                written += batch.len() as u64;
                batch.clear();
                told(written);
            }
        }
    }
    let learned = insert::commit(&mut connection, &known, &[], &batch, minutes_from).await.map_err(failed)?;
    known.learn(learned);
    told(written + batch.len() as u64);
    connection.close().await.map_err(failed)
}

/// How many requests each hour has: more by day than by night, fewer at weekends, growing over time.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "weights are rounded"
)]
fn hours(rows: u64, days: u32, now: Timestamp) -> Vec<(i64, u64)> {
    let count = i64::from(days.max(1)) * 24;
    let last = now.0.div_euclid(HOUR_MS) * HOUR_MS - HOUR_MS;
    let weight = |index: i64| {
        let hour_ms = last - (count - 1 - index) * HOUR_MS;
        let (hour, day) = (hour_ms / HOUR_MS % 24, (hour_ms / HOUR_MS / 24 + 4) % 7);
        let by_day = [2, 1, 1, 1, 1, 2, 4, 8, 14, 18, 19, 18, 15, 17, 19, 19, 17, 14, 11, 9, 8, 6, 4, 3];
        let by_week = if day == 0 || day == 6 { 0.35 } else { 1.0 };
        let growth = 1.0 + 2.0 * index as f64 / count as f64;
        f64::from(by_day[usize::try_from(hour).unwrap_or(0)]) * by_week * growth
    };
    let whole: f64 = (0..count).map(weight).sum();
    let (mut sum, mut given) = (0.0, 0_u64);
    let hours = (0..count).map(|index| {
        sum += weight(index);
        let upto = if index == count - 1 { rows } else { (rows as f64 * sum / whole) as u64 };
        let here = upto.saturating_sub(given);
        given += here;
        (last - (count - 1 - index) * HOUR_MS, here)
    });
    hours.collect()
}

/// A small generator of numbers that look random (`SplitMix64`), always the same ones.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: i64) -> i64 {
        i64::try_from(self.roll() % end.unsigned_abs().max(1)).unwrap_or(0)
    }

    /// True so many times in a thousand.
    fn permille(&mut self, share: i64) -> bool {
        self.below(1_000) < share
    }

    /// Around a middle, with a long tail upwards.
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "figures are made up")]
    fn around(&mut self, middle: i64) -> i64 {
        let unit = |bits: u64| (bits >> 11) as f64 / (1_u64 << 53) as f64;
        let normal = (0..4).map(|_| unit(self.roll()) - 0.5).sum::<f64>() * 1.7;
        (middle as f64 * normal.exp()) as i64
    }
}

struct Place {
    upstream: &'static str,
    provider: &'static str,
    model: &'static str,
    price: Option<[i64; 3]>,
    local: bool,
    first_ms: i64,
    us_per_token: i64,
}

const PLACES: [[Place; 2]; 3] = [
    [
        Place {
            upstream: "local",
            provider: "ollama",
            model: "llama3.1",
            price: Some([0, 0, 0]),
            local: true,
            first_ms: 180,
            us_per_token: 18_000,
        },
        Place {
            upstream: "groq-small",
            provider: "groq",
            model: "openai/gpt-oss-20b",
            price: Some([75, 37, 300]),
            local: false,
            first_ms: 240,
            us_per_token: 1_100,
        },
    ],
    [
        Place {
            upstream: "groq",
            provider: "groq",
            model: "openai/gpt-oss-120b",
            price: Some([150, 75, 600]),
            local: false,
            first_ms: 320,
            us_per_token: 2_000,
        },
        Place {
            upstream: "lab",
            provider: "openai_compatible",
            model: "house-70b",
            price: None,
            local: false,
            first_ms: 500,
            us_per_token: 9_000,
        },
    ],
    [
        Place {
            upstream: "anthropic",
            provider: "anthropic",
            model: "claude-sonnet-5-5",
            price: Some([3_000, 300, 15_000]),
            local: false,
            first_ms: 900,
            us_per_token: 13_000,
        },
        Place {
            upstream: "openai",
            provider: "openai",
            model: "gpt-5.6",
            price: Some([1_750, 175, 14_000]),
            local: false,
            first_ms: 1_100,
            us_per_token: 11_000,
        },
    ],
];

const KEYS: [&str; 4] = ["default", "agents", "ci", "research"];
const ERRORS: [(&str, u16); 5] = [
    ("upstream_rate_limited", 429),
    ("upstream_error", 502),
    ("upstream_timeout", 504),
    ("client_closed", 499),
    ("interrupted", 200),
];
const REASONS: [&str; 4] = [
    "asks one well-known fact; is short",
    "writes an ordinary function or script; words: list",
    "asks for a proof; words: prime",
    "hunts a concurrency or memory bug; sets several constraints",
];

struct People {
    dice: Dice,
    /// The conversations under way, and the tier of each.
    sessions: Vec<(String, usize, usize)>,
    begun: u64,
}

impl People {
    fn new() -> Self {
        People { dice: Dice(20_261_126), sessions: Vec::new(), begun: 0 }
    }

    /// A turn of a conversation that is under way, or of a new one: its name, key and tier.
    fn turn(&mut self) -> (Option<String>, usize, usize) {
        let tier = match self.dice.below(100) {
            0..62 => 0,
            62..87 => 1,
            _ => 2,
        };
        let key = usize::try_from(self.dice.below(10)).unwrap_or(0);
        let key = [0, 0, 0, 0, 1, 1, 1, 2, 2, 3][key];
        if self.dice.permille(250) {
            return (None, key, tier);
        }
        if self.sessions.len() < 40 || self.dice.permille(80) {
            self.begun += 1;
            let session = (format!("s-{:06}-{:04x}", self.begun, self.dice.below(65_536)), key, tier);
            if self.sessions.len() < 40 {
                self.sessions.push(session.clone());
            } else {
                let at = usize::try_from(self.dice.below(40)).unwrap_or(0);
                self.sessions[at] = session.clone();
            }
            return (Some(session.0), key, tier);
        }
        let at = usize::try_from(self.dice.below(i64::try_from(self.sessions.len()).unwrap_or(1))).unwrap_or(0);
        let (session, key, tier) = self.sessions[at].clone();
        (Some(session), key, tier)
    }

    #[expect(clippy::cast_precision_loss, reason = "figures are made up")]
    fn request(&mut self, id: i64, created_at_ms: i64) -> Row {
        let (session, key, tier) = self.turn();
        let dice = &mut self.dice;
        let second = dice.permille(250);
        let place = &PLACES[tier][usize::from(second)];
        let decision = if dice.permille(20) && tier > 0 { tier - 1 } else { tier };
        let source = match dice.below(100) {
            0..70 => Source::Embedded,
            70..82 => Source::Cache,
            82..94 => Source::Session,
            94..97 => Source::Forced,
            _ => Source::Llm,
        };
        let failed = dice.permille(18).then(|| ERRORS[usize::try_from(dice.below(5)).unwrap_or(0)]);
        let input = dice.around([900, 2_600, 9_000][tier]).max(8);
        let output = dice.around([180, 420, 900][tier]).max(1);
        let cached = if dice.permille(400) { input * 6 / 10 } else { 0 };
        let reasoning = if tier == 2 { output / 3 } else { 0 };
        let unreported = failed.is_some_and(|(_, status)| status != 200);
        let estimated = dice.permille(12);
        let tokens = |count: i64| (!unreported).then(|| count.unsigned_abs());
        let usage = TokenUsage {
            input_tokens: tokens(input),
            cached_input_tokens: tokens(cached).filter(|_| !estimated),
            cache_write_tokens: None,
            cache_write_1h_tokens: None,
            output_tokens: tokens(output),
            reasoning_tokens: tokens(reasoning).filter(|_| tier == 2 && !estimated),
        };
        let price = |[input, cached, output]: [i64; 3]| Price {
            input: Some(input * 1_000_000),
            cache_read: Some(cached * 1_000_000),
            cache_write: Some(input * 1_000_000),
            output: Some(output * 1_000_000),
            ..Price::default()
        };
        let cost = |place: &Place| place.price.and_then(|figures| price(figures).cost(&usage)).filter(|_| !unreported);
        let classify_us = 18 + dice.below(60);
        let first_us = dice.around(place.first_ms).max(1) * 1_000;
        let duration_us = first_us + if unreported { 0 } else { output * place.us_per_token };
        let status = failed.map_or(200, |(_, status)| status);
        let error_type = failed.map(|(error, _)| error);
        let attempt = |upstream: &str, model: &str, status: Option<u16>, error: Option<&'static str>, took| Attempt {
            upstream: upstream.to_owned(),
            tier: Tier::ALL[tier],
            model: model.to_owned(),
            status,
            error_type: error.map(Into::into),
            started_us: classify_us,
            duration_us: Some(took),
        };
        let mut attempts =
            vec![attempt(place.upstream, place.model, Some(status), error_type, duration_us - classify_us)];
        if dice.permille(15) {
            let other = &PLACES[tier][usize::from(!second)];
            attempts.insert(0, attempt(other.upstream, other.model, Some(503), Some("upstream_overloaded"), 90_000));
        }
        let score = (decision as f64 * 0.3 + dice.below(300) as f64 / 1_000.0).min(1.0);
        Row {
            id,
            request_id: RequestId::at(Timestamp(created_at_ms), dice.roll()).as_str().to_owned(),
            created_at_ms,
            session,
            key: Some(KEYS[key].to_owned()),
            decision: Tier::ALL[decision],
            source: Some(source),
            answered_by: Some(AnsweredBy::Tier(Tier::ALL[tier])),
            score: Some(score),
            confidence: Some(0.5 + dice.below(500) as f64 / 1_000.0),
            reason: Some(REASONS[usize::try_from(dice.below(4)).unwrap_or(0)].into()),
            tier: Some(Tier::ALL[tier]),
            upstream: Some(place.upstream.to_owned()),
            provider: Some(place.provider.into()),
            requested_model: "auto".to_owned(),
            selected_model: Some(place.model.to_owned()),
            response_model: Some(place.model.to_owned()),
            local: place.local,
            stream: dice.permille(700),
            status: Some(status),
            error_type: error_type.map(Into::into),
            attempt_count: u32::try_from(attempts.len()).unwrap_or(u32::MAX),
            attempts,
            usage,
            usage_source: match (unreported, estimated) {
                (true, _) => UsageSource::Absent,
                (_, true) => UsageSource::Estimated,
                _ => UsageSource::Reported,
            },
            cost: cost(place),
            frontier_cost: cost(&PLACES[2][0]),
            asked_classifier: source == Source::Llm,
            classifier_usage: if source == Source::Llm {
                TokenUsage { input_tokens: Some(310), output_tokens: Some(1), ..TokenUsage::default() }
            } else {
                TokenUsage::default()
            },
            classify_us: Some(classify_us),
            first_token_us: (!unreported).then_some(first_us),
            duration_us: Some(duration_us),
            ..Row::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hours_of_a_seeded_history_hold_all_of_its_rows() {
        for (rows, days) in [(0, 1), (1, 1), (1_000, 3), (100_000, 365)] {
            let hours = hours(rows, days, Timestamp(1_790_000_000_000));
            assert_eq!(hours.iter().map(|(_, count)| count).sum::<u64>(), rows);
            assert_eq!(hours.len(), days as usize * 24);
        }
    }
}
