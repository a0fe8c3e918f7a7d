// Private values with the published client library, as it is: encrypt a value and give it to the
// dApp, read it back, let a delegate read it, and take that back.
//
//   node read.mjs --relayer URL --host URL [--rest URL] [--value 42] [--api 2] [--key-file alice.key]
//
// With --rest, of a TKMS node, the key is compared with the chain's. --key-file is where alice's key goes,
// for 'tkmsd tx kms user-decrypt'. The coprocessor of 'tkmsd devnet' is SIMULATED: it verifies no proof.
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { createInstance } from '@zama-fhe/relayer-sdk/node';
import { Contract, JsonRpcProvider, Wallet, decodeBase64, getAddress, hexlify, keccak256 } from 'ethers';
import tfhe from 'node-tfhe';

const { values: opt } = parseArgs({
  options: {
    relayer: { type: 'string' }, host: { type: 'string' }, rest: { type: 'string' },
    value: { type: 'string', default: '42' }, api: { type: 'string', default: '2' }, 'key-file': { type: 'string' },
  },
});
if (!opt.relayer || !opt.host) throw new Error('--relayer and --host are needed; tkmsd devnet prints both');

const say = (name, text) => console.log(`${name.padEnd(12)} ${text}`);
async function timed(work) {
  const began = performance.now();
  return [await work(), `${Math.round(performance.now() - began)} ms`];
}

async function http(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  return response;
}
const json = (url) => http(url).then((response) => response.json());
const bytes = (url) => http(url).then(async (response) => new Uint8Array(await response.arrayBuffer()));

// The library takes key and CRS as the relayer gives them, so that it must not give another key. It
// gives it in the form of the library's TFHE-rs; what the chain recorded is that of node-tfhe 1.7.
async function checkedKey(chainId) {
  const { fheKeyInfo: [{ fhePublicKey }], crs } = (await json(`${opt.relayer}/v2/keyurl`)).response;
  const data = await bytes(fhePublicKey.urls[0]);
  const recorded = decodeBase64((await json(`${opt.rest}/tkms/kms/v1/host_chains/${chainId}/key`)).key.material.public_key_keccak);
  const given = tfhe.TfheCompactPublicKey.safe_deserialize(data, 1n << 20n).safe_serialize(1n << 20n);
  if (keccak256(given) !== hexlify(recorded)) throw new Error('not the key that the chain recorded');
  return {
    publicKey: { id: fhePublicKey.dataId, data },
    publicParams: { 2048: { publicParamsId: crs[2048].dataId, publicParams: await bytes(crs[2048].urls[0]) } },
  };
}

// 1. What the library has to know of a network. A dApp writes these addresses down.
const chain = new JsonRpcProvider(opt.host, undefined, { pollingInterval: 100, cacheTimeout: -1 });
const { chainId, contracts, gateway } = await chain.send('tkmstest_info', []);
const [library, connecting] = await timed(async () => createInstance({
  chainId,
  gatewayChainId: gateway.chainId,
  network: opt.host,
  relayerUrl: `${opt.relayer}/v${opt.api}`,
  relayerRouteVersion: Number(opt.api),
  aclContractAddress: getAddress(contracts.acl),
  kmsContractAddress: getAddress(contracts.kmsVerifier),
  inputVerifierContractAddress: getAddress(contracts.inputVerifier),
  verifyingContractAddressDecryption: getAddress(gateway.decryption),
  verifyingContractAddressInputVerification: getAddress(gateway.inputVerification),
  ...(opt.rest && await checkedKey(chainId)),
}));
say('connected', `to chain ${chainId}, after ${connecting}`);

async function account() {
  const wallet = Wallet.createRandom(chain);
  await chain.send('tkmstest_fund', [{ address: wallet.address }]);
  return wallet;
}
const [alice, bob] = [await account(), await account()];
if (opt['key-file']) writeFileSync(opt['key-file'], alice.privateKey, { mode: 0o600 });
const dapp = new Contract(getAddress(contracts.disclosure), ['function keep(bytes32[] handles, bytes inputProof)'], alice);
const acl = new Contract(getAddress(contracts.acl), [
  'function delegateForUserDecryption(address delegate, address contractAddress, uint64 expirationDate)',
  'function revokeDelegationForUserDecryption(address delegate, address contractAddress)',
], alice);
const address = await dapp.getAddress();

// 2. Encrypt for this contract and this user, and prove it. The dApp calls FHE.allowThis and FHE.allow.
const [input, encrypting] = await timed(() => library.createEncryptedInput(address, alice.address).add64(BigInt(opt.value)).encrypt());
const [handle] = input.handles.map(hexlify);
await (await dapp.keep([handle], hexlify(input.inputProof))).wait();
say('kept', `${handle}:${address}, encrypted after ${encrypting}`);

// 3. A key pair for a day, authorized by a signature. Both may be kept and used again.
const days = 1;
const start = Math.floor(Date.now() / 1000);
const sign = (who, primary, { domain, types, message }) => who.signTypedData(domain, { [primary]: types[primary] }, message);
const own = library.generateKeypair();
const permit = await sign(alice, 'UserDecryptRequestVerification', library.createEIP712(own.publicKey, [address], start, days));
const pairs = [{ handle, contractAddress: address }];
const read = () => library.userDecrypt(pairs, own.privateKey, own.publicKey, permit, [address], alice.address, start, days);
const [first, reading] = await timed(read);
say('alice reads', `${first[handle]} after ${reading}`);
const [again, repeating] = await timed(read);
say('and again', `${again[handle]} after ${repeating}, the same request`);
if (again[handle] !== BigInt(opt.value)) throw new Error(`read ${again[handle]}, encrypted ${opt.value}`);

// 4. A delegate reads for alice, until she takes it back. Only /v2 knows delegates.
async function asDelegate() {
  const keys = library.generateKeypair();
  const message = library.createDelegatedUserDecryptEIP712(keys.publicKey, [address], alice.address, start, days);
  const signature = await sign(bob, 'DelegatedUserDecryptRequestVerification', message);
  return timed(() => library.delegatedUserDecrypt(
    pairs, keys.privateKey, keys.publicKey, signature, [address], alice.address, bob.address, start, days,
  ));
}
if (opt.api === '2') {
  await (await acl.delegateForUserDecryption(bob.address, address, start + 2 * 3600)).wait();
  const [result, delegated] = await asDelegate();
  say('bob reads', `${result[handle]} after ${delegated}, as her delegate`);
  await (await acl.revokeDelegationForUserDecryption(bob.address, address)).wait(2);
  const refusal = await asDelegate().then(() => { throw new Error('read after it was revoked'); }, (error) => error);
  if (!refusal.relayerApiError) throw refusal;
  say('revoked', `${refusal.relayerApiError.label}: ${refusal.relayerApiError.message}`);
}
process.exit(0);
