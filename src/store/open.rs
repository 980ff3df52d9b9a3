//! Opening the file: settings, migrations, and errors that say what to do.

use std::borrow::Cow;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqlStr, SqliteConnection, SqlitePool};

/// The files of `migrations/`, oldest first. Landed ones are never edited.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (20_261_123_000_000, "history", include_str!("../../migrations/20261123000000_history.sql")),
    (20_261_125_000_000, "usage_raw", include_str!("../../migrations/20261125000000_usage_raw.sql")),
    (20_261_126_000_000, "exact", include_str!("../../migrations/20261126000000_exact.sql")),
    (20_261_126_120_000, "features", include_str!("../../migrations/20261126120000_features.sql")),
    (20_261_130_000_000, "answered_by", include_str!("../../migrations/20261130000000_answered_by.sql")),
    (20_261_130_120_000, "feedback", include_str!("../../migrations/20261130120000_feedback.sql")),
    (20_261_130_180_000, "prompt", include_str!("../../migrations/20261130180000_prompt.sql")),
    (20_261_201_000_000, "api", include_str!("../../migrations/20261201000000_api.sql")),
];

/// A history file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The folder cannot be made.
    #[error("cannot create the folder {}: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file cannot be opened or written.
    #[error("cannot open the history {}: {source}; check that the file and its folder are readable and writable, or set store.url", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// Why.
        source: sqlx::Error,
    },
    /// There is none.
    #[error("there is no history {}; it is made by the first `xrouter run`; name another one with --db", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// The file was written by an older version.
    #[error("{} was written by an older version of xrouter (schema {version}); start `xrouter run` once to bring it up to date", path.display())]
    Older {
        /// The file.
        path: PathBuf,
        /// The newest migration in it.
        version: i64,
    },
    /// Another process has locked it.
    #[error("the history {} is locked by another process; wait for that to end, or set store.url to another file", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
    /// Another process writes it.
    #[error("the history {} is in use by another xrouter; end that one, or set store.url to another file", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// What lies beside the file cannot be read or written.
    #[error("cannot use {}: {source}; check that the history's folder is readable and writable, or set store.url", path.display())]
    Beside {
        /// What lies there.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is something else.
    #[error("{} is no xrouter history: {reason}; it was left as it is; move it away, or set store.url to another file", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Why it is none.
        reason: String,
    },
    /// The file was written by a newer version.
    #[error("{} was written by a newer version of xrouter (schema {version}); it was left as it is; use that version, or set store.url to another file", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The newest migration in it.
        version: i64,
    },
}

impl OpenError {
    pub(super) fn database(path: &Path, source: sqlx::Error) -> Self {
        // SQLITE_NOTADB and SQLITE_CORRUPT: the file is there and is something else.
        let code = source.as_database_error().and_then(|error| error.code().map(Cow::into_owned));
        if matches!(code.as_deref(), Some("26" | "11")) {
            return OpenError::Foreign { path: path.to_owned(), reason: "it is no intact SQLite database".to_owned() };
        }
        if code.is_some_and(|code| code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 5 | 6))) {
            return OpenError::Locked { path: path.to_owned() };
        }
        OpenError::Database { path: path.to_owned(), source }
    }
}

/// Which file it is, whatever its name.
pub(super) type Identity = (u64, u64);

/// Which file a path names now; `None` if there is none, or if the system does not tell.
pub(super) fn identity(path: &Path) -> Option<Identity> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        None
    }
}

/// Keeps other processes from writing the same history.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    _file: File,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Removed while it is held; whoever takes it looks whether its file is still the one with this name.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Looks whether an existing file may be written, before SQLite opens it: without that right SQLite goes on to read, and
/// leaves files beside it that have the same rights, so that the file stays unusable when its own are put in order.
///
/// Not while this process has the file open: closing it here would give up SQLite's locks.
fn writable(database: &Path) -> Result<(), OpenError> {
    match File::options().write(true).open(database) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(OpenError::Database { path: database.to_owned(), source: sqlx::Error::Io(error) })
        }
        _ => Ok(()),
    }
}

/// Takes the history for this process.
pub(super) fn lock(database: &Path) -> Result<Lock, OpenError> {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    let path = PathBuf::from(name);
    let failed = |source| OpenError::Beside { path: path.clone(), source };
    loop {
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(OpenError::InUse { path: database.to_owned() }),
            // Some network file systems have no locks; there it is on whoever starts two.
            Err(TryLockError::Error(error)) if error.kind() == std::io::ErrorKind::Unsupported => {
                tracing::warn!(path = %path.display(), "this file system has no locks");
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        if is_at(&file, &path) {
            let lock = Lock { path, _file: file };
            writable(database)?;
            return Ok(lock);
        }
    }
}

#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    file.metadata().is_ok_and(|file| Some((file.dev(), file.ino())) == identity(path))
}

#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> bool {
    true
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .busy_timeout(Duration::from_secs(1))
        // Every number of a name is taken from the same transaction; checking them again costs a tenth of an insert.
        .foreign_keys(false)
        .disable_statement_logging()
}

