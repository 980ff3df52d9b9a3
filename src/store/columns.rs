//! The columns of the history, each in one place: its name, what it tells, where a row has it, and how it is read back.
//! SQL, binds, reads, CSV, JSON and the API's document all follow this table, in its order.
//!
//! A new column is a field of [`Row`], an entry here, and a migration. One that is shown is only ever added behind the
//! last one that is shown.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use super::answered_by::AnsweredBy;
use super::row::{Row, Word};
use crate::catalog::{Api, Judge, NanoUsd, Source, Step, Tier};
use crate::protocol::{Timestamp, UsageSource};

/// One value of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// It is not known.
    Unknown,
    /// A text.
    Text(Cow<'a, str>),
    /// A text that many rows have: the file holds its number.
    Name(&'a str),
    /// The name of a conversation: the file holds its number.
    Session(&'a str),
    /// A word that the file holds as this number.
    Word(&'static str, i64),
    /// A whole number.
    Integer(i64),
    /// A number.
    Real(f64),
    /// Yes or no.
    Flag(bool),
    /// A time; the file holds milliseconds.
    Time(Timestamp),
    /// A duration in microseconds; shown in milliseconds.
    Micros(i64),
    /// Money; shown in US dollars.
    Money(NanoUsd),
}

/// What a column holds, for whoever describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Texts.
    Text,
    /// Whole numbers.
    Integer,
    /// Numbers.
    Number,
    /// `true` and `false`.
    Flag,
}

/// One column.
#[derive(Debug)]
pub struct Column {
    /// Its name in JSON and CSV.
    pub name: &'static str,
    /// What it tells.
    pub about: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether a row may not know it.
    pub is_optional: bool,
    /// Whether it is shown. Those that are not are there to decide again.
    is_shown: bool,
    /// Whether the file holds the number of a name.
    is_name: bool,
    /// Its name in the file's table.
    sql: &'static str,
    get: fn(&Row) -> Value<'_>,
    set: fn(&mut Row, &Cell<'_>) -> Result<(), sqlx::Error>,
}

impl Column {
    /// What a row has in it.
    #[must_use]
    pub fn of<'r>(&self, row: &'r Row) -> Value<'r> {
        (self.get)(row)
    }

    /// Its name in the file's table.
    pub(super) const fn sql(&self) -> &'static str {
        self.sql
    }
}

/// The columns that are shown, in the order of CSV and JSON.
pub fn shown() -> impl Iterator<Item = &'static Column> {
    COLUMNS.iter().filter(|column| column.is_shown)
}

/// A value as the file holds it.
struct Cell<'a> {
    row: &'a SqliteRow,
    column: &'static str,
    names: &'a HashMap<i64, Arc<str>>,
}

impl Cell<'_> {
    /// What the file holds; nothing where it is `NULL`.
    fn get<T>(&self) -> Result<Option<T>, sqlx::Error>
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
    {
        self.row.try_get(self.column)
    }

    /// A whole number in another type; nothing where it does not fit.
    fn count<T: TryFrom<i64>>(&self) -> Result<Option<T>, sqlx::Error> {
        Ok(self.get::<i64>()?.and_then(|figure| T::try_from(figure).ok()))
    }

    fn name(&self) -> Result<Option<&str>, sqlx::Error> {
        Ok(self.get::<i64>()?.and_then(|id| self.names.get(&id)).map(AsRef::as_ref))
    }

    fn tier(&self) -> Result<Option<Tier>, sqlx::Error> {
        Ok(self.count()?.and_then(Tier::from_number))
    }
}

fn known<'a, T>(value: Option<T>, of: impl FnOnce(T) -> Value<'a>) -> Value<'a> {
    value.map_or(Value::Unknown, of)
}

fn text(text: Option<&str>) -> Value<'_> {
    known(text, |text| Value::Text(Cow::Borrowed(text)))
}

fn count(figure: Option<impl TryInto<i64>>) -> Value<'static> {
    known(figure.and_then(|figure| figure.try_into().ok()), Value::Integer)
}

fn tier(tier: Option<Tier>) -> Value<'static> {
    known(tier, |tier| Value::Word(tier.as_str(), i64::from(tier.number())))
}

