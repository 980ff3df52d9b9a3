//! Files of older versions are brought up to date, and nothing of what they tell is lost or made up.

use sqlx::{Connection, SqliteConnection};
use xrouter::catalog::{Source, Tier};
use xrouter::config::{self, Durability};
use xrouter::store::{AnsweredBy, GroupBy, Period, Store};

use crate::support::sums_equal_rows;

/// A file that the version before `answered_by` wrote: eleven requests, three of which the response cache answered.
const BEFORE_ANSWERED_BY: &str = include_str!("../fixtures/history/20261126120000_features.sql");

async fn file(path: &std::path::Path, dump: &'static str) {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).create_if_missing(true).foreign_keys(false);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    sqlx::raw_sql(dump).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

fn store_config() -> config::Store {
    config::Store {
        url: None,
        enabled: true,
        durability: Durability::Strict,
        capture: false,
        keep_days: 0,
        keep_minute_rollups_days: 36_500,
    }
}

#[tokio::test]
async fn who_answered_is_told_of_older_requests_and_what_decided_them_is_not_made_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("h.db");
    file(&path, BEFORE_ANSWERED_BY).await;
    let store = Store::open(&path, &store_config()).await.unwrap();
    let mut rows = store.newest(100).await.unwrap();
    rows.reverse();
    let tier = |tier| Some(AnsweredBy::Tier(tier));
    let told: Vec<_> = rows.iter().map(|row| (row.source, row.answered_by)).collect();
    let cached = (None, Some(AnsweredBy::ResponseCache));
    let expected = [
        (Some(Source::Embedded), tier(Tier::Cheap)),
        (Some(Source::Cache), tier(Tier::Cheap)),
        cached,
        (Some(Source::Cache), tier(Tier::Cheap)),
        cached,
        (Some(Source::Rule), tier(Tier::Frontier)),
        (Some(Source::Embedded), tier(Tier::Cheap)),
        (Some(Source::Forced), tier(Tier::Medium)),
        (Some(Source::Rule), tier(Tier::Medium)),
        cached,
        (Some(Source::Embedded), tier(Tier::Cheap)),
    ];
    assert_eq!(told, expected);
    let usage = store.usage_by_tier(Period::default()).await.unwrap().figures;
    assert_eq!((usage.total.requests, usage.response_cache.requests), (8, 3));
    for by in [GroupBy::Key, GroupBy::Source, GroupBy::Model, GroupBy::Upstream, GroupBy::Day, GroupBy::Tier] {
        let groups = store.usage_by(Period::default(), &[by]).await.unwrap().figures;
        let sum = |groups: &[xrouter::store::Group]| groups.iter().map(|group| group.totals.requests).sum::<i64>();
        assert_eq!((sum(&groups.groups), sum(&groups.response_cache)), (8, 3), "{by:?}");
    }
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).read_only(true);
    sums_equal_rows(&mut SqliteConnection::connect_with(&options).await.unwrap()).await;
    store.close().await;
}
