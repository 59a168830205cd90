//! Messages of Protocol Buffers.
//!
//! A message is a list of fields: a key, which is the field's number and how its value is written, and the value. The
//! number of bytes of a message within another stands before it.
//!
//! Source: <https://protobuf.dev/programming-guides/encoding/>.

/// Writes a number in groups of seven bits, the lowest first.
pub(crate) fn varint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// A field of a whole number.
pub(crate) fn whole(out: &mut Vec<u8>, field: u64, n: u64) {
    varint(out, field << 3);
    varint(out, n);
}

/// A field of a number that may be below 0, so that one near 0 is short: 0, -1, 1, -2 and so on are 0, 1, 2, 3.
pub(crate) fn signed(out: &mut Vec<u8>, field: u64, n: i64) {
    whole(out, field, (n << 1 ^ n >> 63) as u64);
}

/// A field of eight bytes.
pub(crate) fn fixed64(out: &mut Vec<u8>, field: u64, n: u64) {
    varint(out, field << 3 | 1);
    out.extend_from_slice(&n.to_le_bytes());
}

/// A field of a real number.
pub(crate) fn double(out: &mut Vec<u8>, field: u64, x: f64) {
    fixed64(out, field, x.to_bits());
}

/// A field of a text.
pub(crate) fn text(out: &mut Vec<u8>, field: u64, text: &str) {
    bytes(out, field, text.as_bytes());
}

/// A field of bytes, or of a message that is written already.
pub(crate) fn bytes(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    varint(out, field << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// A message that `body` writes. Its length is known at the end; most lengths take the one byte that is kept free.
pub(crate) fn message(out: &mut Vec<u8>, field: u64, body: impl FnOnce(&mut Vec<u8>)) {
    varint(out, field << 3 | 2);
    let at = out.len();
    out.push(0);
    body(out);
    let len = (out.len() - at - 1) as u64;
    match out.get_mut(at) {
        Some(place) if len < 0x80 => *place = len as u8,
        _ => {
            let mut bytes = Vec::new();
            varint(&mut bytes, len);
            out.splice(at..=at, bytes);
        }
    }
}

/// The value of a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum FieldValue<'b> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'b [u8]),
}

/// The fields of a message, up to the first that is cut off or of another kind.
pub(crate) fn fields(mut message: &[u8]) -> impl Iterator<Item = (u64, FieldValue<'_>)> {
    std::iter::from_fn(move || {
        let key = take_varint(&mut message)?;
        let value = match key & 7 {
            0 => FieldValue::Varint(take_varint(&mut message)?),
            1 => {
                let (eight, rest) = message.split_first_chunk()?;
                message = rest;
                FieldValue::Fixed64(u64::from_le_bytes(*eight))
            }
            2 => {
                let length = usize::try_from(take_varint(&mut message)?).ok()?;
                let (bytes, rest) = message.split_at_checked(length)?;
                message = rest;
                FieldValue::Bytes(bytes)
            }
            _ => return None,
        };
        Some((key >> 3, value))
    })
}

/// The numbers of a packed field.
pub(crate) fn packed(mut numbers: &[u8]) -> impl Iterator<Item = u64> {
    std::iter::from_fn(move || take_varint(&mut numbers))
}

fn take_varint(from: &mut &[u8]) -> Option<u64> {
    let mut n = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = from.split_first()?;
        *from = rest;
        n |= u64::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            return Some(n);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_groups_of_seven_bits() {
        for (n, expected) in [
            (0, &[0][..]),
            (127, &[127]),
            (128, &[0x80, 1]),
            (300, &[0xac, 2]),
            (u64::MAX, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1]),
        ] {
            let mut out = Vec::new();
            varint(&mut out, n);
            assert_eq!(out, expected);
            assert_eq!(packed(&out).collect::<Vec<_>>(), [n]);
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let mut out = Vec::new();
        message(&mut out, 3, |out| {
            whole(out, 1, 300);
            double(out, 2, 1.5);
        });
        // By hand, from the page above: 300 is ac 02, and 1.5 is 3ff8000000000000.
        assert_eq!(out, [0x1a, 12, 0x08, 0xac, 0x02, 0x11, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f]);
        let inner: Vec<_> = fields(&out).collect();
        let [(3, FieldValue::Bytes(inner))] = inner[..] else { panic!("{inner:?}") };
        let expected = [(1, FieldValue::Varint(300)), (2, FieldValue::Fixed64(1.5_f64.to_bits()))];
        assert_eq!(fields(inner).collect::<Vec<_>>(), expected);
        let mut long = Vec::new();
        message(&mut long, 1, |out| bytes(out, 2, &[7; 200]));
        assert_eq!(long[..6], [0x0a, 203, 1, 0x12, 200, 1]);
        assert_eq!(long.len(), 206);
    }

    #[test]
    fn what_is_cut_off_ends_the_fields() {
        for cut in [&[0x08][..], &[0x08, 0x80], &[0x09, 1, 2], &[0x12, 5, 1], &[0x0b], &[0xff; 20]] {
            assert_eq!(fields(cut).count(), 0, "{cut:?}");
        }
    }
}
