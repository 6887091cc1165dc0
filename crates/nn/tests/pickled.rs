//! Weights as PyTorch saved them before 1.6, against what PyTorch reads in them (`tests/oracles/pickled.py`). Nothing in
//! such a file is executed, and none makes the program fall over.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fs;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use nir_nn::checkpoint::Weights;
use nir_nn::{Backend, Tensors, tensors};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// Takes every tensor of a file that has the names and shapes of another.
fn read(path: &Path, like: &[(String, Tensor)]) -> Result<Vec<Tensor>, String> {
    let weights = Weights::PyTorch(vec![path.to_owned()]);
    let take = |tensors: &mut Tensors| -> nir_nn::Result<Vec<Tensor>> {
        like.iter().map(|(name, tensor)| tensors.take(name, tensor.dims())).collect()
    };
    Tensors::load(&weights, "it", &Backend::reference(), &["*".to_owned()], take)
        .map_err(|error| error.to_string())
}

fn theirs(path: &Path) -> Vec<(String, Tensor)> {
    let mut all: Vec<_> =
        candle_core::safetensors::load(path, &Device::Cpu).unwrap().into_iter().collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

#[test]
fn every_view_and_type_is_read_as_pytorch_reads_it() {
    for (pickled, safe) in [
        ("pickled/weights.bin", "pickled/weights.safetensors"),
        ("modules/old-layout/pytorch_model.bin", "modules/base/model.safetensors"),
    ] {
        let expected = theirs(&fixture(safe));
        let names = tensors::names(&Weights::PyTorch(vec![fixture(pickled)])).unwrap();
        let known: Vec<&String> = expected.iter().map(|(name, _)| name).collect();
        assert_eq!(names.iter().collect::<Vec<_>>(), known);
        let found = read(&fixture(pickled), &expected).unwrap();
        for (found, (name, expected)) in found.iter().zip(&expected) {
            let flat = |tensor: &Tensor| -> Vec<f32> {
                tensor.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap()
            };
            assert_eq!(flat(found), flat(expected), "{name}");
        }
    }
}

#[test]
fn what_is_no_file_of_weights_is_called_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let error = |bytes: &[u8]| {
        let path = folder.path().join("pytorch_model.bin");
        fs::write(&path, bytes).unwrap();
        read(&path, &[]).unwrap_err()
    };
    let whole = fs::read(fixture("pickled/weights.bin")).unwrap();
    let object = fs::read(fixture("pickled/whole-object.bin")).unwrap();
    let mut tar = vec![0; 600];
    tar[257..262].copy_from_slice(b"ustar");
    for (bytes, part) in [
        (&whole[..whole.len() - 1], "it ends before its numbers do"),
        (&whole[..200], "no complete PyTorch file of before 1.6"),
        (&object[..], "a whole object and not its weights; save its `state_dict()`"),
        (&tar[..], "a tar archive, as PyTorch saved weights before 0.1.10; convert it"),
        (b"<html>", "no PyTorch file: neither the zip archive of 1.6 and later"),
        (b"PK\x03\x04", "no complete PyTorch file"),
    ] {
        let error = error(bytes);
        assert!(error.contains(part), "`{part}` is not in: {error}");
    }
}

/// Damage anywhere before the numbers gives an error or other tensors, and never a panic or a large allocation.
#[test]
fn a_damaged_file_is_no_danger() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pytorch_model.bin");
    let whole = fs::read(fixture("pickled/weights.bin")).unwrap();
    let expected = theirs(&fixture("pickled/weights.safetensors"));
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= [0x01, 0x80, 0xff][at % 3];
        fs::write(&path, &bytes).unwrap();
        let _ = read(&path, &expected);
    }
}

/// A pickle that doubles a tuple again and again, and one that is nested a million times: both are small files.
#[test]
fn a_small_file_stays_small() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pytorch_model.bin");
    let whole = fs::read(fixture("pickled/weights.bin")).unwrap();
    let magic = &whole[..15];
    let doubling: Vec<u8> = (0..200).flat_map(|_| [b'q', 0, b'h', 0, 0x86]).collect();
    let nesting = vec![0x85; 1_000_000];
    for inner in [doubling, nesting] {
        let bytes = [magic, &[0x80, 2, b'N'], &inner, b"."].concat();
        fs::write(&path, bytes).unwrap();
        let error = read(&path, &[]).unwrap_err();
        assert!(error.contains("its version is Tuple"), "{}", &error[..200.min(error.len())]);
    }
}
