package network_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"cosmossdk.io/math"

	"github.com/tkms-network/tkms/enclave/reencrypt"
	"github.com/tkms-network/tkms/testutil/devnet"
	"github.com/tkms-network/tkms/testutil/hostchain/fhevm"
	"github.com/tkms-network/tkms/x/kms/client"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

func TestTwoRelayersOfAHostChainOfWhichOneIsDishonest(t *testing.T) {
	// Two stores before the honest one: every decryption below has to get by them.
	hanging, lying := badServer(t, nil), badServer(t, []byte("these are other bytes"))
	w := start(t, devnet.Config{}, func(d *devnet.Devnet) { d.Stores = []string{hanging.URL, lying.URL} })
	second, err := w.AddRelayer(w.ctx)
	require.NoError(t, err)
	both := relayers{w, w.by(second)}
	user := w.user()
	reader := w.reader(user)

	t.Run("stores that withhold or lie only delay", func(t *testing.T) {
		w := w.in(t)
		w.travel(user, w.give(user, 1111), 1111)
		w.read(reader, w.ask(reader, w.private(user, 1112)), 1112)
		require.NotZero(t, hanging.asked.Load())
		require.NotZero(t, lying.asked.Load())
	})
	t.Run("a relayer whose answers are false or missing", func(t *testing.T) { both.in(t).testFalseAnswers(user, reader) })
	t.Run("the same question of both at once", func(t *testing.T) { both.in(t).testSameQuestion(user, reader) })
	t.Run("a relayer that is killed ends the jobs of users", func(t *testing.T) { both[1].in(t).testKilled(user) })
	t.Run("a party that hangs", func(t *testing.T) { w.in(t).testHangingParty(user, reader) })
}

// server stands in for a store or a relayer.
type server struct {
	*httptest.Server
	asked atomic.Int64
}

// badServer answers with the same bytes whatever is asked, or never.
func badServer(t *testing.T, answer []byte) *server {
	s := new(server)
	s.Server = httptest.NewServer(http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		s.asked.Add(1)
		_, _ = io.Copy(io.Discard, request.Body) // only then is it noticed that the client left
		if answer == nil {
			<-request.Context().Done()
			return
		}
		_, _ = response.Write(answer)
	}))
	t.Cleanup(s.Close)
	return s
}

// relayers are the worlds of the first and the second relayer.
type relayers [2]*world

func (r relayers) in(t *testing.T) relayers { return relayers{r[0].in(t), r[1].in(t)} }

// testFalseAnswers has a user ask a relayer that forges, mixes up, or holds back what
// the first one answers.
func (r relayers) testFalseAnswers(user *devnet.User, reader *devnet.Reader) {
	w := r[0]
	question := w.answeredByAll(user, reader, 2222)
	before, funds := w.requests(), w.funds(devnet.OtherRelayerAccount)
	for name, c := range map[string]struct {
		lie func(shares []answered) []answered
		// read is whether the answer can be read all the same.
		read bool
	}{
		"one share forged":             {func(s []answered) []answered { s[0].forge(); return s }, true},
		"two shares forged":            {func(s []answered) []answered { s[0].forge(); s[1].forge(); return s }, false},
		"one party's share four times": {func(s []answered) []answered { return []answered{s[0], s[0], s[0], s[0]} }, false},
		"signatures of others": {func(s []answered) []answered {
			s[0].Signature, s[1].Signature = s[1].Signature, s[0].Signature
			return s
		}, false},
		"two shares of four": {func(s []answered) []answered { return s[:2] }, false},
		"no shares":          {func([]answered) []answered { return nil }, false},
	} {
		liar := reader.At(w.Via(falseRelayer(w.T, w.RelayerURL, c.lie)))
		reading, err := liar.Read(w.ctx, question)
		if c.read {
			require.NoError(w, err, name)
			w.check(reading, 2222)
			require.Empty(w, reading.Wrong, "%s: no party is blamed for what it did not sign", name)
			continue
		}
		require.ErrorIs(w, err, reencrypt.ErrUndecodable, name)
	}
	// The other relayer finds what the first one asked for.
	r[1].read(reader.At(r[1].Devnet), question, 2222)
	require.Equal(w, before, w.requests())
	require.Equal(w, funds.String(), w.funds(devnet.OtherRelayerAccount).String(), "it costs neither fee nor gas")

	// From one that is silent a user turns to the other.
	question = w.ask(reader, w.private(user, 2223))
	ctx, cancel := context.WithTimeout(w.ctx, time.Second)
	defer cancel()
	_, err := reader.At(w.Via(badServer(w.T, nil).URL)).Read(ctx, question)
	require.ErrorIs(w, err, context.DeadlineExceeded)
	r[1].read(reader.At(r[1].Devnet), question, 2223)
	r[0].read(reader, question, 2223)
}

// answeredByAll asks until there is a question that the last party was in time for.
func (w *world) answeredByAll(user *devnet.User, reader *devnet.Reader, value int64) client.UserQuestion {
	for {
		question := w.ask(reader, w.private(user, value))
		if reading := w.read(reader, question, value); len(reading.Contributed) == len(w.Parties) {
			return question
		}
	}
}

// answered is a share as relayers give it to clients.
type answered struct {
	Payload   string `json:"payload"`
	Signature string `json:"signature"`
	ExtraData string `json:"extraData"`
}

// forge changes the last byte of a share.
func (s *answered) forge() {
	payload, err := hex.DecodeString(s.Payload)
	if err != nil {
		panic(err)
	}
	payload[len(payload)-1] ^= 1
	s.Payload = hex.EncodeToString(payload)
}

