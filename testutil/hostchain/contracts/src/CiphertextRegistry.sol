// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.28;

/// @title  CiphertextRegistry
/// @notice Binds each ciphertext handle of this chain to keccak256 of the ciphertext's bytes, so
///         that a storage proof under a sealed header shows which bytes a handle stands for.
/// @dev    Whoever may bind bytes to handles can have the bytes of somebody else's ciphertext
///         decrypted under a handle of their own. Hence the three rules below: one writer fixed at
///         deployment, a handle is bound once, and so is a digest.
contract CiphertextRegistry {
    /// @notice The caller is not the coprocessor.
    error NotCoprocessor(address caller);
    /// @notice The handle, or the digest, is zero.
    error NullBinding();
    /// @notice The handle does not carry this chain's id or the known handle version.
    error ForeignHandle(bytes32 handle);
    /// @notice The handle already has a digest.
    error HandleAlreadyBound(bytes32 handle, bytes32 digest);
    /// @notice The digest already belongs to a handle.
    error DigestAlreadyBound(bytes32 digest, bytes32 handle);
    /// @notice The coprocessor address given at deployment is zero.
    error NullCoprocessor();

    /// @notice A handle was bound to the digest of its ciphertext's bytes.
    event CiphertextBound(bytes32 indexed handle, bytes32 indexed digest);

    /// @custom:storage-location erc7201:tkms.storage.CiphertextRegistry
    struct RegistryStorage {
        mapping(bytes32 handle => bytes32 digest) digests;
        mapping(bytes32 digest => bytes32 handle) handles;
    }

    // keccak256(abi.encode(uint256(keccak256("tkms.storage.CiphertextRegistry")) - 1)) & ~bytes32(uint256(0xff))
    bytes32 private constant STORAGE_BASE = keccak256(
        abi.encode(uint256(keccak256("tkms.storage.CiphertextRegistry")) - 1)
    ) & ~bytes32(uint256(0xff));

    /// @notice The only account that may bind.
    address public immutable coprocessor;

    constructor(address coprocessor_) {
        if (coprocessor_ == address(0)) revert NullCoprocessor();
        coprocessor = coprocessor_;
    }

    /// @notice Binds `handle` to `digest`, for ever.
    function register(bytes32 handle, bytes32 digest) external {
        if (msg.sender != coprocessor) revert NotCoprocessor(msg.sender);
        if (handle == 0 || digest == 0) revert NullBinding();
        // Layout of a handle: byte 31 version, byte 30 type, bytes 22..29 chain id.
        if (uint8(uint256(handle)) != 0 || uint64(uint256(handle) >> 16) != block.chainid) {
            revert ForeignHandle(handle);
        }
        RegistryStorage storage $ = _storage();
        if ($.digests[handle] != 0) revert HandleAlreadyBound(handle, $.digests[handle]);
        if ($.handles[digest] != 0) revert DigestAlreadyBound(digest, $.handles[digest]);
        $.digests[handle] = digest;
        $.handles[digest] = handle;
        emit CiphertextBound(handle, digest);
    }

    /// @notice The digest of `handle`, zero when it has none.
    function digestOf(bytes32 handle) external view returns (bytes32) {
        return _storage().digests[handle];
    }

    /// @notice The handle that `digest` belongs to, zero when none.
    function handleOf(bytes32 digest) external view returns (bytes32) {
        return _storage().handles[digest];
    }

    /// @notice The base slot of the registry's storage; `digestOf(h)` is at keccak256(h . base).
    function storageBase() external pure returns (bytes32) {
        return STORAGE_BASE;
    }

    function _storage() private pure returns (RegistryStorage storage $) {
        bytes32 base = STORAGE_BASE;
        assembly {
            $.slot := base
        }
    }
}
