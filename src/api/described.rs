//! Objects whose members the history describes: its rows and its figures. Their schemas and their JSON follow its tables,
//! so that a new column or figure is not written again here.

use std::borrow::Cow;

use poem_openapi::registry::{MetaSchema, MetaSchemaRef, Registry};
use poem_openapi::types::{Example, IsObjectType, ParseError, ParseFromJSON, ParseResult, ToJSON, Type};
use serde_json::{Map, Value as Json};

use crate::catalog::{NanoUsd, Source, Tier};
use crate::protocol::{Timestamp, TokenUsage, UsageSource};
use crate::store::{AnsweredBy, FIGURES, Kind, LATENCIES, Row, Totals, Value, milliseconds, shown_columns};

/// A value as JSON has it.
pub(super) fn json(value: Value<'_>) -> Json {
    match value {
        Value::Unknown => Json::Null,
        Value::Text(text) => text.into_owned().into(),
        Value::Name(text) | Value::Session(text) => text.into(),
        Value::Word(word, _) => word.into(),
        Value::Integer(figure) => figure.into(),
        Value::Real(figure) => figure.into(),
        Value::Flag(flag) => flag.into(),
        Value::Time(time) => time.to_string().into(),
        Value::Micros(us) => milliseconds(us).into(),
        Value::Money(money) => money.as_usd().into(),
    }
}

fn schema(kind: Kind, about: &'static str, is_optional: bool) -> MetaSchema {
    let (ty, format) = match kind {
        Kind::Text => ("string", None),
        Kind::Integer => ("integer", Some("int64")),
        Kind::Number => ("number", Some("double")),
        Kind::Flag => ("boolean", None),
    };
    let mut schema = MetaSchema::new(ty);
    schema.format = format;
    schema.description = Some(about);
    schema.nullable = is_optional;
    schema
}

fn object(
    about: &'static str,
    example: Option<Json>,
    members: impl Iterator<Item = (&'static str, MetaSchema)>,
) -> MetaSchema {
    let mut object = MetaSchema::new("object");
    object.description = Some(about);
    object.example = example;
    for (name, schema) in members {
        if !schema.nullable {
            object.required.push(name);
        }
        object.properties.push((name, MetaSchemaRef::Inline(Box::new(schema))));
    }
    object
}

/// What every described object is to the document. It is only ever answered.
macro_rules! described {
    ($type:ident, $name:literal) => {
        impl Type for $type {
            const IS_REQUIRED: bool = true;
            type RawValueType = Self;
            type RawElementValueType = Self;

            fn name() -> Cow<'static, str> {
                $name.into()
            }

            fn schema_ref() -> MetaSchemaRef {
                MetaSchemaRef::Reference($name.to_owned())
            }

            fn register(registry: &mut Registry) {
                registry.create_schema::<Self, _>($name.to_owned(), |_| Self::schema());
            }

            fn as_raw_value(&self) -> Option<&Self> {
                Some(self)
            }

            fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
                Box::new(std::iter::once(self))
            }
        }

        impl IsObjectType for $type {}

        impl ParseFromJSON for $type {
            fn parse_from_json(_: Option<Json>) -> ParseResult<Self> {
                Err(ParseError::custom("it is only ever answered"))
            }
        }

        impl ToJSON for $type {
            fn to_json(&self) -> Option<Json> {
                Some(self.members().into())
            }
        }
    };
}

/// One request of the history.
#[derive(Debug, Clone)]
pub(super) struct RequestRow(pub(super) Row);

described!(RequestRow, "HistoryRow");

impl RequestRow {
    fn schema() -> MetaSchema {
        let members = shown_columns().map(|it| (it.name, schema(it.kind, it.about, it.is_optional)));
        let about = "One request of the history. `null` is unknown; it is never the same as 0.";
        object(about, RequestRow::example().to_json(), members)
    }

    fn members(&self) -> Map<String, Json> {
        shown_columns().map(|column| (column.name.to_owned(), json(column.of(&self.0)))).collect()
    }
}

