//! How much of its texts a tokenizer has read, and how much it has cut off at `max_length`.

use std::ops::{Add, Sub};
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

/// How many texts a tokenizer has read, and how much of them was cut off at `max_length`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// The number of texts, or of pairs of texts.
    pub texts: u64,
    /// The number of them that were cut.
    pub cut: u64,
    /// The number of bytes of all texts, including templates.
    pub bytes: u64,
    /// The number of these bytes that were cut off, which are those after the last token that was kept.
    pub cut_off: u64,
}

impl Reading {
    /// The reading of one text of `bytes` bytes, of which the first `read` were kept.
    pub(crate) fn of_text(bytes: usize, read: usize) -> Self {
        let cut_off = bytes.saturating_sub(read) as u64;
        Self { texts: 1, cut: u64::from(cut_off > 0), bytes: bytes as u64, cut_off }
    }

    /// The share of all bytes that was cut off, from 0 to 1.
    pub fn share_cut_off(self) -> f64 {
        self.cut_off as f64 / self.bytes.max(1) as f64
    }
}

impl Add for Reading {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            texts: self.texts + other.texts,
            cut: self.cut + other.cut,
            bytes: self.bytes + other.bytes,
            cut_off: self.cut_off + other.cut_off,
        }
    }
}

impl Sub for Reading {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            texts: self.texts - other.texts,
            cut: self.cut - other.cut,
            bytes: self.bytes - other.bytes,
            cut_off: self.cut_off - other.cut_off,
        }
    }
}

/// The sum of what several threads have read.
#[derive(Debug, Default)]
pub struct Tally(Mutex<Reading>);

impl Tally {
    /// The sum so far.
    pub fn reading(&self) -> Reading {
        *self.0.lock().expect("no thread died while it added")
    }

    pub(crate) fn add(&self, reading: Reading) {
        let mut sum = self.0.lock().expect("no thread died while it added");
        *sum = *sum + reading;
    }
}
