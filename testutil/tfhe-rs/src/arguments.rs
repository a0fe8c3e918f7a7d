//! The command line: options `--name value`, each at most once, and files.

use crate::Result;
use std::collections::BTreeMap;
use std::path::PathBuf;

pub struct Arguments {
    options: BTreeMap<String, String>,
    /// What is not an option.
    pub files: Vec<PathBuf>,
}

const OPTIONS: [&str; 9] = [
    "parameters",
    "seed",
    "out",
    "server-key",
    "public-key",
    "client-key",
    "crs",
    "bits",
    "types",
];

impl Arguments {
    pub fn parse(mut from: impl Iterator<Item = String>) -> Result<Self> {
        let mut parsed = Self {
            options: BTreeMap::new(),
            files: Vec::new(),
        };
        while let Some(argument) = from.next() {
            let Some(name) = argument.strip_prefix("--") else {
                parsed.files.push(argument.into());
                continue;
            };
            if !OPTIONS.contains(&name) {
                return Err(format!("no option --{name}").into());
            }
            let value = from
                .next()
                .ok_or_else(|| format!("--{name} wants a value"))?;
            if parsed.options.insert(name.into(), value).is_some() {
                return Err(format!("--{name} given twice").into());
            }
        }
        Ok(parsed)
    }

    pub fn optional(&self, name: &str) -> Option<&str> {
        self.options.get(name).map(String::as_str)
    }

    pub fn required(&self, name: &str) -> Result<&str> {
        self.optional(name)
            .ok_or_else(|| format!("--{name} is missing").into())
    }
}
