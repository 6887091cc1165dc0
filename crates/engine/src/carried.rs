//! Files of texts that come with the program: `pocket:NAME`, below `datasets/pocket/texts` in the repository.

use std::path::Path;

use anyhow::{Result, bail};

/// The content of the file that `pocket:NAME` names; `None` for a path on disk.
///
/// # Errors
///
/// If the program has no texts of that name.
pub(crate) fn carried_texts(path: &Path) -> Result<Option<&'static [u8]>> {
    let Some(name) = path.to_str().and_then(|path| path.strip_prefix("pocket:")) else {
        return Ok(None);
    };
    let files = nir_data::embedded_files("pocket/texts");
    if let Some((_, content)) = files.iter().find(|(known, _)| *known == name) {
        return Ok(Some(content));
    }
    let known: Vec<_> = files.iter().map(|(name, _)| format!("`pocket:{name}`")).collect();
    bail!(
        "`pocket:{name}` is none of the texts that come with nir: expected {}",
        known.join(" or ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_the_program_are_found_by_name_and_others_are_refused() {
        let content = carried_texts(Path::new("pocket:passages.tsv")).unwrap().unwrap();
        assert!(content.starts_with(b"q1\t"));
        assert_eq!(carried_texts(Path::new("texts/passages.tsv")).unwrap(), None);
        let error = carried_texts(Path::new("pocket:other.tsv")).unwrap_err().to_string();
        assert!(error.ends_with("expected `pocket:passages.tsv`"), "{error}");
    }
}
