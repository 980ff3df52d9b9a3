//! The whole store, from handing over to the file: locks, spills, damage, kills.

use sqlx::{Connection, SqliteConnection};

use super::*;
use crate::config::Durability;
use crate::protocol::Timestamp;

const FEW: Limits = Limits { rows: 1_000, spill_bytes: 20_000, drop_bytes: 10_000_000 };

fn config(durability: Durability) -> config::Store {
    config::Store { url: None, enabled: true, durability, capture: false, keep_days: 0, keep_minute_rollups_days: 3 }
}

fn row(store: &Store, number: usize) -> Box<Row> {
    let mut row = journal::tests::row(store.next_id());
    row.request_id = format!("request-{number}");
    row.created_at_ms = Timestamp::now().0;
    Box::new(row)
}

async fn outside(path: &Path) -> SqliteConnection {
    SqliteConnection::connect(&format!("sqlite://{}", path.display())).await.unwrap()
}

async fn count(connection: &mut SqliteConnection, statement: &'static str) -> i64 {
    sqlx::query_scalar(statement).fetch_one(connection).await.unwrap()
}

/// The state once it is as wanted.
async fn until(store: &Store, wanted: impl Fn(&WriterState) -> bool) -> WriterState {
    let mut state = store.state();
    let found = tokio::time::timeout(Duration::from_secs(20), state.wait_for(|state| wanted(state))).await;
    found.map_or_else(|_| panic!("{:?}", store.state().borrow()), |state| state.unwrap().clone())
}

fn balanced(state: &WriterState) -> bool {
    state.served == state.stored + state.queued + state.spilled + state.dropped
}

async fn hand_over(store: &Store, count: usize) {
    for number in 0..count {
        let row = row(store, number);
        store.opened();
        store.begun(&row);
        if let Some(receipt) = store.finished(row) {
            receipt.kept().await;
        }
        assert!(balanced(&store.state().borrow()));
    }
}

#[tokio::test]
async fn a_locked_database_spills_into_the_journal_and_gets_every_row_once_it_is_free() {
    for durability in [Durability::Strict, Durability::Relaxed, Durability::PowerLoss] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("h.db");
        let store = Store::open_within(&path, &config(durability), FEW).await.unwrap();
        let mut lock = outside(&path).await;
        sqlx::query("begin immediate").execute(&mut lock).await.unwrap();
        hand_over(&store, 500).await;
        let state = until(&store, |state| state.spilled > 300).await;
        assert_eq!((state.served, state.stored, state.dropped), (500, 0, 0), "{state:?}");
        sqlx::query("rollback").execute(&mut lock).await.unwrap();
        let state = until(&store, |state| state.stored == 500).await;
        assert_eq!((state.queued, state.spilled, state.dropped), (0, 0, 0), "{state:?}");
        assert!(balanced(&state));
        store.close().await;
        let unique = count(&mut lock, "select count(distinct request_id) from requests").await;
        let sums = count(&mut lock, "select sum(requests) from rollup_total").await;
        assert_eq!((unique, sums), (500, 500), "{durability:?}");
        assert!(journal::found(&path).unwrap().is_empty(), "the journal is gone");
    }
}

#[tokio::test]
async fn rows_that_a_locked_database_refused_to_the_end_come_with_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("h.db");
    let store = Store::open_within(&path, &config(Durability::Relaxed), FEW).await.unwrap();
    let mut lock = outside(&path).await;
    sqlx::query("begin immediate").execute(&mut lock).await.unwrap();
    hand_over(&store, 200).await;
    store.close().await;
    assert!(balanced(&store.state().borrow()), "{:?}", store.state().borrow());
    assert_eq!(store.state().borrow().dropped, 0);
    drop(store);
    sqlx::query("rollback").execute(&mut lock).await.unwrap();
    let store = Store::open_within(&path, &config(Durability::Relaxed), FEW).await.unwrap();
    assert_eq!(store.state().borrow().stored, 200);
    assert_eq!(count(&mut lock, "select count(*) from requests").await, 200);
    store.close().await;
}

#[tokio::test]
async fn what_neither_memory_nor_journal_can_take_is_counted_as_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("h.db");
    let store = Store::open_within(&path, &config(Durability::Relaxed), FEW).await.unwrap();
    let mut lock = outside(&path).await;
    sqlx::query("begin immediate").execute(&mut lock).await.unwrap();
    // No file can be made where a folder of its name is; so many are not passed over at once.
    for number in 1..20_000 {
        std::fs::create_dir(format!("{}.pending-{number}", path.display())).unwrap();
    }
    hand_over(&store, 500).await;
    let state = until(&store, |state| state.dropped > 0 && state.queued < 300).await;
    assert!(balanced(&state) && state.journal_failed.is_some(), "{state:?}");
    sqlx::query("rollback").execute(&mut lock).await.unwrap();
    let state = until(&store, |state| state.queued == 0).await;
    assert_eq!((state.stored + state.dropped, state.spilled), (500, 0), "{state:?}");
    assert_eq!(count(&mut lock, "select count(*) from requests").await, i64::try_from(state.stored).unwrap());
    store.close().await;
}

