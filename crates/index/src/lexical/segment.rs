//! One tantivy segment, written term by term through tantivy's own serializers.
//!
//! tantivy's indexer takes documents; ours has the postings already, in order. What comes out is an ordinary tantivy
//! index of one field with frequencies and without positions or stored fields: tantivy opens and searches it.

use std::path::Path;

use tantivy::directory::{CompositeFile, OwnedBytes, TerminatingWrite};
use tantivy::fastfield::FastFieldsWriter;
use tantivy::fieldnorm::{FieldNormReader, FieldNormReaders, FieldNormsSerializer};
use tantivy::index::{SegmentComponent, SegmentId};
use tantivy::postings::InvertedIndexSerializer;
use tantivy::schema::{Field, IndexRecordOption, Schema, TextFieldIndexing, TextOptions};
use tantivy::store::{Compressor, StoreWriter};
use tantivy::tokenizer::TokenizerManager;
use tantivy::{Directory, Index, IndexMeta, Segment};

use super::inverter::Inverted;
use super::skyline::Skyline;

const FIELD: &str = "contents";
/// There is one segment, so any constant will do; tantivy's random names would make two builds differ.
const SEGMENT: &str = "00000000000000000000000000000001";
/// The number of postings in a block of tantivy's lists.
pub(crate) const BLOCK: usize = 128;

/// What a build records of the blocks of all postings, term after term.
#[derive(Default)]
pub(crate) struct Blocks {
    /// The number of blocks before those of each term.
    pub(crate) first: Vec<u32>,
    /// The skylines, as [`Skyline::write`] writes them.
    pub(crate) skylines: Vec<u32>,
    count: u32,
}

/// The field that holds all terms.
pub(crate) fn field() -> Field {
    Field::from_field_id(0)
}

fn schema() -> Schema {
    let mut schema = Schema::builder();
    let indexing = TextFieldIndexing::default()
        .set_tokenizer("raw") // terms come analyzed: tantivy never sees the text
        .set_index_option(IndexRecordOption::WithFreqs);
    let field = schema.add_text_field(FIELD, TextOptions::default().set_indexing_options(indexing));
    assert_eq!(field, self::field(), "the only field is the first");
    schema.build()
}

/// Writes the segment into an empty folder, and returns what bounds its blocks.
pub(crate) fn write(dir: &Path, inverted: &Inverted) -> tantivy::Result<Blocks> {
    let index = Index::create_in_dir(dir, schema())?;
    let id = SegmentId::from_uuid_string(SEGMENT).expect("32 hexadecimal digits are a UUID");
    let documents = inverted.lengths.len() as u32;
    let segment = index.segment(index.new_segment_meta(id, documents));
    write_norms(&segment, &inverted.lengths)?;
    let blocks = write_postings(&segment, inverted)?;
    write_unused(&segment)?;
    write_meta(&index, &segment)?;
    Ok(blocks)
}

fn write_norms(segment: &Segment, lengths: &[u32]) -> tantivy::Result<()> {
    let mut norms =
        FieldNormsSerializer::from_write(segment.open_write(SegmentComponent::FieldNorms)?)?;
    let bytes: Vec<u8> = lengths.iter().map(|&len| FieldNormReader::fieldnorm_to_id(len)).collect();
    norms.serialize_field(field(), &bytes)?;
    Ok(norms.close()?)
}

fn write_postings(segment: &Segment, inverted: &Inverted) -> tantivy::Result<Blocks> {
    let norms = FieldNormReaders::open(segment.open_read(SegmentComponent::FieldNorms)?)?;
    let total = inverted.lengths.iter().map(|&length| u64::from(length)).sum();
    let mut serializer = InvertedIndexSerializer::open(segment)?;
    let mut postings = serializer.new_field(field(), total, norms.get_field(field())?)?;
    let mut blocks = Blocks::default();
    for number in inverted.vocabulary.sorted() {
        let list = &inverted.lists[number as usize];
        postings.new_term(inverted.vocabulary.term(number as usize), list.doc_freq(), true)?;
        blocks.begin_term();
        let mut block = BlockBounds::default();
        for (doc, tf) in list.postings() {
            postings.write_doc(doc, tf, &[]);
            block.add(tf, inverted.lengths[doc as usize], &mut blocks);
        }
        block.end(&mut blocks);
        postings.close_term()?;
    }
    postings.close()?;
    serializer.close()?;
    Ok(blocks)
}

