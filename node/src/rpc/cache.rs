//! A few immutable values by name, the least recently used of which go first.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// At most `max` values; what is under a name never changes.
#[derive(Debug)]
pub(super) struct Cache<K, T> {
    max: usize,
    /// The one used last stands last.
    values: Mutex<VecDeque<(K, Arc<T>)>>,
}

impl<K: Copy + PartialEq, T> Cache<K, T> {
    pub(super) fn new(max: usize) -> Self {
        Self { max, values: Mutex::new(VecDeque::with_capacity(max)) }
    }

    /// The value under `key`; what `build` gives, if anything, when it is not here. Two callers may
    /// build the same at once: nobody waits while a tree is hashed.
    pub(super) fn get<E>(
        &self,
        key: &K,
        build: impl FnOnce() -> Result<Option<T>, E>,
    ) -> Result<Option<Arc<T>>, E> {
        if let Some(value) = self.touch(key) {
            return Ok(Some(value));
        }
        let Some(value) = build()?.map(Arc::new) else { return Ok(None) };
        if self.touch(key).is_none() {
            let mut values = self.values();
            if values.len() == self.max {
                values.pop_front();
            }
            values.push_back((*key, Arc::clone(&value)));
        }
        Ok(Some(value))
    }

    fn touch(&self, key: &K) -> Option<Arc<T>> {
        let mut values = self.values();
        let at = values.iter().position(|(held, _)| held == key)?;
        let entry = values.remove(at)?;
        let value = Arc::clone(&entry.1);
        values.push_back(entry);
        Some(value)
    }

    fn values(&self) -> MutexGuard<'_, VecDeque<(K, Arc<T>)>> {
        // A cache that a panic left in the middle lacks an entry at worst.
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use dronechain_chain_spec::hash::Hash256;

    use super::*;

    #[test]
    fn least_recently_used_goes_first() {
        let cache = Cache::new(2);
        let keys = [1, 2, 3].map(|byte| Hash256([byte; 32]));
        let fill = |key: &Hash256| cache.get(key, || Ok::<_, ()>(Some(key.0[0])));
        let held = |key: &Hash256| matches!(cache.get(key, || Err(())), Ok(Some(_)));
        for key in [&keys[0], &keys[1], &keys[0], &keys[2]] {
            assert_eq!(fill(key), Ok(Some(Arc::new(key.0[0]))));
        }
        assert_eq!(keys.each_ref().map(held), [true, false, true]);
    }
}
