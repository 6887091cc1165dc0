//! SentencePiece's model files: protocol buffers, of which a few fields are wanted.
//! `sentencepiece_model.proto` of google/sentencepiece names the fields; a field that is left out has its default.

/// A model of SentencePiece.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) pieces: Vec<Piece>,
    /// The kind of model: 1 is unigram, 2 is byte pairs.
    pub(super) kind: u64,
    pub(super) unk_id: u64,
    pub(super) byte_fallback: bool,
    /// The compiled rules by which characters are normalised.
    pub(super) charsmap: Vec<u8>,
}

/// One piece of a model.
#[derive(Debug, Default, Clone)]
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) score: f32,
    pub(super) kind: u64,
}

impl Piece {
    /// Whether the piece is a control token such as `<s>`, which never occurs in a text.
    pub(super) fn is_control(&self) -> bool {
        self.kind == 3
    }

    /// Whether the piece was defined by the user, so that it is never split.
    pub(super) fn is_user_defined(&self) -> bool {
        self.kind == 4
    }
}

/// The value of a field.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Fixed(u32),
    /// A value of eight bytes, which none of the fields used here has.
    Other,
}

type Parsed<T> = Result<T, String>;

impl Model {
    pub(super) fn parse(bytes: &[u8]) -> Parsed<Self> {
        let mut model = Self { kind: 1, ..Self::default() };
        fields(bytes, |number, field| match (number, field) {
            (1, Field::Bytes(piece)) => {
                model.pieces.push(Piece::parse(piece)?);
                Ok(())
            }
            (2, Field::Bytes(trainer)) => fields(trainer, |number, field| {
                match (number, field) {
                    (3, Field::Number(kind)) => model.kind = kind,
                    (35, Field::Number(fallback)) => model.byte_fallback = fallback != 0,
                    (40, Field::Number(id)) => model.unk_id = id,
                    _ => {}
                }
                Ok(())
            }),
            (3, Field::Bytes(normalizer)) => fields(normalizer, |number, field| {
                if let (2, Field::Bytes(map)) = (number, field) {
                    model.charsmap = map.to_vec();
                }
                Ok(())
            }),
            _ => Ok(()),
        })?;
        match model.pieces.is_empty() {
            true => Err("it has no pieces".to_owned()),
            false => Ok(model),
        }
    }
}

impl Piece {
    fn parse(bytes: &[u8]) -> Parsed<Self> {
        let mut piece = Self { kind: 1, ..Self::default() };
        fields(bytes, |number, field| {
            match (number, field) {
                (1, Field::Bytes(text)) => {
                    piece.text =
                        String::from_utf8(text.to_vec()).map_err(|error| error.to_string())?;
                }
                (2, Field::Fixed(score)) => piece.score = f32::from_bits(score),
                (3, Field::Number(kind)) => piece.kind = kind,
                _ => {}
            }
            Ok(())
        })?;
        Ok(piece)
    }
}

/// Calls `each` with the number and the value of every field of a message.
fn fields(mut bytes: &[u8], mut each: impl FnMut(u64, Field<'_>) -> Parsed<()>) -> Parsed<()> {
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let field = match key & 7 {
            0 => Field::Number(varint(&mut bytes)?),
            1 => {
                take(&mut bytes, 8)?;
                Field::Other
            }
            2 => {
                let length = varint(&mut bytes)?;
                let length = usize::try_from(length).map_err(|error| error.to_string())?;
                Field::Bytes(take(&mut bytes, length)?)
            }
            5 => {
                let fixed = take(&mut bytes, 4)?;
                Field::Fixed(u32::from_le_bytes(
                    fixed.try_into().expect("four bytes are four bytes"),
                ))
            }
            kind => return Err(format!("a field is of the kind {kind}")),
        };
        each(key >> 3, field)?;
    }
    Ok(())
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Parsed<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length).ok_or("it ends in the middle of a field")?;
    *bytes = rest;
    Ok(taken)
}

/// Reads an integer of variable length: seven bits in each byte, the lowest first; the eighth bit says that another
/// byte follows.
fn varint(bytes: &mut &[u8]) -> Parsed<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let [byte] = *take(bytes, 1)? else { unreachable!("one byte was taken") };
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err("a number is longer than ten bytes".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_field_by_field() {
        // Piece: 1 "a" (0x0a 1 'a'), 2 -1.5 (0x15, f32), 3 type 4; trainer: 3 kind 2, 40 unk 300 (0xc0 0x02 0xac 0x02)
        let mut piece = vec![0x0a, 1, b'a', 0x15];
        piece.extend((-1.5f32).to_le_bytes());
        piece.extend([0x18, 4]);
        let mut bytes = vec![0x0a, piece.len() as u8];
        bytes.extend(&piece);
        bytes.extend([0x12, 6, 0x18, 2, 0xc0, 0x02, 0xac, 0x02]);
        let model = Model::parse(&bytes).unwrap();
        assert_eq!((model.kind, model.unk_id, model.byte_fallback), (2, 300, false));
        let Piece { text, score, .. } = &model.pieces[0];
        assert_eq!((text.as_str(), *score), ("a", -1.5));
        assert!(model.pieces[0].is_user_defined());
        for cut in 1..bytes.len() {
            let _ = Model::parse(&bytes[..cut]); // an error or a shorter model, and never a panic
        }
        assert!(
            Model::parse(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]).is_err()
        );
        assert!(Model::parse(b"version https://").is_err());
    }
}
