package devnet

import (
	"context"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tkms-network/tkms/enclave/tfhe"
	acltypes "github.com/tkms-network/tkms/x/acl/types"
	partiestypes "github.com/tkms-network/tkms/x/parties/types"
)

func TestTry(t *testing.T) {
	dir, _ := os.MkdirTemp("/tmp", "devnet")
	fmt.Println(dir)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	d, err := New(Config{Bin: "/work/main/build", Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Stop()
	blobs := map[string][]byte{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
		if r.Method == "PUT" {
			b, _ := io.ReadAll(r.Body)
			blobs[key] = b
			return
		}
		if b, ok := blobs[key]; ok {
			w.Write(b)
			return
		}
		http.NotFound(w, r)
	}))
	d.BlobURL = srv.URL
	last := time.Now()
	step := func(name string, err error) {
		if err != nil {
			t.Fatal(name, err)
		}
		fmt.Printf("%-30s %v\n", name, time.Since(last).Round(time.Millisecond))
		last = time.Now()
	}
	step("validators", d.StartValidators(ctx))
	step("host", d.StartHostChain(ctx))
	step("prepare", d.PrepareParties(ctx))
	m, err := d.Measurement()
	step("measure", err)
	step("gov measurement", d.Govern(ctx, "accept image", &partiestypes.MsgSetMeasurement{Authority: Authority(), Measurement: m}))
	for _, p := range d.Parties {
		step("register "+p.Moniker, d.RegisterParty(ctx, p))
	}
	var ids []uint64
	for _, p := range d.Parties {
		ids = append(ids, p.ID)
	}
	step("gov committee", d.Govern(ctx, "form committee", &partiestypes.MsgFormCommittee{Authority: Authority(), PartyIds: ids}))
	ep, err := d.WaitEpoch(ctx, 1, func(e partiestypes.Epoch) bool { return e.Status == partiestypes.EPOCH_STATUS_ACTIVE })
	step("epoch active", err)
	rec, err := d.HostChainRecord(ctx)
	step("record", err)
	step("gov host", d.Govern(ctx, "register host", &acltypes.MsgRegisterHostChain{Authority: Authority(), HostChain: rec}))
	step("kms context", d.SetKMSContext(ctx, ep))
	key, err := d.RequestKey(ctx, "production-pke")
	step("key", err)
	pk, err := d.PublicKey(ctx, key, tfhe.Production())
	step("pk", err)
	u, err := d.NewUser(ctx)
	step("user", err)
	for i := 0; i < 5; i++ {
		e, err := Encrypt(pk, tfhe.EUint64, big.NewInt(123456789+int64(i)))
		step("encrypt", err)
		step("store", d.Store(ctx, e))
		h, err := u.Submit(ctx, e)
		step("submit", err)
		step("disclose", u.Disclose(ctx, h))
		out, err := d.Decrypt(ctx, h)
		step("decrypt", err)
		r, err := d.RequestAt(ctx, d.Parties[0], out.Request.Id)
		fmt.Printf("%x %v %+v %v\n", out.Request.Plaintext, out.Latency, r, err)
	}
	s, err := d.StatusOf(ctx, d.Parties[0])
	fmt.Printf("%+v %v\n", s, err)
}
