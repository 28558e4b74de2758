//! The entries of cross-reference sections, put in order once they are read: most files have them in order already.

use super::{HIGHEST_OBJECT_NUMBER, Location, NUMBERS_BEYOND, defect};
use crate::pades::refusal::PdfRefusal;

/// Entries in the order in which they count: of several for one object the first does, in a section and from newer to older ones.
pub(super) struct Entries {
    listed: Vec<(u32, Location)>,
    /// How many objects there may be.
    bound: usize,
}

impl Entries {
    /// None yet, of a file with so many octets.
    pub(super) fn new(file_length: usize) -> Self {
        Self { listed: Vec::new(), bound: MANY_OBJECTS.max(file_length / SMALLEST_OBJECT) }
    }

    /// Adds one that counts after those before it.
    ///
    /// # Errors
    /// [`PdfRefusal::CrossReference`] for a number that not every reader takes, and when there are too many.
    pub(super) fn push(&mut self, number: usize, location: Location) -> Result<(), PdfRefusal> {
        let number = u32::try_from(number).ok().filter(|number| *number <= HIGHEST_OBJECT_NUMBER);
        self.listed.push((number.ok_or_else(|| defect(NUMBERS_BEYOND))?, location));
        self.refuse_too_many()
    }

    /// Adds those of an older section.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub(super) fn append(&mut self, older: Self) -> Result<(), PdfRefusal> {
        self.listed.extend(older.listed);
        self.refuse_too_many()
    }

    /// Those of a table with those of the stream that reveals what the table hides as free (7.5.8.4).
    pub(super) fn revealed_by(mut self, stream: Self) -> Self {
        self.settle();
        let (free, used) = self.listed.into_iter().partition(|(_, location)| *location == Location::Free);
        let listed: [Vec<_>; 3] = [used, stream.listed, free];
        Self { listed: listed.concat(), ..stream }
    }

    /// What counts, by object number.
    ///
    /// # Errors
    /// [`PdfRefusal::CrossReference`] when there are too many.
    pub(super) fn finish(mut self) -> Result<Vec<(u32, Location)>, PdfRefusal> {
        self.settle();
        if self.listed.len() > self.bound { Err(too_many()) } else { Ok(self.listed) }
    }

    /// A file is not made larger by objects that it does not have.
    fn refuse_too_many(&mut self) -> Result<(), PdfRefusal> {
        // Seldom, as it takes longer than reading an entry.
        if self.listed.len() > 2 * self.bound {
            self.settle();
            if self.listed.len() > self.bound {
                return Err(too_many());
            }
        }
        Ok(())
    }

    /// Leaves one entry for each number, in their order.
    fn settle(&mut self) {
        if !self.listed.is_sorted_by(|(one, _), (other, _)| one < other) {
            self.listed.sort_by_key(|(number, _)| *number);
            self.listed.dedup_by_key(|(number, _)| *number);
        }
    }
}

fn too_many() -> PdfRefusal {
    defect("it lists more objects than can be in the file")
}

/// So many any file may list: numbers of objects that are gone take no room.
const MANY_OBJECTS: usize = 1 << 20;
/// Octets in a larger file, compressed with others, for each object that it lists.
const SMALLEST_OBJECT: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: usize) -> Location {
        Location::Offset { offset, generation: 0 }
    }

    fn entries(listed: &[(usize, Location)]) -> Entries {
        let mut entries = Entries::new(0);
        listed.iter().for_each(|(number, location)| entries.push(*number, *location).unwrap());
        entries
    }

    #[test]
    fn the_first_entry_for_a_number_counts() {
        let mut newer = entries(&[(3, at(30)), (1, Location::Free), (3, at(31)), (1, at(10))]);
        newer.append(entries(&[(2, at(20)), (1, at(11)), (0, Location::Free)])).unwrap();
        let expected = [(0, Location::Free), (1, Location::Free), (2, at(20)), (3, at(30))];
        assert_eq!(newer.finish().unwrap(), expected);
    }

    #[test]
    fn a_stream_reveals_only_what_its_table_hides() {
        let table = entries(&[(0, Location::Free), (1, at(10)), (2, Location::Free), (2, at(21)), (3, Location::Free)]);
        let stream = entries(&[(1, at(11)), (2, at(22)), (4, at(40)), (5, Location::Free)]);
        let expected =
            [(0, Location::Free), (1, at(10)), (2, at(22)), (3, Location::Free), (4, at(40)), (5, Location::Free)];
        assert_eq!(table.revealed_by(stream).finish().unwrap(), expected);
    }

    #[test]
    fn more_objects_than_can_be_there_are_refused_and_entries_for_the_same_are_not() {
        let mut one = Entries::new(0);
        (0..3 * MANY_OBJECTS).for_each(|_| one.push(7, at(70)).unwrap());
        assert_eq!(one.finish().unwrap(), [(7, at(70))]);
        let mut all = Entries::new(4 * MANY_OBJECTS);
        assert!((0..=2 * MANY_OBJECTS).any(|number| all.push(number, Location::Free).is_err()));
        let mut larger = Entries::new(4 * MANY_OBJECTS * SMALLEST_OBJECT);
        assert!((0..=2 * MANY_OBJECTS).all(|number| larger.push(number, Location::Free).is_ok()));
        assert!(larger.push(8_388_608, Location::Free).is_err());
    }
}
