//! What rows add up to. Each sum stands in one place: its name, what a row adds to it, the same in SQL, and its field in
//! [`Totals`]. The figures that are shown of them follow, in the order of JSON and CSV.
//!
//! A new sum is a field of [`Totals`], an entry in [`SUMS`], a migration, and an entry in [`FIGURES`] if it is shown.

use super::columns::{Kind, Value};
use super::histogram::Histogram;
use super::row::Row;
use crate::catalog::NanoUsd;
use crate::protocol::UsageSource;

/// Sums over some requests. Token sums are those of the requests whose tokens are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// How many requests.
    pub requests: i64,
    /// How many of them ended in an error.
    pub errors: i64,
    /// Input tokens.
    pub input_tokens: i64,
    /// Those read from a provider's prompt cache.
    pub cached_input_tokens: i64,
    /// Those written to a provider's prompt cache.
    pub cache_write_tokens: i64,
    /// Output tokens.
    pub output_tokens: i64,
    /// Those spent on reasoning.
    pub reasoning_tokens: i64,
    /// The cost of the requests that have one.
    pub cost: NanoUsd,
    /// What the same tokens would have cost on the frontier tier, where that is known.
    pub frontier_cost: NanoUsd,
    /// The second less the first, over the requests that have both.
    pub saved: NanoUsd,
    /// Requests without a known cost.
    pub unpriced_requests: i64,
    /// Requests without tokens.
    pub unmeasured_requests: i64,
    /// Requests whose tokens are estimated locally, because the provider reported no usage.
    pub estimated_requests: i64,
    /// Requests for which the classifier's model was asked.
    pub classifier_requests: i64,
    /// Input tokens that the classifier's model reported.
    pub classifier_input_tokens: i64,
    /// Output tokens that the classifier's model reported.
    pub classifier_output_tokens: i64,
    /// Sum of their durations, in microseconds.
    pub duration_us: i64,
    /// How many took how long, from arrival to the end.
    pub duration: Histogram,
    /// How many waited how long for the first token.
    pub first_token: Histogram,
}

/// One sum.
pub(super) struct Sum {
    /// Its column in the tables of sums.
    pub(super) name: &'static str,
    /// What a row adds to it.
    of: fn(&Row) -> i64,
    /// The same as an expression over a row of `requests`.
    pub(super) sql: &'static str,
    field: fn(&mut Totals) -> &mut i64,
}

fn tokens(count: Option<u64>) -> i64 {
    count.and_then(|count| i64::try_from(count).ok()).unwrap_or(0)
}

fn nanos(cost: Option<NanoUsd>) -> i64 {
    cost.map_or(0, |cost| cost.0)
}

macro_rules! sum {
    ($name:literal, |$row:ident| $of:expr, $sql:literal, $($field:tt).+) => {
        Sum { name: $name, of: |$row| $of, sql: $sql, field: |totals| &mut totals.$($field).+ }
    };
}

