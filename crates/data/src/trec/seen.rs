//! Whether a name was met before, for names that come by the thousand and are forgotten together.

use std::hash::BuildHasher;

use rustc_hash::FxBuildHasher;

/// Hashes of names, in a table at most a quarter full, so that nearly every look-up ends where it begins.
///
/// Only hashes are kept: "met before" means that another name may have the same one.
#[derive(Default)]
pub(super) struct Seen {
    /// The places of the table; 0 is an empty one.
    places: Vec<u32>,
    taken: usize,
}

const FIRST_SIZE: usize = 1 << 8;

impl Seen {
    /// Remembers the name; returns whether its hash is new.
    pub(super) fn insert(&mut self, name: &str) -> bool {
        if self.taken * 4 >= self.places.len() {
            self.grow();
        }
        let hash = (FxBuildHasher.hash_one(name) as u32).max(1);
        let place = self.place(hash);
        let new = *place == 0;
        *place = hash;
        self.taken += usize::from(new);
        new
    }

    /// The place of `hash`, or the empty place where it belongs.
    fn place(&mut self, hash: u32) -> &mut u32 {
        let mask = self.places.len() - 1;
        let mut at = hash as usize & mask;
        while self.places[at] != 0 && self.places[at] != hash {
            at = (at + 1) & mask;
        }
        &mut self.places[at]
    }

    fn grow(&mut self) {
        let size = (self.places.len() * 4).max(FIRST_SIZE);
        let places = std::mem::replace(&mut self.places, vec![0; size]);
        for hash in places.into_iter().filter(|&hash| hash != 0) {
            *self.place(hash) = hash;
        }
    }

    /// Forgets all names, but keeps the memory.
    pub(super) fn clear(&mut self) {
        self.places.fill(0);
        self.taken = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_new_once() {
        let mut seen = Seen::default();
        let names: Vec<String> = (0..5000).map(|i| format!("d{i}")).collect();
        let new = names.iter().filter(|name| seen.insert(name)).count();
        assert!(new > 4990, "hashes of 32 bits hardly ever meet: {new}");
        assert!(!names.iter().any(|name| seen.insert(name)));
        seen.clear();
        assert!(seen.insert(&names[0]));
    }
}
