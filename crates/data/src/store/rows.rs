//! `rows.bin`: where each document is.

/// The size of a row in bytes.
pub(super) const ROW: usize = 20;

/// The ends of a document's contents and id. They begin where those of the row before end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) contents_end: u64,
    pub(super) doc_id_end: u64,
    /// The length of the title in bytes; 0 for a document without a title.
    pub(super) title_len: u32,
}

impl Row {
    pub(super) fn bytes(self) -> [u8; ROW] {
        let mut bytes = [0; ROW];
        bytes[..8].copy_from_slice(&self.contents_end.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.doc_id_end.to_le_bytes());
        bytes[16..].copy_from_slice(&self.title_len.to_le_bytes());
        bytes
    }

    /// Reads the row at the beginning of `bytes`.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let (contents_end, rest) = bytes.split_first_chunk().expect("a row has 20 bytes");
        let (doc_id_end, rest) = rest.split_first_chunk().expect("a row has 20 bytes");
        let title_len = rest.first_chunk().expect("a row has 20 bytes");
        Self {
            contents_end: u64::from_le_bytes(*contents_end),
            doc_id_end: u64::from_le_bytes(*doc_id_end),
            title_len: u32::from_le_bytes(*title_len),
        }
    }

    /// The position in the contents at which the text begins: after the title and a space, if there is a title.
    pub(super) fn text_start(self) -> u64 {
        if self.title_len == 0 { 0 } else { u64::from(self.title_len) + 1 }
    }
}
