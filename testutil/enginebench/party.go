package enginebench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/tkms-network/tkms/enclave/mpc"
	"github.com/tkms-network/tkms/enclave/party/journal"
	"github.com/tkms-network/tkms/enclave/protocol/decrypt"
	"github.com/tkms-network/tkms/enclave/protocol/preproc"
	"github.com/tkms-network/tkms/enclave/prss"
	"github.com/tkms-network/tkms/enclave/session"
	"github.com/tkms-network/tkms/enclave/sharing"
	"github.com/tkms-network/tkms/enclave/tfhe"
	"github.com/tkms-network/tkms/enclave/vss"
)

// linger is how long a party goes on checking late shares. A party of a network
// takes seconds; what the checks cost is the same.
const linger = 100 * time.Millisecond

// chainID stands in the session ids: no chain orders them.
const chainID = "tkms-engine-bench"

// party is what a party's process holds.
type party struct {
	link     *link
	journal  *journal.Journal
	identity *mpc.Identity
	code     *sharing.Code
	epoch    mpc.Digest
	own      *prss.Contribution
	keys     *prss.Keys
	source   *prss.Source       // nil if the parties deal each other what they draw
	secret   [vss.SeedSize]byte // that it deals from

	shape      preproc.Shape
	key        *decrypt.Key
	ciphertext string // file
	blocks     decrypt.Blocks
	forms      map[string]*heldForm

	nextItem  uint64
	job       *prepared
	lingering sync.WaitGroup
}

// Serve is the process of one party: it does what the coordinator asks for on in
// and answers on out, until in ends.
func Serve(ctx context.Context, in io.Reader, out io.Writer) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	p := &party{}
	defer func() {
		if p.link != nil {
			err = errors.Join(err, p.link.close())
		}
		if p.journal != nil {
			err = errors.Join(err, p.journal.Close())
		}
	}()
	for {
		var c command
		if err := readMessage(in, &c); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		a, failure := p.do(ctx, &c)
		if failure != nil {
			a = &answer{Error: failure.Error()}
		}
		if err := writeMessage(out, a); err != nil {
			return err
		}
	}
}

func (p *party) do(ctx context.Context, c *command) (a *answer, err error) {
	a = &answer{}
	if (p.link == nil) != (c.Listen != nil) {
		return nil, errors.New("listen comes first, and once")
	}
	switch {
	case c.Listen != nil:
		if p.journal, err = journal.Open(filepath.Join(c.Listen.Dir, fmt.Sprintf("echo-%d-%d", c.Listen.Parties, c.Listen.Index))); err != nil {
			return nil, err
		}
		if p.link, err = listen(c.Listen); err != nil {
			return nil, err
		}
		a.Peer, a.Key = p.link.peer, p.link.publicKey()
	case c.Join != nil:
		a.Root, err = p.join(ctx, c.Join)
	case c.SetUp != nil:
		err = p.setUp(ctx, c.SetUp)
	case c.Key != nil:
		err = p.takeKey(c.Key)
	case c.Form != nil:
		err = p.takeForm(c.Form)
	case c.Prepare != nil:
		err = p.prepare(ctx, c.Prepare)
	case c.Run != nil:
		a.Ran, err = p.runJob(ctx, time.Unix(0, c.Run.At))
	case c.Finish != nil:
		a.Totals, err = p.finish()
	default:
		err = errors.New("an empty command")
	}
	return a, err
}

func (p *party) join(ctx context.Context, c *joinCommand) (mpc.Digest, error) {
	n := p.link.parties
	var err error
	if p.code, err = sharing.New(n, sharing.Threshold(n), sharing.DegreeFor(n)); err != nil {
		return mpc.Digest{}, err
	}
	p.epoch = c.Epoch
	if p.identity, err = p.link.join(ctx, c); err != nil {
		return mpc.Digest{}, err
	}
	if c.Dealt {
		_, err = rand.Read(p.secret[:])
		return mpc.Digest{}, err
	}
	if p.own, err = prss.NewContribution(rand.Reader, p.epoch, p.link.index, n, p.code.T()); err != nil {
		return mpc.Digest{}, err
	}
	return p.own.Root(), nil
}

func (p *party) setUp(ctx context.Context, c *setUpCommand) error {
	machine, err := prss.NewSetup(p.own, c.Roots)
	if err != nil {
		return err
	}
	if err := p.link.router.Run(ctx, p.session("prss", 0, 0), machine); err != nil {
		return err
	}
	p.keys = machine.Keys()
	p.source, err = prss.NewSource(p.keys, p.code, p.epoch)
	return err
}

func (p *party) takeKey(c *keyCommand) error {
	var err error
	if p.key, err = narrowKey(p, c.Shape, c.Share); err != nil {
		return err
	}
	p.shape, p.ciphertext = c.Shape, c.Ciphertext
	return p.readBlocks()
}

// readBlocks takes in the ciphertext.
func (p *party) readBlocks() error {
	raw, err := os.ReadFile(p.ciphertext)
	if err != nil {
		return err
	}
	p.blocks, err = tfhe.Decode(raw, inputType, tfhe.Production())
	return err
}

// cycle presents count blocks, which come from fewer again and again.
type cycle struct {
	decrypt.Blocks
	count int
}

