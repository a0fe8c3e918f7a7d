// Generates sdk.json with the published client library, for the test of handles and EIP-712 hashes.
//
//   npm install @zama-fhe/relayer-sdk@0.4.3 ethers@6.15.0 && node generate.mjs > sdk.json
import { CoprocessorEIP712, FhevmHandle } from "./node_modules/@zama-fhe/relayer-sdk/lib/internal.js";
import { ethers } from "ethers";

const acl = ethers.getAddress("0x50157CFfD6bBFA2DECe204a89ec419c23ef5755D");
const ciphertext = "tkms input handle vector";
const handles = [
  [2, 31337n],
  [8, 31337n],
  [64, 11155111n],
  [160, 31337n],
  [256, 1n],
].map(([bits, chainId]) => {
  const [handle] = FhevmHandle.fromZKProof({
    encryptionBits: [bits], // 2 stands for ebool
    ciphertextWithZKProof: new TextEncoder().encode(ciphertext),
    aclContractAddress: acl,
    chainId,
  });
  return { type: handle.fheTypeId, chainId: Number(chainId), handle: handle.toBytes32Hex() };
});
const all = handles.map((h) => h.handle);

const decryption = { name: "Decryption", version: "1", chainId: 10901n, verifyingContract: "0x5ffdaAB0373E62E2ea2944776209aEf29E631A64" };
const publicDecrypt = {
  PublicDecryptVerification: [
    { name: "ctHandles", type: "bytes32[]" },
    { name: "decryptedResult", type: "bytes" },
    { name: "extraData", type: "bytes" },
  ],
};
const input = new CoprocessorEIP712({ gatewayChainId: 10901n, verifyingContractAddressInputVerification: "0x812b06e1CDCE800494b79fFE4f925A504a9A9810" }).createEIP712({
  ctHandles: all.slice(0, 2),
  contractChainId: 31337n,
  contractAddress: ethers.getAddress("0x" + "11".repeat(20)),
  userAddress: ethers.getAddress("0x" + "22".repeat(20)),
  extraData: "0x",
});
console.log(
  JSON.stringify(
    {
      acl,
      ciphertext,
      handles,
      publicDecryptDigest: ethers.TypedDataEncoder.hash(decryption, publicDecrypt, { ctHandles: all, decryptedResult: "0x0102", extraData: "0x00" }),
      inputDigest: ethers.TypedDataEncoder.hash(input.domain, input.types, input.message),
    },
    null,
    1,
  ),
);