/// All sums, in the order of the tables.
pub(super) static SUMS: [Sum; 17] = [
    sum!("requests", |_row| 1, "1", requests),
    sum!(
        "errors",
        |row| i64::from(row.is_error()),
        "(coalesce(status, 0) >= 400 or error_type_id is not null)",
        errors
    ),
    sum!("input_tokens", |row| tokens(row.usage.input_tokens), "coalesce(input_tokens, 0)", input_tokens),
    sum!(
        "cached_input_tokens",
        |row| tokens(row.usage.cached_input_tokens),
        "coalesce(cached_input_tokens, 0)",
        cached_input_tokens
    ),
    sum!(
        "cache_write_tokens",
        |row| tokens(row.usage.cache_write_tokens),
        "coalesce(cache_write_tokens, 0)",
        cache_write_tokens
    ),
    sum!("output_tokens", |row| tokens(row.usage.output_tokens), "coalesce(output_tokens, 0)", output_tokens),
    sum!(
        "reasoning_tokens",
        |row| tokens(row.usage.reasoning_tokens),
        "coalesce(reasoning_tokens, 0)",
        reasoning_tokens
    ),
    sum!("cost_nanos", |row| nanos(row.cost), "coalesce(cost_nanos, 0)", cost.0),
    sum!("frontier_cost_nanos", |row| nanos(row.frontier_cost), "coalesce(frontier_cost_nanos, 0)", frontier_cost.0),
    sum!(
        "saved_nanos",
        |row| row.frontier_cost.zip(row.cost).map_or(0, |(frontier, cost)| frontier.0.saturating_sub(cost.0)),
        "coalesce(frontier_cost_nanos - cost_nanos, 0)",
        saved.0
    ),
    sum!("unpriced_requests", |row| i64::from(row.cost.is_none()), "(cost_nanos is null)", unpriced_requests),
    sum!(
        "unmeasured_requests",
        |row| i64::from(row.usage.input_tokens.is_none() && row.usage.output_tokens.is_none()),
        "(input_tokens is null and output_tokens is null)",
        unmeasured_requests
    ),
    sum!(
        "estimated_requests",
        |row| i64::from(row.usage_source == UsageSource::Estimated),
        "(usage_source = 2)",
        estimated_requests
    ),
    sum!("classifier_requests", |row| i64::from(row.asked_classifier), "asked_classifier", classifier_requests),
    sum!(
        "classifier_input_tokens",
        |row| tokens(row.classifier_usage.input_tokens),
        "coalesce(classifier_input_tokens, 0)",
        classifier_input_tokens
    ),
    sum!(
        "classifier_output_tokens",
        |row| tokens(row.classifier_usage.output_tokens),
        "coalesce(classifier_output_tokens, 0)",
        classifier_output_tokens
    ),
    sum!("duration_us", |row| row.duration_us.unwrap_or(0), "coalesce(duration_us, 0)", duration_us),
];

impl Totals {
    /// Adds a row.
    pub(super) fn add(&mut self, row: &Row) {
        for sum in &SUMS {
            let field = (sum.field)(self);
            *field = field.saturating_add((sum.of)(row));
        }
        if let Some(us) = row.duration_us {
            self.duration.add(us);
        }
        if let Some(us) = row.first_token_us {
            self.first_token.add(us);
        }
    }

    /// From sums in the order of [`SUMS`], and the two histograms.
    pub(super) fn of(sums: [i64; SUMS.len()], [duration, first_token]: [Histogram; 2]) -> Self {
        let mut totals = Totals { duration, first_token, ..Totals::default() };
        for (sum, figure) in SUMS.iter().zip(sums) {
            *(sum.field)(&mut totals) = figure;
        }
        totals
    }

    /// All sums in the order of [`SUMS`], then the buckets of the two histograms.
    pub(super) fn all(mut self) -> impl Iterator<Item = i64> {
        let sums: Vec<i64> = SUMS.iter().map(|sum| *(sum.field)(&mut self)).collect();
        sums.into_iter().chain(self.duration.0).chain(self.first_token.0)
    }

    /// What the same tokens would have cost on the frontier tier, and that less the cost; `None` where nobody knows it: a
    /// sum of 0 is one of nothing.
    #[must_use]
    pub fn known_frontier(&self) -> Option<(NanoUsd, NanoUsd)> {
        (self.frontier_cost.0 != 0).then_some((self.frontier_cost, self.saved))
    }

    /// The cost, or `None` if no request has one.
    #[must_use]
    pub fn known_cost(&self) -> Option<NanoUsd> {
        (self.requests > self.unpriced_requests).then_some(self.cost)
    }

    /// Tokens that the classifier's model reported; `None` if no call reported any: every call uses tokens, so a
    /// sum of 0 over calls means that the model reported no usage.
    #[must_use]
    pub fn known_classifier_tokens(&self) -> (Option<i64>, Option<i64>) {
        let told = |tokens: i64| (tokens > 0 || self.classifier_requests == 0).then_some(tokens);
        (told(self.classifier_input_tokens), told(self.classifier_output_tokens))
    }
}

impl std::ops::AddAssign for Totals {
    fn add_assign(&mut self, mut other: Totals) {
        for sum in &SUMS {
            let field = (sum.field)(self);
            *field = field.saturating_add(*(sum.field)(&mut other));
        }
        self.duration += other.duration;
        self.first_token += other.first_token;
    }
}

