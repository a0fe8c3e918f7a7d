// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.28;

import {FHE} from "@fhevm/solidity/lib/FHE.sol";
import {FheType} from "@fhevm/solidity/lib/FheType.sol";
import {Impl, CoprocessorConfig, IACL, IFHEVMExecutor} from "@fhevm/solidity/lib/Impl.sol";
import "encrypted-types/EncryptedTypes.sol";

/// @title  Disclosure
/// @notice A small dApp that takes encrypted inputs of every type, lets their owners read them or
///         make them publicly decryptable, and keeps the plaintext once it comes with enough KMS
///         signatures.
/// @dev    The type of a value is byte 30 of its handle and nothing else. A plaintext is one
///         32-byte word a value, except euint512, euint1024 and euint2048: 2, 4 and 8 words, the
///         most significant first.
contract Disclosure {
    error UnsupportedType(uint8 typeOf);
    error NotOwner(bytes32 handle, address caller);
    error AlreadySubmitted(bytes32 handle);
    error NotDisclosed(bytes32 handle);
    error AlreadyFulfilled(bytes32 handle);
    error NoHandles();
    error WrongCleartextLength(uint256 expected, uint256 given);
    error CleartextOutOfRange(bytes32 handle);

    event Submitted(bytes32 indexed handle, address indexed owner, uint8 typeOf);
    event Disclosed(bytes32 indexed handle);
    event Fulfilled(bytes32 indexed handle, uint256[] words);

    struct Entry {
        address owner;
        bool disclosed;
        bool fulfilled;
        uint256[] words;
    }

    mapping(bytes32 handle => Entry) private _entries;
    mapping(address owner => bytes32[] handles) private _kept;

    constructor(CoprocessorConfig memory config) {
        FHE.setCoprocessor(config);
    }

    /// @notice Takes an encrypted input of the caller.
    /// @param inputHandle The external handle.
    /// @param inputProof  The coprocessor's signatures over it, for this caller and this contract.
    function submit(bytes32 inputHandle, bytes calldata inputProof) public returns (bytes32 handle) {
        uint8 typeOf = _typeOf(inputHandle);
        if (_entries[inputHandle].owner != address(0)) revert AlreadySubmitted(inputHandle);
        handle = _take(inputHandle, inputProof, typeOf);
        _entries[handle].owner = msg.sender;
        emit Submitted(handle, msg.sender, typeOf);
    }

    /// @notice Takes the encrypted inputs of one proof, and lets the caller have them re-encrypted.
    function keep(bytes32[] calldata inputHandles, bytes calldata inputProof) external {
        if (inputHandles.length == 0) revert NoHandles();
        for (uint256 i = 0; i < inputHandles.length; i++) {
            bytes32 handle = submit(inputHandles[i], inputProof);
            _acl().allow(handle, msg.sender);
            _kept[msg.sender].push(handle);
        }
    }

    /// @notice What `owner` has kept, in order.
    function kept(address owner) external view returns (bytes32[] memory) {
        return _kept[owner];
    }

    /// @notice Lets anybody have the value decrypted. Cannot be taken back.
    function makePubliclyDecryptable(bytes32 handle) external {
        _onlyOwner(handle);
        _disclose(handle, _typeOf(handle));
        _entries[handle].disclosed = true;
        emit Disclosed(handle);
    }

    /// @notice Lets `account` have the value re-encrypted for itself.
    function allow(bytes32 handle, address account) external {
        _onlyOwner(handle);
        _acl().allow(handle, account);
    }

    /// @notice Stores plaintexts that carry enough KMS signatures.
    /// @param handles    The values, in the order that was signed.
    /// @param cleartexts The plaintext words of all values, concatenated.
    /// @param proof      The decryption proof as KMSVerifier reads it.
    function fulfil(bytes32[] calldata handles, bytes calldata cleartexts, bytes calldata proof) external {
        if (handles.length == 0) revert NoHandles();
        uint256 expected;
        for (uint256 i = 0; i < handles.length; i++) {
            expected += 32 * _wordsOf(_typeOf(handles[i]));
        }
        if (cleartexts.length != expected) revert WrongCleartextLength(expected, cleartexts.length);
        FHE.checkSignatures(handles, cleartexts, proof);
        uint256 offset;
        for (uint256 i = 0; i < handles.length; i++) {
            offset = _store(handles[i], cleartexts, offset);
        }
    }

    /// @notice The plaintext words of `handle`, most significant first; reverts before `fulfil`.
    function plaintext(bytes32 handle) external view returns (uint256[] memory) {
        if (!_entries[handle].fulfilled) revert NotDisclosed(handle);
        return _entries[handle].words;
    }

    /// @notice The state of `handle` in this dApp.
    function status(bytes32 handle) external view returns (address owner, bool disclosed, bool fulfilled) {
        Entry storage e = _entries[handle];
        return (e.owner, e.disclosed, e.fulfilled);
    }

    function _store(bytes32 handle, bytes calldata cleartexts, uint256 offset) private returns (uint256) {
        Entry storage e = _entries[handle];
        if (!e.disclosed) revert NotDisclosed(handle);
        if (e.fulfilled) revert AlreadyFulfilled(handle);
        uint8 typeOf = _typeOf(handle);
        uint256 count = _wordsOf(typeOf);
        uint256[] memory words = new uint256[](count);
        for (uint256 j = 0; j < count; j++) {
            words[j] = uint256(bytes32(cleartexts[offset:offset + 32]));
            offset += 32;
        }
        uint256 bits = _bitsOf(typeOf);
        if (bits < 256 && words[0] >> bits != 0) revert CleartextOutOfRange(handle);
        e.fulfilled = true;
        e.words = words;
        emit Fulfilled(handle, words);
        return offset;
    }

    function _take(bytes32 h, bytes calldata proof, uint8 typeOf) private returns (bytes32) {
        if (typeOf == uint8(FheType.Bool)) {
            ebool v = FHE.fromExternal(externalEbool.wrap(h), proof);
            FHE.allowThis(v);
            return FHE.toBytes32(v);
        } else if (typeOf == uint8(FheType.Uint8)) {
            euint8 v = FHE.fromExternal(externalEuint8.wrap(h), proof);
            FHE.allowThis(v);
            return FHE.toBytes32(v);
        } else if (typeOf == uint8(FheType.Uint16)) {
            euint16 v = FHE.fromExternal(externalEuint16.wrap(h), proof);
            FHE.allowThis(v);
            return FHE.toBytes32(v);
        } else if (typeOf == uint8(FheType.Uint32)) {
            euint32 v = FHE.fromExternal(externalEuint32.wrap(h), proof);
            FHE.allowThis(v);
            return FHE.toBytes32(v);
        } else if (typeOf == uint8(FheType.Uint64)) {
            euint64 v = FHE.fromExternal(externalEuint64.wrap(h), proof);
            FHE.allowThis(v);
            return FHE.toBytes32(v);
        } else if (typeOf == uint8(FheType.Uint128)) {
            euint128 v = FHE.fromExternal(externalEuint128.wrap(h), proof);
            FHE.allowThis(v);
            return FHE.toBytes32(v);
        } else if (typeOf == uint8(FheType.Uint160)) {
            eaddress v = FHE.fromExternal(externalEaddress.wrap(h), proof);
            FHE.allowThis(v);
            return FHE.toBytes32(v);
        } else if (typeOf == uint8(FheType.Uint256)) {
            euint256 v = FHE.fromExternal(externalEuint256.wrap(h), proof);
            FHE.allowThis(v);
            return FHE.toBytes32(v);
        }
        // The library has no external type for these; its executor and ACL take them all the same.
        _bitsOf(typeOf);
        CoprocessorConfig storage config = Impl.getCoprocessorConfig();
        bytes32 result = IFHEVMExecutor(config.CoprocessorAddress).verifyInput(h, msg.sender, proof, FheType(typeOf));
        IACL(config.ACLAddress).allow(result, address(this));
        return result;
    }

    function _disclose(bytes32 h, uint8 typeOf) private {
        if (typeOf == uint8(FheType.Bool)) FHE.makePubliclyDecryptable(ebool.wrap(h));
        else if (typeOf == uint8(FheType.Uint8)) FHE.makePubliclyDecryptable(euint8.wrap(h));
        else if (typeOf == uint8(FheType.Uint16)) FHE.makePubliclyDecryptable(euint16.wrap(h));
        else if (typeOf == uint8(FheType.Uint32)) FHE.makePubliclyDecryptable(euint32.wrap(h));
        else if (typeOf == uint8(FheType.Uint64)) FHE.makePubliclyDecryptable(euint64.wrap(h));
        else if (typeOf == uint8(FheType.Uint128)) FHE.makePubliclyDecryptable(euint128.wrap(h));
        else if (typeOf == uint8(FheType.Uint160)) FHE.makePubliclyDecryptable(eaddress.wrap(h));
        else if (typeOf == uint8(FheType.Uint256)) FHE.makePubliclyDecryptable(euint256.wrap(h));
        else {
            bytes32[] memory handles = new bytes32[](1);
            handles[0] = h;
            _acl().allowForDecryption(handles);
        }
    }

    function _onlyOwner(bytes32 handle) private view {
        if (_entries[handle].owner != msg.sender) revert NotOwner(handle, msg.sender);
    }

    function _acl() private view returns (IACL) {
        return IACL(Impl.getCoprocessorConfig().ACLAddress);
    }

    function _typeOf(bytes32 handle) private pure returns (uint8) {
        return uint8(handle[30]);
    }

    function _wordsOf(uint8 typeOf) private pure returns (uint256) {
        uint256 bits = _bitsOf(typeOf);
        return bits <= 256 ? 1 : bits / 256;
    }

    function _bitsOf(uint8 typeOf) private pure returns (uint256) {
        if (typeOf == uint8(FheType.Bool)) return 1;
        if (typeOf == uint8(FheType.Uint4)) return 4;
        if (typeOf == uint8(FheType.Uint8)) return 8;
        if (typeOf == uint8(FheType.Uint16)) return 16;
        if (typeOf == uint8(FheType.Uint32)) return 32;
        if (typeOf == uint8(FheType.Uint64)) return 64;
        if (typeOf == uint8(FheType.Uint128)) return 128;
        if (typeOf == uint8(FheType.Uint160)) return 160;
        if (typeOf == uint8(FheType.Uint256)) return 256;
        if (typeOf == uint8(FheType.Uint512)) return 512;
        if (typeOf == uint8(FheType.Uint1024)) return 1024;
        if (typeOf == uint8(FheType.Uint2048)) return 2048;
        revert UnsupportedType(typeOf);
    }
}