/// Makes the folder of a file.
pub(super) fn folder(path: &Path) -> Result<(), OpenError> {
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => {
            std::fs::create_dir_all(folder).map_err(|source| OpenError::Folder { path: folder.to_owned(), source })
        }
        None => Ok(()),
    }
}

/// Opens the one connection that writes, and migrates the file.
pub(super) async fn for_writing(path: &Path) -> Result<SqliteConnection, OpenError> {
    folder(path)?;
    inspect(path).await?;
    let options = options(path)
        .create_if_missing(true)
        // Must be set before the first table; afterwards only a full VACUUM could change it.
        .auto_vacuum(SqliteAutoVacuum::Incremental)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .statement_cache_capacity(128)
        // Every 16 MB instead of every 4: a checkpoint waits for the disk.
        .pragma("wal_autocheckpoint", "4000")
        .pragma("journal_size_limit", "67108864");
    let fail = |source| OpenError::database(path, source);
    let mut connection = options.connect().await.map_err(fail)?;
    migrate(path, &mut connection).await?;
    Ok(connection)
}

/// The same from a task that may move between threads, which migrations may not.
pub(super) async fn again(path: &Path) -> Result<SqliteConnection, OpenError> {
    let (file, runtime) = (path.to_owned(), tokio::runtime::Handle::current());
    let opened = tokio::task::spawn_blocking(move || runtime.block_on(for_writing(&file))).await;
    opened.unwrap_or_else(|error| Err(OpenError::database(path, sqlx::Error::Io(std::io::Error::other(error)))))
}

/// A small pool of connections that only read. They are opened when first used.
pub(super) fn readers(path: &Path) -> SqlitePool {
    SqlitePoolOptions::new()
        .max_connections(4)
        .acquire_timeout(Duration::from_secs(5))
        .connect_lazy_with(options(path).read_only(true).pragma("query_only", "on"))
}

/// Looks whether an existing file is a history of this version or an older one, before anything is
/// written into it: even the journal mode would be.
async fn inspect(path: &Path) -> Result<(), OpenError> {
    newest_migration(path).await.map(|_| ())
}

/// Looks whether there is a history of just this version, to read or to tend it.
pub(super) async fn expect_current(path: &Path) -> Result<(), OpenError> {
    let known = MIGRATIONS.last().map_or(0, |(version, ..)| *version);
    match newest_migration(path).await? {
        None => Err(OpenError::Missing { path: path.to_owned() }),
        Some(version) if version < known => Err(OpenError::Older { path: path.to_owned(), version }),
        Some(_) => Ok(()),
    }
}

/// Opens a second connection that writes, for steps of maintenance beside a running server.
pub(super) async fn for_maintenance(path: &Path) -> Result<SqliteConnection, OpenError> {
    expect_current(path).await?;
    let options = options(path).busy_timeout(Duration::from_secs(10));
    options.connect().await.map_err(|source| OpenError::database(path, source))
}

/// The newest migration of an existing file; `None` if there is no file, or nothing in it.
async fn newest_migration(path: &Path) -> Result<Option<i64>, OpenError> {
    if !std::fs::metadata(path).is_ok_and(|file| file.len() > 0) {
        return Ok(None);
    }
    let fail = |source| OpenError::database(path, source);
    let mut connection = options(path).connect().await.map_err(fail)?;
    let tables: Vec<String> = sqlx::query_scalar("select name from sqlite_master where type = 'table'")
        .fetch_all(&mut connection)
        .await
        .map_err(fail)?;
    let mut newest: Option<i64> = None;
    if tables.iter().any(|name| name == "_sqlx_migrations") {
        newest = sqlx::query_scalar("select max(version) from _sqlx_migrations")
            .fetch_one(&mut connection)
            .await
            .map_err(fail)?;
    } else if !tables.is_empty() {
        let reason = format!("it holds other tables ({})", tables.join(", "));
        return Err(OpenError::Foreign { path: path.to_owned(), reason });
    }
    connection.close().await.map_err(fail)?;
    let known = MIGRATIONS.last().map_or(0, |(version, ..)| *version);
    match newest.filter(|newest| *newest > known) {
        Some(version) => Err(OpenError::Newer { path: path.to_owned(), version }),
        None => Ok(newest),
    }
}

async fn migrate(path: &Path, connection: &mut SqliteConnection) -> Result<(), OpenError> {
    migrator().run(connection).await.map_err(|error| match error {
        sqlx::migrate::MigrateError::Execute(source) => OpenError::database(path, source),
        other => OpenError::Foreign { path: path.to_owned(), reason: other.to_string() },
    })
}

fn migrator() -> Migrator {
    let migrations = MIGRATIONS.iter().map(|(version, what, sql)| {
        Migration::new(*version, Cow::Borrowed(*what), MigrationType::Simple, SqlStr::from_static(sql), false)
    });
    Migrator::with_migrations(migrations.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_migration_file_is_compiled_in_once_and_in_order() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
        let mut files: Vec<String> =
            std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        files.sort();
        let listed: Vec<String> = MIGRATIONS.iter().map(|(version, what, _)| format!("{version}_{what}.sql")).collect();
        assert_eq!(files, listed);
    }
}
