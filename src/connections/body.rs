//! A request's body: how long it may take, and reading it whole.

use std::error::Error;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use hyper::body::{Frame, Incoming, SizeHint};

/// For the whole body of a request.
const BODY: Duration = Duration::from_secs(30);

/// A body that must be whole in time, however its bytes drip.
pub struct Timed<B> {
    body: B,
    late: Pin<Box<tokio::time::Sleep>>,
}

impl Timed<Incoming> {
    pub fn new(body: Incoming) -> Self {
        Self::within(BODY, body)
    }
}

impl<B> Timed<B> {
    fn within(limit: Duration, body: B) -> Self {
        Self { body, late: Box::pin(tokio::time::sleep(limit)) }
    }
}

impl<B> hyper::body::Body for Timed<B>
where
    B: hyper::body::Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>> + Unpin,
{
    type Data = Bytes;
    /// Of a connection whatever goes wrong is one of these: readers tell it from a body that is too large.
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(frame) => Poll::Ready(frame.map(|frame| frame.map_err(io::Error::other))),
            Poll::Pending => match self.late.as_mut().poll(cx) {
                Poll::Ready(()) => Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into()))),
                Poll::Pending => Poll::Pending,
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Why there is no body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unread {
    /// 413.
    TooLarge,
    /// It was not whole in time: 408.
    Late,
    /// It ended early, or was cut wrongly: 400, for whoever is still there.
    Broken,
}

/// Reads a body of at most so many bytes. One that says beforehand that it is larger is not asked for: RFC 9110 §10.1.1, of a client that waits
/// to hear so: "MUST send either a 100 (Continue) interim response or a final status code".
///
/// # Errors
/// [`Unread`], which every caller says in its own form.
pub async fn read(body: Body, most: usize) -> Result<Bytes, Unread> {
    if hyper::body::Body::size_hint(&body).lower() > most as u64 {
        return Err(Unread::TooLarge);
    }
    axum::body::to_bytes(body, most).await.map_err(|error| {
        let of_the_connection =
            std::iter::successors(error.source(), |&error| error.source()).find_map(|error| error.downcast_ref::<io::Error>());
        match of_the_connection.map(io::Error::kind) {
            None => Unread::TooLarge,
            Some(io::ErrorKind::TimedOut) => Unread::Late,
            Some(_) => Unread::Broken,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is still to come of a body; none: nothing ever does.
    struct Coming(Option<io::Result<Bytes>>, SizeHint);

    impl hyper::body::Body for Coming {
        type Data = Bytes;
        type Error = io::Error;

        fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
            self.0.take().map_or(Poll::Pending, |came| Poll::Ready(Some(came.map(Frame::data))))
        }

        fn size_hint(&self) -> SizeHint {
            self.1
        }
    }

    #[tokio::test]
    async fn rfc9110_15_5_9_what_does_not_come_in_time_is_late() {
        let some = Coming(Some(Ok(Bytes::from_static(b"a"))), SizeHint::default());
        let late = Body::new(Timed::within(Duration::from_millis(20), some));
        assert_eq!(read(late, 10).await, Err(Unread::Late));
        let cut = Coming(Some(Err(io::Error::other("reset"))), SizeHint::default());
        assert_eq!(read(Body::new(Timed::within(Duration::from_secs(5), cut)), 10).await, Err(Unread::Broken));
    }

    #[tokio::test]
    async fn what_is_too_large_is_so_when_it_says_so_and_when_it_is() {
        // It is not asked for: the first byte would never come.
        let announced = Timed::within(Duration::from_secs(5), Coming(None, SizeHint::with_exact(11)));
        assert_eq!(read(Body::new(announced), 10).await, Err(Unread::TooLarge));
        let untold = Coming(Some(Ok(Bytes::from_static(b"0123456789a"))), SizeHint::default());
        assert_eq!(read(Body::new(untold), 10).await, Err(Unread::TooLarge));
        assert_eq!(read(Body::from("0123456789"), 10).await.expect("read"), "0123456789");
    }
}
