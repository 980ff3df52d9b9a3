//! How long an upstream is waited for: for a moment without a word, then with a row of the history, then no longer.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep};

use crate::catalog::Provider;
use crate::providers::ProviderError;

/// How long a call takes before the history hears of its request: what is answered at once never needs to be noted.
const MOMENT: Duration = Duration::from_millis(10);

pin_project! {
    /// Work within a limit, with one timer for both of its marks.
    pub(super) struct Within<F, N> {
        #[pin]
        work: F,
        #[pin]
        timer: Sleep,
        note: Option<N>,
        begun: Instant,
        limit: Duration,
        provider: Provider,
    }
}

/// Does work until the limit. After a [`MOMENT`] `note` is called, once.
///
/// Not an `async fn`: the future of one would have room for the work twice, as an argument and as what it awaits.
pub(super) fn within<T, F, N>(limit: Duration, provider: Provider, work: F, note: N) -> Within<F, N>
where
    F: Future<Output = Result<T, ProviderError>>,
    N: FnOnce(),
{
    let begun = Instant::now();
    let timer = tokio::time::sleep_until(begun + MOMENT.min(limit));
    Within { work, timer, note: Some(note), begun, limit, provider }
}

impl<T, F, N> Future for Within<F, N>
where
    F: Future<Output = Result<T, ProviderError>>,
    N: FnOnce(),
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Poll::Ready(done) = this.work.poll(context) {
            return Poll::Ready(done);
        }
        loop {
            // Also where the work has used up what a task may do at once: an upstream that never pauses does not outlast it.
            ready!(pin!(unconstrained(this.timer.as_mut())).poll(context));
            let Some(note) = this.note.take().filter(|_| *this.limit > MOMENT) else {
                return Poll::Ready(Err(ProviderError::Timeout { provider: *this.provider, limit: *this.limit }));
            };
            note();
            this.timer.as_mut().reset(*this.begun + *this.limit);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use tokio::sync::oneshot;

    use super::*;

    const LONG: Duration = Duration::from_hours(1);

    #[tokio::test]
    async fn what_is_there_at_once_is_not_noted() {
        let done = within(LONG, Provider::Openai, ready(Ok(7)), || panic!("noted")).await;
        assert_eq!(done.unwrap(), 7);
    }

    #[tokio::test]
    async fn what_lasts_longer_than_a_moment_is_noted() {
        let (noted, wait) = oneshot::channel();
        let work = async { Ok(wait.await.unwrap()) };
        let done = within(LONG, Provider::Openai, work, || noted.send(7).unwrap()).await;
        assert_eq!(done.unwrap(), 7);
    }

    #[tokio::test]
    async fn work_that_never_pauses_ends_at_its_limit() {
        let busy = async {
            loop {
                tokio::task::consume_budget().await;
            }
        };
        let done = within::<(), _, _>(MOMENT * 2, Provider::Openai, busy, || {}).await;
        assert!(matches!(done, Err(ProviderError::Timeout { .. })));
    }

    #[tokio::test]
    async fn work_ends_at_its_limit_also_below_a_moment() {
        for (limit, notes) in [(MOMENT * 2, 1), (MOMENT / 2, 0)] {
            let mut noted = 0;
            let done = within(limit, Provider::Openai, pending::<Result<(), _>>(), || noted += 1).await;
            assert!(matches!(done, Err(ProviderError::Timeout { limit: told, .. }) if told == limit));
            assert_eq!(noted, notes);
        }
    }
}
