//! What the rules of a font may cost the shaper (OpenType 1.9.1, chapters GSUB, GPOS and "Common Table Formats").
//!
//! A few octets can say much: subtables and rules may be named over and over. So all are counted as often as they are named.

use super::font::u16_at;

/// What the costliest lookup of a table GSUB, or with `positioning` GPOS, may cost for one glyph: glyphs that it compares, times as many as
/// one becomes, which are passed over for each that is compared. `None` is too many, or rules that call themselves, or are in no form that
/// fonts are known to have. What cannot be read is nothing to the shaper too.
pub(super) fn layout_cost(table: &[u8], positioning: bool) -> Option<usize> {
    let mut count = Count { table, positioning, list: 0, lookups: Vec::new(), reads: 0 };
    if count.word(0)? > 1 {
        return None;
    }
    count.list = match count.word(8)? {
        0 => return Some(0),
        list => list,
    };
    count.lookups = vec![Cost::Unknown; count.word(count.list)?];
    let mut costs = (0..count.lookups.len()).map(|index| {
        let work = count.lookup(index, 0)?;
        Some(work.compared.saturating_mul(work.added.saturating_add(1)))
    });
    costs.try_fold(0, |most, cost| Some(cost?.max(most)))
}

/// Of one lookup.
#[derive(Clone, Copy)]
enum Cost {
    Unknown,
    /// It is being counted: whoever asks was called by it.
    Open,
    Known(Work),
}

/// Glyphs that are compared, and added, where a lookup or the calls of a rule are applied to one glyph.
#[derive(Clone, Copy, Default)]
struct Work {
    compared: usize,
    added: usize,
}

impl Work {
    /// One and then the other.
    fn then(self, other: Self) -> Self {
        Self { compared: self.compared.saturating_add(other.compared), added: self.added.saturating_add(other.added) }
    }

    /// One or the other.
    fn or(self, other: Self) -> Self {
        Self { compared: self.compared.max(other.compared), added: self.added.max(other.added) }
    }
}

struct Count<'t> {
    table: &'t [u8],
    positioning: bool,
    /// Where the list of lookups begins.
    list: usize,
    lookups: Vec<Cost>,
    reads: usize,
}

/// What a subtable compares to find the rule that applies, and the most that a rule of it does then.
#[derive(Default)]
struct Rules {
    compared: usize,
    applied: Work,
}

impl Rules {
    fn comparing(compared: usize) -> Self {
        Self { compared, applied: Work::default() }
    }
}