/// An entry of the table. The short forms are for fields that many have alike; the last one says everything.
macro_rules! column {
    (text $name:literal, $($field:ident).+, $about:literal) => {
        column!(Text, optional, $name = $name, $about, |row| text(row.$($field).+.as_deref()),
            |row, cell| row.$($field).+ = cell.get()?)
    };
    (name $name:literal, $($field:ident).+, $about:literal) => {
        Column { is_name: true, ..column!(Text, optional, $name = concat!($name, "_id"), $about,
            |row| known(row.$($field).+.as_deref(), Value::Name),
            |row, cell| row.$($field).+ = cell.name()?.map(|name| name.to_owned().into())) }
    };
    (count $name:literal, $($field:ident).+, $about:literal) => {
        column!(Integer, optional, $name = $name, $about, |row| count(row.$($field).+),
            |row, cell| row.$($field).+ = cell.count()?)
    };
    (real $name:literal, $($field:ident).+, $about:literal) => {
        column!(Number, optional, $name = $name, $about, |row| known(row.$($field).+, Value::Real),
            |row, cell| row.$($field).+ = cell.get()?)
    };
    (flag $name:literal, $($field:ident).+, $about:literal) => {
        column!(Flag, always, $name = $name, $about, |row| Value::Flag(row.$($field).+),
            |row, cell| row.$($field).+ = cell.get()?.unwrap_or_default())
    };
    (micros $name:literal = $sql:literal, $($field:ident).+, $about:literal) => {
        column!(Number, optional, $name = $sql, $about, |row| known(row.$($field).+, Value::Micros),
            |row, cell| row.$($field).+ = cell.get()?)
    };
    (money $name:literal = $sql:literal, $($field:ident).+, $about:literal) => {
        column!(Number, optional, $name = $sql, $about, |row| known(row.$($field).+, Value::Money),
            |row, cell| row.$($field).+ = cell.get()?.map(NanoUsd))
    };
    (tier $name:literal, $($field:ident).+, $about:literal) => {
        column!(Text, optional, $name = $name, $about, |row| tier(row.$($field).+),
            |row, cell| row.$($field).+ = cell.tier()?)
    };
    ($kind:ident, $optional:ident, $name:literal = $sql:expr, $about:literal, |$row:ident| $get:expr,
     |$to:ident, $cell:ident| $set:expr) => {
        Column {
            name: $name,
            about: $about,
            kind: Kind::$kind,
            is_optional: column!(@$optional),
            is_shown: true,
            is_name: false,
            sql: $sql,
            get: |$row| $get,
            set: |$to, $cell| {
                $set;
                Ok(())
            },
        }
    };
    (@optional) => { true };
    (@always) => { false };
}

/// A column that is not shown.
macro_rules! hidden {
    ($column:expr) => {
        Column { is_shown: false, ..$column }
    };
}

