'use strict';
// Encrypts values under a compact public key with TFHE-rs, one
// CompactCiphertextList a value.
//
//   node encrypt.js --public-key FILE --out DIR [--seed TEXT] [--types a,b] [--value type=number]… [--packing packed|unpacked|both]
//
// Without --value, one random value of each type is encrypted; the seed that the
// values come from is printed and can be given again. DIR/meta.json lists file,
// type, value and packing.
const crypto = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const { tfhe, SIZE_LIMIT, TYPES, publicKeyParameters, read, argument, randomValue, options, main } = require('./lib');

function wanted(opt, seed) {
  if (opt.value) {
    return opt.value.map((v) => {
      const [, type, number] = /^(\w+)=(\w+)$/.exec(v) ?? [];
      if (!TYPES[type]) throw new Error(`--value ${v}: want type=number, types are ${Object.keys(TYPES).join(' ')}`);
      const value = BigInt(number);
      if (value >> BigInt(TYPES[type].bits) !== 0n) throw new Error(`--value ${v}: out of range`);
      return [type, value];
    });
  }
  const types = opt.types ? opt.types[0].split(',') : Object.keys(TYPES);
  return types.map((type, i) => {
    if (!TYPES[type]) throw new Error(`--types: ${type} is none of ${Object.keys(TYPES).join(' ')}`);
    return [type, randomValue(seed, type, i)];
  });
}

main(() => {
  const opt = options(process.argv.slice(2), ['public-key', 'out', 'seed', 'types', 'value', 'packing']);
  if (!opt['public-key'] || !opt.out) throw new Error('--public-key and --out are needed');
  const seed = opt.seed?.[0] ?? crypto.randomBytes(16).toString('hex');
  const packing = opt.packing?.[0] ?? 'both';
  if (!['packed', 'unpacked', 'both'].includes(packing)) throw new Error(`--packing ${packing}`);
  const out = opt.out[0];
  fs.mkdirSync(out, { recursive: true });
  console.log(`seed ${seed}`);

  const key = tfhe.TfheCompactPublicKey.safe_deserialize_conformant(
    read(opt['public-key'][0]), SIZE_LIMIT, publicKeyParameters());
  const meta = [];
  wanted(opt, seed).forEach(([type, value], i) => {
    for (const kind of packing === 'both' ? ['packed', 'unpacked'] : [packing]) {
      const builder = tfhe.CompactCiphertextList.builder(key);
      builder[TYPES[type].push](argument(type, value));
      const list = kind === 'packed' ? builder.build_packed() : builder.build();
      const file = `${i}_${type}_${kind}.bin`;
      fs.writeFileSync(path.join(out, file), list.safe_serialize(SIZE_LIMIT));
      meta.push({ file, type, value: value.toString(), packed: kind === 'packed' });
      list.free();
    }
  });
  fs.writeFileSync(path.join(out, 'meta.json'), `${JSON.stringify(meta, null, 1)}\n`);
  console.log(`${meta.length} lists`);
});