impl Example for RequestRow {
    fn example() -> Self {
        let text = |text: &str| Some(text.to_owned());
        RequestRow(Row {
            request_id: "019c1f2f7a3b7c31a5d0c9b1e8f60a42".to_owned(),
            created_at_ms: "2026-11-26T08:15:02.117Z".parse().map_or(0, |time: Timestamp| time.0),
            session: text("s-42"),
            key: text("default"),
            decision: Tier::Frontier,
            source: Some(Source::Embedded),
            score: Some(0.71),
            confidence: Some(0.83),
            reason: Some("asks for a proof; words: convergence, operator".into()),
            answered_by: Some(AnsweredBy::Tier(Tier::Frontier)),
            tier: Some(Tier::Frontier),
            upstream: text("anthropic"),
            provider: Some("anthropic".into()),
            requested_model: "auto".to_owned(),
            selected_model: text("claude-sonnet-5-5"),
            response_model: text("claude-sonnet-5-5"),
            stream: true,
            status: Some(200),
            attempt_count: 1,
            usage: TokenUsage {
                input_tokens: Some(9_120),
                cached_input_tokens: Some(8_192),
                output_tokens: Some(640),
                reasoning_tokens: Some(210),
                ..TokenUsage::default()
            },
            usage_source: UsageSource::Reported,
            cost: Some(NanoUsd(14_841_600)),
            frontier_cost: Some(NanoUsd(14_841_600)),
            classify_us: Some(41),
            first_token_us: Some(812_400),
            duration_us: Some(9_204_000),
            ..Row::default()
        })
    }
}

/// Sums over some requests.
#[derive(Debug, Clone)]
pub(super) struct UsageTotals(pub(super) Totals);

described!(UsageTotals, "UsageTotals");

/// Quantiles that are shown of each time.
const SHARES: [(&str, f64, &str); 4] = [
    ("p50", 0.5, "Half of them."),
    ("p90", 0.9, "Nine in ten."),
    ("p95", 0.95, "95 of a hundred."),
    ("p99", 0.99, "99 of a hundred."),
];

impl UsageTotals {
    fn schema() -> MetaSchema {
        let figures = FIGURES.iter().map(|figure| (figure.name, schema(figure.kind, figure.about, figure.is_optional)));
        let latencies = LATENCIES.iter().map(|latency| {
            let members = SHARES.iter().map(|(name, _, about)| (*name, schema(Kind::Number, about, true)));
            (latency.name, object(latency.about, None, members))
        });
        let about = "Sums over some requests. Times are ones that a share of the requests did not exceed, in milliseconds: \
            estimates from buckets (2, 5, 10, 20, 50, 100, 200, 300, 500, 700 ms, 1, 1.5, 2, 3, 5, 7, 10, 15, 20, 30, 60, \
            120, 300 s), off by less than their bucket is wide; 300 000 stands for everything longer, `null` for nothing \
            measured.";
        object(about, UsageTotals::example().to_json(), figures.chain(latencies))
    }

    fn members(&self) -> Map<String, Json> {
        let figures = FIGURES.iter().map(|figure| (figure.name.to_owned(), json(figure.of(&self.0))));
        let latencies = LATENCIES.iter().map(|latency| {
            let shares = SHARES.iter().map(|(name, share, _)| {
                let ms = latency.quantile(&self.0, *share);
                ((*name).to_owned(), ms.map_or(Json::Null, Json::from))
            });
            (latency.name.to_owned(), shares.collect::<Map<_, _>>().into())
        });
        figures.chain(latencies).collect()
    }
}

impl Example for UsageTotals {
    fn example() -> Self {
        UsageTotals(Totals {
            requests: 1_204,
            input_tokens: 1_902_113,
            cached_input_tokens: 604_220,
            output_tokens: 301_774,
            cost: NanoUsd(412_700_000),
            unpriced_requests: 3,
            errors: 9,
            unmeasured_requests: 3,
            estimated_requests: 12,
            frontier_cost: NanoUsd(8_204_100_000),
            saved: NanoUsd(7_791_400_000),
            ..Totals::default()
        })
    }
}
