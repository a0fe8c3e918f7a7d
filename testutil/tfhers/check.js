'use strict';
// Checks that TFHE-rs reads what TKMS wrote, and writes it back byte for byte.
//
//   node check.js [--public-key FILE] [--compressed-public-key FILE] [--client-key FILE]
//                 [--list FILE]… [--ciphertext type=value=FILE]… [--expand type=value=FILE]…
//
// --ciphertext decrypts a FheBool or FheUint with the client key. --expand
// decrypts a compact list after a real expansion with a server key made from the
// client key: about 12 s, and one more for each block.
const fs = require('node:fs');
const { tfhe, SIZE_LIMIT, TYPES, publicKeyParameters, read, options, main } = require('./lib');

function identical(what, object, file) {
  const again = Buffer.from(object.safe_serialize(SIZE_LIMIT));
  if (Buffer.compare(again, fs.readFileSync(file)) !== 0) throw new Error(`${what} ${file} is written back differently`);
  console.log(`ok ${what} ${file}`);
}

function triple(text) {
  const [, type, value, file] = /^(\w+)=(\d+)=(.+)$/.exec(text) ?? [];
  if (!TYPES[type]) throw new Error(`${text}: want type=value=FILE`);
  return { type, value, file };
}

function compare(what, got, { type, value, file }) {
  const number = typeof got === 'boolean' ? Number(got) : got;
  if (String(number) !== value) throw new Error(`${what} ${file} decrypts to ${number}, want ${value}`);
  console.log(`ok ${what} ${type} ${value} ${file}`);
}

main(() => {
  const opt = options(process.argv.slice(2),
    ['public-key', 'compressed-public-key', 'client-key', 'list', 'ciphertext', 'expand']);
  const pke = publicKeyParameters();
  for (const f of opt['public-key'] ?? []) {
    identical('public key', tfhe.TfheCompactPublicKey.safe_deserialize_conformant(read(f), SIZE_LIMIT, pke), f);
  }
  for (const f of opt['compressed-public-key'] ?? []) {
    identical('compressed public key',
      tfhe.TfheCompressedCompactPublicKey.safe_deserialize_conformant(read(f), SIZE_LIMIT, pke), f);
  }
  for (const f of opt.list ?? []) {
    identical('list', tfhe.CompactCiphertextList.safe_deserialize(read(f), SIZE_LIMIT), f);
  }
  let key;
  for (const f of opt['client-key'] ?? []) {
    key = tfhe.TfheClientKey.safe_deserialize(read(f), SIZE_LIMIT);
    identical('client key', key, f);
  }
  if ((opt.ciphertext || opt.expand) && !key) throw new Error('--ciphertext and --expand need --client-key');
  for (const text of opt.ciphertext ?? []) {
    const want = triple(text);
    const c = tfhe[TYPES[want.type].class].safe_deserialize(read(want.file), SIZE_LIMIT);
    identical('ciphertext', c, want.file);
    compare('ciphertext', c.decrypt(key), want);
  }
  if (opt.expand) tfhe.set_server_key(tfhe.TfheServerKey.new(key));
  for (const text of opt.expand ?? []) {
    const want = triple(text);
    const expanded = tfhe.CompactCiphertextList.safe_deserialize(read(want.file), SIZE_LIMIT).expand();
    compare('list', expanded[TYPES[want.type].get](0).decrypt(key), want);
  }
});
