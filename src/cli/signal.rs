//! Ctrl-C and the signal to end.

use tokio_util::sync::CancellationToken;

/// Which signal came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// Ctrl-C.
    Interrupt,
    /// The service manager's.
    Terminate,
}

/// Waits for a signal, cancels `stop`, and returns which one it was. Returns `None` if `stop` was
/// cancelled by somebody else. From the call on, not only once it is awaited, a signal is not lost.
pub(super) fn wait(stop: CancellationToken) -> impl Future<Output = Option<Signal>> {
    let signal = either();
    async move {
        let signal = tokio::select! {
            signal = signal => Some(signal),
            () = stop.cancelled() => None,
        };
        stop.cancel();
        signal
    }
}

#[cfg(unix)]
fn either() -> impl Future<Output = Signal> {
    use tokio::signal::unix::{SignalKind, signal};
    // Where one cannot be listened to, the system's own way to end holds.
    let (interrupt, terminate) = (signal(SignalKind::interrupt()).ok(), signal(SignalKind::terminate()).ok());
    let come = |listener: Option<tokio::signal::unix::Signal>| async {
        match listener {
            Some(mut listener) => drop(listener.recv().await),
            None => std::future::pending().await,
        }
    };
    async move {
        tokio::select! {
            () = come(interrupt) => Signal::Interrupt,
            () = come(terminate) => Signal::Terminate,
        }
    }
}

#[cfg(not(unix))]
async fn either() -> Signal {
    let _ = tokio::signal::ctrl_c().await;
    Signal::Interrupt
}