/// A figure of some requests, as JSON and CSV show it.
#[derive(Debug)]
pub struct Figure {
    /// Its name.
    pub name: &'static str,
    /// What it tells.
    pub about: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether it may be unknown.
    pub is_optional: bool,
    of: fn(&Totals) -> Value<'static>,
}

impl Figure {
    /// The figure of some sums.
    #[must_use]
    pub fn of(&self, totals: &Totals) -> Value<'static> {
        (self.of)(totals)
    }
}

const fn number(name: &'static str, about: &'static str, of: fn(&Totals) -> Value<'static>) -> Figure {
    Figure { name, about, kind: Kind::Integer, is_optional: false, of }
}

const fn money(name: &'static str, about: &'static str, of: fn(&Totals) -> Value<'static>) -> Figure {
    Figure { name, about, kind: Kind::Number, is_optional: true, of }
}

fn usd(money: Option<NanoUsd>) -> Value<'static> {
    money.map_or(Value::Unknown, Value::Money)
}

/// The figures that are shown, in their order.
pub static FIGURES: [Figure; 14] = [
    number("requests", "Requests.", |totals| Value::Integer(totals.requests)),
    number("input_tokens", "All input tokens, as far as they are known.", |totals| Value::Integer(totals.input_tokens)),
    number("cached_input_tokens", "Those of them read from a provider's prompt cache.", |totals| {
        Value::Integer(totals.cached_input_tokens)
    }),
    number("cache_write_tokens", "Those of them written to a provider's prompt cache.", |totals| {
        Value::Integer(totals.cache_write_tokens)
    }),
    number("output_tokens", "All output tokens, as far as they are known.", |totals| {
        Value::Integer(totals.output_tokens)
    }),
    number("reasoning_tokens", "Those of them spent on reasoning.", |totals| Value::Integer(totals.reasoning_tokens)),
    number("total_tokens", "Input and output tokens.", |totals| {
        Value::Integer(totals.input_tokens.saturating_add(totals.output_tokens))
    }),
    money("cost_usd", "What the requests with a known cost cost, in US dollars; `null` if there is none.", |totals| {
        usd(totals.known_cost())
    }),
    number("unpriced_requests", "Requests whose cost is unknown.", |totals| Value::Integer(totals.unpriced_requests)),
    number("errors", "Requests that ended in an error.", |totals| Value::Integer(totals.errors)),
    number(
        "unmeasured_requests",
        "Requests without tokens: the provider reported none, and there was nothing to count.",
        |totals| Value::Integer(totals.unmeasured_requests),
    ),
    number("estimated_requests", "Requests whose tokens were counted here, as the provider reported none.", |totals| {
        Value::Integer(totals.estimated_requests)
    }),
    money(
        "frontier_cost_usd",
        "What the same tokens would have cost on the frontier tier, in US dollars, where that is known.",
        |totals| usd(totals.known_frontier().map(|(cost, _)| cost)),
    ),
    money("saved_usd", "That less the cost, over the requests of which both are known.", |totals| {
        usd(totals.known_frontier().map(|(_, saved)| saved))
    }),
];

/// Times of some requests, of which quantiles are shown behind the figures.
#[derive(Debug)]
pub struct Latency {
    /// Its name in JSON.
    pub name: &'static str,
    /// The same without its unit, for columns of its quantiles.
    pub bare_name: &'static str,
    /// What it tells.
    pub about: &'static str,
    of: fn(&Totals) -> &Histogram,
}

impl Latency {
    /// The time, in milliseconds with one decimal, that a share of the requests did not exceed; `None` if nothing was
    /// measured.
    #[must_use]
    pub fn quantile(&self, totals: &Totals, share: f64) -> Option<f64> {
        (self.of)(totals).percentile(share).map(|ms| (ms * 10.0).round() / 10.0)
    }
}

/// The times that are shown.
pub static LATENCIES: [Latency; 2] = [
    Latency {
        name: "duration_ms",
        bare_name: "duration",
        about: "Milliseconds from arrival to the end.",
        of: |totals| &totals.duration,
    },
    Latency {
        name: "first_token_ms",
        bare_name: "first_token",
        about: "Milliseconds from arrival to the first token, of the requests that got one.",
        of: |totals| &totals.first_token,
    },
];
