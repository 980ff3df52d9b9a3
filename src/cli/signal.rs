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
/// cancelled by somebody else.
pub(super) async fn wait(stop: CancellationToken) -> Option<Signal> {
    let signal = tokio::select! {
        signal = either() => Some(signal),
        () = stop.cancelled() => None,
    };
    stop.cancel();
    signal
}

#[cfg(unix)]
async fn either() -> Signal {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        let _ = tokio::signal::ctrl_c().await;
        return Signal::Interrupt;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => Signal::Interrupt,
        _ = terminate.recv() => Signal::Terminate,
    }
}

#[cfg(not(unix))]
async fn either() -> Signal {
    let _ = tokio::signal::ctrl_c().await;
    Signal::Interrupt
}