impl Blocks {
    fn begin_term(&mut self) {
        self.first.push(self.count);
    }
}

/// The bounds of the block of postings that is being written.
#[derive(Default)]
struct BlockBounds {
    postings: usize,
    skyline: Skyline,
}

impl BlockBounds {
    fn add(&mut self, tf: u32, length: u32, blocks: &mut Blocks) {
        self.skyline.add(tf, length);
        self.postings += 1;
        if self.postings == BLOCK {
            self.end(blocks);
        }
    }

    fn end(&mut self, blocks: &mut Blocks) {
        if self.postings > 0 {
            self.skyline.write(&mut blocks.skylines);
            self.postings = 0;
            blocks.count += 1;
        }
    }
}

/// tantivy wants these files to be there: no stored fields, no fast fields.
fn write_unused(segment: &Segment) -> tantivy::Result<()> {
    let store = segment.open_write(SegmentComponent::Store)?;
    StoreWriter::new(store, Compressor::None, 16_384, false)?.close()?;
    let mut fast = segment.open_write(SegmentComponent::FastFields)?;
    let schema = segment.schema();
    FastFieldsWriter::from_schema_and_tokenizer_manager(&schema, TokenizerManager::new())?
        .serialize(&mut fast, None)?;
    Ok(fast.terminate()?)
}

/// Makes the segment part of the index: from here on it can be opened.
fn write_meta(index: &Index, segment: &Segment) -> tantivy::Result<()> {
    let meta = IndexMeta {
        index_settings: index.settings().clone(),
        persisted_custom_extensions: Vec::new(),
        segments: vec![segment.meta().clone()],
        schema: index.schema(),
        opstamp: 0,
        payload: None,
    };
    let json = serde_json::to_vec_pretty(&meta)?;
    index.directory().atomic_write(Path::new("meta.json"), &json)?;
    Ok(index.directory().sync_directory()?)
}

/// The bytes of all postings, without the eight that count the terms.
pub(crate) fn postings(segment: &Segment) -> tantivy::Result<OwnedBytes> {
    let file = component(segment, SegmentComponent::Postings)?;
    Ok(file.map_or_else(OwnedBytes::empty, |bytes| bytes.slice(8..bytes.len())))
}

/// The lengths of all documents as one byte each.
pub(crate) fn norms(segment: &Segment) -> tantivy::Result<OwnedBytes> {
    Ok(component(segment, SegmentComponent::FieldNorms)?.unwrap_or_else(OwnedBytes::empty))
}

fn component(segment: &Segment, which: SegmentComponent) -> tantivy::Result<Option<OwnedBytes>> {
    let file = CompositeFile::open(&segment.open_read(which)?)?;
    Ok(file.open_read(field()).map(|part| part.read_bytes()).transpose()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lucene's `SmallFloat.byte4ToInt`: 24 values as they are, then a float of four bits.
    fn lucene_length(byte: u8) -> u32 {
        let Some(code) = u32::from(byte).checked_sub(24) else { return u32::from(byte) };
        let (mantissa, exponent) = (code & 7, code >> 3);
        24 + if exponent == 0 { mantissa } else { (mantissa | 8) << (exponent - 1) }
    }

    #[test]
    fn one_byte_lengths_are_lucenes() {
        for byte in 0..=255 {
            assert_eq!(FieldNormReader::id_to_fieldnorm(byte), lucene_length(byte), "{byte}");
        }
        assert!((0..=40).all(|len| lucene_length(FieldNormReader::fieldnorm_to_id(len)) == len));
    }
}
