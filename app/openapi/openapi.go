// Package openapi holds the OpenAPI description of the chain's REST interface.
package openapi

import _ "embed"

// Description is an OpenAPI 2 document in JSON, generated from the protobuf files.
//
//go:embed tkms.swagger.json
var Description []byte
