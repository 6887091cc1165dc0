//! How much of its texts a tokenizer has read, and how much it has cut off at `max_length`.

use std::ops::{Add, Sub};
use std::sync::Mutex;

use serde::{Deserialize, Serialize};

/// How many texts were read, and how far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading {
    /// Texts, or pairs of texts.
    pub texts: u64,
    /// Of these, how many were cut.
    pub cut: u64,
    /// Bytes of all texts, templates included.
    pub bytes: u64,
    /// Of these, how many were cut off: those behind the last token that was kept.
    pub cut_off: u64,
}

impl Reading {
    /// Of one text of `bytes`, the first `read` of which were kept.
    pub(crate) fn of_text(bytes: usize, read: usize) -> Self {
        let cut_off = bytes.saturating_sub(read) as u64;
        Self { texts: 1, cut: u64::from(cut_off > 0), bytes: bytes as u64, cut_off }
    }

    /// The share of all bytes that was cut off.
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

/// Adds up what several threads read.
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
