//! Weights as PyTorch saved them before 1.6 (2020): pickles one after the other, then the numbers.
//!
//! ```text
//! pickle   0x1950a86a20f9469cfc6c            what the file is
//! pickle   1001                              the version of the format
//! pickle   {little_endian: True, …}          the machine
//! pickle   {name: tensor, …}                 a tensor is a call of `_rebuild_tensor_v2` over a storage's key
//! pickle   [key, …]                          the storages, in the order in which they follow
//! for each key: count (i64), count numbers
//! ```
//!
//! A pickle is a program for a stack machine that may call any function of Python's. Here nothing is called: the machine
//! below knows data and the few names that tensors are made of, a call stays written down as one, and every other name
//! is an error when a tensor is to be made of it. Values lie in one list and name each other by their places in it, so that
//! a small file cannot grow large, and a deep one costs no stack.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};

use crate::{Error, Result};

/// The first pickle of a file, which identifies the format: protocol 2, a long integer of ten bytes.
const MAGIC: [u8; 15] =
    [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.'];

/// The largest length of a string, in bytes; the name of a tensor is never longer.
const LONGEST: usize = 1 << 20;

/// The largest number of axes of a tensor; no weight has more.
const AXES: usize = 8;

/// A file of tensors, of which only the names, shapes and places have been read.
#[derive(Debug)]
pub(crate) struct Archive {
    path: PathBuf,
    tensors: BTreeMap<String, Place>,
}

/// The place of a tensor's numbers in the file.
#[derive(Debug, Clone, PartialEq)]
struct Place {
    dtype: DType,
    /// The position in the file of the first number of the tensor's storage, in bytes.
    start: u64,
    /// The number of numbers in the storage.
    count: usize,
    /// The number of numbers in the storage before the tensor's first.
    offset: usize,
    shape: Vec<usize>,
    stride: Vec<usize>,
}

/// The index of a value in its pickle.
type Id = usize;

/// A value that a pickle makes.
#[derive(Debug, Clone)]
enum Value {
    None,
    Int(i64),
    Text(String),
    /// The name of a Python object, `module.name`.
    Name(String),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// A call that is recorded and not made: the object and its arguments.
    Call(Id, Id),
    /// A reference to something that is stored outside the pickle.
    Stored(Id),
}

/// The outcome of a pickle: all values, and the index of its result.
#[derive(Debug)]
struct Pickle {
    values: Vec<Value>,
    top: Id,
}

impl Pickle {
    fn top(&self) -> &Value {
        &self.values[self.top]
    }

    /// The elements of a value, if it is a tuple.
    fn tuple(&self, id: Id) -> Option<Vec<&Value>> {
        match &self.values[id] {
            Value::Tuple(parts) => Some(parts.iter().map(|&part| &self.values[part]).collect()),
            _ => None,
        }
    }
}

/// A value, or what is wrong with the file.
type Parsed<T> = std::result::Result<T, String>;

/// Whether a file that starts with these bytes is of this format.
pub(crate) fn is_legacy(start: &[u8]) -> bool {
    start.starts_with(&MAGIC)
}

impl Archive {
    /// Reads names, shapes and places of all tensors, but not their numbers.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let broken = |problem: String| {
            Error::file(
                path,
                format!("no complete PyTorch file of before 1.6 ({problem}); fetch it again"),
            )
        };
        let file =
            File::open(path).map_err(|source| Error::Io { path: path.to_owned(), source })?;
        let tensors = contents(file).map_err(broken)?;
        Ok(Self { path: path.to_owned(), tensors })
    }

    /// The names and shapes of all tensors.
    pub(crate) fn shapes(&self) -> impl Iterator<Item = (&String, &Vec<usize>)> {
        self.tensors.iter().map(|(name, place)| (name, &place.shape))
    }

    /// Reads the tensor with this name.
    pub(crate) fn read(&self, name: &str, device: &Device) -> Result<Tensor> {
        let place = &self.tensors[name];
        let bytes = place
            .bytes(&self.path)
            .map_err(|source| Error::Io { path: self.path.clone(), source })?;
        Ok(Tensor::from_raw_buffer(&bytes, place.dtype, &place.shape, device)?)
    }
}

