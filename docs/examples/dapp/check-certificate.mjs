// Checks a certificate of TKMS without a TKMS node:
//
//   tkmsd query kms certificate ID --output json | node check-certificate.mjs
//
// It checks that enough different members signed exactly these handles and this plaintext, and that
// the id is that of the handles. Who the members are it takes from the certificate: compare the
// signers that it prints with those of the host chain's KMSVerifier.
import { Buffer } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { concat, getAddress, hexlify, sha256, toBeHex, toUtf8Bytes, verifyTypedData } from 'ethers';

const hex = (base64) => hexlify(Buffer.from(base64, 'base64'));
const { certificate: { request, signers } } = JSON.parse(readFileSync(0, 'utf8'));
if (request.kind !== 'REQUEST_KIND_PUBLIC_DECRYPTION') throw new Error("there is no plaintext to check: use 'tkmsd verify'");
const members = signers.map((s) => getAddress(hex(s)));
const handles = request.ciphertexts.map((c) => hex(c.handle));
const plaintext = hex(request.plaintext);

const domain = {
  name: request.domain.name, version: request.domain.version,
  chainId: BigInt(request.domain.chain_id), verifyingContract: getAddress(hex(request.domain.verifying_contract)),
};
const types = { PublicDecryptVerification: [
  { name: 'ctHandles', type: 'bytes32[]' }, { name: 'decryptedResult', type: 'bytes' }, { name: 'extraData', type: 'bytes' },
] };
const agreeing = request.contributions.filter((c) => c.agrees);
for (const { index, signature } of agreeing) {
  const signer = verifyTypedData(domain, types, { ctHandles: handles, decryptedResult: plaintext, extraData: '0x' }, hex(signature));
  if (signer !== members[index - 1]) throw new Error(`the signature of member ${index} is ${signer}'s`);
  console.log(`member ${index}   ${signer} signed`);
}
const signed = new Set(agreeing.map((c) => members[c.index - 1])).size;
if (!(request.threshold > 0) || signed < request.threshold) throw new Error(`${signed} members signed, ${request.threshold} are needed`);

const u = (value, bytes) => toBeHex(value, bytes);
const tag = toUtf8Bytes('tkms/v1/kms/request');
const id = sha256(concat([
  u(tag.length, 1), tag, u(BigInt(request.host_chain_id), 8), u(1, 4), hex(request.key_id), u(handles.length, 4), ...handles,
]));
if (id !== hex(request.id)) throw new Error(`the id is not that of the handles, ${id}`);
console.log(`id         ${id}`);
for (const [i, handle] of handles.entries()) console.log(`handle     ${handle}, bytes ${hex(request.ciphertexts[i].digest)}`);
console.log(`plaintext  ${plaintext}`);
console.log(`authorized by block ${request.authorization.header_height} of chain ${request.host_chain_id}, ${hex(request.authorization.header_hash)}`);
if (request.simulated?.length) console.log(`SIMULATED  ${request.simulated.join(', ')}`);
console.log(`valid: ${signed} of ${members.length} members signed, ${request.threshold} are needed`);