// falseRelayer passes calls on to an honest one and changes the shares that come back.
func falseRelayer(t *testing.T, honest string, lie func([]answered) []answered) string {
	server := httptest.NewServer(http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		forwarded, err := http.NewRequestWithContext(request.Context(), request.Method, honest+request.URL.Path, request.Body)
		if err != nil {
			http.Error(response, err.Error(), http.StatusInternalServerError)
			return
		}
		forwarded.Header = request.Header
		genuine, err := http.DefaultClient.Do(forwarded)
		if err != nil {
			http.Error(response, err.Error(), http.StatusBadGateway)
			return
		}
		defer genuine.Body.Close()
		response.WriteHeader(genuine.StatusCode)
		if request.Method != http.MethodGet || genuine.StatusCode != http.StatusOK {
			_, _ = io.Copy(response, genuine.Body)
			return
		}
		var answer struct {
			Status string `json:"status"`
			Result struct {
				Result []answered `json:"result"`
			} `json:"result"`
		}
		if json.NewDecoder(genuine.Body).Decode(&answer) == nil {
			answer.Result.Result = lie(answer.Result.Result)
		}
		_ = json.NewEncoder(response).Encode(answer)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// testSameQuestion asks both relayers the same at the same time.
func (r relayers) testSameQuestion(user *devnet.User, reader *devnet.Reader) {
	w := r[0]
	r.paidOnce("a user's question", func() []byte {
		question := w.ask(reader, w.private(user, 3333))
		r.atOnce(func(w *world) error {
			reading, err := reader.At(w.Devnet).Read(w.ctx, question)
			if err == nil {
				w.check(reading, 3333)
			}
			return err
		})
		id, err := question.ID()
		require.NoError(w, err)
		return id[:]
	})
	r.paidOnce("a dApp's", func() []byte {
		handle := w.public(user, 4444)
		words, err := fhevm.EncodeCleartext(handle.Type(), big.NewInt(4444))
		require.NoError(w, err)
		r.atOnce(func(w *world) error {
			job, err := w.Relay(w.ctx, handle)
			if err != nil {
				return err
			}
			got, err := w.Relayed(w.ctx, job)
			if err == nil && !bytes.Equal(words, got) {
				w.Errorf("decrypted to %x, want %x", got, words)
			}
			return err
		})
		id, err := w.RequestID(handle)
		require.NoError(w, err)
		return id
	})
}

// atOnce does something with both relayers.
func (r relayers) atOnce(do func(*world) error) {
	var group sync.WaitGroup
	var failures [len(r)]error
	for i, w := range r {
		group.Go(func() { failures[i] = do(w) })
	}
	group.Wait()
	for i, w := range r {
		require.NoError(w, failures[i])
	}
}

// paidOnce checks that what both relayers ask is one request, for one of them to pay.
func (r relayers) paidOnce(what string, ask func() []byte) {
	w := r[0]
	accounts := []string{devnet.RelayerAccount, devnet.OtherRelayerAccount}
	before, funds := w.requests(), []math.Int{w.funds(accounts[0]), w.funds(accounts[1])}
	request, err := w.WaitFulfilled(w.ctx, ask(), 0)
	require.NoError(w, err, what)
	require.Equal(w, before+1, w.requests(), what)
	spent := []math.Int{funds[0].Sub(w.funds(accounts[0])), funds[1].Sub(w.funds(accounts[1]))}
	w.Logf("%s costs %d utkms; the relayers spent %s, gas included", what, request.Fee, spent)
	fee := math.NewIntFromUint64(request.Fee)
	require.True(w, math.MaxInt(spent[0], spent[1]).GTE(fee), what)
	require.True(w, math.MinInt(spent[0], spent[1]).LT(fee), what)
}

// killedJobs is how many users a relayer has when it is killed.
const killedJobs = 5

// testKilled kills the relayer after it took users' questions and starts it again.
func (w *world) testKilled(user *devnet.User) {
	reader := w.reader(user).At(w.Devnet)
	before := w.requests()
	var group sync.WaitGroup
	var questions [killedJobs]client.UserQuestion
	for i := range questions {
		questions[i] = w.ask(reader, w.private(user, int64(7000+i)))
	}
	var names [killedJobs]string
	var failures [killedJobs]error
	for i, question := range questions {
		group.Go(func() { names[i], failures[i] = reader.Post(w.ctx, question) })
	}
	group.Wait()
	require.NoError(w, w.Relayer.Kill())
	require.NoError(w, w.StartRelayer(w.ctx))
	for i, question := range questions {
		require.NoError(w, failures[i])
		reading, err := reader.Collect(w.ctx, question, names[i])
		require.NoError(w, err)
		w.check(reading, int64(7000+i))
	}
	require.EqualValues(w, before+killedJobs, w.requests(), "none was made twice")
}

// testHangingParty stops a party without closing its connections.
func (w *world) testHangingParty(user *devnet.User, reader *devnet.Reader) {
	hung := w.Parties[len(w.Parties)-1]
	pid, err := hung.PID()
	require.NoError(w, err)
	process, err := os.FindProcess(pid)
	require.NoError(w, err)
	require.NoError(w, process.Signal(syscall.SIGSTOP))
	defer func() { require.NoError(w, process.Signal(syscall.SIGCONT)) }()
	epoch, err := w.Epoch(w.ctx, devnet.FirstEpoch)
	require.NoError(w, err)
	index := slices.IndexFunc(epoch.Members, func(m partiestypes.Member) bool { return m.PartyId == hung.ID })
	for value := range int64(3) {
		reading := w.read(reader, w.ask(reader, w.private(user, value)), value)
		require.NotContains(w, reading.Contributed, int(epoch.Members[index].Index))
		require.Empty(w, reading.Wrong)
	}
}