impl Place {
    /// Reads the numbers of the tensor, row by row, following its strides.
    fn bytes(&self, path: &Path) -> std::io::Result<Vec<u8>> {
        let width = self.dtype.size_in_bytes();
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(self.start + (self.offset * width) as u64))?;
        let mut stored = vec![0; (self.reach() - self.offset) * width];
        file.read_exact(&mut stored)?;
        if self.is_contiguous() {
            return Ok(stored);
        }
        let mut bytes = Vec::with_capacity(self.shape.iter().product::<usize>() * width);
        self.gather(0, 0, &mut |at| bytes.extend_from_slice(&stored[at * width..][..width]));
        Ok(bytes)
    }

    fn gather(&self, axis: usize, at: usize, take: &mut impl FnMut(usize)) {
        let Some(&length) = self.shape.get(axis) else { return take(at) };
        for i in 0..length {
            self.gather(axis + 1, at + i * self.stride[axis], take);
        }
    }

    fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        self.shape.iter().zip(&self.stride).rev().all(|(&length, &stride)| {
            let fits = length == 1 || stride == expected;
            expected *= length;
            fits
        })
    }

    /// The index after the last number of the storage that the tensor uses.
    fn reach(&self) -> usize {
        if self.shape.contains(&0) {
            return self.offset;
        }
        let steps = self.shape.iter().zip(&self.stride);
        self.offset + 1 + steps.map(|(&length, &stride)| (length - 1) * stride).sum::<usize>()
    }

    /// Fails if the tensor reaches beyond its storage, or has more numbers than the storage.
    fn checked(self, name: &str) -> Parsed<Self> {
        let numbers = self.shape.iter().try_fold(1usize, |all, &length| all.checked_mul(length));
        let steps =
            self.shape.iter().zip(&self.stride).try_fold(self.offset, |at, (&length, &stride)| {
                at.checked_add(length.saturating_sub(1).checked_mul(stride)?)
            });
        let inside = self.shape.contains(&0) || steps.is_some_and(|last| last < self.count);
        // A tensor that is larger than its storage repeats it (`expand`): weights do not.
        match inside && numbers.is_some_and(|numbers| numbers <= self.count) {
            true => Ok(self),
            false => Err(format!("`{name}` reaches beyond its {} numbers", self.count)),
        }
    }
}

/// Reads the places of all tensors of a file, by name.
fn contents(file: File) -> Parsed<BTreeMap<String, Place>> {
    let length = file.metadata().map_err(|error| error.to_string())?.len();
    let mut reader = BufReader::new(file);
    let mut magic = [0; MAGIC.len()];
    reader.read_exact(&mut magic).map_err(|error| error.to_string())?;
    let version = pickle(&mut reader)?;
    if !matches!(version.top(), Value::Int(1001)) {
        return Err(format!("its version is {:?}, expected 1001", version.top()));
    }
    check_machine(&pickle(&mut reader)?)?;
    let tensors = tensors(&pickle(&mut reader)?)?;
    let starts = starts(&mut reader, &tensors, length)?;
    tensors.into_iter().map(|(name, tensor)| tensor.place(name, &starts)).collect()
}

fn check_machine(machine: &Pickle) -> Parsed<()> {
    let Value::Dict(entries) = machine.top() else { return Err("it names no machine".to_owned()) };
    let little = |&(key, value): &(Id, Id)| match (&machine.values[key], &machine.values[value]) {
        (Value::Text(key), Value::Int(value)) if key == "little_endian" => Some(*value),
        _ => None,
    };
    match entries.iter().find_map(little) {
        Some(0) => Err("it was saved on a machine of the other byte order".to_owned()),
        _ => Ok(()),
    }
}

/// The position of the first number of each storage. A storage that no tensor uses is an error, as the size of its
/// numbers is unknown and it cannot be skipped.
fn starts(
    reader: &mut BufReader<File>,
    tensors: &[(String, Rebuilt)],
    length: u64,
) -> Parsed<HashMap<String, u64>> {
    let storages: HashMap<&str, (DType, usize)> =
        tensors.iter().map(|(_, x)| (x.key.as_str(), (x.dtype, x.count))).collect();
    let keys = pickle(reader)?;
    let Value::List(list) = keys.top() else { return Err("it lists no storages".to_owned()) };
    let mut at = reader.stream_position().map_err(|error| error.to_string())?;
    let mut starts = HashMap::new();
    for &key in list {
        let Value::Text(key) = &keys.values[key] else {
            return Err("a storage has no key".to_owned());
        };
        let &(dtype, count) = storages
            .get(key.as_str())
            .ok_or_else(|| format!("no tensor names the storage `{key}`"))?;
        reader.seek(SeekFrom::Start(at)).map_err(|error| error.to_string())?;
        let written = u64::from_le_bytes(bytes(reader)?);
        if written != count as u64 {
            return Err(format!("the storage `{key}` has {written} numbers, expected {count}"));
        }
        starts.insert(key.clone(), at + 8);
        let width = (count as u64).checked_mul(dtype.size_in_bytes() as u64);
        let end = width.and_then(|width| (at + 8).checked_add(width));
        at = end.filter(|&end| end <= length).ok_or("it ends before its numbers do")?;
    }
    Ok(starts)
}