/// All columns but the row's number.
pub(super) static COLUMNS: &[Column] = &[
    column!(
        Text,
        always,
        "request_id" = "request_id",
        "The id of the answer's `X-Request-Id` header.",
        |row| text(Some(&row.request_id)),
        |row, cell| row.request_id = cell.get()?.unwrap_or_default()
    ),
    column!(
        Text,
        always,
        "time" = "created_at_ms",
        "When the request arrived (RFC 3339, UTC).",
        |row| Value::Time(Timestamp(row.created_at_ms)),
        |row, cell| row.created_at_ms = cell.get()?.unwrap_or_default()
    ),
    column!(
        Text,
        optional,
        "session" = "session_id",
        "The conversation that it belongs to.",
        |row| known(row.session.as_deref(), Value::Session),
        |row, cell| row.session = cell.get()?
    ),
    column!(name "key", key, "The name of the key that it came with."),
    column!(
        Integer,
        always,
        "decision" = "decision",
        "The tier that was decided, before requirements and fallback moved it up: 0 cheap, 1 medium, 2 frontier.",
        |row| Value::Integer(i64::from(row.decision.number())),
        |row, cell| row.decision = cell.tier()?.unwrap_or_default()
    ),
    column!(tier "tier", tier, "The tier whose upstream answered, or that was tried last."),
    Column {
        is_name: true,
        ..column!(
            Text,
            optional,
            "source" = "source_id",
            "The step that decided: `forced`, `disabled`, `session`, `cache`, `embedded`, `llm`, `rule`, `fallback`; `null` of \
         requests that the response cache answered while older versions did not keep it.",
            |row| known(row.source, |source| Value::Name(source.as_str())),
            |row, cell| row.source = cell.name()?.and_then(Source::from_name)
        )
    },
    column!(real "score", score, "The classifier's score: 0 is easy, 1 is hard."),
    column!(name "upstream", upstream, "The upstream's name in the configuration."),
    column!(name "provider", provider, "Its provider."),
    Column {
        is_name: true,
        ..column!(
            Text,
            optional,
            "requested_model" = "requested_model_id",
            "The model that the client named.",
            |row| Value::Name(&row.requested_model),
            |row, cell| row.requested_model = cell.name()?.map(str::to_owned).unwrap_or_default()
        )
    },
    column!(name "selected_model", selected_model, "The model that was asked."),
    column!(flag "stream", stream, "Whether the answer was streamed."),
    column!(count "status", status,
        "The HTTP status that the client got; 499 if it left before the end; `null` if the router died before it told."),
    column!(name "error_type", error_type, "What kind of error, if it was one; docs/history.md lists them."),
    column!(
        Integer,
        always,
        "attempts" = "attempts",
        "How many upstream calls were made.",
        |row| Value::Integer(i64::from(row.attempt_count())),
        |row, cell| row.attempt_count = cell.count()?.unwrap_or_default()
    ),
    column!(count "input_tokens", usage.input_tokens, "All input tokens."),
    column!(count "cached_input_tokens", usage.cached_input_tokens,
        "Those of them read from the provider's prompt cache."),
    column!(count "cache_write_tokens", usage.cache_write_tokens, "Those of them written to the provider's prompt cache."),
    column!(count "output_tokens", usage.output_tokens, "All output tokens."),
    column!(count "reasoning_tokens", usage.reasoning_tokens, "Those of them spent on reasoning."),
    column!(
        Text,
        always,
        "usage_source" = "usage_source",
        "`reported` by the provider, `estimated` here with a tokenizer, or `absent`.",
        |row| Value::Word(row.usage_source.as_str(), row.usage_source.number()),
        |row, cell| row.usage_source = cell.get()?.and_then(UsageSource::from_number).unwrap_or_default()
    ),
    column!(money "cost_usd" = "cost_nanos", cost, "What it cost, in US dollars."),
    column!(money "frontier_cost_usd" = "frontier_cost_nanos", frontier_cost,
        "What the same tokens would have cost on the frontier tier, in US dollars."),
    column!(micros "classify_ms" = "classify_us", classify_us, "Milliseconds that the decision took."),
    column!(micros "first_token_ms" = "first_token_us", first_token_us, "Milliseconds from arrival to the first token."),
    column!(micros "duration_ms" = "duration_us", duration_us, "Milliseconds from arrival to the end."),
    column!(name "response_model", response_model, "The model that answered, as the provider names it."),
    column!(flag "local", local, "Whether a local upstream served it."),
    column!(real "confidence", confidence, "The classifier's confidence, 0 to 1."),
    column!(
        Text,
        optional,
        "reason" = "reason",
        "Why it was decided so.",
        |row| text(row.reason.as_deref()),
        |row, cell| row.reason = cell.get::<String>()?.map(Word::Owned)
    ),
    column!(count "classifier_input_tokens", classifier_usage.input_tokens, "Input tokens of the classifier's own call."),
    column!(count "classifier_output_tokens", classifier_usage.output_tokens, "Output tokens of the classifier's own call."),
    column!(text "usage_raw", usage_raw, "The provider's own usage object, as JSON text, as it wrote it."),
    column!(
        Text,
        optional,
        "step" = "step",
        "What kind of step it was: `turn`, `approval`, `tool_loop`, `stuck_loop`, `background_call`.",
        |row| text(row.features.step.map(Step::as_str)),
        |row, cell| row.features.step = cell.get::<String>()?.and_then(|name| Step::from_name(&name))
    ),
    column!(count "text_chars", features.text_chars, "Characters of the text that was classified."),
    column!(count "tools", features.tools, "How many tools were offered."),
    column!(text "reasoning_effort", features.reasoning_effort, "The `reasoning_effort` that was asked for."),
    column!(text "rules", features.rules,
        "Names of the rules that held, with blanks between them; of rules that could have changed nothing it is not known."),
    column!(
        Text,
        optional,
        "answered_by" = "answered_by",
        "Who answered: the tier (or the one that was tried last), `response_cache`, or `nobody` where no upstream was \
         reached; `null` while it is under way.",
        |row| known(row.answered_by, |who| Value::Word(who.as_str(), who.number())),
        |row, cell| {
            row.answered_by = cell.get::<i64>()?.map(AnsweredBy::from);
            row.answered_by = Some(row.answered_by());
        }
    ),
    column!(count "failures", features.failures,
        "How many tool results told of a failure; `null` where no rule looked at it."),
    column!(count "estimated_input_tokens", features.estimated_input_tokens,
        "Input tokens, as estimated before the call; `null` where neither a rule nor a context window made it necessary."),
    column!(
        Text,
        optional,
        "skipped" = "skipped",
        "Candidates that were passed over, as JSON text: a list of `{upstream, tier, reason}`.",
        |row| if row.skipped.is_empty() {
            Value::Unknown
        } else {
            Value::Text(Cow::Owned(serde_json::to_string(&row.skipped).unwrap_or_default()))
        },
        |row, cell| row.skipped =
            cell.get::<String>()?.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default()
    ),
    column!(text "prompt", features.prompt, "The text that was classified of a person's turn; `null` unless `store.capture` keeps it. Lists do not have it."),
    column!(
        Text,
        optional,
        "api" = "api",
        "The API that it came by: `chat` or `embeddings`; `null` of rows that an older version wrote.",
        |row| known(row.api, |api| Value::Word(api.as_str(), api.number())),
        |row, cell| row.api = cell.get()?.and_then(Api::from_number)
    ),
    column!(text "agent", agent, "The sub-agent that made it, as its client names it; `null` for an agent itself."),
    hidden!(column!(flag "asked_classifier", asked_classifier, "Whether the classifier's model was asked.")),
    hidden!(column!(
        Integer,
        optional,
        "rules_looked" = "rules_looked",
        "Which rules were looked at, by bits.",
        |row| known(row.features.rules_looked, |bits| Value::Integer(bits.cast_signed())),
        |row, cell| row.features.rules_looked = cell.get::<i64>()?.map(i64::cast_unsigned)
    )),
    hidden!(column!(count "policy", features.policy, "The number of the policy that was in force.")),
    hidden!(column!(
        Integer,
        optional,
        "judge" = "judge",
        "Who judged before rules and the conversation.",
        |row| known(row.features.judge, |judge| Value::Integer(judge.number())),
        |row, cell| row.features.judge = cell.get()?.and_then(Judge::from_number)
    )),
    hidden!(column!(tier "judged", features.judged, "The tier that was judged then.")),
    hidden!(column!(text "pin", features.pin, "The conversation as it stood before.")),
];

