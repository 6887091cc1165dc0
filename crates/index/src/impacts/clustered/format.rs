//! The parts of the file: the forward index, the lists with their clusters, the summaries.

use bytemuck::{Pod, Zeroable};
use nir_kernels::Simd;

pub(super) const KIND: &str = "nir-clusters 2";
pub(super) const ROWS: usize = 0;
pub(super) const STARTS: usize = 1;
pub(super) const DIMENSIONS: usize = 2;
pub(super) const LISTS: usize = 3;
pub(super) const CLUSTERS: usize = 4;
pub(super) const MEMBERS: usize = 5;
pub(super) const SUMMARY_DIMENSIONS: usize = 6;
pub(super) const SUMMARY_COUNTS: usize = 7;
pub(super) const SUMMARY_GROUPS: usize = 8;
pub(super) const SUMMARY_CLUSTERS: usize = 9;
pub(super) const SUMMARY_CODES: usize = 10;
pub(super) const SECTIONS: usize = 11;

pub(super) const MOST_CLUSTERS: usize = 256;
/// The largest number of dimensions, as they are numbered in 16 bits.
pub(super) const MOST_DIMENSIONS: usize = 1 << 16;
/// Dimensions of a summary of which only the first says where its entries begin.
pub(super) const GROUP: usize = 32;
/// Bytes of a posting in a row: 4 for the weight, 2 for the dimension.
pub(super) const POSTING: u64 = 6;

/// A dimension, with its name in the documents.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Dimension {
    pub(super) name: u32,
    pub(super) number: u32,
    pub(super) max: f32,
}

/// The clusters of a dimension, and where its summaries begin.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct List {
    pub(super) first_cluster: u32,
    pub(super) clusters: u32,
    pub(super) first_dimension: u32,
    pub(super) dimensions: u32,
    pub(super) first_group: u32,
    pub(super) reserved: u32,
    pub(super) first_code: u64,
}

/// The end of a cluster's documents, and the weight of a step in its summary.
#[derive(Debug, Clone, Copy, Pod, Zeroable)]
#[repr(C)]
pub(super) struct Cluster {
    pub(super) first_member: u32,
    pub(super) members: u32,
    pub(super) step: f32,
}

/// The forward index: for each document its weights, falling, and the numbers of their dimensions.
#[derive(Clone, Copy)]
pub(super) struct Rows<'i> {
    pub(super) bytes: &'i [u8],
    pub(super) starts: &'i [u64],
}

/// The weights of one document.
#[derive(Clone, Copy)]
pub(super) struct Row<'i> {
    pub(super) weights: &'i [f32],
    pub(super) dimensions: &'i [u16],
}

impl<'i> Rows<'i> {
    pub(super) fn row(&self, doc: u32) -> Row<'i> {
        let (start, end) = (self.starts[doc as usize], self.starts[doc as usize + 1]);
        let bytes = &self.bytes[start as usize..end as usize];
        let len = bytes.len() / POSTING as usize; // 2 bytes more where that is odd
        let (weights, dimensions) = bytes.split_at(4 * len);
        Row {
            weights: bytemuck::cast_slice(weights),
            dimensions: bytemuck::cast_slice(&dimensions[..2 * len]),
        }
    }
}

impl Row<'_> {
    /// Asks for the row, which is a dozen cache lines anywhere in a large file.
    #[inline]
    pub(super) fn prefetch(&self) {
        Simd::get().prefetch(self.weights);
        Simd::get().prefetch(self.dimensions);
    }

    /// The product with a query, in eight sums at once: no addition waits for the one before.
    pub(super) fn product(&self, query: &[f32; MOST_DIMENSIONS]) -> f32 {
        let mut sums = [0.0_f32; 8];
        let (weights, last_weights) = self.weights.as_chunks::<8>();
        let (dimensions, last_dimensions) = self.dimensions.as_chunks::<8>();
        for (weights, dimensions) in weights.iter().zip(dimensions) {
            for (lane, sum) in sums.iter_mut().enumerate() {
                *sum += weights[lane] * query[usize::from(dimensions[lane])];
            }
        }
        for (weight, &dimension) in last_weights.iter().zip(last_dimensions) {
            sums[0] += weight * query[usize::from(dimension)];
        }
        sums.iter().sum()
    }
}

/// A dimension of the query, with its number in the index.
#[derive(Debug, Clone, Copy)]
pub(super) struct QueryTerm {
    pub(super) number: u16,
    pub(super) weight: f32,
}

/// The summaries of a list's clusters, by dimension.
pub(super) struct Summaries<'i> {
    pub(super) dimensions: &'i [u16],
    /// The number of entries of each dimension, minus one.
    pub(super) counts: &'i [u8],
    /// The positions at which the entries of every 32nd dimension begin.
    pub(super) groups: &'i [u32],
    pub(super) clusters: &'i [u8],
    pub(super) codes: &'i [u8],
}

impl Summaries<'_> {
    pub(super) fn entries(&self, at: usize) -> std::ops::Range<usize> {
        let first = at / GROUP * GROUP;
        let before = self.counts[first..at].iter().map(|&count| u32::from(count) + 1).sum::<u32>();
        let start = (self.groups[at / GROUP] + before) as usize;
        start..start + usize::from(self.counts[at]) + 1
    }

    /// Adds the products of a query with the summaries, in units of each cluster's step.
    pub(super) fn multiply(&self, plan: &[QueryTerm], promises: &mut [f32; MOST_CLUSTERS]) {
        for term in plan {
            let Ok(at) = self.dimensions.binary_search(&term.number) else { continue };
            let range = self.entries(at);
            for (&cluster, &code) in self.clusters[range.clone()].iter().zip(&self.codes[range]) {
                promises[usize::from(cluster)] += term.weight * f32::from(code);
            }
        }
    }
}