impl Count<'_> {
    /// Zero beyond the end.
    fn word(&mut self, at: usize) -> Option<usize> {
        self.reads += 1;
        (self.reads <= MAX_READS).then(|| u16_at(self.table, at).map_or(0, usize::from))
    }

    /// A place whose distance from `base` is at `at`.
    fn offset(&mut self, base: usize, at: usize) -> Option<usize> {
        Some(base + self.word(at)?)
    }

    fn lookup(&mut self, index: usize, depth: usize) -> Option<Work> {
        match self.lookups.get(index) {
            None => return Some(Work::default()),
            Some(Cost::Known(work)) => return Some(*work),
            Some(Cost::Open) => return None,
            Some(Cost::Unknown) if depth > MAX_DEPTH => return None,
            Some(Cost::Unknown) => {}
        }
        self.note(index, Cost::Open);
        let at = self.offset(self.list, self.list + 2 + 2 * index)?;
        let kind = self.word(at)?;
        let (mut compared, mut applied) = (0_usize, Work::default());
        for subtable in 0..self.word(at + 4)? {
            let subtable = self.offset(at, at + 6 + 2 * subtable)?;
            let rules = self.subtable(kind, subtable, depth)?;
            compared = compared.saturating_add(1).saturating_add(rules.compared);
            applied = applied.or(rules.applied);
        }
        let work = applied.then(Work { compared, added: 0 });
        self.note(index, Cost::Known(work));
        Some(work)
    }

    fn note(&mut self, index: usize, cost: Cost) {
        if let Some(place) = self.lookups.get_mut(index) {
            *place = cost;
        }
    }

    fn subtable(&mut self, kind: usize, at: usize, depth: usize) -> Option<Rules> {
        let format = self.word(at)?;
        match (self.positioning, kind, format) {
            (false, 7, 1) | (true, 9, 1) => {
                let (kind, high, low) = (self.word(at + 2)?, self.word(at + 4)?, self.word(at + 6)?);
                // An extension of an extension is none.
                if kind == if self.positioning { 9 } else { 7 } {
                    return Some(Rules::default());
                }
                self.subtable(kind, at + (high << 16) + low, depth)
            }
            (false, 2, 1) => {
                let mut added = 0;
                for sequence in 0..self.word(at + 4)? {
                    let sequence = self.offset(at, at + 6 + 2 * sequence)?;
                    added = added.max(self.word(sequence)?);
                }
                Some(Rules { compared: 0, applied: Work { compared: 0, added } })
            }
            (false, 4, 1) => self.sets(at, 4, |count, rule| Some(Rules::comparing(count.word(rule + 2)?))),
            (false, 5, 1) | (true, 7, 1) => self.sets(at, 4, |count, rule| count.context(rule, 1, depth)),
            (false, 5, 2) | (true, 7, 2) => self.sets(at, 6, |count, rule| count.context(rule, 1, depth)),
            (false, 5, 3) | (true, 7, 3) => self.context(at + 2, 0, depth),
            (false, 6, 1) | (true, 8, 1) => self.sets(at, 4, |count, rule| count.chain(rule, 1, depth)),
            (false, 6, 2) | (true, 8, 2) => self.sets(at, 10, |count, rule| count.chain(rule, 1, depth)),
            (false, 6, 3) | (true, 8, 3) => self.chain(at + 2, 0, depth),
            (false, 8, 1) => {
                let before = self.word(at + 4)?;
                let after = self.word(at + 6 + 2 * before)?;
                Some(Rules::comparing(before + after))
            }
            // What is for a glyph is found by halving.
            (false, 1 | 3, 1..=2) | (true, 1..=6, 1..=2) => Some(Rules::default()),
            (_, 1..=9, 1..) => None,
            _ => Some(Rules::default()),
        }
    }

    /// The costliest set: a glyph, or its class, has one, all of whose rules may be tried.
    fn sets(
        &mut self,
        at: usize,
        header: usize,
        mut rule: impl FnMut(&mut Self, usize) -> Option<Rules>,
    ) -> Option<Rules> {
        let mut most = Rules::default();
        for set in 0..self.word(at + header)? {
            let set = match self.word(at + header + 2 + 2 * set)? {
                0 => continue,
                offset => at + offset,
            };
            let mut compared = 0_usize;
            for index in 0..self.word(set)? {
                let at = self.offset(set, set + 2 + 2 * index)?;
                let rules = rule(self, at)?;
                compared = compared.saturating_add(1).saturating_add(rules.compared);
                most.applied = most.applied.or(rules.applied);
            }
            most.compared = most.compared.max(compared);
        }
        Some(most)
    }

    /// A rule, or a subtable that is one; `known` of its glyphs are not named again.
    fn context(&mut self, at: usize, known: usize, depth: usize) -> Option<Rules> {
        let (glyphs, calls) = (self.word(at)?, self.word(at + 2)?);
        let applied = self.calls(at + 4 + 2 * glyphs.saturating_sub(known), calls, depth)?;
        Some(Rules { compared: glyphs, applied })
    }

    /// The same with glyphs before and after.
    fn chain(&mut self, at: usize, known: usize, depth: usize) -> Option<Rules> {
        let before = self.word(at)?;
        let at = at + 2 + 2 * before;
        let glyphs = self.word(at)?;
        let at = at + 2 + 2 * glyphs.saturating_sub(known);
        let after = self.word(at)?;
        let at = at + 2 + 2 * after;
        let calls = self.word(at)?;
        Some(Rules { compared: before + glyphs + after, applied: self.calls(at + 2, calls, depth)? })
    }

    fn calls(&mut self, at: usize, calls: usize, depth: usize) -> Option<Work> {
        let mut work = Work::default();
        for call in 0..calls {
            let lookup = self.word(at + 4 * call + 2)?;
            work = work.then(Work { compared: 1, added: 0 }).then(self.lookup(lookup, depth + 1)?);
        }
        Some(work)
    }
}

/// As deep as lookups may call each other (HarfBuzz).
const MAX_DEPTH: usize = 64;
/// Words of a table. Of three hundred fonts of the scripts of the world none needs more than 76 000.
const MAX_READS: usize = 1 << 22;

#[cfg(test)]
mod tests {
    use super::*;

