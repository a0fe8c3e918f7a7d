// Makes the common reference string for proofs in inputs of up to 2048 bits, with the TFHE-rs that
// the client library depends on, as its own createTfheKeypair does. Whoever runs this could keep the
// secret in it: a single-party CRS.
//
//   node crs.mjs FILE
import { renameSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const tfhe = createRequire(require.resolve("@zama-fhe/relayer-sdk/node"))("node-tfhe");

const BITS = 2048;
const SIZE_LIMIT = 1n << 30n;

const [file] = process.argv.slice(2);
if (!file) {
  console.error("error: want the name of a file");
  process.exit(1);
}
const config = tfhe.TfheConfigBuilder.with_custom_parameters(
  new tfhe.ShortintParameters(tfhe.ShortintParametersName.PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128),
)
  .use_dedicated_compact_public_key_parameters(
    new tfhe.ShortintCompactPublicKeyEncryptionParameters(
      tfhe.ShortintCompactPublicKeyEncryptionParametersName.V1_0_PARAM_PKE_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128,
    ),
  )
  .build();
writeFileSync(`${file}.new`, tfhe.CompactPkeCrs.from_config(config, BITS).safe_serialize(SIZE_LIMIT));
renameSync(`${file}.new`, file);
