package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/testutil/devnet"
	"github.com/tkms-network/tkms/testutil/devnet/console"
)

const (
	// settledValues are decrypted before the refresh, and as many after it.
	settledValues = 3
	// refreshValues are enough for the time that a refresh takes: each waits for blocks
	// of the host chain.
	refreshValues = 24
)

// refresh is step 11: the parties get new shares of the key while values are decrypted.
func (r *run) refresh(ctx context.Context) error {
	var values []*item
	err := r.step(ctx, stepRefresh, "values for it are encrypted and taken by the dApp", func(ctx context.Context) (string, error) {
		for range refreshValues + 2*settledValues {
			e, err := devnet.Encrypt(r.net.Public, tfhe.EUint64, r.random(tfhe.EUint64))
			if err != nil {
				return "", err
			}
			if err := r.net.Store(ctx, e); err != nil {
				return "", err
			}
			values = append(values, &item{Encrypted: e})
		}
		return fmt.Sprintf("%d of %s", len(values), tfhe.EUint64), submitAll(ctx, r.user, values)
	})
	if err != nil {
		return err
	}
	key, err := r.net.Key(ctx, r.net.KeyID)
	if err != nil {
		return err
	}
	r.report.Refresh = &Refresh{From: key.EpochId}
	before, after, meanwhile := values[:settledValues], values[settledValues:2*settledValues], values[2*settledValues:]
	err = r.step(ctx, stepRefresh, fmt.Sprintf("before: decrypted under epoch %d, checked on the host chain", key.EpochId), func(ctx context.Context) (string, error) {
		return r.carryAll(ctx, before, key.EpochId, &r.report.Refresh.BeforeMS)
	})
	if err != nil {
		return err
	}
	err = r.step(ctx, stepRefresh, "governance passes a refresh, the parties reshare, values go on being decrypted", func(ctx context.Context) (string, error) {
		return r.refreshAnd(ctx, meanwhile)
	})
	if err != nil {
		return err
	}
	r.console.Line("     %s", r.report.Refresh.phases())
	epoch := r.report.Refresh.Epoch
	return r.step(ctx, stepRefresh, fmt.Sprintf("after: decrypted under epoch %d, with the same public key", epoch), func(ctx context.Context) (string, error) {
		now, err := r.net.Key(ctx, r.net.KeyID)
		if err != nil {
			return "", err
		}
		if now.EpochId != epoch || !bytes.Equal(now.Material.PublicKeyDigest, key.Material.PublicKeyDigest) {
			return "", fmt.Errorf("the key is of epoch %d with the public key %x, it was %x", now.EpochId, now.Material.PublicKeyDigest, key.Material.PublicKeyDigest)
		}
		return r.carryAll(ctx, after, epoch, &r.report.Refresh.AfterMS)
	})
}

// refreshAnd has the shares refreshed, and values decrypted until that is over.
func (r *run) refreshAnd(ctx context.Context, values []*item) (string, error) {
	report, began := r.report.Refresh, time.Now()
	over := make(chan error, 1)
	go func() {
		rotated, err := r.net.Rotate(ctx, devnet.Rotation{Watch: func(p devnet.Phase) { r.console.Progress("%s is over", p.Name) }})
		if err == nil {
			report.Epoch = rotated.Epoch.Id
			for _, p := range rotated.Phases {
				report.Phases = append(report.Phases, Phase{p.Name, milliseconds(p.Took)})
			}
		}
		over <- err
	}()
	for i, it := range values {
		select {
		case err := <-over:
			return fmt.Sprintf("%d decrypted in %s, %s", i, console.Duration(time.Since(began)), medianText(report.MeanwhileMS)), err
		default:
		}
		journey, err := r.carry(ctx, it)
		if err != nil {
			return "", err
		}
		report.MeanwhileMS = append(report.MeanwhileMS, milliseconds(journey.TKMS))
	}
	err := <-over
	return fmt.Sprintf("%d decrypted, %s, then it went on", len(values), medianText(report.MeanwhileMS)), err
}

// carryAll decrypts values under an epoch and notes how long TKMS took.
func (r *run) carryAll(ctx context.Context, values []*item, epoch uint64, took *[]float64) (string, error) {
	for _, it := range values {
		journey, err := r.carry(ctx, it)
		if err != nil {
			return "", err
		}
		if journey.Request.EpochId != epoch {
			return "", fmt.Errorf("it was decrypted under epoch %d", journey.Request.EpochId)
		}
		*took = append(*took, milliseconds(journey.TKMS))
	}
	return medianText(*took), nil
}

// carry has a value decrypted and carried to the dApp.
func (r *run) carry(ctx context.Context, it *item) (*devnet.Journey, error) {
	journey, err := r.user.Travel(ctx, it.handle)
	if err != nil {
		return nil, err
	}
	if journey.Got.Cmp(it.Value) != 0 {
		return nil, errors.New("the dApp stored " + journey.Got.String() + ", encrypted was " + it.Value.String())
	}
	return journey, nil
}

func medianText(ms []float64) string {
	var all []time.Duration
	for _, m := range ms {
		all = append(all, time.Duration(m*float64(time.Millisecond)))
	}
	return fmt.Sprintf("TKMS' part %s, the median", console.Duration(median(all)))
}

// phases writes them for a person.
func (r *Refresh) phases() string {
	var parts []string
	for _, p := range r.Phases {
		parts = append(parts, fmt.Sprintf("%s %s", p.Name, console.Duration(time.Duration(p.MS*float64(time.Millisecond)))))
	}
	return strings.Join(parts, ", ")
}