/// What a query selects of `requests r left join sessions s`, with every column under its own name.
pub(super) fn select() -> &'static str {
    static SELECT: LazyLock<String> = LazyLock::new(|| {
        COLUMNS.iter().fold("r.id as id".to_owned(), |select, column| {
            let table = if column.sql == "session_id" { "s.session" } else { &format!("r.{}", column.sql) };
            format!("{select}, {table} as {}", column.sql)
        })
    });
    &SELECT
}

/// The same without the texts of requests, which a list has no room for.
pub(super) fn listed() -> &'static str {
    static LISTED: LazyLock<String> = LazyLock::new(|| select().replace("r.prompt as prompt", "null as prompt"));
    &LISTED
}

/// A row of the file, whose names are still numbers.
pub(super) struct Raw(SqliteRow);

impl Raw {
    pub(super) fn new(row: SqliteRow) -> Self {
        Raw(row)
    }

    /// Its number.
    pub(super) fn id(&self) -> Result<i64, sqlx::Error> {
        self.0.try_get("id")
    }

    /// The numbers of its names.
    pub(super) fn names(&self) -> impl Iterator<Item = i64> {
        let names = COLUMNS.iter().filter(|column| column.is_name);
        names.filter_map(|column| self.0.try_get::<Option<i64>, _>(column.sql).ok().flatten())
    }

    /// The row, with the texts of its names.
    pub(super) fn read(&self, names: &HashMap<i64, Arc<str>>) -> Result<Row, sqlx::Error> {
        let mut read = Row { id: self.id()?, ..Row::default() };
        for column in COLUMNS {
            (column.set)(&mut read, &Cell { row: &self.0, column: column.sql, names })?;
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_stands_once() {
        let distinct =
            |of: fn(&Column) -> &'static str| COLUMNS.iter().map(of).collect::<std::collections::HashSet<_>>().len();
        assert_eq!((distinct(|column| column.name), distinct(|column| column.sql)), (COLUMNS.len(), COLUMNS.len()));
    }
}