#[tokio::test]
async fn a_row_that_the_database_refuses_for_good_does_not_take_its_neighbours_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("h.db");
    let store = Store::open(&path, &config(Durability::Strict)).await.unwrap();
    for number in 0..20 {
        let mut row = row(&store, number);
        if number == 7 {
            // Money beyond all bounds: the sums of an hour are no integer any more.
            row.cost = Some(crate::catalog::NanoUsd(i64::MAX));
        }
        if number == 8 {
            row.cost = Some(crate::catalog::NanoUsd(1));
        }
        drop(store.finished(row));
        if number == 7 {
            store.flush().await;
        }
    }
    store.flush().await;
    let state = store.state().borrow().clone();
    assert_eq!((state.stored, state.dropped, state.queued), (19, 1, 0), "{state:?}");
    assert!(balanced(&state) && state.stalled.is_none());
    store.close().await;
}

#[tokio::test]
async fn a_second_process_may_not_write_the_same_history() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("h.db");
    let store = Store::open(&path, &config(Durability::Strict)).await.unwrap();
    let second = Store::open(&path, &config(Durability::Strict)).await;
    assert!(matches!(second, Err(OpenError::InUse { .. })), "{second:?}");
    store.close().await;
    drop(store);
    Store::open(&path, &config(Durability::Strict)).await.unwrap().close().await;
}

#[tokio::test]
async fn a_journal_is_brought_in_once_however_often_and_whatever_it_repeats() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("h.db");
    let mut records = Vec::new();
    let named = |id, name: &str| Row { request_id: name.to_owned(), ..journal::tests::row(id) };
    records::encode(records::Kind::Begun, &Row { status: None, ..named(1, "cut off") }, &mut records);
    records::encode(records::Kind::Begun, &Row { status: None, ..named(2, "counted") }, &mut records);
    records::encode(records::Kind::Finished, &named(3, "whole"), &mut records);
    records::encode(records::Kind::Answered, &named(2, "counted"), &mut records);
    records::encode(records::Kind::Finished, &named(3, "whole"), &mut records);
    for round in 0..2 {
        std::fs::write(format!("{}.pending-4", path.display()), &records).unwrap();
        let store = Store::open(&path, &config(Durability::Strict)).await.unwrap();
        assert_eq!(store.state().borrow().stored, if round == 0 { 3 } else { 0 }, "round {round}");
        assert!(store.next_id() > 3, "numbers go on");
        let told = |row: &Row| (row.request_id.clone(), row.status, row.error_type.clone());
        let rows: Vec<_> = store.newest(10).await.unwrap().iter().map(told).collect();
        let expected = [
            ("whole".to_owned(), Some(200), None),
            ("counted".to_owned(), Some(200), None),
            ("cut off".to_owned(), None, Some("interrupted".into())),
        ];
        assert_eq!(rows, expected);
        store.close().await;
    }
    // The journal of another file: its numbers are taken here by other requests.
    let mut records = Vec::new();
    records::encode(records::Kind::Finished, &named(3, "a stranger"), &mut records);
    std::fs::write(format!("{}.pending-9", path.display()), &records).unwrap();
    for number in [9, 10, 12] {
        std::fs::write(format!("{}.pending-{number}", path.display()), &records).unwrap();
    }
    Store::open(&path, &config(Durability::Strict)).await.unwrap().close().await;
    std::fs::write(format!("{}.pending-9", path.display()), &records).unwrap();
    let store = Store::open(&path, &config(Durability::Strict)).await.unwrap();
    let found: Vec<String> = store.newest(10).await.unwrap().into_iter().map(|row| row.request_id).collect();
    assert_eq!(found, ["a stranger", "whole", "counted", "cut off"]);
    store.close().await;
}

#[tokio::test]
async fn a_journal_with_damage_and_with_a_row_that_cannot_be_kept_does_not_keep_the_rest_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("h.db");
    let mut records = b"garbage\n\x00\xff\n".to_vec();
    for id in 1..=40 {
        let mut row = Row { request_id: format!("r{id}"), ..journal::tests::row(id) };
        row.cost = Some(crate::catalog::NanoUsd(if id == 20 { i64::MAX } else { 5 }));
        records::encode(records::Kind::Finished, &row, &mut records);
        records.extend_from_slice(b"00000000 F {}\n");
    }
    let file = PathBuf::from(format!("{}.pending-2", path.display()));
    std::fs::write(&file, &records).unwrap();
    let mut first = Vec::new();
    let row = Row { cost: Some(crate::catalog::NanoUsd(5)), ..journal::tests::row(50) };
    records::encode(records::Kind::Finished, &row, &mut first);
    std::fs::write(format!("{}.pending-1", path.display()), &first).unwrap();
    let store = Store::open(&path, &config(Durability::Strict)).await.unwrap();
    // With the row of all the money the sum of its hour would be no number any more.
    let kept = store.newest(100).await.unwrap();
    assert!(kept.len() == 40 && kept.iter().all(|row| row.request_id != "r20"), "{}", kept.len());
    assert_eq!(store.state().borrow().stored, 40);
    assert!(!file.exists() && file.with_added_extension("damaged").exists(), "what is damaged is kept aside");
    store.close().await;
}

