//! Owns the account of the host's memory that a guest causes to be used, in addition to its own linear memory. Must not know what
//! it is used for.
//!
//! Whatever keeps something for a guest first charges its bytes, and holds the [`Charge`] as long as the thing exists; dropping
//! the charge gives the bytes back. One account bounds everything together.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::limits::Limits;

/// The account of one process. Clones share the account.
#[derive(Clone, Debug)]
pub(crate) struct Budget(Arc<Account>);

#[derive(Debug)]
struct Account {
    limits: Limits,
    used: AtomicU64,
}

/// The error that the account has too few bytes left.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the memory that the host keeps for a guest is used up")]
pub(crate) struct Exhausted;

impl Budget {
    /// An account of [`Limits::host_memory`] bytes, none of which is used.
    pub(crate) fn of(limits: Limits) -> Budget {
        Budget(Arc::new(Account { limits, used: AtomicU64::new(0) }))
    }

    /// An account of `limit` bytes, with the default limits of everything else.
    #[cfg(test)]
    pub(crate) fn new(limit: u64) -> Budget {
        Budget::of(Limits { host_memory: limit, ..Limits::default() })
    }

    /// What the process may use beside memory.
    pub(crate) fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// The total number of bytes that may be used.
    pub(crate) fn limit(&self) -> u64 {
        self.0.limits.host_memory
    }

    /// The number of bytes that are in use.
    pub(crate) fn used(&self) -> u64 {
        self.0.used.load(Ordering::Relaxed)
    }

    /// Uses this many bytes until the charge is dropped. Errs, having used none, when fewer are left.
    pub(crate) fn charge(&self, bytes: u64) -> Result<Charge, Exhausted> {
        self.take(bytes)?;
        Ok(Charge { budget: self.clone(), bytes })
    }

    fn take(&self, bytes: u64) -> Result<(), Exhausted> {
        let more = |used: u64| used.checked_add(bytes).filter(|used| *used <= self.0.limits.host_memory);
        self.0.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).map(drop).map_err(|_| Exhausted)
    }

    fn give_back(&self, bytes: u64) {
        self.0.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Bytes that are in use as long as this value lives.
#[derive(Debug)]
pub(crate) struct Charge {
    budget: Budget,
    bytes: u64,
}

impl Charge {
    /// The number of bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Changes the number of bytes. Errs, changing nothing, when the account has too few left.
    pub(crate) fn resize(&mut self, bytes: u64) -> Result<(), Exhausted> {
        match bytes.checked_sub(self.bytes) {
            Some(more) => self.budget.take(more)?,
            None => self.budget.give_back(self.bytes - bytes),
        }
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.give_back(self.bytes);
    }
}

/// A queue of bytes that wait to be read. Its room is charged.
#[derive(Debug)]
pub(crate) struct Queue {
    bytes: VecDeque<u8>,
    charge: Charge,
}

impl Queue {
    /// The least room in bytes that is given back when a queue becomes empty; less is kept for what comes next.
    const WORTH_GIVING_BACK: usize = 16 << 10;

    /// An empty queue.
    pub(crate) fn new(budget: &Budget) -> Result<Queue, Exhausted> {
        Ok(Queue { bytes: VecDeque::new(), charge: budget.charge(0)? })
    }

    /// The number of bytes in the queue.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether the queue is empty.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Appends bytes. Errs, having appended none, when there is no room for them.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<(), Exhausted> {
        let length = self.bytes.len().checked_add(bytes.len()).ok_or(Exhausted)?;
        if length > self.bytes.capacity() {
            let room = length.checked_next_power_of_two().ok_or(Exhausted)?;
            self.charge.resize(room as u64)?;
            self.bytes.reserve_exact(room - self.bytes.len());
        }
        self.bytes.extend(bytes);
        Ok(())
    }

    /// Copies bytes from the front without removing them; returns how many.
    pub(crate) fn peek(&self, buffer: &mut [u8]) -> usize {
        let (front, back) = self.bytes.as_slices();
        let first = front.len().min(buffer.len());
        buffer[..first].copy_from_slice(&front[..first]);
        let second = back.len().min(buffer.len() - first);
        buffer[first..first + second].copy_from_slice(&back[..second]);
        first + second
    }

    /// Removes bytes from the front; returns how many.
    pub(crate) fn take(&mut self, buffer: &mut [u8]) -> usize {
        let count = self.peek(buffer);
        self.bytes.drain(..count);
        if self.bytes.is_empty() && self.bytes.capacity() > Queue::WORTH_GIVING_BACK {
            self.clear();
        }
        count
    }

    /// Discards all bytes in the queue.
    pub(crate) fn clear(&mut self) {
        self.bytes = VecDeque::new();
        // Shrinking always succeeds.
        let _ = self.charge.resize(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dropped_can_be_used_again() {
        let budget = Budget::new(100);
        let mut first = budget.charge(60).unwrap();
        assert_eq!(budget.charge(41).unwrap_err(), Exhausted);
        assert_eq!(budget.used(), 60);
        first.resize(100).unwrap();
        assert_eq!(first.resize(101), Err(Exhausted));
        assert_eq!(first.bytes(), 100);
        first.resize(1).unwrap();
        assert_eq!(budget.charge(u64::MAX).unwrap_err(), Exhausted);
        let second = budget.charge(99).unwrap();
        drop(first);
        drop(second);
        assert_eq!((budget.used(), budget.limit()), (0, 100));
    }
    #[test]
    fn the_room_of_a_queue_is_charged_and_given_back_when_it_is_empty() {
        let budget = Budget::new(100_000);
        let mut queue = Queue::new(&budget).unwrap();
        queue.put(&vec![1; 40_000]).unwrap();
        assert_eq!(budget.used(), 65_536);
        assert_eq!(queue.put(&vec![2; 40_000]), Err(Exhausted));
        let mut buffer = vec![0; 30_000];
        assert_eq!((queue.peek(&mut buffer), queue.len()), (30_000, 40_000));
        assert_eq!(queue.take(&mut buffer), 30_000);
        queue.put(&vec![2; 40_000]).unwrap();
        let mut rest = vec![0; 60_000];
        assert_eq!(queue.take(&mut rest), 50_000);
        assert_eq!((rest[9_999], rest[10_000], rest[49_999], rest[50_000]), (1, 2, 2, 0));
        assert!(queue.is_empty());
        assert_eq!(budget.used(), 0);
    }
}
