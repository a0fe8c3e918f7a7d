package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"github.com/tkms-network/tkms/cmd/tkms-relayer/internal/jobs"
)

// schema is as much of OpenAPI 3.0's schemas as the document uses.
type schema struct {
	Ref                  string `json:"$ref"`
	Type                 string
	Nullable             bool
	Properties           map[string]*schema
	Required             []string
	AdditionalProperties *schema
	Items                *schema
	AllOf                []*schema
	Enum                 []string
	Pattern              string
}

// document is the description that the server serves.
type document struct {
	Paths map[string]map[string]struct {
		Responses map[string]struct {
			Content map[string]struct{ Schema *schema }
		}
	}
	Components struct{ Schemas map[string]*schema }
}

func (b *bench) document() *document {
	b.Helper()
	code, text, _ := b.call(http.MethodGet, "/openapi.json", "")
	require.Equal(b, http.StatusOK, code)
	d := new(document)
	require.NoError(b, json.Unmarshal([]byte(text), d))
	return d
}

// mismatch says where a value is not as a schema says, or nothing.
func (d *document) mismatch(s *schema, value any, at string) string {
	if s.Ref != "" {
		name := strings.TrimPrefix(s.Ref, "#/components/schemas/")
		if s = d.Components.Schemas[name]; s == nil {
			return at + ": no schema " + name
		}
	}
	for _, part := range s.AllOf {
		if wrong := d.mismatch(part, value, at); wrong != "" {
			return wrong
		}
	}
	switch v := value.(type) {
	case map[string]any:
		return d.mismatchObject(s, v, at)
	case []any:
		for i, item := range v {
			if s.Type != "array" {
				return at + ": an array"
			}
			if wrong := d.mismatch(s.Items, item, fmt.Sprintf("%s[%d]", at, i)); wrong != "" {
				return wrong
			}
		}
	case string:
		if s.Type != "string" || s.Pattern != "" && !regexp.MustCompile(s.Pattern).MatchString(v) || s.Enum != nil && !slices.Contains(s.Enum, v) {
			return at + ": the string " + v
		}
	case float64:
		if s.Type != "integer" {
			return at + ": a number"
		}
	case bool:
		if s.Type != "boolean" {
			return at + ": a boolean"
		}
	case nil:
		if !s.Nullable {
			return at + ": null"
		}
	}
	return ""
}

func (d *document) mismatchObject(s *schema, object map[string]any, at string) string {
	if s.AllOf != nil {
		return ""
	}
	if s.Type != "object" {
		return at + ": an object"
	}
	for _, name := range s.Required {
		if _, ok := object[name]; !ok {
			return at + ": no " + name
		}
	}
	for name, value := range object {
		property := s.Properties[name]
		if property == nil {
			property = s.AdditionalProperties
		}
		if property == nil {
			continue // part of a whole that allOf describes, or a field left undescribed
		}
		if wrong := d.mismatch(property, value, at+"."+name); wrong != "" {
			return wrong
		}
	}
	return ""
}

func TestTheDocumentDescribesWhatIsServedAndNothingElse(t *testing.T) {
	b := setUp(t)
	d := b.document()
	var described []string
	for path, methods := range d.Paths {
		for method := range methods {
			described = append(described, strings.ToUpper(method)+" "+path)
		}
	}
	require.ElementsMatch(t, b.server.Routes(), described)
}

func TestEverySchemaThatIsNamedIsThere(t *testing.T) {
	b := setUp(t)
	d := b.document()
	_, text, _ := b.call(http.MethodGet, "/openapi.json", "")
	named := map[string]bool{}
	for _, match := range regexp.MustCompile(`"#/components/schemas/(\w+)"`).FindAllStringSubmatch(text, -1) {
		named[match[1]] = true
		require.Contains(t, d.Components.Schemas, match[1])
	}
	for name := range d.Components.Schemas {
		require.True(t, named[name], "%s is used by nothing", name)
	}
}

func TestAnswersAreAsTheDocumentSays(t *testing.T) {
	b := setUp(t)
	d := b.document()
	result := &jobs.Result{
		RequestID: "ab", KeyID: "cd", Handles: []common.Hash{common.HexToHash(handleText(1))}, Plaintext: []byte{1},
		Signatures: [][]byte{make([]byte, 65)}, Shares: []jobs.Share{{Index: 1, Payload: []byte{1}, Signature: make([]byte, 65)}},
	}
	proven := &jobs.Proven{Accepted: true, Handles: result.Handles, Signatures: result.Signatures}
	good := bodies()
	for kind := range good {
		b.jobs.known[string(kind)] = &jobs.Job{ID: string(kind), Kind: kind, State: jobs.Succeeded, Result: result, Proven: proven,
			Carries: []jobs.Carry{{State: jobs.CarryPending}}, Steps: map[string]jobs.Step{jobs.StepSent: {Height: 3}}}
		b.jobs.known[string(kind)+"-fails"] = &jobs.Job{ID: "x", Kind: kind, State: jobs.Failed, Failure: &jobs.Failure{Reason: jobs.ReasonTimeout, Message: "why"}}
		b.jobs.known[string(kind)+"-works"] = &jobs.Job{ID: "x", Kind: kind, State: jobs.Working}
	}
	check := func(method, path, described, body string) {
		t.Helper()
		code, text, _ := b.call(method, path, body)
		answers := d.Paths[described][strings.ToLower(method)].Responses
		answer, ok := answers[strconv.Itoa(code)]
		require.True(t, ok, "%s %s answers %d, which is not described", method, path, code)
		content, ok := answer.Content["application/json"]
		require.True(t, ok, path)
		var value any
		require.NoError(t, json.Unmarshal([]byte(text), &value))
		require.Empty(t, d.mismatch(content.Schema, value, path), text)
	}
	for kind, body := range good {
		path := "/v2/" + string(kind)
		b.jobs.known["job-1"] = nil
		check(http.MethodPost, path, path, body)
		check(http.MethodPost, path, path, "{}")
		for _, job := range []string{string(kind), string(kind) + "-fails", string(kind) + "-works", "none"} {
			check(http.MethodGet, path+"/"+job, path+"/{job}", "")
		}
		b.jobs.known["job-1"] = b.jobs.known[string(kind)]
		check(http.MethodPost, "/v1/"+string(kind), "/v1/"+string(kind), body)
	}
	for _, path := range []string{"/v2/keyurl", "/v1/keyurl", "/health"} {
		check(http.MethodGet, path, path, "")
	}
	check(http.MethodPost, "/v1/ciphertexts", "/v1/ciphertexts", "hello")
}
