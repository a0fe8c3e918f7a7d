//! Operations on encrypted inputs, each with the plaintext it must give.

use crate::clear::truncate;
use crate::files::{save, value};
use crate::types::Type;
use crate::{with_uint, Result};
use serde::Serialize;
use std::path::Path;
use tfhe::integer::bigint::U2048;
use tfhe::named::Named;
use tfhe::prelude::*;
use tfhe::*;

/// Up to this size products, comparisons and selections are made besides sums.
const WIDEST_PRODUCT: usize = 64;

/// A wrong key for randomness goes unnoticed with probability 2^-16.
const RANDOM_BITS: u128 = 16;

/// The library's integers that can be written.
pub trait UintId: FheUintId + Serialize + Versionize + Unversionize + 'static {}

impl<Id: FheUintId + Serialize + Versionize + Unversionize + 'static> UintId for Id {}

/// A ciphertext of any type that fhEVM has.
pub trait Ciphertext {
    fn object(&self) -> &'static str;
    fn save(&self, path: &Path) -> Result<()>;
    fn push_into(&self, list: &mut CompressedCiphertextListBuilder);
    /// The first element of a list, which is of the same type.
    fn decompress(&self, list: &CompressedCiphertextList) -> Result<Box<dyn Ciphertext>>;
    fn squash(&self) -> Result<Squashed>;
}

pub enum Squashed {
    Bool(SquashedNoiseFheBool),
    Uint(SquashedNoiseFheUint),
}

impl Ciphertext for FheBool {
    fn object(&self) -> &'static str {
        Self::NAME
    }

    fn save(&self, path: &Path) -> Result<()> {
        save(self, path)
    }

    fn push_into(&self, list: &mut CompressedCiphertextListBuilder) {
        list.push(self.clone());
    }

    fn decompress(&self, list: &CompressedCiphertextList) -> Result<Box<dyn Ciphertext>> {
        Ok(Box::new(element::<Self>(list, 0)?))
    }

    fn squash(&self) -> Result<Squashed> {
        Ok(Squashed::Bool(self.squash_noise()?))
    }
}

impl<Id: UintId> Ciphertext for FheUint<Id> {
    fn object(&self) -> &'static str {
        Self::NAME
    }

    fn save(&self, path: &Path) -> Result<()> {
        save(self, path)
    }

    fn push_into(&self, list: &mut CompressedCiphertextListBuilder) {
        list.push(self.clone());
    }

    fn decompress(&self, list: &CompressedCiphertextList) -> Result<Box<dyn Ciphertext>> {
        Ok(Box::new(element::<Self>(list, 0)?))
    }

    fn squash(&self) -> Result<Squashed> {
        Ok(Squashed::Uint(self.squash_noise()?))
    }
}

/// A computed ciphertext, and what it must decrypt to.
pub struct Output {
    pub name: String,
    pub of: Type,
    pub clear: U2048,
    pub ciphertext: Box<dyn Ciphertext>,
}

impl Output {
    fn new(
        operation: &str,
        on: Type,
        of: Type,
        clear: U2048,
        it: impl Ciphertext + 'static,
    ) -> Self {
        Self {
            name: format!("{}_{operation}", on.name()),
            of,
            clear: truncate(clear, of.bits()),
            ciphertext: Box::new(it),
        }
    }
}

/// Two plaintexts of a type.
pub struct Input {
    pub of: Type,
    pub left: U2048,
    pub right: U2048,
}

impl Input {
    pub fn values(&self) -> [(String, String); 2] {
        [value(self.of, self.left), value(self.of, self.right)]
    }

    pub fn push_into(&self, list: &mut CompactCiphertextListBuilder) -> Result<()> {
        for clear in [self.left, self.right] {
            match self.of {
                Type::Bool => list.push(clear != U2048::ZERO),
                Type::Uint(bits) => list.push_with_num_bits(clear, bits)?,
            };
        }
        Ok(())
    }

    /// Computes on elements 2i and 2i+1 of an expanded list.
    pub fn compute(&self, list: &CompactCiphertextListExpander, i: usize) -> Result<Vec<Output>> {
        match self.of {
            Type::Bool => self.booleans(&element(list, 2 * i)?, &element(list, 2 * i + 1)?),
            Type::Uint(bits) => with_uint!(bits, Id => {
                self.integers::<Id>(element(list, 2 * i)?, &element(list, 2 * i + 1)?)
            }),
        }
    }

    fn booleans(&self, left: &FheBool, right: &FheBool) -> Result<Vec<Output>> {
        let and = self.left & self.right;
        Ok(vec![
            Output::new("left", self.of, self.of, self.left, left.clone()),
            Output::new("and", self.of, self.of, and, left & right),
        ])
    }

    fn integers<Id>(&self, mut left: FheUint<Id>, right: &FheUint<Id>) -> Result<Vec<Output>>
    where
        Id: UintId,
    {
        let out = |name: &str, clear, it| Output::new(name, self.of, self.of, clear, it);
        let mut outputs = vec![out("left", self.left, left.clone())];
        re_randomize(&mut left)?;
        outputs.push(out("add", self.left + self.right, &left + right));
        if self.of.bits() > WIDEST_PRODUCT {
            return Ok(outputs);
        }
        outputs.push(out("mul", self.left * self.right, &left * right));
        let less = left.lt(right);
        let (smaller, bit) = (self.left.min(self.right), self.left < self.right);
        outputs.push(out("select", smaller, less.if_then_else(&left, right)));
        outputs.push(Output::new(
            "less",
            self.of,
            Type::Bool,
            U2048::from(bit),
            less,
        ));
        Ok(outputs)
    }
}

fn element<T: HlExpandable + Tagged>(list: &impl CiphertextList, i: usize) -> Result<T> {
    list.get(i)?.ok_or_else(|| format!("no element {i}").into())
}

/// Adds an encryption of zero by the key set's re-randomization key: the
/// plaintext stays.
fn re_randomize<Id: FheUintId>(integer: &mut FheUint<Id>) -> Result<()> {
    let mut context =
        ReRandomizationContext::new(*b"TFHE_Rrd", [b"judge".as_slice()], *b"TFHE_Enc");
    context.add_ciphertext(integer);
    let seed = context.finalize().next_seed()?;
    Ok(integer.re_randomize(ReRandomizationMode::UseAvailableMode, seed)?)
}

/// Whether many random bits, drawn as integers of two bits, are all below 2.
/// Nobody knows the bits; under a wrong key each would be any of four numbers.
pub fn oblivious() -> Result<Output> {
    let mut all = FheBool::encrypt_trivial(true);
    for seed in 0..RANDOM_BITS {
        let bit = FheUint2::generate_oblivious_pseudo_random_bounded(Seed(seed), 1);
        all &= bit.lt(2u8);
    }
    Ok(Output {
        name: "random".into(),
        of: Type::Bool,
        clear: U2048::ONE,
        ciphertext: Box::new(all),
    })
}
