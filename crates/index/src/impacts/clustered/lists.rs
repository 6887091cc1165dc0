//! From the postings of a dimension to its clusters and their summaries.

use nir_kernels::SectionsWriter;
use rayon::prelude::*;

use super::format::{Cluster, GROUP, List, MOST_CLUSTERS, MOST_DIMENSIONS, Row, Rows};
use crate::IndexError;

/// How many heaviest dimensions of a document decide its cluster; as in the authors' code.
const DOCUMENT_CUT: usize = 15;
/// The number of lists that are built before they are written.
const BATCH: usize = 2048;

/// The parameters by which lists are cut, clustered and summarised.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Clustering {
    /// How many documents a list keeps: those with the largest weights.
    pub postings: usize,
    /// How many clusters a list has, as a part of its documents.
    pub cluster_fraction: f32,
    /// The share of the sum of its weights that a summary keeps, from 0 to 1.
    pub summary_energy: f32,
    /// The seed of the random choice of centroids.
    pub seed: u64,
}

impl Clustering {
    pub(super) fn assert_valid(&self) {
        let parts = [self.cluster_fraction, self.summary_energy];
        let valid = self.postings > 0 && parts.iter().all(|part| *part > 0.0 && *part <= 1.0);
        assert!(valid, "{self:?}: at least one posting, and parts above 0 and at most 1");
    }

    pub(super) fn clusters(&self, members: usize) -> usize {
        let wanted = (self.cluster_fraction * members as f32).ceil() as usize;
        wanted.clamp(1, MOST_CLUSTERS.min(members))
    }
}

/// Cuts a list to its heaviest documents; of equal ones the first stay.
pub(super) fn heaviest_documents(list: &mut Vec<(f32, u32)>, most: usize) {
    if list.len() > most {
        list.select_nth_unstable_by(most, |a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        list.truncate(most);
    }
}

/// The data of all lists, in the form of the file's sections.
#[derive(Default)]
pub(super) struct Body {
    lists: Vec<List>,
    clusters: Vec<Cluster>,
    members: Vec<u32>,
    summaries: SummaryColumns,
}

impl Body {
    pub(super) fn build(clustering: Clustering, lists: &[Vec<(f32, u32)>], rows: Rows) -> Self {
        let mut body = Self::default();
        for (batch, lists) in lists.chunks(BATCH).enumerate() {
            let first = batch * BATCH;
            let built: Vec<Self> = lists
                .par_iter()
                .enumerate()
                .map_init(
                    || ListBuilder::new(clustering, rows),
                    |builder, (i, list)| builder.build(first + i, list),
                )
                .collect();
            built.into_iter().for_each(|list| body.append(list));
        }
        body
    }

    pub(super) fn append(&mut self, mut other: Self) {
        let (clusters, members) = (self.clusters.len() as u32, self.members.len() as u32);
        for list in &mut other.lists {
            list.first_cluster += clusters;
            list.first_dimension += self.summaries.dimensions.len() as u32;
            list.first_group += self.summaries.groups.len() as u32;
            list.first_code += self.summaries.codes.len() as u64;
        }
        other.clusters.iter_mut().for_each(|cluster| cluster.first_member += members);
        self.lists.append(&mut other.lists);
        self.clusters.append(&mut other.clusters);
        self.members.append(&mut other.members);
        self.summaries.dimensions.append(&mut other.summaries.dimensions);
        self.summaries.counts.append(&mut other.summaries.counts);
        self.summaries.groups.append(&mut other.summaries.groups);
        self.summaries.clusters.append(&mut other.summaries.clusters);
        self.summaries.codes.append(&mut other.summaries.codes);
    }

    pub(super) fn write(&self, file: &mut SectionsWriter) -> Result<(), IndexError> {
        file.section(&self.lists)?;
        file.section(&self.clusters)?;
        file.section(&self.members)?;
        file.section(&self.summaries.dimensions)?;
        file.section(&self.summaries.counts)?;
        file.section(&self.summaries.groups)?;
        file.section(&self.summaries.clusters)?;
        Ok(file.section(&self.summaries.codes)?)
    }
}

/// The columns of [`Summaries`].
#[derive(Default)]
struct SummaryColumns {
    dimensions: Vec<u16>,
    counts: Vec<u8>,
    groups: Vec<u32>,
    clusters: Vec<u8>,
    codes: Vec<u8>,
}

/// Builds one list after another, with buffers that it keeps.
struct ListBuilder<'i> {
    clustering: Clustering,
    rows: Rows<'i>,
    /// The largest weight of each dimension in the current summary.
    max: Vec<f32>,
    touched: Vec<u16>,
}

