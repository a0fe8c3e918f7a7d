package demo

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"golang.org/x/sync/errgroup"

	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/testutil/devnet"
	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	"github.com/tkms-network/tkms/x/kms/client"
	kmstypes "github.com/tkms-network/tkms/x/kms/types"
)

// readTypes are the types that the published clients read for a user.
func readTypes() []tfhe.Type {
	return []tfhe.Type{tfhe.EBool, tfhe.EUint8, tfhe.EUint32, tfhe.EUint64, tfhe.EUint128, tfhe.EUint160, tfhe.EUint256}
}

// delegation is how long a delegate may read; the ACL wants more than an hour.
const delegation = 2 * time.Hour

// reading is what step 9 works with.
type reading struct {
	// items are values of r.user that were never disclosed.
	items []*item
	owner *devnet.Reader
	// delegate reads for the owner; stranger may read nothing.
	delegateUser, strangerUser *devnet.User
	delegate, stranger         *devnet.Reader
}

// readAll is step 9.
func (r *run) readAll(ctx context.Context) error {
	var v reading
	err := r.step(ctx, stepRead, "a user keeps private values and lets only herself read them", func(ctx context.Context) (string, error) {
		return fmt.Sprintf("%d types", len(readTypes())), r.keepPrivate(ctx, &v)
	})
	if err != nil {
		return err
	}
	r.private = v.items[3]
	for _, it := range v.items {
		if err := r.read(ctx, fmt.Sprintf("%s: authorized, proven, re-encrypted to her key, read", it.Type), v.owner, nil, it); err != nil {
			return err
		}
	}
	if err := r.read(ctx, "all of them in one request", v.owner, nil, v.items...); err != nil {
		return err
	}
	err = r.step(ctx, stepRead, "she delegates to another account", func(ctx context.Context) (string, error) {
		return fmt.Sprintf("for %s", delegation), r.user.Delegate(ctx, v.delegateUser.Address(), delegation)
	})
	if err != nil {
		return err
	}
	owner := r.user.Address()
	if err := r.read(ctx, "the delegate reads for her", v.delegate, &owner, r.private); err != nil {
		return err
	}
	return r.refuseReaders(ctx, v)
}