    fn octets(words: &[u16]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    /// A table with these lookups, each of its type and with one subtable, named so often.
    fn table(lookups: &[(u16, u16, Vec<u16>)]) -> Vec<u8> {
        let count = u16::try_from(lookups.len()).unwrap();
        let (mut list, mut rest) = (vec![1, 0, 0, 0, 10, count], Vec::new());
        for (kind, times, subtable) in lookups {
            list.push(2 + 2 * count + 2 * u16::try_from(rest.len()).unwrap());
            rest.extend([*kind, 0, *times]);
            rest.extend((0..*times).map(|_| 6 + 2 * times));
            rest.extend(subtable);
        }
        octets(&[list, rest].concat())
    }

    /// A set of ligatures of three glyphs for one glyph: one, named so often.
    fn ligatures(times: u16) -> Vec<u16> {
        let mut words = vec![1, 0, 1, 8, times];
        words.extend((0..times).map(|_| 2 + 2 * times));
        words.extend([9, 3, 1, 1]);
        words
    }

    /// A subtable for a glyph alone that calls these lookups.
    fn calls(lookups: &[u16]) -> Vec<u16> {
        let mut words = vec![3, 1, u16::try_from(lookups.len()).unwrap(), 0];
        words.extend(lookups.iter().flat_map(|lookup| [0, *lookup]));
        words
    }

    #[test]
    fn every_subtable_and_rule_counts_as_often_as_it_is_named() {
        assert_eq!(layout_cost(&table(&[(4, 1, ligatures(1))]), false), Some(1 + 4));
        assert_eq!(layout_cost(&table(&[(4, 10, ligatures(20))]), false), Some(10 * (1 + 20 * 4)));
        assert_eq!(layout_cost(&table(&[(4, 1000, ligatures(1000))]), false), Some(1000 * (1 + 1000 * 4)));
        // The same lookup type positions pairs of glyphs and marks, which are found at once.
        assert_eq!(layout_cost(&table(&[(4, 10, ligatures(20))]), true), Some(10));
        // The costliest of lookups that are harmless.
        let single = (1, 1, vec![1, 0, 1]);
        assert_eq!(layout_cost(&table(&[vec![single; 1200], vec![(4, 1, ligatures(1))]].concat()), false), Some(1 + 4));
    }

    #[test]
    fn an_extension_costs_what_it_stands_for() {
        let extension = [vec![1, 4, 0, 8], ligatures(20)].concat();
        assert_eq!(layout_cost(&table(&[(7, 2, extension)]), false), Some(2 * (1 + 20 * 4)));
        let endless = vec![1, 7, 0, 0];
        assert_eq!(layout_cost(&table(&[(7, 2, endless)]), false), Some(2));
    }

    #[test]
    fn lookups_that_are_called_count_where_they_are_called() {
        let called = (4, 1, ligatures(20));
        let own = 1 + 1;
        assert_eq!(layout_cost(&table(&[(5, 1, calls(&[1, 1])), called.clone()]), false), Some(own + 2 * 82));
        // One of its subtables applies.
        assert_eq!(layout_cost(&table(&[(5, 3, calls(&[1])), called]), false), Some(3 * own + 82));
        // Each calls the next one twice.
        let chain: Vec<_> = (1..=40).map(|next| (5, 1, calls(&[next, next]))).collect();
        assert!(layout_cost(&table(&chain), false).unwrap() > 1 << 40);
        let chain: Vec<_> = (1..=100).map(|next| (5, 1, calls(&[next]))).collect();
        assert_eq!(layout_cost(&table(&chain), false), None);
    }

    #[test]
    fn what_is_compared_counts_as_often_as_a_glyph_becomes_more() {
        // One of its sequences has seven glyphs.
        let multiple = (2, 1, vec![1, 0, 2, 10, 14, 1, 9, 7, 9, 9, 9, 9, 9, 9, 9]);
        assert_eq!(layout_cost(&table(std::slice::from_ref(&multiple)), false), Some(1 + 7));
        let both = [(5, 1, calls(&[1, 2, 1])), multiple, (4, 1, ligatures(20))];
        assert_eq!(layout_cost(&table(&both), false), Some((2 + 2 + 82 + 2) * (1 + 7 + 7)));
        // As a table GPOS has it, the type is another.
        assert_eq!(layout_cost(&table(&[(2, 1, vec![1, 0, 1, 8, 7])]), true), Some(1));
    }

    #[test]
    fn lookups_that_call_themselves_and_unknown_forms_are_too_much() {
        assert_eq!(layout_cost(&table(&[(5, 1, calls(&[0]))]), false), None);
        assert_eq!(layout_cost(&table(&[(5, 1, calls(&[1])), (5, 1, calls(&[0]))]), false), None);
        assert_eq!(layout_cost(&table(&[(4, 1, vec![2, 0, 0, 1])]), false), None);
        assert_eq!(layout_cost(&octets(&[2, 0, 0, 0, 10, 0]), false), None);
    }

    #[test]
    fn what_is_cut_off_costs_nothing_and_ends() {
        let whole = table(&[(4, 3, ligatures(4)), (5, 3, calls(&[0]))]);
        for end in 0..whole.len() {
            let _ = layout_cost(&whole[..end], false);
        }
        assert_eq!(layout_cost(&[], false), Some(0));
        let numbers = octets(&vec![1; 1 << 16]);
        let _ = layout_cost(&numbers, false);
        // A lookup with as many subtables and sets as there can be, again and again.
        let endless: Vec<u16> = [vec![1, 0, 0, 0, 10, 0x7fff], vec![5; 0x7fff]].concat();
        let _ = layout_cost(&octets(&endless), false);
    }
}
