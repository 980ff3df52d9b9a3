//! The real app in process, over real sockets, with simulated upstreams and a temporary history.

mod fleet;
mod history;
mod http;
mod program;

pub(crate) use fleet::Fleet;
pub(crate) use history::sums_equal_rows;
pub(crate) use http::{Http, Response, question};
pub(crate) use program::{Program, limited, redis_server, still_running};

use std::time::Duration;

use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use xrouter::app::App;
use xrouter::config::{self, Sources};
use xrouter::gateway::Estimator;
use xrouter::store::{Row, Store};

/// Longest wait for something that must happen, and longest life of a process that a test starts. Not a pause: whoever
/// waits is woken by the event. It ends what would hang for ever, and no machine is so busy that it is reached.
pub(crate) const LIMIT: Duration = Duration::from_mins(5);

/// Waits for something that must happen.
pub(crate) async fn soon<T>(event: impl Future<Output = T>) -> T {
    let happened = tokio::time::timeout(LIMIT, event).await;
    happened.unwrap_or_else(|_| panic!("it has not happened within {LIMIT:?}"))
}

/// A running router.
pub(crate) struct TestApp {
    pub(crate) http: Http,
    pub(crate) store: Store,
    estimator: Estimator,
    stop: CancellationToken,
    server: Option<JoinHandle<std::io::Result<()>>>,
    folder: TempDir,
}

impl TestApp {
    /// Starts a router with this configuration, on a free port, with a fresh history.
    pub(crate) async fn start(toml: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut sources = Sources::from_toml(toml.to_owned());
        sources.config_file = Some(folder.path().join("xrouter.toml"));
        sources.environment = vec![
            ("XROUTER_SERVER__PORT".to_owned(), "0".to_owned()),
            ("XROUTER_SERVER__HOST".to_owned(), "127.0.0.1".to_owned()),
        ];
        let loaded = config::load(&sources).unwrap_or_else(|error| panic!("the configuration is wrong:\n{error}"));
        let app = App::open(&loaded).await.expect("the app opens");
        let http = Http::new(format!("http://{}", app.address));
        let store = app.store.clone();
        let estimator = app.estimator.clone();
        let stop = CancellationToken::new();
        let server = Some(tokio::spawn(app.serve(stop.clone(), Duration::ZERO)));
        TestApp { http, store, estimator, stop, server, folder }
    }

    /// The history so far, oldest first, once everything handed over is in it.
    pub(crate) async fn rows(&self) -> Vec<Row> {
        self.estimator.idle().await;
        self.store.flush().await;
        let mut rows = self.store.newest(1000).await.expect("the history is readable");
        rows.reverse();
        rows
    }

    /// The one row that there is.
    pub(crate) async fn row(&self) -> Row {
        let rows = self.rows().await;
        assert_eq!(rows.len(), 1, "{rows:#?}");
        rows.into_iter().next().expect("one row")
    }

    /// Waits until so many rows are in the file.
    pub(crate) async fn stored(&self, count: u64) {
        let mut state = self.store.state();
        soon(state.wait_for(|state| state.stored >= count)).await.expect("the writer lives");
    }

    /// The history's file.
    pub(crate) fn database(&self) -> std::path::PathBuf {
        self.folder.path().join("xrouter.db")
    }

    /// Ends the router as a signal would, without waiting for requests; what it wrote is left in the folder.
    pub(crate) async fn stop(mut self) -> TempDir {
        self.stop.cancel();
        let server = self.server.take().expect("it is stopped once");
        soon(server).await.expect("the server task").expect("the server ends well");
        std::mem::replace(&mut self.folder, tempfile::tempdir().expect("a temporary folder"))
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