func (r *run) keepPrivate(ctx context.Context, v *reading) (err error) {
	for _, t := range readTypes() {
		e, err := devnet.Encrypt(r.net.Public, t, r.random(t))
		if err != nil {
			return err
		}
		if err := r.net.Store(ctx, e); err != nil {
			return err
		}
		v.items = append(v.items, &item{Encrypted: e})
	}
	if err := submitAll(ctx, r.user, v.items); err != nil {
		return err
	}
	group, allowing := errgroup.WithContext(ctx)
	for _, it := range v.items {
		group.Go(func() error { return r.user.Allow(allowing, it.handle, r.user.Address()) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if v.owner, err = r.user.Reader(ctx); err != nil {
		return err
	}
	if v.delegateUser, v.delegate, err = r.newReader(ctx); err != nil {
		return err
	}
	v.strangerUser, v.stranger, err = r.newReader(ctx)
	return err
}

func (r *run) newReader(ctx context.Context) (*devnet.User, *devnet.Reader, error) {
	user, err := r.net.NewUser(ctx)
	if err != nil {
		return nil, nil, err
	}
	reader, err := user.Reader(ctx)
	return user, reader, err
}

// read has a reader ask the relayer for values and checks them.
func (r *run) read(ctx context.Context, name string, reader *devnet.Reader, delegator *common.Address, items ...*item) error {
	return r.step(ctx, stepRead, name, func(ctx context.Context) (string, error) {
		question, err := reader.Ask(delegator, nil, handlesOf(items)...)
		if err != nil {
			return "", err
		}
		answer, err := reader.Read(ctx, question)
		if err != nil {
			return "", err
		}
		row := Reading{ReaderMS: milliseconds(answer.Latency), Contributed: answer.Contributed}
		for i, it := range items {
			row.Types = append(row.Types, it.Type.String())
			row.Expected = append(row.Expected, it.Value.String())
			row.Got = append(row.Got, answer.Values[i].String())
		}
		r.report.Readings = append(r.report.Readings, row)
		if !slices.Equal(row.Expected, row.Got) {
			return "", fmt.Errorf("she read %s, encrypted was %s", strings.Join(row.Got, ", "), strings.Join(row.Expected, ", "))
		}
		if len(items) > 1 {
			return fmt.Sprintf("%d values by %d parties", len(items), len(answer.Contributed)), nil
		}
		return shortValue(items[0].Type, answer.Values[0]), nil
	})
}

func handlesOf(items []*item) []fhevm.Handle {
	out := make([]fhevm.Handle, len(items))
	for i, it := range items {
		out[i] = it.handle
	}
	return out
}

// readAttack is a request of a reader that must be refused: what is signed, and what
// is changed after it was signed.
type readAttack struct {
	name, want string
	reader     *devnet.Reader
	delegator  *common.Address
	terms      func(*client.Terms)
	sent       func(*kmstypes.MsgRequestUserDecryption)
}

// refuseReaders tries what must not give anybody a share.
func (r *run) refuseReaders(ctx context.Context, v reading) error {
	if err := r.step(ctx, stepRead, "all fees are paid out", func(ctx context.Context) (string, error) { return "", r.settle(ctx) }); err != nil {
		return err
	}
	owner, target := r.user.Address(), v.items[1]
	other := common.BytesToAddress([]byte("another contract"))
	foreign, err := v.stranger.Ask(nil, nil, target.handle)
	if err != nil {
		return err
	}
	for _, a := range []readAttack{
		{name: "the authorization has expired", want: kmsCode(kmstypes.ErrNoLongerValid), reader: v.owner,
			terms: func(t *client.Terms) { t.Start = t.Start.AddDate(0, 0, -2) }},
		{name: "it does not hold yet", want: kmsCode(kmstypes.ErrNotYetValid), reader: v.owner,
			terms: func(t *client.Terms) { t.Start = t.Start.AddDate(0, 0, 1) }},
		{name: "it is signed by another key", want: kmsCode(kmstypes.ErrNotSignedByUser), reader: v.stranger,
			sent: func(m *kmstypes.MsgRequestUserDecryption) { m.Authorization.User = owner.Bytes() }},
		{name: "it is for another public key", want: kmsCode(kmstypes.ErrNotSignedByUser), reader: v.owner,
			sent: func(m *kmstypes.MsgRequestUserDecryption) {
				m.Authorization.PublicKey = foreign.Authorization.PublicKey
			}},
		{name: "it is for another contract", want: kmsCode(kmstypes.ErrContractNotAuthorized), reader: v.owner,
			terms: func(t *client.Terms) { t.Contracts = [][20]byte{other} }},
		{name: "the public key is short by a byte", want: kmsCode(kmstypes.ErrInvalidPublicKey), reader: v.owner,
			sent: func(m *kmstypes.MsgRequestUserDecryption) { m.Authorization.PublicKey = m.Authorization.PublicKey[1:] }},
		{name: "the handle is not allowed to the user", want: aclCode(acltypes.ErrOwnerNotAllowed), reader: v.stranger},
		{name: "nothing is delegated to the user", want: aclCode(acltypes.ErrNoDelegation), reader: v.stranger, delegator: &owner},
	} {
		if err := r.refuseReader(ctx, a, target); err != nil {
			return err
		}
	}
	err = r.step(ctx, stepRead, "she revokes the delegation", func(ctx context.Context) (string, error) {
		return "", r.user.Revoke(ctx, v.delegateUser.Address())
	})
	if err != nil {
		return err
	}
	return r.refuseReader(ctx, readAttack{
		name: "the delegation is revoked", want: aclCode(acltypes.ErrDelegationRevoked), reader: v.delegate, delegator: &owner,
	}, target)
}

// refuseReader sends one attack straight to a validator.
func (r *run) refuseReader(ctx context.Context, a readAttack, target *item) error {
	return r.refuse(ctx, stepRead, a.name, a.want, func(ctx context.Context) (string, error) {
		sender, err := r.net.Sender(ctx, devnet.DAppAccount)
		if err != nil {
			return "", err
		}
		question, err := a.reader.Ask(a.delegator, a.terms, target.handle)
		if err != nil {
			return "", err
		}
		proof, err := r.net.UserProof(ctx, question)
		if err != nil {
			return "", err
		}
		msg := question.Message(sender.Address(), proof, 10_000_000)
		if a.sent != nil {
			a.sent(msg)
		}
		return r.refusedInBlock(ctx, msg)
	})
}