/// An entry of a summary.
#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    dimension: u16,
    cluster: u8,
    code: u8,
}

impl<'i> ListBuilder<'i> {
    fn new(clustering: Clustering, rows: Rows<'i>) -> Self {
        Self { clustering, rows, max: vec![0.0; MOST_DIMENSIONS], touched: Vec::new() }
    }

    fn build(&mut self, number: usize, list: &[(f32, u32)]) -> Body {
        let mut list = list.to_vec();
        heaviest_documents(&mut list, self.clustering.postings);
        let mut docs: Vec<u32> = list.into_iter().map(|(_, doc)| doc).collect();
        docs.sort_unstable();
        let mut random = SplitMix64(self.clustering.seed ^ (number as u64) << 32);
        let centroids = sample(&docs, self.clustering.clusters(docs.len()), &mut random);
        let mut body = Body::default();
        let mut entries = Vec::new();
        for members in self.assign(&docs, &centroids) {
            let cluster = body.clusters.len() as u8;
            let step = self.summarise(&members, cluster, &mut entries);
            let (first_member, len) = (body.members.len() as u32, members.len() as u32);
            body.clusters.push(Cluster { first_member, members: len, step });
            body.members.extend(members);
        }
        body.summaries = SummaryColumns::new(&entries);
        body.lists.push(List {
            first_cluster: 0,
            clusters: body.clusters.len() as u32,
            first_dimension: 0,
            dimensions: body.summaries.dimensions.len() as u32,
            first_group: 0,
            reserved: 0,
            first_code: 0,
        });
        body
    }

    /// The documents of each centroid, where there are any.
    fn assign(&self, docs: &[u32], centroids: &[u32]) -> Vec<Vec<u32>> {
        let inverted = Inverted::new(centroids, self.rows);
        let mut clusters = vec![Vec::new(); centroids.len()];
        for &doc in docs {
            clusters[inverted.nearest(self.rows.row(doc))].push(doc);
        }
        clusters.retain(|members| !members.is_empty());
        clusters
    }

    /// Appends the summary of a cluster, and returns what a code of one is worth.
    fn summarise(&mut self, members: &[u32], cluster: u8, entries: &mut Vec<Entry>) -> f32 {
        for &doc in members {
            let row = self.rows.row(doc);
            for (&dimension, &weight) in row.dimensions.iter().zip(row.weights) {
                let max = &mut self.max[usize::from(dimension)];
                if *max == 0.0 {
                    self.touched.push(dimension);
                }
                *max = max.max(weight);
            }
        }
        let max = |dimension: &u16| self.max[usize::from(*dimension)];
        let step = self.touched.iter().map(max).fold(0.0, f32::max) / 255.0;
        let least = least_code(self.touched.iter().map(max), step, self.clustering.summary_energy);
        for dimension in self.touched.drain(..) {
            let code = code(std::mem::take(&mut self.max[usize::from(dimension)]), step);
            if code >= least {
                entries.push(Entry { dimension, cluster, code });
            }
        }
        step
    }
}

fn code(weight: f32, step: f32) -> u8 {
    (weight / step).round() as u8
}

/// The largest code such that the entries from it on have this part of the sum.
fn least_code(weights: impl Iterator<Item = f32>, step: f32, energy: f32) -> u8 {
    let mut sums = [0.0_f32; 256];
    weights.for_each(|weight| sums[usize::from(code(weight, step))] += weight);
    let mut missing = energy * sums.iter().sum::<f32>();
    for code in (1..=255).rev() {
        missing -= sums[usize::from(code)];
        if missing <= 0.0 {
            return code;
        }
    }
    1
}

