//! Plaintexts: integers of up to 2048 bits, whatever type they are of.

use tfhe::integer::bigint::U2048;

const LIMBS: usize = 32;
const DECIMAL_DIGITS: usize = 18;

fn limbs_of(value: U2048) -> [u64; LIMBS] {
    let mut bytes = [0; 8 * LIMBS];
    value.copy_to_le_byte_slice(&mut bytes);
    std::array::from_fn(|i| u64::from_le_bytes(std::array::from_fn(|j| bytes[8 * i + j])))
}

/// The low `bits` bits of a value.
pub fn truncate(value: U2048, bits: usize) -> U2048 {
    let mut limbs = limbs_of(value);
    for (i, limb) in limbs.iter_mut().enumerate() {
        let kept = bits.saturating_sub(64 * i);
        if kept < 64 {
            *limb &= (1 << kept) - 1;
        }
    }
    U2048::from(limbs)
}

/// Decimal text.
pub fn decimal(value: U2048) -> String {
    let mut limbs = limbs_of(value);
    let base = 10u128.pow(DECIMAL_DIGITS as u32);
    let mut groups = Vec::new();
    while limbs.iter().any(|limb| *limb != 0) {
        let mut rest = 0u128;
        for limb in limbs.iter_mut().rev() {
            let dividend = (rest << 64) | u128::from(*limb);
            *limb = (dividend / base) as u64;
            rest = dividend % base;
        }
        groups.push(rest);
    }
    let Some(top) = groups.pop() else {
        return "0".into();
    };
    let mut text = top.to_string();
    for group in groups.iter().rev() {
        text.push_str(&format!("{group:0DECIMAL_DIGITS$}"));
    }
    text
}

/// Plaintexts that depend on a seed alone (SplitMix64 from an FNV-1a hash): they
/// are no secrets.
pub struct Values {
    state: u64,
}

impl Values {
    pub fn new(seed: &str) -> Self {
        let state = seed.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self { state }
    }

    fn word(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A value of `bits` bits.
    pub fn draw(&mut self, bits: usize) -> U2048 {
        let limbs: [u64; LIMBS] = std::array::from_fn(|_| self.word());
        truncate(U2048::from(limbs), bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_text_keeps_the_zeros_between_groups() {
        let value = U2048::from(10u128.pow(37) + 42);
        assert_eq!(decimal(value), "10000000000000000000000000000000000042");
        assert_eq!(decimal(U2048::from(0u64)), "0");
    }

    #[test]
    fn truncation_keeps_the_low_bits_across_limbs() {
        let ones = U2048::from([u64::MAX; LIMBS]);
        assert_eq!(
            decimal(truncate(ones, 65)),
            (u128::from(u64::MAX) * 2 + 1).to_string()
        );
        assert_eq!(decimal(truncate(ones, 0)), "0");
    }
}
