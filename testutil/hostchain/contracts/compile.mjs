// Compiles the test host chain's own contracts, and copies the published artifacts of host contracts
// and wallets beside them, into ./artifacts. Run by build.sh in the build directory.
import { createRequire } from "node:module";
import { readFileSync, writeFileSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";

const require = createRequire(import.meta.url);
const solc = require("solc");

const host = "@fhevm/host-contracts/artifacts/contracts";
const safe13 = "@gnosis.pm/safe-contracts/build/artifacts/contracts";
const safe14 = "@safe-global/safe-contracts/build/artifacts/contracts";
const published = {
  ACL: `${host}/ACL.sol/ACL.json`,
  FHEVMExecutor: `${host}/FHEVMExecutor.sol/FHEVMExecutor.json`,
  KMSVerifier: `${host}/KMSVerifier.sol/KMSVerifier.json`,
  InputVerifier: `${host}/InputVerifier.sol/InputVerifier.json`,
  HCULimit: `${host}/HCULimit.sol/HCULimit.json`,
  PauserSet: `${host}/immutable/PauserSet.sol/PauserSet.json`,
  // Contract wallets of users.
  "Safe-1.3.0": `${safe13}/GnosisSafe.sol/GnosisSafe.json`,
  "SafeProxyFactory-1.3.0": `${safe13}/proxies/GnosisSafeProxyFactory.sol/GnosisSafeProxyFactory.json`,
  "SignMessageLib-1.3.0": `${safe13}/examples/libraries/SignMessage.sol/SignMessageLib.json`,
  "CompatibilityFallbackHandler-1.3.0": `${safe13}/handler/CompatibilityFallbackHandler.sol/CompatibilityFallbackHandler.json`,
  "Safe-1.4.1": `${safe14}/Safe.sol/Safe.json`,
  "SafeProxyFactory-1.4.1": `${safe14}/proxies/SafeProxyFactory.sol/SafeProxyFactory.json`,
  "SignMessageLib-1.4.1": `${safe14}/libraries/SignMessageLib.sol/SignMessageLib.json`,
  "CompatibilityFallbackHandler-1.4.1": `${safe14}/handler/CompatibilityFallbackHandler.sol/CompatibilityFallbackHandler.json`,
};
const wanted = {
  CiphertextRegistry: "src/CiphertextRegistry.sol",
  Disclosure: "src/Disclosure.sol",
  ERC1967Proxy: "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol",
};

const sources = {};
for (const f of readdirSync("src")) sources[`src/${f}`] = { content: readFileSync(join("src", f), "utf8") };
sources[wanted.ERC1967Proxy] = { content: readFileSync(join("node_modules", wanted.ERC1967Proxy), "utf8") };

const input = {
  language: "Solidity",
  sources,
  settings: {
    evmVersion: "cancun",
    optimizer: { enabled: true, runs: 800 },
    metadata: { bytecodeHash: "none", appendCBOR: false },
    outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] } },
  },
};
const output = JSON.parse(
  solc.compile(JSON.stringify(input), {
    import: (path) => {
      try {
        return { contents: readFileSync(join("node_modules", path), "utf8") };
      } catch (e) {
        return { error: String(e) };
      }
    },
  }),
);
const errors = (output.errors ?? []).filter((e) => e.severity === "error");
if (errors.length > 0) {
  for (const e of errors) console.error(e.formattedMessage);
  process.exit(1);
}

mkdirSync("artifacts", { recursive: true });
for (const [name, file] of Object.entries(wanted)) {
  const c = output.contracts[file][name];
  const artifact = {
    contractName: name,
    sourceName: file,
    compiler: solc.version(),
    abi: c.abi,
    bytecode: "0x" + c.evm.bytecode.object,
    deployedBytecode: "0x" + c.evm.deployedBytecode.object,
  };
  writeFileSync(join("artifacts", `${name}.json`), JSON.stringify(artifact));
}
for (const [name, file] of Object.entries(published)) {
  writeFileSync(join("artifacts", `${name}.json`), readFileSync(join("node_modules", file)));
}
