//! What work costs, as a ratio to a reference workload that is timed right around it.
//!
//! Seconds of one machine say nothing about those of another; how many times one piece of work takes what another takes
//! does, if both do the same kind of thing. Noise only ever adds: a neighbour evicts our cache, the clock sinks. So each
//! side is timed several times, in turns, and its least is taken.

use std::hint::black_box;

use cpu_time::ProcessTime;

/// The reference workload and its version. A change of it makes every recorded ratio meaningless: count up then.
pub const REFERENCE: &str = "postings@1";

/// CPU seconds that one sample takes at least, by repeating: a search over a small collection takes microseconds.
const SAMPLE: f64 = 0.01;
/// No work is repeated more often than this for one sample.
const MOST_REPEATS: u32 = 1 << 20;

/// Work that can be done again and again.
pub type Work<'w, E> = Box<dyn Fn() -> Result<(), E> + Send + Sync + 'w>;

/// Times several pieces of work in turns with the reference.
pub struct Clock<'w, E> {
    reference: Reference,
    reference_repeats: u32,
    timed: Vec<Timed<'w, E>>,
}

struct Timed<'w, E> {
    work: Work<'w, E>,
    repeats: u32,
    /// The least CPU seconds so far.
    least: f64,
    /// The least of the reference right before and right after.
    reference: f64,
}

impl<'w, E> Clock<'w, E> {
    /// Does every piece of work once and finds out how often it is repeated for a sample.
    pub fn new(works: Vec<Work<'w, E>>) -> Result<Self, E> {
        let reference = Reference::new();
        let reference_repeats = repeats(&mut || {
            reference.work();
            Ok::<(), E>(())
        })?;
        let timed = |work: Work<'w, E>| {
            let repeats = repeats(&mut || work())?;
            Ok(Timed { work, repeats, least: f64::INFINITY, reference: f64::INFINITY })
        };
        let timed = works.into_iter().map(timed).collect::<Result<_, E>>()?;
        Ok(Self { reference, reference_repeats, timed })
    }

    /// Takes one more sample of everything. Rounds, and not one piece of work after the other, so that a noisy second
    /// costs each of them one sample and none of them all.
    pub fn round(&mut self) -> Result<(), E> {
        let reference = || self.reference.seconds(self.reference_repeats);
        let mut before = reference();
        for timed in &mut self.timed {
            timed.least = timed.least.min(seconds(timed.repeats, &mut || (timed.work)())?);
            let after = reference();
            timed.reference = timed.reference.min(before).min(after);
            before = after;
        }
        Ok(())
    }

    /// The cost of each piece of work, in the order in which they were given; NaN before the first round.
    pub fn ratios(&self) -> Vec<f64> {
        self.timed.iter().map(|timed| timed.least / timed.reference).collect()
    }
}

/// How often work is repeated for a sample of [`SAMPLE`] seconds.
fn repeats<E>(work: &mut dyn FnMut() -> Result<(), E>) -> Result<u32, E> {
    let mut repeats = 1;
    while repeats < MOST_REPEATS && seconds(repeats, work)? * f64::from(repeats) < SAMPLE {
        repeats *= 2;
    }
    Ok(repeats)
}

/// CPU seconds of one repetition, over all threads of the process.
fn seconds<E>(repeats: u32, work: &mut dyn FnMut() -> Result<(), E>) -> Result<f64, E> {
    let start = ProcessTime::now();
    for _ in 0..repeats {
        work()?;
    }
    Ok(start.elapsed().as_secs_f64() / f64::from(repeats))
}

/// A search in miniature, frozen: postings are scored term by term into accumulators, and the best are sorted.
/// It stands in for the machine, so it does what searches do: reads memory out of order, divides, branches, allocates.
struct Reference {
    /// Documents and term frequencies of each term.
    postings: Vec<Vec<(u32, f32)>>,
    norms: Vec<f32>,
}

const DOCUMENTS: u32 = 4096;
const TERMS: usize = 64;
const TERMS_A_QUERY: usize = 4;

impl Reference {
    fn new() -> Self {
        let mut state = 42;
        let mut draw = move |below: u32| {
            // Knuth's MMIX generator: its upper bits are random enough for a workload.
            state = 6_364_136_223_846_793_005_u64
                .wrapping_mul(state)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as u32 % below
        };
        let norms = (0..DOCUMENTS).map(|_| 0.5 + draw(100) as f32 / 100.0).collect();
        let mut list = |_| {
            let mut list = Vec::new();
            let mut doc = draw(16);
            while doc < DOCUMENTS {
                list.push((doc, 1.0 + draw(4) as f32));
                doc += 1 + draw(31);
            }
            list
        };
        Self { postings: (0..TERMS).map(&mut list).collect(), norms }
    }

    fn work(&self) {
        for query in self.postings.chunks(TERMS_A_QUERY) {
            black_box(self.search(query));
        }
    }

    fn search(&self, query: &[Vec<(u32, f32)>]) -> Vec<(f32, u32)> {
        let mut scores = vec![0.0; DOCUMENTS as usize];
        for &(doc, tf) in query.iter().flatten() {
            scores[doc as usize] += tf / (tf + self.norms[doc as usize]);
        }
        let scored = scores.into_iter().zip(0..).filter(|&(score, _)| score > 0.0);
        let mut best: Vec<(f32, u32)> = scored.collect();
        best.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)));
        best
    }

    fn seconds(&self, repeats: u32) -> f64 {
        let work = &mut || {
            self.work();
            Ok::<(), std::convert::Infallible>(())
        };
        seconds(repeats, work).unwrap_or_else(|never| match never {})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_is_the_same_work_every_time() {
        let (one, other) = (Reference::new(), Reference::new());
        assert!(one.postings == other.postings && one.norms == other.norms);
        let found = one.search(&one.postings[..TERMS_A_QUERY]);
        assert!(found.len() > 500 && found.is_sorted_by(|a, b| a.0 >= b.0), "{}", found.len());
    }

    #[test]
    fn twice_the_work_costs_twice_as_much() {
        let reference = Reference::new();
        let times = |n: u32| -> Work<'_, ()> {
            Box::new({
                let reference = &reference;
                move || {
                    (0..n).for_each(|_| reference.work());
                    Ok(())
                }
            })
        };
        let mut clock = Clock::new(vec![times(1), times(2)]).unwrap();
        (0..10).for_each(|_| clock.round().unwrap());
        let ratios = clock.ratios();
        assert!((0.7..1.4).contains(&ratios[0]), "the reference beside itself: {ratios:?}");
        assert!((1.5..2.7).contains(&(ratios[1] / ratios[0])), "{ratios:?}");
    }

    #[test]
    fn work_that_fails_stops_the_clock() {
        let broken: Work<'_, &str> = Box::new(|| Err("broken"));
        assert_eq!(Clock::new(vec![broken]).err(), Some("broken"));
    }
}