#[tokio::test]
async fn a_file_that_is_put_in_the_place_of_the_history_gets_the_rows_that_come_then() {
    let folder = tempfile::tempdir().unwrap();
    let (path, other) = (folder.path().join("h.db"), folder.path().join("other.db"));
    let second = Store::open(&other, &config(Durability::Strict)).await.unwrap();
    for number in 0..30 {
        let row = row(&second, 1_000 + number);
        drop(second.finished(row));
    }
    second.close().await;
    let store = Store::open(&path, &config(Durability::Strict)).await.unwrap();
    hand_over(&store, 5).await;
    store.flush().await;
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", path.display()));
    }
    std::fs::rename(&other, &path).unwrap();
    hand_over(&store, 5).await;
    let state = until(&store, |state| state.stored == 10).await;
    assert!(balanced(&state) && state.dropped == 0, "{state:?}");
    let mut connection = outside(&path).await;
    assert_eq!(count(&mut connection, "select count(*) from requests").await, 35, "numbers that were taken are not");
    store.close().await;
}

/// What a start finds after a kill at this moment: the rows in a copy of the files.
async fn after_a_kill(path: &Path) -> usize {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(path.parent().unwrap()).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_file() && entry.path().extension().is_none_or(|kind| kind != "lock") {
            std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
        }
    }
    let copy = folder.path().join(path.file_name().unwrap());
    let store = Store::open(&copy, &config(Durability::Strict)).await.unwrap();
    let rows = store.newest(1_000).await.unwrap().len();
    store.close().await;
    rows
}

#[tokio::test]
async fn a_journal_that_is_removed_damaged_or_blocked_while_it_is_in_use_keeps_what_comes_then() {
    use std::io::Write as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("h.db");
    let store = Store::open(&path, &config(Durability::Strict)).await.unwrap();
    let mut lock = outside(&path).await;
    sqlx::query("begin immediate").execute(&mut lock).await.unwrap();
    let file = |number: u64| PathBuf::from(format!("{}.pending-{number}", path.display()));
    std::fs::create_dir(file(1)).unwrap();
    hand_over(&store, 3).await;
    assert_eq!(after_a_kill(&path).await, 3, "a name that is taken is passed over");
    let mut damage = std::fs::OpenOptions::new().append(true).open(file(2)).unwrap();
    damage.write_all(b"garbage without an end").unwrap();
    hand_over(&store, 3).await;
    assert_eq!(after_a_kill(&path).await, 6, "what was left before a line does not swallow it");
    std::fs::remove_file(file(2)).unwrap();
    hand_over(&store, 4).await;
    assert_eq!(after_a_kill(&path).await, 4, "a file without a name keeps nothing");
    sqlx::query("rollback").execute(&mut lock).await.unwrap();
    until(&store, |state| state.stored == 10).await;
    store.close().await;
}

#[tokio::test]
async fn without_a_journal_the_last_byte_waits_for_the_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("h.db");
    let store = Store::open(&path, &config(Durability::Strict)).await.unwrap();
    for number in 1..2_000 {
        std::fs::create_dir(format!("{}.pending-{number}", path.display())).unwrap();
    }
    hand_over(&store, 5).await;
    assert!(store.state().borrow().journal_failed.is_some());
    assert_eq!(after_a_kill(&path).await, 5);
    store.close().await;
}

#[tokio::test]
async fn pruning_comes_to_an_end_while_time_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("h.db");
    seed(&path, 3_000, 40, 3, |_| {}).await.unwrap();
    let keep = Keep { days: 10, minute_days: 3 };
    let mut connection = open::for_writing(&path).await.unwrap();
    let mut steps = 0;
    loop {
        steps += 1;
        assert!(steps < 100, "it would go on for ever");
        // A second goes by with every step.
        let now = Timestamp(Timestamp::now().0 + steps * 1_000);
        if !prune::step(&mut connection, keep.cutoff(now)).await.unwrap().more {
            break;
        }
    }
    let dead = "select count(*) from sessions where id not in (select session_id from requests where session_id > 0)";
    assert_eq!(count(&mut connection, dead).await, 0, "sessions went too");
}
