//! Sorts that find the best `k` of some things by asking which of a few is the best: what setwise and pairwise prompting share.
//!
//! An order is a list of places, best first. `best` is given a few places and says at which of them, counted from 0, the best stands.
//! The same question is asked once.
//!
//! ```text
//! heap    a node with up to c children is exchanged with the best of them, down to where it is the best; k times the root is taken
//! bubble  windows of c + 1 things slide from the end to the beginning, the best of each moves to its front; k times
//! ```

use std::collections::HashMap;

use nir_core::Result;
use serde::{Deserialize, Serialize};

/// Which sort asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Sort {
    /// Heap sort.
    Heap,
    /// Bubble sort.
    Bubble,
}

/// Says which of some places has the best: the number of the place in the list.
type Best<'a> = &'a mut dyn FnMut(&[usize]) -> Result<usize>;

impl Sort {
    /// The places `0 … n - 1` with the best `k` in front; the others follow in their own order.
    ///
    /// - `children`: how many are compared with one
    pub(crate) fn top(
        self,
        n: usize,
        (children, k): (usize, usize),
        best: Best<'_>,
    ) -> Result<Vec<usize>> {
        let mut known: HashMap<Vec<usize>, usize> = HashMap::new();
        let mut once = |places: &[usize]| {
            if let Some(&found) = known.get(places) {
                return Ok(found);
            }
            let found = best(places)?;
            known.insert(places.to_vec(), found);
            Ok(found)
        };
        let places: Vec<usize> = (0..n).collect();
        let mut front = match self {
            Self::Heap => heap(places, (children, k), &mut once)?,
            Self::Bubble => bubble(places, (children, k), &mut once)?,
        };
        front.truncate(k);
        let rest: Vec<usize> = (0..n).filter(|place| !front.contains(place)).collect();
        front.extend(rest);
        Ok(front)
    }
}

/// The best `k`, best first.
fn heap(mut heap: Vec<usize>, (children, k): (usize, usize), best: Best<'_>) -> Result<Vec<usize>> {
    let n = heap.len();
    for node in (0..=n / children).rev() {
        sink(&mut heap, (node, n), children, best)?;
    }
    let mut taken = Vec::new();
    for end in (1..n).rev() {
        heap.swap(0, end);
        taken.push(heap[end]);
        if taken.len() == k {
            return Ok(taken);
        }
        sink(&mut heap, (0, end), children, best)?;
    }
    taken.extend(heap.first());
    Ok(taken)
}

/// Exchanges a node with the best of its children until it is better than they are.
fn sink(
    heap: &mut [usize],
    (mut node, n): (usize, usize),
    children: usize,
    best: Best<'_>,
) -> Result<()> {
    loop {
        let first = children * node + 1;
        if first >= n {
            return Ok(());
        }
        let below = first..(first + children).min(n);
        let family: Vec<usize> = std::iter::once(node).chain(below).collect();
        let places: Vec<usize> = family.iter().map(|&at| heap[at]).collect();
        let largest = family[best(&places)?];
        if largest == node {
            return Ok(());
        }
        heap.swap(node, largest);
        node = largest;
    }
}

/// All, with the best `k` in front.
fn bubble(
    mut order: Vec<usize>,
    (children, k): (usize, usize),
    best: Best<'_>,
) -> Result<Vec<usize>> {
    for front in 0..k.min(order.len().saturating_sub(1)) {
        let mut end = order.len();
        loop {
            let start = end.saturating_sub(children + 1).max(front);
            let found = best(&order[start..end])?;
            order.swap(start, start + found);
            if start == front {
                break;
            }
            end = start + 1;
        }
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sorts by values, and counts the questions.
    fn sorted(sort: Sort, values: &[i32], sizes: (usize, usize)) -> (Vec<usize>, usize) {
        let mut asked = 0;
        let order = sort.top(values.len(), sizes, &mut |places| {
            asked += 1;
            let largest = (0..places.len()).max_by_key(|&at| values[places[at]]);
            Ok(largest.unwrap())
        });
        (order.unwrap(), asked)
    }

    #[test]
    fn both_sorts_find_the_best_and_leave_the_others() {
        let values = [3, 9, 1, 7, 8, 2, 6, 5, 4, 0];
        for sort in [Sort::Heap, Sort::Bubble] {
            for children in 1..5 {
                // 9, 8 and 7 stand at 1, 4 and 3.
                let expected = [1, 4, 3, 0, 2, 5, 6, 7, 8, 9];
                let found = sorted(sort, &values, (children, 3)).0;
                assert_eq!(found, expected, "{sort:?} {children}");
            }
            // As many as there are, and more.
            assert_eq!(sorted(sort, &values, (3, 10)).0, [1, 4, 3, 6, 7, 8, 0, 5, 2, 9]);
            assert_eq!(sorted(sort, &[1, 2], (3, 10)).0, [1, 0]);
            assert_eq!(sorted(sort, &[1], (3, 10)), (vec![0], 0));
            assert_eq!(sorted(sort, &[], (3, 10)), (vec![], 0));
        }
    }

    #[test]
    fn a_heap_of_ten_asks_as_often_as_its_tree_has_it() {
        // Sorted already, three children: the nodes 2, 1 and 0 have children. Taking the root asks again along one path: 9 comes
        // up, goes down below 1 and below 4, 5 or 6, which have no children.
        let values = [9, 8, 7, 6, 5, 4, 3, 2, 1, 0];
        assert_eq!(sorted(Sort::Heap, &values, (3, 1)).1, 3);
        assert_eq!(sorted(Sort::Heap, &values, (3, 2)).1, 5);
        // Windows of four over ten: [6, 10), [3, 7), [0, 4).
        assert_eq!(sorted(Sort::Bubble, &values, (3, 1)).1, 3);
    }
}
