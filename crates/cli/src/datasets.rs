//! The manifests and the cache that every command about datasets needs.

use std::path::PathBuf;

use anyhow::{Context, Result};
use nir_data::{Cache, Manifests};

/// The manifests of the program and of the checkout around the working directory, if there is one.
pub(crate) fn manifests() -> Result<Manifests> {
    Ok(Manifests::load(checkout()?.as_deref())?)
}

/// The cache of the user.
pub(crate) fn cache() -> Result<Cache> {
    Ok(Cache::of_user()?)
}

fn checkout() -> Result<Option<PathBuf>> {
    let here = std::env::current_dir().context("the working directory cannot be read")?;
    let root = here.ancestors().find(|folder| folder.join("configs/papers.toml").is_file());
    Ok(root.map(PathBuf::from))
}

/// A number as people read it: `8,841,823`.
pub(crate) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!([7, 300, 5_183, 8_841_823].map(grouped), ["7", "300", "5,183", "8,841,823"]);
    }
}