// Len implements decrypt.Blocks.
func (c cycle) Len() int { return c.count }

// View implements decrypt.Blocks.
func (c cycle) View(i int) ([]byte, int, uint64) { return c.Blocks.View(i % c.Blocks.Len()) }

// session names a session: all parties run the same jobs in the same order.
func (p *party) session(protocol string, job, first uint64) mpc.Digest {
	return mpc.Session{
		ChainID: chainID, Subject: append(append(p.epoch[:], mpc.Uint64(job)...), mpc.Uint64(first)...),
		Parameters: tfhe.Production().Name, Protocol: protocol, Parties: sharing.AllParties(p.code.N()), T: p.code.T(),
	}.ID()
}

func (p *party) section(kind jobKind, first uint64, count int) preproc.Section {
	if kind == jobBits {
		return preproc.Section{Kind: "bench/bit", K: p.shape.K, First: first, Count: count}
	}
	return preproc.Section{Kind: "bench/product", K: p.shape.W, First: first, Count: count, Products: 1}
}

// offlineConfig is that of a session which makes sections, with what it draws: of the
// party's keys, or dealt for it now.
func (p *party) offlineConfig(ctx context.Context, id mpc.Digest, sections []preproc.Section) (preproc.Config, error) {
	c := preproc.Config{Session: id, From: sharing.AllParties(p.code.N()), Identity: p.identity, Sections: sections, Journal: p.journal}
	if p.source != nil {
		c.Source = p.source
		return c, nil
	}
	dealt, err := p.deal(ctx, id, sections)
	if err != nil {
		return c, fmt.Errorf("deal: %w", err)
	}
	c.Source = dealt
	return c, nil
}

// deal has the parties deal each other what the session id draws to make sections.
func (p *party) deal(ctx context.Context, id mpc.Digest, sections []preproc.Section) (*vss.Source, error) {
	demand, err := preproc.Demand(sections)
	if err != nil {
		return nil, err
	}
	own := mpc.Hash("tkms/v1/enginebench/dealing", id[:])
	machine, err := vss.New(vss.Config{
		Code: p.code, Session: own, Context: id, From: sharing.AllParties(p.code.N()), Identity: p.identity, Secret: p.secret,
		Demand: demand, Journal: p.journal,
	})
	if err != nil {
		return nil, err
	}
	var dealt *vss.Source
	err = p.run(ctx, own, machine, func() { dealt = machine.Source() })
	return dealt, err
}

// run runs a machine to its end; it goes on taking late messages after that.
func (p *party) run(ctx context.Context, id mpc.Digest, machine mpc.Machine, done func()) error {
	p.lingering.Add(1)
	err := p.link.router.Run(ctx, session.ID(id), machine, session.WithLinger(linger, done, p.lingering.Done))
	if err != nil {
		p.lingering.Done()
	}
	return err
}

// make makes one section.
func (p *party) make(ctx context.Context, id mpc.Digest, section preproc.Section) error {
	c, err := p.offlineConfig(ctx, id, []preproc.Section{section})
	if err != nil {
		return err
	}
	machine, err := preproc.New(c)
	if err != nil {
		return err
	}
	return p.run(ctx, id, machine, nil)
}

// offline makes the items first … first+count−1.
func (p *party) offline(ctx context.Context, id mpc.Digest, shape preproc.Shape, first uint64, count int) (*preproc.Batch, error) {
	c, err := p.offlineConfig(ctx, id, shape.Sections(first, count))
	if err != nil {
		return nil, err
	}
	machine, err := preproc.NewBatch(c, shape, first, count)
	if err != nil {
		return nil, err
	}
	var made *preproc.Batch
	var failure error
	err = p.run(ctx, id, machine, func() { made, failure = preproc.FromMachine(machine, shape) })
	return made, errors.Join(err, failure)
}

// take computes the phases of the first count blocks, as a party does when it takes
// a ciphertext in.
func (p *party) take(count int) (*decrypt.Phases, error) { return p.key.Phases(cycle{p.blocks, count}) }

// total makes items and decrypts; phases are computed while the items are made.
func (p *party) total(ctx context.Context, offline, online mpc.Digest, first uint64, count int) ([]uint64, error) {
	var made *preproc.Batch
	var group errgroup.Group
	group.Go(func() (err error) {
		made, err = p.offline(ctx, offline, p.shape, first, count)
		return err
	})
	phases, err := p.take(count)
	if err = errors.Join(group.Wait(), err); err != nil {
		return nil, err
	}
	return p.online(ctx, online, phases, []*preproc.Batch{made})
}

// online decrypts blocks.
func (p *party) online(ctx context.Context, id mpc.Digest, phases *decrypt.Phases, stock []*preproc.Batch) ([]uint64, error) {
	machine, err := decrypt.New(decrypt.Config{
		Code: p.code, Self: p.link.index, Session: id, Identity: p.identity, Phases: []*decrypt.Phases{phases}, Stock: stock,
	})
	if err != nil {
		return nil, err
	}
	var values []uint64
	spoken := p.job.faultOf(p).Wrap(id, sharing.AllParties(p.code.N()), p.identity, machine)
	err = p.run(ctx, id, spoken, func() { values = machine.Values() })
	return values, err
}
