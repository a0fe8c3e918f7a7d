package lightclient

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/cometbft/cometbft/light"
	"github.com/cometbft/cometbft/types"
)

// submit takes a light block that a node delivered: it moves the client on, or
// is compared with what is verified, or is refused with ErrBadHeader.
func (c *Client) submit(ctx context.Context, from *follower, b *types.LightBlock) error {
	c.mu.Lock()
	latest, stopped := c.latest, c.stopped
	c.mu.Unlock()
	switch {
	case stopped != nil:
		return stopped
	case latest == nil:
		return c.begin(from, b)
	case b.Height <= latest.Height:
		return c.compare(from, b)
	case b.Height == latest.Height+1:
		return c.advance(from, latest, b)
	default:
		return c.skip(ctx, from, latest, b)
	}
}

// begin takes the provisioned header.
func (c *Client) begin(from *follower, b *types.LightBlock) error {
	if b.Height != c.cfg.TrustedHeight || !bytes.Equal(b.Hash(), c.cfg.TrustedHash) {
		return fmt.Errorf("%w: it is not the provisioned one", ErrBadHeader)
	}
	// The hash covers the validators; the commit is checked so that a broken
	// provisioning shows at once.
	if err := b.ValidatorSet.VerifyCommitLight(c.cfg.ChainID, b.Commit.BlockID, b.Height, b.Commit); err != nil {
		return fmt.Errorf("%w: provisioned header: %w", ErrBadHeader, err)
	}
	if light.HeaderExpired(b.SignedHeader, c.cfg.TrustingPeriod, c.cfg.Now()) {
		return c.expired(ErrExpired)
	}
	return c.accept(from, nil, b)
}

// expired stops the client if err is ErrExpired, and passes err on.
func (c *Client) expired(err error) error {
	if errors.Is(err, ErrExpired) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.stop(ErrExpired)
	}
	return err
}

// advance verifies the next height and makes it the latest.
func (c *Client) advance(from *follower, trusted, b *types.LightBlock) error {
	if err := c.verifyAdjacent(trusted, b); err != nil {
		return c.expired(err)
	}
	if !bytes.Equal(b.LastBlockID.Hash, trusted.Hash()) {
		// Signed by two thirds, on top of another block than the one we verified.
		return c.forked(from, trusted, b)
	}
	return c.accept(from, trusted, b)
}

func (c *Client) verifyAdjacent(trusted, b *types.LightBlock) error {
	err := light.VerifyAdjacent(trusted.SignedHeader, b.SignedHeader, b.ValidatorSet, c.cfg.TrustingPeriod, c.cfg.Now(), c.cfg.MaxDrift)
	return judge(err)
}

func judge(err error) error {
	if err == nil {
		return nil
	}
	var expired light.ErrOldHeaderExpired
	if errors.As(err, &expired) {
		return ErrExpired
	}
	return fmt.Errorf("%w: %w", ErrBadHeader, err)
}

// skip verifies a height further ahead, by halves if too many validators have
// changed in between (light client specification, "bisection").
func (c *Client) skip(ctx context.Context, from *follower, trusted, target *types.LightBlock) error {
	pending := []*types.LightBlock{target}
	for len(pending) > 0 {
		next := pending[len(pending)-1]
		var err error
		if next.Height == trusted.Height+1 {
			err = c.verifyAdjacent(trusted, next)
		} else {
			err = light.VerifyNonAdjacent(trusted.SignedHeader, trusted.ValidatorSet, next.SignedHeader, next.ValidatorSet,
				c.cfg.TrustingPeriod, c.cfg.Now(), c.cfg.MaxDrift, light.DefaultTrustLevel)
			var unknown light.ErrNewValSetCantBeTrusted
			if errors.As(err, &unknown) {
				middle, err := from.fetch(ctx, trusted.Height+(next.Height-trusted.Height)/2)
				if err != nil {
					return err
				}
				pending = append(pending, middle)
				continue
			}
			err = judge(err)
		}
		if err != nil {
			return c.expired(err)
		}
		trusted, pending = next, pending[:len(pending)-1]
	}
	return c.accept(from, nil, target)
}

// compare checks a block at or below the latest height against what is verified.
// A different one that verifies too is a fork; otherwise its node lies.
func (c *Client) compare(from *follower, b *types.LightBlock) error {
	c.mu.Lock()
	ours, parent := c.kept[b.Height], c.kept[b.Height-1]
	c.mu.Unlock()
	if ours == nil || bytes.Equal(ours.Hash(), b.Hash()) {
		return nil
	}
	var err error
	if parent != nil {
		err = c.verifyAdjacent(parent, b)
	} else {
		// The first header kept: its own validators are the known ones.
		if !bytes.Equal(ours.ValidatorsHash, b.ValidatorsHash) {
			err = fmt.Errorf("%w: other validators", ErrBadHeader)
		} else if e := ours.ValidatorSet.VerifyCommitLight(c.cfg.ChainID, b.Commit.BlockID, b.Height, b.Commit); e != nil {
			err = fmt.Errorf("%w: %w", ErrBadHeader, e)
		}
	}
	if errors.Is(err, ErrExpired) {
		return nil // too old to tell, and to matter
	}
	if err != nil {
		return err
	}
	return c.forked(from, ours, b)
}

func (c *Client) forked(from *follower, ours, theirs *types.LightBlock) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stopped == nil {
		c.fork = &Fork{Ours: ours, Theirs: theirs, Node: from.node.Name()}
		c.stop(ErrFork)
	}
	return c.stopped
}

// accept makes b the latest if the latest still is what b was verified against;
// nil for trusted means: whatever it is, if it is lower.
func (c *Client) accept(from *follower, trusted, b *types.LightBlock) error {
	c.mu.Lock()
	if c.stopped != nil {
		defer c.mu.Unlock()
		return c.stopped
	}
	if c.latest != nil && (b.Height <= c.latest.Height || trusted != nil && trusted != c.latest) {
		c.mu.Unlock()
		// Another node was quicker.
		return c.compare(from, b)
	}
	c.keep(b)
	c.preferred = from.index
	now := c.cfg.Now()
	due := now.Sub(c.saved) >= c.cfg.SaveInterval
	if due {
		c.saved = now
	}
	c.mu.Unlock()
	if due {
		c.save(b)
	}
	return nil
}
