package api

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"

	"github.com/tkms-network/tkms/x/kms/handles"
)

// fields reads the fields of one body and collects what is wrong with them.
type fields struct {
	missing, issues []Detail
}

// wrong notes what is wrong with a field.
func (f *fields) wrong(field, issue string) { f.issues = append(f.issues, Detail{field, issue}) }

// require notes a field that has to be there.
func (f *fields) require(field string, there bool) {
	if !there {
		f.missing = append(f.missing, Detail{field, "it is missing"})
	}
}

// err is what all fields together come to.
func (f *fields) err() error {
	switch {
	case len(f.missing) > 0:
		return &invalid{LabelMissing, "the request lacks fields", f.missing}
	case len(f.issues) > 0:
		return &invalid{LabelValidation, "the request is not valid", f.issues}
	}
	return nil
}

// handles reads a batch of handles in hex with 0x; none is for require to note.
func (f *fields) handles(field string, hostChainID uint64, texts []string) []handles.Handle {
	raw := make([][]byte, len(texts))
	for i, text := range texts {
		var err error
		if raw[i], err = hexutil.Decode(text); err != nil {
			f.wrong(fmt.Sprintf("%s[%d]", field, i), err.Error())
			return nil
		}
	}
	batch, err := handles.ParseBatch(hostChainID, raw)
	if err != nil && len(raw) > 0 {
		f.wrong(field, err.Error())
	}
	return batch
}

// address reads 20 bytes in hex with 0x.
func (f *fields) address(field, text string) common.Address {
	f.require(field, text != "")
	raw, err := hexutil.Decode(text)
	if err != nil || len(raw) != common.AddressLength {
		f.wrong(field, "no address: 20 bytes in hex with 0x")
		return common.Address{}
	}
	return common.Address(raw)
}

// hex reads bytes in hex, with 0x or without.
func (f *fields) hex(field, text string) []byte {
	raw, err := hex.DecodeString(strings.TrimPrefix(text, "0x"))
	if err != nil {
		f.wrong(field, "no hexadecimal bytes")
	}
	return raw
}

// number reads an unsigned integer, decimal, or hexadecimal with 0x.
func (f *fields) number(field, text string) uint64 {
	f.require(field, text != "")
	base, digits := 10, text
	if rest, ok := strings.CutPrefix(text, "0x"); ok {
		base, digits = 16, rest
	}
	n, err := strconv.ParseUint(digits, base, 64)
	if err != nil {
		f.wrong(field, "no unsigned integer of 64 bits")
	}
	return n
}

// chain reads the id of the host chain, which must be the one served.
func (f *fields) chain(field, text string, served uint64) {
	if n := f.number(field, text); n != served {
		f.wrong(field, fmt.Sprintf("this relayer serves chain %d", served))
	}
}

// extraData reads what is signed along: nothing, or the 0x00 of the published
// clients.
func (f *fields) extraData(text string) []byte {
	switch text {
	case noExtraData:
		return []byte{0}
	case "", "0x":
		return nil
	}
	f.wrong("extraData", "only "+noExtraData+" is supported")
	return nil
}