/// A tensor as the pickle describes it.
#[derive(Debug)]
struct Rebuilt {
    key: String,
    dtype: DType,
    count: usize,
    offset: usize,
    shape: Vec<usize>,
    stride: Vec<usize>,
}

impl Rebuilt {
    fn place(self, name: String, starts: &HashMap<String, u64>) -> Parsed<(String, Place)> {
        let start = *starts.get(&self.key).ok_or_else(|| format!("`{name}` has no numbers"))?;
        let Self { dtype, count, offset, shape, stride, .. } = self;
        let place = Place { dtype, start, count, offset, shape, stride }.checked(&name)?;
        Ok((name, place))
    }
}

/// The tensors of a state dictionary; entries of other types, such as a number of steps, are skipped.
fn tensors(state: &Pickle) -> Parsed<Vec<(String, Rebuilt)>> {
    let Value::Dict(entries) = state.top() else {
        return Err(
            "it holds a whole object and not its weights; save its `state_dict()`".to_owned()
        );
    };
    let named = entries.iter().filter_map(|&(key, value)| match &state.values[key] {
        Value::Text(name) if matches!(state.values[value], Value::Call(..)) => Some((name, value)),
        _ => None,
    });
    let tensor = |(name, value): (&String, Id)| {
        let tensor = rebuilt(state, value).map_err(|problem| format!("`{name}`: {problem}"))?;
        Ok((name.clone(), tensor))
    };
    let tensors: Vec<_> = named.map(tensor).collect::<Parsed<_>>()?;
    match tensors.is_empty() {
        true => Err("it has no tensors at its top".to_owned()),
        false => Ok(tensors),
    }
}

fn rebuilt(state: &Pickle, mut id: Id) -> Parsed<Rebuilt> {
    let mut wrapped = false;
    loop {
        let Value::Call(callable, arguments) = state.values[id] else {
            return Err("it is no tensor".to_owned());
        };
        let (Value::Name(name), Value::Tuple(ids)) =
            (&state.values[callable], &state.values[arguments])
        else {
            return Err("it is no tensor".to_owned());
        };
        match name.as_str() {
            // A parameter is a tensor with two facts about its gradient.
            "torch._utils._rebuild_parameter" if !wrapped && !ids.is_empty() => {
                (id, wrapped) = (ids[0], true);
            }
            "torch._utils._rebuild_tensor_v2" | "torch._utils._rebuild_tensor" => {
                return tensor(state, ids);
            }
            name => return Err(format!("it is made by `{name}`, which is never called here")),
        }
    }
}

/// Reads the arguments `(storage, offset, shape, stride, …)` of `_rebuild_tensor_v2`.
fn tensor(state: &Pickle, ids: &[Id]) -> Parsed<Rebuilt> {
    let [stored, offset, shape, stride, ..] = ids else {
        return Err("its tensor has no parts".to_owned());
    };
    let Value::Stored(stored) = state.values[*stored] else {
        return Err("its numbers are not stored".to_owned());
    };
    let (key, dtype, count) = storage(state, stored)?;
    let sizes = |id: &Id| -> Parsed<Vec<usize>> {
        let sizes = state.tuple(*id).ok_or("its shape is no tuple")?;
        sizes.into_iter().map(size).collect()
    };
    let (shape, stride) = (sizes(shape)?, sizes(stride)?);
    if shape.len() != stride.len() || shape.len() > AXES {
        return Err(format!("{} axes and {} strides", shape.len(), stride.len()));
    }
    Ok(Rebuilt { key, dtype, count, offset: size(&state.values[*offset])?, shape, stride })
}

/// Reads the reference `('storage', torch.FloatStorage, key, 'cpu', count, …)`.
fn storage(state: &Pickle, id: Id) -> Parsed<(String, DType, usize)> {
    let parts = state.tuple(id).ok_or("its storage has no parts")?;
    let [Value::Text(_), Value::Name(kind), Value::Text(key), _, count, ..] = parts[..] else {
        return Err("its storage is written in another way".to_owned());
    };
    let known = DTYPES.iter().find(|(name, _)| name == kind);
    let (_, dtype) = known.ok_or_else(|| format!("numbers of `{kind}` are not read"))?;
    Ok((key.clone(), *dtype, size(count)?))
}

