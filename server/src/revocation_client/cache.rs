//! What was learnt and may be used again, and what is not worth asking again so soon. In memory, and never more than so much.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Entries with the octets they hold; the oldest make way for new ones.
pub(super) struct Cache<K, V> {
    entries: Mutex<HashMap<K, Entry<V>>>,
    octets: usize,
}

#[derive(Clone)]
struct Entry<V> {
    value: V,
    octets: usize,
    stored: Instant,
}

/// Entries at most.
const ENTRIES: usize = 4096;

impl<K: Eq + Hash + Clone, V: Clone> Cache<K, V> {
    /// One that holds so many octets at most.
    pub(super) fn new(octets: usize) -> Self {
        Self { entries: Mutex::default(), octets }
    }

    /// What is known, and since when.
    pub(super) fn get(&self, key: &K) -> Option<(V, Instant)> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.get(key).map(|entry| (entry.value.clone(), entry.stored))
    }

    pub(super) fn put(&self, key: K, value: V, octets: usize) {
        self.put_since(key, value, octets, Instant::now());
    }

    /// What was learnt at an earlier time.
    pub(super) fn put_since(&self, key: K, value: V, octets: usize, stored: Instant) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.insert(key, Entry { value, octets, stored });
        let mut held: usize = entries.values().map(|entry| entry.octets).sum();
        while held > self.octets || entries.len() > ENTRIES {
            let oldest =
                entries.iter().min_by_key(|(_, entry)| entry.stored).map(|(key, entry)| (key.clone(), entry.octets));
            let Some((key, octets)) = oldest else { return };
            entries.remove(&key);
            held -= octets;
        }
    }

    pub(super) fn forget(&self, key: &K) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_make_way() {
        let cache = Cache::new(10);
        for key in 0..4 {
            cache.put(key, (), 4);
        }
        assert_eq!((0..4).filter(|key| cache.get(key).is_some()).collect::<Vec<_>>(), [2, 3]);
        cache.put(9, (), 11);
        assert!(cache.get(&9).is_none());
        let earlier = Instant::now();
        std::thread::sleep(std::time::Duration::from_millis(1));
        cache.put_since(5, (), 1, earlier);
        assert_eq!(cache.get(&5), Some(((), earlier)));
    }
}
