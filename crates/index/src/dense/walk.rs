//! Walking a layer of a graph towards a query.

use std::cell::RefCell;

use super::space::Space;

/// The end of a list of neighbours that is shorter than it may be.
pub(super) const NONE: u32 = u32::MAX;

/// The neighbours of every node of one layer: as many places for each, filled from the front.
#[derive(Clone, Copy)]
pub(super) struct Layer<'g> {
    pub(super) links: &'g [u32],
    pub(super) degree: usize,
}

impl<'g> Layer<'g> {
    /// The number of nodes of the layer.
    pub(super) fn len(&self) -> usize {
        self.links.len() / self.degree
    }

    fn places(&self, node: u32) -> &'g [u32] {
        &self.links[node as usize * self.degree..][..self.degree]
    }

    pub(super) fn neighbours(&self, node: u32) -> &'g [u32] {
        let places = self.places(node);
        &places[..places.iter().position(|&link| link == NONE).unwrap_or(self.degree)]
    }
}

/// A node and its score; larger is nearer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hit {
    pub(super) score: i32,
    pub(super) node: u32,
}

impl Hit {
    /// Whether this hit comes first: the larger score, then the smaller number, so that an order never depends on the
    /// path of a search.
    pub(super) fn before(self, other: Self) -> bool {
        (self.score, other.node) > (other.score, self.node)
    }
}

/// The nearest nodes so far, the nearest first, and which of them were walked from.
///
/// The paper keeps two heaps, of candidates and of results. A node that fell out of the results is never walked from,
/// so one sorted list does for both.
#[derive(Default)]
struct Pool {
    ef: usize,
    hits: Vec<(Hit, bool)>,
    /// The position of the first candidate whose neighbours have not been visited.
    next: usize,
}

impl Pool {
    fn begin(&mut self, ef: usize) {
        self.hits.clear();
        (self.ef, self.next) = (ef, 0);
    }

    fn offer(&mut self, hit: Hit) {
        if self.hits.len() == self.ef {
            let Some((worst, _)) = self.hits.last() else { return };
            if !hit.before(*worst) {
                return;
            }
            self.hits.pop();
        }
        let place = self.hits.partition_point(|(other, _)| other.before(hit));
        self.hits.insert(place, (hit, false));
        self.next = self.next.min(place);
    }

    /// The nearest node that was not walked from, which from now on it was.
    fn take(&mut self) -> Option<u32> {
        let waiting = self.hits[self.next..].iter().position(|(_, walked)| !walked)?;
        self.next += waiting;
        let (hit, walked) = &mut self.hits[self.next];
        *walked = true;
        Some(hit.node)
    }

    /// The node that the next `take` will return.
    fn peek(&self) -> Option<u32> {
        self.hits[self.next..].iter().find(|(_, walked)| !walked).map(|(hit, _)| hit.node)
    }
}

/// One bit for each node, emptied in the time it took to fill.
#[derive(Default)]
struct Visited {
    bits: Vec<u64>,
    nodes: Vec<u32>,
}

impl Visited {
    fn begin(&mut self, nodes: usize) {
        for node in self.nodes.drain(..) {
            self.bits[node as usize / 64] = 0;
        }
        self.bits.resize(self.bits.len().max(nodes.div_ceil(64)), 0);
    }

    /// Marks a node as seen; returns whether it was new.
    fn insert(&mut self, node: u32) -> bool {
        let (word, bit) = (&mut self.bits[node as usize / 64], 1 << (node % 64));
        let new = *word & bit == 0;
        if new {
            *word |= bit;
            self.nodes.push(node);
        }
        new
    }
}

#[derive(Default)]
struct Scratch {
    pool: Pool,
    visited: Visited,
    fresh: Vec<u32>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// SEARCH-LAYER (Algorithm 2): the `ef` nodes nearest to `query` that a walk from `starts` meets, the nearest first.
///
/// The walk goes on from the nearest node that it has not been at, and ends when the `ef` nearest are all behind it.
pub(super) fn search_layer(
    space: Space,
    layer: Layer,
    query: &[i8],
    starts: &[u32],
    ef: usize,
) -> Vec<Hit> {
    SCRATCH.with_borrow_mut(|scratch| {
        scratch.begin(space, layer, query, starts, ef);
        while let Some(node) = scratch.pool.take() {
            scratch.step(space, layer, query, node);
        }
        scratch.pool.hits.iter().map(|&(hit, _)| hit).collect()
    })
}

impl Scratch {
    fn begin(&mut self, space: Space, layer: Layer, query: &[i8], starts: &[u32], ef: usize) {
        self.pool.begin(ef);
        self.visited.begin(layer.len());
        for &node in starts {
            if self.visited.insert(node) {
                self.pool.offer(Hit { score: space.score(query, node), node });
            }
        }
    }

    /// Looks at all neighbours of a node. Their vectors are on their way while the list is still read.
    fn step(&mut self, space: Space, layer: Layer, query: &[i8], node: u32) {
        self.fresh.clear();
        for &neighbour in layer.places(node) {
            if neighbour == NONE {
                break;
            }
            if self.visited.insert(neighbour) {
                space.prefetch(neighbour);
                self.fresh.push(neighbour);
            }
        }
        if let Some(next) = self.pool.peek() {
            space.simd.prefetch(layer.places(next));
        }
        space.scores(query, &self.fresh, |node, score| self.pool.offer(Hit { score, node }));
    }
}

#[cfg(test)]
mod tests {
    use nir_kernels::Simd;

    use super::*;

    /// Ten points on a line, each linked to the next and the one before.
    fn line() -> (Vec<i8>, Vec<u32>) {
        let bytes = (0..10_i8).flat_map(|x| [10 * x].into_iter().chain([0; 63])).collect();
        let near = |node: u32| [node.checked_sub(1), (node < 9).then_some(node + 1)];
        let places = |node| near(node).into_iter().flatten().chain([NONE; 2]).take(2).collect();
        (bytes, (0..10).flat_map(|node| -> Vec<u32> { places(node) }).collect())
    }

    #[test]
    fn a_walk_ends_at_the_nearest() {
        let (bytes, links) = line();
        let space = Space { bytes: &bytes, stride: 64, simd: Simd::get() };
        let layer = Layer { links: &links, degree: 2 };
        let mut query = [0; 64];
        query[0] = 1; // the farther along, the larger the product
        let found = search_layer(space, layer, &query, &[0], 3);
        let expected = [(90, 9), (80, 8), (70, 7)].map(|(score, node)| Hit { score, node });
        assert_eq!(found, expected);
    }

    #[test]
    fn of_two_that_are_as_near_the_smaller_number_comes_first() {
        let mut pool = Pool::default();
        pool.begin(2);
        [5, 3, 4].into_iter().for_each(|node| pool.offer(Hit { score: 1, node }));
        let nodes: Vec<u32> = pool.hits.iter().map(|(hit, _)| hit.node).collect();
        assert_eq!(nodes, [3, 4]);
    }
}
