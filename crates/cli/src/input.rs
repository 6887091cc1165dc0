//! What is read from standard input.

use std::path::Path;

use anyhow::{Result, bail};
use nir_data::is_standard_input;

/// Refuses standard input in two places at once: the first reader would leave nothing for the second.
pub(crate) fn check_standard_input<'a>(
    given: impl IntoIterator<Item = (&'static str, &'a Path)>,
) -> Result<()> {
    let mut standard = given.into_iter().filter(|(_, path)| is_standard_input(path));
    if let (Some((first, one)), Some((second, two))) = (standard.next(), standard.next()) {
        bail!(
            "standard input can be read once, and is given as {first} (`{}`) and as {second} (`{}`): name a file for one of them",
            one.display(),
            two.display()
        );
    }
    Ok(())
}