impl SummaryColumns {
    /// Sorts entries by dimension; within one, clusters stay in order.
    fn new(entries: &[Entry]) -> Self {
        let mut starts = vec![0_u32; MOST_DIMENSIONS + 1];
        entries.iter().for_each(|entry| starts[usize::from(entry.dimension) + 1] += 1);
        let mut columns = Self::default();
        for dimension in 0..MOST_DIMENSIONS {
            let len = starts[dimension + 1];
            starts[dimension + 1] += starts[dimension];
            if len > 0 {
                if columns.dimensions.len().is_multiple_of(GROUP) {
                    columns.groups.push(starts[dimension]);
                }
                columns.dimensions.push(dimension as u16);
                columns.counts.push((len - 1) as u8);
            }
        }
        columns.clusters.resize(entries.len(), 0);
        columns.codes.resize(entries.len(), 0);
        for entry in entries {
            let at = &mut starts[usize::from(entry.dimension)];
            columns.clusters[*at as usize] = entry.cluster;
            columns.codes[*at as usize] = entry.code;
            *at += 1;
        }
        columns
    }
}

/// The centroids' weights by dimension.
struct Inverted {
    starts: Vec<u32>,
    postings: Vec<(u8, f32)>,
}

impl Inverted {
    fn new(centroids: &[u32], rows: Rows) -> Self {
        let mut starts = vec![0_u32; MOST_DIMENSIONS + 1];
        for &doc in centroids {
            for &dimension in rows.row(doc).dimensions {
                starts[usize::from(dimension)] += 1;
            }
        }
        let mut end = 0;
        for start in &mut starts {
            end += *start;
            *start = end;
        }
        // Filled from the back, each start comes to stand where it belongs.
        let mut postings = vec![(0, 0.0); end as usize];
        for (cluster, &doc) in centroids.iter().enumerate().rev() {
            let row = rows.row(doc);
            for (&dimension, &weight) in row.dimensions.iter().zip(row.weights) {
                let at = &mut starts[usize::from(dimension)];
                *at -= 1;
                postings[*at as usize] = (cluster as u8, weight);
            }
        }
        Self { starts, postings }
    }

    /// The centroid with the largest product; of equal ones the first.
    fn nearest(&self, row: Row) -> usize {
        let mut products = [0.0_f32; MOST_CLUSTERS];
        let cut = row.weights.len().min(DOCUMENT_CUT);
        for (&dimension, &weight) in row.dimensions[..cut].iter().zip(row.weights) {
            let (start, end) =
                (self.starts[usize::from(dimension)], self.starts[usize::from(dimension) + 1]);
            for &(cluster, centroid) in &self.postings[start as usize..end as usize] {
                products[usize::from(cluster)] += weight * centroid;
            }
        }
        let better = |best: usize, other: usize| {
            if products[other] > products[best] { other } else { best }
        };
        (0..MOST_CLUSTERS).fold(0, better)
    }
}

/// `wanted` different documents, drawn by the first steps of a Fisher-Yates shuffle.
fn sample(docs: &[u32], wanted: usize, random: &mut SplitMix64) -> Vec<u32> {
    let mut docs = docs.to_vec();
    for i in 0..wanted {
        let other = i + random.below(docs.len() - i);
        docs.swap(i, other);
    }
    docs.truncate(wanted);
    docs
}

/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014): small, and the same everywhere.
pub(super) struct SplitMix64(pub(super) u64);

impl SplitMix64 {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, as good as uniform for an `end` far below 2^64.
    pub(super) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_keeps_the_largest_codes_that_have_the_energy() {
        // Sum 10, half is 5: 4 alone is not enough, 4 + 3 is. Steps of 4 / 255: codes 255 and 191.
        assert_eq!(least_code([4.0, 3.0, 2.0, 1.0].into_iter(), 4.0 / 255.0, 0.5), 191);
        assert_eq!(least_code([4.0, 3.0, 2.0, 1.0].into_iter(), 4.0 / 255.0, 0.4), 255);
    }
}