/// The number type of each class of storages.
const DTYPES: [(&str, DType); 8] = [
    ("torch.FloatStorage", DType::F32),
    ("torch.DoubleStorage", DType::F64),
    ("torch.HalfStorage", DType::F16),
    ("torch.BFloat16Storage", DType::BF16),
    ("torch.LongStorage", DType::I64),
    ("torch.IntStorage", DType::I32),
    ("torch.ByteStorage", DType::U8),
    ("torch.BoolStorage", DType::U8),
];

fn size(value: &Value) -> Parsed<usize> {
    match value {
        Value::Int(size) => usize::try_from(*size).map_err(|_| format!("a size is {size}")),
        _ => Err("a size is no number".to_owned()),
    }
}

/// Runs one pickle to its end.
fn pickle(reader: &mut impl BufRead) -> Parsed<Pickle> {
    let mut machine = Machine::default();
    loop {
        let [code] = bytes(reader)?;
        if code == b'.' {
            let top = machine.pop()?;
            return Ok(Pickle { values: machine.values, top });
        }
        machine.step(code, reader)?;
    }
}

fn bytes<const N: usize>(reader: &mut impl Read) -> Parsed<[u8; N]> {
    let mut bytes = [0; N];
    reader.read_exact(&mut bytes).map_err(|error| error.to_string())?;
    Ok(bytes)
}

fn text(reader: &mut impl Read, length: usize) -> Parsed<Value> {
    if length > LONGEST {
        return Err(format!("a string of {length} bytes"));
    }
    let mut text = vec![0; length];
    reader.read_exact(&mut text).map_err(|error| error.to_string())?;
    String::from_utf8(text).map(Value::Text).map_err(|error| error.to_string())
}

fn line(reader: &mut impl BufRead) -> Parsed<String> {
    let mut line = Vec::new();
    let mut limited = reader.take(LONGEST as u64);
    limited.read_until(b'\n', &mut line).map_err(|error| error.to_string())?;
    let line = String::from_utf8(line).map_err(|error| error.to_string())?;
    Ok(line.trim_end().to_owned())
}

/// The stack machine that executes pickles of protocols 0 to 2.
#[derive(Default)]
struct Machine {
    values: Vec<Value>,
    /// The stack; `None` is a mark.
    stack: Vec<Option<Id>>,
    memo: HashMap<u32, Id>,
}

const EMPTY: &str = "it takes more than it has";

impl Machine {
    fn push(&mut self, value: Value) {
        self.values.push(value);
        self.stack.push(Some(self.values.len() - 1));
    }

    fn pop(&mut self) -> Parsed<Id> {
        self.stack.pop().flatten().ok_or_else(|| EMPTY.to_owned())
    }

    fn last(&self) -> Parsed<Id> {
        self.stack.last().copied().flatten().ok_or_else(|| EMPTY.to_owned())
    }

    /// Removes the values above the last mark, and the mark, and returns the values.
    fn above_mark(&mut self) -> Parsed<Vec<Id>> {
        let mark = self.stack.iter().rposition(Option::is_none);
        let above = self.stack.split_off(mark.ok_or("it looks for a mark that is not there")? + 1);
        self.stack.pop();
        Ok(above.into_iter().flatten().collect())
    }

    fn push_tuple(&mut self, count: usize) -> Parsed<()> {
        let parts: Parsed<Vec<Id>> = (0..count).map(|_| self.pop()).collect();
        self.push(Value::Tuple(parts?.into_iter().rev().collect()));
        Ok(())
    }

    /// Executes one operation. Their names are those of Python's `pickletools`.
    fn step(&mut self, code: u8, reader: &mut impl BufRead) -> Parsed<()> {
        match code {
            0x80 => drop(bytes::<1>(reader)?), // PROTO
            b'(' => self.stack.push(None),
            b'0' => drop(self.pop()?),
            b'N' => self.push(Value::None),
            0x88 => self.push(Value::Int(1)), // NEWTRUE
            0x89 => self.push(Value::Int(0)), // NEWFALSE
            b'K' | b'M' | b'J' | b'I' | 0x8a => {
                let number = integer(code, reader)?;
                self.push(Value::Int(number));
            }
            b'G' => {
                bytes::<8>(reader)?; // BINFLOAT: no size and no name is one
                self.push(Value::None);
            }
            b'X' | b'T' | b'U' => {
                let length = match code {
                    b'U' => usize::from(bytes::<1>(reader)?[0]),
                    _ => u32::from_le_bytes(bytes(reader)?) as usize,
                };
                let text = text(reader, length)?;
                self.push(text);
            }
            b'c' => {
                let name = format!("{}.{}", line(reader)?, line(reader)?);
                self.push(Value::Name(name));
            }
            b'q' | b'r' | b'h' | b'j' => self.remember(code, reader)?,
            b')' => self.push(Value::Tuple(Vec::new())),
            0x85..=0x87 => self.push_tuple(usize::from(code - 0x84))?, // TUPLE1, TUPLE2, TUPLE3
            b't' => {
                let parts = self.above_mark()?;
                self.push(Value::Tuple(parts));
            }
            b']' => self.push(Value::List(Vec::new())),
            b'}' => self.push(Value::Dict(Vec::new())),
            b'a' | b'e' | b's' | b'u' => self.extend(code)?,
            b'Q' => {
                let stored = self.pop()?;
                self.push(Value::Stored(stored));
            }
            b'R' | 0x81 => self.call()?, // REDUCE, NEWOBJ
            b'b' => drop(self.pop()?), // BUILD: attributes, such as an ordered dictionary's `_metadata`
            code => return Err(format!("operation {code:#04x} is not one of a file of weights")),
        }
        Ok(())
    }

