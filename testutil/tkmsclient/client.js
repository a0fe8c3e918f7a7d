'use strict';
// Runs the published client. Reads a JSON array of jobs from standard input and writes
// the array of their results, each {"value": …} or {"error": "…"}; bytes are hexadecimal.
//
//   {"op": "keygen"}                           → {"publicKey", "privateKey"}
//   {"op": "encrypt", "publicKey", "plain"}    → what ml_kem_pke_encrypt makes
//   {"op": "process", "signers", "user", "publicKey", "privateKey", "handles", "domain",
//    "responses": [{"signature", "payload"}]}  → [{"type", "value"}], value in decimal
//
// Addresses follow EIP-55; signers are those of parties 1, 2, …
const fs = require('node:fs');
const tkms = require('node-tkms');

const hex = (bytes) => Buffer.from(bytes).toString('hex');
const bytes = (text) => new Uint8Array(Buffer.from(text, 'hex'));

function keygen() {
  const key = tkms.ml_kem_pke_keygen();
  return {
    publicKey: hex(tkms.ml_kem_pke_pk_to_u8vec(tkms.ml_kem_pke_get_pk(key))),
    privateKey: hex(tkms.ml_kem_pke_sk_to_u8vec(key)),
  };
}

function encrypt({ publicKey, plain }) {
  return hex(tkms.ml_kem_pke_encrypt(bytes(plain), tkms.u8vec_to_ml_kem_pke_pk(bytes(publicKey))));
}

function processResponses({ signers, user, publicKey, privateKey, handles, domain, responses }) {
  const parties = signers.map((address, i) => tkms.new_server_id_addr(i + 1, address));
  const request = {
    signature: undefined,
    client_address: user,
    enc_key: publicKey,
    ciphertext_handles: handles,
    eip712_verifying_contract: domain.verifyingContract,
    extra_data: '00',
  };
  const eip712 = {
    name: domain.name,
    version: domain.version,
    // 32 bytes, the most significant first.
    chain_id: Array.from(Buffer.from(BigInt(domain.chainId).toString(16).padStart(64, '0'), 'hex')),
    verifying_contract: domain.verifyingContract,
  };
  const plaintexts = tkms.process_user_decryption_resp_from_js(
    tkms.new_client(parties, user, 'default'), request, eip712,
    responses.map((r) => ({ ...r, extra_data: '00' })),
    tkms.u8vec_to_ml_kem_pke_pk(bytes(publicKey)), tkms.u8vec_to_ml_kem_pke_sk(bytes(privateKey)),
    true, // verify
  );
  return plaintexts.map((p) => ({ type: p.fhe_type, value: BigInt(`0x${hex(p.bytes)}`).toString() }));
}

const operations = { keygen, encrypt, process: processResponses };

const jobs = JSON.parse(fs.readFileSync(0, 'utf8'));
const results = jobs.map((job) => {
  try {
    return { value: operations[job.op](job) };
  } catch (e) {
    return { error: String(e.message ?? e) };
  }
});
process.stdout.write(JSON.stringify(results));
