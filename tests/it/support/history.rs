//! Looks into the history's file with SQL of its own.

use sqlx::{AssertSqlSafe, SqliteConnection};

/// Fails unless every table of sums is exactly what its rows add up to. Minutes are compared as far as they are kept.
pub(crate) async fn sums_equal_rows(connection: &mut SqliteConnection) {
    for (table, unit) in [
        ("rollup_minute", Some(60_000)),
        ("rollup_hour", Some(3_600_000)),
        ("rollup_day", Some(86_400_000)),
        ("rollup_total", None),
        ("rollup_tier_hour", Some(3_600_000)),
        ("rollup_tier_day", Some(86_400_000)),
        ("rollup_facet_hour", Some(3_600_000)),
        ("rollup_facet_day", Some(86_400_000)),
    ] {
        let columns: Vec<String> = sqlx::query_scalar("select name from pragma_table_info(?) order by cid")
            .bind(table)
            .fetch_all(&mut *connection)
            .await
            .unwrap();
        let keys = match table {
            "rollup_total" => 7,
            table if table.contains("tier") || table.contains("facet") => 3,
            _ => 8,
        };
        let groups: Vec<String> = (1..=keys).map(|key| key.to_string()).collect();
        let names = columns.join(", ");
        let select = |value: &str, facet: i64| {
            let expression = |column: &String| match column.as_str() {
                "facet" => facet.to_string(),
                "value" => value.to_owned(),
                column => expression(column, unit),
            };
            let expressions: Vec<String> = columns.iter().map(expression).collect();
            format!("select {} from requests group by {}", expressions.join(", "), groups.join(", "))
        };
        let rows = if table.contains("facet") {
            let facets = [
                (2, "coalesce(upstream_id, 0)"),
                (3, "coalesce(selected_model_id, 0)"),
                (4, "coalesce(key_id, 0)"),
                (5, "source_id"),
            ];
            // What the response cache answered has facets of its own.
            let both = facets.map(|(facet, value)| [(facet, value, "<>"), (facet + 100, value, "=")]).concat();
            let select = |(facet, value, is): (i64, &str, &str)| {
                select(value, facet).replace(" group by", &format!(" where coalesce(answered_by, 0) {is} -2 group by"))
            };
            both.into_iter().map(select).collect::<Vec<_>>().join(" union all ")
        } else {
            select("", 0)
        };
        for (left, right) in
            [(format!("select {names} from {table}"), rows.clone()), (rows, format!("select {names} from {table}"))]
        {
            let statement = format!("select count(*) from (select * from ({left}) except select * from ({right}))");
            let differences: i64 =
                sqlx::query_scalar(AssertSqlSafe(statement)).fetch_one(&mut *connection).await.unwrap();
            assert_eq!(differences, 0, "{table}: groups that differ from their rows");
        }
    }
}

fn expression(column: &str, unit: Option<i64>) -> String {
    match column {
        "begin_ms" => {
            let unit = unit.unwrap();
            format!("created_at_ms / {unit} * {unit}")
        }
        "tier" => "coalesce(answered_by, tier, -1)".to_owned(),
        "upstream_id" | "key_id" => format!("coalesce({column}, 0)"),
        "model_id" => "coalesce(selected_model_id, 0)".to_owned(),
        "source_id" | "local" => column.to_owned(),
        "status_class" => "coalesce(status, 0) / 100".to_owned(),
        "requests" => "count(*)".to_owned(),
        "errors" => "sum(coalesce(status, 0) >= 400 or error_type_id is not null)".to_owned(),
        "saved_nanos" => "coalesce(sum(frontier_cost_nanos - cost_nanos), 0)".to_owned(),
        "unpriced_requests" => "sum(cost_nanos is null)".to_owned(),
        "unmeasured_requests" => "sum(input_tokens is null and output_tokens is null)".to_owned(),
        "estimated_requests" => "sum(usage_source = 2)".to_owned(),
        "classifier_requests" => "sum(asked_classifier)".to_owned(),
        column => match column.split_once("_le_") {
            Some((time, bound)) => bucket(time, bound),
            None => format!("coalesce(sum({column}), 0)"),
        },
    }
}

/// How many rows fall into a bucket: up to its bound, and above the one before.
fn bucket(time: &str, bound: &str) -> String {
    const BOUNDS: [i64; 23] = [
        2, 5, 10, 20, 50, 100, 200, 300, 500, 700, 1000, 1500, 2000, 3000, 5000, 7000, 10_000, 15_000, 20_000, 30_000,
        60_000, 120_000, 300_000,
    ];
    let at = BOUNDS.iter().position(|known| known.to_string() == bound).unwrap_or(BOUNDS.len());
    let above = if at == 0 { i64::MIN } else { BOUNDS[at - 1] * 1000 };
    let below = BOUNDS.get(at).map_or(i64::MAX, |bound| bound * 1000);
    format!("coalesce(sum({time}_us > {above} and {time}_us <= {below}), 0)")
}
