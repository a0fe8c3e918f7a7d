package app

import (
	"io/fs"
	"net/http"

	gogogrpc "github.com/cosmos/gogoproto/grpc"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/client/docs"
	"github.com/cosmos/cosmos-sdk/client/grpc/cmtservice"
	nodeservice "github.com/cosmos/cosmos-sdk/client/grpc/node"
	"github.com/cosmos/cosmos-sdk/server/api"
	"github.com/cosmos/cosmos-sdk/server/config"
	authtx "github.com/cosmos/cosmos-sdk/x/auth/tx"

	"github.com/tkms-network/tkms/app/openapi"
)

// RegisterAPIRoutes serves REST, and with it (api.swagger) the OpenAPI description at
// /swagger/swagger.yaml with a page to read it at /swagger/.
func (a *App) RegisterAPIRoutes(server *api.Server, cfg config.APIConfig) {
	clientCtx := server.ClientCtx
	authtx.RegisterGRPCGatewayRoutes(clientCtx, server.GRPCGatewayRouter)
	cmtservice.RegisterGRPCGatewayRoutes(clientCtx, server.GRPCGatewayRouter)
	nodeservice.RegisterGRPCGatewayRoutes(clientCtx, server.GRPCGatewayRouter)
	a.basics.RegisterGRPCGatewayRoutes(clientCtx, server.GRPCGatewayRouter)
	if cfg.Swagger {
		page, err := fs.Sub(docs.SwaggerUI, "swagger-ui")
		must(err, "swagger page")
		// The page of the SDK asks for swagger.yaml; JSON is YAML.
		server.Router.HandleFunc("/swagger/swagger.yaml", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(openapi.Description) // the client is gone: nobody to tell
		})
		server.Router.PathPrefix("/swagger/").Handler(http.StripPrefix("/swagger/", http.FileServer(http.FS(page))))
	}
}

// RegisterTxService serves simulation and look-up of transactions.
func (a *App) RegisterTxService(clientCtx client.Context) {
	authtx.RegisterTxService(a.GRPCQueryRouter(), clientCtx, a.Simulate, a.registry)
}

// RegisterTendermintService serves blocks, validators and proofs.
func (a *App) RegisterTendermintService(clientCtx client.Context) {
	cmtservice.RegisterTendermintService(clientCtx, a.GRPCQueryRouter(), a.registry, a.Query)
}

// RegisterNodeService serves the node's status and configuration.
func (a *App) RegisterNodeService(clientCtx client.Context, cfg config.Config) {
	nodeservice.RegisterNodeService(clientCtx, a.GRPCQueryRouter(), cfg, func() int64 {
		return a.CommitMultiStore().EarliestVersion()
	})
}

// RegisterGRPCServerWithSkipCheckHeader serves the queries over gRPC.
func (a *App) RegisterGRPCServerWithSkipCheckHeader(server gogogrpc.Server, skipCheckHeader bool) {
	a.BaseApp.RegisterGRPCServerWithSkipCheckHeader(server, skipCheckHeader)
}
