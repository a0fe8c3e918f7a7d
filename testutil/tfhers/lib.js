'use strict';
// What the scripts share: the parameters, the types and their values.
const crypto = require('node:crypto');
const fs = require('node:fs');
const tfhe = require('node-tfhe');

tfhe.init_panic_hook();

// More than any object here has; TFHE-rs refuses to read or write beyond it.
const SIZE_LIMIT = 1n << 30n;

// The types that fhEVM has, by their Solidity names.
const TYPES = {
  ebool: { bits: 1, push: 'push_boolean', get: 'get_bool', class: 'FheBool' },
};
for (const bits of [4, 8, 16, 32, 64, 128, 160, 256, 512, 1024, 2048]) {
  TYPES[`euint${bits}`] = { bits, push: `push_u${bits}`, get: `get_uint${bits}`, class: `FheUint${bits}` };
}

function computeParameters() {
  return new tfhe.ShortintParameters(
    tfhe.ShortintParametersName.PARAM_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128);
}

function publicKeyParameters() {
  return new tfhe.ShortintCompactPublicKeyEncryptionParameters(
    tfhe.ShortintCompactPublicKeyEncryptionParametersName.PARAM_PKE_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128);
}

const read = (file) => new Uint8Array(fs.readFileSync(file));

// argument is a value as the wasm functions take it: they want a number up to 32
// bits, a BigInt above, a boolean for ebool.
function argument(type, value) {
  const { bits } = TYPES[type];
  if (type === 'ebool') return value === 1n;
  return bits <= 32 ? Number(value) : value;
}

// values yields reproducible values of a type from a seed.
function randomValue(seed, type, index) {
  const { bits } = TYPES[type];
  let stream = Buffer.alloc(0);
  for (let i = 0; stream.length * 8 < bits; i++) {
    stream = Buffer.concat([stream, crypto.createHash('sha256').update(`${seed}/${type}/${index}/${i}`).digest()]);
  }
  return BigInt(`0x${stream.toString('hex')}`) >> BigInt(stream.length * 8 - bits);
}

// options reads "--name value" pairs; a name may come several times.
function options(argv, known) {
  const out = {};
  for (let i = 0; i < argv.length; i += 2) {
    const name = argv[i].replace(/^--/, '');
    if (!argv[i].startsWith('--') || !known.includes(name) || i + 1 === argv.length) {
      throw new Error(`bad argument ${argv[i]}; known options: ${known.map((k) => `--${k}`).join(' ')}`);
    }
    (out[name] ??= []).push(argv[i + 1]);
  }
  return out;
}

function main(run) {
  try {
    run();
  } catch (e) {
    process.stderr.write(`error: ${e.message ?? e}\n`);
    process.exit(1);
  }
}

module.exports = { tfhe, SIZE_LIMIT, TYPES, computeParameters, publicKeyParameters, read, argument, randomValue, options, main };
