//! `compute`: what a coprocessor does. Inputs encrypted under the public key are
//! expanded, computed on, compressed, squashed and packed; every object becomes a
//! file, with what it must decrypt to in meta.json.

use crate::arguments::Arguments;
use crate::clear::Values;
use crate::files::{self, load, load_file, object_name, save, value, Entry};
use crate::operations::{oblivious, Ciphertext, Input, Output, Squashed};
use crate::types::Type;
use crate::Result;
use serde::Serialize;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Instant;
use tfhe::named::Named;
use tfhe::prelude::Tagged;
use tfhe::xof_key_set::CompressedXofKeySet;
use tfhe::zk::{CompactPkeCrs, ZkComputeLoad};
use tfhe::*;

const DEFAULT_TYPES: &str = "ebool,euint8,euint16,euint32,euint64";

/// What a proof of knowledge is bound to: any bytes.
const PROOF_METADATA: &[u8] = b"TKMS judge";

pub struct Keys {
    pub server_key: ServerKey,
    public_key: Option<CompactPublicKey>,
}

/// Decompresses either published form of a key set.
pub fn load_keys(path: &Path) -> Result<Keys> {
    let bytes = fs::read(path)?;
    match object_name(&bytes)?.as_str() {
        CompressedServerKey::NAME => Ok(Keys {
            server_key: load::<CompressedServerKey>(&bytes)?.decompress(),
            public_key: None,
        }),
        CompressedXofKeySet::NAME => {
            let set: CompressedXofKeySet = load(&bytes)?;
            drop(bytes);
            let (public_key, server_key) = set.decompress().into_raw_parts();
            Ok(Keys {
                server_key,
                public_key: Some(public_key),
            })
        }
        other => Err(format!("{other} is no server key").into()),
    }
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let started = Instant::now();
    let keys = load_keys(Path::new(arguments.required("server-key")?))?;
    let public_key = match arguments.optional("public-key") {
        Some(path) => load_file(Path::new(path))?,
        None => keys.public_key.ok_or("--public-key is missing")?,
    };
    let types = arguments.optional("types").unwrap_or(DEFAULT_TYPES);
    let types: Vec<Type> = types.split(',').map(Type::parse).collect::<Result<_>>()?;
    let mut session = Session {
        compresses: keys.server_key.supports_compression(),
        squashes: keys.server_key.supports_noise_squashing(),
        packs: keys.server_key.supports_noise_squashing_compression(),
        out: arguments.required("out")?.into(),
        entries: Vec::new(),
        started,
    };
    fs::create_dir_all(&session.out)?;
    set_server_key(keys.server_key);
    session.progress("keys are ready");

    let mut values = Values::new(arguments.required("seed")?);
    let inputs: Vec<Input> = types
        .iter()
        .map(|of| Input {
            of: *of,
            left: values.draw(of.bits()),
            right: values.draw(of.bits()),
        })
        .collect();
    let expander = session.inputs(&inputs, &public_key, arguments.optional("crs"))?;
    let mut results = Vec::new();
    for (i, input) in inputs.iter().enumerate() {
        results.extend(input.compute(&expander, i)?);
        session.progress(&format!("computed on {}", input.of.name()));
    }
    results.push(oblivious()?);
    session.results(&results)?;
    serde_json::to_writer_pretty(
        File::create(session.out.join("meta.json"))?,
        &session.entries,
    )?;
    files::print(&session.entries)
}

struct Session {
    compresses: bool,
    squashes: bool,
    packs: bool,
    out: PathBuf,
    entries: Vec<Entry>,
    started: Instant,
}

impl Session {
    /// Says on standard error what is done, and when.
    fn progress(&self, what: &str) {
        eprintln!("{:8.2} s  {what}", self.started.elapsed().as_secs_f64());
    }

    fn write<T>(&mut self, object: &T, name: &str, values: Vec<(String, String)>) -> Result<()>
    where
        T: Serialize + Versionize + Named,
    {
        let file = format!("{name}.bin");
        save(object, &self.out.join(&file))?;
        self.entries.push(Entry {
            file,
            object: T::NAME.into(),
            values,
        });
        Ok(())
    }

