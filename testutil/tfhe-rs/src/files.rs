//! Files in `safe_serialize` form, and reports about them.

use crate::clear;
use crate::types::Type;
use crate::Result;
use serde::de::DeserializeOwned;
use serde::Serialize;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use tfhe::integer::bigint::U2048;
use tfhe::named::Named;
use tfhe::safe_serialization::{safe_deserialize, safe_serialize};
use tfhe::{Unversionize, Versionize};

/// More than any object here has.
pub const SIZE_LIMIT: u64 = 1 << 31;

/// A file, the objects in it, and what they decrypt to.
#[derive(Serialize)]
pub struct Entry {
    pub file: String,
    pub object: String,
    /// Pairs of type and decimal value.
    pub values: Vec<(String, String)>,
}

pub fn value(of: Type, clear: U2048) -> (String, String) {
    (of.name(), clear::decimal(clear))
}

/// The name that the header of an object says it has.
pub fn object_name(bytes: &[u8]) -> Result<String> {
    const NAME_LENGTH: usize = 26; // after two versions of three letters and a mode
    let length = bytes
        .get(NAME_LENGTH..NAME_LENGTH + 8)
        .and_then(|b| b.try_into().ok())
        .map(u64::from_le_bytes)
        .ok_or("shorter than a header")?;
    let name = usize::try_from(length)
        .ok()
        .filter(|length| *length < 100)
        .and_then(|length| bytes.get(NAME_LENGTH + 8..NAME_LENGTH + 8 + length))
        .ok_or("no object's name in the header")?;
    Ok(String::from_utf8(name.to_vec())?)
}

pub fn load<T: DeserializeOwned + Unversionize + Named>(bytes: &[u8]) -> Result<T> {
    Ok(safe_deserialize(bytes, SIZE_LIMIT)?)
}

pub fn load_file<T: DeserializeOwned + Unversionize + Named>(path: &Path) -> Result<T> {
    let bytes = fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
    load(&bytes).map_err(|e| format!("{}: {e}", path.display()).into())
}

pub fn save<T: Serialize + Versionize + Named>(object: &T, path: &Path) -> Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    safe_serialize(object, &mut out, SIZE_LIMIT)?;
    Ok(out.flush()?)
}

/// Fails unless an object is written exactly as these bytes.
pub fn same_bytes<T: Serialize + Versionize + Named>(object: &T, bytes: &[u8]) -> Result<()> {
    let mut rest = Expected(bytes);
    safe_serialize(object, &mut rest, SIZE_LIMIT)?;
    if !rest.0.is_empty() {
        return Err(format!("{} bytes are not written back", rest.0.len()).into());
    }
    Ok(())
}

/// A writer that accepts nothing but the bytes it expects.
struct Expected<'a>(&'a [u8]);

impl Write for Expected<'_> {
    fn write(&mut self, written: &[u8]) -> io::Result<usize> {
        match self.0.strip_prefix(written) {
            Some(rest) => self.0 = rest,
            None => return Err(io::Error::other("written back differently")),
        }
        Ok(written.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Prints a report as JSON.
pub fn print(entries: &[Entry]) -> Result<()> {
    println!("{}", serde_json::to_string_pretty(entries)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_expected_bytes_can_be_written() {
        assert!(Expected(b"abcd").write(b"abd").is_err());
        let mut expected = Expected(b"abcd");
        assert!(expected.write(b"ab").is_ok());
        assert_eq!(expected.0, b"cd");
    }

    #[test]
    fn a_header_cut_short_has_no_name() {
        assert!(object_name(&[0; 33]).is_err());
        let mut long = vec![0; 60];
        long[26] = 50;
        assert!(object_name(&long).is_err());
    }
}
