//! Messages of Protocol Buffers, read field by field.

/// The fields of a message, in their order.
#[derive(Clone, Debug, Default)]
pub struct Message(Vec<(u64, Field)>);

/// The value of a field.
#[derive(Clone, Debug)]
enum Field {
    Varint(u64),
    Fixed64([u8; 8]),
    Bytes(Vec<u8>),
}

impl Message {
    /// Reads a message; a wrong one fails the test.
    pub fn new(mut bytes: &[u8]) -> Self {
        let mut fields = Vec::new();
        while !bytes.is_empty() {
            let key = varint(&mut bytes);
            let field = match key % 8 {
                0 => Field::Varint(varint(&mut bytes)),
                1 => Field::Fixed64(take(&mut bytes, 8).try_into().unwrap()),
                2 => {
                    let length = varint(&mut bytes) as usize;
                    Field::Bytes(take(&mut bytes, length).to_vec())
                }
                other => panic!("a field of kind {other}"),
            };
            fields.push((key / 8, field));
        }
        Self(fields)
    }

    fn all(&self, number: u64) -> impl Iterator<Item = &Field> {
        self.0.iter().filter(move |(own, _)| *own == number).map(|(_, field)| field)
    }

    /// The messages in the fields of this number.
    pub fn messages(&self, number: u64) -> Vec<Message> {
        self.all_bytes(number).iter().map(|bytes| Message::new(bytes)).collect()
    }

    /// The message in the only field of this number.
    pub fn message(&self, number: u64) -> Message {
        let [only] = &self.messages(number)[..] else { panic!("not one field {number}: {self:?}") };
        only.clone()
    }

    pub fn all_bytes(&self, number: u64) -> Vec<Vec<u8>> {
        let bytes = |field: &Field| match field {
            Field::Bytes(bytes) => bytes.clone(),
            other => panic!("field {number} is {other:?}"),
        };
        self.all(number).map(bytes).collect()
    }

    pub fn text(&self, number: u64) -> String {
        String::from_utf8(self.all_bytes(number).concat()).expect("text")
    }

    pub fn number(&self, number: u64) -> Option<u64> {
        self.all(number).next().map(|field| match field {
            Field::Varint(n) => *n,
            Field::Fixed64(bytes) => u64::from_le_bytes(*bytes),
            Field::Bytes(_) => panic!("field {number} is {field:?}"),
        })
    }

    /// All numbers of a field that is not packed.
    pub fn numbers(&self, number: u64) -> Vec<u64> {
        let only = |field: &Field| Message(vec![(number, field.clone())]).number(number).unwrap();
        self.all(number).map(only).collect()
    }

    pub fn double(&self, number: u64) -> Option<f64> {
        self.number(number).map(f64::from_bits)
    }

    /// The numbers of a packed field of varints.
    pub fn packed(&self, number: u64) -> Vec<u64> {
        let bytes = self.all_bytes(number).concat();
        let (mut rest, mut numbers) = (&bytes[..], Vec::new());
        while !rest.is_empty() {
            numbers.push(varint(&mut rest));
        }
        numbers
    }

    /// The numbers of a packed field of eight bytes each.
    pub fn packed_64(&self, number: u64) -> Vec<u64> {
        let bytes = self.all_bytes(number).concat();
        bytes.chunks(8).map(|eight| u64::from_le_bytes(eight.try_into().unwrap())).collect()
    }
}

fn take<'b>(bytes: &mut &'b [u8], length: usize) -> &'b [u8] {
    let (taken, rest) = bytes.split_at(length);
    *bytes = rest;
    taken
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut n = 0;
    for at in 0.. {
        let byte = take(bytes, 1)[0];
        n |= u64::from(byte & 0x7f) << (7 * at);
        if byte < 0x80 {
            break;
        }
    }
    n
}