    /// Encrypts all inputs into one list, and expands it.
    fn inputs(
        &mut self,
        inputs: &[Input],
        public_key: &CompactPublicKey,
        crs: Option<&str>,
    ) -> Result<CompactCiphertextListExpander> {
        let mut builder = CompactCiphertextList::builder(public_key);
        for input in inputs {
            input.push_into(&mut builder)?;
        }
        let values: Vec<_> = inputs.iter().flat_map(Input::values).collect();
        self.write(&builder.build(), "list_unpacked", values.clone())?;
        let list = builder.build_packed();
        self.write(&list, "list_packed", values.clone())?;
        self.progress("inputs are encrypted");
        let expander = match crs {
            None => list.expand()?,
            Some(path) => {
                let crs: CompactPkeCrs = load_file(Path::new(path))?;
                let proven =
                    builder.build_with_proof_packed(&crs, PROOF_METADATA, ZkComputeLoad::Verify)?;
                self.write(&proven, "list_proven", values)?;
                self.progress("inputs are proven");
                proven.verify_and_expand(&crs, public_key, PROOF_METADATA)?
            }
        };
        self.progress("inputs are expanded");
        Ok(expander)
    }

    /// Writes the results in every form that the key set allows.
    fn results(&mut self, results: &[Output]) -> Result<()> {
        for result in results {
            self.block_ciphertext(&result.name, result, result.ciphertext.as_ref())?;
        }
        if self.compresses {
            self.compressed(results)?;
        }
        if self.squashes {
            self.squashed(results)?;
        }
        Ok(())
    }

    /// Writes a ciphertext of a result's type and plaintext.
    fn block_ciphertext(
        &mut self,
        name: &str,
        result: &Output,
        ciphertext: &dyn Ciphertext,
    ) -> Result<()> {
        let file = format!("{name}.bin");
        ciphertext.save(&self.out.join(&file))?;
        self.entries.push(Entry {
            file,
            object: ciphertext.object().into(),
            values: vec![value(result.of, result.clear)],
        });
        Ok(())
    }

    /// One list of each result alone, decompressed too, and one of them all.
    fn compressed(&mut self, results: &[Output]) -> Result<()> {
        let mut all = CompressedCiphertextListBuilder::new();
        for result in results {
            let mut alone = CompressedCiphertextListBuilder::new();
            result.ciphertext.push_into(&mut alone);
            result.ciphertext.push_into(&mut all);
            let list = alone.build()?;
            let name = format!("compressed_{}", result.name);
            self.write(&list, &name, vec![value(result.of, result.clear)])?;
            let again = result.ciphertext.decompress(&list)?;
            self.block_ciphertext(
                &format!("decompressed_{}", result.name),
                result,
                again.as_ref(),
            )?;
        }
        self.write(&all.build()?, "compressed_all", values_of(results))?;
        self.progress("results are compressed");
        Ok(())
    }

    /// Each result squashed, and one packed list of them all.
    fn squashed(&mut self, results: &[Output]) -> Result<()> {
        let mut all = CompressedSquashedNoiseCiphertextListBuilder::new();
        for result in results {
            let values = vec![value(result.of, result.clear)];
            match result.ciphertext.squash()? {
                Squashed::Bool(bit) => self.squashed_alone(&bit, &result.name, values, &mut all)?,
                Squashed::Uint(integer) => {
                    self.squashed_alone(&integer, &result.name, values, &mut all)?;
                }
            }
        }
        self.progress("results are squashed");
        if self.packs {
            self.write(&all.build()?, "packed_all", values_of(results))?;
            self.progress("squashed results are packed");
        }
        Ok(())
    }

    /// Writes a squashed result, a packed list of it, and what that unpacks to; adds
    /// it to the list of all.
    fn squashed_alone<T>(
        &mut self,
        squashed: &T,
        name: &str,
        values: Vec<(String, String)>,
        all: &mut CompressedSquashedNoiseCiphertextListBuilder,
    ) -> Result<()>
    where
        T: HlSquashedNoiseCompressible + HlSquashedNoiseExpandable + Tagged,
        T: Clone + Serialize + Versionize + Named,
    {
        self.write(squashed, &format!("squashed_{name}"), values.clone())?;
        if self.packs {
            all.push(squashed.clone());
            let mut alone = CompressedSquashedNoiseCiphertextListBuilder::new();
            alone.push(squashed.clone());
            let list = alone.build()?;
            self.write(&list, &format!("packed_{name}"), values.clone())?;
            let unpacked: T = list.get(0)?.ok_or("nothing in the list")?;
            self.write(&unpacked, &format!("unpacked_{name}"), values)?;
        }
        Ok(())
    }
}

fn values_of(results: &[Output]) -> Vec<(String, String)> {
    let pair = |result: &Output| value(result.of, result.clear);
    results.iter().map(pair).collect()
}
