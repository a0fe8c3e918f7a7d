//! `decrypt`: what files hold, by a client key. Lists that need a computation to
//! be opened need the server key too.

use crate::arguments::Arguments;
use crate::files::{self, load, load_file, object_name, value, Entry};
use crate::types::{Type, BLOCK_BITS};
use crate::{compute, with_uint, Result};
use std::fs;
use std::path::Path;
use tfhe::integer::bigint::U2048;
use tfhe::integer::IntegerCiphertext;
use tfhe::named::Named;
use tfhe::prelude::*;
use tfhe::*;

type Values = Vec<(String, String)>;

pub fn run(arguments: &Arguments) -> Result<()> {
    let key: ClientKey = load_file(Path::new(arguments.required("client-key")?))?;
    if let Some(path) = arguments.optional("server-key") {
        set_server_key(compute::load_keys(Path::new(path))?.server_key);
    }
    let mut decrypted = Vec::new();
    for path in &arguments.files {
        let bytes = fs::read(path)?;
        let object = object_name(&bytes)?;
        let values =
            open(&object, &bytes, &key).map_err(|e| format!("{} {object}: {e}", path.display()))?;
        decrypted.push(Entry {
            file: path.display().to_string(),
            object,
            values,
        });
    }
    files::print(&decrypted)
}

fn open(object: &str, bytes: &[u8], key: &ClientKey) -> Result<Values> {
    match object {
        FheBool::NAME => Ok(vec![boolean(load::<FheBool>(bytes)?.decrypt(key))]),
        <FheUint<FheUint8Id> as Named>::NAME => {
            let integer: FheUint2048 = load(bytes)?;
            let clear = integer.decrypt(key);
            let bits = integer.into_raw_parts().0.blocks().len() * BLOCK_BITS;
            Ok(vec![value(Type::Uint(bits), clear)])
        }
        SquashedNoiseFheBool::NAME => Ok(vec![boolean(
            load::<SquashedNoiseFheBool>(bytes)?.decrypt(key),
        )]),
        SquashedNoiseFheUint::NAME => Ok(vec![squashed(&load(bytes)?, key)]),
        CompressedSquashedNoiseCiphertextList::NAME => packed(&load(bytes)?, key),
        CompressedCiphertextList::NAME => list(&load::<CompressedCiphertextList>(bytes)?, key),
        CompactCiphertextList::NAME => list(&load::<CompactCiphertextList>(bytes)?.expand()?, key),
        _ => Err("not a ciphertext that the judge knows".into()),
    }
}

fn boolean(clear: bool) -> (String, String) {
    value(Type::Bool, U2048::from(clear))
}

fn squashed(integer: &SquashedNoiseFheUint, key: &ClientKey) -> (String, String) {
    value(Type::Uint(integer.num_bits()), integer.decrypt(key))
}

fn packed(from: &CompressedSquashedNoiseCiphertextList, key: &ClientKey) -> Result<Values> {
    (0..from.len())
        .map(|i| match from.get::<SquashedNoiseFheUint>(i) {
            Ok(integer) => Ok(squashed(&integer.ok_or("no element")?, key)),
            Err(_) => {
                let element = from.get::<SquashedNoiseFheBool>(i)?.ok_or("no element")?;
                Ok(boolean(element.decrypt(key)))
            }
        })
        .collect()
}

fn list(from: &impl CiphertextList, key: &ClientKey) -> Result<Values> {
    (0..from.len())
        .map(|i| match Type::of(from.get_kind_of(i))? {
            Type::Bool => {
                let element: FheBool = from.get(i)?.ok_or("no element")?;
                Ok(boolean(element.decrypt(key)))
            }
            Type::Uint(bits) => with_uint!(bits, Id => {
                let element: FheUint<Id> = from.get(i)?.ok_or("no element")?;
                Ok(value(Type::Uint(bits), element.decrypt(key)))
            }),
        })
        .collect()
}
