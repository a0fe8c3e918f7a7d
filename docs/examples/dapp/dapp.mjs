// A dApp's way through TKMS: encrypt a value under the chain's key, submit it, make it publicly
// decryptable, have it decrypted, verify the parties' signatures, read the plaintext on chain.
//
//   node dapp.mjs --relayer URL --host URL [--type euint64] [--value 42] [--rest URL]
//
// It runs against 'tkmsd devnet', whose coprocessor is SIMULATED: it binds any input that it gets.
import { Buffer } from 'node:buffer';
import { parseArgs } from 'node:util';
import { Contract, JsonRpcProvider, Wallet, concat, getBytes, hexlify, keccak256, toBeHex, verifyTypedData } from 'ethers';
import tfhe from 'node-tfhe';

const { values: opt } = parseArgs({
  options: {
    relayer: { type: 'string' }, host: { type: 'string' }, rest: { type: 'string' },
    type: { type: 'string', default: 'euint64' }, value: { type: 'string', default: '42' },
  },
});
if (!opt.relayer || !opt.host) throw new Error('--relayer and --host are needed; tkmsd devnet prints both');

const BITS = { ebool: 1, euint4: 4, euint8: 8, euint16: 16, euint32: 32, euint64: 64, euint128: 128, euint160: 160, euint256: 256, euint2048: 2048 };
const SIZE_LIMIT = 1n << 30n;
const value = BigInt(opt.value);
if (!(opt.type in BITS) || value < 0n || value >> BigInt(BITS[opt.type]) !== 0n) throw new Error(`no ${opt.type}: ${opt.value}`);

async function http(url, init) {
  const response = await fetch(url, init);
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  return response;
}
const json = async (url, init) => (await http(url, init)).json();
const post = (url, body) => json(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
const sleep = (ms) => new Promise((done) => { setTimeout(done, ms); });
const say = (name, text) => console.log(`${name.padEnd(12)} ${text}`);

// 1. The key. The chain has its digest; whoever serves the bytes need not be trusted.
const { response: keyurl } = await json(`${opt.relayer}/v2/keyurl`);
const { dataId: keyId, urls } = keyurl.fheKeyInfo[0].fhePublicKey;
const keyUrl = urls.at(-1); // before it are the forms that older releases of TFHE-rs read
const keyBytes = new Uint8Array(await (await http(keyUrl)).arrayBuffer());
say('key', `${keyId}, ${keyBytes.length} bytes`);
if (opt.rest) {
  const { key } = await json(`${opt.rest}/tkms/kms/v1/keys/${keyId.slice(2)}`);
  const recorded = hexlify(Buffer.from(key.material.public_key_keccak, 'base64'));
  if (keccak256(keyBytes) !== recorded) throw new Error('these are not the bytes that the chain recorded');
  say('', `keccak256 ${recorded} is the chain's`);
}

// 2. Encrypt.
const parameters = new tfhe.ShortintCompactPublicKeyEncryptionParameters(
  tfhe.ShortintCompactPublicKeyEncryptionParametersName.PARAM_PKE_MESSAGE_2_CARRY_2_KS_PBS_TUNIFORM_2M128);
const key = tfhe.TfheCompactPublicKey.safe_deserialize_conformant(keyBytes, SIZE_LIMIT, parameters);
const builder = tfhe.CompactCiphertextList.builder(key);
if (opt.type === 'ebool') builder.push_boolean(value === 1n);
else builder[`push_u${BITS[opt.type]}`](BITS[opt.type] <= 32 ? Number(value) : value);
const ciphertext = builder.build_packed().safe_serialize(SIZE_LIMIT);
const digest = keccak256(ciphertext);
say('ciphertext', `${ciphertext.length} bytes, ${digest}`);

// 3. The relayer keeps the bytes, the host chain only their digest.
await http(`${opt.relayer}/v1/ciphertexts/${digest.slice(2)}`, { method: 'PUT', body: ciphertext });

// 4. The host chain: an account (on the devnet a faucet fills it), the coprocessor, the dApp.
const chain = new JsonRpcProvider(opt.host, undefined, { pollingInterval: 100, cacheTimeout: -1 });
const wallet = Wallet.createRandom(chain);
await chain.send('tkmstest_fund', [{ address: wallet.address }]);
const info = await chain.send('tkmstest_info', []);
const dapp = new Contract(info.contracts.disclosure, [
  'function submit(bytes32 inputHandle, bytes inputProof) returns (bytes32)',
  'function makePubliclyDecryptable(bytes32 handle)',
  'function plaintext(bytes32 handle) view returns (uint256[])',
], wallet);
const input = await post(`${opt.host}/coprocessor/input`, {
  contractAddress: await dapp.getAddress(), userAddress: wallet.address, type: opt.type, ciphertext: Buffer.from(ciphertext).toString('base64'),
});
say('handle', input.handle);
await (await dapp.submit(input.handle, input.inputProof)).wait();
await (await dapp.makePubliclyDecryptable(input.handle)).wait();
say('disclosed', 'the ACL allows public decryption');

// 5. Ask, with a callback that stores the plaintext in the dApp.
const started = Date.now();
const { result: { jobId } } = await post(`${opt.relayer}/v2/public-decrypt`, {
  ciphertextHandles: [input.handle], extraData: '0x00', callback: { address: await dapp.getAddress() },
});
let answer;
do {
  await sleep(100);
  answer = await json(`${opt.relayer}/v2/public-decrypt/${jobId}`);
} while (answer.status === 'queued');
say('decrypted', `${BigInt(`0x${answer.result.decryptedValue}`)} after ${Date.now() - started} ms, request ${answer.tkms.requestId}`);

// 6. Do not take the relayer's word: the parties signed, and the host chain knows who they are.
const domain = { name: 'Decryption', version: '1', chainId: info.gateway.chainId, verifyingContract: info.gateway.decryption };
const types = { PublicDecryptVerification: [
  { name: 'ctHandles', type: 'bytes32[]' }, { name: 'decryptedResult', type: 'bytes' }, { name: 'extraData', type: 'bytes' },
] };
const message = { ctHandles: answer.tkms.ciphertextHandles, decryptedResult: `0x${answer.result.decryptedValue}`, extraData: '0x' };
const { signers, threshold } = (await chain.send('tkmstest_info', [])).kms;
const known = new Set(signers.map((s) => s.toLowerCase()));
const signed = new Set(answer.result.signatures.map((s) => verifyTypedData(domain, types, message, `0x${s}`).toLowerCase()).filter((s) => known.has(s)));
if (signed.size < threshold) throw new Error(`only ${signed.size} of the host chain's KMS signers signed, ${threshold} are needed`);
say('verified', `${signed.size} of ${signers.length} parties signed, ${threshold} are needed`);

// 7. The callback ran the dApp's FHE.checkSignatures.
for (;;) {
  answer = await json(`${opt.relayer}/v2/public-decrypt/${jobId}`);
  const callback = answer.tkms.callbacks.find((c) => c.address.toLowerCase() === info.contracts.disclosure);
  if (['succeeded', 'reverted', 'refused'].includes(callback.state)) {
    say('callback', `${callback.state} in block ${callback.block}, ${callback.gasUsed} gas`);
    break;
  }
  await sleep(100);
}
const words = await dapp.plaintext(input.handle);
const stored = BigInt(hexlify(concat(words.map((w) => getBytes(toBeHex(w, 32))))));
say('in the dApp', `${stored} after ${Date.now() - started} ms`);
if (stored !== value) throw new Error(`stored ${stored}, encrypted ${value}`);
process.exit(0);
