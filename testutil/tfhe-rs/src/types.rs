//! The types that fhEVM has, by their Solidity names.

use crate::Result;
use tfhe::FheTypes;

/// Message bits of a block, for every parameter set here.
pub const BLOCK_BITS: usize = 2;

/// ebool, or euintN with N bits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Type {
    Bool,
    Uint(usize),
}

/// Runs an expression with `$id` standing for the TFHE-rs type that has `$bits` bits.
#[macro_export]
macro_rules! with_uint {
    ($bits:expr, $id:ident => $run:expr) => {
        match $bits {
            4 => {
                type $id = tfhe::FheUint4Id;
                $run
            }
            8 => {
                type $id = tfhe::FheUint8Id;
                $run
            }
            16 => {
                type $id = tfhe::FheUint16Id;
                $run
            }
            32 => {
                type $id = tfhe::FheUint32Id;
                $run
            }
            64 => {
                type $id = tfhe::FheUint64Id;
                $run
            }
            128 => {
                type $id = tfhe::FheUint128Id;
                $run
            }
            160 => {
                type $id = tfhe::FheUint160Id;
                $run
            }
            256 => {
                type $id = tfhe::FheUint256Id;
                $run
            }
            512 => {
                type $id = tfhe::FheUint512Id;
                $run
            }
            1024 => {
                type $id = tfhe::FheUint1024Id;
                $run
            }
            2048 => {
                type $id = tfhe::FheUint2048Id;
                $run
            }
            other => Err(format!("fhEVM has no euint{other}").into()),
        }
    };
}

impl Type {
    pub fn parse(name: &str) -> Result<Self> {
        if name == "ebool" {
            return Ok(Self::Bool);
        }
        let bits = name
            .strip_prefix("euint")
            .and_then(|bits| bits.parse().ok())
            .ok_or_else(|| format!("no type {name:?}"))?;
        with_uint!(bits, _Id => Ok(Self::Uint(bits)))
    }

    pub fn of(kind: Option<FheTypes>) -> Result<Self> {
        match kind.map(|kind| format!("{kind:?}")) {
            Some(name) if name == "Bool" => Ok(Self::Bool),
            Some(name) if name.starts_with("Uint") => {
                Self::parse(&name.to_lowercase().replace("uint", "euint"))
            }
            other => Err(format!("fhEVM has no type {other:?}").into()),
        }
    }

    pub fn bits(self) -> usize {
        match self {
            Self::Bool => 1,
            Self::Uint(bits) => bits,
        }
    }

    pub fn name(self) -> String {
        match self {
            Self::Bool => "ebool".into(),
            Self::Uint(bits) => format!("euint{bits}"),
        }
    }
}
