//! Who is connected, in the order of the last sign of life: when there are too many, the one that has been silent
//! longest makes room, so that idle and slow clients hold up nobody but each other.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use tokio::sync::Notify;

/// All connections.
#[derive(Debug, Clone)]
pub(super) struct Slots {
    order: Arc<Mutex<Order>>,
    /// At a time.
    max: usize,
}

/// Connections by their last sign of life.
#[derive(Debug, Default)]
struct Order {
    signs: u64,
    connections: BTreeMap<u64, Arc<Notify>>,
}

/// One connection's place, left when it is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Slots,
    /// Its last sign of life; changes while the order is locked.
    at: AtomicU64,
    evicted: Arc<Notify>,
}

impl Slots {
    /// Places for at most `max` connections at a time.
    pub(super) fn of(max: usize) -> Self {
        Self { order: Arc::default(), max }
    }

    /// A place for a new connection; when there is none, another one's.
    pub(super) fn take(&self) -> Arc<Slot> {
        let mut order = self.lock();
        if order.connections.len() >= self.max {
            order.evict();
        }
        let evicted = Arc::new(Notify::new());
        let at = AtomicU64::new(order.sign(Arc::clone(&evicted)));
        Arc::new(Slot { slots: self.clone(), at, evicted })
    }

    /// Ends the connection that has been silent longest; false if there is none.
    pub(super) fn evict(&self) -> bool {
        self.lock().evict()
    }

    fn lock(&self) -> MutexGuard<'_, Order> {
        // Nothing panics while it is held.
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Order {
    fn evict(&mut self) -> bool {
        let Some((_, evicted)) = self.connections.pop_first() else { return false };
        evicted.notify_one();
        true
    }

    fn sign(&mut self, connection: Arc<Notify>) -> u64 {
        self.signs += 1;
        self.connections.insert(self.signs, connection);
        self.signs
    }
}

impl Slot {
    /// Resolves when another connection needs the place.
    pub(super) async fn evicted(&self) {
        self.evicted.notified().await;
    }

    /// The client asked something, or took some of an answer.
    fn lives(&self) {
        let mut order = self.slots.lock();
        // Not one that is evicted already.
        if let Some(connection) = order.connections.remove(&self.at.load(Ordering::Relaxed)) {
            let at = order.sign(connection);
            self.at.store(at, Ordering::Relaxed);
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let at = self.at.load(Ordering::Relaxed);
        self.slots.lock().connections.remove(&at);
    }
}

/// Around every request of a connection.
pub(super) async fn track(State(slot): State<Arc<Slot>>, request: Request, next: Next) -> Response {
    slot.lives();
    let response = next.run(request).await;
    slot.lives();
    response.map(|body| Body::new(Watched { body, slot }))
}

/// An answer that tells when some of it is taken.
struct Watched {
    body: Body,
    slot: Arc<Slot>,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if polled.is_ready() {
            self.slot.lives();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the connection was told to end.
    async fn is_evicted(slot: &Slot) -> bool {
        let now = std::future::ready(());
        tokio::select! {
            biased;
            () = slot.evicted() => true,
            () = now => false,
        }
    }

    #[tokio::test]
    async fn whoever_has_been_silent_longest_makes_room() {
        let slots = Slots::of(8);
        let mut taken: Vec<_> = (0..8).map(|_| slots.take()).collect();
        taken[0].lives();
        let more = slots.take();
        assert!(is_evicted(&taken[1]).await);
        assert!(!is_evicted(&taken[0]).await);
        // What is gone leaves its place, and needs nobody else's.
        drop(taken.remove(2));
        taken.push(slots.take());
        assert!(!is_evicted(&taken[2]).await);
        // One that is on its way out does not come back by a late sign.
        taken[1].lives();
        assert_eq!(slots.lock().connections.len(), 8);
        drop((taken, more));
        assert!(!slots.evict());
    }
}
