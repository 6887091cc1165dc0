//! Imports a file of documents into a store and says how long that and opening took.
//!
//! `cargo run --release -p nir-data --example import -- collection.tsv.gz store`

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use nir_core::{Corpus, Silent};
use nir_data::{Source, Store, document_format, read_documents};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [source, dir] = arguments.as_slice() else {
        return Err("expected two arguments: a file of documents and a new folder".into());
    };
    let source: Source = source.parse()?;
    let format = document_format(&source)?;
    let start = Instant::now();
    Store::import(Path::new(dir), 0, &Silent, |import| {
        Ok(read_documents(&source, format, &mut |doc| Ok(import.add(doc)?)).map(drop)?)
    })?;
    println!("import: {:.2?}", start.elapsed());

    let start = Instant::now();
    let store = Store::open(Path::new(dir))?;
    println!("open: {:.2?}", start.elapsed());
    println!("{} documents, digest {}", store.len(), store.digest());
    Ok(())
}
