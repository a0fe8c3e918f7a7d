//! `read`: loads files, under the library's conformance checks for a parameter
//! set where it has some, and writes them back byte for byte.

use crate::arguments::Arguments;
use crate::files::{self, load, object_name, same_bytes, SIZE_LIMIT};
use crate::types::BLOCK_BITS;
use crate::{parameters, with_uint, Result};
use serde::de::DeserializeOwned;
use serde::Serialize;
use std::fs;
use tfhe::conformance::ListSizeConstraint;
use tfhe::integer::IntegerCiphertext;
use tfhe::named::Named;
use tfhe::prelude::ParameterSetConformant;
use tfhe::safe_serialization::safe_deserialize_conformant;
use tfhe::shortint::parameters::MetaParameters;
use tfhe::xof_key_set::CompressedXofKeySet;
use tfhe::zk::CompactPkeCrs;
use tfhe::*;

pub fn run(arguments: &Arguments) -> Result<()> {
    let set = parameters::by_name(arguments.required("parameters")?)?;
    let mut read = Vec::new();
    for path in &arguments.files {
        let bytes = fs::read(path)?;
        let object = object_name(&bytes)?;
        check(&object, &bytes, &set).map_err(|e| format!("{} {object}: {e}", path.display()))?;
        read.push(files::Entry {
            file: path.display().to_string(),
            object,
            values: Vec::new(),
        });
    }
    files::print(&read)
}

fn conformant<T>(bytes: &[u8], set: &T::ParameterSet) -> Result<()>
where
    T: Serialize + DeserializeOwned + Versionize + Unversionize + Named + ParameterSetConformant,
{
    let object: T = safe_deserialize_conformant(bytes, SIZE_LIMIT, set)?;
    same_bytes(&object, bytes)
}

fn loaded<T>(bytes: &[u8]) -> Result<()>
where
    T: Serialize + DeserializeOwned + Versionize + Unversionize + Named,
{
    same_bytes(&load::<T>(bytes)?, bytes)
}

fn check(object: &str, bytes: &[u8], set: &MetaParameters) -> Result<()> {
    let config = Config::from(*set);
    let public_key = parameters::public_key(set)?;
    match object {
        CompactPublicKey::NAME => conformant::<CompactPublicKey>(bytes, &public_key),
        CompressedCompactPublicKey::NAME => {
            conformant::<CompressedCompactPublicKey>(bytes, &public_key)
        }
        CompressedXofKeySet::NAME => conformant::<CompressedXofKeySet>(bytes, &config),
        CompressedServerKey::NAME => conformant::<CompressedServerKey>(bytes, &config.into()),
        FheBool::NAME => conformant::<FheBool>(bytes, &set.compute_parameters.into()),
        <FheUint<FheUint8Id> as Named>::NAME => {
            // The blob does not say which integer it is: its number of blocks does.
            let (radix, ..) = load::<FheUint2048>(bytes)?.into_raw_parts();
            with_uint!(radix.blocks().len() * BLOCK_BITS,
                Id => conformant::<FheUint<Id>>(bytes, &set.compute_parameters.into()))
        }
        CompactCiphertextList::NAME => {
            let elements = load::<CompactCiphertextList>(bytes)?.len();
            let constraint = ListSizeConstraint::exact_size(elements);
            let parameters =
                CompactCiphertextListConformanceParams::from_parameters_and_size_constraint(
                    public_key, constraint,
                );
            conformant::<CompactCiphertextList>(bytes, &parameters.allow_unpacked())
        }
        // For what follows the library has no conformance check of its own.
        ClientKey::NAME => loaded::<ClientKey>(bytes),
        CompactPkeCrs::NAME => loaded::<CompactPkeCrs>(bytes),
        ProvenCompactCiphertextList::NAME => loaded::<ProvenCompactCiphertextList>(bytes),
        CompressedCiphertextList::NAME => loaded::<CompressedCiphertextList>(bytes),
        SquashedNoiseFheBool::NAME => loaded::<SquashedNoiseFheBool>(bytes),
        SquashedNoiseFheUint::NAME => loaded::<SquashedNoiseFheUint>(bytes),
        CompressedSquashedNoiseCiphertextList::NAME => {
            loaded::<CompressedSquashedNoiseCiphertextList>(bytes)
        }
        _ => Err("the judge does not know this object".into()),
    }
}
