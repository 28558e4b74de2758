//! The octets of a document that is kept in memory, while they come.

use bytes::{Bytes, BytesMut};
use memmap2::{Advice, MmapMut};

/// Grows as octets come. Where many are announced, they get pages of the largest kind: the kernel then works once for two megabytes and not
/// once for every four kilobytes, which takes longer than hashing them (Linux, admin-guide/mm/transhuge).
#[derive(Default)]
pub(super) struct Buffer {
    octets: Octets,
    announced: usize,
}

enum Octets {
    Heap(BytesMut),
    /// As many as are announced, of which the first `length` have come.
    Mapped {
        map: MmapMut,
        length: usize,
    },
}

impl Default for Octets {
    fn default() -> Self {
        Self::Heap(BytesMut::new())
    }
}

impl Buffer {
    /// Says that at most so many octets will come. Nothing depends on whether that is true.
    pub(super) fn announce(&mut self, octets: u64) {
        self.announced = usize::try_from(octets).unwrap_or(0);
    }

    /// Takes what has come.
    pub(super) fn extend(&mut self, more: &[u8]) {
        if let Octets::Mapped { map, length } = &mut self.octets {
            if let Some(room) = map.get_mut(*length..).and_then(|room| room.get_mut(..more.len())) {
                room.copy_from_slice(more);
                *length += more.len();
                return;
            }
            self.octets = Octets::Heap(self.as_ref().into());
        }
        if let Octets::Heap(heap) = &mut self.octets {
            heap.extend_from_slice(more);
            // Announcing is cheap, so only who has sent much gets room for the rest.
            if heap.len() >= MAPPED_FROM && self.announced > heap.len() {
                let announced = std::mem::take(&mut self.announced);
                if let Some(mapped) = Octets::mapped(announced, heap) {
                    self.octets = mapped;
                }
            }
        }
    }

    /// All that has come, uncopied.
    pub(super) fn freeze(self) -> Bytes {
        match self.octets {
            Octets::Heap(heap) => heap.freeze(),
            Octets::Mapped { map, length } => {
                let mut octets = Bytes::from_owner(map);
                octets.truncate(length);
                octets
            }
        }
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        match &self.octets {
            Octets::Heap(heap) => heap,
            Octets::Mapped { map, length } => map.get(..*length).unwrap_or_default(),
        }
    }
}

impl Octets {
    /// Room for `size` octets, the first of which are there already. It takes memory only as it is filled. `None` where the system has none
    /// to map; huge pages are an advice, which it may not follow.
    fn mapped(size: usize, beginning: &[u8]) -> Option<Self> {
        let mut map = MmapMut::map_anon(size).ok()?;
        let _ = map.advise(Advice::HugePage);
        map.get_mut(..beginning.len())?.copy_from_slice(beginning);
        Some(Self::Mapped { map, length: beginning.len() })
    }
}

/// Two huge pages: below it there is not much to gain.
const MAPPED_FROM: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    /// Neither is a divisor of the other.
    const CHUNK: usize = 30_011;

    fn document(length: usize) -> Vec<u8> {
        (0..length).map(|place| (place % 251) as u8).collect()
    }

    #[test]
    fn what_comes_is_kept_whatever_was_announced() {
        let document = document(3 * MAPPED_FROM);
        let length = document.len() as u64;
        for announced in [0, 1, length / 2, length - 1, length, length + 1, 1 << 40, u64::MAX] {
            let mut buffer = Buffer::default();
            buffer.announce(announced);
            for (number, chunk) in document.chunks(CHUNK).enumerate() {
                buffer.extend(chunk);
                assert_eq!(buffer.as_ref().len(), (CHUNK * (number + 1)).min(document.len()));
            }
            assert!(buffer.as_ref() == document, "{announced} announced");
            assert!(buffer.freeze() == document, "{announced} announced");
        }
    }

    #[test]
    fn only_who_has_sent_much_gets_room_for_all() {
        let mut buffer = Buffer::default();
        buffer.announce(1 << 30);
        buffer.extend(&document(MAPPED_FROM - 1));
        assert!(matches!(buffer.octets, Octets::Heap(_)));
        buffer.extend(b"1");
        assert!(matches!(buffer.octets, Octets::Mapped { .. }));
    }
}
