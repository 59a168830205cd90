//! The HyperLogLog sketches of a set as bytes that a snapshot keeps.
//!
//! The crate that reads them takes counts and sums as they are saved, and panics or gives NaN later where they are wrong. So
//! only bytes are read whose counts and sums are those of the registers behind them.
//!
//! The format: <https://github.com/apache/datasketches-java/blob/main/src/main/java/org/apache/datasketches/hll/PreambleUtil.java>.

use datasketches::hll::HllSketch;

/// The numbers of the head: how long it is, version, family, logarithm of the number of registers, logarithm of the room for
/// coupons, flags, count, mode.
const HEAD: usize = 8;

/// The modes of sketches with a byte for each register: coupons in a list, coupons in a set, registers.
const LIST: u8 = 8;
const SET: u8 = 9;
const REGISTERS: u8 = 10;

/// The flag of coupons without gaps, and that of a sketch without any.
const COMPACT: u8 = 8;
const EMPTY: u8 = 4;

/// The largest register.
const LARGEST: u8 = 63;

/// The bytes of a sketch, which [`read`] takes.
pub(super) fn written(sketch: &HllSketch) -> Vec<u8> {
    sketch.serialize()
}

/// The sketch of these bytes, which may be any; `None`: they are none of a sketch with 2^`log_registers` registers.
pub(super) fn read(bytes: &[u8], log_registers: u8) -> Option<HllSketch> {
    let (&[_, _, _, log_k, _, flags, count, mode], rest) = bytes.split_first_chunk::<HEAD>()?;
    let is_sound = log_k == log_registers
        && match mode {
            LIST => flags & !EMPTY == COMPACT && rest.len() == 4 * usize::from(count) && are_coupons(rest),
            SET => {
                let (len, coupons) = rest.split_first_chunk()?;
                flags == COMPACT
                    && coupons.len() as u64 == 4 * u64::from(u32::from_le_bytes(*len))
                    && are_coupons(coupons)
            }
            REGISTERS => flags == 0 && count == 0 && are_registers(rest, log_registers)?,
            _ => false,
        };
    is_sound.then(|| HllSketch::deserialize(bytes).ok())?
}

/// Whether no coupon has the value 0, which a coupon of no member would have.
fn are_coupons(bytes: &[u8]) -> bool {
    bytes.as_chunks().0.iter().all(|coupon| u32::from_le_bytes(*coupon) >> 26 != 0)
}

/// Whether what is before the registers agrees with them: the estimate so far, the sums of 2^-register up to 31 and above,
/// how many are 0, and an unused number. Each sum has few enough bits to be exact in any order.
fn are_registers(bytes: &[u8], log_registers: u8) -> Option<bool> {
    let (estimate, rest) = bytes.split_first_chunk()?;
    let (low, rest) = rest.split_first_chunk()?;
    let (high, rest) = rest.split_first_chunk()?;
    let (zeros, rest) = rest.split_first_chunk()?;
    let (_, registers) = rest.split_first_chunk::<4>()?;
    let estimate = f64::from_le_bytes(*estimate);
    let sum = |of: &dyn Fn(u8) -> bool| -> f64 {
        registers.iter().filter(|register| of(**register)).map(|register| 0.5_f64.powi((*register).into())).sum()
    };
    let is_zero = registers.iter().filter(|register| **register == 0).count();
    Some(
        registers.len() == 1 << log_registers
            && registers.iter().all(|register| *register <= LARGEST)
            && (0.0..=f64::MAX).contains(&estimate)
            && f64::from_le_bytes(*low) == sum(&|register| register < 32)
            && f64::from_le_bytes(*high) == sum(&|register| register >= 32)
            && u32::from_le_bytes(*zeros) as usize == is_zero,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use datasketches::hll::HllType;

    fn sketch(members: u32) -> HllSketch {
        let mut sketch = HllSketch::new(12, HllType::Hll8).expect("a size");
        (0..members).for_each(|member| sketch.update(member));
        sketch
    }

    #[test]
    fn every_sketch_is_read_as_it_was_written() {
        for members in [0, 1, 7, 8, 30, 300, 500, 5000, 100_000] {
            let mut written = sketch(members);
            let mut read = read(&super::written(&written), 12).expect("a sketch");
            assert_eq!(read.estimate(), written.estimate(), "{members}");
            // It goes on as the other does.
            for member in members..members + 1000 {
                written.update(member);
                read.update(member);
            }
            assert_eq!(read.estimate(), written.estimate(), "{members}");
        }
    }

    #[test]
    fn bytes_that_do_not_agree_with_each_other_are_refused() {
        let registers = written(&sketch(5000));
        // Of the type, the flags, the mode, each sum, the number of zeros, a register.
        for (at, bit) in [(3, 1), (5, 16), (7, 4), (15, 128), (16, 1), (24, 1), (32, 1), (40, 64), (1000, 1)] {
            let mut bytes = registers.clone();
            bytes[at] ^= bit;
            assert!(read(&bytes, 12).is_none(), "{at}");
        }
        for members in [5, 100] {
            let coupons = written(&sketch(members));
            let mut bytes = coupons.clone();
            let at = bytes.len() - 4;
            bytes[at..].fill(0);
            assert!(read(&bytes, 12).is_none(), "a coupon that is none");
            assert!(read(&coupons[..at], 12).is_none(), "a coupon too few");
        }
        assert!(read(&registers, 11).is_none() && read(&registers[..4000], 12).is_none() && read(&[], 12).is_none());
    }
}
