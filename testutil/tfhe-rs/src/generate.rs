//! `generate` and `crs`: the library makes a client key and a key set of its own,
//! and a reference string for proofs under it.

use crate::arguments::Arguments;
use crate::files::{self, save, Entry};
use crate::{parameters, Result};
use std::fs;
use std::path::Path;
use tfhe::core_crypto::prelude::NormalizedHammingWeightBound;
use tfhe::named::Named;
use tfhe::xof_key_set::CompressedXofKeySet;
use tfhe::zk::CompactPkeCrs;
use tfhe::{ClientKey, CompactPublicKey, CompressedServerKey, Config, Tag};

/// As the library's own examples have it; the sets here are too small to care.
const HAMMING_WEIGHT_BOUND: f64 = 0.8;
const SEED_BITS: u32 = 128;

pub fn run(arguments: &Arguments) -> Result<()> {
    let set = parameters::by_name(arguments.required("parameters")?)?;
    let seed = arguments.required("seed")?.as_bytes().to_vec();
    let out = Path::new(arguments.required("out")?);
    fs::create_dir_all(out)?;

    let bound = NormalizedHammingWeightBound::new(HAMMING_WEIGHT_BOUND).ok_or("no such bound")?;
    let (client_key, key_set) =
        CompressedXofKeySet::generate(Config::from(set), seed, SEED_BITS, bound, Tag::default())?;
    save(&client_key, &out.join("client_key.bin"))?;
    save(&key_set, &out.join("xof_key_set.bin"))?;
    let (_, public_key, server_key) = key_set.into_raw_parts();
    save(&public_key.decompress(), &out.join("public_key.bin"))?;
    save(&server_key, &out.join("server_key.bin"))?;

    files::print(&[
        entry("client_key.bin", ClientKey::NAME),
        entry("xof_key_set.bin", CompressedXofKeySet::NAME),
        entry("public_key.bin", CompactPublicKey::NAME),
        entry("server_key.bin", CompressedServerKey::NAME),
    ])
}

/// Makes a reference string for lists of up to so many bits, whose secret this
/// process forgets.
pub fn crs(arguments: &Arguments) -> Result<()> {
    let set = parameters::by_name(arguments.required("parameters")?)?;
    let bits = arguments.required("bits")?.parse()?;
    let out = arguments.required("out")?;
    save(
        &CompactPkeCrs::from_config(Config::from(set), bits)?,
        Path::new(out),
    )?;
    files::print(&[entry(out, CompactPkeCrs::NAME)])
}

fn entry(file: &str, object: &str) -> Entry {
    Entry {
        file: file.into(),
        object: object.into(),
        values: Vec::new(),
    }
}