    /// Executes BINPUT, LONG_BINPUT, BINGET or LONG_BINGET.
    fn remember(&mut self, code: u8, reader: &mut impl Read) -> Parsed<()> {
        let number = match code {
            b'q' | b'h' => u32::from(bytes::<1>(reader)?[0]),
            _ => u32::from_le_bytes(bytes(reader)?),
        };
        if matches!(code, b'q' | b'r') {
            self.memo.insert(number, self.last()?);
            return Ok(());
        }
        let id = *self.memo.get(&number).ok_or("it recalls what it never kept")?;
        self.stack.push(Some(id));
        Ok(())
    }

    /// Executes APPEND, APPENDS, SETITEM or SETITEMS.
    fn extend(&mut self, code: u8) -> Parsed<()> {
        let added = match code {
            b'a' => vec![self.pop()?],
            b's' => {
                let value = self.pop()?;
                vec![self.pop()?, value]
            }
            _ => self.above_mark()?,
        };
        let last = self.last()?;
        match &mut self.values[last] {
            Value::List(list) if matches!(code, b'a' | b'e') => list.extend(added),
            Value::Dict(dict) if matches!(code, b's' | b'u') => dict.extend(pairs(&added)),
            // Entries of an object that is nothing to us.
            _ => {}
        }
        Ok(())
    }

    /// Executes a call. An `OrderedDict` becomes a dictionary, which is empty or has the pairs that Python 2 passes to
    /// it; every other call is only recorded.
    fn call(&mut self) -> Parsed<()> {
        let (arguments, callable) = (self.pop()?, self.pop()?);
        let value = match &self.values[callable] {
            Value::Name(name) if name == "collections.OrderedDict" => self.dictionary(arguments),
            _ => Value::Call(callable, arguments),
        };
        self.push(value);
        Ok(())
    }

    fn dictionary(&self, arguments: Id) -> Value {
        let parts = |id: Id| match &self.values[id] {
            Value::Tuple(parts) | Value::List(parts) => &parts[..],
            _ => &[],
        };
        let entries = parts(arguments).first().map_or(&[][..], |&entries| parts(entries));
        let pair = |&id: &Id| match *parts(id) {
            [key, value] => Some((key, value)),
            _ => None,
        };
        Value::Dict(entries.iter().filter_map(pair).collect())
    }
}

/// Executes BININT1, BININT2, BININT, INT or LONG1.
fn integer(code: u8, reader: &mut impl BufRead) -> Parsed<i64> {
    Ok(match code {
        b'K' => i64::from(bytes::<1>(reader)?[0]),
        b'M' => i64::from(u16::from_le_bytes(bytes(reader)?)),
        b'J' => i64::from(i32::from_le_bytes(bytes(reader)?)),
        b'I' => {
            let line = line(reader)?;
            line.parse().map_err(|_| format!("`{line}` is no number"))?
        }
        _ => {
            let length = usize::from(bytes::<1>(reader)?[0]);
            let mut number = [0; 255];
            reader.read_exact(&mut number[..length]).map_err(|error| error.to_string())?;
            let sign = if length > 0 && number[length - 1] >= 0x80 { 0xff } else { 0 };
            number[length..].fill(sign);
            i64::from_le_bytes(number[..8].try_into().expect("eight bytes are eight bytes"))
        }
    })
}

fn pairs(ids: &[Id]) -> impl Iterator<Item = (Id, Id)> {
    ids.chunks_exact(2).map(|pair| (pair[0], pair[1]))
}
