// Does what a dApp's frontend does, with the published client library as it is: reads commands from
// stdin, one JSON object a line, and answers each with a line on stdout, when it is done.
//
// Commands have an "id", an "op" and the fields that its function below takes. Answers are
// {id, ok: true, ms, result} or {id, ok: false, ms, error: {name, message, label, status}}. Values are
// decimal text, "true" or "false", or an address.
import { createInterface } from "node:readline";
import { createInstance } from "@zama-fhe/relayer-sdk/node";
import { ethers } from "ethers";

let instance;
let config;

const text = (values) => Object.fromEntries(Object.entries(values).map(([handle, value]) => [handle, String(value)]));
const bare = (hex) => hex.replace(/^0x/, "");

async function signed(eip712, primary, key) {
  const types = { [primary]: eip712.types[primary] };
  return bare(await new ethers.Wallet(key).signTypedData(eip712.domain, types, eip712.message));
}

const authorize = ({ publicKey, contracts, start, days, signer }) =>
  signed(instance.createEIP712(publicKey, contracts, start, days), "UserDecryptRequestVerification", signer);

const authorizeDelegated = ({ publicKey, contracts, delegator, start, days, signer }) =>
  signed(instance.createDelegatedUserDecryptEIP712(publicKey, contracts, delegator, start, days), "DelegatedUserDecryptRequestVerification", signer);

// userPayload and delegatedPayload are what the library would send, without what it checks first.
const userPayload = async (c) => ({
  handleContractPairs: c.pairs,
  requestValidity: { startTimestamp: String(c.start), durationDays: String(c.days) },
  contractsChainId: String(config.chainId),
  contractAddresses: c.sentContracts ?? c.contracts,
  userAddress: c.user,
  signature: await authorize(c),
  publicKey: c.sentPublicKey ?? c.publicKey,
  extraData: "0x00",
});

const delegatedPayload = async (c) => ({
  handleContractPairs: c.pairs,
  contractsChainId: String(config.chainId),
  contractAddresses: c.contracts,
  delegatorAddress: c.delegator,
  delegateAddress: c.user,
  startTimestamp: String(c.start),
  durationDays: String(c.days),
  signature: await authorizeDelegated(c),
  publicKey: c.publicKey,
  extraData: "0x00",
});

// post sends a payload and waits for the end of its job.
async function post(operation, payload) {
  const url = `${config.relayerUrl}/${operation}`;
  let response = await fetch(url, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(payload) });
  let body = await response.json();
  while (response.status === 202) {
    const job = body.result?.jobId ?? body.requestId;
    await new Promise((resolve) => setTimeout(resolve, 200));
    response = await fetch(`${url}/${job}`);
    body = { ...(await response.json()), requestId: job };
  }
  return { status: response.status, label: body.error?.label, message: body.error?.message, reason: body.error?.reason };
}

const ADD = {
  ebool: (input, v) => input.addBool(v === "true"),
  euint8: (input, v) => input.add8(BigInt(v)),
  euint16: (input, v) => input.add16(BigInt(v)),
  euint32: (input, v) => input.add32(BigInt(v)),
  euint64: (input, v) => input.add64(BigInt(v)),
  euint128: (input, v) => input.add128(BigInt(v)),
  eaddress: (input, v) => input.addAddress(v),
  euint256: (input, v) => input.add256(BigInt(v)),
};

const operations = {
  async open(c) {
    config = c.config;
    instance = await createInstance(config);
    return {};
  },
  async keypair() {
    return instance.generateKeypair();
  },
  async publicDecrypt({ handles }) {
    const { clearValues, abiEncodedClearValues, decryptionProof } = await instance.publicDecrypt(handles);
    return { values: text(clearValues), abiEncodedClearValues, decryptionProof };
  },
  async userDecrypt(c) {
    const { pairs, privateKey, publicKey, contracts, user, start, days } = c;
    return { values: text(await instance.userDecrypt(pairs, privateKey, publicKey, await authorize(c), contracts, user, start, days)) };
  },
  async delegatedUserDecrypt(c) {
    const { pairs, privateKey, publicKey, contracts, delegator, user, start, days } = c;
    const signature = await authorizeDelegated(c);
    return { values: text(await instance.delegatedUserDecrypt(pairs, privateKey, publicKey, signature, contracts, delegator, user, start, days)) };
  },
  async encrypt({ contract, user, values }) {
    const input = instance.createEncryptedInput(contract, user);
    for (const { type, value } of values) ADD[type](input, value);
    const { handles, inputProof } = await input.encrypt();
    return { handles: handles.map((h) => ethers.hexlify(h)), inputProof: ethers.hexlify(inputProof) };
  },
  postUserDecrypt: async (c) => post("user-decrypt", await userPayload(c)),
  postDelegatedUserDecrypt: async (c) => post("delegated-user-decrypt", await delegatedPayload(c)),
};

// failure finds the relayer's label and status in what the library throws.
function failure(e) {
  const found = { name: e?.name ?? "Error", message: e?.message ?? String(e) };
  for (let at = e; at && typeof at === "object"; at = at.cause) {
    found.label ??= at.relayerApiError?.label;
    found.status ??= at.status ?? at.cause?.status;
    if (at !== e && at.message) found.message += `: ${at.message}`;
  }
  return found;
}

async function answer(line) {
  const command = JSON.parse(line);
  const began = performance.now();
  let end;
  try {
    end = { ok: true, result: await operations[command.op](command) };
  } catch (e) {
    end = { ok: false, error: failure(e) };
  }
  process.stdout.write(`${JSON.stringify({ id: command.id, ...end, ms: performance.now() - began })}\n`);
}

for await (const line of createInterface({ input: process.stdin })) void answer(line);
